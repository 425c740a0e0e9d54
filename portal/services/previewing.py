"""Pictures of documents: made in the background by a limited process, kept beside the bytes, derived at any time again."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from portal.errors import DocumentCorrupt, DocumentMissing
from portal.media import Media
from portal.models import Preview, Run
from portal.ports import Ports
from portal.preview_runner import PreviewImpossible, render
from portal.services import running
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
    with ports.database.write() as session:
        running.finish(session, lease, now=ports.clock.now(), **counts)


def _due(ports: Ports, lease: Lease) -> list[Preview]:
    with ports.database.read() as session:
        query = select(Preview).where(Preview.client_id == lease.client_id, Preview.state == "due")
        return list(session.scalars(query.order_by(Preview.id.desc()).limit(BATCH)))


def _make(ports: Ports, lease: Lease, due: Preview, counts: dict[str, int]) -> None:
    """One document. Whatever is in it, it ends ready or impossible with a reason."""
    reason: str | None = None
    try:
        content = ports.storage.get(due.client_id, due.sha256)
        made = render(content, Media.of_type(due.media_type), width=WIDTH, pages=PAGES)
        keys = [ports.storage.put(due.client_id, page) for page in made.pages]
    except PreviewImpossible as impossible:
        reason = impossible.reason
    except (DocumentMissing, DocumentCorrupt) as error:  # the others go on; the storage's own check reports it
        log.exception("document_unusable", client=due.client_id, sha256=due.sha256, error=type(error).__name__)
        reason = "broken"
    now = ports.clock.now()
    counts["seen"] += 1
    counts["failed" if reason else "new"] += 1
    with ports.database.write() as session:
        preview = session.get_one(Preview, due.id)
        preview.made_at, preview.reason = now, reason
        preview.state = "impossible" if reason else "ready"
        if reason is None:
            preview.page_count, preview.width, preview.height = made.page_count, made.width, made.height
            preview.page_keys, preview.words = keys, [list(word) for word in made.words]
        running.advance(session, lease, **counts)
