"""What the connection pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.domain.tax_years import Scope
from portal.errors import NotFound
from portal.models import Client, Role, Run, SkippedInvoice, WebhookSubscription
from portal.qonto.oauth import SCOPES
from portal.services import engaging, finding, hearing, listing
from portal.services.connecting import KINDS
from portal.services.finding import Actor
from portal.services.listing import AccountRow, ConnectionCard


@dataclass(frozen=True, slots=True)
class ConnectionsPage:
    """The cards of one client, and the other clients one could look at."""

    clients: Sequence[Client]
    client: Client | None
    cards: Sequence[ConnectionCard]
    scope: Scope
    accounts: Sequence[AccountRow]


@dataclass(frozen=True, slots=True)
class ConnectPage:
    """Before the consent."""

    client: Client
    kind: str
    scopes: Sequence[str]
    start_on: date | None


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """History and skipped invoices."""

    card: ConnectionCard
    runs: Sequence[Run]
    skipped: Sequence[SkippedInvoice]
    subscriptions: Sequence[WebhookSubscription]  #: for the firm's people only


def index(session: Session, actor: Actor, *, now: datetime, client_id: str = "") -> ConnectionsPage:
    """The cards of the named client, else of the actor's first one."""
    clients = finding.clients(session, actor)
    client = finding.client(session, actor, client_id) if client_id else next(iter(clients), None)
    if client is None:
        return ConnectionsPage(clients, None, [], Scope((), ()), [])
    return ConnectionsPage(
        clients, client, listing.connection_cards(session, [client], now=now), engaging.scope(session, client.id),
        listing.accounts(session, client.id),
    )  # fmt: skip


def before_connecting(session: Session, actor: Actor, client_id: str, kind: str) -> ConnectPage:
    """What the consent will be asked for."""
    client = finding.client(session, actor, client_id)
    if kind not in KINDS:
        raise NotFound
    return ConnectPage(client, kind, SCOPES[kind], engaging.scope(session, client.id).start_on)


def card(session: Session, actor: Actor, connection_id: str, *, now: datetime) -> ConnectionCard:
    """One card."""
    connection = finding.connection(session, actor, connection_id)
    client = session.get_one(Client, connection.client_id)
    return next(c for c in listing.connection_cards(session, [client], now=now) if c.kind == connection.kind)


def one(session: Session, actor: Actor, connection_id: str, *, now: datetime) -> ConnectionPage:
    """A connection's own page."""
    found = card(session, actor, connection_id, now=now)
    told = hearing.subscriptions(session, connection_id) if actor.role != Role.CLIENT and found.kind == "bank" else []
    return ConnectionPage(found, listing.runs_of(session, connection_id), listing.skipped_invoices(session, connection_id), told)
