"""Two receipts that may be one: seen next to each other, and what a person then says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, or_, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.matching import ReviewReason, are_copies
from portal.errors import NotFound, Stale
from portal.models import Assignment, BankAccount, Client, Distinction, Receipt, Run, Transaction
from portal.services import assigning, documenting, finding, matching, running
from portal.services.auditing import Tag, current_actor, record
from portal.services.documenting import Papers
from portal.services.finding import Actor

MOST_COPIES = 20  #: receipts of one amount that are looked through, the likest first
SUSPICIOUS = (ReviewReason.DUPLICATE_SUSPECTED, ReviewReason.ALREADY_LINKED)
FACTS = (
    "kind", "direction", "amount_cents", "currency", "counterparty", "number", "issued_on", "due_on", "paid_on", "iban",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    receipt: Receipt
    papers: Papers
    assigned: Sequence[tuple[Assignment, Transaction, BankAccount]]  #: what it stands assigned to


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both, the one that was asked about first."""

    client: Client
    sides: tuple[Side, Side]
    differing: frozenset[str]  #: of FACTS
    is_same_file: bool
    is_answered: bool  #: somebody has said that both count
    further: Sequence[Receipt]  #: what else looks like the first one

    @property
    def is_open(self) -> bool:
        """Whether there is something to decide: one of them is in review, and nobody has told them apart."""
        return not self.is_answered and any(side.receipt.state == "in_review" for side in self.sides)


def copies(session: Session, receipt: Receipt) -> list[Receipt]:
    """Receipts of the same client that look like this one filed twice, whatever their state; what was told apart is left out."""
    is_alike = and_(
        Receipt.amount_cents == receipt.amount_cents, Receipt.currency == receipt.currency, Receipt.direction == receipt.direction
    )
    asked = {
        Receipt.id: receipt.duplicate_of, Receipt.number: receipt.number, Receipt.issued_on: receipt.issued_on,
        Receipt.counterparty: receipt.counterparty,
    }  # fmt: skip
    likeness = [case((column == value, 0), else_=1) for column, value in asked.items() if value is not None]
    query = (
        select(Receipt)
        .where(
            Receipt.client_id == receipt.client_id, Receipt.id != receipt.id,
            or_(is_alike, Receipt.duplicate_of == receipt.id, Receipt.id == receipt.duplicate_of),
        )
        .order_by(*likeness, Receipt.sequence)
        .limit(MOST_COPIES)
    )  # fmt: skip
    others = list(session.scalars(query))
    own, *facts = matching.receipt_facts(session, receipt.client_id, [receipt, *others])
    return [
        other for other, its in zip(others, facts, strict=True)
        if receipt.id == other.duplicate_of or other.id == receipt.duplicate_of or are_copies(own, its)
    ]  # fmt: skip


def suspected(session: Session, receipt: Receipt) -> Receipt | None:
    """The receipt that an open one should be compared with first; None: there is no suspicion."""
    is_asked = receipt.duplicate_of is not None or receipt.review_reason in SUSPICIOUS
    return next(iter(copies(session, receipt)), None) if receipt.state == "in_review" and is_asked else None


def compare(session: Session, actor: Actor, receipt_id: str, other_id: str) -> Comparison:
    """Both receipts as the page shows them. Errors: NotFound, also for receipts of two clients."""
    receipt, other = _both(session, actor, receipt_id, other_id)
    sides = _side(session, receipt), _side(session, other)
    hashes = [{document.sha256 for document in side.papers.documents} for side in sides]
    return Comparison(
        client=session.get_one(Client, receipt.client_id), sides=sides,
        differing=frozenset(name for name in FACTS if getattr(receipt, name) != getattr(other, name)),
        is_same_file=bool(hashes[0] & hashes[1]), is_answered=_answer(session, receipt, other) is not None,
        further=[one for one in copies(session, receipt) if one.id != other.id],
    )  # fmt: skip


def keep_both(
    session: Session, actor: Actor, receipt_id: str, other_id: str, *, seen_version: int, now: datetime
) -> tuple[Receipt, Run]:  # fmt: skip
    """They are two: nobody asks about this pair again, and what is open of them is looked for anew.

    Errors: NotFound; Stale when the first has changed since the page was made, or somebody has said so already.
    """
    receipt, other = _both(session, actor, receipt_id, other_id)
    assigning.take(session, receipt, seen_version)
    session.refresh(other)
    if _answer(session, receipt, other) is not None:
        raise Stale("Somebody has said already that both of these count.")
    is_same_file = False
    for one, copy in ((receipt, other), (other, receipt)):
        if one.duplicate_of == copy.id:
            one.duplicate_of, is_same_file = None, True
    session.add(
        Distinction(id=new_id(), client_id=receipt.client_id, actor=current_actor(), created_at=now, **_pair(receipt, other))
    )
    session.flush()
    for one, copy in ((receipt, other), (other, receipt)):  # it belongs to the history of either
        record(
            session, Tag.RECEIPTS_DISTINCT, subject=f"receipt:{one.id}", at=now, client_id=one.client_id,
            other=copy.id, is_same_file=is_same_file,
        )  # fmt: skip
    return receipt, _look_again(session, receipt, now)


def set_aside(
    session: Session, actor: Actor, receipt_id: str, other_id: str, *, seen_version: int, now: datetime
) -> tuple[Receipt, Receipt, Run]:  # fmt: skip
    """The first is the other one once more: it is set aside, the other one counts. Errors: NotFound, Stale, AlreadyAssigned."""
    receipt, other = _both(session, actor, receipt_id, other_id)
    assigning.set_aside(
        session, receipt=receipt, reason=assigning.SetAsideReason.DUPLICATE, seen_version=seen_version, now=now, copy_of=other.id
    )
    return receipt, other, _look_again(session, receipt, now)


def _look_again(session: Session, receipt: Receipt, now: datetime) -> Run:
    return running.request(session, client_id=receipt.client_id, kind="matching", trigger="change", now=now)


def _both(session: Session, actor: Actor, receipt_id: str, other_id: str) -> tuple[Receipt, Receipt]:
    receipt, other = finding.receipt(session, actor, receipt_id), finding.receipt(session, actor, other_id)
    if receipt.client_id != other.client_id or receipt.id == other.id:
        raise NotFound
    return receipt, other


def _side(session: Session, receipt: Receipt) -> Side:
    standing = session.execute(
        select(Assignment, Transaction, BankAccount)
        .join(Transaction, Transaction.id == Assignment.transaction_id)
        .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
        .where(Assignment.receipt_id == receipt.id, Assignment.withdrawn_at.is_(None))
        .order_by(Transaction.booked_on)
    )
    return Side(receipt, documenting.papers_of(session, receipt), [(row[0], row[1], row[2]) for row in standing])


def _answer(session: Session, receipt: Receipt, other: Receipt) -> Distinction | None:
    return session.scalar(select(Distinction).filter_by(**_pair(receipt, other)))


def _pair(receipt: Receipt, other: Receipt) -> dict[str, str]:
    """The two in the one order in which they are kept."""
    first, second = sorted((receipt.id, other.id))
    return {"receipt_id": first, "other_id": second}
