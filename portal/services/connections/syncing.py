"""Syncing on request: a button press is a run, never a second one beside a running one, and not too often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.errors import PortalError, Rejected
from portal.models import AuditEvent, Connection, Receipt, Run
from portal.services import running
from portal.services.auditing import INSTALLATION, Tag, queue_up, record

PRESSES, WITHIN = 6, timedelta(hours=1)
BETWEEN_ALL = timedelta(minutes=10)


class Reason(StrEnum):
    """Why the firm asks for a resync; kept in the audit trail."""

    DOCUMENT_MISSING = "document_missing"
    DOCUMENT_WRONG = "document_wrong"
    CLIENT_ASKED = "client_asked"
    AFTER_OUTAGE = "after_outage"
    CHECK = "check"


class TooOften(PortalError):
    """The button was pressed too often."""

    status = 429


def request(
    session: Session, connection: Connection, *, trigger: str, now: datetime, again: str = "", reason: Reason | None = None,
    only: Sequence[str] = (),
) -> Run:  # fmt: skip
    """Ask for a sync. `trigger`: the role of who asks; `again`, `only`: as in `running.request`; `reason`: of the firm's people.

    Errors: Rejected without a consent, TooOften.
    """
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
    run = running.request(
        session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger=trigger, now=now,
        again=again, only=only,
    )  # fmt: skip
    if reason is not None:
        subject = f"receipt:{again}" if again else f"connection:{connection.id}"
        record(session, Tag.RESYNC_ASKED, subject=subject, at=now, client_id=connection.client_id, reason=reason.value, runs=1)
    return run


def request_receipt(session: Session, receipt: Receipt, *, reason: Reason, trigger: str, now: datetime) -> Run:
    """Look at one receipt at the bank again: its row and each of its files, whatever the bank's dates say."""
    if receipt.connection_id is None:
        raise Rejected("This receipt was uploaded. There is nothing to fetch again.")
    connection = session.get_one(Connection, receipt.connection_id)
    return request(session, connection, trigger=trigger, now=now, again=receipt.id, reason=reason)


def request_all(
    session: Session, connections: list[Connection], *, reason: Reason, now: datetime, client_id: str | None = None
) -> list[Run]:
    """An admin's resync of one client's connections (`client_id`), or of all. Errors: TooOften.

    Connections without a consent, and paused ones, are left out.
    """
    subject = f"client:{client_id}" if client_id else "firm:all"
    queue_up(session, client_id or INSTALLATION)  # presses that come together are counted one after another
    before = select(func.count()).where(
        AuditEvent.tag == Tag.RESYNC_ASKED.text, AuditEvent.subject == subject,
        AuditEvent.at > now - (WITHIN if client_id else BETWEEN_ALL),
    )  # fmt: skip
    if (session.scalar(before) or 0) >= (PRESSES if client_id else 1):
        raise TooOften("You have started several syncs in the past hour. Please wait a little; the next one runs by itself.")
    runs = [
        running.request(session, client_id=c.client_id, connection_id=c.id, kind=c.kind, trigger="admin", now=now)
        for c in connections
        if c.state == "active" and c.paused_at is None
    ]
    record(session, Tag.RESYNC_ASKED, subject=subject, at=now, client_id=client_id, reason=reason.value, runs=len(runs))
    return runs


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
