"""What a view of the simulator works with: the world, the call, who calls, and how answers are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, cast

from flask import Response, current_app, g, request

from portal.simulator.calls import Call
from portal.simulator.errors import ApiError, missing_scope, not_found, refuse, unauthorized
from portal.simulator.faults_wire import HTML
from portal.simulator.grants import Connection
from portal.simulator.names import Row
from portal.simulator.state import Organization, World

P = ParamSpec("P")
DROP = "qonto_simulator.drop"  #: set in the WSGI environment: the line is cut without an answer


def world() -> World:
    """The simulated bank of this app."""
    return cast("World", current_app.extensions["simulator"])


def call() -> Call:
    """This request, as faults and log see it."""
    return cast("Call", g.call)


def connection() -> Connection:
    """Whose token this is; after `needs`."""
    return cast("Connection", g.connection)


def organization() -> Organization:
    """Whose rows the token may see; after `needs`."""
    return cast("Organization", g.organization)


def bearer() -> str | None:
    """The token of the Authorization header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def reply(body: Row | list[Any], status: int = 200) -> Response:
    """JSON as the API writes it."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, content_type="application/json; charset=utf-8")


def needs(*scopes: str) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """A working token with one of these scopes; looked at before anything else of the request."""

    def decorate(view: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Response:
            here, now, token = call(), world().clock.now(), bearer()
            if here.fault("401_expired") is not None and token:
                world().grants.expire(token, now)
            found = world().grants.connection(token, now)
            if found is None or here.fault("401_always") is not None:
                raise unauthorized()
            if not set(scopes) & set(found.scopes) or here.fault("403_scope") is not None:
                raise missing_scope(scopes[0])
            g.connection, g.organization = found, world().organization(found.organization_id)
            return view(*args, **kwargs)

        return checked

    return decorate


def drop() -> None:
    """Cut the line: what was done stays done, and nobody hears of it."""
    request.environ[DROP] = True


def refuse_if_struck() -> None:
    """The fault `pay_5xx`: an error, and nothing was accepted."""
    if (args := call().fault("pay_5xx")) is not None:
        raise refuse(int(args.get("status", 500)), "unknown", "Unknown error")


def answer_once(write: Callable[[], Row]) -> Response:
    """Do what an idempotency key stands for, once: for half an hour the same key gets the same answer without doing it again.

    Errors: 400 without a key. A refusal is not kept, so the key may try again.
    """
    here, now, key = call(), world().clock.now(), request.headers.get("X-Qonto-Idempotency-Key")
    refuse_if_struck()
    if not key:
        raise refuse(400, "bad_request", "X-Qonto-Idempotency-Key is missing")
    answers, place = world().payments.answers, (organization().id, request.path, key)
    body = answers.find(*place, now)
    if body is None:
        world().faults.spare(here, "key_expired")
    if body is None or here.fault("key_expired") is not None:
        try:
            body = write()
        except ApiError:
            world().faults.spare(here, "drop_after_create")  # nothing was made
            raise
        answers.keep(*place, body, now)
    if (args := here.fault("drop_after_create")) is not None:
        if "status" in args:  # a gateway in between gave up
            status = int(args["status"])
            return Response(HTML.format(f"{status} Bad Gateway"), status, content_type="text/html; charset=utf-8")
        drop()
    return reply(body)


def known(row: Row | None) -> Row:
    """The row, or 404."""
    if row is None:
        raise not_found()
    return row
