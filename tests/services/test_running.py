"""Runs and leases: asked for once, executed by one, taken over from the dead, fenced against the late."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from portal.clock import BERLIN
from portal.db import Database
from portal.errors import Fenced
from portal.models import AuditEvent, Connection, Run
from portal.services import running
from portal.services.running import Lease
from portal.settings import Timing
from tests import factories

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TIMING = Timing()


@pytest.fixture
def connection(database: Database) -> Connection:
    """A client's active connection, connected a month ago."""
    return _connections(database, 1)[0]


def _connections(database: Database, count: int) -> list[Connection]:
    with database.write() as session:
        return [
            factories.connection(
                session, factories.client(session, str(number), f"Mandant {number}", now=NOW), "documents", now=NOW
            )
            for number in range(count)
        ]


def _ask(
    database: Database, connection: Connection, *, trigger: str = "admin", now: datetime = NOW, day: date | None = None
) -> Run:
    with database.write() as session:
        return running.request(
            session,
            client_id=connection.client_id,
            connection_id=connection.id,
            kind="documents",
            trigger=trigger,
            now=now,
            day=day,
        )


def _claim(database: Database, run: Run, now: datetime = NOW) -> Lease:
    lease = running.claim(database, run.id, now=now, timing=TIMING)
    assert lease is not None
    return lease


def _postpone(database: Database, lease: Lease, now: datetime, **values: float) -> None:
    with database.write() as session:
        running.postpone(session, lease, now=now, timing=TIMING, reason="timeout", **values)


def _read(database: Database, run: Run) -> Run:
    with database.read() as session:
        return session.get_one(Run, run.id)


def _runs(database: Database) -> list[Run]:
    with database.read() as session:
        return list(session.scalars(select(Run).order_by(Run.created_at)))


def _in_parallel(count: int, work: object) -> list[object]:
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(copy_context().run, work) for _ in range(count)]  # type: ignore[arg-type]
        return [future.result() for future in futures]


# --- asking --------------------------------------------------------------------------------------------------------


def test_asking_again_gives_the_queued_run(database: Database, connection: Connection) -> None:
    first = _ask(database, connection)
    assert _ask(database, connection).id == first.id
    assert len(_runs(database)) == 1


def test_twenty_presses_at_once_are_one_run(database: Database, connection: Connection) -> None:
    found = {run.id for run in _in_parallel(20, lambda: _ask(database, connection))}  # type: ignore[attr-defined]
    assert len(found) == len(_runs(database)) == 1


def test_asking_beside_a_running_one_queues_behind_it(database: Database, connection: Connection) -> None:
    first = _ask(database, connection)
    lease = _claim(database, first)
    second = _ask(database, connection)
    assert second.id != first.id
    assert running.claim(database, second.id, now=NOW, timing=TIMING) is None
    with database.read() as session:
        assert running.startable(session, now=NOW) == []
    with database.write() as session:
        running.finish(session, lease, now=NOW)
    assert running.claim(database, second.id, now=NOW, timing=TIMING) is not None


def test_asking_while_one_waits_starts_it_at_once_and_lists_anew(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    lease = _claim(database, run)
    with database.write() as session:
        running.advance(session, lease, cursor={"phase": 3})
    _postpone(database, lease, NOW)
    assert running.claim(database, run.id, now=NOW, timing=TIMING) is None
    assert _ask(database, connection).id == run.id
    assert _claim(database, run).run_id == run.id
    assert _read(database, run).cursor == {}


def test_asking_never_finds_a_gap_beside_a_worker(database: Database, connection: Connection) -> None:
    """Presses race with a worker that takes and ends runs: no error, and each press has a run that starts after it."""

    def work() -> None:
        for _ in range(12):
            for run in _runs(database):
                lease = running.claim(database, run.id, now=NOW, timing=TIMING) if run.state == "due" else None
                if lease:
                    with database.write() as session:
                        running.finish(session, lease, now=NOW)

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(copy_context().run, work) for _ in range(2)]
        presses = [pool.submit(copy_context().run, lambda: [_ask(database, connection) for _ in range(12)]) for _ in range(2)]
        for future in (*workers, *presses):
            future.result()
    assert sum(run.state in {"due", "waiting"} for run in _runs(database)) <= 1


# --- leases --------------------------------------------------------------------------------------------------------


