"""No other site can make a browser of ours change anything, and looking changes nothing (A14)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from portal.models import AuditEvent
from portal.ports import Ports
from tests.factories import World
from tests.web.routes import PERMISSIONS, SIGNED, browsers, calls
from tests.web.visitor import HTMX, ORIGIN, Visit, fingerprint

OF_OTHERS = {
    "another site": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:5051"},
    "no origin": {"Origin": "null"},
    "a cross-site request": {"Sec-Fetch-Site": "cross-site"},
    "a neighbouring site": {"Sec-Fetch-Site": "same-site"},
    "htmx of another site": {**HTMX, "Origin": "https://evil.example"},
}
READS_THAT_LEAVE_A_TRACE = {"documents.download", "connections.callback"}  #: an audit event, nothing else
TRACES = frozenset({"user_session", "audit_event", "audit_head", "request_budget"})


def test_without_the_sessions_own_token_nothing_changes(site: Flask, world: World, visit: Visit, ports: Ports) -> None:
    people = browsers(world, visit)
    elsewhere = visit(world.theirs.owner)
    before = fingerprint(ports.database)
    tried = 0
    for call in calls(site, world.ours, "POST"):
        tried += 1
        if call.endpoint in SIGNED:
            continue
        browser = people[call.permission]
        for token in ("", elsewhere.token, "x" * 43, browser.token[:-1]):
            for headers in ({}, HTMX, {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}):
                assert browser.post(call.path, call.form, token=token, headers=headers).status_code == 400, (call, token)
            assert browser.post(call.path, call.form, token="", headers={"X-CSRFToken": token}).status_code == 400, (call, token)
    assert tried == sum(method == "POST" for _, method in PERMISSIONS)
    assert fingerprint(ports.database) == before


@pytest.mark.parametrize("name", OF_OTHERS)
def test_another_site_changes_nothing_even_with_a_token(site: Flask, world: World, visit: Visit, ports: Ports, name: str) -> None:
    people = browsers(world, visit)
    before = fingerprint(ports.database)
    for call in calls(site, world.ours, "POST"):
        answer = people[call.permission].post(call.path, call.form, headers=OF_OTHERS[name])
        assert answer.status_code == 403, call
    assert fingerprint(ports.database) == before


def test_the_token_also_travels_in_the_header_that_htmx_sends(world: World, visit: Visit) -> None:
    browser = visit(world.staff)
    page = browser.get("/review").text
    assert f'hx-headers=\'{{"X-CSRFToken": "{browser.token}"}}\'' in page
    headers = {**HTMX, "X-CSRFToken": browser.token}
    path = f"/receipts/{world.ours.receipts['no_transaction'].id}/set-aside"
    assert browser.post(path, {"reason": "duplicate", "seen_version": 1}, token="", headers=headers).status_code == 200


def test_no_other_method_changes_anything(site: Flask, world: World, visit: Visit, ports: Ports) -> None:
    people = browsers(world, visit)
    before = fingerprint(ports.database)
    for call in calls(site, world.ours):
        browser = people[call.permission]
        for method in ("PUT", "PATCH", "DELETE"):
            form = {**call.form, "csrf_token": browser.token}
            assert browser.open(method, call.path, form).status_code == 405, (method, call)
    assert fingerprint(ports.database) == before


@pytest.mark.usefixtures("payable")
@pytest.mark.parametrize("who", ["nobody", "owner", "staff", "admin"])
def test_looking_changes_nothing(site: Flask, world: World, visit: Visit, ports: Ports, who: str) -> None:
    browser = visit({"owner": world.ours.owner, "staff": world.staff, "admin": world.admin}.get(who))
    browser.get("/sign-in")
    before, rows = fingerprint(ports.database, without=TRACES), events(ports)
    for call in calls(site, world.ours, "GET"):
        for method in ("GET", "HEAD"):
            for headers in (None, HTMX):
                browser.open(method, call.path, headers=headers)
        assert events(ports) == rows or call.endpoint in READS_THAT_LEAVE_A_TRACE, call
        rows = events(ports)
    assert fingerprint(ports.database, without=TRACES) == before


def events(ports: Ports) -> list[str]:
    with ports.database.read() as session:
        return list(session.scalars(select(AuditEvent.id).order_by(AuditEvent.id)))
