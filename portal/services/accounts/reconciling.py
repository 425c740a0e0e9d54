"""The balance check: what came in before, plus every movement since, must be what the bank says the account holds (C13, F40)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from portal.models import BankAccount, Transaction

SIGNED = case((Transaction.side == "credit", Transaction.amount_cents), else_=-Transaction.amount_cents)


def difference(session: Session, account: BankAccount) -> int | None:
    """Cents by which the bank's balance exceeds opening balance plus movements; 0 is well, None cannot be told.

    The opening balance is what the account held before the earliest movement that is here. So a movement that is missing,
    doubled or of another amount shows, unless it lies before all of them.
    """
    booked: tuple[ColumnElement[bool], ...] = (Transaction.bank_account_id == account.id, Transaction.status == "booked")
    # what files have brought from before has no balance of the bank
    earliest = (
        select(func.min(Transaction.settled_at)).where(*booked, Transaction.balance_after_cents.is_not(None)).scalar_subquery()
    )
    first = session.execute(select(SIGNED, Transaction.balance_after_cents).where(*booked, Transaction.settled_at == earliest))
    opening = _opening([(int(cents), after) for cents, after in first])
    if account.balance_cents is None or opening is None:
        return None
    moved = session.scalar(select(func.sum(SIGNED)).where(*booked, Transaction.settled_at >= earliest)) or 0
    return account.balance_cents - opening - int(moved)


@dataclass(frozen=True, slots=True)
class Break:
    """Between two days the balance moved by `cents` more than the transactions that are here."""

    after: date
    until: date
    cents: int


def breaks(session: Session, account: BankAccount) -> list[Break]:
    """Where an account's own balances do not follow from one another, oldest first; the last is up to what it holds now."""
    query = select(Transaction.settled_at, Transaction.booked_on, SIGNED, Transaction.balance_after_cents).where(
        Transaction.bank_account_id == account.id, Transaction.status == "booked", Transaction.balance_after_cents.is_not(None)
    )
    found: list[Break] = []
    before, balance = None, None
    for _, together in groupby(session.execute(query.order_by(Transaction.settled_at)), key=itemgetter(0)):
        rows = [(day, int(cents), int(after)) for _, day, cents, after in together]  # of one moment: in any order
        day, moved = rows[0][0], sum(cents for _, cents, _ in rows)
        if before is None or balance is None:
            opening = _opening([(cents, after) for _, cents, after in rows])
            balance = None if opening is None else opening + moved
        else:
            off = min((after - balance - moved for _, _, after in rows), key=abs)
            if off:
                found.append(Break(before, day, off))
            balance += moved + off
        before = day
    if before is not None and balance is not None and account.balance_cents not in {None, balance}:
        found.append(Break(before, before, (account.balance_cents or 0) - balance))
    return found


def _opening(first: list[tuple[int, int | None]]) -> int | None:
    """The balance before movements that settled at the same moment, in whatever order the bank took them."""
    balances = {after for _, after in first if after is not None}
    together = sum(cents for cents, _ in first)
    openings = [after - cents for cents, after in first if after is not None]
    return next((opening for opening in openings if opening + together in balances), None)
