"""Who may call what: every route × method × role against one table (A02, A09)."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.models import User
from portal.ports import Ports
from portal.web.access import permission_of, refuse_unmarked
from tests.factories import World
from tests.web.routes import ADMIN, ALL, CLIENTS, HALF, PERMISSIONS, PUBLIC, STAFF, Call, calls, routes
from tests.web.visitor import HTMX, Visit, Visitor, fingerprint, totp_of

MAY = {
    "nobody": {PUBLIC},
    "client": {PUBLIC, HALF, ALL, CLIENTS},
    "staff": {PUBLIC, HALF, ALL, STAFF},
    "admin": {PUBLIC, HALF, ALL, STAFF, ADMIN},
}
DOORS = ("/sign-in", "/second-factor")


def person(world: World, role: str) -> User | None:
    return {"client": world.ours.owner, "staff": world.staff, "admin": world.admin}.get(role)


def ask(visitor: Visitor, call: Call, **kwargs: object) -> TestResponse:
    """Call a route; the doors' own forms stay empty, so that nobody becomes somebody else on the way."""
    form = {} if call.endpoint.startswith("auth.") or call.endpoint == "profile.change_password" else call.form
    return visitor.post(call.path, form, **kwargs) if call.method == "POST" else visitor.get(call.path, **kwargs)


def is_refused(answer: TestResponse) -> bool:
    """Whether the view was not reached: sent to a door, or turned away."""
    is_at_a_door = (answer.location or "").startswith(DOORS) and "Clear-Site-Data" not in answer.headers
    return answer.status_code in {401, 403} or is_at_a_door or b"open for too long" in answer.data


def test_every_route_stands_in_the_table_and_its_view_carries_that_mark(site: Flask) -> None:
    assert routes(site) == set(PERMISSIONS)
    assert {route: permission_of(site, route[0]) for route in PERMISSIONS} == PERMISSIONS


def test_a_route_that_nobody_decided_about_stops_the_start_and_is_closed(site: Flask, visit: Visit, world: World) -> None:
    site.add_url_rule("/forgotten", view_func=lambda: "open", endpoint="forgotten")
    with pytest.raises(RuntimeError, match="forgotten"):
        refuse_unmarked(site)
    assert visit(world.admin).get("/forgotten").status_code == 403


@pytest.mark.usefixtures("payable")
@pytest.mark.parametrize("role", MAY)
def test_each_role_reaches_exactly_its_routes(site: Flask, world: World, visit: Visit, role: str) -> None:
    visitor = visit(person(world, role))
    visitor.get("/sign-in" if role == "nobody" else "/second-factor/enrolment")
    reached = {(call.endpoint, call.method) for call in calls(site, world.ours) if not is_refused(ask(visitor, call))}
    assert reached == {route for route, permission in PERMISSIONS.items() if permission in MAY[role]}


@pytest.mark.parametrize("role", ["nobody", "client", "staff"])
def test_refusals_speak_plainly(site: Flask, world: World, visit: Visit, role: str) -> None:
    visitor = visit(person(world, role))
    for call in calls(site, world.ours):
        if call.permission in MAY[role]:
            continue
        answer = ask(visitor, call)
        assert (answer.status_code, answer.location) in (
            [(403, None)] if role != "nobody" else [(401, None)] if call.method == "POST" else [(303, _door(call))]
        ), call


def _door(call: Call) -> str:
    return "/sign-in" if call.path == "/" else f"/sign-in?next={call.path}"


@pytest.mark.parametrize(
    ("role", "is_enrolled"), [("staff", True), ("staff", False), ("admin", True), ("admin", False), ("client", True)]
)
def test_a_password_alone_opens_nothing_where_a_second_factor_is_due(
    site: Flask, world: World, ports: Ports, role: str, is_enrolled: bool
) -> None:
    user = person(world, role)
    assert user
    if is_enrolled:
        totp_of(ports, user)
    visitor = Visitor(site)
    visitor.sign_in(user)
    visitor.get("/sign-in/second-factor" if is_enrolled else "/second-factor/enrolment")
    before = fingerprint(ports.database)
    door = "/sign-in/second-factor" if is_enrolled else "/second-factor/enrolment"
    for call in calls(site, world.ours):
        if call.permission in {PUBLIC, HALF}:
            continue
        answer, fragment = ask(visitor, call), ask(visitor, call, headers=HTMX)
        assert answer.status_code == (303 if call.method == "GET" else 401), call
        assert (answer.location or door).startswith(door), call
        assert (fragment.status_code, fragment.data) == (401, b""), call
        assert fragment.headers["HX-Redirect"].startswith(door), call
    assert fingerprint(ports.database) == before


def test_whoever_is_away_learns_nothing_by_other_methods(site: Flask, world: World) -> None:
    visitor = Visitor(site)
    for call in calls(site, world.ours):
        if call.permission is not PUBLIC:
            for method in ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"):
                assert visitor.open(method, call.path).status_code in {303, 401, 405}, (method, call)
