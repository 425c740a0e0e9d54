"""Mails: a connection needs you or is well again, a consent ends soon, a payment is in doubt, somebody writes or asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_datetime
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.clock import BERLIN, berlin_day
from portal.db import new_id
from portal.models import Client, Connection, Mail, Membership, Message, PaymentBatch, Receipt, Role, User
from portal.ports import Ports
from portal.services import running
from portal.services.people.staffing import IS_ASKED
from portal.services.running import Lease

ROOT = Path(__file__).resolve().parents[2]
REMINDERS, BETWEEN = 3, timedelta(days=1)  #: of a connection that needs somebody: once a day, three times, then silence
DOUBT = timedelta(minutes=30)  #: that nobody knows what became of a payment, until people are told
EXPIRY_STEPS = (timedelta(days=7), timedelta(days=15), timedelta(days=30))  #: before an unused consent ends


class Kind(StrEnum):
    """What a mail tells; each has its template `templates/mail/<kind>.txt`, whose first line is the subject."""

    NEEDS_YOU = "needs_you"
    EXPIRING = "expiring"
    WELL_AGAIN = "well_again"
    NEW_MESSAGE = "new_message"
    DOUBT = "doubt"
    DOUBT_OVER = "doubt_over"
    DIGEST = "digest"
    WEEKLY = "weekly"
    ASKED = "asked"


def needs_you(session: Session, connection: Connection, *, now: datetime, number: int = 1) -> None:
    """The connection has ended at the bank: its client has to connect again."""
    facts = {"kind": connection.kind, "since": now.isoformat()}
    _write(session, connection, Kind.NEEDS_YOU, episode=f"{_episode(connection)}:{number}", facts=facts, now=now)


def well_again(session: Session, connection: Connection, *, now: datetime) -> None:
    """The connection works again; only whoever was told otherwise hears of it. Call before the new connecting is noted."""
    if _told(session, connection):
        _write(session, connection, Kind.WELL_AGAIN, episode=_episode(connection), facts={"kind": connection.kind}, now=now)


def new_message(session: Session, message: Message, *, unread_since: str, now: datetime) -> None:
    """Somebody has written. The other side hears of it once until it has looked; `unread_since`: the oldest unread message."""
    people = _people(session, message.client_id, "staff" if message.is_from_client else "client")
    facts = {"author": session.get_one(User, message.author_id).name}
    key = f"{Kind.NEW_MESSAGE.value}:{unread_since}"
    _write_to(session, people, message.client_id, Kind.NEW_MESSAGE, key, facts, now=now)


def asked(session: Session, client_id: str, user_id: str, *, now: datetime) -> None:
    """A colleague is to look at a receipt. He hears of it once a Berlin day, whatever else comes."""
    _write_to(session, [user_id], client_id, Kind.ASKED, f"{Kind.ASKED.value}:{berlin_day(now).isoformat()}", {}, now=now)


def doubt_over(session: Session, batch: PaymentBatch, *, now: datetime) -> None:
    """It is known what became of an order; only whoever was told otherwise hears of it."""
    told = Mail.key.startswith(f"{Kind.DOUBT.value}:{batch.id}:", autoescape=True)
    people = session.scalars(select(Mail.user_id).where(told)).all()
    _write_to(
        session, people, batch.client_id, Kind.DOUBT_OVER, f"{Kind.DOUBT_OVER.value}:{batch.id}", {"order": batch.id}, now=now
    )


def tell(
    session: Session, user_id: str, client_id: str, kind: Kind, key: str, facts: dict[str, Any], *, now: datetime
) -> None:  # fmt: skip
    """A mail to one person, once a key."""
    _write_to(session, [user_id], client_id, kind, key, facts, now=now)


def remind(session: Session, *, now: datetime) -> None:
    """What has to be told now: connections that still need somebody, consents that end soon, payments that stay in doubt."""
    for connection in session.scalars(select(Connection).where(Connection.state == "action_needed")):
        told = _told(session, connection)
        if 0 < len(told) < REMINDERS and now - max(told) >= BETWEEN:
            needs_you(session, connection, now=now, number=len(told) + 1)
    ending = select(Connection).where(Connection.state == "active", Connection.consent_expires_at <= now + max(EXPIRY_STEPS))
    for connection in session.scalars(ending):
        assert connection.consent_expires_at is not None
        step = next(days for days in EXPIRY_STEPS if connection.consent_expires_at - now <= days)
        facts = {"kind": connection.kind, "until": connection.consent_expires_at.isoformat()}
        episode = f"{connection.consent_expires_at.isoformat()}:{step.days}"
        _write(session, connection, Kind.EXPIRING, episode=episode, facts=facts, now=now)
    for batch in session.scalars(
        select(PaymentBatch).where(PaymentBatch.state == "unknown", PaymentBatch.lost_at <= now - DOUBT)
    ):
        people = [*_payers(session, batch.client_id), *_people(session, batch.client_id, "staff")]
        _write_to(session, people, batch.client_id, Kind.DOUBT, f"{Kind.DOUBT.value}:{batch.id}", {"order": batch.id}, now=now)


def send_mails(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `mail`: send what waits for this client's people. One that was sent twice has the same id."""
    with ports.database.read() as session:
        query = (
            select(Mail, User, Client)
            .join(User, User.id == Mail.user_id)
            .join(Client, Client.id == Mail.client_id)
            .where(Mail.client_id == lease.client_id, Mail.sent_at.is_(None))
            .order_by(Mail.created_at)
        )
        waiting = [(mail, user, client) for mail, user, client in session.execute(query)]
    sent = 0
    for mail, user, client in waiting:
        count = _waiting(ports, mail) if mail.kind == Kind.ASKED else None
        subject, text = words(ports, mail, user=user, client=client, count=count)
        if user.is_active and count != 0:
            ports.mailer.send(mail_id=mail.id, to=user.email, subject=subject, text=text)
        sent += 1
        with ports.database.write() as session:
            session.get_one(Mail, mail.id).sent_at = ports.clock.now()
            running.advance(session, lease, seen=sent, new=sent)
    with ports.database.write() as session:
        running.finish(session, lease, now=ports.clock.now(), seen=sent, new=sent)