def test_a_claim_is_exclusive(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    leases = _in_parallel(8, lambda: running.claim(database, run.id, now=NOW, timing=TIMING))
    assert sum(lease is not None for lease in leases) == 1


def test_claims_of_two_runs_of_one_subject_are_exclusive(database: Database, connection: Connection) -> None:
    running_one = _ask(database, connection)
    _claim(database, running_one)
    _ask(database, connection)
    ids = [run.id for run in _runs(database)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: running.claim(database, ids[n % 2], now=NOW + timedelta(minutes=2), timing=TIMING), range(8))
    assert sum(lease is not None for lease in found) == 1
    assert sum(run.state == "leased" for run in _runs(database)) == 1


def test_a_lapsed_lease_is_taken_over_and_the_late_one_is_fenced(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    dead = _claim(database, run)
    assert running.claim(database, run.id, now=NOW + timedelta(seconds=59), timing=TIMING) is None
    later = NOW + timedelta(seconds=61)
    with database.read() as session:
        assert [found.id for found in running.startable(session, now=later)] == [run.id]
    alive = _claim(database, run, later)
    assert _read(database, run).recoveries == 1
    assert not running.renew(database, dead, now=later, timing=TIMING)
    with pytest.raises(Fenced), database.write() as session:
        session.execute(update(Connection).values(organization_name="written too late"))
        running.advance(session, dead, seen=99)
    with database.read() as session:
        assert session.scalars(select(Connection.organization_name)).one() != "written too late"
    with pytest.raises(Fenced), database.write() as session:
        running.finish(session, dead, now=later)
    with database.write() as session:
        running.finish(session, alive, now=later, seen=5)
    assert (_read(database, run).state, _read(database, run).seen) == ("done", 5)


def test_a_renewed_lease_is_not_taken(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    lease = _claim(database, run)
    assert running.renew(database, lease, now=NOW + timedelta(seconds=50), timing=TIMING)
    assert running.claim(database, run.id, now=NOW + timedelta(seconds=100), timing=TIMING) is None


def test_nobody_can_claim_what_is_done(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    lease = _claim(database, run)
    with database.write() as session:
        running.needs_person(session, lease, now=NOW, reason="scope", request_id="req-1")
    assert running.claim(database, run.id, now=NOW + timedelta(days=1), timing=TIMING) is None
    found = _read(database, run)
    assert (found.state, found.reason, found.request_id) == ("needs_person", "scope", "req-1")


def test_an_end_is_an_event(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    lease = _claim(database, run)
    with database.write() as session:
        running.finish(session, lease, now=NOW, new=3, skipped={"draft": 2})
    with database.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "run.finished")).one()
    assert event.details == {
        "kind": "documents", "outcome": "done", "new": 3, "updated": 0, "unchanged": 0, "skipped": {"draft": 2}, "failed": 0,
    }  # fmt: skip


def test_a_ticket_changes_with_each_start(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    starts = [running.ticket(_read(database, run), now=NOW).start]
    lease = _claim(database, run)
    starts.append(running.ticket(_read(database, run), now=NOW).start)
    _claim(database, run, NOW + timedelta(minutes=2))
    starts.append(running.ticket(_read(database, run), now=NOW).start)
    assert len(set(starts)) == 3
    assert all(set(start) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_") for start in starts)
    assert lease.token[:8] in starts[1]


# --- waiting -------------------------------------------------------------------------------------------------------


def test_a_failing_run_waits_longer_each_time_then_for_the_next_slot(database: Database, connection: Connection) -> None:
    run, now, waits = _ask(database, connection), NOW, []
    for _ in range(5):
        _postpone(database, _claim(database, run, now), now)
        at = _read(database, run).next_attempt_at
        assert at is not None
        waits.append((at - now).total_seconds())
        assert running.claim(database, run.id, now=at - timedelta(seconds=1), timing=TIMING) is None
        now = at
    assert waits[:4] == [300, 900, 3600, 14400]
    assert now == running.slot(connection.id, now.astimezone(BERLIN).date())


def test_the_banks_wish_to_wait_longer_is_granted(database: Database, connection: Connection) -> None:
    run = _ask(database, connection)
    _postpone(database, _claim(database, run), NOW, retry_after=1800)
    assert _read(database, run).next_attempt_at == NOW + timedelta(seconds=1800)


def test_a_run_queued_meanwhile_takes_the_wait_over(database: Database, connection: Connection) -> None:
    first = _ask(database, connection)
    lease = _claim(database, first)
    second = _ask(database, connection)
    _postpone(database, lease, NOW)
    assert (_read(database, first).state, _read(database, first).reason) == ("done", "superseded")
    heir = _read(database, second)
    assert (heir.state, heir.failures, heir.next_attempt_at) == ("waiting", 1, NOW + timedelta(seconds=300))


@pytest.mark.parametrize("is_queued_behind", [False, True])
def test_handing_over_keeps_the_cursor(database: Database, connection: Connection, is_queued_behind: bool) -> None:
    first = _ask(database, connection)
    lease = _claim(database, first)
    heir = _ask(database, connection) if is_queued_behind else first
    with database.write() as session:
        running.hand_over(session, lease, now=NOW, cursor={"phase": 1})
    found = _read(database, heir)
    assert (found.state, found.cursor, found.started_at) == ("due", {"phase": 1, "handovers": 1}, NOW)
    assert _claim(database, heir).run_id == heir.id


# --- the timetable -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "days"),
    [(date(2026, 3, 27), 4), (date(2026, 10, 23), 4)],  # 29 March and 25 October are the nights of the clock change
)
def test_each_connection_has_exactly_one_run_a_berlin_day(database: Database, first: date, days: int) -> None:
    connections = _connections(database, 6)
    start = datetime(first.year, first.month, first.day, tzinfo=BERLIN).astimezone(UTC)
    with database.write() as session:
        session.execute(update(Connection).values(connected_at=start - timedelta(days=30)))
    for half_hours in range(days * 48):
        now = start + timedelta(minutes=30 * half_hours)
        for _ticker in range(2):
            with database.write() as session:
                running.make_scheduled(session, now=now)
        for run in [run for run in _runs(database) if run.state == "due"]:
            lease = _claim(database, run, now)
            with database.write() as session:
                running.finish(session, lease, now=now)
    with database.read() as session:
        counts = dict(session.execute(select(Run.berlin_day, func.count()).group_by(Run.berlin_day)).all())
        hours = {moment.astimezone(BERLIN).hour for moment in session.scalars(select(Run.created_at))}
    assert counts == {first + timedelta(days=n): len(connections) for n in range(days)}
    assert hours <= {2, 3, 4, 5}


def test_parallel_tickers_make_one_run(database: Database, connection: Connection) -> None:
    now = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)

    def tick() -> None:
        with database.write() as session:
            running.make_scheduled(session, now=now)

    _in_parallel(5, tick)
    assert len(_runs(database)) == 1


def test_after_days_off_there_is_one_run_to_catch_up(database: Database, connection: Connection) -> None:
    for now in (NOW, NOW + timedelta(days=4)):
        with database.write() as session:
            running.make_scheduled(session, now=now)
        for run in [run for run in _runs(database) if run.state == "due"]:
            lease = _claim(database, run, now)
            with database.write() as session:
                running.finish(session, lease, now=now)
    assert [run.berlin_day for run in _runs(database)] == [date(2026, 11, 24), date(2026, 11, 28)]


def test_a_run_that_fails_for_days_is_tried_a_few_times_a_day(database: Database, connection: Connection) -> None:
    """C16: a bank that always fails for three days, and a ticker that asks every minute of the night."""
    attempts: dict[date, int] = {}
    now = datetime(2026, 11, 24, 0, 0, tzinfo=BERLIN).astimezone(UTC)
    for _ in range(3 * 24 * 12):
        with database.write() as session:
            running.make_scheduled(session, now=now)
            due = running.startable(session, now=now)
        for run in due:
            lease = _claim(database, run, now)
            _postpone(database, lease, now)
            day = now.astimezone(BERLIN).date()
            attempts[day] = attempts.get(day, 0) + 1
        now += timedelta(minutes=5)
    assert len(attempts) == 3
    assert max(attempts.values()) <= 6


def test_who_connected_today_has_had_todays_run(database: Database, connection: Connection) -> None:
    with database.write() as session:
        session.execute(update(Connection).values(connected_at=NOW - timedelta(hours=1)))
        assert running.make_scheduled(session, now=NOW) == []


@pytest.mark.parametrize("state", ["connecting", "action_needed", "disconnected"])
def test_without_consent_nothing_is_scheduled(database: Database, connection: Connection, state: str) -> None:
    with database.write() as session:
        session.execute(update(Connection).values(state=state))
        assert running.make_scheduled(session, now=NOW) == []


def test_slots_are_spread_over_the_window() -> None:
    """C08: no more than a tenth in any five minutes, all between two and five."""
    slots = sorted(running.slot(f"connection-{n}", date(2026, 11, 24)) for n in range(1000))
    assert all(2 <= moment.hour < 5 for moment in slots)
    busiest = max(sum(moment <= other < moment + timedelta(minutes=5) for other in slots) for moment in slots[::20])
    assert busiest <= 100
