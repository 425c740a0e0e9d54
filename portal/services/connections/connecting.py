"""Connecting a client to the bank: to the consent page, back, verified, Active; and disconnecting again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NoReturn

import structlog
from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from portal.crypto import digest, place_of
from portal.db import new_id
from portal.errors import ConsentEnded, NotAllowed, NotFound, PortalError, QontoError, Rejected
from portal.models import PLANS_WITH_BANK, Client, ConnectAttempt, Connection, Consent, Role, Run, UserSession
from portal.ports import Ports
from portal.qonto.client import OneToken
from portal.qonto.errors import Code
from portal.qonto.oauth import SCOPES, TokenSet, new_verifier
from portal.qonto.schema import BankAccount as BankAccountRow
from portal.services import finding, running
from portal.services.accounts import choosing
from portal.services.auditing import Tag, queue_up, record
from portal.services.connections import confirming, hearing, token_keeping
from portal.services.finding import Actor
from portal.services.messages import notifying
from portal.services.payments import stopping
from portal.services.people import authenticating

log = structlog.get_logger()

KINDS = ("documents", "bank")  #: what every client is asked for
CONNECTABLE = (*KINDS, "payments")
PLANS = ("start", "basic")  #: what a client can have booked with the firm
ATTEMPT_LIFE = timedelta(minutes=10)
FULL_LISTING_EVERY = timedelta(days=7)
SHRUNK_BY, FEW = 0.2, 10  #: share of the rows of a week ago; below so many rows a share says nothing


class Ending(StrEnum):
    """How a journey to the consent page ended; each has its words on the page one comes back to."""

    CONNECTED = "connected"
    DENIED = "denied"
    INVALID = "invalid"  #: state unknown, expired, used before, or begun by another user or in another session
    EXPIRED_CODE = "expired_code"
    SCOPE_MISSING = "scope_missing"
    OTHER_ORGANIZATION = "other_organization"
    BANK_AWAY = "bank_away"


@dataclass(frozen=True, slots=True)
class Result:
    """What the callback page tells.

    `missing` names the rights that were not granted; `organizations` the one that was chosen and the one that stands, where the
    bank told both names.
    """

    ending: Ending
    kind: str = ""
    client_id: str = ""
    missing: tuple[str, ...] = ()
    run_id: str = ""  #: the first import; empty where accounts are to be chosen first
    connection_id: str = ""
    organizations: tuple[str, str] | None = None


def begin(
    ports: Ports, session: Session, *, user_id: str, client: Client, kind: str, browser: str = "", start_on: date | None = None
) -> str:  # fmt: skip
    """Start a journey: the address of the bank's consent page. State and verifier are kept for one use, ten minutes.

    `browser` names the session that it begins in; the way back is only taken in the same one, or after signing in again where
    that one has ended. `start_on`: from when accounts shall be read. Errors: NotFound for an unknown kind, NotAllowed where the
    client's plan has no bank connection.
    """
    if kind not in CONNECTABLE:
        raise NotFound
    if kind in {"bank", "payments"}:
        refuse_plan(client)
    now = ports.clock.now()
    state, verifier, attempt_id = secrets.token_urlsafe(32), new_verifier(), new_id()
    session.add(
        ConnectAttempt(
            id=attempt_id, state_hash=digest(state), browser=browser, user_id=user_id, client_id=client.id, kind=kind,
            start_on=start_on,
            verifier=ports.keyring.seal(verifier, place=place_of("connect_attempt", "verifier", client.id, attempt_id)),
            created_at=now, expires_at=now + ATTEMPT_LIFE, used_at=None,
        )
    )  # fmt: skip
    record(session, Tag.CONNECT_STARTED, subject=f"client:{client.id}", at=now, client_id=client.id, kind=kind)
    return ports.oauth.authorization(state=state, verifier=verifier, kind=kind)


def complete(  # noqa: PLR0911 -- one ending each
    ports: Ports, *, actor: Actor, state: str, code: str, error: str, browser: str = ""
) -> Result:
    """The way back: check the state, exchange the code, verify the consent by a real call, then store it and start the import.

    The old consent of a reconnecting client stays untouched until the new one is verified. Never raises for what the
    bank or the person did: the result says it.
    """
    attempt = _take_attempt(ports, user_id=actor.user_id, state_hash=digest(state), browser=browser)
    if attempt is None:
        return Result(Ending.INVALID)
    with ports.database.read() as session:
        find = finding.payer if attempt.kind == "payments" else finding.client
        find(session, actor, attempt.client_id)
    kind, client_id = attempt.kind, attempt.client_id
    if error or not code:
        return _refuse(ports, attempt, Ending.DENIED, reason=error or "no_code")
    try:
        place = place_of("connect_attempt", "verifier", client_id, attempt.id)
        tokens = ports.oauth.exchange(code=code, verifier=ports.keyring.open(attempt.verifier, place=place))
    except ConsentEnded as problem:
        return _refuse(ports, attempt, Ending.EXPIRED_CODE, reason=problem.code)
    except PortalError as problem:
        return _refuse(ports, attempt, Ending.BANK_AWAY, reason=getattr(problem, "code", ""))
    missing = tuple(sorted(set(SCOPES[kind]) - set(tokens.scopes)))
    if missing:
        _discard(ports, tokens)
        return _refuse(ports, attempt, Ending.SCOPE_MISSING, reason="scope", missing=missing)
    try:
        found = _verified(ports, kind, tokens)
    except PortalError as problem:
        _discard(ports, tokens)
        return _refuse(ports, attempt, Ending.BANK_AWAY, reason=getattr(problem, "code", ""))
    with ports.database.write() as session:
        standing = _standing_name(session, client_id)
        if not is_fitting(session, client_id, found.organization_id):
            result = None
        else:
            result = _store(ports, session, attempt, tokens, found, user_id=actor.user_id)
    if result is None:
        _discard(ports, tokens)
        refused = _refuse(ports, attempt, Ending.OTHER_ORGANIZATION, reason="other_organization")
        return replace(refused, organizations=(found.name, standing)) if found.name and standing else refused
    if result.run_id:
        with ports.database.read() as session:
            ports.queue.push(running.ticket(session.get_one(Run, result.run_id), now=ports.clock.now()))
    return result


def refuse_plan(client: Client) -> None:
    """Bank connections are part of the Basic plan (L-06). Errors: NotAllowed below it."""
    if client.plan not in PLANS_WITH_BANK:
        raise NotAllowed("Bank connections are part of the Basic plan. Ask your tax office to change the plan.")


def disconnect(ports: Ports, *, actor: Actor, connection_id: str) -> None:
    """End the consent: schedule off, tokens wiped, revocation tried; a running import stops at its next step; documents stay.

    Of payment orders none goes out any more, also not after connecting again; what may be at the bank already is looked for then.
    """
    now = ports.clock.now()
    with ports.database.read() as session:
        finding.own_connection(session, actor, connection_id)
    hearing.unsubscribe(ports, connection_id)
    with ports.database.write() as session:
        connection = finding.own_connection(session, actor, connection_id)
        queue_up(session, connection.client_id)
        if connection.state == "disconnected":
            raise Rejected("This connection is already disconnected.")
        stopping.without_consent(session, connection.id, now=now)
        token = token_keeping.wipe(session, connection, keyring=ports.keyring)
        connection.state, connection.reason = "disconnected", ""
        _end_consents(session, connection.id, now)
        session.execute(
            update(Run)
            .where(Run.connection_id == connection.id, Run.state.in_(("due", "waiting")))
            .values(state="done", reason="disconnected", finished_at=now, next_attempt_at=None)
        )
        record(
            session, Tag.CONNECTION_ENDED, subject=f"connection:{connection.id}", at=now, client_id=connection.client_id,
            kind=connection.kind,
        )  # fmt: skip
    if token:
        _revoke(ports, token)


def is_usable(session: Session, connection_id: str) -> bool:
    """Whether the consent still stands."""
    return session.scalar(select(Connection.state).where(Connection.id == connection_id)) == "active"


def is_disconnected(session: Session, connection_id: str | None) -> bool:
    """Whether the client ended it here."""
    return session.scalar(select(Connection.state).where(Connection.id == connection_id)) == "disconnected"


def note_attempt(session: Session, connection_id: str, *, now: datetime) -> None:
    """A run begins."""
    session.get_one(Connection, connection_id).last_attempt_at = now


def is_full_listing_due(connection: Connection, *, now: datetime) -> bool:
    """Once a week the lists are read from their first row: rows turn up late with an old date, and rows vanish (F32, F34)."""
    return connection.listed_fully_at is None or now - connection.listed_fully_at >= FULL_LISTING_EVERY


def refuse_shrunk(session: Session, connection: Connection, *, listed: int, trigger: str) -> None:
    """Lists that lack a fifth of what they had a week ago call a person; nothing is deleted for it, and what came is kept (F34).

    Once the page has said so, a run that somebody of the firm starts takes the shorter lists as they are.
    """
    before = connection.listed_count or 0
    if before < FEW or listed >= before * (1 - SHRUNK_BY):
        return
    ended = select(Run.reason).where(Run.subject_id == connection.id, Run.kind == connection.kind, Run.finished_at.is_not(None))
    was_told = session.scalar(ended.order_by(Run.finished_at.desc()).limit(1)) == Code.SHRUNK
    if not (was_told and trigger in running.BY_THE_FIRM):
        raise QontoError("Qonto lists far fewer rows than before.", code=Code.SHRUNK)


def note_success(
    session: Session, connection_id: str, *, now: datetime, synced_until: datetime, scope_start_on: date | None,
    listed: int | None,
) -> None:  # fmt: skip
    """A run reached its end: everything changed before `synced_until` is here. `listed`: rows, if it began with the first."""
    connection = session.get_one(Connection, connection_id)
    connection.last_success_at, connection.synced_until = now, synced_until
    if listed is not None:
        connection.listed_fully_at, connection.listed_count = synced_until, listed
    if scope_start_on is not None:
        connection.scope_start_on = scope_start_on


def learn_organization(session: Session, connection_id: str, organization_id: str, *, name: str | None = None) -> None:
    """The first rows or the organisation call tell which organisation the consent belongs to."""
    connection = session.get_one(Connection, connection_id)
    connection.organization_id = organization_id
    connection.organization_name = name or connection.organization_name


def refuse_organization(ports: Ports, connection_id: str) -> NoReturn:
    """Rows of another organisation: the consent is discarded, nothing of them is kept (F13)."""
    now = ports.clock.now()
    with ports.database.write() as session:
        connection = session.get_one(Connection, connection_id)
        token = token_keeping.wipe(session, connection, keyring=ports.keyring)
        connection.state, connection.reason = "action_needed", "other_organization"
        _end_consents(session, connection.id, now)
        record(
            session, Tag.CONNECTION_BROKEN, subject=f"connection:{connection.id}", at=now, client_id=connection.client_id,
            kind=connection.kind, reason="other_organization",
        )  # fmt: skip
        notifying.needs_you(session, connection, now=now)
    if token:
        _revoke(ports, token)
    raise ConsentEnded("This consent belongs to another Qonto organisation.", code="other_organization")


def _take_attempt(ports: Ports, *, user_id: str, state_hash: str, browser: str) -> ConnectAttempt | None:
    """The attempt of this state, used up by this call; None (with an audit event) when it is none of this user's.

    The session that it began in may have ended on the way (L-21); while it lives, no other one takes the answer.
    """
    now = ports.clock.now()
    is_alive = exists().where(
        UserSession.id_hash == ConnectAttempt.browser, UserSession.user_id == user_id,
        UserSession.created_at >= now - authenticating.ABSOLUTE, UserSession.seen_at >= now - authenticating.IDLE[Role.CLIENT],
    )  # fmt: skip
    with ports.database.write() as session:
        taken = session.execute(
            update(ConnectAttempt)
            .where(
                ConnectAttempt.state_hash == state_hash, ConnectAttempt.user_id == user_id,
                ConnectAttempt.used_at.is_(None), ConnectAttempt.expires_at > now,
                or_(ConnectAttempt.browser == browser, ~is_alive),
            )
            .values(used_at=now)
        )  # fmt: skip
        if taken.rowcount:  # type: ignore[attr-defined]
            return session.scalar(select(ConnectAttempt).where(ConnectAttempt.state_hash == state_hash))
        record(session, Tag.CONNECT_REFUSED, subject=f"user:{user_id}", at=now, kind="", reason="invalid_state")
    return None


def _refuse(ports: Ports, attempt: ConnectAttempt, ending: Ending, *, reason: str, missing: tuple[str, ...] = ()) -> Result:
    with ports.database.write() as session:
        record(
            session, Tag.CONNECT_REFUSED, subject=f"client:{attempt.client_id}", at=ports.clock.now(),
            client_id=attempt.client_id, kind=attempt.kind, reason=reason[:100],
        )  # fmt: skip
    return Result(ending, attempt.kind, attempt.client_id, missing)


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a first call over a new consent told; an empty list of invoices tells nothing."""

    organization_id: str | None = None
    name: str | None = None
    accounts: tuple[BankAccountRow, ...] = ()


