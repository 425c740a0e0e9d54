"""Everything may happen twice, at the same time, or be asked for too often: the books are as if it had happened once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from jobs.runs import execute_run
from portal.models import Assignment, Connection, Document, Receipt, Run, SkippedInvoice, Transaction, User
from portal.services.clients import engaging
from tests.flows.reading import Reader
from tests.story import Story
from tests.web.visitor import Visitor

PRESSES = 20


@pytest.fixture
def lived(story: Story) -> Story:
    """Both connections stand, and everything of a short story is imported and matched."""
    for kind in ("documents", "bank"):
        story.connect(kind)
    story.work("documents", "bank", "matching")
    return story


def _at_once(*works: Callable[[], object]) -> list[object]:
    barrier = threading.Barrier(len(works))

    def begin(work: Callable[[], object]) -> object:
        barrier.wait(timeout=60)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(copy_context().run, begin, work) for work in works]]


def test_the_same_days_again_and_again_change_nothing(lived: Story) -> None:
    """C02: also when everything is listed from the beginning."""
    before = lived.books()
    for turn in range(10):
        if turn == 5:
            with lived.ports.database.write() as session:
                for connection in session.scalars(select(Connection)):
                    connection.synced_until = None
        for kind in ("bank", "documents"):
            run = lived.sync(kind, minutes=10)
            assert (run.state, run.new, run.updated) == ("done", 0, 0)
        lived.work("matching")
    assert lived.books() == before
    lived.check_books()


def test_pressing_resync_twenty_times_is_one_run_and_leaves_peoples_decisions(lived: Story, admin: User, reader: Reader) -> None:
    """C17."""
    lived.bank.move(hours=1)
    first = reader.browser(admin)
    browsers = [_another(first) for _ in range(PRESSES)]
    decided, before = lived.rows(select(Assignment.id)), lived.books()
    runs = len(lived.rows(select(Run)))
    path = f"/admin/clients/{lived.client.id}/runs"
    answers = _at_once(*(lambda b=browser: b.post(path, {"reason": "check"}).status_code for browser in browsers))
    assert set(answers) == {303, 429}
    asked = lived.rows(select(Run).order_by(Run.id))[runs:]
    assert sorted((run.kind, run.trigger, run.state) for run in asked) == [
        ("bank", "admin", "due"),
        ("documents", "admin", "due"),
    ]
    lived.work("documents", "bank", "matching")
    assert len(lived.rows(select(Run).where(Run.trigger == "admin"))) == 2
    assert lived.rows(select(Assignment.id)) == decided
    assert lived.books() == before


def _another(browser: Visitor) -> Visitor:
    """Another tab of the same browser."""
    tab = Visitor(browser.site)
    tab.cookie, tab.token = browser.cookie, browser.token
    return tab


def test_a_resync_of_an_earlier_year_touches_no_assignment(lived: Story) -> None:
    """C17: a further range is listed; what was decided stays as it is."""
    decided, imported = lived.rows(select(Assignment.id).order_by(Assignment.id)), set(lived.receipts())
    today = lived.clock.today()
    with lived.ports.database.write() as session:
        engaging.commission(
            session, client_id=lived.client.id, tax_year=today.year - 2, on=date(today.year, 1, 1), now=lived.clock.now()
        )
    run = lived.sync("documents", hours=1)
    assert run.state == "done"
    assert run.unchanged == len(imported)
    assert set(lived.receipts()) >= imported
    lived.work("matching")
    standing = lived.rows(select(Assignment.id).where(Assignment.withdrawn_at.is_(None)).order_by(Assignment.id))
    assert standing[: len(decided)] == decided
    lived.check_books()


class Paused:
    """The bank's door of a worker that sleeps inside a call: until it is woken, long after its lease."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner, self._name = inner, name
        self.sleeps, self.wakes = threading.Event(), threading.Event()

    def confirmed(self, _token: str) -> Paused:
        """The same door."""
        return self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._name:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            page = found(*args, **kwargs)
            self.sleeps.set()
            assert self.wakes.wait(timeout=60)
            return page

        return call


