"""Names of actors: people by their name, the system by what it does."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import User


def names(session: Session, actors: Iterable[str]) -> dict[str, str]:
    """Actor → name; `system:…` and `anonymous` stand for themselves."""
    wanted = set(actors)
    people = [actor for actor in wanted if ":" not in actor and actor != "anonymous"]
    found = {user_id: name for user_id, name in session.execute(select(User.id, User.name).where(User.id.in_(people)))}
    return {actor: found.get(actor, actor) for actor in wanted}
