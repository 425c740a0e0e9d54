"""Pictures of documents: made in the background by a limited process, kept beside the bytes, derived at any time again."""

from __future__ import annotations

from sqlalchemy import select

from portal.media import Media
from portal.models import Preview
from portal.ports import Ports
from portal.preview_runner import PreviewImpossible, render
from portal.services import running
from portal.services.running import Lease

PAGES = 5  #: of a document that are pictured; the rest is in the download
WIDTH = 1240  #: pixels: A4 at 150 dpi
BATCH = 50


def make_previews(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `previews`: every document of the client that has none yet, newest first."""
    counts = {"seen": 0, "new": 0, "failed": 0}
    while due := _due(ports, lease):
        for preview in due:
            _make(ports, lease, preview, counts)
    with ports.database.write() as session:
        running.finish(session, lease, now=ports.clock.now(), **counts)


def _due(ports: Ports, lease: Lease) -> list[Preview]:
    with ports.database.read() as session:
        query = select(Preview).where(Preview.client_id == lease.client_id, Preview.state == "due")
        return list(session.scalars(query.order_by(Preview.id.desc()).limit(BATCH)))


def _make(ports: Ports, lease: Lease, due: Preview, counts: dict[str, int]) -> None:
    """One document. Whatever is in it, it ends ready or impossible with a reason."""
    content = ports.storage.get(due.client_id, due.sha256)
    reason: str | None = None
    try:
        made = render(content, Media.of_type(due.media_type), width=WIDTH, pages=PAGES)
        keys = [ports.storage.put(due.client_id, page) for page in made.pages]
    except PreviewImpossible as impossible:
        reason = impossible.reason
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