@contextmanager
def _sleeping(story: Story, run: Run, name: str) -> Iterator[Callable[[], object]]:
    """A worker that has the run and sleeps in this call; wakes it and tells how it ended."""
    door = Paused(story.ports.qonto, name)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(copy_context().run, execute_run, replace(story.ports, qonto=door), run.id)  # type: ignore[arg-type]
        assert door.sleeps.wait(timeout=60)

        def wake() -> object:
            door.wakes.set()
            return ended.result(timeout=60)

        try:
            yield wake
        finally:
            door.wakes.set()


@pytest.mark.parametrize(
    ("kind", "call"), [("documents", "supplier_invoices"), ("documents", "credit_notes"), ("bank", "transactions")]
)
def test_an_orphan_that_wakes_up_writes_nothing(story: Story, kind: str, call: str) -> None:
    """C03: it slept for minutes; another worker took its run over and finished it."""
    for name in ("documents", "bank"):
        story.connect(name)
    run = story.newest(kind)
    with _sleeping(story, run, call) as wake:
        story.bank.move(minutes=3)
        assert story.work(kind) == {kind: "done"}
        before, ended = story.books(), story.run(run.id)
        assert wake() == "fenced"
    after = story.run(run.id)
    assert story.books()[0] == before[0]
    assert (after.new, after.seen, after.recoveries, after.state) == (ended.new, ended.seen, 1, "done")
    story.work("documents", "bank", "matching")
    story.check_books()


def test_a_sync_asked_for_while_one_runs_is_queued_behind_it(story: Story) -> None:
    """C17: never beside it."""
    story.connect("documents")
    story.connect("bank")
    run = story.newest("documents")
    with _sleeping(story, run, "client_invoices") as wake:
        behind = {story.ask("documents").id for _ in range(PRESSES)}
        assert len(behind) == 1
        assert execute_run(story.ports, behind.copy().pop()) == "not mine"
        assert wake() == "done"
    story.bank.move(minutes=1)
    assert story.work("documents") == {"documents": "done"}
    second = story.run(behind.pop())
    assert (second.new, second.updated, story.run(run.id).new) == (0, 0, len(story.receipts()))


def test_the_database_itself_refuses_doubles(lived: Story) -> None:
    """C10: not only our code."""
    for model, keys in (
        (Receipt, ("connection_id", "qonto_id")), (Transaction, ("bank_account_id", "qonto_id")),
        (Document, ("receipt_id", "attachment_id", "sha256")), (SkippedInvoice, ("connection_id", "qonto_id")),
    ):  # fmt: skip
        columns = [column for column in model.__table__.columns if column.key != "id"]
        copy: dict[str, Any] = {}
        with lived.ports.database.read() as session:
            found = session.execute(select(*columns).limit(1)).one()
            copy = {column.key: value for column, value in zip(columns, found, strict=True)}
            count = session.scalar(select(func.count()).select_from(model))
        copy["id"] = "00000000-0000-7000-8000-000000000000"
        if model is Receipt:
            copy["sequence"] = 100_000
        assert all(copy[key] is not None for key in keys)
        with pytest.raises(IntegrityError), lived.ports.database.write() as session:
            session.execute(model.__table__.insert().values(**copy))  # type: ignore[attr-defined]
        with lived.ports.database.read() as session:
            assert session.scalar(select(func.count()).select_from(model)) == count


def test_eight_workers_with_the_same_run_import_it_once(story: Story) -> None:
    """C10, C03: the queue may hand a run out as often as it likes."""
    story.connect("documents")
    run = story.newest("documents")
    outcomes = _at_once(*(lambda: execute_run(story.ports, run.id) for _ in range(8)))
    assert sorted(map(str, outcomes)) == ["done"] + ["not mine"] * 7
    assert story.run(run.id).new == len(story.receipts())
    story.check_books()
