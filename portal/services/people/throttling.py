"""Counting tries, so that nobody can guess for long. Rows in the database: every web process counts with the others.

A try is written down and committed before it is evaluated. One that was right is taken back afterwards, and one that was refused
is not written: only wrong answers add up, and the window moves on, so nobody is locked out for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.errors import PortalError, Rejected
from portal.models import Attempt
from portal.ports import Ports

LONGEST = timedelta(days=1)  #: no limit looks further back


class TooManyAttempts(PortalError):
    """Refused without a look at the answer. `retry_after` in seconds."""

    status = 429

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many attempts. Please wait a few minutes and try again.", permanent=False)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` wrong answers of this key within the window."""

    key: str
    most: int
    window: timedelta


@contextmanager
def counted(ports: Ports, limits: Sequence[Limit]) -> Iterator[None]:
    """Around the evaluation of a try: it counts when `Rejected` comes out. Errors: TooManyAttempts before anything is evaluated.

    Opens transactions of its own; call it outside of any.
    """
    now = ports.clock.now()
    with ports.database.write() as session:
        ids = _note(session, limits, now)
    try:
        yield
    except Rejected:
        raise
    except BaseException:
        _take_back(ports, ids)
        raise
    else:
        _take_back(ports, ids)


def forget_old(session: Session, *, now: datetime) -> None:
    """Remove tries that no limit looks at any more."""
    session.execute(delete(Attempt).where(Attempt.at < now - LONGEST))


def _note(session: Session, limits: Sequence[Limit], now: datetime) -> list[str]:
    """Write the try down under each key, unless one of them is used up. Returns the rows' ids."""
    keys = sorted({limit.key for limit in limits})  # in one order, so that two tries never wait for each other
    if session.get_bind().dialect.name != "sqlite":  # whose write transactions exclude each other already
        for key in keys:
            session.execute(select(func.pg_advisory_xact_lock(func.hashtext(key))))
    for limit in limits:
        since = now - limit.window
        made = (Attempt.key == limit.key, Attempt.at > since)
        count, oldest = session.execute(select(func.count(), func.min(Attempt.at)).where(*made)).one()
        if count >= limit.most:
            raise TooManyAttempts((oldest - since).total_seconds())
    rows = [Attempt(id=new_id(), key=key, at=now) for key in keys]
    session.add_all(rows)
    return [row.id for row in rows]


def _take_back(ports: Ports, ids: list[str]) -> None:
    with ports.database.write() as session:
        session.execute(delete(Attempt).where(Attempt.id.in_(ids)))
