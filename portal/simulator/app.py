"""The app: what happens around every request, and how refusals look."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from portal.simulator import api, api_payments, control, filehouse, oauth, people, uploads
from portal.simulator.calls import Call
from portal.simulator.context import DROP, bearer, call, drop, reply, world
from portal.simulator.errors import ApiError, DoorError, GatewayNotFound
from portal.simulator.faults_wire import HTML, Dropped, bend, changed_ids, exchanged, hang_seconds, instead
from portal.simulator.grants import App
from portal.simulator.state import World

CLIENT_ID, CLIENT_SECRET = "belegfluss", "simulator-secret"


def create_simulator(
    *,
    seed: int = 1,
    client_redirects: Iterable[str] = (),
    files_base: str | None = None,
    public_base: str | None = None,
    start: datetime | None = None,
) -> Flask:
    """Build a bank of its own, all in memory.

    Args:
        seed: which story is told; the same seed tells the same story on the same day.
        client_redirects: the addresses the built-in app may be sent back to.
        files_base: origin of file addresses; default: the host asked, `localhost` where that is 127.0.0.1.
        public_base: origin under which a test mounts the app; files then lie there too unless `files_base` is given.
        start: what time it is at the bank when it opens; default: now. Its story ends on that day.
    """
    app = Flask("portal.simulator", static_url_path="/_static")
    app.config["CSRF_KEY"] = secrets.token_bytes(32)
    app.config["MAX_CONTENT_LENGTH"] = 64 << 20
    built_in = App(CLIENT_ID, CLIENT_SECRET, tuple(client_redirects))
    app.extensions["simulator"] = World((built_in,), seed=seed, files_base=files_base or public_base, start=start)
    for part in (api, api_payments, uploads, oauth, filehouse, control, people):
        app.register_blueprint(part.blueprint)
    app.before_request(_receive)
    app.after_request(_send)
    app.teardown_request(_let_go)
    app.register_error_handler(ApiError, _refuse)
    app.register_error_handler(DoorError, lambda error: reply(error.body, error.status))
    for unknown in (NotFound, MethodNotAllowed, GatewayNotFound):
        app.register_error_handler(unknown, _unknown_route)
    app.wsgi_app = _Line(app.wsgi_app)  # type: ignore[method-assign]
    return app


class _Line:
    """The line to the caller, outside Flask: it can be cut without an answer."""

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started: list[tuple[Any, ...]] = []

        def hold(*args: Any) -> Callable[[bytes], None]:
            started.append(args)
            return lambda _: None

        answer = self._inner(environ, hold)
        if environ.get(DROP):
            raise Dropped("cut by the fault that was armed")
        start_response(*started[-1])
        return answer


def _is_api() -> bool:
    return request.path.startswith("/v2/")


def _is_call() -> bool:
    """Whether it is logged and struck by faults: everything a client of the bank asks."""
    return request.path.startswith(("/v2/", "/oauth2/", "/files/"))


def _receive() -> Response | None:
    """Before the view: who calls, which faults strike, is there anything in the way. Waiting happens without the lock."""
    here = world()
    refusal, wait, diary = None, 0.0, here.diary
    if _is_call():
        with here.lock:
            diary = here.diary
            g.call = _call(here)
            refusal = _gate(here) or _limited(here)
            if refusal is None:
                g.call.faults = here.faults.struck(g.call, request.args.get("page"))
                wait = hang_seconds(g.call) + (
                    here.settings["latency_ms"] / 1000 if not request.path.startswith("/oauth2/") else 0
                )
    if wait:
        time.sleep(wait)
    here.lock.acquire()
    g.has_lock = True
    if "call" in g and here.diary is not diary:  # the world it called was reset while it waited: nobody answers, nobody notes it
        g.pop("call", None)
        drop()
        return Response(status=503)
    here.catch_up()
    return refusal or (instead(g.call) if "call" in g else None)


def _let_go(_error: BaseException | None) -> None:
    if g.pop("has_lock", False):
        world().lock.release()


def _call(here: World) -> Call:
    body = request.get_data()
    token = bearer()
    connection = here.grants.connection(token)
    if request.path == "/oauth2/token":
        token = request.form.get("refresh_token")
        connection = here.grants.connection_of_refresh(token)
    found = Call(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("utf-8", "replace"),
        at=here.clock.now(),
        token=token,
        idempotency_key=request.headers.get("X-Qonto-Idempotency-Key"),
        body_sha256=hashlib.sha256(body).hexdigest() if body else None,
        request_id=str(uuid.uuid4()),
    )
    if connection is not None:
        found.connection_id, found.organization_id = connection.id, connection.organization_id
    elif request.path.startswith("/files/"):
        attachment = here.files.find(request.path.split("/")[2])
        found.organization_id = attachment.organization_id if attachment else None
        found.connection_id = request.args.get("X-Amz-Credential")
    if found.organization_id:
        found.organization_slug = here.organization(found.organization_id).slug
    return found


def _gate(here: World) -> Response | None:
    """The sandbox lets nobody in without its staging token; what comes instead is a page."""
    token = here.settings["staging_token"]
    is_gated = _is_api() or request.path == "/oauth2/token" or request.path.startswith("/files/")
    if token is None or not is_gated or request.headers.get("X-Qonto-Staging-Token") == token:
        return None
    return Response(HTML.format("Sign in"), 200, content_type="text/html; charset=utf-8")


def _limited(here: World) -> Response | None:
    if not _is_api() or (wait := here.limits.wait(here.settings, here.clock.now())) is None:
        return None
    answer = reply({"errors": [{"code": "too_many_requests", "detail": "Too Many Requests"}]}, 429)
    if here.settings["retry_after"]:
        answer.headers["Retry-After"] = str(wait)
    return answer


def _refuse(error: ApiError) -> Response:
    if error.body is None:
        return Response(" ", error.status, error.headers, content_type="text/plain")
    return reply({**error.body, "trace_id": call().request_id}, error.status)


def _unknown_route(_error: Exception) -> Response:
    """The gateway answers for routes it does not know; the control door in its own way."""
    if request.path.startswith("/_control/"):
        return reply({"error": "unknown address"}, 404)
    answer = Response("404 page not found\n", 404, content_type="text/plain; charset=utf-8")
    if _is_api():
        answer.headers["x-tyk-trace-id"] = uuid.uuid4().hex
    return answer


def _send(answer: Response) -> Response:
    """After the view: headers, faults of the line, the log."""
    here = world()
    if "call" not in g:
        return _protected(answer)
    found = call()
    if _is_api() and "x-tyk-trace-id" not in answer.headers:
        answer.headers["x-request-id"] = found.request_id or ""
    else:
        found.request_id = None
    if found.faults:
        if found.fault("ids_changed") is not None and found.organization_id and answer.mimetype == "application/json":
            accounts = changed_ids(list(here.organization(found.organization_id).accounts))
            answer.set_data(exchanged(answer.get_data(as_text=True), accounts))
        answer = bend(answer, found)
    if answer.status_code == 401 and _is_api():
        here.limits.refused(here.clock.now())
    here.log.add(found, None if request.environ.get(DROP) else answer.status_code)
    return _protected(answer)


def _protected(answer: Response) -> Response:
    """Pages may load nothing but their own style sheet and send their form to the bank or back to the app."""
    if answer.mimetype == "text/html":
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
            f"form-action 'self' {g.get('form_target', '')}"
        )
        answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
