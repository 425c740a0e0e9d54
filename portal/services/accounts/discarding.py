"""Taking a bank account out of the books. Nothing is erased: what it brought stays, marked, for as long as books are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from portal.domain.matching import ReviewReason
from portal.errors import Rejected
from portal.models import Assignment, BankAccount, Receipt, Run, Statement, Transaction
from portal.services import running
from portal.services.assignments import assigning
from portal.services.auditing import Tag, queue_up, record


@dataclass(frozen=True, slots=True)
class Consequences:
    """What deleting an account would take out of the books, and the receipts that would need a transaction again."""

    transactions: int
    receipts: int
    statements: int


def consequences(session: Session, account: BankAccount) -> Consequences:
    """Counted now."""
    transactions = session.scalar(select(func.count()).select_from(Transaction).where(*_booked(account)))
    statements = select(func.count()).select_from(Statement)
    imported = session.scalar(statements.where(Statement.bank_account_id == account.id, Statement.state == "imported"))
    return Consequences(transactions or 0, len(_receipts(session, account)), imported or 0)


def delete(session: Session, account: BankAccount, *, typed: str, now: datetime) -> Run:
    """Delete an account with its transactions; its receipts go back to review. `typed`: what it is called, as a confirmation.

    A connection that finds it again later offers it like a new one; what it reads then counts once. Errors: Rejected for
    another name.
    """
    queue_up(session, account.client_id)
    session.refresh(account)
    if account.deleted_at is not None:
        raise Rejected("This account is deleted already.")
    if typed.strip().casefold() != account.title.strip().casefold():
        raise Rejected("This is not the name of the account. Nothing was deleted.")
    counted = consequences(session, account)
    for receipt in _receipts(session, account):
        assigning.withdraw(session, receipt=receipt, now=now, reason=ReviewReason.NO_TRANSACTION_YET)
    session.execute(update(Transaction).where(*_booked(account)).values(status="discarded", updated_at=now, is_indexed=False))
    session.execute(
        update(Statement)
        .where(Statement.bank_account_id == account.id, Statement.state == "imported")
        .values(state="undone", undone_at=now)
    )
    account.deleted_at, account.is_chosen, account.synced_until, account.covered_until = now, False, None, None
    record(
        session, Tag.ACCOUNT_DELETED, subject=f"bank_account:{account.id}", at=now, client_id=account.client_id,
        transactions=counted.transactions, receipts=counted.receipts, statements=counted.statements,
    )  # fmt: skip
    return running.request(session, client_id=account.client_id, kind="matching", trigger="change", now=now)


def _booked(account: BankAccount) -> tuple[ColumnElement[bool], ...]:
    return Transaction.bank_account_id == account.id, Transaction.status == "booked"


def _receipts(session: Session, account: BankAccount) -> list[Receipt]:
    """Those with a standing assignment to one of its transactions."""
    query = (
        select(Receipt)
        .join(Assignment, Assignment.receipt_id == Receipt.id)
        .join(Transaction, Transaction.id == Assignment.transaction_id)
        .where(*_booked(account), Assignment.withdrawn_at.is_(None))
    )
    return list(session.scalars(query).unique())
