"""What happened: append-only, numbered and hash-chained per client."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class AuditEvent(HasId, Base):
    """One change by a person or the system. Triggers refuse UPDATE and DELETE in the database itself."""

    __tablename__ = "audit_event"
    __table_args__ = (UniqueConstraint("chain", "sequence"), Index("ix_audit_event_actor_at", "actor", "at"))

    chain: Mapped[str]  #: the client's id, or "installation"
    sequence: Mapped[int]  #: 1, 2, 3 … without gaps in a chain
    client_id: Mapped[str | None] = mapped_column(Id, ForeignKey("client.id"), index=True)
    at: Mapped[datetime]
    tag: Mapped[str]  #: `services.auditing.Tag`
    actor: Mapped[str]  #: user id or system:<job>
    subject: Mapped[str] = mapped_column(index=True)  #: `receipt:<id>`
    details: Mapped[dict[str, Any]]  #: exactly the keys of the tag
    request_id: Mapped[str]
    address: Mapped[str]  #: IP address of a person, else empty
    previous_hash: Mapped[str]
    hash: Mapped[str]


class AuditHead(Base):
    """The newest link of each chain; writers queue up on this row."""

    __tablename__ = "audit_head"

    chain: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    hash: Mapped[str]
