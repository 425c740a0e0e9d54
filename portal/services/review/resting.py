"""Why nothing is to review: what the empty desk says, so that somebody knows what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from portal.models import Connection, Run
from portal.services import keeping, running

PATIENCE = timedelta(minutes=5)  #: a sync that nobody has begun for so long says that no worker is there


class Why(StrEnum):
    """What is the case, the first that is true."""

    UNCONNECTED = "unconnected"  #: no documents connection brings anything in, and none ever did or has to be renewed
    CONSENT_ENDED = "consent_ended"  #: the same, and one has to be connected again
    STANDING_STILL = "standing_still"  #: the timetable or the workers are down: no sync begins
    IMPORTING = "importing"  #: the first one runs, or starts in a moment
    NEVER_SYNCED = "never_synced"  #: connected, and nothing has come in yet
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Rest:
    """Why the desk is empty. `unconnected`: clients whose documents do not come in by themselves."""

    why: Why
    unconnected: int


def rest(session: Session, client_ids: Sequence[str], *, are_all: bool, now: datetime) -> Rest:
    """For these clients, at least one; `are_all`: they are all that the firm has, so that none need be asked for."""
    is_active = Connection.state == "active"
    first = select(Run.id).where(
        Run.subject_id == Connection.id, Run.kind == "documents", Run.state.in_(("due", "waiting", "leased"))
    )
    late = select(func.count(Run.id)).where(
        Run.state == "due", Run.kind.in_(running.SCHEDULED_KINDS), Run.started_at.is_(None), Run.created_at < now - PATIENCE
    )
    query = select(
        func.count(case((is_active, 1))),
        func.count(case((Connection.state == "action_needed", 1))),
        func.count(case((and_(is_active, Connection.last_success_at.is_not(None)), 1))),
        func.count(case((and_(is_active, first.exists()), 1))),
        late.scalar_subquery(),
    ).where(Connection.kind == "documents")
    if not are_all:
        query = query.where(Connection.client_id.in_(client_ids))
    active, ended, synced, on_their_way, unstarted = session.execute(query).one()
    return Rest(_why(session, active, ended, synced, on_their_way, unstarted, now), len(client_ids) - active)


def _why(session: Session, active: int, ended: int, synced: int, on_their_way: int, unstarted: int, now: datetime) -> Why:
    if not active:
        return Why.CONSENT_ENDED if ended else Why.UNCONNECTED
    if unstarted or keeping.is_silent(keeping.last_beat(session, "ticker"), now=now):
        return Why.STANDING_STILL
    if not synced:
        return Why.IMPORTING if on_their_way else Why.NEVER_SYNCED
    return Why.DONE
