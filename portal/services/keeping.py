"""Housekeeping: signs of life."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.models import Heartbeat


def beat(session: Session, name: str, *, now: datetime) -> None:
    """Note that a process is alive."""
    heart = session.get(Heartbeat, name)
    if heart is None:
        session.add(Heartbeat(name=name, at=now))
    else:
        heart.at = now


def last_beat(session: Session, name: str) -> datetime | None:
    """When the process last showed life."""
    heart = session.get(Heartbeat, name)
    return heart.at if heart else None


SILENT_AFTER = 60  #: seconds without a sign of life until the firm is told
