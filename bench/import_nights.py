"""Nights in which nothing changed: what N connections cost when the bank has nothing new for any of them."""

from __future__ import annotations

import base64
import math
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, func, insert, select, update

from bench.import_site import Site, expect
from jobs.runs import execute_run
from portal.clock import BERLIN, FixedClock
from portal.crypto import place_of
from portal.db import new_id
from portal.models import Client, Connection, Document, Engagement, Preview, Receipt, Run
from portal.ports import Ports
from portal.services import running
from tests import factories
from tests.bank_process import LISTS, ORGANIZATION, BankProcess

SIZES = (10, 100, 1000)
SLICE = 100  #: runs of the largest night between those of the others
MIDDLE_EVERY = 5  #: of these pauses; two nights of the middle size
DOCUMENTS = 3  #: of each connection
LOOK_BACK = timedelta(days=2)  #: before each night, so that the bank lists these documents again and all are compared
AFTER_THE_WINDOW = 6  #: o'clock in Berlin: every slot of the night has come
ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one night with so many connections, in seconds. `cpu` is of this process, which makes and executes the runs."""

    connections: int
    cpu: float
    wall: float


def exponent(costs: Sequence[tuple[int, float]]) -> float:
    """The k of cost = a · N^k that fits best: 1 is linear. Least squares over the logarithms."""
    slope, _ = statistics.linear_regression([math.log(n) for n, _ in costs], [math.log(cost) for _, cost in costs])
    return slope


def measure(site: Site, database: str, organization: str) -> list[Cost]:
    """One night each for installations of 10, 100 and 1,000 connections; of the smaller two, the mean of several nights.

    They take turns: the largest night stops after each 100 runs, and the others live through nights of their own meanwhile.
    So a machine that is busy for a while slows all of them.
    """
    with ExitStack() as stack:
        small, middle, large = (stack.enter_context(Nights.at(site, database, organization)) for _ in SIZES)
        for nights, size in zip((small, middle, large), SIZES, strict=True):
            nights.grow(size)
        small.warm_up()
        for turn, _ in enumerate(large.night()):
            small.live()
            if turn % MIDDLE_EVERY == 0:
                middle.live()
        return [nights.cost for nights in (small, middle, large)]


@dataclass
class Nights:
    """An installation and what its nights have cost together; each is a Berlin day later."""

    ports: Ports
    clock: FixedClock
    first: Connection
    connections: int = 1
    nights: int = 0
    cpu: float = 0.0
    wall: float = 0.0

    @classmethod
    @contextmanager
    def at(cls, site: Site, database: str, organization: str) -> Iterator[Nights]:
        """With one connection, whose documents are imported."""
        with site.place(database, organization=organization) as place:
            story = place.story
            run = story.newest("documents")
            expect((execute_run(story.ports, run.id), story.run(run.id).new), ("done", DOCUMENTS))
            today = datetime.now(BERLIN).replace(hour=AFTER_THE_WINDOW, minute=0, second=0, microsecond=0)
            clock = FixedClock(today.astimezone(UTC))
            yield cls(replace(story.ports, clock=clock), clock, story.connection("documents"))

    @property
    def cost(self) -> Cost:
        """The mean of its nights."""
        return Cost(self.connections, self.cpu / self.nights, self.wall / self.nights)

    def live(self) -> None:
        """A whole night."""
        for _ in self.night():
            pass

    def night(self) -> Iterator[None]:
        """A night from the making of its runs to the end of the last one; stops after each hundred, and that time is not counted.

        Raises RuntimeError when something was imported, or a document was not compared.
        """
        self._fall()
        with self._counted(), self.ports.database.write() as session:
            running.make_scheduled(session, now=self.clock.now())
        while due := self._due():
            for start in range(0, len(due), SLICE):
                with self._counted():
                    for run_id in due[start : start + SLICE]:
                        expect(execute_run(self.ports, run_id), "done")
                yield
        self.nights += 1
        self._check()

    def warm_up(self) -> None:
        """What a process does only once, and a night's first runs, are not counted."""
        self.live()
        self.nights, self.cpu, self.wall = 0, 0.0, 0.0

    def _fall(self) -> None:
        """The next evening. No weekly listing is due, and the documents changed within the time that is asked for."""
        self.clock.move(days=1)
        known_until, listed_at = datetime.now(UTC) - LOOK_BACK, self.clock.now()
        with self.ports.database.write() as session:
            session.execute(update(Connection).values(synced_until=known_until, listed_fully_at=listed_at))

    def _due(self) -> list[str]:
        """As the ticker finds them, up to 500 at a time."""
        with self._counted(), self.ports.database.read() as session:
            return [run.id for run in running.startable(session, now=self.clock.now()) if run.kind == "documents"]

    def _check(self) -> None:
        counted = select(func.count(), func.sum(Run.unchanged), func.sum(Run.new + Run.updated + Run.failed))
        with self.ports.database.read() as session:
            told = session.execute(counted.where(Run.berlin_day == self.clock.today())).one()
        expect(tuple(told), (self.connections, self.connections * DOCUMENTS, 0))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        started, started_cpu = time.perf_counter(), time.process_time()
        yield
        self.cpu += time.process_time() - started_cpu
        self.wall += time.perf_counter() - started

    # --- further connections ---------------------------------------------------------------------------------

    def grow(self, connections: int) -> None:
        """Copy the first client, with all it has imported, until there are so many. Their tokens are the first one's."""
        rows: dict[Table, list[dict[str, Any]]] = {}
        originals = self._originals()
        for number in range(self.connections, connections):
            for table, copied in self._copies(originals, number):
                rows.setdefault(table, []).extend(copied)
        with self.ports.database.write() as session:
            for table, values in rows.items():
                for start in range(0, len(values), ROWS_AT_ONCE):
                    session.execute(insert(table), values[start : start + ROWS_AT_ONCE])
        self.connections = connections

    def _originals(self) -> dict[Table, list[dict[str, Any]]]:
        """The first client's rows; a table comes after those that it points to."""
        found = {}
        with self.ports.database.read() as session:
            for model in (Client, Engagement, Connection, Receipt, Document, Preview):
                table = model.__table__
                assert isinstance(table, Table)
                column = table.c.id if model is Client else table.c.client_id
                query = select(table).where(column == self.first.client_id)
                found[table] = [dict(row._mapping) for row in session.execute(query)]  # noqa: SLF001 -- SQLAlchemy's public name
        return found

    def _copies(self, originals: dict[Table, list[dict[str, Any]]], number: int) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
        """One more client: other ids, the same content, the tokens sealed for their new row."""
        ids = {row["id"]: new_id() for rows in originals.values() for row in rows}
        for table, rows in originals.items():
            copied = [
                {name: ids.get(value, value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
            ]
            for row, original in zip(copied, rows, strict=True):
                if table is Client.__table__:
                    row["number"] = str(20000 + number)
                if table is Connection.__table__:
                    for column in ("access_token", "refresh_token"):
                        row[column] = self._sealed_anew(column, original, row)
            yield table, copied

    def _sealed_anew(self, column: str, original: dict[str, Any], row: dict[str, Any]) -> str:
        def place(of: dict[str, Any]) -> str:
            return place_of("connection", column, of["client_id"], of["id"])

        keyring = self.ports.keyring
        return keyring.seal(keyring.open(original[column], place=place(original)), place=place(row))


def prepare(bank: BankProcess) -> str:
    """An organisation with nothing but a few paid invoices of yesterday. Returns its id."""
    known = next(known for known in bank.organizations() if known["slug"] != ORGANIZATION)
    slug, rng = known["slug"], random.Random(3)
    _empty(bank, slug)
    changed = datetime.now(UTC) - timedelta(days=1)
    for number in range(DOCUMENTS):
        content = factories.pdf(f"ND-{number}") + rng.randbytes(2000)
        file = {
            "file_name": f"ND-{number}.pdf", "file_content_type": "application/pdf",
            "content_base64": base64.b64encode(content).decode(),
        }  # fmt: skip
        bank.put_invoice(
            slug, file, status="paid", supplier_name="Papierlager Süd GmbH", invoice_number=f"ND-{number}",
            total_amount={"value": f"{number + 10}.00", "currency": "EUR"}, issue_date=changed.date().isoformat(),
            payment_date=changed.date().isoformat(), created_at=changed.isoformat(), updated_at=changed.isoformat(),
        )  # fmt: skip
    organization_id: str = known["id"]
    return organization_id


def _empty(bank: BankProcess, slug: str) -> None:
    """Hide what the story tells of it."""
    scope = "supplier_invoice.read client_invoices.read attachment.read"
    token = bank.tell("tokens", organization=slug, scope=scope)["access_token"]
    for name in LISTS:
        while rows := bank.call(f"/v2/{name}?per_page=100", token=token).json()[name]:
            for row in rows:
                bank.tell(name, organization=slug, hidden=True, **{name.removesuffix("s"): {"id": row["id"]}})
