"""What the firm's own pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import AuditEvent, Client, Connection
from portal.services import finding, keeping, naming, running
from portal.services.clients import listing
from portal.services.clients.listing import ClientRow
from portal.services.finding import Actor

SYNCED = Connection.kind.in_(running.SCHEDULED_KINDS)


@dataclass(frozen=True, slots=True)
class Cockpit:
    """The admin's overview."""

    rows: Sequence[ClientRow]
    counts: dict[str, int]
    ticker_at: datetime | None
    is_ticker_silent: bool


def cockpit(session: Session, actor: Actor, *, now: datetime, sort: str = "urgent") -> Cockpit:
    """All clients, in an order of `listing.ORDERS`."""
    beat = keeping.last_beat(session, "ticker")
    return Cockpit(
        listing.overview(session, actor, now=now, sort=sort),
        listing.counts(session, actor),
        beat,
        keeping.is_silent(beat, now=now),
    )


def connections_of(session: Session, actor: Actor, client_id: str) -> list[Connection]:
    """The connections of one client that bring something in."""
    client = finding.client(session, actor, client_id)
    return list(session.scalars(select(Connection).where(Connection.client_id == client.id, SYNCED)))


def all_connections(session: Session, actor: Actor) -> list[Connection]:
    """Those of all clients the actor sees."""
    visible = finding.visible_clients(actor).with_only_columns(Client.id)
    return list(session.scalars(select(Connection).where(Connection.client_id.in_(visible), SYNCED)))


def newest_events(session: Session, limit: int = 200) -> list[tuple[AuditEvent, str, str]]:
    """(event, name of the actor, name of the client), newest first."""
    query = select(AuditEvent, Client.name).outerjoin(Client, Client.id == AuditEvent.client_id)
    found = session.execute(query.order_by(AuditEvent.id.desc()).limit(limit)).all()
    people = naming.names(session, (event.actor for event, _ in found))
    return [(event, people[event.actor], client or "") for event, client in found]
