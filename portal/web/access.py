"""Who may call what: nobody anything, unless the view is marked.

Each view function carries one mark; a view without one stops the start. Which *records* somebody sees is not decided here but
where they are found (`services/finding.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.routing import UUIDConverter

from portal.errors import NotAllowed, PortalError
from portal.models import Role
from portal.ports import Ports
from portal.services.finding import Actor
from portal.web import sessions
from portal.web.htmx import is_htmx

View = TypeVar("View", bound=Callable[..., Any])


class Permission(Enum):
    """Who may call a view: the roles, and whether a due second factor must have been shown."""

    PUBLIC = (frozenset[Role](), False)
    HALF_SIGNED_IN = (frozenset(Role), False)
    SIGNED_IN = (frozenset(Role), True)
    STAFF = (frozenset({Role.STAFF, Role.ADMIN}), True)
    ADMIN = (frozenset({Role.ADMIN}), True)
    FOR_CLIENTS = (frozenset({Role.CLIENT}), True)

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that may pass."""
        return self.value[0]

    @property
    def is_complete(self) -> bool:
        """Whether the password alone is not enough for those who need a second factor."""
        return self.value[1]


def _mark(view: View, permission: Permission) -> View:
    view.permission = permission  # type: ignore[attr-defined]
    return view


def public(view: View) -> View:
    """Anybody."""
    return _mark(view, Permission.PUBLIC)


def half_signed_in(view: View) -> View:
    """Whoever knows a password, even if the second factor is still due."""
    return _mark(view, Permission.HALF_SIGNED_IN)


def signed_in(view: View) -> View:
    """Every user, completely signed in."""
    return _mark(view, Permission.SIGNED_IN)


def staff(view: View) -> View:
    """Staff and admins."""
    return _mark(view, Permission.STAFF)


def admin(view: View) -> View:
    """Admins."""
    return _mark(view, Permission.ADMIN)


def for_clients(view: View) -> View:
    """Only clients themselves: what needs their own Qonto login."""
    return _mark(view, Permission.FOR_CLIENTS)


def permission_of(app: Flask, endpoint: str) -> Permission | None:
    """The mark of an endpoint's view."""
    return getattr(app.view_functions[endpoint], "permission", None)


def ports() -> Ports:
    """The doors to the outside."""
    found: Ports = current_app.extensions["ports"]
    return found


def actor() -> Actor:
    """The signed-in user, as services want to know him."""
    return Actor(current_user.id, current_user.role)


class SignedOut(PortalError):
    """A change from a browser whose session is over."""

    status = 401

    def __init__(self) -> None:
        super().__init__("You are not signed in any more. Nothing was changed. Please sign in and try again.")


class IdConverter(UUIDConverter):
    """`<id:…>`: a UUID, handed on as text in its one canonical spelling."""

    def to_python(self, value: str) -> str:  # type: ignore[override]
        """From the address."""
        return str(super().to_python(value))


def register(app: Flask) -> None:
    """Refuse by default; call before any other `before_request` that trusts the user."""
    app.url_map.converters["id"] = IdConverter
    app.before_request(decide)


def refuse_unmarked(app: Flask) -> None:
    """At the start, after all blueprints: a route that nobody decided about is a mistake."""
    public(app.view_functions["static"])
    unmarked = [rule.endpoint for rule in app.url_map.iter_rules() if permission_of(app, rule.endpoint) is None]
    if unmarked:
        raise RuntimeError(f"views without a permission: {', '.join(sorted(unmarked))}")


def decide() -> ResponseReturnValue | None:
    """Let the request pass, send it to a sign-in page, or refuse it. Unknown addresses pass: they answer 404 to everybody."""
    if request.endpoint is None:
        return None
    permission = permission_of(current_app, request.endpoint)
    if permission is None:
        raise NotAllowed("You may not open this page.")
    if permission is Permission.PUBLIC:
        return None
    if not current_user.is_authenticated:
        return _elsewhere(url_for("auth.sign_in", next=_wanted() or None))
    if permission.is_complete and current_user.needs_second_factor and not sessions.current().has_second_factor:
        return _elsewhere(second_factor_page(_wanted()))
    if current_user.role not in permission.roles:
        raise NotAllowed("You may not open this page.")
    return None


def second_factor_page(wanted: str) -> str:
    """Where a half signed-in user goes next: showing the second factor, or setting it up."""
    endpoint = "auth.second_factor" if current_user.has_second_factor else "auth.enrolment"
    return url_for(endpoint, next=wanted or None)


def safe_next(address: str | None) -> str:
    """The address if it is a path on this site, else nothing. Browsers read two slashes, a backslash or a tab as another host."""
    if not address or not address.startswith("/") or len(address) > 2000:  # noqa: PLR2004 -- longer ones are not ours
        return ""
    if address.startswith("//") or "\\" in address or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in address):  # noqa: PLR2004
        return ""
    parts = urlsplit(address)
    return "" if parts.scheme or parts.netloc else address


def _wanted() -> str:
    """The page to come back to: the one that is open in the browser, never a fragment or a change."""
    if is_htmx():
        try:
            page = urlsplit(request.headers.get("HX-Current-URL", ""))
        except ValueError:  # a host in brackets that is none
            return ""
        return safe_next(page.path + (f"?{page.query}" if page.query else ""))
    if request.method in {"GET", "HEAD"} and request.path != "/":
        return safe_next(request.full_path.rstrip("?"))
    return ""


def came_from() -> str:
    """The page that a change was sent from, if it is one of ours: where to go on after signing in again."""
    try:
        page = urlsplit(request.headers.get("Referer", ""))
    except ValueError:  # as above
        return ""
    return safe_next(page.path + (f"?{page.query}" if page.query else "")) if page.netloc == request.host else ""


def _elsewhere(address: str) -> ResponseReturnValue:
    """A page is redirected; a fragment tells htmx to leave the page; a change is refused, so that nobody thinks it was made."""
    if is_htmx():
        return Response(status=401, headers={"HX-Redirect": address})
    if request.method in {"GET", "HEAD"}:
        return redirect(address, 303)
    raise SignedOut
