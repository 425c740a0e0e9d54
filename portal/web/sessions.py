"""Server-side sessions: a row per browser, a random id in its cookie, only the id's hash in the row.

The id changes whenever the rights behind it do (sign-in, second factor, new password, sign-out), so a cookie that was planted
or copied before is worthless afterwards. Ending a session is deleting its row; nothing brings a deleted row back.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from flask import Flask, Request, Response, g, session
from flask.sessions import SecureCookieSession, SessionInterface, SessionMixin
from flask_login import LoginManager, UserMixin, login_user
from flask_wtf.csrf import generate_csrf
from sqlalchemy import bindparam, delete, exists, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from portal.crypto import digest
from portal.models import Membership, Role, User, UserSession
from portal.ports import Ports
from portal.services import finding
from portal.services.people import authenticating

log = structlog.get_logger()

COOKIE = "__Host-session"  #: the prefix makes browsers refuse it without Secure, with Domain, or from another path
ID_BYTES = 32
SEEN_EVERY = timedelta(minutes=1)
OWN = exists().where(Membership.user_id == User.id)
PAYS = exists().where(Membership.user_id == User.id, Membership.may_pay, Membership.client_id.in_(finding.WITH_ORDERS))
WHOSE = (
    select(UserSession, User, or_(OWN.where(Membership.has_financial_accounting), ~OWN), PAYS)
    .outerjoin(User, User.id == UserSession.user_id)
    .where(UserSession.id_hash == bindparam("id_hash"))
)
WITHOUT_SESSION = ("/static/", "/healthz", "/firm/logo/")  #: never read the database for these


@dataclass(frozen=True, eq=False, slots=True)
class Person(UserMixin):
    """The signed-in user as views and templates see him (`current_user`): a copy, not a row."""

    id: str
    email: str
    name: str
    role: Role
    language: str
    theme: str
    has_shortcuts: bool
    goes_on: bool
    has_digest: bool
    initials: str
    has_second_factor: bool
    needs_second_factor: bool
    keeps_books: bool  #: may see the accounts of a client, if he has any
    may_pay: bool  #: may see and approve the payments of a client

    @classmethod
    def of(cls, user: User, *, keeps_books: bool = True, may_pay: bool = False) -> Person:
        """From the user's row."""
        return cls(
            user.id, user.email, user.name, Role(user.role), user.language, user.theme, user.has_shortcuts, user.goes_on,
            user.has_digest, user.initials, user.totp_sealed is not None, user.needs_second_factor, keeps_books, may_pay,
        )  # fmt: skip


class ServerSession(SecureCookieSession):
    """What Flask keeps for a browser. Only `key` ever leaves the server."""

    def __init__(
        self, row: UserSession | None = None, *, key: str = "", person: Person | None = None, is_kept: bool = True
    ) -> None:  # fmt: skip
        super().__init__(json.loads(row.content) if row else None)
        self.is_kept = is_kept  #: else what is put into it ends with the request, and the browser keeps its own
        self.key = key  #: the id in the cookie; empty before the first save
        self.person = person
        self.created_at = row.created_at if row else None
        self.seen_at = row.seen_at if row else None
        self.second_factor_at = row.second_factor_at if row else None
        self.was_signed_in = person is not None
        self.is_renewed = False

    @property
    def has_second_factor(self) -> bool:
        """Whether a second factor has been shown in this session."""
        return self.second_factor_at is not None


