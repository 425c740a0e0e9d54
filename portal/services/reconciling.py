"""The balance check: what came in before, plus every movement since, must be what the bank says the account holds (C13, F40)."""

from __future__ import annotations

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


def _opening(first: list[tuple[int, int | None]]) -> int | None:
    """The balance before movements that settled at the same moment, in whatever order the bank took them."""
    balances = {after for _, after in first if after is not None}
    together = sum(cents for cents, _ in first)
    openings = [after - cents for cents, after in first if after is not None]
    return next((opening for opening in openings if opening + together in balances), None)
