"""Assigning receipts to transactions, withdrawing that again, and setting receipts aside.

A receipt is in exactly one state: in review, assigned, or set aside. Every step is a row or an event; nothing is erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.matching import Allocation, ReviewReason
from portal.errors import AlreadyAssigned, NotFound, Rejected, Stale
from portal.models import Assignment, Candidate, Receipt, Transaction
from portal.services.auditing import Tag, current_actor, queue_up, record


class SetAsideReason(StrEnum):
    """Why no transaction is expected for a receipt."""

    PAID_PRIVATELY = "paid_privately"
    PAID_IN_CASH = "paid_in_cash"
    OTHER_ACCOUNT = "other_account"
    DUPLICATE = "duplicate"
    NOT_BUSINESS = "not_business"


class Difference(StrEnum):
    """Why a person assigns transactions whose sum is not the receipt's amount."""

    DISCOUNT = "discount"
    PART_PAYMENT = "part_payment"
    FEE = "fee"
    TIP = "tip"
    EXCHANGE = "exchange"
    OTHER = "other"


def assign(
    session: Session, *, receipt: Receipt, allocations: Sequence[Allocation], seen_version: int, now: datetime,
    is_automatic: bool = False, is_to_check: bool = False, score: float | None = None, reasons: Sequence[object] = (),
    matcher: str | None = None, rank: int | None = None,
    difference: Difference | None = None, difference_cents: int | None = None,
) -> list[Assignment]:  # fmt: skip
    """Link the receipt to (parts of) transactions. `rank`: of the candidate that a person took.

    `difference`, `difference_cents`: what the amounts differ by (transactions less receipt), and what it is.

    Errors: Stale when the receipt changed since the page was made; AlreadyAssigned when a transaction has not enough left;
    Rejected without allocations.
    """
    _take(session, receipt, seen_version)
    if receipt.state != "in_review":
        raise AlreadyAssigned("This receipt is already assigned or set aside.")
    if not allocations:
        raise Rejected("Choose the transaction that this receipt belongs to.")
    decision_id = new_id()
    made = []
    for allocation in sorted(allocations, key=lambda a: a.transaction):
        transaction = session.get(Transaction, allocation.transaction, with_for_update=_locks(session))
        if transaction is None or transaction.client_id != receipt.client_id:
            raise NotFound
        if transaction.status != "booked":
            raise AlreadyAssigned("The bank has taken this transaction back.")
        if allocation.amount_cents == 0 or allocation.amount_cents > open_cents(session, transaction):
            raise AlreadyAssigned("This transaction is already assigned to another receipt.")
        made.append(
            Assignment(
                client_id=receipt.client_id,
                receipt_id=receipt.id,
                transaction_id=transaction.id,
                amount_cents=allocation.amount_cents,
                decision_id=decision_id,
                actor=current_actor(),
                is_automatic=is_automatic,
                is_to_check=is_to_check,
                rank=rank,
                difference=difference,
                difference_cents=difference_cents,
                score=score,
                reasons=list(reasons),
                matcher=matcher,
                created_at=now,
            )
        )
    session.add_all(made)
    receipt.state, receipt.review_reason, receipt.in_review_since = "assigned", None, None
    receipt.is_changed_at_source = False
    receipt.updated_at = now
    try:
        session.flush()
    except IntegrityError as error:
        raise AlreadyAssigned("This receipt is already assigned or set aside.") from error
    record(
        session, Tag.ASSIGNMENT_MADE, subject=f"assignment:{decision_id}", at=now, client_id=receipt.client_id,
        receipt=receipt.id, transactions=[[a.transaction_id, a.amount_cents] for a in made], is_automatic=is_automatic,
        score=score, matcher=matcher, difference=[difference.value, difference_cents] if difference else None,
    )  # fmt: skip
    return made


