"""What the receipts pages show, put together from rows the actor may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.receipt_state import Shown
from portal.models import Assignment, AuditEvent, BankAccount, Client, Receipt, Role, Transaction
from portal.services import finding, naming
from portal.services.auditing import Tag
from portal.services.clients import listing
from portal.services.clients.listing import ConnectionCard, Filters, Page, ReceiptRow
from portal.services.documents import documenting, highlighting
from portal.services.documents.documenting import Papers
from portal.services.documents.highlighting import Highlight
from portal.services.finding import Actor
from portal.services.review import noting
from portal.services.review.noting import Notes

#: how the firm shares out its work among itself: no business of the client
AMONG_STAFF = tuple(
    tag.text
    for tag in (
        Tag.RECEIPT_ASKED, Tag.RECEIPT_UNASKED, Tag.RECEIPT_PUT_OFF, Tag.RECEIPT_BROUGHT_BACK,
        Tag.PAIR_DECLINED, Tag.PAIR_RESTORED,
    )
)  # fmt: skip
FEW = 5  #: decisions; fewer say nothing about what is usual


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
    notes: Notes  #: none for a client
    usual_days: int | None  #: that this client's receipts wait for a person, half of them longer; None: too few to say


def index(session: Session, actor: Actor, filters: Filters, *, now: datetime) -> ReceiptsPage:
    """The receipts list."""
    clients = finding.clients(session, actor)
    shown = [client for client in clients if filters.client_id in {"", client.id}]
    cards = listing.connection_cards(session, shown, now=now, has_contents=False) if len(shown) == 1 else []
    counts = listing.counts(session, actor, filters.client_id)
    return ReceiptsPage(clients, listing.receipts(session, actor, filters), counts, cards)


def one(session: Session, actor: Actor, receipt_id: str, *, now: datetime) -> ReceiptPage:
    """A receipt's own page."""
    receipt = finding.receipt(session, actor, receipt_id)
    papers = documenting.papers_of(session, receipt)
    decided = session.execute(
        select(Assignment, Transaction, BankAccount)
        .join(Transaction, Transaction.id == Assignment.transaction_id)
        .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
        .where(Assignment.receipt_id == receipt.id)
        .order_by(Transaction.settled_at, Transaction.id)
    ).all()
    about = [f"receipt:{receipt.id}", *(f"document:{document.id}" for document in papers.documents)]
    about += {f"assignment:{assignment.decision_id}" for assignment, _, _ in decided}
    events = select(AuditEvent).where(AuditEvent.client_id == receipt.client_id, AuditEvent.subject.in_(about))
    is_clients = actor.role is Role.CLIENT
    if is_clients:
        events = events.where(AuditEvent.tag.not_in(AMONG_STAFF))
    history = list(session.scalars(events.order_by(AuditEvent.sequence)))
    standing = [(row[0], row[1], row[2]) for row in decided if row[0].withdrawn_at is None]
    people = naming.names(session, (event.actor for event in history))
    return ReceiptPage(
        receipt, session.get_one(Client, receipt.client_id), listing.show_one(session, receipt), papers,
        highlighting.highlights(receipt, papers.preview), standing,
        [(event, people[event.actor]) for event in history],
        Notes() if is_clients else noting.notes(session, receipt.id, most=noting.MOST),
        _usual_days(session, receipt.client_id, now=now) if receipt.state == "in_review" else None,
    )  # fmt: skip


def _usual_days(session: Session, client_id: str, *, now: datetime) -> int | None:
    """The median time from arrival to a person's decision over three months, in whole days, at least one (S-44)."""
    decided = (
        select(Receipt.created_at, func.min(Assignment.created_at))
        .join(Receipt, Receipt.id == Assignment.receipt_id)
        .where(Assignment.client_id == client_id, Assignment.created_at > now - timedelta(days=90), ~Assignment.is_automatic)
        .group_by(Receipt.id, Receipt.created_at)
        .limit(500)
    )
    waits = [(done - came).total_seconds() for came, done in session.execute(decided)]
    return max(1, ceil(median(waits) / 86400)) if len(waits) >= FEW else None
