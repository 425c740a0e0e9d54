"""What the connection pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.domain.tax_years import Scope
from portal.errors import NotFound
from portal.models import (
    PLANS_WITH_BANK,
    Client,
    Connection,
    Consent,
    Role,
    Run,
    ScaSession,
    SkippedInvoice,
    User,
    WebhookSubscription,
)
from portal.qonto.oauth import SCOPES
from portal.services import finding
from portal.services.accounts import covering
from portal.services.accounts.covering import AccountCoverage
from portal.services.clients import engaging, listing
from portal.services.clients.listing import AccountRow, ConnectionCard
from portal.services.connections import confirming, hearing
from portal.services.connections.connecting import CONNECTABLE, KINDS
from portal.services.finding import Actor


@dataclass(frozen=True, slots=True)
class ConnectionsPage:
    """The cards of one client, and the other clients one could look at."""

    clients: Sequence[Client]
    client: Client | None
    cards: Sequence[ConnectionCard]
    scope: Scope
    accounts: Sequence[AccountRow]
    unread: int = 0  #: open accounts at the bank that the client has not chosen
    coverage: Sequence[AccountCoverage] = ()  #: of these accounts, where a tax year is open


@dataclass(frozen=True, slots=True)
class ConnectPage:
    """Before the consent."""

    client: Client
    kind: str
    scopes: Sequence[str]
    start_on: date | None
    is_in_plan: bool


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """History and skipped invoices."""

    card: ConnectionCard
    runs: Sequence[Run]
    skipped: Sequence[SkippedInvoice]
    subscriptions: Sequence[WebhookSubscription]  #: for the firm's people only
    consents: Sequence[tuple[Consent, str, Sequence[str]]]  #: newest first, each with who gave it and the accounts it names


def index(session: Session, actor: Actor, *, now: datetime, client_id: str = "") -> ConnectionsPage:
    """The cards of the named client, else of the actor's first one."""
    clients = finding.clients(session, actor)
    client = finding.client(session, actor, client_id) if client_id else next(iter(clients), None)
    return _of(session, clients, client, now)


def books(session: Session, actor: Actor, *, now: datetime, client_id: str = "") -> ConnectionsPage:
    """As `index`, of the clients whose accounts the actor may see. Errors: NotAllowed where he sees none of his clients'."""
    clients = finding.books(session, actor)
    client = finding.books_of(session, actor, client_id) if client_id else next(iter(clients), None)
    if client is None and (first := finding.first_client(session, actor)) is not None:
        finding.books_of(session, actor, first.id)
    return _of(session, clients, client, now)


def _of(session: Session, clients: Sequence[Client], client: Client | None, now: datetime) -> ConnectionsPage:
    if client is None:
        return ConnectionsPage(clients, None, [], Scope((), ()), [])
    scope = engaging.scope(session, client.id)
    accounts, unread = listing.accounts(session, client.id)
    held = [row.account for row in accounts]
    covered = covering.of(session, held, first=scope.start_on, today=berlin_day(now)) if held and scope.start_on else []
    found = listing.connection_cards(session, [client], now=now, kinds=CONNECTABLE)
    cards = [card for card in found if card.kind in KINDS or card.connection is not None]  # payments begin on their own page
    return ConnectionsPage(clients, client, cards, scope, accounts, unread, covered)


def before_connecting(session: Session, actor: Actor, client_id: str, kind: str) -> ConnectPage:
    """What the consent will be asked for. Errors: NotAllowed for a bank's where the actor may not see the client's books."""
    if kind not in CONNECTABLE:
        raise NotFound
    find = {"bank": finding.books_of, "payments": finding.payer}.get(kind, finding.client)
    client = find(session, actor, client_id)
    is_in_plan = kind == "documents" or client.plan in PLANS_WITH_BANK
    return ConnectPage(client, kind, SCOPES[kind], engaging.scope(session, client.id).start_on, is_in_plan)


@dataclass(frozen=True, slots=True)
class ConfirmationPage:
    """What the bank waits for. `session` None: it never asked."""

    connection: Connection
    session: ScaSession | None
    is_running: bool  #: the run is being worked on just now, or about to be
    is_hinted: bool  #: it has taken so long that the app may be too old


def confirmation(session: Session, actor: Actor, connection_id: str, *, now: datetime) -> ConfirmationPage:
    """How far a confirmation is. Errors: NotFound for a connection without bank accounts."""
    connection = finding.own_connection(session, actor, connection_id)
    if connection.kind != "bank":
        raise NotFound
    awaited = confirming.newest(session, connection.id)
    is_running = card(session, actor, connection.id, now=now).is_running
    is_hinted = awaited is not None and now - awaited.created_at >= confirming.HINT_AFTER
    return ConfirmationPage(connection, awaited, is_running, is_hinted)


def card(session: Session, actor: Actor, connection_id: str, *, now: datetime) -> ConnectionCard:
    """One card."""
    connection = finding.connection(session, actor, connection_id)
    client = session.get_one(Client, connection.client_id)
    return next(iter(listing.connection_cards(session, [client], now=now, kinds=[connection.kind])))


def one(session: Session, actor: Actor, connection_id: str, *, now: datetime) -> ConnectionPage:
    """A connection's own page."""
    found = card(session, actor, connection_id, now=now)
    told = hearing.subscriptions(session, connection_id) if actor.role != Role.CLIENT and found.kind == "bank" else []
    return ConnectionPage(
        found, listing.runs_of(session, connection_id), listing.skipped_invoices(session, connection_id), told,
        _consents(session, connection_id),
    )  # fmt: skip


def _consents(session: Session, connection_id: str) -> list[tuple[Consent, str, Sequence[str]]]:
    query = select(Consent, User.name).join(User, User.id == Consent.granted_by).where(Consent.connection_id == connection_id)
    held = listing.all_accounts(session, connection_id)
    titles = {account.id: f"{account.title} {account.short_iban}".strip() for account in held}
    return [
        (consent, name, [titles[account] for account in consent.accounts if account in titles])
        for consent, name in session.execute(query.order_by(Consent.granted_at.desc()))
    ]
