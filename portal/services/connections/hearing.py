"""Hearing from the bank between the nights: subscriptions to its webhooks, and what an event sets going.

An event only starts a run; its data are never read. Without any the daily runs find everything (F93).
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.crypto import place_of
from portal.db import new_id
from portal.errors import ConsentEnded, NotFound, QontoError, Rejected
from portal.models import Connection, Run, WebhookEvent, WebhookSubscription
from portal.ports import Ports
from portal.qonto import webhooks
from portal.qonto.oauth import WEBHOOKS
from portal.services import running

log = structlog.get_logger()

KEPT_FOR = timedelta(days=3)  #: ids of events; the bank repeats one for about two days


def address(ports: Ports, subscription_id: str) -> str:
    """Where the bank sends the events of a subscription."""
    return f"{ports.settings.webhook_url}/webhooks/qonto/{subscription_id}"


def subscribe(ports: Ports, connection_id: str) -> None:
    """See that the bank tells us of this connection's changes. A bank that refuses costs no run; the next one asks again.

    Our row comes first, and its id is part of the address: after a crash the bank's own list shows what it has made already.
    """
    with ports.database.read() as session:
        connection = session.get_one(Connection, connection_id)
        made = {row.type for row in session.scalars(_of(connection_id)) if row.qonto_id is not None}
        if not ports.settings.webhook_url or WEBHOOKS not in connection.scopes.split() or made.issuperset(webhooks.TYPES):
            return
    now = ports.clock.now()
    with ports.database.write() as session:
        rows = _prepared(ports, session, connection, now)
    try:
        standing = ports.qonto.webhook_addresses(connection_id)
        ours = {address(ports, row.id) for row in rows}
        for to, qonto_id in standing.items():
            if to.startswith(address(ports, "")) and to not in ours:  # of an earlier consent
                ports.qonto.unsubscribe(connection_id, qonto_id)
        for row in rows:
            to = address(ports, row.id)
            qonto_id = standing.get(to) or ports.qonto.subscribe(
                connection_id, address=to, event=row.type, secret=_secret(ports, row)
            )
            with ports.database.write() as session:
                session.execute(update(WebhookSubscription).where(WebhookSubscription.id == row.id).values(qonto_id=qonto_id))
    except ConsentEnded:
        raise
    except QontoError as error:
        log.warning("not_subscribed", connection=connection_id, code=error.code)


def unsubscribe(ports: Ports, connection_id: str) -> None:
    """The bank shall tell us nothing more of this connection; if it does not hear that, its events find no address here."""
    with ports.database.write() as session:
        gone = list(session.scalars(_of(connection_id)))
        forget(session, connection_id)
    for row in gone:
        if row.qonto_id:
            try:
                ports.qonto.over().unsubscribe(connection_id, row.qonto_id)
            except QontoError as error:
                log.warning("not_unsubscribed", connection=connection_id, code=error.code)


def forget(session: Session, connection_id: str) -> None:
    """Another consent begins or this one has ended: what the bank was asked to tell under it is over."""
    mine = select(WebhookSubscription.id).where(WebhookSubscription.connection_id == connection_id)
    session.execute(delete(WebhookEvent).where(WebhookEvent.subscription_id.in_(mine)))
    session.execute(delete(WebhookSubscription).where(WebhookSubscription.connection_id == connection_id))


def hear(ports: Ports, subscription_id: str, *, signature: str, body: bytes) -> None:
    """Take an event: check that it is the bank's, once and fresh, then ask for runs.

    Errors: NotFound for an unknown subscription, BadSignature (counted), Rejected for what is no event.
    """
    now = ports.clock.now()
    with ports.database.read() as session:
        subscription = session.get(WebhookSubscription, subscription_id)
    if subscription is None:
        raise NotFound
    mine = WebhookSubscription.id == subscription_id
    try:
        webhooks.verify(signature, body, secret=_secret(ports, subscription), now=now)
    except webhooks.BadSignature as error:
        log.warning("webhook_refused", subscription=subscription_id, why=error.message)
        with ports.database.write() as session:
            session.execute(update(WebhookSubscription).where(mine).values(refused=WebhookSubscription.refused + 1))
        raise
    event = webhooks.event(body)
    if event is None:
        raise Rejected("This is no event that we understand.")
    with ports.database.write() as session:
        runs = _runs(session, subscription, event, now) if _is_new(session, subscription_id, event.id, now) else []
        session.execute(update(WebhookSubscription).where(mine).values(heard_at=now))
        tickets = [running.ticket(run, now=now) for run in runs if run.state == "due"]
    for ticket in tickets:
        ports.queue.push(ticket)


def subscriptions(session: Session, connection_id: str) -> list[WebhookSubscription]:
    """What the bank was asked to tell about a connection."""
    return list(session.scalars(_of(connection_id).order_by(WebhookSubscription.type)))


def forget_events(session: Session, *, now: datetime) -> None:
    """Ids of events that the bank will not repeat any more."""
    session.execute(delete(WebhookEvent).where(WebhookEvent.received_at < now - KEPT_FOR))


def _of(connection_id: str) -> Select[WebhookSubscription]:
    return select(WebhookSubscription).where(WebhookSubscription.connection_id == connection_id)


def _secret(ports: Ports, row: WebhookSubscription) -> str:
    return ports.keyring.open(row.secret, place=place_of("webhook_subscription", "secret", row.client_id, row.id))


def _prepared(ports: Ports, session: Session, connection: Connection, now: datetime) -> list[WebhookSubscription]:
    """Our rows, one a type, made where they are missing."""
    rows = {row.type: row for row in session.scalars(_of(connection.id))}
    for kind in webhooks.TYPES:
        if kind not in rows:
            row_id = new_id()
            place = place_of("webhook_subscription", "secret", connection.client_id, row_id)
            rows[kind] = WebhookSubscription(
                id=row_id, client_id=connection.client_id, connection_id=connection.id, type=kind, qonto_id=None,
                secret=ports.keyring.seal(secrets.token_urlsafe(32), place=place), created_at=now, heard_at=None, refused=0,
            )  # fmt: skip
            session.add(rows[kind])
    return list(rows.values())


def _is_new(session: Session, subscription_id: str, event_id: str, now: datetime) -> bool:
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    values = {"id": new_id(), "subscription_id": subscription_id, "event_id": event_id, "received_at": now}
    return session.scalar(insert(WebhookEvent).values(**values).on_conflict_do_nothing().returning(WebhookEvent.id)) is not None


def _runs(session: Session, subscription: WebhookSubscription, event: webhooks.Event, now: datetime) -> list[Run]:
    """A booked transaction may be a paid invoice too; after a revocation each consent of the organisation is tried."""
    told = session.get_one(Connection, subscription.connection_id)
    concerned = Connection.client_id == told.client_id
    if event.type == webhooks.REVOCATIONS and told.organization_id is not None:
        concerned = Connection.organization_id == told.organization_id
    elif event.type not in webhooks.TYPES:
        return []
    connections = session.scalars(select(Connection).where(concerned, Connection.kind.in_(running.SCHEDULED_KINDS)))
    return [
        running.request(
            session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger="webhook",
            now=now, not_before=(connection.last_attempt_at or now) + running.BETWEEN_EVENTS,
        )
        for connection in connections
        if connection.state == "active" and connection.paused_at is None
    ]  # fmt: skip