class ServerSessions(SessionInterface):
    """Opens and saves sessions in transactions of their own, before and after the view's."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def open_session(self, app: Flask, request: Request) -> ServerSession | None:
        """The browser's session, else an empty one. None (a session that refuses to be changed) when the database is away."""
        del app
        key = request.cookies.get(COOKIE, "")
        if request.path.startswith(WITHOUT_SESSION):
            return ServerSession(is_kept=False)
        if not key:
            return ServerSession()
        try:
            with self._ports.database.read() as transaction:
                found = transaction.execute(WHOSE, {"id_hash": digest(key)}).one_or_none()
        except SQLAlchemyError as error:
            log.error("session_unreadable", error=type(error).__name__)  # noqa: TRY400 -- the trace would only show the driver
            return None
        if found is None or not authenticating.is_alive(found[0], found[1], now=self._ports.clock.now()):
            return ServerSession()
        row, user, keeps_books, may_pay = found
        person = Person.of(user, keeps_books=keeps_books, may_pay=may_pay) if user else None
        opened = ServerSession(row, key=key, person=person)
        return ServerSession() if user and opened.get("role") != user.role else opened  # another role: sign in again

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write what changed; else, at most once a minute, that the browser was here."""
        del app
        opened, now = cast("ServerSession", session), self._ports.clock.now()
        if opened.accessed:
            response.vary.add("Cookie")
        if not opened.is_kept:
            return
        if opened.is_renewed or (opened.modified and opened and not opened.key):
            self._insert(opened, response, now)
        elif opened.modified and opened.key:
            self._update(opened, content=_written(opened), seen_at=now)
        elif opened.key and opened.seen_at and now - opened.seen_at >= SEEN_EVERY:
            try:
                self._update(opened, seen_at=now)
            except SQLAlchemyError as error:  # the page is made already; the next request tries again
                log.warning("last_seen_not_written", error=type(error).__name__)

    def _insert(self, opened: ServerSession, response: Response, now: datetime) -> None:
        """Under a new id. A signed-in session that was ended by somebody else meanwhile is not continued."""
        key = secrets.token_urlsafe(ID_BYTES)
        with self._ports.database.write() as transaction:
            ended = transaction.execute(delete(UserSession).where(UserSession.id_hash == digest(opened.key)))
            if opened.was_signed_in and "_user_id" in opened and not ended.rowcount:  # type: ignore[attr-defined]
                return
            transaction.add(
                UserSession(
                    id_hash=digest(key), user_id=opened.get("_user_id"), content=_written(opened),
                    created_at=opened.created_at or now, seen_at=now, second_factor_at=opened.second_factor_at,
                )
            )  # fmt: skip
        response.set_cookie(COOKIE, key, path="/", secure=True, httponly=True, samesite="Lax")

    def _update(self, opened: ServerSession, **values: Any) -> None:
        """Only if the row still exists."""
        with self._ports.database.write() as transaction:
            transaction.execute(update(UserSession).where(UserSession.id_hash == digest(opened.key)).values(**values))
            if opened.person:
                transaction.execute(update(User).where(User.id == opened.person.id).values(last_seen_at=values["seen_at"]))


def register(app: Flask, ports: Ports) -> None:
    """Let Flask and Flask-Login use our sessions."""
    app.session_interface = ServerSessions(ports)
    app.jinja_env.globals["session_left"] = lambda: time_left(ports)
    manager = LoginManager(app)
    manager.session_protection = None  # it watches the address, which changes on every train ride
    manager.user_loader(_loaded)


def current() -> ServerSession:
    """This request's session."""
    return cast("ServerSession", session._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 -- Flask's own way


def begin(user: User) -> None:
    """A password was right: nothing of the browser's former session goes on but its language."""
    language = session.get("language")
    session.clear()
    person = Person.of(user)
    login_user(person)
    session["role"] = person.role.value
    if language:
        session["language"] = language
    opened = current()
    opened.created_at, opened.second_factor_at, opened.was_signed_in = None, None, False
    _renew(opened)


def raise_rights(now: datetime) -> None:
    """A second factor was shown."""
    opened = current()
    opened.second_factor_at = now
    session.pop("pending_totp", None)
    _renew(opened)


def renew() -> None:
    """The same session under a new id, after a change of what protects it."""
    _renew(current())


def end() -> None:
    """Sign out: the row goes, an empty session begins."""
    opened = current()
    language = opened.person.language if opened.person else session.get("language")
    session.clear()
    if language:
        session["language"] = language
    opened.created_at, opened.second_factor_at = None, None
    g.pop("_login_user", None)
    _renew(opened)


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Whole seconds of the signed-in session, as this answer leaves it."""

    idle: int  #: until it ends if nothing more comes
    whole: int  #: until it ends in any case
    again: int  #: what a sign of life would give it at least, were it not for `whole`


def time_left(ports: Ports) -> TimeLeft:
    """How long the signed-in session goes on."""
    opened, now = current(), ports.clock.now()
    person = cast("Person", opened.person)
    is_noted = opened.is_kept and (opened.modified or opened.seen_at is None or now - opened.seen_at >= SEEN_EVERY)
    seen_at = now if is_noted or opened.seen_at is None else opened.seen_at
    idle, whole = authenticating.ends(person.role, seen_at=seen_at, created_at=opened.created_at or now)
    again = authenticating.IDLE[person.role] - SEEN_EVERY
    return TimeLeft(int((idle - now).total_seconds()), int((whole - now).total_seconds()), int(again.total_seconds()))


def own_hash() -> str:
    """The hash of this session's id: how other code names it."""
    return digest(current().key)


def _renew(opened: ServerSession) -> None:
    """A new id and a new CSRF token; made here, so that two pages opened next do not each make one."""
    opened.is_renewed = True
    session.pop("csrf_token", None)
    g.pop("csrf_token", None)
    generate_csrf()


def _loaded(user_id: str) -> Person | None:
    person = current().person
    return person if person and person.id == user_id else None


def _written(opened: ServerSession) -> str:
    return json.dumps(dict(opened), ensure_ascii=False, separators=(",", ":"))
