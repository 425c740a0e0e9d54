"""Who has a receipt open at the desk right now: a hint for colleagues, never a lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.models import Presence
from portal.services.finding import Actor
from portal.services.people.staffing import Colleague

LASTS = timedelta(minutes=2)  #: since somebody looked, that colleagues are told of it
NOTED_EVERY = timedelta(minutes=1)  #: for the same receipt and person
KEPT = timedelta(hours=1)


def others(people: Sequence[Colleague], actor: Actor, *, now: datetime) -> list[Colleague]:
    """Who of them but the actor looks at the receipt right now."""
    return [one for one in people if one.id != actor.user_id and one.seen_at and now - one.seen_at < LASTS]


def is_due(people: Sequence[Colleague], actor: Actor, *, now: datetime) -> bool:
    """Whether it is to be noted that the actor looks at it."""
    return not any(one.id == actor.user_id and one.seen_at and now - one.seen_at < NOTED_EVERY for one in people)


def note(session: Session, actor: Actor, receipt_id: str, *, now: datetime) -> None:
    """The actor has looked at a receipt of his."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    statement = insert(Presence).values(receipt_id=receipt_id, user_id=actor.user_id, seen_at=now)
    session.execute(statement.on_conflict_do_update(index_elements=["receipt_id", "user_id"], set_={"seen_at": now}))


def forget(session: Session, *, now: datetime) -> None:
    """Remove what nobody is told of any more."""
    session.execute(delete(Presence).where(Presence.seen_at < now - KEPT))
