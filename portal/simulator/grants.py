"""Apps, connections, codes and tokens: what the bank remembers of OAuth."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from portal.simulator.names import Row

CODE_LIFE = timedelta(minutes=10)
ACCESS_LIFE = timedelta(hours=1)
REFRESH_LIFE = timedelta(days=90)
GRACE = timedelta(seconds=60)

SCOPES = {
    "offline_access": "Verbindung ohne erneute Anmeldung|Stay connected without signing in again",
    "organization.read": "Firma, Konten und Umsätze lesen|Read company, accounts and transactions",
    "membership.read": "Eigene Benutzerdaten lesen|Read your own user details",
    "client_invoices.read": "Ausgangsrechnungen und Gutschriften lesen|Read client invoices and credit notes",
    "client_invoice.write": "Ausgangsrechnungen schreiben|Write client invoices",
    "supplier_invoice.read": "Eingangsrechnungen lesen|Read supplier invoices",
    "supplier_invoice.write": "Eingangsrechnungen schreiben|Write supplier invoices",
    "attachment.read": "Dateien von Rechnungen lesen|Read the files of invoices",
    "attachment.write": "Dateien hochladen|Upload files",
    "payment.write": "Überweisungen anlegen|Create transfers",
    "request_transfers.write": "Überweisungen zur Freigabe vorlegen|Submit transfers for approval",
    "beneficiary.trust": "Empfänger als vertrauenswürdig kennzeichnen|Trust beneficiaries",
    "webhook": "Über Änderungen benachrichtigen|Notify about changes",
}


class GrantRefused(Exception):
    """An error of the token endpoint in OAuth's own shape."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.status, self.body = status, {"error": error, "error_description": description}


@dataclass(frozen=True, slots=True)
class App:
    """A registered app. `scopes` None means every scope."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    scopes: frozenset[str] | None = None

    def may_ask(self, scope: str) -> bool:
        """Whether the scope exists and the app may have it."""
        return scope in SCOPES and (self.scopes is None or scope in self.scopes)


@dataclass(slots=True)
class Connection:
    """A consent that was given: one app, one user in one organisation."""

    id: str
    client_id: str
    organization_id: str
    membership_id: str
    scopes: tuple[str, ...]
    is_revoked: bool = False


@dataclass(slots=True)
class _Code:
    connection: Connection
    redirect_uri: str
    challenge: str
    expires_at: datetime
    is_used: bool = False


@dataclass(slots=True)
class _Token:
    connection: Connection
    expires_at: datetime


@dataclass(slots=True)
class _Refresh(_Token):
    first_used_at: datetime | None = None
    grace: timedelta = field(default=GRACE)


class Grants:
    """All of it, in memory."""

    def __init__(self, apps: tuple[App, ...]) -> None:
        self.apps = {app.client_id: app for app in apps}
        self._connections: list[Connection] = []
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Token] = {}
        self._refresh: dict[str, _Refresh] = {}
        self.when_ended: Callable[[list[Connection]], None] = lambda _ended: None

    def app(self, client_id: str | None, client_secret: str | None) -> App:
        """The app that these credentials prove."""
        app = self.apps.get(client_id or "")
        if app is None or not hmac.compare_digest(app.client_secret.encode(), (client_secret or "").encode()):
            raise GrantRefused("invalid_client", "Client authentication failed", 401)
        return app

    def connect(self, client_id: str, organization_id: str, membership_id: str, scopes: tuple[str, ...]) -> Connection:
        """Remember a consent."""
        connection = Connection(f"conn_{secrets.token_hex(8)}", client_id, organization_id, membership_id, scopes)
        self._connections.append(connection)
        return connection

    def code(self, connection: Connection, redirect_uri: str, challenge: str, now: datetime) -> str:
        """A code to trade for tokens."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(connection, redirect_uri, challenge, now + CODE_LIFE)
        return code

    def trade(self, app: App, code: str, redirect_uri: str, verifier: str, now: datetime) -> Row:
        """Tokens for a code; once."""
        held = self._codes.get(code)
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if (
            held is None
            or held.is_used
            or held.expires_at < now
            or held.connection.client_id != app.client_id
            or held.redirect_uri != redirect_uri
            or held.challenge != digest
            or held.connection.is_revoked
        ):
            raise GrantRefused("invalid_grant", "The authorization code is unknown, used, expired or not yours")
        held.is_used = True
        return self.issue(held.connection, now)

    def refresh(self, app: App, token: str, now: datetime, *, grace: timedelta | None = None) -> Row:
        """New tokens for a refresh token. The old one keeps working for its grace after its first use."""
        held = self._refresh.get(token)
        if (
            held is None
            or held.expires_at < now
            or held.connection.client_id != app.client_id
            or held.connection.is_revoked
            or (held.first_used_at is not None and now > held.first_used_at + held.grace)
            or (held.first_used_at is not None and not held.grace)
        ):
            raise GrantRefused("invalid_grant", "The refresh token is unknown, used, expired or not yours")
        if grace is not None:
            held.grace = grace
        held.first_used_at = held.first_used_at or now
        return self.issue(held.connection, now)

    def kill(self, token: str) -> None:
        """A refresh token is dead for good, with its whole connection."""
        if held := self._refresh.get(token):
            held.connection.is_revoked = True

    def issue(self, connection: Connection, now: datetime) -> Row:
        """A token set; with a refresh token only for `offline_access`."""
        access = _secret()
        self._access[access] = _Token(connection, now + ACCESS_LIFE)
        answer: Row = {"access_token": access}
        if "offline_access" in connection.scopes:
            answer["refresh_token"] = _secret()
            self._refresh[answer["refresh_token"]] = _Refresh(connection, now + REFRESH_LIFE)
        seconds = int(ACCESS_LIFE.total_seconds())
        return {**answer, "token_type": "bearer", "expires_in": seconds, "scope": " ".join(connection.scopes)}

    def connection(self, token: str | None, now: datetime | None = None) -> Connection | None:
        """Whose access token this is. With `now`: only when it still works."""
        held = self._access.get(token or "")
        if held is None:
            return None
        return held.connection if now is None or (held.expires_at > now and not held.connection.is_revoked) else None

    def connection_of_refresh(self, token: str | None) -> Connection | None:
        """Whose refresh token this is, dead or alive."""
        held = self._refresh.get(token or "")
        return held.connection if held else None

    def expire(self, token: str, now: datetime) -> None:
        """An access token is over."""
        if held := self._access.get(token):
            held.expires_at = now

    def revoke(self, app: App, token: str) -> None:
        """End one token; a refresh token takes its connection along. A foreign or unknown one changes nothing."""
        if (access := self._access.get(token)) and access.connection.client_id == app.client_id:
            del self._access[token]
        elif (held := self._refresh.get(token)) and held.connection.client_id == app.client_id:
            held.connection.is_revoked = True

    def end(self, organization_id: str, client_id: str | None = None, membership_id: str | None = None) -> int:
        """End connections as if the user had done it in his app; how many."""
        ended = [
            connection
            for connection in self._connections
            if connection.organization_id == organization_id
            and client_id in {None, connection.client_id}
            and membership_id in {None, connection.membership_id}
            and not connection.is_revoked
        ]
        for connection in ended:
            connection.is_revoked = True
        self.when_ended(ended)
        return len(ended)


def _secret() -> str:
    return "qsim_" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(40))
