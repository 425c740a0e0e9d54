"""Measure the pages: how long a request takes beside that of a bare Flask page, and how many SQL statements it needs.

`./dev bench pages` fills a throw-away database with one client's books, then asks for each page and for a bare one in turn,
in this process, and compares the medians. The bare page is what Flask, Jinja and SQLAlchemy cost anybody: one query over the
same table, 25 rows in a plain template; no session, no user, no words to translate. One JSON object per line, then a table.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import logging
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, render_template
from jinja2 import DictLoader
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder, run_wsgi_app

from portal import build_ports, create_app, log, migrating
from portal.db import Database
from portal.domain.matching import Allocation
from portal.models import Client, Connection, Preview, Receipt, Role, User
from portal.ports import Ports
from portal.services.assignments import assigning
from portal.services.auditing import Origin, Tag, acting, record
from portal.settings import Settings
from portal.web import sessions
from tests import factories, servers

HOST = "http://127.0.0.1:5050"
NOWHERE = "http://127.0.0.1:9"  #: none of these pages asks the bank
ROWS = 25
WORDS_OF_A_PAGE = 160
BARE_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Receipts</title></head><body><h1>Receipts</h1>
<table><thead><tr><th>Date</th><th>From</th><th>Number</th><th>Amount</th><th>State</th></tr></thead><tbody>
{% for receipt in receipts %}<tr><td>{{ receipt.issued_on }}</td><td>{{ receipt.counterparty }}</td><td>{{ receipt.number }}</td>
<td>{{ receipt.amount_cents }}</td><td>{{ receipt.state }}</td></tr>
{% endfor %}</tbody></table></body></html>
"""

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Books:
    """One client, as its owner and the firm see it."""

    client: Client
    owner: User
    staff: User
    admin: User


def settings_in(folder: Path, database_url: str) -> Settings:
    """An installation in a folder of its own, whose bank is nowhere."""
    return Settings(
        public_url=HOST, data_dir=folder, database_url=database_url, redis_url="", documents_url=f"file://{folder / 'documents'}",
        mail_url=f"file://{folder / 'mail'}", secret_key=secrets.token_urlsafe(48), token_keys=(secrets.token_urlsafe(32),),
        qonto_api_url=NOWHERE, qonto_oauth_url=NOWHERE, qonto_file_origins=(NOWHERE,), qonto_client_id="bench",
        qonto_client_secret=secrets.token_urlsafe(),
    )  # fmt: skip


