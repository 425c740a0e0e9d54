"""What the domain may know of receipts, read from their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.matching import ReceiptFacts
from portal.models import Distinction, Receipt, Transaction
from portal.services.assignments.reaching import parts


def receipt_facts(session: Session, client_id: str, receipts: Iterable[Receipt]) -> list[ReceiptFacts]:
    """What the domain may know of receipts; the bank's links become ids of our transactions."""
    receipts = list(receipts)
    distinct = _distinct(session, client_id, receipts)
    linked = {qonto_id for receipt in receipts for qonto_id in receipt.linked_transactions}
    ours: dict[str, str] = {}
    if linked:
        for told in parts(sorted(linked)):
            known = Transaction.client_id == client_id, Transaction.qonto_id.in_(told)
            ours.update(
                (qonto_id, own) for qonto_id, own in session.execute(select(Transaction.qonto_id, Transaction.id).where(*known))
            )
    return [
        ReceiptFacts(
            id=receipt.id, direction="income" if receipt.direction == "income" else "expense", number=receipt.number,
            counterparty=receipt.counterparty, amount_cents=receipt.amount_cents, currency=receipt.currency,
            issued_on=receipt.issued_on, due_on=receipt.due_on, paid_on=receipt.paid_on, iban=receipt.iban, text="",
            linked_transactions=tuple(ours[q] for q in receipt.linked_transactions if q in ours),
            is_from_bank=receipt.connection_id is not None, distinct_from=frozenset(distinct[receipt.id]),
        )
        for receipt in receipts
    ]  # fmt: skip


def _distinct(session: Session, client_id: str, receipts: Iterable[Receipt]) -> dict[str, set[str]]:
    """What people have told apart, by either receipt: by comparing two, or by saying that one file holds several invoices."""
    distinct: dict[str, set[str]] = defaultdict(set)
    in_file: dict[str, set[str]] = defaultdict(set)
    for receipt in receipts:
        in_file[receipt.split_from or receipt.id].add(receipt.id)
    for invoices in in_file.values():
        for one in invoices:
            distinct[one] = invoices - {one}
    query = select(Distinction.receipt_id, Distinction.other_id).where(Distinction.client_id == client_id)
    for one, other in session.execute(query):
        distinct[one].add(other)
        distinct[other].add(one)
    return distinct
