"""How well receipts are matched here: from the firm's own decisions, by client and month. Nothing leaves the installation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from portal.clock import BERLIN
from portal.models import Assignment, Client, Role, User
from portal.services import finding
from portal.services.finding import Actor

MONTHS = 12
RECENT = timedelta(days=90)
MOST_CAUTION = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """Decisions, each counted once. Shares are None where there is nothing to divide by."""

    automatic: int = 0
    undone: int = 0  #: of the automatic ones, by a person
    by_hand: int = 0  #: by the firm's people
    first: int = 0  #: of those by hand: the candidate that stood first
    proposed: int = 0  #: … or any that was proposed

    def __add__(self, other: Tally) -> Tally:
        """Together."""
        return Tally(
            self.automatic + other.automatic, self.undone + other.undone, self.by_hand + other.by_hand,
            self.first + other.first, self.proposed + other.proposed,
        )  # fmt: skip

    @property
    def automatic_share(self) -> float | None:
        """Of all decisions."""
        return _share(self.automatic, self.automatic + self.by_hand)

    @property
    def undone_share(self) -> float | None:
        """Of the automatic ones."""
        return _share(self.undone, self.automatic)

    @property
    def first_share(self) -> float | None:
        """Of those by hand."""
        return _share(self.first, self.by_hand)

    @property
    def unsearched_share(self) -> float | None:
        """Of all decisions: made by the machine, or one click on what it proposed (L-41)."""
        return _share(self.automatic + self.proposed, self.automatic + self.by_hand)


@dataclass(frozen=True, slots=True)
class Quality:
    """The whole, by month (newest first) and by client (by name)."""

    total: Tally
    months: Sequence[tuple[date, Tally]]  #: by the first day of each
    clients: Sequence[tuple[Client, Tally]]


def quality(session: Session, actor: Actor, *, today: date) -> Quality:
    """The decisions of the last twelve months about the actor's clients."""
    clients = {client.id: client for client in finding.clients(session, actor)}
    starts = _starts(today)
    month = case(*((Assignment.created_at >= _midnight(start), start.isoformat()) for start in starts))
    by_person = and_(Assignment.withdrawn_at.is_not(None), ~Assignment.withdrawn_by.startswith("system:"))
    by_hand = and_(Assignment.is_automatic.is_(False), Assignment.actor.not_in(_clients_people(session)))
    query = (
        select(
            Assignment.client_id, month, _count(Assignment.is_automatic.is_(True)),
            _count(and_(Assignment.is_automatic, by_person)), _count(by_hand), _count(and_(by_hand, Assignment.rank == 1)),
            _count(and_(by_hand, Assignment.rank.is_not(None))),
        )
        .where(Assignment.client_id.in_(clients), Assignment.created_at >= _midnight(starts[-1]))
        .group_by(Assignment.client_id, month)
    )  # fmt: skip
    months: defaultdict[str, Tally] = defaultdict(Tally)
    of_clients: defaultdict[str, Tally] = defaultdict(Tally)
    for client_id, start, *counts in session.execute(query):
        months[start] += Tally(*counts)
        of_clients[client_id] += Tally(*counts)
    return Quality(
        sum(months.values(), Tally()),
        [(start, months[start.isoformat()]) for start in starts if start.isoformat() in months],
        [(client, of_clients[client.id]) for client in clients.values() if client.id in of_clients],
    )


def caution(session: Session, client_id: str, *, now: datetime) -> int:
    """Automatic assignments of this client undone by people lately, at most three: by so much more the machine must lead."""
    undone = select(func.count(func.distinct(Assignment.decision_id))).where(
        Assignment.client_id == client_id, Assignment.is_automatic, Assignment.withdrawn_at >= now - RECENT,
        or_(Assignment.withdrawn_by.is_(None), ~Assignment.withdrawn_by.startswith("system:")),
    )  # fmt: skip
    return min(MOST_CAUTION, session.scalar(undone) or 0)


def _clients_people(session: Session) -> list[str]:
    """Whose assignments are uploads onto a line: the machine proposed nothing. (Actors are texts: they may be jobs.)."""
    return list(session.scalars(select(User.id).where(User.role == Role.CLIENT.value)))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(func.distinct(case((condition, Assignment.decision_id))))


def _starts(today: date) -> list[date]:
    """First days of this month and the eleven before it, newest first."""
    numbers = (today.year * 12 + today.month - 1 - n for n in range(MONTHS))
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=BERLIN)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
