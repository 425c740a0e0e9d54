"""What the bank answers about payees and orders, as frozen rows; the rules are those of `schema`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.errors import UnexpectedPayload
from portal.qonto.fields import Json, moment, required, text, whole_cents

PAYEE_RESULTS = {"match", "close_match", "no_match", "not_possible"}


@dataclass(frozen=True, slots=True)
class PayeeCheck:
    """match, close_match (`name` is the holder's), no_match, not_possible, or unavailable."""

    result: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PayeeChecks:
    """One check per payee, in their order. `proof` goes with the order and fits exactly these IBANs."""

    checks: tuple[PayeeCheck, ...]
    proof: str


@dataclass(frozen=True, slots=True)
class Ordered:
    """The bank's id of what was ordered."""

    id: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer and what became of it. `transaction_id`: of the booked movement, once there is one."""

    id: str
    status: str
    declined_reason: str | None
    transaction_id: str | None
    account_id: str | None
    amount_cents: int | None
    remittance: str | None
    note: str | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class BulkEntry:
    """pending, completed (a transfer was made of it) or failed (`code` tells why)."""

    mark: str
    status: str
    transfer_id: str | None
    code: str


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk, entry by entry."""

    id: str
    entries: tuple[BulkEntry, ...]


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """A request in the bank's app: pending, approved, declined or canceled."""

    id: str
    status: str
    note: str | None


def payee_check(answer: Json) -> PayeeChecks:
    """The answer of `POST /v2/sepa/verify_payee`."""
    return PayeeChecks((_result(answer),), _proof(answer))


def payee_checks(answer: Json, count: int) -> PayeeChecks:
    """The answer of `POST /v2/sepa/bulk_verify_payee`; entries echo the number that they were sent with (qonto-api.md §17)."""
    listed = answer.get("requests")
    if not isinstance(listed, list):
        raise UnexpectedPayload("requests")
    found = {str(entry.get("id")): entry for entry in listed if isinstance(entry, dict)}
    return PayeeChecks(tuple(_result(_response(found.get(str(number)))) for number in range(count)), _proof(answer))


def ordered(row: Json) -> Ordered:
    """What the bank answers to an order."""
    return Ordered(required(row, "id"))


def transfer(row: Json) -> Transfer:
    """One row of `GET /v2/sepa/transfers`."""
    return Transfer(
        id=required(row, "id"),
        status=required(row, "status"),
        declined_reason=text(row, "declined_reason"),
        transaction_id=text(row, "transaction_id"),
        account_id=text(row, "bank_account_id"),
        amount_cents=whole_cents(row, "amount_cents", beside="amount"),
        remittance=text(row, "reference"),
        note=text(row, "note"),
        created_at=moment(row, "created_at"),
    )


def bulk(row: Json) -> Bulk:
    """One row of `GET /v2/sepa/bulk_transfers`."""
    listed = row.get("results")
    if not isinstance(listed, list):
        raise UnexpectedPayload("results")
    return Bulk(required(row, "id"), tuple(_bulk_entry(entry) for entry in listed if isinstance(entry, dict)))


def transfer_request(row: Json) -> TransferRequest:
    """One row of `GET /v2/requests`."""
    return TransferRequest(required(row, "id"), required(row, "status"), text(row, "note"))


def _response(entry: Json | None) -> Json:
    found = entry.get("response") if entry else None
    return found if isinstance(found, dict) else {}


def _result(answer: Json) -> PayeeCheck:
    """Anything but a known result says as little as none."""
    word = (text(answer, "match_result") or "").removeprefix("MATCH_RESULT_").lower()
    return PayeeCheck(word if word in PAYEE_RESULTS else "unavailable", text(answer, "matched_name"))


def _proof(answer: Json) -> str:
    token = answer.get("proof_token")
    if not isinstance(token, dict):
        raise UnexpectedPayload("proof_token")
    return required(token, "token")


def _bulk_entry(row: Json) -> BulkEntry:
    errors = row.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return BulkEntry(
        required(row, "client_transfer_id"), required(row, "status"), text(row, "transfer_id"), (text(first, "code") or "")[:100]
    )