def _verified(ports: Ports, kind: str, tokens: TokenSet) -> _Verified:
    """A real call over the new consent."""
    qonto = ports.qonto.over(OneToken(tokens.access_token))
    if kind in {"bank", "payments"}:
        organization = qonto.organization("new")
        return _Verified(organization.id, organization.name, organization.bank_accounts)
    for page in (qonto.supplier_invoices("new", page=1), qonto.client_invoices("new", page=1)):
        for row in page.rows:
            return _Verified(row.organization_id)
    return _Verified()


def is_fitting(session: Session, client_id: str, organization_id: str | None) -> bool:
    """One organisation per client, one client per organisation."""
    if organization_id is None:
        return True
    mine = set(
        session.scalars(
            select(Connection.organization_id).where(Connection.client_id == client_id, Connection.organization_id.is_not(None))
        )
    )
    others = session.scalar(
        select(Connection.id).where(Connection.client_id != client_id, Connection.organization_id == organization_id).limit(1)
    )
    return mine <= {organization_id} and others is None


def _standing_name(session: Session, client_id: str) -> str | None:
    query = select(Connection.organization_name).where(
        Connection.client_id == client_id, Connection.organization_name.is_not(None)
    )
    return session.scalar(query.limit(1))


def _store(
    ports: Ports, session: Session, attempt: ConnectAttempt, tokens: TokenSet, found: _Verified, *, user_id: str
) -> Result:  # fmt: skip
    now = ports.clock.now()
    connection = session.scalar(
        select(Connection).where(Connection.client_id == attempt.client_id, Connection.kind == attempt.kind)
    )
    if connection is None:
        connection = Connection(
            id=new_id(), client_id=attempt.client_id, kind=attempt.kind, state="connecting", created_at=now, token_version=0
        )
        session.add(connection)
        session.flush()
    token_keeping.store(session, connection, tokens, keyring=ports.keyring, now=now)
    notifying.well_again(session, connection, now=now)
    connection.state, connection.reason, connection.paused_at = "active", "", None
    connection.scopes = " ".join(sorted(tokens.scopes))
    connection.connected_by, connection.connected_at = user_id, now
    connection.organization_id = found.organization_id or connection.organization_id
    connection.organization_name = found.name or connection.organization_name
    _end_consents(session, connection.id, now)  # a reconnecting client's older one
    hearing.forget(session, connection.id)
    confirming.settle(session, connection.id)
    if connection.kind == "bank":
        choosing.keep(session, connection, found.accounts, now=now, start_on=attempt.start_on)
    chosen = [account.id for account in choosing.to_read(session, connection.id)]
    session.add(
        Consent(
            id=new_id(), client_id=connection.client_id, connection_id=connection.id, scopes=connection.scopes, accounts=chosen,
            granted_by=user_id, granted_at=now, revoked_at=None,
        )
    )  # fmt: skip
    record(
        session, Tag.CONNECTION_ACTIVE, subject=f"connection:{connection.id}", at=now, client_id=connection.client_id,
        kind=connection.kind, scopes=connection.scopes,
    )  # fmt: skip
    if connection.kind == "bank" and not chosen:  # nothing is read before the client has chosen
        return Result(Ending.CONNECTED, connection.kind, connection.client_id, connection_id=connection.id)
    run = running.request(
        session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger="connect", now=now
    )
    return Result(Ending.CONNECTED, connection.kind, connection.client_id, run_id=run.id, connection_id=connection.id)


def _end_consents(session: Session, connection_id: str, now: datetime) -> None:
    session.execute(
        update(Consent).where(Consent.connection_id == connection_id, Consent.revoked_at.is_(None)).values(revoked_at=now)
    )


def _discard(ports: Ports, tokens: TokenSet) -> None:
    _revoke(ports, tokens.refresh_token or tokens.access_token)


def _revoke(ports: Ports, token: str) -> None:
    """Tell the bank; if it cannot be told, the wiped token is useless to anybody all the same."""
    try:
        ports.oauth.revoke(token)
    except PortalError as problem:
        log.warning("revocation_failed", code=getattr(problem, "code", ""))
