"""Digests by mail instead of looking in vain: the firm's people on working days what is open, clients on Fridays what is missing.

A digest counts and never tells what a receipt says. Nobody gets one about nothing, nor the same one twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal.clock import BERLIN, berlin_day
from portal.domain.payments.sepa import is_banking_day
from portal.models import Assignment, Client, Mail, Membership, Message, Receipt, User
from portal.services.messages import notifying
from portal.services.messages.notifying import Kind
from portal.services.receipts import missing

FROM, UNTIL = 7, 9  #: hours of the Berlin morning in which digests are written; a ticker that sleeps so long skips a day
OLD = timedelta(days=7)
FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Digest:
    """What one person is to be told. `client_id`: of the clients it is about the first: its run sends the mail."""

    user_id: str
    client_id: str
    kind: Kind
    facts: dict[str, Any]


def due(session: Session, *, now: datetime) -> list[Digest]:
    """The digests that this moment asks for, without those that were written today already. Only reads."""
    today, hour = berlin_day(now), now.astimezone(BERLIN).hour
    if not FROM <= hour < UNTIL:
        return []
    found = []
    if is_banking_day(today):
        found += _of_staff(session, today, now)
    if today.weekday() == FRIDAY:
        found += _of_clients(session, today)
    return found


def write(session: Session, digests: Sequence[Digest], *, now: datetime) -> None:
    """Put them in the post. A second job at the same time changes nothing: one a person and day, by the key of the mail."""
    for digest in digests:
        key = f"{digest.kind.value}:{berlin_day(now).isoformat()}"
        notifying.tell(session, digest.user_id, digest.client_id, digest.kind, key, digest.facts, now=now)


def _of_staff(session: Session, today: date, now: datetime) -> list[Digest]:
    found = []
    for user_id, client_ids in _people(session, "staff", Kind.DIGEST, today).items():
        facts = _open(session, client_ids, today, now)
        if facts["open"] + facts["to_check"] + facts["unread"] and facts != _last_told(session, user_id, Kind.DIGEST):
            found.append(Digest(user_id, client_ids[0], Kind.DIGEST, facts))
    return found


def _of_clients(session: Session, today: date) -> list[Digest]:
    found = []
    without_receipt: dict[str, int] = {}
    for user_id, client_ids in _people(session, "client", Kind.WEEKLY, today).items():
        for client_id in client_ids:
            if client_id not in without_receipt:
                without_receipt[client_id] = missing.count_open(session, client_id)
        facts = {
            "missing": sum(without_receipt[client_id] for client_id in client_ids),
            "unread": _unread(session, client_ids, is_from_client=False),
        }
        if any(facts.values()):
            found.append(Digest(user_id, client_ids[0], Kind.WEEKLY, facts))
    return found


def _people(session: Session, kind: str, told: Kind, today: date) -> dict[str, list[str]]:
    """Whoever wants such a digest and has none of today → the clients that he belongs to or is responsible for, by name."""
    has_one = select(Mail.user_id).where(Mail.kind == told.value, Mail.key.startswith(f"{told.value}:{today.isoformat()}:"))
    rows = session.execute(
        select(Membership.user_id, Membership.client_id)
        .join(User, User.id == Membership.user_id)
        .join(Client, Client.id == Membership.client_id)
        .where(Membership.kind == kind, User.is_active, User.has_digest, User.id.not_in(has_one))
        .order_by(Client.name, Client.id)
    )
    people: dict[str, list[str]] = defaultdict(list)
    for user_id, client_id in rows:
        people[user_id].append(client_id)
    return people


def _open(session: Session, client_ids: Sequence[str], today: date, now: datetime) -> dict[str, Any]:
    """What waits for the firm. `oldest`: since when; `is_old`: whether that is more than a week."""
    is_open = or_(Receipt.put_off_until.is_(None), Receipt.put_off_until <= today)
    waiting = select(func.count(), func.min(Receipt.in_review_since)).where(
        Receipt.client_id.in_(client_ids), Receipt.state == "in_review", is_open
    )
    count, oldest = session.execute(waiting).one()
    to_check = select(func.count(func.distinct(Assignment.decision_id))).where(
        Assignment.client_id.in_(client_ids), Assignment.is_to_check, Assignment.withdrawn_at.is_(None)
    )
    return {
        "open": count, "oldest": oldest.isoformat() if oldest else "",
        "is_old": oldest is not None and now - oldest >= OLD, "to_check": session.scalar(to_check) or 0,
        "unread": _unread(session, client_ids, is_from_client=True),
    }  # fmt: skip


def _unread(session: Session, client_ids: Sequence[str], *, is_from_client: bool) -> int:
    waiting = select(func.count()).where(
        Message.client_id.in_(client_ids), Message.read_at.is_(None), Message.is_from_client.is_(is_from_client)
    )
    return session.scalar(waiting) or 0


def _last_told(session: Session, user_id: str, kind: Kind) -> dict[str, Any] | None:
    query = select(Mail.facts).where(Mail.user_id == user_id, Mail.kind == kind.value).order_by(Mail.created_at.desc()).limit(1)
    return session.scalar(query)
