"""Consent by OAuth 2.0: authorization code with PKCE, rotating refresh tokens. Authlib speaks the protocol over httpx2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx2
import structlog
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

from portal.errors import ConsentEnded, QontoError, Unavailable
from portal.qonto.errors import Code, refusal
from portal.qonto.transport import GuardedTransport, Transport, client_options, read_limited, time_limit, translated
from portal.settings import Settings

log = structlog.get_logger()

SCOPES = MappingProxyType(
    {
        "documents": ("offline_access", "client_invoices.read", "supplier_invoice.read", "attachment.read"),
        "bank": ("offline_access", "organization.read"),
        "payments": (
            "offline_access", "organization.read", "supplier_invoice.read", "payment.write", "attachment.write",
            "request_transfers.write",
        ),
    }
)  # fmt: skip
#: The plural in `client_invoices.read` is right (qonto-api.md §2.5). The documents connection cannot see a transaction.

ACCESS_SECONDS = 3600  #: where an answer does not say how long its token lives (qonto-api.md §2.3)
MAX_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What the token endpoint gave. `expires_in` counts seconds from the moment we received it."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]


def new_verifier() -> str:
    """A PKCE code verifier of 256 bits and more (RFC 7636 asks for 43 to 128 characters)."""
    return str(generate_token(64))


WEBHOOKS = "webhook"  #: asked for beside the others where the bank can reach us; nothing stops without it


class OAuth:
    """The bank's authorization server, for one app of ours."""

    def __init__(self, settings: Settings, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._settings = settings
        # no connection is kept: a request over one that the bank has just closed would leave it open whether the token rotated
        self._transport = GuardedTransport(transport or Transport(keeps_alive=False))

    def authorization(self, *, state: str, verifier: str, kind: str) -> str:
        """The address of the consent page, for the person's own browser."""
        scopes = (*SCOPES[kind], WEBHOOKS) if kind == "bank" and self._settings.webhook_url else SCOPES[kind]
        address, _ = self._client().create_authorization_url(
            f"{self._settings.qonto_oauth_url}/oauth2/auth", state=state, code_verifier=verifier, scope=" ".join(scopes)
        )
        return str(address)

    def exchange(self, *, code: str, verifier: str) -> TokenSet:
        """A code for tokens. ConsentEnded: the code is expired, used or not ours."""
        return self._ask(
            lambda client: client.fetch_token(
                self._token_address, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        )

    def refresh(self, refresh_token: str) -> TokenSet:
        """New tokens for old; the old refresh token dies a minute after its first use. ConsentEnded: it is dead already."""
        return self._ask(lambda client: client.refresh_token(self._token_address, refresh_token=refresh_token))

    def revoke(self, token: str) -> None:
        """End one token (RFC 7009); ending the refresh token ends its access tokens."""
        with self._speaking() as client:
            answer = client.revoke_token(f"{self._settings.qonto_oauth_url}/oauth2/revoke", token=token)
            if not answer.is_success:
                raise _error_of(answer)

    @property
    def _token_address(self) -> str:
        return f"{self._settings.qonto_oauth_url}/oauth2/token"

    def _client(self) -> Any:
        """A new one for each call: Authlib's clients remember tokens, and threads share this object."""
        method = "client_secret_post" if self._settings.qonto_client_secret else "none"
        timing = self._settings.timing
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self._settings.qonto_staging_token:
            headers["X-Qonto-Staging-Token"] = self._settings.qonto_staging_token
        client = OAuth2Client(
            client_id=self._settings.qonto_client_id,
            client_secret=self._settings.qonto_client_secret or None,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            redirect_uri=self._settings.redirect_uri,
            code_challenge_method="S256",
            transport=self._transport,
            timeout=httpx2.Timeout(timing.token_timeout, connect=timing.connect_timeout),
            headers=headers,
            event_hooks={"response": [_read]},
            **client_options(),
        )
        for kind in ("access_token_response", "refresh_token_response"):
            client.register_compliance_hook(kind, _checked)
        return client

    @contextmanager
    def _speaking(self) -> Iterator[Any]:
        with time_limit(self._settings.timing.token_timeout), translated():
            yield self._client()

    def _ask(self, request: Callable[[Any], dict[str, Any]]) -> TokenSet:
        with self._speaking() as client:
            try:
                return _token_set(request(client))
            except OAuthError as error:  # Authlib's own; the hook below has answered for the bank's
                raise Unavailable(Code.TOKEN_SCHEMA) from error


def _read(response: httpx2.Response) -> None:
    """Read an answer with a limit before anybody else does; compressed ones were not asked for."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unavailable(Code.NOT_JSON, status_code=response.status_code)
    body = read_limited(response, MAX_ANSWER)
    response._content = body  # noqa: SLF001 -- what `Response.read` does, with our limit


def _checked(response: httpx2.Response) -> httpx2.Response:
    """Let only a well-formed token through to Authlib.

    A lifetime that is no number must not cost us the answer: with it the rotated refresh token would be lost (F09).
    """
    if not response.is_success:
        raise _error_of(response)
    try:
        token = response.json()
    except ValueError as error:
        raise Unavailable(Code.NOT_JSON, status_code=response.status_code) from error
    if not isinstance(token, dict) or not isinstance(token.get("access_token"), str) or not token["access_token"]:
        raise Unavailable(Code.TOKEN_SCHEMA, status_code=response.status_code)
    lifetime = token.get("expires_in")
    if not isinstance(lifetime, int) or isinstance(lifetime, bool) or lifetime <= 0:
        log.error("token_schema", field="expires_in")
        token["expires_in"] = ACCESS_SECONDS
    if not isinstance(token.get("refresh_token"), str) or not token["refresh_token"]:
        log.error("token_schema", field="refresh_token")
        token.pop("refresh_token", None)  # Authlib then keeps the one that was used
    token.pop("expires_at", None)
    return httpx2.Response(response.status_code, json=token, request=response.request)


def _error_of(response: httpx2.Response) -> QontoError:
    """What a refusal of the authorization server means; only `invalid_grant` ends a consent."""
    status = response.status_code
    try:
        parsed = response.json()
    except ValueError:
        parsed = None
    code = parsed.get("error") if isinstance(parsed, dict) else None
    if code == "invalid_grant" and status == httpx2.codes.BAD_REQUEST:
        return ConsentEnded("Qonto ended this consent. Please connect again.", status_code=status, code=Code.INVALID_GRANT)
    if code in {"invalid_client", "unauthorized_client"}:
        return QontoError("Qonto does not accept this portal's own credentials.", status_code=status, code=str(code))
    error = refusal(status, response.headers, response.content)
    if not error.permanent:
        return error
    return Unavailable(str(code or Code.NOT_JSON)[:100], status_code=status, request_id=error.request_id)


def _token_set(token: dict[str, Any]) -> TokenSet:
    scope = token.get("scope")
    return TokenSet(
        access_token=str(token["access_token"]),
        refresh_token=token.get("refresh_token"),
        expires_in=int(token["expires_in"]),
        scopes=tuple(sorted(set(scope.split()))) if isinstance(scope, str) else (),
    )
