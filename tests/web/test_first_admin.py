"""A fresh installation knows nobody; a one-time code of the command line makes the first admin (A22)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.clock import FixedClock
from portal.models import User
from portal.ports import Ports
from portal.services.people import authenticating
from tests.pages import Page
from tests.web.visitor import Visitor

FORM = {"name": "Katrin Elbtor", "email": "Admin@Kanzlei.example", "password": "eine ganz neue Losung"}


@pytest.fixture
def code(ports: Ports, clock: FixedClock, acts: None) -> str:
    with ports.database.write() as session:
        return authenticating.first_admin_code(session, now=clock.now())


def users(ports: Ports) -> int:
    with ports.database.read() as session:
        return session.scalar(select(func.count()).select_from(User)) or 0


def test_nobody_has_an_account_by_default(site: Flask, ports: Ports) -> None:
    assert users(ports) == 0
    assert Visitor(site).page("/first-admin").form("/first-admin")


def test_the_code_makes_one_admin_who_needs_a_second_factor(site: Flask, ports: Ports, code: str) -> None:
    visitor = Visitor(site)
    page = visitor.page("/first-admin", headers={"Accept-Language": "en"})
    assert page.form("/first-admin").buttons == ["Create the administrator"]
    door = visitor.follow(visitor.send(page, "/first-admin", code=code, **FORM))
    assert door.form("/sign-in")
    answer = visitor.send(door, "/sign-in", email=FORM["email"], password=FORM["password"])
    assert answer.location == "/second-factor/enrolment"
    assert users(ports) == 1


def test_it_works_once_and_then_the_page_is_gone(site: Flask, ports: Ports, code: str) -> None:
    visitor = Visitor(site)
    visitor.get("/first-admin")
    assert visitor.post("/first-admin", {**FORM, "code": code}).status_code == 303
    assert visitor.get("/first-admin").status_code == 404
    other = Visitor(site)
    other.get("/sign-in")
    assert other.post("/first-admin", {**FORM, "email": "other@kanzlei.example", "code": code}).status_code == 404
    assert users(ports) == 1


def test_wrong_old_and_replaced_codes_are_refused(site: Flask, ports: Ports, code: str, clock: FixedClock, acts: None) -> None:
    visitor = Visitor(site)
    visitor.get("/first-admin", headers={"Accept-Language": "en"})
    clock.move(seconds=1)
    with ports.database.write() as session:
        newer = authenticating.first_admin_code(session, now=clock.now())
    refused = visitor.post("/first-admin", {**FORM, "code": "x" * 43}, headers={"Accept-Language": "en"})
    assert refused.status_code == 422
    assert "This code is not right, was used before or is older than 24 hours." in Page(refused.text).words
    assert visitor.post("/first-admin", {**FORM, "code": code}).status_code == 422
    assert visitor.post("/first-admin", {**FORM, "code": newer, "password": "short"}).status_code == 422
    clock.move(hours=24, seconds=1)
    visitor.get("/first-admin")
    assert visitor.post("/first-admin", {**FORM, "code": newer}).status_code == 422
    assert users(ports) == 0
