"""What a client's page shows to the firm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.tax_years import Scope
from portal.models import Client, Engagement
from portal.services import engaging, finding, listing
from portal.services.finding import Actor
from portal.services.listing import AccountRow, ConnectionCard


@dataclass(frozen=True, slots=True)
class ClientPage:
    """One client."""

    client: Client
    scope: Scope
    engagements: Sequence[Engagement]
    cards: Sequence[ConnectionCard]
    accounts: Sequence[AccountRow]
    counts: dict[str, int]


def one(session: Session, actor: Actor, client_id: str, *, now: datetime) -> ClientPage:
    """A client's page."""
    client = finding.client(session, actor, client_id)
    return ClientPage(
        client, engaging.scope(session, client.id), engaging.engagements(session, client.id),
        listing.connection_cards(session, [client], now=now), listing.accounts(session, client.id),
        listing.counts(session, actor, client.id),
    )  # fmt: skip
