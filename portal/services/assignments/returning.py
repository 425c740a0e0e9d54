"""Payments that came back after the machine had assigned them: their receipts are for people again.

A direct debit may be returned days after it was booked, when its receipt is assigned already. What a person assigned stands.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.matching import MOST_FEE, RETURN_DAYS, ReviewReason, returned_by, tells_of_return
from portal.models import Assignment, Receipt, Transaction
from portal.ports import Ports
from portal.services import running
from portal.services.assignments import assigning
from portal.services.assignments.facts import receipt_facts
from portal.services.assignments.reaching import as_facts
from portal.services.auditing import queue_up
from portal.services.running import Lease


def take_back(ports: Ports, lease: Lease) -> None:
    """Withdraw the machine's assignments to what new transactions say has come back. Comes before these are indexed."""
    booked = Transaction.client_id == lease.client_id, Transaction.status == "booked"
    with ports.database.read() as session:
        new = select(Transaction.id, Transaction.remittance).where(*booked, Transaction.is_indexed.is_(False))
        told = sorted(known for known, remittance in session.execute(new) if tells_of_return(remittance or ""))
    for known in told:
        with ports.database.write() as session:
            queue_up(session, lease.client_id)
            running.advance(session, lease)
            back = session.scalar(select(Transaction).where(*booked, Transaction.id == known))
            if back is not None:
                _take_back(session, back, ports.clock.now())


def _take_back(session: Session, back: Transaction, now: datetime) -> None:
    standing = (
        select(Receipt, Transaction)
        .join(Assignment, Assignment.receipt_id == Receipt.id)
        .join(Transaction, Transaction.id == Assignment.transaction_id)
        .where(
            Assignment.client_id == back.client_id, Assignment.withdrawn_at.is_(None), Assignment.is_automatic,
            Transaction.side != back.side, Transaction.currency == back.currency,
            Transaction.amount_cents.between(back.amount_cents - MOST_FEE, back.amount_cents),
            Transaction.booked_on.between(back.booked_on - timedelta(days=RETURN_DAYS), back.booked_on),
        )
        .order_by(Receipt.sequence)
    )  # fmt: skip
    pairs = [(receipt, paid) for receipt, paid in session.execute(standing)]
    receipts = {receipt.id: receipt for receipt, _ in pairs}
    payments = {paid.id: as_facts(paid, 0) for _, paid in pairs}
    facts = receipt_facts(session, back.client_id, receipts.values())
    found = returned_by(as_facts(back, back.amount_cents), facts, list(payments.values())) if pairs else set()
    for receipt in {receipt.id: receipt for receipt, paid in pairs if paid.id in found}.values():
        assigning.withdraw(session, receipt=receipt, now=now, reason=ReviewReason.SOURCE_CHANGED)
