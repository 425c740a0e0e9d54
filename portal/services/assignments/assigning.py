"""Assigning receipts to transactions, withdrawing that again, and setting receipts aside.

A receipt is in exactly one state: in review, assigned, or set aside. Every step is a row or an event; nothing is erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypedDict

from sqlalchemy import Select, func, select, update
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
    MERGED = "merged"  #: it is a part of another receipt
    NOT_SPLIT = "not_split"  #: a file was said to hold one more invoice, and does not


COUNTED_ELSEWHERE = (SetAsideReason.DUPLICATE, SetAsideReason.MERGED, SetAsideReason.NOT_SPLIT)
"""What is set aside so documents nothing by itself: another receipt does."""


class Difference(StrEnum):
    """Why a person assigns transactions whose sum is not the receipt's amount."""

    DISCOUNT = "discount"
    PART_PAYMENT = "part_payment"
    FEE = "fee"
    TIP = "tip"
    EXCHANGE = "exchange"
    OTHER = "other"


class Considered(TypedDict):
    """A proposal that lay before whoever decided, as audit events keep it."""

    score: float  #: probability, 0–1
    transactions: list[str]  #: ids
    reasons: list[str]  #: `domain.matching.ReasonCode`, for and against
    matcher: str  #: version of the rules


def assign(
    session: Session, *, receipt: Receipt, allocations: Sequence[Allocation], seen_version: int, now: datetime,
    is_automatic: bool = False, is_to_check: bool = False, score: float | None = None, reasons: Sequence[Mapping[str, Any]] = (),
    matcher: str | None = None, rank: int | None = None,
    difference: Difference | None = None, difference_cents: int | None = None, considered: Sequence[Considered] | None = None,
    together: Sequence[str] = (),
) -> list[Assignment]:  # fmt: skip
    """Link the receipt to (parts of) transactions. `rank`: of the candidate that a person took.

    `difference`, `difference_cents`: what the amounts differ by (transactions less receipt), and what it is. `considered`: the
    proposals that lay before the machine; None: the receipt's candidates, which lie before a person and stay for an undo.
    `together`: labels of the receipts that are assigned in the same step.

    Errors: Stale when the receipt changed since the page was made; AlreadyAssigned when a transaction has not enough left;
    Rejected without allocations.
    """
    take_open(session, receipt, seen_version)
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
        if allocation.amount_cents != transaction.amount_cents:
            transaction.is_indexed = False  # what is left of it can be looked for
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
    _out_of_review(receipt, "assigned", now, is_automatic=is_automatic)
    try:
        session.flush()
    except IntegrityError as error:
        raise AlreadyAssigned("This receipt is already assigned or set aside.") from error
    record(
        session, Tag.ASSIGNMENT_MADE, subject=f"assignment:{decision_id}", at=now, client_id=receipt.client_id,
        receipt=receipt.id, transactions=[[a.transaction_id, a.amount_cents] for a in made], is_automatic=is_automatic,
        score=score, matcher=matcher, difference=[difference.value, difference_cents] if difference else None,
        reasons=_codes(reasons), considered=considered_of(session, receipt) if considered is None else list(considered),
        together=list(together),
    )  # fmt: skip
    return made


