"""Saved views: queues of the desk that a person comes back to, each under a name of his own. Nobody else sees them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.matching import ReviewReason
from portal.errors import NotFound, Rejected
from portal.models import SavedView
from portal.services import finding
from portal.services.auditing import INSTALLATION, Tag, queue_up, record
from portal.services.finding import Actor
from portal.services.people import staffing
from portal.services.people.staffing import Colleague
from portal.services.review import queueing
from portal.services.review.queueing import Filters

LONGEST = 60  #: characters of a name
MOST = 20  #: views of one person
OWN = select(SavedView).where(SavedView.user_id == bindparam("user"))

Lost = Literal["", "client", "colleague"]


@dataclass(frozen=True, slots=True)
class View:
    """A saved view as the desk offers it."""

    id: str
    name: str
    asked: dict[str, str]  #: what its address says, as `Filters.asked`
    lost: Lost  #: what it asks for and the person cannot see any more: then it opens nothing


Row = tuple[str, str, dict[str, str]]  #: id, name and query


def beside(row: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """A statement of one row, told with each view of the `actor` (once without, if there is none): one statement less."""
    told = row.subquery()
    own = SavedView.user_id == bindparam("actor")
    return select(*told.c, SavedView.id, SavedView.name, SavedView.query).select_from(told).outerjoin(SavedView, own)


def views(rows: Iterable[Row], clients: Container[str], people: Sequence[Colleague]) -> list[View]:
    """By name. `rows`: of the actor's own; `clients`: ids that he sees; `people`: who of the firm looks after them."""
    found = [View(known, name, query, _lost(query, clients, people)) for known, name, query in rows]
    return sorted(found, key=lambda view: (view.name.casefold(), view.name))


def save(session: Session, actor: Actor, *, name: str, filters: Filters, now: datetime) -> SavedView:
    """Name this queue.

    Errors: Rejected for an empty, too long or used name, one view too many, or a queue that asks for nothing; NotFound where
    the filters name a reason, a client or a colleague that the actor does not know.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST:
        raise Rejected("Give the view a name of 60 characters at most.")
    if not filters.asked:
        raise Rejected("Choose a filter or an order first: that is what a view keeps.")
    clients = finding.client_names(session, actor)
    people = staffing.around(session, actor, clients)
    if filters.reason not in {"", *ReviewReason} or _lost(filters.asked, clients, people):
        raise NotFound
    queue_up(session, INSTALLATION)  # who presses twice, or in two windows, is one after the other
    own = session.scalars(OWN, {"user": actor.user_id}).all()
    if name.casefold() in {view.name.casefold() for view in own}:
        raise Rejected("You already have a view of this name.")
    if len(own) >= MOST:
        raise Rejected("You have 20 views, more are not kept. Delete one first.")
    view = SavedView(id=new_id(), user_id=actor.user_id, name=name, query=filters.asked, created_at=now)
    session.add(view)
    session.flush()
    record(session, Tag.VIEW_SAVED, subject=f"view:{view.id}", at=now)
    return view


def delete(session: Session, actor: Actor, view_id: str, *, now: datetime) -> str:
    """Forget one of the actor's own views; its name. Errors: NotFound."""
    queue_up(session, INSTALLATION)
    view = session.scalar(OWN.where(SavedView.id == view_id), {"user": actor.user_id})
    if view is None:
        raise NotFound
    session.delete(view)
    record(session, Tag.VIEW_DELETED, subject=f"view:{view.id}", at=now)
    return view.name


def _lost(asked: Mapping[str, str], clients: Container[str], people: Sequence[Colleague]) -> Lost:
    client, who = asked.get("client"), asked.get("who")
    if client and client not in clients:
        return "client"
    if who and who not in {queueing.MINE, queueing.NOBODYS, *(one.id for one in people)}:
        return "colleague"
    return ""
