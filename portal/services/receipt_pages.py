"""What the receipts pages show, put together from rows the actor may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.receipt_state import Shown
from portal.models import Assignment, AuditEvent, BankAccount, Client, Receipt, Transaction
from portal.services import finding, highlighting, listing, naming, reviewing
from portal.services.finding import Actor
from portal.services.highlighting import Highlight
from portal.services.listing import ConnectionCard, Filters, Page, ReceiptRow
from portal.services.reviewing import Papers


@dataclass(frozen=True, slots=True)
class ReceiptsPage:
    """The list, its counts, and the connections it depends on (of the one client shown)."""

    clients: Sequence[Client]
    page: Page[ReceiptRow]
    counts: dict[str, int]
    cards: Sequence[ConnectionCard]


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """One receipt."""

    receipt: Receipt
    client: Client
    shown: Shown
    papers: Papers
    highlights: Sequence[Highlight]
    assigned: Sequence[tuple[Assignment, Transaction, BankAccount]]
    history: Sequence[tuple[AuditEvent, str]]  #: with the name of who did it


def index(session: Session, actor: Actor, filters: Filters, *, now: datetime) -> ReceiptsPage:
    """The receipts list."""
    clients = finding.clients(session, actor)
    shown = [client for client in clients if filters.client_id in {"", client.id}]
    cards = listing.connection_cards(session, shown, now=now, has_contents=False) if len(shown) == 1 else []
    counts = listing.counts(session, actor, filters.client_id)
    return ReceiptsPage(clients, listing.receipts(session, actor, filters), counts, cards)


def one(session: Session, actor: Actor, receipt_id: str) -> ReceiptPage:
    """A receipt's own page."""
    receipt = finding.receipt(session, actor, receipt_id)
    papers = reviewing.papers_of(session, receipt)
    decided = session.execute(
        select(Assignment, Transaction, BankAccount)
        .join(Transaction, Transaction.id == Assignment.transaction_id)
        .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
        .where(Assignment.receipt_id == receipt.id)
    ).all()
    about = [f"receipt:{receipt.id}", *(f"document:{document.id}" for document in papers.documents)]
    about += {f"assignment:{assignment.decision_id}" for assignment, _, _ in decided}
    events = select(AuditEvent).where(AuditEvent.client_id == receipt.client_id, AuditEvent.subject.in_(about))
    history = list(session.scalars(events.order_by(AuditEvent.sequence)))
    standing = [(row[0], row[1], row[2]) for row in decided if row[0].withdrawn_at is None]
    people = naming.names(session, (event.actor for event in history))
    return ReceiptPage(
        receipt, session.get_one(Client, receipt.client_id), listing.show_one(session, receipt), papers,
        highlighting.highlights(receipt, papers.preview), standing,
        [(event, people[event.actor]) for event in history],
    )  # fmt: skip
