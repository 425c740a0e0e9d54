"""Payments as they are asked for: bodies are read field by field, and every complaint says where it found what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from portal.simulator.errors import ApiError, not_found, refuse
from portal.simulator.files import Files
from portal.simulator.names import Row
from portal.simulator.payees import INVALID, is_iban, plain_iban
from portal.simulator.state import Organization

MOST = 400  #: entries of a bulk
LONGEST = 140  #: characters of a name or a reference
NEEDS_FILE_ABOVE = 3_000_000  #: cents
#: amounts that are refused whoever is paid (simulator contract §6): cents → status, code, words
REFUSED: dict[int, tuple[int, str, str]] = {
    402001: (422, "insufficient_funds", "The balance does not suffice"),
    403001: (403, "forbidden", "Your role does not allow this transfer"),
    403002: (422, "spend_limit_exceeded", "The transfer limit is exceeded"),
    403003: (422, "debit_blocked", "Debits of this account are blocked"),
}


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid: a beneficiary by its id, or somebody named here, who then becomes one."""

    name: str
    iban: str
    beneficiary_id: str | None = None
    is_trusted: bool = False
    bic: str | None = None
    email: str | None = None
    activity_tag: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One payment that was asked for. Nothing has happened yet."""

    account: Row
    payee: Payee
    cents: int
    reference: str
    note: str | None
    due_on: date
    attachment_ids: tuple[str, ...]
    client_transfer_id: str | None = None

    def objection(self) -> tuple[int, str, str] | None:
        """Why the bank will not do it: status, code, words. Asked before the user is."""
        if self.payee.iban == INVALID:
            return 422, "invalid", "Invalid IBAN"
        if self.cents in REFUSED:
            return REFUSED[self.cents]
        if self.cents > self.account["authorized_balance_cents"]:
            return REFUSED[402001]
        if self.cents > NEEDS_FILE_ABOVE and not self.attachment_ids:
            return 400, "attachment_required", "Transfers above 30,000 EUR need an attachment"
        return None


def _missing(pointer: str) -> ApiError:
    return refuse(422, "missing", f"{pointer.rpartition('/')[2]} is missing", pointer=pointer)


def _invalid(pointer: str, detail: str = "") -> ApiError:
    return refuse(422, "invalid", detail or f"{pointer.rpartition('/')[2]} is invalid", pointer=pointer)


def object_at(body: Row, name: str, pointer: str = "") -> Row:
    """An object in a body."""
    value = body.get(name)
    if value is None:
        raise _missing(f"{pointer}/{name}")
    if not isinstance(value, dict):
        raise _invalid(f"{pointer}/{name}")
    return value


def entries_at(body: Row, name: str, pointer: str = "") -> list[Row]:
    """1 to 400 objects in a body."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise _missing(f"{pointer}/{name}")
    if not 1 <= len(value) <= MOST:
        raise refuse(400, "bad_request", f"{name} must hold 1 to {MOST} entries", pointer=f"{pointer}/{name}")
    return value


def text_at(body: Row, name: str, pointer: str = "", *, longest: int = LONGEST) -> str:
    """A text that must be there."""
    if body.get(name) in (None, ""):
        raise _missing(f"{pointer}/{name}")
    found = optional_text_at(body, name, pointer, longest=longest)
    if found is None or not found.strip():
        raise _invalid(f"{pointer}/{name}")
    return found


def optional_text_at(body: Row, name: str, pointer: str = "", *, longest: int = LONGEST) -> str | None:
    """A text that may be left out."""
    value = body.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > longest):
        raise _invalid(f"{pointer}/{name}")
    return value


def cents_at(body: Row, pointer: str = "") -> int:
    """The amount, which must be a decimal text. Errors: 400 `not_a_string` for a number."""
    value = body.get("amount")
    if value is None:
        raise _missing(f"{pointer}/amount")
    if not isinstance(value, str):
        raise refuse(400, "not_a_string", "amount is not a string", pointer=f"{pointer}/amount")
    cents = int(Decimal(value) * 100) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,2})?", value) else 0
    if not cents:
        raise _invalid(f"{pointer}/amount")
    return cents


def iban_at(body: Row, name: str, pointer: str = "") -> str:
    """A plain IBAN with right check digits."""
    iban = plain_iban(text_at(body, name, pointer))
    if not is_iban(iban):
        raise _invalid(f"{pointer}/{name}", "Invalid IBAN")
    return iban


def day_at(body: Row, name: str, today: date, pointer: str = "") -> date:
    """A day from today on; today when it is left out."""
    value = body.get(name)
    if value is None:
        return today
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _invalid(f"{pointer}/{name}") from None
    if day < today:
        raise _invalid(f"{pointer}/{name}", f"{name} is in the past")
    return day


def payee_at(given: Row, pointer: str) -> Payee:
    """A payee who is written out."""
    optional: dict[str, Any] = {name: optional_text_at(given, name, pointer) for name in ("bic", "email", "activity_tag")}
    return Payee(text_at(given, "name", pointer), iban_at(given, "iban", pointer), **optional)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads orders of one company."""

    known: Organization
    files: Files
    today: date

    def payer(self, account: Row | None, pointer: str) -> Row:
        """The account that pays. Unknown: 404; one of another bank, or a closed one, cannot pay."""
        if account is None:
            raise not_found()
        if account["is_external_account"] or account["status"] != "active":
            raise _invalid(pointer)
        return account

    def order(self, given: Row, pointer: str, account: Row) -> Order:
        """One transfer."""
        if given.get("currency", "EUR") != "EUR":
            raise _invalid(f"{pointer}/currency")
        return Order(
            account=account,
            payee=self._payee(given, pointer),
            cents=cents_at(given, pointer),
            reference=text_at(given, "reference", pointer),
            note=optional_text_at(given, "note", pointer, longest=2000),
            due_on=day_at(given, "scheduled_date", self.today, pointer),
            attachment_ids=self.attachments(given, pointer),
        )

    def _payee(self, given: Row, pointer: str) -> Payee:
        beneficiary_id = optional_text_at(given, "beneficiary_id", pointer)
        if (beneficiary_id is None) == (given.get("beneficiary") is None):
            raise _invalid(f"{pointer}/beneficiary", "either beneficiary_id or beneficiary must be given")
        if beneficiary_id is None:
            return payee_at(object_at(given, "beneficiary", pointer), f"{pointer}/beneficiary")
        row = self.known.row("beneficiaries", beneficiary_id)
        if row is None:
            raise not_found()
        if row["status"] == "declined":
            raise _invalid(f"{pointer}/beneficiary_id")
        return Payee(row["name"], row["iban"], row["id"], row["trusted"] and row["status"] == "validated", row["bic"])

    def attachments(self, given: Row, pointer: str) -> tuple[str, ...]:
        """Ids of this company's own files."""
        ids = given.get("attachment_ids") or []
        if not isinstance(ids, list):
            raise _invalid(f"{pointer}/attachment_ids")
        for attachment_id in ids:
            found = self.files.find(str(attachment_id))
            if found is None or found.organization_id != self.known.id:
                raise _invalid(f"{pointer}/attachment_ids")
        return tuple(ids)