def withdraw(
    session: Session, *, receipt: Receipt, now: datetime, reason: ReviewReason = ReviewReason.MANUAL_UNLINK,
    seen_version: int | None = None,
) -> None:  # fmt: skip
    """End the receipt's assignment; it goes back to review. The pair will not be assigned by the machine again.

    What a person had decided is undone exactly: the receipt stands in review as it did before.

    Errors: Stale; Rejected where a person would take back a credit note whose room other receipts of the payment still use.
    """
    if seen_version is not None:
        take(session, receipt, seen_version)
    else:
        receipt.version += 1
    standing = list(session.scalars(standing_of(receipt.id)))
    if not standing:
        raise Stale("This receipt is not assigned any more.")
    if reason is ReviewReason.MANUAL_UNLINK and any(_is_needed(session, assignment) for assignment in standing):
        raise Rejected("This credit note makes room for other receipts of the same payment. Please undo those first.")
    for assignment in standing:
        assignment.withdrawn_at, assignment.withdrawn_by = now, current_actor()
    freed = Transaction.id.in_([assignment.transaction_id for assignment in standing])
    session.execute(update(Transaction).where(freed).values(is_indexed=False))  # as above
    _to_review(receipt, reason, now, is_undo=reason is ReviewReason.MANUAL_UNLINK)
    session.flush()
    record(
        session, Tag.ASSIGNMENT_WITHDRAWN, subject=f"assignment:{standing[0].decision_id}", at=now,
        client_id=receipt.client_id, receipt=receipt.id, transactions=[a.transaction_id for a in standing], reason=reason.value,
        score=standing[0].score, matcher=standing[0].matcher, reasons=_codes(standing[0].reasons),
        considered=considered_of(session, receipt),
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


def set_aside(
    session: Session, *, receipt: Receipt, reason: SetAsideReason, seen_version: int, now: datetime, copy_of: str | None = None
) -> None:  # fmt: skip
    """No transaction is expected: the receipt leaves the queue and stays in every list. `copy_of`: the receipt that counts.

    Errors: Stale, AlreadyAssigned; Rejected for one that others are merged into, where it would not count itself any more.
    """
    take_open(session, receipt, seen_version)
    parts = select(Receipt.id).where(Receipt.merged_into == receipt.id).limit(1)
    if reason in COUNTED_ELSEWHERE and session.scalar(parts) is not None:
        raise Rejected("Other receipts belong to this one. Please undo that first.")
    _out_of_review(receipt, "set_aside", now, is_automatic=False)
    receipt.set_aside_reason = reason.value
    receipt.merged_into = copy_of if reason is SetAsideReason.MERGED else None
    record(
        session, Tag.RECEIPT_SET_ASIDE, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id,
        reason=reason.value, considered=considered_of(session, receipt), copy_of=copy_of,
    )  # fmt: skip


def reopen(session: Session, *, receipt: Receipt, seen_version: int, now: datetime) -> None:
    """Take a set-aside receipt back into review, where it stands as it did before."""
    take(session, receipt, seen_version)
    if receipt.state != "set_aside":
        raise Stale("This receipt is not set aside any more.")
    was, whole = receipt.set_aside_reason, receipt.merged_into
    _to_review(receipt, ReviewReason.MANUAL_UNLINK, now, is_undo=True)
    record(
        session, Tag.RECEIPT_REOPENED, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id, reason=was,
        considered=considered_of(session, receipt),
    )  # fmt: skip
    if whole is not None:  # it belongs to the history of either
        record(session, Tag.RECEIPT_PARTED, subject=f"receipt:{whole}", at=now, client_id=receipt.client_id, other=receipt.id)
    elif was == SetAsideReason.NOT_SPLIT:
        record(
            session, Tag.RECEIPT_SPLIT, subject=f"receipt:{receipt.split_from}", at=now, client_id=receipt.client_id,
            other=receipt.id,
        )  # fmt: skip


def open_cents(session: Session, transaction: Transaction) -> int:
    """What of the transaction no standing assignment uses yet."""
    used = session.scalar(
        select(func.coalesce(func.sum(Assignment.amount_cents), 0)).where(
            Assignment.transaction_id == transaction.id, Assignment.withdrawn_at.is_(None)
        )
    )
    return transaction.amount_cents - int(used or 0)


def _is_needed(session: Session, assignment: Assignment) -> bool:
    """Whether without it more of the transaction would be used than there is: true of netted credit notes only."""
    if assignment.amount_cents > 0:
        return False
    return open_cents(session, session.get_one(Transaction, assignment.transaction_id)) + assignment.amount_cents < 0


def standing_of(receipt_id: str) -> Select[Assignment]:
    """The standing assignments of a receipt."""
    return select(Assignment).where(Assignment.receipt_id == receipt_id, Assignment.withdrawn_at.is_(None))


def candidates_of(receipt_id: str) -> Select[Candidate]:
    """The receipt's proposals, best first. They outlive a person's decision, which can be undone."""
    return select(Candidate).where(Candidate.receipt_id == receipt_id).order_by(Candidate.rank)


def considered_of(session: Session, receipt: Receipt) -> list[Considered]:
    """The receipt's candidates as audit events keep them, best first."""
    return [
        as_considered(one.score, [part["transaction"] for part in one.allocations], one.reasons, one.matcher)
        for one in session.scalars(candidates_of(receipt.id))
    ]


def as_considered(score: float, transactions: list[str], reasons: Iterable[Mapping[str, Any]], matcher: str) -> Considered:
    """A proposal as audit events keep it."""
    return {"score": score, "transactions": transactions, "reasons": _codes(reasons), "matcher": matcher}


def put_off_of(receipt: Receipt) -> list[str] | None:
    """Until when it is put off (ISO 8601) and why, as `receipt.review_before` keeps it; None if it is not."""
    return [receipt.put_off_until.isoformat(), receipt.put_off_note] if receipt.put_off_until else None


def restore_put_off(receipt: Receipt, was: Sequence[str] | None) -> None:
    """Put it off as it was, according to `put_off_of`."""
    until, note = was or (None, "")
    receipt.put_off_until, receipt.put_off_note = date.fromisoformat(until) if until else None, note


def put_off_before(receipt: Receipt) -> list[list[str] | None]:
    """How a receipt in review stood each time before somebody put it off, the latest last: what undoing that goes back to."""
    return list((receipt.review_before or {}).get("put_off_before", ()))


def keep_put_off_before(receipt: Receipt, earlier: Sequence[Sequence[str] | None]) -> None:
    """Keep that of a receipt in review."""
    receipt.review_before = {"put_off_before": list(earlier)} if earlier else None


def _codes(reasons: Iterable[Mapping[str, Any]]) -> list[str]:
    return [reason["code"] for reason in reasons]


def _out_of_review(receipt: Receipt, state: str, now: datetime, *, is_automatic: bool) -> None:
    before = {
        "reason": receipt.review_reason, "since": (receipt.in_review_since or now).isoformat(),
        "is_changed_at_source": receipt.is_changed_at_source,
        "put_off": put_off_of(receipt), "put_off_before": put_off_before(receipt),
        "asked": [receipt.asked_id, receipt.asked_by, receipt.asked_at.isoformat(), receipt.asked_note]
        if receipt.asked_at else None,
    }  # fmt: skip
    receipt.review_before = None if is_automatic else before
    receipt.state, receipt.review_reason, receipt.in_review_since = state, None, None
    receipt.put_off_until, receipt.put_off_note = None, ""
    receipt.asked_id, receipt.asked_by, receipt.asked_at, receipt.asked_note = None, None, None, ""
    receipt.is_changed_at_source, receipt.updated_at = False, now


def _to_review(receipt: Receipt, reason: ReviewReason, now: datetime, *, is_undo: bool) -> None:
    """`is_undo`: as it stood before, if a person took it out of there."""
    before, receipt.review_before = receipt.review_before if is_undo else None, None
    receipt.state, receipt.set_aside_reason, receipt.merged_into, receipt.updated_at = "in_review", None, None, now
    if before is not None:
        receipt.review_reason, receipt.in_review_since = before["reason"], datetime.fromisoformat(before["since"])
        receipt.is_changed_at_source, receipt.is_left_to_people = before["is_changed_at_source"], True
        restore_put_off(receipt, before.get("put_off"))
        keep_put_off_before(receipt, before.get("put_off_before", ()))
        receipt.asked_id, receipt.asked_by, at, receipt.asked_note = before.get("asked") or (None, None, None, "")
        receipt.asked_at = at and datetime.fromisoformat(at)
    else:
        receipt.review_reason, receipt.in_review_since = reason.value, now
        receipt.best_score = None  # the next matching looks again
        receipt.is_changed_at_source = reason is ReviewReason.SOURCE_CHANGED


def take(session: Session, receipt: Receipt, seen_version: int) -> None:
    """Make sure that the receipt is still what the person saw, and that nobody else changes it meanwhile."""
    queue_up(session, receipt.client_id)
    session.refresh(receipt, with_for_update=_locks(session))
    if receipt.version != seen_version:
        raise Stale("Somebody changed this receipt in the meantime. Please look at it again.")
    receipt.version += 1


def take_open(session: Session, receipt: Receipt, seen_version: int) -> None:
    """The same for one that has to be in review."""
    take(session, receipt, seen_version)
    check_open(receipt)


def check_open(receipt: Receipt) -> None:
    """Make sure that nobody has decided about the receipt."""
    if receipt.state != "in_review":
        raise AlreadyAssigned("This receipt is already assigned or set aside.")


def _locks(session: Session) -> bool:
    """SQLite's write transactions exclude each other already."""
    return session.get_bind().dialect.name != "sqlite"
