"""The tokens of connections: sealed in their rows, renewed by exactly one process at a time.

The bank's refresh tokens rotate. Whoever renews one holds a lease on the connection's row that outlasts the call to the bank;
the others wait and read the row again. The new refresh token is committed before the new access token is used. If the answer is
lost (a cut connection, a killed process), the old token still works for a minute after its first use: it is simply tried again.
"""

from __future__ import annotations

import random
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from portal.clock import Clock
from portal.crypto import CannotOpen, KeyRing, place_of
from portal.db import Database
from portal.errors import ConsentEnded, QontoError, Unavailable
from portal.models import Connection
from portal.qonto.errors import Code
from portal.qonto.oauth import OAuth, TokenSet
from portal.services.auditing import Tag, record
from portal.services.messages import notifying
from portal.settings import Settings

log = structlog.get_logger()

RENEWED_BEFORE = timedelta(minutes=5)  #: of the end, by our own clock at receipt: the bank's may be wrong (F29)
GRACE = timedelta(seconds=55)  #: of the 60 s for which the bank takes an old refresh token after its first use
TRIES = 4
REPEAT_AFTER = 2.0  #: seconds, where no answer came: the minute of grace may be running
POLL = (0.05, 0.15)
USABLE = ("active", "connecting")
CONSENT_LIFE = timedelta(days=90)  #: of an unused refresh token; each use starts it anew
IDLE = timedelta(days=30)  #: a consent that no sync has used for so long is used once, so that it does not end (B11)


def store(session: Session, connection: Connection, tokens: TokenSet, *, keyring: KeyRing, now: datetime) -> None:
    """Put a new token set into the row, in the caller's transaction; a renewal under way elsewhere then discards its own."""
    _lock(session, connection)
    connection.access_token = _sealed(connection, "access_token", tokens.access_token, keyring)
    connection.refresh_token = _sealed(connection, "refresh_token", tokens.refresh_token, keyring)
    connection.access_expires_at = now + timedelta(seconds=tokens.expires_in)
    connection.consent_expires_at = now + CONSENT_LIFE
    _turn_over(connection)
    session.flush()


def wipe(session: Session, connection: Connection, *, keyring: KeyRing) -> str:
    """Remove the tokens, in the caller's transaction. Returns the one to revoke at the bank ("" where there is none)."""
    _lock(session, connection)
    try:
        token = _opened(connection, "refresh_token", keyring) or _opened(connection, "access_token", keyring)
    except CannotOpen:
        token = None
    connection.access_token = connection.refresh_token = connection.access_expires_at = None
    _turn_over(connection)
    session.flush()
    return token or ""


@dataclass(frozen=True, slots=True)
class _Held:
    """What the row says now, opened. `access_token` None: there is nothing to use."""

    client_id: str
    version: int
    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime | None
    is_leased: bool  #: somebody renews it at this moment
    was_used: datetime | None  #: since when the stored refresh token has been sent to the bank


