"""A browser without a screen: keeps its cookie and the CSRF token of the last page, as htmx and forms do.

Whatever page it opens is looked at: `tests/pages.py` lists what no page may have.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pyotp
from flask import Flask
from flask_wtf.csrf import generate_csrf
from sqlalchemy import select, update
from werkzeug.http import parse_cookie
from werkzeug.test import TestResponse

from portal.db import Database
from portal.models import Base, Role, User
from portal.ports import Ports
from portal.services.auditing import Origin, acting
from portal.services.people import authenticating
from portal.web import sessions
from tests.factories import PASSWORD
from tests.pages import Page

ORIGIN = "http://127.0.0.1:5050"
COOKIE = "__Host-session"
HTMX = {"HX-Request": "true", "HX-Current-URL": f"{ORIGIN}/receipts"}
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
ALWAYS_NEW = re.compile(
    rb'(csrf_token" value|X-CSRFToken&#34;: &#34;|X-CSRFToken": "|name="csrf_token" type="hidden" value)[="]*[^"]*"'
)


class Visitor:
    """One browser."""

    def __init__(self, site: Flask) -> None:
        self.site = site
        self.ports: Ports = site.extensions["ports"]
        self.client = site.test_client()
        self.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
        self.token = ""

    def open(self, method: str, path: str, form: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        """With a form's fields as they are."""
        return self._seen(self.client.open(path, method=method, data=form, buffered=True, **kwargs))

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.open("GET", path, **kwargs)

    def post(self, path: str, form: dict[str, Any] | None = None, *, token: str | None = None, **kwargs: Any) -> TestResponse:
        """As a form does; the token of the last page goes along unless another one is given (empty: none)."""
        token = self.token if token is None else token
        return self.open("POST", path, {**(form or {}), **({"csrf_token": token} if token else {})}, **kwargs)

    def sign_in(self, user: User, password: str = PASSWORD) -> TestResponse:
        """With the password alone."""
        self.get("/sign-in")
        answer = self.post("/sign-in", {"email": user.email, "password": password})
        self.get("/sign-in/second-factor")
        return answer

    def sign_in_fully(self, user: User) -> Visitor:
        """As after password and second factor; `test_signing_in.py` walks through the doors themselves."""
        if user.role != Role.CLIENT.value:
            totp_of(self.ports, user)
        with self.site.test_request_context("/", base_url=ORIGIN):
            sessions.begin(user)
            if user.role != Role.CLIENT.value or user.totp_sealed:
                sessions.raise_rights(self.ports.clock.now())
            opened, answer = sessions.current(), self.site.response_class()
            self.site.session_interface.save_session(self.site, opened, answer)
            self.token = generate_csrf()
        self.cookie = parse_cookie(answer.headers["Set-Cookie"])[COOKIE]
        return self

    def page(self, path: str, **kwargs: Any) -> Page:
        """Open a page that is there."""
        answer = self.get(path, **kwargs)
        assert answer.status_code == 200, f"{path} answers {answer.status_code}: {answer.text[:500]}"
        return Page(answer.text)

    def follow(self, answer: TestResponse) -> Page:
        """Go where a browser without JavaScript goes after a form."""
        assert answer.status_code == 303, f"{answer.status_code}: {answer.text[:500]}"
        return self.page(answer.location)

    def send(self, page: Page, action: str, *, fragment: bool = False, **changed: Any) -> TestResponse:
        """Press the button of the form that goes to this path; `fragment`: as htmx does."""
        fields = {
            **page.form(action).fields,
            **{name: value if isinstance(value, list) else str(value) for name, value in changed.items()},
        }
        return self.post(action, fields, token=fields.pop("csrf_token"), headers=HTMX if fragment else None)

    @property
    def cookie(self) -> str:
        found = self.client.get_cookie(COOKIE, domain="127.0.0.1")
        return found.value if found else ""

    @cookie.setter
    def cookie(self, value: str) -> None:
        self.client.set_cookie(COOKIE, value, domain="127.0.0.1")

    def _seen(self, answer: TestResponse) -> TestResponse:
        if answer.mimetype == "text/html" and answer.data and not answer.location:
            asked = answer.request
            faults = Page(answer.text).faults
            assert not faults, f"{asked.method} {asked.path}: {faults}"
            if found := TOKEN.search(answer.text):
                self.token = found[1]
        return answer


def totp_of(ports: Ports, user: User) -> pyotp.TOTP:
    """The user's authenticator app; set up on the first call."""
    with acting(Origin("system:test"), key=ports.settings.secret_key), ports.database.write() as session:
        row = session.get_one(User, user.id)
        return pyotp.TOTP(authenticating.demo_totp(session, row, keyring=ports.keyring, now=ports.clock.now()))


def fresh_code(ports: Ports, user: User) -> str:
    """A code that works, even if one of this half minute was used."""
    totp = totp_of(ports, user)
    with ports.database.write() as session:
        session.execute(update(User).where(User.id == user.id).values(totp_last_step=0))
    return totp.now()


def fingerprint(database: Database, *, without: frozenset[str] = frozenset({"user_session"})) -> str:
    """A hash over every row of every table but the named ones; when somebody was last seen, and at what, does not count."""
    digest = hashlib.sha256()
    with database.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in without | {"presence"}:
                columns = [column for column in table.columns if column.name != "last_seen_at"]
                rows = sorted(repr(tuple(row)) for row in session.execute(select(*columns)))
                digest.update(f"{table.name}{rows}".encode())
    return digest.hexdigest()


def comparable(answer: TestResponse, *hidden: str) -> tuple[int, bytes]:
    """Status and body without what differs between any two answers, and without the given texts."""
    body = ALWAYS_NEW.sub(b"", answer.data)
    for text in (answer.headers.get("X-Request-Id", "-"), *hidden):
        body = body.replace(text.encode(), b"")
    return answer.status_code, body


Visit = Callable[[User | None], Visitor]
