"""What exactly is ordered: the one body that the bank gets, its digest, and the rules that it must keep.

The approval is given for the digest of the body, so that nothing else than what was approved can be sent (E09).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from portal.domain.money import parse_cents
from portal.domain.payments import sepa

MOST = 400  #: payments in a batch (qonto-api.md §13.3)
NEEDS_FILE_ABOVE = 3_000_000  #: cents; the bank wants a document above 30,000 EUR
_THOUSANDS_OR_CENTS = re.compile(r"\d{1,3}([.,' ])\d{3}")


class Way(StrEnum):
    """How an order reaches the bank."""

    TRANSFER = "transfer"  #: one payment
    BULK = "bulk"  #: several with one confirmation
    REQUEST = "request"  #: laid into the bank's app, released there


class Flaw(StrEnum):
    """What is wrong with a payment; templates word it."""

    NAME = "name"
    IBAN = "iban"
    OWN_ACCOUNT = "own_account"
    AMOUNT = "amount"
    AMBIGUOUS = "ambiguous"
    NEEDS_FILE = "needs_file"
    LIMIT = "limit"
    DAY_LIMIT = "day_limit"
    BALANCE = "balance"
    TEXT = "text"
    PAST = "past"
    TOO_FAR = "too_far"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Item:
    """One payment as it is ordered. `mark` finds it again at the bank: the id of our row."""

    mark: str
    creditor: str
    iban: str
    amount_cents: int
    remittance: str
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A whole batch as it is ordered. `execute_on` None: as soon as the bank can."""

    mark: str
    way: Way
    account_id: str  #: the bank's
    account_iban: str
    execute_on: date | None
    proof: str  #: the bank's token that the payees were checked; of a request: none
    items: tuple[Item, ...]

    @property
    def total_cents(self) -> int:
        """Of all payments."""
        return sum(item.amount_cents for item in self.items)


def body(order: Order) -> dict[str, Any]:
    """What the bank gets, field by field (qonto-api.md §13)."""
    if order.way is Way.REQUEST:
        transfers = [
            {
                "amount": spelled(item.amount_cents), "currency": "EUR", "credit_iban": item.iban,
                "credit_account_name": item.creditor, "credit_account_currency": "EUR", "reference": item.remittance,
                **_files(item),
            }
            for item in order.items
        ]  # fmt: skip
        asked = {"note": note(order.mark), "transfers": transfers, "debit_iban": order.account_iban, **_day(order)}
        return {"request_multi_transfer": asked}
    entries = [
        {
            "beneficiary": {"name": item.creditor, "iban": item.iban}, "reference": item.remittance,
            "amount": spelled(item.amount_cents), "note": note(item.mark), **_day(order), **_files(item),
        }
        for item in order.items
    ]  # fmt: skip
    if order.way is Way.TRANSFER:
        (entry,) = entries
        return {"vop_proof_token": order.proof, "transfer": {"bank_account_id": order.account_id, **entry}}
    bulk = [{"client_transfer_id": item.mark, **entry} for item, entry in zip(order.items, entries, strict=True)]
    return {"vop_proof_token": order.proof, "bank_account_id": order.account_id, "bulk_transfers": bulk}


def digest(order: Order) -> str:
    """SHA-256 of the body in its one spelling: what an approval is given for."""
    text = json.dumps(body(order), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def note(mark: str) -> str:
    """What stands at the bank beside a transfer of ours; the payee does not see it."""
    return f"Belegfluss {mark}"


def spelled(cents: int) -> str:
    """The bank takes amounts as decimal texts only."""
    return f"{cents // 100}.{cents % 100:02d}"


def amount(text: str) -> int | Flaw:
    """The cents that somebody typed. What may be read in two ways is refused: `1.234` may be thousands or a slip."""
    plain = text.strip().removesuffix("€").removesuffix("EUR").strip()
    try:
        cents = parse_cents(plain)
    except ValueError:
        return Flaw.AMOUNT
    if _THOUSANDS_OR_CENTS.fullmatch(plain):
        return Flaw.AMBIGUOUS
    return cents if cents > 0 else Flaw.AMOUNT


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an order has to stay within. None: nothing is known, or there is no such bound."""

    today: date
    limit_cents: int
    day_left_cents: int  #: of what may be approved in one day
    balance_cents: int | None = None


LAST_YEARS = 1  #: how far ahead a payment may be dated


def flaws(order: Order, bounds: Bounds) -> list[tuple[Flaw, str]]:
    """What is wrong with an order, each with the mark of its payment ("" where it is about the whole)."""
    found: list[tuple[Flaw, str]] = []
    if not 1 <= len(order.items) <= MOST:
        found.append((Flaw.TOO_MANY, ""))
    for item in order.items:
        found.extend((flaw, item.mark) for flaw in item_flaws(item, account_iban=order.account_iban))
        if item.amount_cents > bounds.limit_cents:
            found.append((Flaw.LIMIT, item.mark))
    if order.total_cents > bounds.day_left_cents:
        found.append((Flaw.DAY_LIMIT, ""))
    if bounds.balance_cents is not None and order.total_cents > bounds.balance_cents:
        found.append((Flaw.BALANCE, ""))
    if (flaw := day_flaw(order.execute_on, today=bounds.today)) is not None:
        found.append((flaw, ""))
    return found


def item_flaws(item: Item, *, account_iban: str = "") -> list[Flaw]:
    """What is wrong with one payment, whatever is allowed to whom."""
    is_named = 1 <= len(item.creditor.strip()) <= sepa.LONGEST_NAME and item.creditor.isprintable()
    checks: Sequence[tuple[bool, Flaw]] = (
        (is_named, Flaw.NAME),
        (sepa.is_iban(item.iban), Flaw.IBAN),
        (item.iban != account_iban, Flaw.OWN_ACCOUNT),
        (item.amount_cents > 0, Flaw.AMOUNT),
        (item.amount_cents <= NEEDS_FILE_ABOVE or bool(item.attachments), Flaw.NEEDS_FILE),
        (sepa.is_text(item.remittance), Flaw.TEXT),
    )
    return [flaw for is_kept, flaw in checks if not is_kept]


def day_flaw(execute_on: date | None, *, today: date) -> Flaw | None:
    """What is wrong with the day; a day on which banks rest is not wrong, it only takes longer."""
    if execute_on is None:
        return None
    if execute_on < today:
        return Flaw.PAST
    return Flaw.TOO_FAR if execute_on.year > today.year + LAST_YEARS else None


def _day(order: Order) -> dict[str, str]:
    return {"scheduled_date": order.execute_on.isoformat()} if order.execute_on else {}


def _files(item: Item) -> dict[str, list[str]]:
    return {"attachment_ids": list(item.attachments)} if item.attachments else {}
