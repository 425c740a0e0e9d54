"""Housekeeping: signs of life."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.models import Heartbeat


def beat(session: Session, name: str, *, now: datetime) -> None:
    """Note that a process is alive."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    statement = insert(Heartbeat).values(name=name, at=now)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": now}))


def last_beat(session: Session, name: str) -> datetime | None:
    """When the process last showed life."""
    heart = session.get(Heartbeat, name)
    return heart.at if heart else None


SILENT_AFTER = 60  #: seconds without a sign of life until the firm is told


def is_silent(beat: datetime | None, *, now: datetime) -> bool:
    """Whether a process that last showed life then is down; None: it never did."""
    return beat is None or (now - beat).total_seconds() > SILENT_AFTER
