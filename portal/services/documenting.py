"""Reaching stored documents: always through the actor, and a download leaves a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Document, Preview, Receipt
from portal.services import e_invoicing, finding
from portal.services.auditing import Tag, record
from portal.services.finding import Actor
from portal.services.highlighting import Highlight, highlights


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen of one document."""

    document: Document
    preview: Preview | None
    highlights: Sequence[Highlight]
    e_invoice: e_invoicing.Shown | None


def for_download(session: Session, actor: Actor, document_id: str, *, now: datetime) -> Document:
    """The document, with an event that says who took it."""
    document = finding.document(session, actor, document_id)
    record(
        session, Tag.DOCUMENT_DOWNLOADED, subject=f"document:{document.id}", at=now, client_id=document.client_id,
        receipt=document.receipt_id,
    )  # fmt: skip
    return document


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
