"""Pictures of documents and the facts of e-invoices: made in the background, kept beside the bytes, derived at any time again.

Pictures, and whatever a PDF carries, come out of a limited process; XML is read here, by a parser that opens nothing.
"""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import select, update

from portal import e_invoice
from portal.e_invoice import NotReadable
from portal.errors import DocumentCorrupt, DocumentMissing
from portal.media import Media
from portal.models import Preview, Run
from portal.ports import Ports
from portal.preview_runner import PreviewImpossible, render
from portal.services import running
from portal.services.documents import documenting, e_invoicing
from portal.services.running import Lease

log = structlog.get_logger()

PAGES = 5  #: of a document that are pictured; the rest is in the download
WIDTH = 1240  #: pixels: A4 at 150 dpi
BATCH = 50


def make_previews(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `previews`: every document of the client that has none yet, newest first."""
    started_at = ports.clock.now()
    with ports.database.read() as session:
        cursor = session.get_one(Run, lease.run_id).cursor
    counts = {"seen": 0, "new": 0, "failed": 0, **cursor.get("counts", {})}
    while due := _due(ports, lease):
        for preview in due:
            _make(ports, lease, preview, counts)
            if ports.clock.now() - started_at > running.HAND_OVER_AFTER:
                with ports.database.write() as session:
                    running.hand_over(session, lease, now=ports.clock.now(), cursor={**cursor, "counts": counts})
                return
    now = ports.clock.now()
    with ports.database.write() as session:
        followers = []
        if e_invoicing.fill_gaps(session, lease.client_id, now=now):
            followers = [running.request(session, client_id=lease.client_id, kind="matching", trigger="change", now=now)]
        running.finish(session, lease, now=now, **counts)
    for run in followers:
        ports.queue.push(running.ticket(run, now=now))


def _due(ports: Ports, lease: Lease) -> list[Preview]:
    with ports.database.read() as session:
        query = select(Preview).where(Preview.client_id == lease.client_id, Preview.state == "due")
        return list(session.scalars(query.order_by(Preview.id.desc()).limit(BATCH)))


def _make(ports: Ports, lease: Lease, due: Preview, counts: dict[str, int]) -> None:
    """One document. Whatever is in it, it ends ready or impossible with a reason."""
    values: dict[str, Any] = {"state": "ready", "reason": None}
    try:
        values |= _shown(ports, due)
    except PreviewImpossible as impossible:
        values = {"state": "impossible", "reason": impossible.reason}
    except (DocumentMissing, DocumentCorrupt) as error:  # the others go on, and the next sync fetches it again
        log.exception("document_unusable", client=due.client_id, sha256=due.sha256, error=type(error).__name__)
        values = {"state": "impossible", "reason": "broken"}
        with ports.database.write() as session:
            documenting.note_damage(session, client_id=due.client_id, sha256=due.sha256, now=ports.clock.now())
    counts["seen"] += 1
    counts["failed" if values["reason"] else "new"] += 1
    with ports.database.write() as session:
        session.execute(update(Preview).where(Preview.id == due.id).values(made_at=ports.clock.now(), **values))
        running.advance(session, lease, **counts)


def _shown(ports: Ports, due: Preview) -> dict[str, Any]:
    """What can be shown of a document, as columns."""
    content = ports.storage.get(due.client_id, due.sha256)
    media = Media.of_type(due.media_type)
    if media is Media.E_INVOICE:
        facts = _facts(due, content)
        if facts is None:
            raise PreviewImpossible("broken")
        return {"e_invoice": facts}
    made = render(content, media, width=WIDTH, pages=PAGES)
    return {
        "page_count": made.page_count, "width": made.width, "height": made.height, "words": [list(word) for word in made.words],
        "page_keys": [ports.storage.put(due.client_id, page) for page in made.pages],
        "e_invoice": _facts(due, made.e_invoice) if made.e_invoice else None,
    }  # fmt: skip


def _facts(due: Preview, xml: bytes) -> dict[str, Any] | None:
    """What an e-invoice says; None where it cannot be read (the document itself stays as it is)."""
    try:
        return e_invoice.read(xml).stored()
    except NotReadable as error:
        log.warning("e_invoice_unreadable", client=due.client_id, sha256=due.sha256, reason=str(error))
        return None
