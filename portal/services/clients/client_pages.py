"""What a client's page shows to the firm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.tax_years import Scope
from portal.models import Client, Engagement, Membership, PaymentRules, User
from portal.services import finding
from portal.services.clients import engaging, listing
from portal.services.clients.listing import AccountRow, ConnectionCard
from portal.services.finding import Actor
from portal.services.payments import paying
from portal.services.people import admitting


@dataclass(frozen=True, slots=True)
class ClientPage:
    """One client."""

    client: Client
    scope: Scope
    engagements: Sequence[Engagement]
    cards: Sequence[ConnectionCard]
    accounts: Sequence[AccountRow]
    counts: dict[str, int]
    people: Sequence[tuple[Membership, User]]
    rules: PaymentRules | None  #: None: payments were never switched on
    has_payments: bool  #: they are on, or something was ordered before they were switched off


def one(session: Session, actor: Actor, client_id: str, *, now: datetime) -> ClientPage:
    """A client's page."""
    client = finding.client(session, actor, client_id)
    commissioned = engaging.engagements(session, client.id)
    return ClientPage(
        client, engaging.scope_over(commissioned), commissioned,
        listing.connection_cards(session, [client], now=now, has_contents=False), listing.accounts(session, client.id)[0],
        listing.counts(session, actor, client.id), admitting.people(session, client.id),
        paying.rules(session, client.id), finding.has_payments(session, client.id),
    )  # fmt: skip
