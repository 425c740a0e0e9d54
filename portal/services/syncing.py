"""Syncing on request: a button press is a run, never a second one beside a running one, and not too often."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.errors import PortalError, Rejected
from portal.models import Connection, Run
from portal.services import running
from portal.services.auditing import Tag, record

PRESSES, WITHIN = 6, timedelta(hours=1)


class TooOften(PortalError):
    """The button was pressed too often."""

    status = 429


def request(session: Session, connection: Connection, *, trigger: str, now: datetime) -> Run:
    """Ask for a sync. `trigger`: the role of who asks. Errors: Rejected without a consent, TooOften."""
    if connection.state != "active":
        raise Rejected("This connection is not active. Connect it again first.")
    if connection.paused_at is not None:
        raise Rejected("This connection is paused. Resume it first.")
    recent = select(func.count()).where(
        Run.subject_id == connection.id, Run.kind == connection.kind, Run.trigger.in_(("client", "staff", "admin")),
        Run.created_at > now - WITHIN,
    )  # fmt: skip
    if (session.scalar(recent) or 0) >= PRESSES:
        raise TooOften("You have started several syncs in the past hour. Please wait a little; the next one runs by itself.")
    return running.request(
        session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger=trigger, now=now
    )


def request_all(session: Session, connections: list[Connection], *, now: datetime) -> list[Run]:
    """An admin's resync of many connections; those without a consent, and paused ones, are left out."""
    return [
        running.request(session, client_id=c.client_id, connection_id=c.id, kind=c.kind, trigger="admin", now=now)
        for c in connections
        if c.state == "active" and c.paused_at is None
    ]


def pause(session: Session, connection: Connection, *, now: datetime) -> None:
    """No sync starts until somebody resumes it; one that runs or waits still comes to its end. The consent stands."""
    if connection.state != "active" or connection.paused_at is not None:
        raise Rejected("Only an active connection can be paused.")
    connection.paused_at = now
    record(
        session, Tag.CONNECTION_PAUSED, subject=f"connection:{connection.id}", at=now, client_id=connection.client_id,
        kind=connection.kind,
    )  # fmt: skip


def resume(session: Session, connection: Connection, *, trigger: str, now: datetime) -> Run:
    """Go on; what was missed meanwhile is fetched at once."""
    if connection.state != "active" or connection.paused_at is None:
        raise Rejected("This connection is not paused.")
    connection.paused_at = None
    record(
        session, Tag.CONNECTION_RESUMED, subject=f"connection:{connection.id}", at=now, client_id=connection.client_id,
        kind=connection.kind,
    )  # fmt: skip
    return running.request(
        session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger=trigger, now=now
    )


def connections(session: Session, connection_id: str) -> list[Connection]:
    """The connection of this id, for an operator at the command line."""
    return list(session.scalars(select(Connection).where(Connection.id == connection_id)))
