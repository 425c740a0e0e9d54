"""Reaching stored documents: always through the actor, and a download leaves a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, and_, bindparam, or_, select, union
from sqlalchemy.orm import Session

from portal.models import Document, Preview, Receipt
from portal.services import finding
from portal.services.assignments.assigning import SetAsideReason
from portal.services.auditing import Tag, record
from portal.services.documents import e_invoicing
from portal.services.documents.highlighting import Highlight, highlights
from portal.services.finding import Actor

DAMAGED = "damaged"  #: a receipt's document problem: the file was here, and has to be fetched again
ASKED: BindParameter[Any] = bindparam("receipts", expanding=True)
BELONGING: CompoundSelect[Any] = (
    union(  # one question about each index: PostgreSQL answers several in one by reading all receipts
        select(Receipt.id).where(Receipt.id.in_(ASKED)),
        select(Receipt.id).where(Receipt.merged_into.in_(ASKED)),
        select(Receipt.id).where(Receipt.split_from.in_(ASKED)),
        select(Receipt.merged_into).where(Receipt.id.in_(ASKED)),
        select(Receipt.split_from).where(Receipt.id.in_(ASKED)),
    )
)
IS_SHOWN = or_(Receipt.id.in_(ASKED), Receipt.merged_into.in_(ASKED))
DOCUMENTS = (
    select(Receipt, Document, Preview)
    .outerjoin(Document, and_(Document.receipt_id == Receipt.id, IS_SHOWN))
    .outerjoin(Preview, and_(Preview.client_id == Document.client_id, Preview.sha256 == Document.sha256))
    .where(Receipt.id.in_(BELONGING))
    .order_by(Receipt.sequence, Document.version.desc(), Document.is_preferred_view.desc())
)
"""Receipts with their documents, what is merged into them with its documents, and whatever shares a file with them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen of one document."""

    document: Document
    preview: Preview | None
    highlights: Sequence[Highlight]
    e_invoice: e_invoicing.Shown | None


@dataclass(frozen=True, slots=True)
class Further:
    """A document of a receipt that was merged into another."""

    receipt: Receipt
    document: Document
    preview: Preview | None


@dataclass(frozen=True, slots=True)
class Files:
    """A receipt's documents, newest version first, within it the readable view first; and what belongs together with it."""

    own: Sequence[tuple[Document, Preview | None]] = ()
    further: Sequence[Further] = ()  #: of its parts, but for copies of its own
    parts: Sequence[Receipt] = ()  #: receipts that were merged into it
    whole: Receipt | None = None  #: the receipt that it was merged into
    same_file: Sequence[Receipt] = ()  #: other invoices that its file holds


@dataclass(frozen=True, slots=True)
class Papers:
    """What is shown of `files`: the own documents, and the picture of the first one."""

    documents: Sequence[Document]
    preview: Preview | None
    e_invoice: e_invoicing.Shown | None
    files: Files


NO_PAPERS = Papers((), None, None, Files())


def for_download(session: Session, actor: Actor, document_id: str, *, now: datetime) -> Document:
    """The document, with an event that says who took it."""
    document = finding.document(session, actor, document_id)
    record(
        session, Tag.DOCUMENT_DOWNLOADED, subject=f"document:{document.id}", at=now, client_id=document.client_id,
        receipt=document.receipt_id,
    )  # fmt: skip
    return document


def note_damage(session: Session, *, client_id: str, sha256: str, now: datetime) -> None:
    """Have the next sync fetch again what the store has lost or damaged; what nobody else has stays as it is."""
    rows = session.execute(
        select(Receipt, Document)
        .join(Document, Document.receipt_id == Receipt.id)
        .where(
            Document.client_id == client_id, Document.sha256 == sha256, Document.attachment_id.is_not(None),
            Receipt.document_state == "complete",
        )
    )  # fmt: skip
    for receipt, document in rows.all():
        receipt.document_state, receipt.document_problem, receipt.document_tries = "fetching", DAMAGED, 0
        receipt.updated_at = now
        record(
            session, Tag.DOCUMENT_DAMAGED, subject=f"document:{document.id}", at=now, client_id=client_id, receipt=receipt.id,
            sha256=sha256,
        )  # fmt: skip


def previewed(session: Session, actor: Actor, document_id: str) -> tuple[Document, Preview | None]:
    """The document and the pictures of its pages."""
    document = finding.document(session, actor, document_id)
    query = select(Preview).where(Preview.client_id == document.client_id, Preview.sha256 == document.sha256)
    return document, session.scalar(query)


def seen(session: Session, actor: Actor, document_id: str) -> Seen:
    """A document shown alone."""
    document, preview = previewed(session, actor, document_id)
    receipt = session.get_one(Receipt, document.receipt_id)
    return Seen(document, preview, highlights(receipt, preview), e_invoicing.shown(receipt, [(document, preview)]))


def papers_of(session: Session, receipt: Receipt) -> Papers:
    """What can be seen of a receipt."""
    return papers_from(receipt, files_of(session, receipt.id)[receipt.id])


def files_of(session: Session, *receipt_ids: str) -> dict[str, Files]:
    """The files of each receipt, in one statement."""
    rows = [(row[0], row[1], row[2]) for row in session.execute(DOCUMENTS, {"receipts": receipt_ids})]
    return {receipt_id: _files(receipt_id, rows) for receipt_id in receipt_ids}


def _files(receipt_id: str, rows: Sequence[tuple[Receipt, Document | None, Preview | None]]) -> Files:
    around = {receipt.id: receipt for receipt, _, _ in rows}
    asked = around.pop(receipt_id)
    own = [(document, preview) for receipt, document, preview in rows if receipt is asked and document is not None]
    held = {document.sha256 for document, _ in own}
    return Files(
        own=own,
        further=[
            Further(receipt, document, preview) for receipt, document, preview in rows
            if receipt.merged_into == asked.id and document is not None and document.sha256 not in held
        ],
        parts=[one for one in around.values() if one.merged_into == asked.id],
        whole=around.get(asked.merged_into or ""),
        same_file=[
            one for one in around.values()
            if asked.id == one.split_from or one.id == asked.split_from if one.set_aside_reason != SetAsideReason.NOT_SPLIT
        ],
    )  # fmt: skip


def first_seen(files: Files) -> str | None:
    """The document whose first page is shown first; None if there is no picture."""
    return next((document.id for document, preview in files.own[:1] if preview and preview.page_keys), None)


def papers_from(receipt: Receipt, files: Files) -> Papers:
    """What is shown of them."""
    preview = files.own[0][1] if files.own else None
    readable = [*files.own, *((one.document, one.preview) for one in files.further)]
    return Papers([document for document, _ in files.own], preview, e_invoicing.shown(receipt, readable), files)