def _waiting(ports: Ports, mail: Mail) -> int:
    """How many receipts of the client still wait for whoever was asked; none if he does not look after it any more."""
    is_his = Receipt.client_id == mail.client_id, Receipt.state == "in_review", Receipt.asked_id == mail.user_id, IS_ASKED
    with ports.database.read() as session:
        return session.scalar(select(func.count()).select_from(Receipt).where(*is_his)) or 0


def words(ports: Ports, mail: Mail, *, user: User, client: Client, count: int | None = None) -> tuple[str, str]:
    """Subject and text in the person's language. `count`: what waits for him, where the words tell it."""
    facts: dict[str, Any] = {"count": count, **mail.facts}
    for name in ("since", "until", "oldest"):
        if facts.get(name):
            moment = datetime.fromisoformat(facts[name]).astimezone(BERLIN)
            facts[name] = format_datetime(moment, "d. MMMM y" if user.language == "de" else "d MMMM y", locale=user.language)
    template = _templates(user.language).get_template(f"mail/{mail.kind}.txt")
    url = ports.settings.public_url
    text = template.render(
        **facts, name=user.name, client=client.name, firm=ports.settings.firm, address=f"{url}{_place(mail)}",
        profile=f"{url}/profile", messages=f"{url}/messages",
    )  # fmt: skip
    subject, _, body = text.partition("\n")
    return subject.strip(), body.strip() + "\n"


def _place(mail: Mail) -> str:
    """Where what is told can be seen."""
    match Kind(mail.kind):
        case Kind.ASKED:
            return "/review?who=mine"
        case Kind.NEW_MESSAGE:
            return f"/clients/{mail.client_id}/messages"
        case Kind.DOUBT | Kind.DOUBT_OVER:
            return f"/payments/{mail.facts['order']}"
        case Kind.DIGEST:
            return "/review"
        case Kind.WEEKLY:
            return "/receipts/missing"
    return "/profile/connections"


@cache
def _templates(language: str) -> Environment:
    """Plain text: nothing is escaped, nothing undefined passes."""
    environment = Environment(
        loader=FileSystemLoader(ROOT.parent / "templates"), extensions=["jinja2.ext.i18n"], undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, autoescape=False,  # noqa: S701 -- these are no web pages
    )  # fmt: skip
    environment.install_gettext_translations(Translations.load(ROOT / "translations", [language]), newstyle=True)  # type: ignore[attr-defined]
    return environment


def _write(session: Session, connection: Connection, kind: Kind, *, episode: str, facts: dict[str, Any], now: datetime) -> None:
    """A mail about a connection to each of the client's own people."""
    key = f"{kind.value}:{connection.id}:{episode}"
    _write_to(session, _people(session, connection.client_id, "client"), connection.client_id, kind, key, facts, now=now)


def _write_to(
    session: Session, people: Sequence[str], client_id: str, kind: Kind, key: str, facts: dict[str, Any], *, now: datetime
) -> None:
    """One mail to each person, once a key; with the run that sends them."""
    rows = [
        {
            "id": new_id(), "client_id": client_id, "user_id": user_id, "kind": kind.value, "facts": facts,
            "key": f"{key}:{user_id}", "created_at": now, "sent_at": None,
        }
        for user_id in people
    ]  # fmt: skip
    if not rows:
        return
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    session.execute(insert(Mail).on_conflict_do_nothing(index_elements=["key"]), rows)
    running.request(session, client_id=client_id, kind="mail", trigger="change", now=now)


def _people(session: Session, client_id: str, kind: str) -> list[str]:
    """Who belongs to the client, or is assigned to it; where nobody of the firm is (any more), its admins."""
    members = select(Membership.user_id).join(User, User.id == Membership.user_id)
    found = list(session.scalars(members.where(Membership.client_id == client_id, Membership.kind == kind, User.is_active)))
    if found or kind == "client":
        return found
    return list(session.scalars(select(User.id).where(User.role == Role.ADMIN.value, User.is_active)))


def _payers(session: Session, client_id: str) -> list[str]:
    """Who of the client's own people may pay."""
    members = select(Membership.user_id).join(User, User.id == Membership.user_id)
    return list(session.scalars(members.where(Membership.client_id == client_id, Membership.may_pay, User.is_active)))


def _told(session: Session, connection: Connection) -> list[datetime]:
    """When people were told in this episode that the connection needs them."""
    prefix = f"{Kind.NEEDS_YOU.value}:{connection.id}:{_episode(connection)}:"
    query = select(func.min(Mail.created_at)).where(Mail.key.startswith(prefix, autoescape=True)).group_by(Mail.created_at)
    return list(session.scalars(query))


def _episode(connection: Connection) -> str:
    """The time since the connection was connected last."""
    return connection.connected_at.isoformat() if connection.connected_at else "new"
