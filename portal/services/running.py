"""Runs: what must be executed is a row; a lease says who executes it; a fence guards each of its commits.

A run may be executed twice, at the same time, or die anywhere. Whoever holds the newest lease token may write; everybody
else finds zero rows to update and stops.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from portal.clock import BERLIN, berlin_day
from portal.db import Database, new_id
from portal.errors import Fenced
from portal.models import Connection, Run
from portal.queue import Ticket
from portal.services.auditing import Tag, current_actor, record
from portal.settings import Timing

SCHEDULED_KINDS = ("documents", "bank")
ATTENDED = ("client", "connect")  #: triggers of somebody who can confirm on his own phone
BY_THE_FIRM = ("staff", "admin")  #: triggers of people who look after clients
FOLLOWERS = {"documents": ("matching", "previews"), "bank": ("matching",)}  #: what looks at the rows that a sync has brought
HAND_OVER_AFTER = timedelta(seconds=700)  #: well before RQ's time limit
BETWEEN_EVENTS = timedelta(minutes=1)  #: a client whose bank tells of changes all day is not listed more often than this
WINDOW = (2, 5)  #: daily runs start between 02:00 and 05:00 in Berlin


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to execute a run until another takes it over."""

    run_id: str
    token: str
    kind: str
    client_id: str
    connection_id: str | None


def request(
    session: Session, *, client_id: str, kind: str, trigger: str, now: datetime, connection_id: str | None = None,
    day: date | None = None, not_before: datetime | None = None,
    again: str = "", only: Sequence[str] = (),
) -> Run:  # fmt: skip
    """Ask for a run. One that is queued already is returned instead and starts at once; a running one is not disturbed.

    With `day` it is the scheduled run of that Berlin day: asking again for the same day gives the same run. With `not_before`
    there is no hurry: the run waits for that moment, and one that is queued already is left as it is. `again` names a receipt
    that the run shall look at whatever the bank's dates say, `only` the bank accounts that it shall read (empty: all).
    """
    waits_until = not_before if not_before and not_before > now else None
    subject = connection_id or client_id
    values = {
        "id": new_id(), "client_id": client_id, "connection_id": connection_id, "subject_id": subject, "kind": kind,
        "trigger": trigger, "berlin_day": day, "requested_by": current_actor(), "state": "waiting" if waits_until else "due",
        "next_attempt_at": waits_until, "created_at": now,
        "cursor": {**({"again": [again]} if again else {}), **({"only": list(only)} if only else {})},
    }  # fmt: skip
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    same = select(Run).where(Run.subject_id == subject, Run.kind == kind).with_for_update()
    queued = None
    while queued is None:  # a worker may take the queued run between our insert and our look: then there is room again
        if made := session.scalar(insert(Run).values(**values).on_conflict_do_nothing().returning(Run.id)):
            record(session, Tag.RUN_REQUESTED, subject=f"run:{made}", at=now, client_id=client_id, kind=kind, trigger=trigger)
            return session.get_one(Run, made)
        if day is not None and (found := session.scalar(same.where(Run.berlin_day == day))):
            return found
        queued = session.scalar(same.where(Run.state.in_(("due", "waiting"))))
    if not_before is not None:
        return queued
    if queued.state == "waiting":  # whoever asks now wants to see what is new: it lists again from the start
        queued.cursor = _wishes(queued.cursor)
    queued.cursor = _widened(queued.cursor, only)
    if again:
        queued.cursor = {**queued.cursor, "again": [*queued.cursor.get("again", []), again]}
    queued.state, queued.next_attempt_at = "due", None
    if trigger in BY_THE_FIRM:
        queued.trigger = trigger
    if day is not None:  # the queued run serves as this day's, also one that has been failing since an earlier day
        queued.berlin_day, queued.failures = day, 0
    return queued


def _wishes(cursor: dict[str, Any]) -> dict[str, Any]:
    """What a run keeps of its cursor when it begins anew: what people asked for."""
    return {name: cursor[name] for name in ("again", "only") if name in cursor}


def _widened(cursor: dict[str, Any], only: Sequence[str]) -> dict[str, Any]:
    """The accounts of two wishes together; where one of them wants all, all."""
    if only and cursor.get("only"):
        return {**cursor, "only": sorted({*cursor["only"], *only})}
    return {name: value for name, value in cursor.items() if name != "only"}


