"""What the pages of conversations show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from portal.models import Client, Receipt, Role, Transaction
from portal.services import finding
from portal.services.finding import Actor
from portal.services.messages import messaging
from portal.services.messages.messaging import Written


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """A conversation. `about`, `asked_for`: the receipt or the transaction that the next message is about."""

    client: Client
    clients: Sequence[Client]
    written: Sequence[Written]
    about: Receipt | None
    asked_for: Transaction | None
    is_unread: bool


def conversation(
    session: Session, actor: Actor, client_id: str, *, receipt_id: str, transaction_id: str = ""
) -> ConversationPage:  # fmt: skip
    """The conversation of a client with the firm. Errors: NotFound for a foreign client, receipt or transaction."""
    client = finding.client(session, actor, client_id)
    written = messaging.conversation(session, actor, client.id)
    clients = list(session.scalars(finding.visible_clients(actor))) if actor.role is Role.CLIENT else []
    about = finding.receipt(session, actor, receipt_id) if receipt_id else None
    asked_for = finding.transaction(session, actor, transaction_id) if transaction_id else None
    is_theirs = actor.role is not Role.CLIENT
    is_unread = any(one.message.read_at is None and one.message.is_from_client is is_theirs for one in written)
    return ConversationPage(client, clients, written, about, asked_for, is_unread)
