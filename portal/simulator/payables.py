"""Supplier invoices that wait for money: which can be paid, and what a transfer does to the one it pays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.simulator.clock import stamp
from portal.simulator.names import Row, cents_of, money
from portal.simulator.payees import plain_iban
from portal.simulator.state import Organization

PAYABLE = frozenset({"to_pay", "awaiting_payment"})
_OPEN = PAYABLE | {"to_review", "to_approve"}  # money may come before anybody has looked


def describe(row: Row) -> None:
    """Say in `available_actions` whether it can be paid, and if not, why."""
    reasons = [
        reason
        for reason, holds in (
            ("invalid_status", row["status"] not in PAYABLE),
            ("missing_iban", not row["iban"]),
            ("missing_amount", (cents_of(row["payable_amount"]) or 0) <= 0),
            ("credit_note", row["is_credit_note"]),
        )
        if holds
    ]
    actions = {**row["available_actions"], "pay": not reasons}
    row["available_actions"] = {**actions, "reasons": {"pay": reasons} if reasons else {}}


@dataclass(frozen=True, slots=True)
class Claim:
    """An invoice that waits for a transfer, and what it was before."""

    invoice: Row
    transfer: Row
    status_before: str

    def let_go(self, at: datetime) -> None:
        """The transfer came to nothing: the invoice waits for another."""
        left = [transfer_id for transfer_id in self.invoice["transfer_ids"] if transfer_id != self.transfer["id"]]
        _change(self.invoice, at, status=self.status_before, transfer_ids=left, scheduled_date=None)

    def paid(self, at: datetime) -> None:
        """The money has left."""
        link = {
            "subject_id": self.transfer["id"], "subject_type": "transfer", "transaction_id": self.transfer["transaction_id"],
        }  # fmt: skip
        linked = [*self.invoice["matched_transactions"], link]
        _change(self.invoice, at, status="paid", payment_date=str(at.date()), matched_transactions=linked)


def claim(known: Organization, transfer: Row, iban: str, attachment_ids: tuple[str, ...], at: datetime) -> Claim | None:
    """The open invoice that a new transfer pays; it waits for the transfer from now on.

    The bank goes by what it can know: the same IBAN, the same amount, and the invoice's number in the reference or its file at
    the transfer. Two that fit equally well are left alone.
    """
    found = [
        row
        for row in known.rows("supplier_invoices")
        if row["status"] in _OPEN
        and plain_iban(row["iban"] or "") == iban
        and row["payable_amount"] == money(transfer["amount_cents"])
        and (_is_named(row["invoice_number"], transfer["reference"]) or row["attachment_id"] in attachment_ids)
    ]
    if len(found) != 1:
        return None
    row, is_later = found[0], transfer["scheduled_date"] > str(at.date())
    claimed = Claim(row, transfer, row["status"])
    ids = [*row["transfer_ids"], transfer["id"]]
    status = "scheduled" if is_later else "pending"
    _change(row, at, status=status, transfer_ids=ids, scheduled_date=transfer["scheduled_date"])
    return claimed


def _change(row: Row, at: datetime, **values: object) -> None:
    row.update(values, updated_at=stamp(at))
    describe(row)


def _is_named(number: str | None, reference: str) -> bool:
    """Whether the reference holds the number, spaces and marks aside."""
    wanted, given = (_letters(text or "") for text in (number, reference))
    return len(wanted) > 2 and wanted in given


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
