"""What the help page shows: the same answers for all, with each client's own dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.models import Client, Role
from portal.services import finding
from portal.services.clients import engaging, listing, welcoming
from portal.services.finding import Actor

UPDATED_ON = date(2026, 11, 27)  #: when the answers were last looked at


@dataclass(frozen=True, slots=True)
class Own:
    """A client's own dates."""

    client: Client
    start_on: date | None
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class HelpPage:
    """`votes`: the person's own; `tally`: everybody's, for admins only."""

    own: Sequence[Own]
    votes: dict[str, bool]
    tally: dict[str, tuple[int, int]]
    updated_on: date = UPDATED_ON


def index(session: Session, actor: Actor, *, now: datetime) -> HelpPage:
    """The page for this person."""
    clients = list(session.scalars(finding.visible_clients(actor).order_by(Client.name))) if actor.role is Role.CLIENT else []
    scopes = engaging.scopes(session, [client.id for client in clients])
    cards = listing.connection_cards(session, clients, now=now)
    next_runs = {card.client.id: card.next_run_at for card in cards if card.kind == "documents"}
    own = [Own(client, scopes[client.id].start_on, next_runs.get(client.id)) for client in clients]
    tally = welcoming.tally(session) if actor.role is Role.ADMIN else {}
    return HelpPage(own, welcoming.votes_of(session, actor.user_id), tally)
