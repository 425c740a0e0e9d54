"""The outermost skin of every request and answer: where it may come from, who acts in it, and what browsers must obey."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, Forbidden, ServiceUnavailable

from portal.services.auditing import Origin, acting
from portal.settings import LOOPBACK, Settings
from portal.web import sessions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = structlog.get_logger()

LARGER = {"finances.bring": 101 * 1024 * 1024}  #: bytes that a request may have where the usual limit is too small
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
ANY_HOST = {"health.healthz", "health.readyz"}  #: probes call by address; these answer with no link
YEAR = 365 * 24 * 3600

HEADERS = {
    "Strict-Transport-Security": f"max-age={YEAR}",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class BehindProxy:
    """Outside of loopback a TLS proxy on this machine stands before us: the last address it noted is the browser's.

    Only the address is taken from it; host and scheme come from PUBLIC_URL. What other machines claim is ignored.
    """

    def __init__(self, app: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on with the true REMOTE_ADDR."""
        noted = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        if noted and environ.get("REMOTE_ADDR") in LOOPBACK:
            environ["REMOTE_ADDR"] = noted
        return self._app(environ, start_response)


def register(app: Flask, settings: Settings) -> None:
    """Before all others: what is refused here, nobody else sees."""
    policy = _content_policy(settings)

    def begin() -> ResponseReturnValue | None:
        g.began = time.perf_counter()
        g.request_id = secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        person = current_user.id if current_user.is_authenticated else "anonymous"
        g.acting = ExitStack()
        g.acting.enter_context(acting(Origin(person, g.request_id, address()), key=settings.secret_key))
        request.max_content_length = LARGER.get(request.endpoint or "", request.max_content_length)
        if not isinstance(sessions.current(), sessions.ServerSession):
            raise ServiceUnavailable
        moved = _foreign_host(settings)
        if moved is None:
            _refuse_strange(settings)
        return moved

    def protect(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", policy)
        if request.endpoint == "static" and response.status_code < 400:  # noqa: PLR2004 -- a missing file may be there tomorrow
            is_pinned = request.path.startswith("/static/vendor/")
            response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if is_pinned else "no-cache"
        else:
            response.headers.setdefault("Cache-Control", "no-store")
            response.vary.add("HX-Request")
        response.headers["X-Request-Id"] = g.get("request_id", "")
        _tell(response)
        return response

    def finish(_error: BaseException | None) -> None:
        if stack := g.pop("acting", None):
            stack.close()

    app.before_request(begin)
    app.after_request(protect)
    app.teardown_request(finish)


def address() -> str:
    """The browser's IP address."""
    return request.remote_addr or ""


def _foreign_host(settings: Settings) -> ResponseReturnValue | None:
    """One name only: links, cookies and Origin checks all speak of PUBLIC_URL. Pages move there, changes are refused."""
    if request.host == urlsplit(settings.public_url).netloc or request.endpoint in ANY_HOST:
        return None
    if request.method in {"GET", "HEAD"}:
        return redirect(settings.public_url + request.full_path.rstrip("?"), 302)
    raise BadRequest


def _refuse_strange(settings: Settings) -> None:
    """Changes from other sites, and NUL characters, which no database takes."""
    is_change = request.method in CHANGES
    if is_change and request.headers.get("Origin", settings.public_url) != settings.public_url:
        raise Forbidden
    if is_change and request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
        raise Forbidden
    given = [request.path, *_texts(request.args)]
    if is_change and request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        given += _texts(request.form)
    if any("\0" in text for text in given):
        raise BadRequest


def _texts(values: MultiDict[str, str]) -> list[str]:
    return [*values.keys(), *(text for texts in values.listvalues() for text in texts)]


def _content_policy(settings: Settings) -> str:
    """The only one (decisions.md). The bank's consent page is a form target: Chromium stops the way there otherwise."""
    return "; ".join(
        (
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
            f"form-action 'self' {settings.oauth_origin}", "frame-ancestors 'none'", "base-uri 'none'",
        )
    )  # fmt: skip


def _tell(response: Response) -> None:
    """One line a request; the path without its query, where codes and states travel."""
    if request.endpoint in {"static", "health.healthz"}:
        return
    took = time.perf_counter() - g.began if "began" in g else 0.0
    log.info("request", method=request.method, path=request.path, status=response.status_code, ms=round(took * 1000))