def ticket(run: Run, *, now: datetime) -> Ticket:
    """What the queue carries. A further start of the same run is a further ticket: RQ may still hold the one of a dead worker.

    The quarter of an hour is part of it, so that not even a ticket that RQ lost for good blocks a run for longer.
    """
    starts = (run.failures, run.recoveries, run.cursor.get("handovers", 0), (run.lease_token or "new")[:8])
    return Ticket(run.id, run.kind, "-".join(map(str, (*starts, int(now.timestamp()) // 900))))


def claim(database: Database, run_id: str, *, now: datetime, timing: Timing) -> Lease | None:
    """Take the run if it is due (or its lease has lapsed) and no other run of its subject is being executed."""
    token = secrets.token_hex(16)
    try:
        with database.write() as session:
            run = session.get(Run, run_id, with_for_update=not database.is_sqlite)
            if run is None:
                return None
            recoveries = run.recoveries + (run.state == "leased")
            taken = session.execute(
                update(Run)
                .where(Run.id == run_id, _is_startable(now))
                .values(
                    state="leased", lease_token=token, lease_until=now + timedelta(seconds=timing.lease),
                    started_at=run.started_at or now, recoveries=recoveries, next_attempt_at=None,
                ),
                execution_options={"synchronize_session": False},
            )  # fmt: skip
            if not taken.rowcount:  # type: ignore[attr-defined]
                return None
            return Lease(run.id, token, run.kind, run.client_id, run.connection_id)
    except IntegrityError:  # another run of the subject was taken between our look and our commit
        return None


def renew(database: Database, lease: Lease, *, now: datetime, timing: Timing) -> bool:
    """Prolong the lease. False: it is lost."""
    with database.write() as session:
        kept = session.execute(
            update(Run)
            .where(Run.id == lease.run_id, Run.lease_token == lease.token)
            .values(lease_until=now + timedelta(seconds=timing.lease))
        )
        return bool(kept.rowcount)  # type: ignore[attr-defined]


def advance(session: Session, lease: Lease, **changes: Any) -> None:
    """The fence: write progress only while the lease is ours; raises `Fenced` and so rolls the whole commit back."""
    kept = session.execute(
        update(Run).where(Run.id == lease.run_id, Run.lease_token == lease.token).values(**(changes or {"kind": lease.kind})),
        execution_options={"synchronize_session": False},
    )
    if not kept.rowcount:  # type: ignore[attr-defined]
        raise Fenced


def finish(session: Session, lease: Lease, *, now: datetime, reason: str = "", **changes: Any) -> list[Run]:
    """The run is done. Returns the runs that follow, for the queue (the ticker finds them a little later too)."""
    return _end(session, lease, now=now, state="done", reason=reason, outcome=reason or "done", **changes)


def needs_person(session: Session, lease: Lease, *, now: datetime, reason: str, request_id: str = "") -> None:
    """Trying again would not help: somebody has to do something."""
    _end(session, lease, now=now, state="needs_person", reason=reason, outcome=reason, request_id=request_id)


def hand_over(
    session: Session, lease: Lease, *, now: datetime, cursor: dict[str, Any], until: datetime | None = None, reason: str = ""
) -> str:  # fmt: skip
    """Let go of the run before the time limit, or `until` a moment: its next start goes on from the cursor.

    Returns the id of the run that will: this one, or the one queued meanwhile.
    """
    state = "waiting" if until else "due"
    cursor = {**cursor, "handovers": int(cursor.get("handovers", 0)) + 1}
    if successor := session.scalar(_queued(lease)):
        wanted = session.get_one(Run, successor).cursor
        wishes = [*cursor.get("again", []), *wanted.get("again", [])]
        cursor = _widened({**cursor, "again": wishes} if wishes else cursor, wanted.get("only", []))
        started_at = session.get_one(Run, lease.run_id).started_at
        session.execute(
            update(Run)
            .where(Run.id == successor)
            .values(cursor=cursor, started_at=started_at, state=state, next_attempt_at=until, reason=reason)
        )
        _end(session, lease, now=now, state="done", reason="superseded", outcome="superseded")
        return successor
    advance(session, lease, state=state, next_attempt_at=until, reason=reason, lease_token=None, lease_until=None, cursor=cursor)
    return lease.run_id


def postpone(
    session: Session, lease: Lease, *, now: datetime, timing: Timing, reason: str, request_id: str = "",
    retry_after: float | None = None,
) -> list[Run]:  # fmt: skip
    """Wait and try again: 5 min, 15 min, 1 h, 4 h, then the next daily slot. A run queued meanwhile takes over instead.

    Returns the runs that follow, as `finish` does.
    """
    run = session.get_one(Run, lease.run_id)
    failures = run.failures + 1
    if failures <= len(timing.retry_steps):
        at = now + timedelta(seconds=max(timing.retry_steps[failures - 1], retry_after or 0))
    else:
        at = slot(run.subject_id, berlin_day(now) + timedelta(days=1))
    if successor := session.scalar(_queued(lease)):
        session.execute(
            update(Run).where(Run.id == successor).values(state="waiting", next_attempt_at=at, failures=failures, reason=reason)
        )
        return _end(
            session, lease, now=now, state="done", reason="superseded", outcome=reason, request_id=request_id, failures=failures
        )
    advance(
        session, lease, state="waiting", reason=reason, request_id=request_id, failures=failures, next_attempt_at=at,
        lease_token=None, lease_until=None,
    )  # fmt: skip
    return ask_followers(session, lease, now=now) if run.new or run.updated else []


def ask_followers(session: Session, lease: Lease, *, now: datetime) -> list[Run]:
    """Ask for what looks at the rows that a sync has brought. However it ends: a later one finds the same rows unchanged."""
    return [
        request(session, client_id=lease.client_id, kind=kind, trigger="change", now=now)
        for kind in FOLLOWERS.get(lease.kind, ())
    ]


def _end(session: Session, lease: Lease, *, now: datetime, state: str, outcome: str, **changes: Any) -> list[Run]:
    advance(session, lease, state=state, finished_at=now, lease_token=None, lease_until=None, next_attempt_at=None, **changes)
    run = session.get_one(Run, lease.run_id, populate_existing=True)
    record(
        session, Tag.RUN_FINISHED, subject=f"run:{run.id}", at=now, client_id=run.client_id, kind=run.kind, outcome=outcome,
        new=run.new, updated=run.updated, unchanged=run.unchanged, skipped=run.skipped, failed=run.failed,
    )  # fmt: skip
    return ask_followers(session, lease, now=now) if run.new or run.updated else []


def slot(subject_id: str, day: date) -> datetime:
    """When the scheduled run of a connection starts on a Berlin day: 02:00–05:00, spread by the connection's id."""
    share = int(hashlib.sha256(subject_id.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    # in the nights of the clock change 02:00–03:00 exists twice or not at all: the window is an hour longer or shorter then
    start, end = (datetime(day.year, day.month, day.day, hour, tzinfo=BERLIN).timestamp() for hour in WINDOW)
    return datetime.fromtimestamp(start + share * (end - start), tz=BERLIN)


def next_slot(subject_id: str, *, now: datetime) -> datetime:
    """The next scheduled start after `now`."""
    today = berlin_day(now)
    at = slot(subject_id, today)
    return at if at > now else slot(subject_id, today + timedelta(days=1))


def make_scheduled(session: Session, *, now: datetime) -> list[Run]:
    """Ask for today's run of every active connection whose slot has come and that has none yet."""
    today = berlin_day(now)
    served = exists().where(Run.subject_id == Connection.id, Run.kind == Connection.kind, Run.berlin_day == today)
    waiting = select(Connection).where(
        Connection.state == "active", Connection.paused_at.is_(None), Connection.kind.in_(SCHEDULED_KINDS), ~served
    )
    return [
        request(
            session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger="schedule",
            now=now, day=today,
        )
        for connection in session.scalars(waiting)
        if slot(connection.id, today) <= now and not _connected_today(connection, today)
    ]  # fmt: skip


def _connected_today(connection: Connection, today: date) -> bool:
    """The first import after connecting is today's run."""
    return connection.connected_at is not None and berlin_day(connection.connected_at) == today


def startable(session: Session, *, now: datetime, limit: int = 500) -> list[Run]:
    """Runs that a worker should have: due, their waiting time over, or their lease lapsed."""
    return list(session.scalars(select(Run).where(_is_startable(now)).order_by(Run.created_at).limit(limit)))


def _is_startable(now: datetime) -> ColumnElement[bool]:
    """Due, waited long enough, or left by a dead worker; and no other run of its subject is being executed."""
    other = aliased(Run)
    is_due = and_(Run.state.in_(("due", "waiting")), or_(Run.next_attempt_at.is_(None), Run.next_attempt_at <= now))
    has_lapsed = and_(Run.state == "leased", Run.lease_until < now)
    is_busy = exists().where(
        other.subject_id == Run.subject_id, other.kind == Run.kind, other.state == "leased", other.id != Run.id
    )
    return and_(or_(is_due, has_lapsed), ~is_busy)


def _queued(lease: Lease) -> Select[str]:
    """The run that was asked for while this one was being executed."""
    subject = lease.connection_id or lease.client_id
    return select(Run.id).where(Run.subject_id == subject, Run.kind == lease.kind, Run.state.in_(("due", "waiting")))
