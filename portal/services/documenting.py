"""Reaching stored documents: always through the actor, and a download leaves a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from portal.models import Document, Preview, Receipt
from portal.services import e_invoicing, finding
from portal.services.auditing import Tag, record
from portal.services.finding import Actor
from portal.services.highlighting import Highlight, highlights

DAMAGED = "damaged"  #: a receipt's document problem: the file was here, and has to be fetched again
DOCUMENTS = (
    select(Document, Preview)
    .outerjoin(Preview, and_(Preview.client_id == Document.client_id, Preview.sha256 == Document.sha256))
    .where(Document.receipt_id.in_(bindparam("receipts", expanding=True)))
    .order_by(Document.version.desc(), Document.is_preferred_view.desc())
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen of one document."""

    document: Document
    preview: Preview | None
    highlights: Sequence[Highlight]
    e_invoice: e_invoicing.Shown | None


@dataclass(frozen=True, slots=True)
class Papers:
    """A receipt's documents, newest version first, within it the readable view first; the picture of the first one."""

    documents: Sequence[Document]
    preview: Preview | None
    e_invoice: e_invoicing.Shown | None


NO_PAPERS = Papers((), None, None)


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


def files_of(session: Session, *receipt_ids: str) -> dict[str, list[tuple[Document, Preview]]]:
    """Each receipt's documents in the order of `Papers`, each with its preview."""
    found: dict[str, list[tuple[Document, Preview]]] = {receipt_id: [] for receipt_id in receipt_ids}
    for document, preview in session.execute(DOCUMENTS, {"receipts": receipt_ids}):
        found[document.receipt_id].append((document, preview))
    return found


def first_seen(files: list[tuple[Document, Preview]]) -> str | None:
    """The document whose first page is shown first; None if there is no picture."""
    return next((document.id for document, preview in files[:1] if preview and preview.page_keys), None)


def papers_from(receipt: Receipt, files: list[tuple[Document, Preview]]) -> Papers:
    """What its rows of `files_of` show."""
    preview = files[0][1] if files else None
    return Papers([document for document, _ in files], preview, e_invoicing.shown(receipt, files))
