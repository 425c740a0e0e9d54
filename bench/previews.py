"""Measure pictures of documents: making one, showing one that was made, and what hostile files cost.

`./dev bench previews` draws invoices of one page in turn three ways: PDFium alone in this process (the yardstick: open, draw at
1,240 pixels), cold (as a worker does: a limited process of its own, words with their places, WebP), warm (as the browser asks:
the picture through the portal, with session, rights and the file's hash checked). Then every file of `tests/preview/hostile.py`
goes the cold way; after each a friendly one has to come out right. One JSON object per line, then a table.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
from sqlalchemy import select
from werkzeug.test import EnvironBuilder

from bench.pages import HOST, ask, cookie_of, fill, quiet, settings_in
from portal import build_ports, create_app, migrating
from portal.media import Media
from portal.models import Document, Preview
from portal.preview_runner import PreviewImpossible, render
from portal.services.auditing import Origin, acting
from portal.services.documents.previewing import WIDTH
from tests.preview import papers
from tests.preview.hostile import HOSTILE

A4_WIDTH = 595  #: points
LINES = 45


def invoice(number: int) -> bytes:
    """A page as a supplier's program prints it: so many lines of text, some rules."""
    lines = b"".join(
        b"BT /F1 9 Tf 60 %d Td (%d  Artikel %d-%d  Werkzeug, gehaertet  %d,%02d EUR) Tj ET\n"
        % (780 - 15 * line, line, number, line, 10 + line, line)
        for line in range(LINES)
    )
    rules = b"".join(b"50 %d m 545 %d l S\n" % (776 - 15 * line, 776 - 15 * line) for line in range(LINES))
    page: bytes = papers.pdf(content=lines + rules)
    return page


def bare(content: bytes) -> None:
    """What anybody pays who draws the page."""
    document = pypdfium2.PdfDocument(content)
    document[0].render(scale=WIDTH / A4_WIDTH).to_pil()
    document.close()


def cold(content: bytes) -> int:
    """What a worker pays; the pages."""
    return render(content, Media.PDF, width=WIDTH, pages=1).page_count


def timed(work: Callable[[bytes], object], content: bytes) -> float:
    """Seconds."""
    began = time.perf_counter()
    work(content)
    return time.perf_counter() - began


def speed(folder: Path, *, rounds: int) -> Iterator[dict[str, object]]:
    """The three ways in turn."""
    settings, now = settings_in(folder, f"sqlite:///{folder}/belegfluss.db"), datetime.now(UTC)
    ports = build_ports(settings)
    migrating.upgrade(ports.database)
    with acting(Origin("system:bench"), key=settings.secret_key):
        books = fill(ports, receipts=4, now=now)
        with ports.database.write() as session:
            document = session.scalars(select(Document)).one()
            picture = render(invoice(0), Media.PDF, width=WIDTH, pages=1).pages[0]
            session.scalars(select(Preview)).one().page_keys = [ports.storage.put(document.client_id, picture)]
    site = create_app(settings, ports)
    cookie = ("Cookie", cookie_of(site, books.staff, now))
    environ = EnvironBuilder(f"/documents/{document.id}/pages/1.webp", HOST, headers=[cookie]).get_environ()
    took: dict[str, list[float]] = {"bare": [], "cold": [], "warm": []}
    for number in range(rounds + 5):
        content = invoice(number)
        took["bare"].append(timed(bare, content))
        took["cold"].append(timed(cold, content))
        took["warm"].append(ask(site, environ))
    standard = statistics.median(took["bare"][5:])
    for way, seconds in took.items():
        ranks = statistics.quantiles(seconds[5:], n=20)
        yield {
            "way": way, "ms p50": round(ranks[9] * 1000, 1), "ms p95": round(ranks[18] * 1000, 1),
            "ratio p50": round(ranks[9] / standard, 2), "ratio p95": round(ranks[18] / standard, 2),
        }  # fmt: skip


def hostile() -> Iterator[dict[str, object]]:
    """Each file: what became of it, seconds, and the largest memory of any process so far in MiB."""
    for name, (make, media) in HOSTILE.items():
        content, became = make(), "picture"
        began = time.perf_counter()
        try:
            render(content, media, width=WIDTH, pages=5)
        except PreviewImpossible as impossible:
            became = impossible.reason
        took = time.perf_counter() - began
        is_alive = cold(invoice(1)) == 1
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        yield {"file": name, "became": became, "seconds": round(took, 2), "peak MiB": peak, "goes on": is_alive}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements; 1 if a hostile file stopped the others."""
    parser = argparse.ArgumentParser(prog="bench previews", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", choices=["speed", "hostile"])
    chosen = parser.parse_args(arguments)
    if chosen.only != "hostile":
        with tempfile.TemporaryDirectory(prefix="belegfluss-bench-") as folder, quiet():
            for row in speed(Path(folder), rounds=chosen.rounds):
                print(json.dumps(row), flush=True)
    if chosen.only == "speed":
        return 0
    rows = []
    for row in hostile():
        rows.append(row)
        print(json.dumps(row), flush=True)
    survived = sum(bool(row["goes on"]) for row in rows)
    slowest = max(rows, key=lambda row: float(str(row["seconds"])))
    print(
        f"\n{survived} of {len(rows)} hostile files survived; {dict(Counter(str(row['became']) for row in rows))};"
        f" slowest {slowest['seconds']} s ({slowest['file']}); largest process {rows[-1]['peak MiB']} MiB"
    )
    return 0 if survived == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
