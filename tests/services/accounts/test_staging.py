"""What the database decides about the rows of a file is what one would decide row by row."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, select, text

from portal.clock import FixedClock
from portal.domain.csv_rows import Flaw, Flawed, Movement
from portal.models import BankAccount, Statement, Transaction
from portal.ports import Ports
from portal.services.accounts import staging
from portal.services.accounts.staging import Fate
from tests import factories
from tests.factories import World

FIRST = date(2026, 1, 5)


class Row(NamedTuple):
    """Of a file, or (with an id of its own) one that is here."""

    day: int
    cents: int
    id: str | None
    status: str = "booked"


def movement(line: int, row: Row) -> Movement:
    return Movement(line, FIRST + timedelta(days=row.day), "debit", row.cents, "EUR", None, None, None, row.id)


def one_by_one(here: list[Row], file: list[Row]) -> list[str]:
    """The rule as a person would follow it: ids first, then each row takes the first that is left of its day and amount."""
    ids, named, told = {row.id for row in here}, {row.id for row in file if row.id}, set()
    left = defaultdict(list)
    for row in here:
        if row.status == "booked" and row.id not in named:
            left[row.day, row.cents].append(row)
    fates = []
    for row in file:
        if row.id and (row.id in ids or row.id in told):
            fates.append("known")
        elif left[row.day, row.cents]:
            left[row.day, row.cents].pop()
            fates.append("known")
        else:
            fates.append("new")
        told.add(row.id)
    return fates


ROWS = st.builds(Row, st.integers(0, 1), st.integers(1, 2), st.none() | st.sampled_from("abcdef"))
HERE = st.builds(Row, st.integers(0, 1), st.integers(1, 2), st.sampled_from("abcdxyz"), st.sampled_from(["booked", "reversed"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(here=st.lists(HERE, max_size=6, unique_by=lambda row: row.id), file=st.lists(ROWS, max_size=10))
def test_it_decides_as_one_would_row_by_row(
    world: World, ports: Ports, clock: FixedClock, here: list[Row], file: list[Row]
) -> None:  # fmt: skip
    with ports.database.write() as session:
        for row in here:
            settled = datetime.combine(FIRST, clock.now().timetz()) + timedelta(days=row.day)
            factories.transaction(
                session, world.ours.account, row.id or "", row.cents, now=clock.now(), settled_at=settled, status=row.status
            )
        stage = staging.begin(session)
        stage.fill(movement(line, row) for line, row in enumerate(file, start=1))
        stage.judge(world.ours.account.id)
        found = [row.fate for row in session.execute(select(staging.STAGED.c.fate).order_by(staging.STAGED.c.line))]
        session.rollback()
    assert found == one_by_one(here, file)


def stage_of(session: object, *rows: Movement | Flawed) -> staging.Stage:
    stage = staging.begin(session)  # type: ignore[arg-type]
    stage.fill(rows)
    return stage


def test_a_preview_leaves_nothing_and_stops_no_writer(world: World, ports: Ports, clock: FixedClock) -> None:
    with staging.passing(ports.database) as session:
        stage = stage_of(session, movement(1, Row(0, 1, None)), Flawed(2, Flaw.CUT, "=1+1"))
        stage.judge(world.ours.account.id)
        assert (stage.fates(), stage.counts()) == ({"new": 1, "flawed": 1}, {"new": 1, "cut": 1})
        assert stage.period() == (FIRST, FIRST)
        assert stage.first(Fate.FLAWED, 5) == [Flawed(2, Flaw.CUT, "=1+1")]
        assert stage.first(Fate.NEW, 5) == [movement(1, Row(0, 1, None))]
        with ports.database.write() as other:  # meanwhile
            factories.transaction(other, world.ours.account, "other", 1, now=clock.now())
    for _ in range(2):  # the same connection again
        with staging.passing(ports.database) as session:
            assert stage_of(session).fates() == {}


def test_an_error_on_the_way_leaves_nothing(world: World, ports: Ports) -> None:
    with pytest.raises(ZeroDivisionError), staging.passing(ports.database) as session:
        stage_of(session)
        raise ZeroDivisionError
    with ports.database.write() as session:
        stage = stage_of(session)
        stage.end()
        assert "staged_row" not in inspect(session.connection()).get_temp_table_names()


def test_the_table_does_not_live_in_memory(ports: Ports) -> None:
    """SQLite could be told so; its own setting is the file."""
    if not ports.database.is_sqlite:
        pytest.skip("PostgreSQL has no such setting")
    with ports.database.read() as session:
        assert session.scalar(text("PRAGMA temp_store")) == 0
        options = set(session.scalars(text("PRAGMA compile_options")))
    assert not options & {"TEMP_STORE=2", "TEMP_STORE=3"}


def test_lines_one_insists_on_get_ids_of_ours(world: World, ports: Ports, clock: FixedClock) -> None:
    with ports.database.write() as session:
        account = session.get_one(BankAccount, world.ours.account.id)
        factories.transaction(session, account, "a", 7, now=clock.now())
        made = factories.statement(session, ports.storage, account, world.ours.owner, now=clock.now())
        stage = stage_of(session, movement(1, Row(0, 7, "a")), movement(2, Row(0, 8, "b")), movement(3, Row(0, 8, "b")))
        stage.judge(account.id)
        stage.insist([1, 3, 99])
        stage.book(session.get_one(Statement, made.id), now=clock.now())
        stage.end()
        mine = select(Transaction.qonto_id).where(Transaction.statement_id == made.id).order_by(Transaction.qonto_id)
        assert list(session.scalars(mine)) == ["b", f"csv:{made.id}:1", f"csv:{made.id}:3"]