def withdraw(
    session: Session, *, receipt: Receipt, now: datetime, reason: ReviewReason = ReviewReason.MANUAL_UNLINK,
    seen_version: int | None = None,
) -> None:  # fmt: skip
    """End the receipt's assignment; it goes back to review. The pair will not be assigned by the machine again."""
    if seen_version is not None:
        _take(session, receipt, seen_version)
    else:
        receipt.version += 1
    standing = list(session.scalars(standing_of(receipt.id)))
    if not standing:
        raise Stale("This receipt is not assigned any more.")
    for assignment in standing:
        assignment.withdrawn_at, assignment.withdrawn_by = now, current_actor()
    _to_review(receipt, reason, now)
    session.flush()
    record(
        session, Tag.ASSIGNMENT_WITHDRAWN, subject=f"assignment:{standing[0].decision_id}", at=now,
        client_id=receipt.client_id, receipt=receipt.id, transactions=[a.transaction_id for a in standing], reason=reason.value,
    )  # fmt: skip


def confirm(session: Session, *, receipt: Receipt, now: datetime) -> None:
    """Somebody of the firm has looked at a client's assignment, and it is right. Errors: Stale."""
    queue_up(session, receipt.client_id)
    standing = [assignment for assignment in session.scalars(standing_of(receipt.id)) if assignment.is_to_check]
    if not standing:
        raise Stale("Nothing about this receipt is left to check.")
    for assignment in standing:
        assignment.is_to_check = False
    session.flush()
    record(
        session, Tag.ASSIGNMENT_CHECKED, subject=f"assignment:{standing[0].decision_id}", at=now,
        client_id=receipt.client_id, receipt=receipt.id,
    )  # fmt: skip


def set_aside(session: Session, *, receipt: Receipt, reason: SetAsideReason, seen_version: int, now: datetime) -> None:
    """No transaction is expected: the receipt leaves the queue and stays in every list."""
    _take(session, receipt, seen_version)
    if receipt.state != "in_review":
        raise AlreadyAssigned("This receipt is already assigned or set aside.")
    receipt.state, receipt.set_aside_reason, receipt.review_reason = "set_aside", reason.value, None
    receipt.in_review_since, receipt.updated_at = None, now
    session.execute(delete(Candidate).where(Candidate.receipt_id == receipt.id))
    record(
        session, Tag.RECEIPT_SET_ASIDE, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id, reason=reason.value
    )


def reopen(session: Session, *, receipt: Receipt, seen_version: int, now: datetime) -> None:
    """Take a set-aside receipt back into review."""
    _take(session, receipt, seen_version)
    if receipt.state != "set_aside":
        raise Stale("This receipt is not set aside any more.")
    was = receipt.set_aside_reason
    _to_review(receipt, ReviewReason.MANUAL_UNLINK, now)
    record(session, Tag.RECEIPT_REOPENED, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id, reason=was)


def open_cents(session: Session, transaction: Transaction) -> int:
    """What of the transaction no standing assignment uses yet."""
    used = session.scalar(
        select(func.coalesce(func.sum(Assignment.amount_cents), 0)).where(
            Assignment.transaction_id == transaction.id, Assignment.withdrawn_at.is_(None)
        )
    )
    return transaction.amount_cents - int(used or 0)


def standing_of(receipt_id: str) -> Select[Assignment]:
    """The standing assignments of a receipt."""
    return select(Assignment).where(Assignment.receipt_id == receipt_id, Assignment.withdrawn_at.is_(None))


def _to_review(receipt: Receipt, reason: ReviewReason, now: datetime) -> None:
    receipt.state, receipt.review_reason, receipt.in_review_since = "in_review", reason.value, now
    receipt.best_score = None  # the next matching looks again
    receipt.set_aside_reason, receipt.updated_at = None, now
    receipt.is_changed_at_source = reason is ReviewReason.SOURCE_CHANGED


def _take(session: Session, receipt: Receipt, seen_version: int) -> None:
    """Make sure that the receipt is still what the person saw, and that nobody else changes it meanwhile."""
    queue_up(session, receipt.client_id)
    session.refresh(receipt, with_for_update=_locks(session))
    if receipt.version != seen_version:
        raise Stale("Somebody changed this receipt in the meantime. Please look at it again.")
    receipt.version += 1


def _locks(session: Session) -> bool:
    """SQLite's write transactions exclude each other already."""
    return session.get_bind().dialect.name != "sqlite"