def fill(ports: Ports, *, receipts: int, now: datetime) -> Books:
    """A client with so many receipts, eight a day.

    Of four, three are assigned (one in forty by hand), one is in review with a document, its picture and three candidates.
    """
    with ports.database.write() as session:
        people = [
            factories.user(session, f"{role}@kanzlei.example", "Mara Klein", role, now=now)
            for role in (Role.CLIENT, Role.STAFF, Role.ADMIN)
        ]
        owner, staff, admin = people
        client = factories.client(session, "10042", "Tischlerei Brandt GmbH", now=now, years=(now.year - 1, now.year))
        factories.member(session, owner, client, "client")
        factories.member(session, staff, client, "staff")
        documents = factories.connection(session, client, "documents", now=now, by=owner)
        bank = factories.connection(session, client, "bank", now=now, by=owner)
        for kind, over in (("documents", documents), ("bank", bank), ("matching", None)):
            factories.run(session, client, kind, now=now, over=over)
        account = factories.bank_account(session, client, bank, now=now)
        for number in range(receipts, 0, -1):
            at = now - timedelta(days=number // 8)
            receipt = _imported(session, documents, number, at)
            for rank in range(1, 4 if number % 4 == 0 else 2):
                line = factories.transaction(session, account, f"t-{number}-{rank}", receipt.amount_cents or 1, now=at)
                if number % 4 == 0:
                    factories.candidate(session, receipt, (line, line.amount_cents), rank=rank, score=1 / (rank + 1))
                    continue
                is_automatic = number % 40 != 1
                with acting(Origin("system:matching" if is_automatic else staff.id), key=ports.settings.secret_key):
                    assigning.assign(
                        session, receipt=receipt, allocations=[Allocation(line.id, line.amount_cents)], seen_version=1, now=at,
                        is_automatic=is_automatic, matcher="bench",
                    )  # fmt: skip
            if number % 4 == 0:
                document = factories.document(session, ports.storage, receipt, factories.pdf(receipt.label), now=at)
                picture = factories.preview(session, ports.storage, document, now=at)
                session.get_one(Preview, picture.id).words = list(_words(receipt))
    return Books(client, owner, staff, admin)


def _imported(session: Session, over: Connection, number: int, now: datetime) -> Receipt:
    receipt: Receipt = factories.receipt(
        session, over, number, now=now, amount_cents=11900 + number, review_reason="amount_differs",
        issued_on=now.date(),
    )  # fmt: skip
    record(
        session, Tag.RECEIPT_IMPORTED, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id,
        qonto_id=receipt.qonto_id, eligibility="paid",
    )  # fmt: skip
    return receipt


def _words(receipt: Receipt) -> Iterator[list[Any]]:
    """What the preview process reads off an invoice: eight words a line, the receipt's facts among them."""
    name = (receipt.counterparty or "").split()
    facts = {8 + place: word for place, word in enumerate(name)} | {20: receipt.number, 140: "119,04", 141: "EUR"}
    for number in range(WORDS_OF_A_PAGE):
        line, column = divmod(number, 8)
        left, top = 0.08 + column * 0.1, 0.05 + line * 0.04
        yield [facts.get(number, f"Position{number}"), left, top, left + 0.07, top + 0.02]


def bare_site(database: Database) -> Flask:
    """The yardstick."""
    site = Flask("bare")
    site.jinja_loader = DictLoader({"bare.html": BARE_PAGE})

    @site.get("/bare")
    def bare() -> str:
        with database.read() as session:
            receipts = session.scalars(select(Receipt).where(Receipt.state == "in_review").order_by(Receipt.id).limit(ROWS)).all()
        return render_template("bare.html", receipts=receipts)

    return site


def cookie_of(site: Flask, user: User, now: datetime) -> str:
    """As after password and second factor."""
    with site.test_request_context("/", base_url=HOST):
        sessions.begin(user)
        sessions.raise_rights(now)
        answer = site.response_class()
        site.session_interface.save_session(site, sessions.current(), answer)
    return answer.headers["Set-Cookie"].partition(";")[0]


def ask(site: Flask, environ: Environ, form: bytes = b"") -> float:
    """One request straight at the application, without a client or a socket. Seconds."""
    sent = {**environ, "wsgi.input": io.BytesIO(form), "CONTENT_LENGTH": str(len(form))}
    began = time.perf_counter()
    body, status, _ = run_wsgi_app(site.wsgi_app, sent, buffered=True)
    took = time.perf_counter() - began
    if not status.startswith("200"):
        raise RuntimeError(f"{environ['PATH_INFO']} answers {status}: {b''.join(body)[:500]!r}")
    return took


@contextmanager
def counting(database: Database) -> Iterator[list[str]]:
    """The SQL statements of the block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def measure(
    database: Database, bare: Callable[[], float], pages: Mapping[str, Callable[[], float]], *, rounds: int
) -> Iterator[dict[str, object]]:
    """Each page and the bare one in turn, so that whatever else the machine does meets all of them."""
    gc.collect()
    gc.freeze()  # as wsgi.py does
    took: dict[str, list[float]] = {name: [] for name in ("", *pages)}
    for page in (bare, *pages.values()):
        for _ in range(10):
            page()
    for _ in range(rounds):
        for name, page in pages.items():
            took[""].append(bare())
            took[name].append(page())
    standard = statistics.median(took.pop(""))
    yield {"page": "bare", "ms": round(standard * 1000, 2), "ratio": 1.0, "statements": 1}
    for name, page in pages.items():
        with counting(database) as seen:
            page()
        middle = statistics.median(took[name])
        yield {"page": name, "ms": round(middle * 1000, 2), "ratio": round(middle / standard, 2), "statements": len(seen)}


def bench(folder: Path, database_url: str, *, receipts: int, rounds: int) -> Iterator[dict[str, object]]:
    """Fill one database and measure over it."""
    settings, now = settings_in(folder, database_url), datetime.now(UTC)
    ports = build_ports(settings)
    migrating.upgrade(ports.database)
    with acting(Origin("system:bench"), key=settings.secret_key):
        books = fill(ports, receipts=receipts, now=now)
    site, bare = create_app(settings, ports), bare_site(ports.database)
    addresses = {
        "review": (books.staff, "/review"),
        "review (fragment)": (books.staff, "/review"),
        "receipts": (books.owner, "/receipts"),
        "connections": (books.owner, "/profile/connections"),
        "client": (books.staff, f"/clients/{books.client.id}"),
        "overview": (books.admin, "/admin"),
    }
    environs = {
        name: EnvironBuilder(
            path,
            HOST,
            headers=[("Cookie", cookie_of(site, user, now)), *([("HX-Request", "true")] if "fragment" in name else [])],
        ).get_environ()
        for name, (user, path) in addresses.items()
    }
    bare_environ = EnvironBuilder("/bare", HOST).get_environ()
    pages = {name: lambda environ=environ: ask(site, environ) for name, environ in environs.items()}
    for row in measure(ports.database, lambda: ask(bare, bare_environ), pages, rounds=rounds):
        yield {"database": ports.database.engine.dialect.name, "receipts": receipts, **row}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="bench pages", description=__doc__)
    parser.add_argument("--receipts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--postgresql", action="store_true", help="beside the embedded SQLite")
    chosen = parser.parse_args(arguments)
    rows = []
    for row in _all(chosen):
        rows.append(row)
        print(json.dumps(row), flush=True)
    _print_table(rows)
    return 0


@contextmanager
def quiet() -> Iterator[None]:
    """Each request writes its line, as it does in production; only nobody reads it."""
    with Path(os.devnull).open("w") as nowhere:
        log.configure()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(nowhere)
        yield


def _all(chosen: argparse.Namespace) -> Iterable[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="belegfluss-bench-") as folder, quiet():
        size = {"receipts": chosen.receipts, "rounds": chosen.rounds}
        yield from bench(Path(folder), f"sqlite:///{folder}/belegfluss.db", **size)
        if chosen.postgresql:
            with servers.postgres() as url:
                yield from bench(Path(folder), url.replace("postgresql:", "postgresql+psycopg:"), **size)


def _print_table(rows: Sequence[Mapping[str, object]]) -> None:
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print()
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
