"""One file that holds several invoices: each is a receipt of its own, and all of them share the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.errors import NotFound, Rejected
from portal.models import Client, Document, Receipt, Run
from portal.services import finding, running
from portal.services.assignments import assigning
from portal.services.assignments.assigning import SetAsideReason
from portal.services.auditing import Tag, queue_up, record
from portal.services.documents import documenting
from portal.services.documents.documenting import Papers
from portal.services.finding import Actor
from portal.services.receipts import uploading
from portal.services.receipts.uploading import Facts
from portal.services.review import comparing, searching

MOST_FOUND = 20
NOT_COUNTING = [reason.value for reason in assigning.COUNTED_ELSEWHERE]


@dataclass(frozen=True, slots=True)
class Found:
    """What the numbers of a further invoice are, as a person reads them off the file."""

    number: str | None
    amount_cents: int | None
    issued_on: date | None
    counterparty: str | None


@dataclass(frozen=True, slots=True)
class PartsPage:
    """A receipt's file, and the receipts that it may belong to."""

    receipt: Receipt
    client: Client
    papers: Papers
    others: Sequence[Receipt]  #: what the search found; without one the newest of the same party

    @property
    def can_be_split(self) -> bool:
        """Whether its file may hold another invoice."""
        return _splittable(self.receipt, self.papers)


def page(session: Session, actor: Actor, receipt_id: str, *, query: str) -> PartsPage:
    """What the page shows. Errors: NotFound."""
    receipt = finding.receipt(session, actor, receipt_id)
    meant = searching.receipts_meant(query) if query else [Receipt.counterparty == receipt.counterparty]
    others = (
        select(Receipt)
        .where(
            Receipt.client_id == receipt.client_id, Receipt.id != receipt.id, *meant,
            or_(Receipt.set_aside_reason.is_(None), Receipt.set_aside_reason.not_in(NOT_COUNTING)),
        )
        .order_by(Receipt.sequence.desc())
        .limit(MOST_FOUND)
    )  # fmt: skip
    return PartsPage(
        receipt, session.get_one(Client, receipt.client_id), documenting.papers_of(session, receipt),
        list(session.scalars(others)) if receipt.state == "in_review" else [],
    )  # fmt: skip


def split(
    session: Session, actor: Actor, receipt_id: str, found: Found, *, seen_version: int, now: datetime
) -> tuple[Receipt, Run]:  # fmt: skip
    """Make a further receipt of the same file, in review; no sync knows it. The first receipt stays as it is.

    Errors: NotFound; Stale; Rejected without a number and an amount, for a number that a receipt of this file has, and where
    there is no file or it is an own receipt.
    """
    receipt = finding.receipt(session, actor, receipt_id)
    assigning.take(session, receipt, seen_version)
    papers = documenting.papers_of(session, receipt)
    if not _splittable(receipt, papers):
        raise Rejected("There is no file here that could hold another invoice.")
    if found.number is None and found.amount_cents is None:
        raise Rejected("Enter the number or the amount of the other invoice.")
    first_id, file = receipt.split_from or receipt.id, papers.documents[0]
    if found.number and any(_is_number(found.number, one.number) for one in _of_one_file(session, first_id)):
        raise Rejected("A receipt of this file has this number already.")
    facts = Facts(
        direction=receipt.direction, amount_cents=found.amount_cents, currency=receipt.currency or "EUR",
        issued_on=found.issued_on, number=found.number, counterparty=found.counterparty,
    )  # fmt: skip
    is_credit_note = (found.amount_cents or 0) < 0
    made = uploading.by_hand(
        session, receipt.client_id, facts, kind="credit_note" if is_credit_note else uploading.INVOICES[receipt.direction],
        source="split", now=now,
    )  # fmt: skip
    made.split_from = first_id
    session.add(made)
    session.flush()
    session.add(
        Document(
            id=new_id(), client_id=made.client_id, receipt_id=made.id, attachment_id=None, version=1, sha256=file.sha256,
            size=file.size, media_type=file.media_type, file_name=file.file_name, fetched_at=now,
        )
    )  # fmt: skip
    session.flush()
    record(
        session, Tag.RECEIPT_SPLIT_OFF, subject=f"receipt:{made.id}", at=now, client_id=made.client_id, other=first_id,
        sha256=file.sha256,
    )  # fmt: skip
    record(session, Tag.RECEIPT_SPLIT, subject=f"receipt:{first_id}", at=now, client_id=made.client_id, other=made.id)
    return made, _look_again(session, made, now)


def undo(session: Session, actor: Actor, receipt_id: str, *, seen_version: int, now: datetime) -> tuple[Receipt, Run]:
    """The file does not hold this further invoice: its receipt is set aside. Nothing is erased, and `reopen` takes that back.

    Errors: NotFound, also for a receipt that was not split off; Stale; Rejected while it is assigned or others belong to it.
    """
    receipt = finding.receipt(session, actor, receipt_id)
    if receipt.split_from is None:
        raise NotFound
    queue_up(session, receipt.client_id)
    session.refresh(receipt)
    if receipt.state == "assigned":
        raise Rejected("This receipt is assigned. Please undo the assignment first.")
    assigning.set_aside(
        session, receipt=receipt, reason=SetAsideReason.NOT_SPLIT, seen_version=seen_version, now=now, copy_of=receipt.split_from
    )
    record(
        session, Tag.RECEIPT_SPLIT_UNDONE, subject=f"receipt:{receipt.split_from}", at=now, client_id=receipt.client_id,
        other=receipt.id,
    )  # fmt: skip
    return receipt, _look_again(session, receipt, now)


def _look_again(session: Session, receipt: Receipt, now: datetime) -> Run:
    return running.request(session, client_id=receipt.client_id, kind="matching", trigger="change", now=now)


def _splittable(receipt: Receipt, papers: Papers) -> bool:
    return bool(papers.documents) and receipt.kind != "own_receipt"


def _of_one_file(session: Session, first_id: str) -> Sequence[Receipt]:
    """The first receipt of a file and what was split off it, but for what was taken back."""
    query = select(Receipt).where(or_(Receipt.id == first_id, Receipt.split_from == first_id))
    return [one for one in session.scalars(query) if one.set_aside_reason != SetAsideReason.NOT_SPLIT]


def _is_number(asked: str, known: str | None) -> bool:
    """Numbers are written with and without hyphens and blanks."""
    return known is not None and comparing.plain(asked) == comparing.plain(known)
