"""The shared budget of calls to the bank: one row per bucket, drawn from by every process.

A call books its turn in advance: the bucket may go below zero, and the debt is the wait. So nobody polls, and whoever came first
goes first. While there is plenty, a process takes several turns at once and uses them up within half a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.clock import Clock
from portal.db import Database
from portal.errors import RateLimited
from portal.models import RequestBudget
from portal.qonto.budget import Budget, Unlimited
from portal.settings import Settings

log = structlog.get_logger()

CALLS, REFUSALS = "calls", "answers_401"
BATCH = 20
BATCH_LIFE = timedelta(seconds=0.5)  #: turns that were not used by then are lost, or a burst could come after the burst
REFUSALS_AT_ONCE, REFUSALS_PER_HOUR = 20, 80  #: at most 100 answers 401 in any hour; the bank throttles after 200
NAP = 1.0  #: after a longer wait somebody may have met a 429 meanwhile


def new_budget(settings: Settings, database: Database) -> Budget:
    """The installation's budget; a rate of 0 or less lifts it (benchmarks)."""
    if settings.request_rate <= 0:
        return Unlimited()
    return SharedBudget(database, rate=settings.request_rate, burst=settings.request_burst)


class SharedBudget:
    """A token bucket in the database. Its clock is the real one: the bank counts real seconds, whatever day is simulated."""

    def __init__(
        self, database: Database, *, rate: float, burst: float, clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._database, self._rate, self._burst = database, rate, burst
        self._clock, self._sleep = clock or Clock(), sleep
        self._lock = threading.Lock()
        self._turns, self._turns_end = 0, self._clock.now()

    def take(self, *, patience: float) -> None:
        """Wait for a turn; see `Budget`."""
        with self._lock:
            if self._turns and self._clock.now() < self._turns_end:
                self._turns -= 1
                return
            wait, turns = self._book(patience)
            self._turns, self._turns_end = turns - 1, self._clock.now() + BATCH_LIFE
        while wait > 0:
            self._sleep(wait)
            wait = self._rest_of_pause() if wait > NAP else 0.0

    def pause(self, seconds: float) -> None:
        """Nobody calls for so long; a pause that ends later stays."""
        now = self._clock.now()
        with self._lock:
            self._turns = 0
        with self._database.write() as session:
            row = _row(session, CALLS, now, self._burst)
            until = now + timedelta(seconds=seconds)
            row.paused_until = max(row.paused_until or until, until)
        log.warning("calls_paused", seconds=round(seconds, 1))

    def note_unauthorized(self) -> None:
        """Count an answer 401; with none left, calls pause until the next one could be afforded."""
        now = self._clock.now()
        with self._database.write() as session:
            row = _row(session, REFUSALS, now, REFUSALS_AT_ONCE)
            _refill(row, now, REFUSALS_PER_HOUR / 3600, REFUSALS_AT_ONCE)
            row.tokens -= 1
            pause = (1 - row.tokens) * 3600 / REFUSALS_PER_HOUR if row.tokens < 1 else 0.0
        if pause:
            self.pause(pause)

    def _book(self, patience: float) -> tuple[float, int]:
        """(seconds until our turn, number of turns)."""
        now = self._clock.now()
        with self._database.write() as session:
            row = _row(session, CALLS, now, self._burst)
            _refill(row, now, self._rate, self._burst)
            turns = BATCH if row.tokens > self._burst / 2 + BATCH else 1
            pause = (row.paused_until - now).total_seconds() if row.paused_until else 0.0
            wait = max(pause, 0.0) + max((turns - row.tokens) / self._rate, 0.0)
            if wait > patience:
                error = RateLimited(retry_after=wait)
                error.status_code = 0  # our own refusal, no answer of the bank
                raise error
            row.tokens -= turns
        return wait, turns if wait <= 0 else 1

    def _rest_of_pause(self) -> float:
        with self._database.read() as session:
            until = session.scalar(select(RequestBudget.paused_until).where(RequestBudget.name == CALLS))
        return max((until - self._clock.now()).total_seconds(), 0.0) if until else 0.0


def _row(session: Session, name: str, now: datetime, full: float) -> RequestBudget:
    """The bucket, locked until the transaction ends (SQLite locks everything anyway); made full on first use."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    row = session.get(RequestBudget, name, with_for_update=not is_sqlite)
    if row is None:
        insert = sqlite_insert if is_sqlite else postgres_insert
        session.execute(insert(RequestBudget).values(name=name, tokens=full, refilled_at=now).on_conflict_do_nothing())
        row = session.get_one(RequestBudget, name, with_for_update=not is_sqlite)
    return row


def _refill(row: RequestBudget, now: datetime, rate: float, full: float) -> None:
    elapsed = (now - row.refilled_at).total_seconds()
    if elapsed > 0:  # clocks of several machines may differ a little
        row.tokens, row.refilled_at = min(row.tokens + elapsed * rate, full), now
