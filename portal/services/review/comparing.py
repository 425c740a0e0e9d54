"""Two receipts that may be one: seen next to each other, and what a person then says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.matching import ReviewReason, are_copies
from portal.errors import NotFound, Rejected, Stale
from portal.models import Assignment, BankAccount, Client, Distinction, Receipt, Run, Transaction
from portal.services import finding, running
from portal.services.assignments import assigning
from portal.services.assignments.assigning import COUNTED_ELSEWHERE, SetAsideReason
from portal.services.assignments.facts import receipt_facts
from portal.services.auditing import Tag, current_actor, queue_up, record
from portal.services.documents import documenting
from portal.services.documents.documenting import Papers
from portal.services.finding import Actor

MOST_COPIES = 20  #: receipts of one amount that are looked through, the likest first
DOCUMENTS_ITSELF = or_(
    Receipt.set_aside_reason.is_(None), Receipt.set_aside_reason.not_in((SetAsideReason.MERGED, SetAsideReason.NOT_SPLIT))
)
SUSPICIOUS = (ReviewReason.DUPLICATE_SUSPECTED, ReviewReason.ALREADY_LINKED)
FACTS = (
    "kind", "direction", "amount_cents", "currency", "counterparty", "number", "issued_on", "due_on", "paid_on", "iban",
)  # fmt: skip
CLASHING = ("kind", "amount_cents", "currency", "counterparty", "number", "issued_on")
#: where both tell these, and tell them otherwise, two parts of one receipt would be a surprise


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
    is_split: bool  #: and that they are several invoices in one file
    further: Sequence[Receipt]  #: what else looks like the first one

    @property
    def is_open(self) -> bool:
        """Whether there is something to decide: one of them is in review, and nobody has told them apart."""
        return not self.is_answered and any(side.receipt.state == "in_review" for side in self.sides)

    @property
    def clashing(self) -> Sequence[str]:
        """What to warn of before one is merged into the other, of FACTS."""
        return clashes(self.sides[0].receipt, self.sides[1].receipt)

    def may_belong(self, side: Side) -> bool:
        """Whether this one may be merged into the other one."""
        other = self.sides[self.sides[0] is side].receipt
        is_free = side.receipt.state == "in_review" and not side.papers.files.parts
        return is_free and other.set_aside_reason not in COUNTED_ELSEWHERE


def copies(session: Session, receipt: Receipt) -> list[Receipt]:
    """Receipts of the same client that look like this one filed twice, whatever their state; what was told apart is left out."""
    is_alike = and_(
        Receipt.amount_cents == receipt.amount_cents, Receipt.currency == receipt.currency, Receipt.direction == receipt.direction
    )
    first = _first_with_its_file(session, receipt)
    asked = {
        Receipt.id: first, Receipt.number: receipt.number, Receipt.issued_on: receipt.issued_on,
        Receipt.counterparty: receipt.counterparty,
    }  # fmt: skip
    likeness = [case((column == value, 0), else_=1) for column, value in asked.items() if value is not None]
    query = (
        select(Receipt)
        .where(
            Receipt.client_id == receipt.client_id, Receipt.id != receipt.id,
            or_(is_alike, Receipt.duplicate_of == receipt.id, Receipt.id == first), DOCUMENTS_ITSELF,
        )
        .order_by(*likeness, Receipt.sequence)
        .limit(MOST_COPIES)
    )  # fmt: skip
    others = list(session.scalars(query))
    own, *facts = receipt_facts(session, receipt.client_id, [receipt, *others])
    return [
        other for other, its in zip(others, facts, strict=True)
        if receipt.id == other.duplicate_of or other.id == first or are_copies(own, its)
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
    is_split = (receipt.split_from or receipt.id) == (other.split_from or other.id)
    return Comparison(
        client=session.get_one(Client, receipt.client_id), sides=sides,
        differing=frozenset(name for name in FACTS if getattr(receipt, name) != getattr(other, name)),
        is_same_file=bool(hashes[0] & hashes[1]), is_split=is_split,
        is_answered=is_split or _answer(session, receipt, other) is not None,
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


def clashes(receipt: Receipt, other: Receipt) -> list[str]:
    """Facts that both tell, and tell otherwise, of CLASHING."""
    told = {name: (getattr(receipt, name), getattr(other, name)) for name in CLASHING}
    return [name for name, values in told.items() if None not in values and plain(values[0]) != plain(values[1])]


def merge(
    session: Session, actor: Actor, receipt_id: str, other_id: str, *, seen_version: int, other_version: int, now: datetime
) -> tuple[Receipt, Receipt, Run]:  # fmt: skip
    """The first is a part of the other one: it is set aside, and its documents are shown there too. `reopen` undoes it.

    Errors: NotFound; Stale when one of them has changed since they were compared; AlreadyAssigned; Rejected where the other one
    does not count itself, or the first has parts of its own.
    """
    receipt, whole = _both(session, actor, receipt_id, other_id)
    queue_up(session, receipt.client_id)
    session.refresh(whole)
    if whole.version != other_version:
        raise Stale("Somebody changed this receipt in the meantime. Please look at it again.")
    if whole.set_aside_reason in COUNTED_ELSEWHERE:
        raise Rejected("That receipt does not count itself. Please choose the one that counts in its place.")
    assigning.set_aside(
        session, receipt=receipt, reason=SetAsideReason.MERGED, seen_version=seen_version, now=now, copy_of=whole.id
    )
    session.flush()
    record(
        session, Tag.RECEIPT_JOINED, subject=f"receipt:{whole.id}", at=now, client_id=whole.client_id, other=receipt.id,
        differing=clashes(receipt, whole),
    )  # fmt: skip
    return receipt, whole, _look_again(session, receipt, now)


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


def _first_with_its_file(session: Session, receipt: Receipt) -> str | None:
    """The first receipt with the same bytes; where that is a part of another one, that."""
    if receipt.duplicate_of is None:
        return None
    query = select(func.coalesce(Receipt.merged_into, Receipt.id)).where(Receipt.id == receipt.duplicate_of)
    return session.scalar(query)


def plain(value: object) -> object:
    """Names and numbers are written with and without hyphens and blanks, in whatever case."""
    return "".join(filter(str.isalnum, value)).casefold() if isinstance(value, str) else value


def _answer(session: Session, receipt: Receipt, other: Receipt) -> Distinction | None:
    return session.scalar(select(Distinction).filter_by(**_pair(receipt, other)))


def _pair(receipt: Receipt, other: Receipt) -> dict[str, str]:
    """The two in the one order in which they are kept."""
    first, second = sorted((receipt.id, other.id))
    return {"receipt_id": first, "other_id": second}
