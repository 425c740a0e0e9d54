"""Who of the firm looks after which client, and which of them has a receipt open at the desk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select, true
from sqlalchemy.orm import Session

from portal.errors import NotFound
from portal.models import Membership, Presence, Receipt, Role, User
from portal.models.user import initials_of
from portal.services.finding import Actor


def _is_here(client: ColumnElement[bool]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """How a user is joined with his memberships, and which of the rows count: an admin's, and those of assigned staff."""
    joined = and_(Membership.user_id == User.id, Membership.kind == "staff", client)
    is_assigned = or_(User.role == Role.ADMIN.value, Membership.id.is_not(None))
    return joined, and_(User.is_active, User.role.in_((Role.ADMIN.value, Role.STAFF.value)), is_assigned)


_joined, _counts = _is_here(Membership.client_id == Receipt.client_id)
#: Whether somebody is to look at a receipt. Who lost his membership, left, or became a client meanwhile is nobody.
IS_ASKED = select(User.id).outerjoin(Membership, _joined).where(User.id == Receipt.asked_id, _counts).correlate(Receipt).exists()
ALL = None  #: in place of ids: every client, without a word about each of them


def _colleagues(client: ColumnElement[bool]) -> Select[str, str, str, str, datetime]:
    joined, counts = _is_here(client)
    return (
        select(User.id, User.name, User.role, Membership.client_id, Presence.seen_at)
        .outerjoin(Membership, joined)
        .outerjoin(Presence, and_(Presence.user_id == User.id, Presence.receipt_id == bindparam("receipt")))
        .where(counts)
        .order_by(User.name, User.id)
    )


COLLEAGUES, COLLEAGUES_OF_CLIENTS = (
    _colleagues(true()),
    _colleagues(Membership.client_id.in_(bindparam("clients", expanding=True))),
)


@dataclass(frozen=True, slots=True)
class Colleague:
    """An active person of the firm."""

    id: str
    name: str
    clients: frozenset[str] | None  #: whom he looks after, of those that were asked about; None: an admin, all of them
    seen_at: datetime | None  #: when he looked last at the receipt that was asked about

    @property
    def initials(self) -> str:
        """For his badge in the queue."""
        return initials_of(self.name)

    def may_see(self, client_id: str) -> bool:
        """Whether he looks after this client."""
        return self.clients is None or client_id in self.clients


def colleagues(session: Session, client_ids: Sequence[str] | None, *, receipt_id: str | None = None) -> list[Colleague]:
    """Who looks after at least one of these clients (ALL: of the firm's), by name."""
    if client_ids is ALL:
        rows = session.execute(COLLEAGUES, {"receipt": receipt_id}).all()
    elif client_ids:
        rows = session.execute(COLLEAGUES_OF_CLIENTS, {"clients": list(client_ids), "receipt": receipt_id}).all()
    else:
        return []
    clients: dict[str, set[str]] = {}
    for user_id, _, _, client_id, _ in rows:
        clients.setdefault(user_id, set()).add(client_id)
    people = {user_id: (name, role, seen_at) for user_id, name, role, _, seen_at in rows}
    return [
        Colleague(user_id, name, None if role == Role.ADMIN else frozenset(clients[user_id]), seen_at)
        for user_id, (name, role, seen_at) in people.items()
    ]


def around(session: Session, actor: Actor, clients: Collection[str], *, receipt_id: str | None = None) -> list[Colleague]:
    """Who looks after the clients that the actor sees (their ids), by name; an admin asks for all without naming them."""
    seen = ALL if clients and actor.role is Role.ADMIN else list(clients)
    return colleagues(session, seen, receipt_id=receipt_id)


def colleague(session: Session, client_id: str, user_id: str) -> Colleague:
    """Somebody who looks after this client; NotFound for any other text."""
    found = next((one for one in colleagues(session, [client_id]) if one.id == user_id), None)
    if found is None:
        raise NotFound
    return found
