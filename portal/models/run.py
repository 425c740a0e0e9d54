"""One execution of a sync, a matching or a rendering: the truth about what must run (RQ only carries it)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id

QUEUED = "state IN ('due', 'waiting')"
RUNNING = "state = 'leased'"


class Run(HasId, Base):
    """Due → leased → done | waiting (with a date) | needs_person (with a reason).

    At most one is queued and one is running per subject and kind; one scheduled run per subject, kind and Berlin day.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("uq_run_queued", "subject_id", "kind", unique=True, sqlite_where=text(QUEUED), postgresql_where=text(QUEUED)),
        Index("uq_run_running", "subject_id", "kind", unique=True, sqlite_where=text(RUNNING), postgresql_where=text(RUNNING)),
        Index("uq_run_slot", "subject_id", "kind", "berlin_day", unique=True),
        Index("ix_run_subject_created", "subject_id", "created_at"),
        Index("ix_run_state", "state"),
    )

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    connection_id: Mapped[str | None] = mapped_column(Id, ForeignKey("connection.id"))
    subject_id: Mapped[str] = mapped_column(Id)  #: the connection, or the client where there is none
    kind: Mapped[str]  #: documents, bank, matching, previews
    trigger: Mapped[str]  #: connect, schedule, client, admin, change
    berlin_day: Mapped[date | None]  #: of a scheduled run, else None (NULLs never collide)
    requested_by: Mapped[str]  #: user id or system:<job>
    state: Mapped[str] = mapped_column(default="due")
    reason: Mapped[str] = mapped_column(default="")  #: code of the last problem
    request_id: Mapped[str] = mapped_column(default="")  #: the bank's id of the failed call, for its support
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]  #: of a waiting run
    failures: Mapped[int] = mapped_column(default=0)  #: failed attempts; a killed worker is none
    recoveries: Mapped[int] = mapped_column(default=0)  #: how often a lapsed lease was taken over
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    cursor: Mapped[dict[str, Any]] = mapped_column(default=dict)  #: where to go on after a crash
    total: Mapped[int] = mapped_column(default=0)  #: rows the bank announced
    seen: Mapped[int] = mapped_column(default=0)
    new: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[dict[str, Any]] = mapped_column(default=dict)  #: reason → count
    failed: Mapped[int] = mapped_column(default=0)  #: rows or files that must be tried again


class Heartbeat(Base):
    """When a process of ours last showed life (`ticker`)."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class RequestBudget(Base):
    """The one token bucket that all workers draw their calls to the bank from."""

    __tablename__ = "request_budget"

    name: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    refilled_at: Mapped[datetime]
    paused_until: Mapped[datetime | None]  #: after a 429 everyone waits
