"""One run a Berlin day, however many tickers there are: `./dev chaos calendar`.

Tickers in processes of their own look at the same moment, ten simulated minutes after ten, over the weeks in which the clock
changes; between two looks the due runs are executed. Prints one JSON line per database; exit code 0 when each connection had
exactly one run on each day, between 02:00 and 05:00 as clocks in Berlin show it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import func, select, update

from portal.clock import BERLIN
from portal.db import Database
from portal.models import Connection, Run
from portal.services import running
from portal.services.auditing import Origin, acting
from portal.settings import Timing
from tests import factories
from tests.chaos import databases

WEEKS = (date(2026, 3, 26), date(2026, 10, 22))  #: seven days each; the clock changes on the fourth night
DAYS, STEP = 7, timedelta(minutes=10)
STUCK_AFTER = 300.0


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    tickers: int = 5
    connections: int = 200


def moments() -> list[datetime]:
    """When the tickers look."""
    found = []
    for first in WEEKS:
        now = datetime(first.year, first.month, first.day, tzinfo=BERLIN).astimezone(UTC)
        last = first + timedelta(days=DAYS)
        end = datetime(last.year, last.month, last.day, tzinfo=BERLIN).astimezone(UTC)
        while now < end:
            found.append(now)
            now += STEP
    return found


def live(url: str, plan: Plan) -> dict[str, Any]:
    """All the days on a migrated, empty database. Returns what is printed."""
    database, key, all_moments = Database(url), secrets.token_urlsafe(48), moments()
    began = time.monotonic()
    with acting(Origin("system:chaos"), key=key):
        _connect(database, plan, all_moments[0])
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(plan.tickers + 1)
        tickers = [context.Process(target=_tick, args=(url, key, barrier), daemon=True) for _ in range(plan.tickers)]
        for ticker in tickers:
            ticker.start()
        for now in all_moments:
            barrier.wait(STUCK_AFTER)  # look
            barrier.wait(STUCK_AFTER)  # all have looked
            _execute(database, now)
        for ticker in tickers:
            ticker.join(STUCK_AFTER)
    days = [first + timedelta(days=number) for first in WEEKS for number in range(DAYS)]
    with database.read() as session:
        counts = dict(session.execute(select(Run.berlin_day, func.count()).group_by(Run.berlin_day)).all())
        subjects = session.execute(select(Run.subject_id, Run.berlin_day).distinct()).all()
        hours = sorted({moment.astimezone(BERLIN).strftime("%H") for moment in session.scalars(select(Run.created_at))})
        runs = sum(counts.values())
    database.engine.dispose()
    wanted = plan.connections * len(days)
    is_right = counts == dict.fromkeys(days, plan.connections) and len(subjects) == wanted
    return {
        "database": database.engine.dialect.name, "tickers": plan.tickers, "connections": plan.connections, "days": len(days),
        "looks": len(all_moments) * plan.tickers, "runs": runs, "extra": runs - wanted, "hours": hours,
        "seconds": round(time.monotonic() - began, 1), "ok": is_right and set(hours) <= {"02", "03", "04", "05"},
    }  # fmt: skip


def _connect(database: Database, plan: Plan, now: datetime) -> None:
    with database.write() as session:
        for number in range(plan.connections):
            client = factories.client(session, str(number), f"Mandant {number}", now=now)
            factories.connection(session, client, "documents", now=now)
        session.execute(update(Connection).values(connected_at=now - timedelta(days=30)))


def _execute(database: Database, now: datetime) -> None:
    """What workers do with the due runs, without a bank."""
    with database.read() as session:
        due = [run.id for run in running.startable(session, now=now)]
    for run_id in due:
        lease = running.claim(database, run_id, now=now, timing=Timing())
        if lease is not None:
            with database.write() as session:
                running.finish(session, lease, now=now)


def _tick(url: str, key: str, barrier: Barrier) -> None:
    """One ticker."""
    database = Database(url)
    with acting(Origin("system:ticker"), key=key):
        for now in moments():
            barrier.wait(STUCK_AFTER)
            with database.write() as session:
                running.make_scheduled(session, now=now)
            barrier.wait(STUCK_AFTER)
    database.engine.dispose()


def main(arguments: Sequence[str] | None = None) -> int:
    """Both databases unless told otherwise."""
    parser = argparse.ArgumentParser(prog="chaos calendar", description=__doc__)
    parser.add_argument("--tickers", type=int, default=Plan.tickers)
    parser.add_argument("--connections", type=int, default=Plan.connections)
    databases.choose(parser)
    chosen = parser.parse_args(arguments)
    return databases.tell(chosen.database, lambda url, _folder: live(url, Plan(chosen.tickers, chosen.connections)))


if __name__ == "__main__":
    sys.exit(main())
