"""OAuth: the consent page, the token endpoint, revocation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, current_app, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from portal.simulator.context import DROP, call, reply, world
from portal.simulator.faults_wire import HTML
from portal.simulator.grants import SCOPES, App, GrantRefused
from portal.simulator.people import german_is_wanted
from portal.simulator.state import Organization

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth2")
COOKIE = "qonto_sim_consent"
_LEAST_STATE = 8


class _Unsafe(Exception):
    """An authorisation request that must not be answered by a redirect."""


class _Refused(Exception):
    """An authorisation request whose error goes back to the app."""

    def __init__(self, back: str, error: str, description: str, state: str) -> None:
        super().__init__(error)
        self.address = _address(back, error=error, error_description=description, state=state)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A proper authorisation request."""

    app: App
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    challenge: str
    organization: Organization | None


def _address(back: str, **query: str) -> str:
    return f"{back}{'&' if '?' in back else '?'}{urlencode({name: value for name, value in query.items() if value})}"


def _wish() -> _Wish:
    """Read the request's query; who may be redirected to is settled first."""
    asked = request.args
    app = world().grants.apps.get(asked.get("client_id", ""))
    back = asked.get("redirect_uri", "")
    if app is None:
        raise _Unsafe("client_id")
    if back not in app.redirect_uris:
        raise _Unsafe("redirect_uri")
    state, scopes = asked.get("state", ""), tuple(dict.fromkeys(asked.get("scope", "").split()))
    if len(state) < _LEAST_STATE:
        raise _Refused(back, "invalid_state", "The state is missing or has less than 8 characters", state)
    if asked.get("response_type") != "code":
        raise _Refused(back, "unsupported_response_type", "Only the code flow is offered", state)
    if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
        raise _Refused(back, "invalid_request", "PKCE with S256 is required", state)
    for scope in scopes:
        if not app.may_ask(scope):
            raise _Refused(back, "invalid_scope", f"The OAuth 2.0 Client is not allowed to request scope '{scope}'", state)
    if not scopes:
        raise _Refused(back, "invalid_scope", "No scope was requested", state)
    organization = None
    if key := asked.get("organization_id"):
        organization = next((known for known in world().organizations if key in {known.id, known.slug}), None)
        if organization is None:
            raise _Refused(back, "invalid_request", "The organization is unknown", state)
    return _Wish(app, back, scopes, state, asked["code_challenge"], organization)


@blueprint.errorhandler(_Unsafe)
def _show_unsafe(error: _Unsafe) -> tuple[str, int]:
    return render_template("unsafe.html", what=str(error), german=german_is_wanted()), 400


@blueprint.errorhandler(_Refused)
def _send_back(refused: _Refused) -> AnyResponse:
    return redirect(refused.address, 302)


@blueprint.errorhandler(GrantRefused)
def _refuse_grant(refused: GrantRefused) -> Response:
    return reply(refused.body, refused.status)


def _csrf(cookie: str) -> str:
    return hmac.new(current_app.config["CSRF_KEY"], cookie.encode(), hashlib.sha256).hexdigest()


@blueprint.get("/auth")
def ask() -> Response:
    """The consent page."""
    wish = _wish()
    cookie = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
    german = german_is_wanted()
    choices = [wish.organization] if wish.organization else world().organizations
    page = render_template(
        "consent.html",
        german=german,
        app_name=wish.app.client_id,
        organizations=choices,
        is_fixed=wish.organization is not None,
        scopes=[(scope, SCOPES[scope].split("|")[0 if german else 1]) for scope in wish.scopes],
        csrf=_csrf(cookie),
    )
    answer = Response(page)
    answer.set_cookie(COOKIE, cookie, path="/oauth2", httponly=True, samesite="Lax")
    back = urlsplit(wish.redirect_uri)
    g.form_target = f"{back.scheme}://{back.netloc}"  # Chromium stops the redirect unless the page's policy names its target
    return answer


@blueprint.post("/auth")
def decide() -> AnyResponse:
    """What the person pressed."""
    wish = _wish()
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or not hmac.compare_digest(_csrf(cookie).encode(), request.form.get("csrf", "").encode()):
        return Response("request_forbidden: No CSRF value available in the session cookie", 403, content_type="text/plain")
    chosen = wish.organization or next(
        (known for known in world().organizations if known.id == request.form.get("organization_id")), None
    )
    ticked = tuple(scope for scope in wish.scopes if scope in request.form.getlist("scope"))
    if request.form.get("decision") != "allow" or chosen is None or not ticked:
        raise _Refused(wish.redirect_uri, "access_denied", "The resource owner denied the request", wish.state)
    if call().fault("org_switched") is not None:
        chosen = next(known for known in world().organizations if known is not chosen)
    owner = next(member["id"] for member in chosen.memberships if member["role"] == "owner")
    connection = world().grants.connect(wish.app.client_id, chosen.id, owner, ticked)
    code = world().grants.code(connection, wish.redirect_uri, wish.challenge, world().clock.now())
    return redirect(_address(wish.redirect_uri, code=code, scope=" ".join(ticked), state=wish.state), 303)


@blueprint.post("/token")
def token() -> Response:
    """Tokens for a code or a refresh token. The app proves itself in the form's body."""
    form, grants, now, here = request.form, world().grants, world().clock.now(), call()
    if (args := here.fault("token_5xx")) is not None:
        status = int(args.get("status", 503))
        return Response(HTML.format("Service Unavailable"), status, content_type="text/html; charset=utf-8")
    app = grants.app(form.get("client_id"), form.get("client_secret"))
    match form.get("grant_type"):
        case "authorization_code":
            body = grants.trade(app, form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier", ""), now)
        case "refresh_token":
            refresh, dropped = form.get("refresh_token", ""), here.fault("drop_after_rotate")
            if here.fault("invalid_grant") is not None:
                grants.kill(refresh)
            grace = timedelta(0) if here.fault("rotate_strict") is not None else None
            if dropped is not None:
                grace = timedelta(seconds=float(dropped.get("grace", 60)))
            body = grants.refresh(app, refresh, now, grace=grace)
            if dropped is not None:
                request.environ[DROP] = True
        case other:
            raise GrantRefused("unsupported_grant_type", f"The grant type '{other}' is not supported")
    if (args := here.fault("token_malformed")) is not None:
        if args.get("kind") == "wrong_type":
            body["expires_in"] = "an hour"
        else:
            body.pop("refresh_token", None)
    answer = reply(body)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/revoke")
def revoke() -> Response:
    """End a token. An unknown one is as good as ended."""
    app = world().grants.app(request.form.get("client_id"), request.form.get("client_secret"))
    world().grants.revoke(app, request.form.get("token", ""))
    return Response(status=200)