class TokenKeeper:
    """The `TokenStore` of the gateway. Any number of processes and threads may use it for the same connection."""

    def __init__(self, database: Database, keyring: KeyRing, oauth: OAuth, clock: Clock, settings: Settings) -> None:
        self._database, self._keyring, self._oauth, self._clock = database, keyring, oauth, clock
        self._timing = settings.timing

    def access_token(self, connection_id: str) -> str:
        """A token that is good for five minutes more; renewed first where needed."""
        held = self._held(connection_id)
        if held.expires_at and held.expires_at - RENEWED_BEFORE > self._clock.now():
            return self._usable(held)
        return self._renewed(connection_id, held.version)

    def renewed(self, connection_id: str, *, refused: str) -> str:
        """Another token than the one that the bank refused with 401; a peer may have stored it already."""
        held = self._held(connection_id)
        token = self._usable(held)
        return token if token != refused else self._renewed(connection_id, held.version)

    def give_up(self, connection_id: str, *, code: str) -> NoReturn:
        """End the consent: tokens wiped, schedule off, one audit event. Always raises ConsentEnded."""
        with self._database.write() as session:
            self._end(session, connection_id, code)
        raise _ended(code)

    def interrupted(self) -> list[tuple[str, int]]:
        """Connections (and their token's version) whose renewal was cut short: its holder died."""
        now = self._clock.now()
        lapsed = select(Connection.id, Connection.token_version).where(
            Connection.state.in_(USABLE), Connection.refresh_lease_until < now, Connection.refresh_started_at > now - GRACE
        )
        with self._database.read() as session:
            return [(connection_id, version) for connection_id, version in session.execute(lapsed)]

    def repeat_interrupted(self) -> int:
        """Renew those: the old token lives for a minute only (F07).

        For the ticker, every few seconds. Returns how many connections were rescued; the others end or wait by themselves.
        """
        rescued = 0
        for connection_id, version in self.interrupted():
            try:
                self._renewed(connection_id, version)
            except QontoError as error:
                log.warning("rescue_failed", connection=connection_id, code=error.code)
            else:
                rescued += 1
        return rescued

    def idle(self) -> list[str]:
        """Connections whose consent nothing has used for a month: paused ones, mostly."""
        unused = select(Connection.id).where(
            Connection.state == "active", Connection.consent_expires_at < self._clock.now() + CONSENT_LIFE - IDLE
        )
        with self._database.read() as session:
            return list(session.scalars(unused))

    def keep_alive(self) -> int:
        """Use those once. For the ticker, every hour: a bank that is away is asked again. Returns how many were kept."""
        kept = 0
        for connection_id in self.idle():
            try:
                self.access_token(connection_id)
            except QontoError as error:
                log.warning("not_kept_alive", connection=connection_id, code=error.code)
            else:
                kept += 1
        return kept

    # --- reading ---------------------------------------------------------------------------------------------

    def _held(self, connection_id: str) -> _Held:
        with self._database.read() as session:
            connection = session.get(Connection, connection_id)
        if connection is None or connection.state not in USABLE:
            raise _ended(Code.NOT_CONNECTED)
        now = self._clock.now()
        try:
            return _Held(
                connection.client_id,
                connection.token_version,
                _opened(connection, "access_token", self._keyring),
                _opened(connection, "refresh_token", self._keyring),
                connection.access_expires_at,
                bool(connection.refresh_lease and connection.refresh_lease_until and connection.refresh_lease_until > now),
                connection.refresh_started_at,
            )
        except CannotOpen as error:
            log.error("token_sealed_elsewhere", connection=connection_id)  # noqa: TRY400 -- the trace says nothing more
            raise _ended(Code.NOT_CONNECTED) from error

    @staticmethod
    def _usable(held: _Held) -> str:
        if held.access_token is None:
            raise _ended(Code.NOT_CONNECTED)
        return held.access_token

    # --- renewing --------------------------------------------------------------------------------------------

    def _renewed(self, connection_id: str, version: int) -> str:
        """A token newer than `version`: from whoever holds the lease, else from the bank under our own lease."""
        waits_until = time.monotonic() + self._timing.refresh_wait
        failures = 0
        while True:
            held = self._held(connection_id)
            if held.version != version:
                return self._usable(held)
            lease = None if held.is_leased else self._lease(connection_id, version)
            if lease is None:
                if time.monotonic() > waits_until:
                    raise Unavailable(Code.REFRESH_WAIT)
                time.sleep(random.uniform(*POLL))  # noqa: S311 -- spreads the readers
                continue
            try:
                return self._renew(connection_id, held, lease)
            except Unavailable as error:
                failures += 1
                wait = self._wait_after(error, failures)
                if wait is None:
                    raise
                log.warning("refresh_repeated", connection=connection_id, code=error.code)
                time.sleep(wait)
                waits_until = time.monotonic() + self._timing.refresh_wait

    def _wait_after(self, error: Unavailable, failures: int) -> float | None:
        """Seconds until the next try; None: leave it to the run's next start.

        No answer may mean a token that has rotated without us: quick, while the old one lives. A 5xx leaves more time.
        """
        steps = self._timing.call_retries
        if failures >= min(TRIES, 1 + len(steps)):
            return None
        return steps[failures - 1] if error.status_code else REPEAT_AFTER * min(steps[0], 1.0)

    def _lease(self, connection_id: str, version: int) -> str | None:
        """Compare and swap: ours if the row still has this version and nobody else's lease runs."""
        now, lease = self._clock.now(), secrets.token_hex(16)
        with self._database.write() as session:
            taken = session.execute(
                update(Connection)
                .where(
                    Connection.id == connection_id, Connection.token_version == version, Connection.state.in_(USABLE),
                    or_(Connection.refresh_lease.is_(None), Connection.refresh_lease_until < now),
                )
                .values(
                    refresh_lease=lease, refresh_lease_until=now + timedelta(seconds=self._timing.refresh_lease),
                    refresh_started_at=func.coalesce(Connection.refresh_started_at, now),
                )
            )  # fmt: skip
            return lease if taken.rowcount else None  # type: ignore[attr-defined]

    def _renew(self, connection_id: str, held: _Held, lease: str) -> str:
        """Ask the bank and commit what it gave, before anybody uses it. The lease is gone afterwards, come what may."""
        if held.refresh_token is None:
            self.give_up(connection_id, code=Code.NOT_CONNECTED)
        try:
            tokens = self._oauth.refresh(held.refresh_token)
        except ConsentEnded as error:
            return self._after_invalid_grant(connection_id, held, error)
        except QontoError:
            self._release(connection_id, lease)
            raise
        with self._database.write() as session:
            connection = session.get_one(Connection, connection_id, with_for_update=not self._database.is_sqlite)
            # A holder that slept through its lease may still be the first to store; the holder of the lease stores in any
            # case, for the bank gave it the newest tokens. Neither may after a wipe or a new consent: both turn the version.
            is_mine = connection.refresh_lease == lease or connection.token_version == held.version
            if is_mine and connection.state in USABLE:
                store(session, connection, tokens, keyring=self._keyring, now=self._clock.now())
                return tokens.access_token
        log.warning("renewal_discarded", connection=connection_id)
        return self._usable(self._held(connection_id))

    def _after_invalid_grant(self, connection_id: str, held: _Held, error: ConsentEnded) -> str:
        """Read once more: a peer's newer token is as good; else the consent is over (B08)."""
        with self._database.write() as session:
            connection = session.get_one(Connection, connection_id, with_for_update=not self._database.is_sqlite)
            if connection.token_version == held.version:
                code = error.code if held.was_used is None else Code.ROTATION_LOST
                self._end(session, connection_id, code)
            else:
                code = ""
        if code:
            raise _ended(code) from error
        return self._usable(self._held(connection_id))

    def _release(self, connection_id: str, lease: str) -> None:
        with self._database.write() as session:
            session.execute(
                update(Connection)
                .where(Connection.id == connection_id, Connection.refresh_lease == lease)
                .values(refresh_lease=None, refresh_lease_until=None)
            )

    def _end(self, session: Session, connection_id: str, code: str) -> None:
        """The consent is gone for good: no schedule, no tokens, and the card asks the client to connect again."""
        connection = session.get_one(Connection, connection_id, with_for_update=not self._database.is_sqlite)
        if connection.state not in USABLE:
            return
        wipe(session, connection, keyring=self._keyring)
        connection.state, connection.reason = "action_needed", str(code)
        record(
            session, Tag.CONNECTION_BROKEN, subject=f"connection:{connection.id}", at=self._clock.now(),
            client_id=connection.client_id, kind=connection.kind, reason=str(code),
        )  # fmt: skip
        notifying.needs_you(session, connection, now=self._clock.now())


def _ended(code: str) -> ConsentEnded:
    return ConsentEnded("Qonto ended this consent. Please connect again.", code=code)


def _lock(session: Session, connection: Connection) -> None:
    """Read the row again and keep it: what others wrote since must not survive unseen (SQLite locks everything anyway)."""
    session.flush()  # reading again would drop what the caller has changed
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    session.refresh(connection, with_for_update=None if is_sqlite else True)


def _turn_over(connection: Connection) -> None:
    connection.token_version += 1
    connection.refresh_lease = connection.refresh_lease_until = connection.refresh_started_at = None


def _sealed(connection: Connection, column: str, token: str | None, keyring: KeyRing) -> str | None:
    return keyring.seal(token, place=place_of("connection", column, connection.client_id, connection.id)) if token else None


def _opened(connection: Connection, column: str, keyring: KeyRing) -> str | None:
    sealed: str | None = getattr(connection, column)
    return keyring.open(sealed, place=place_of("connection", column, connection.client_id, connection.id)) if sealed else None
