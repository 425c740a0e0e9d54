"""The review desk: what needs a person, with the receipt, its candidates and what was decided lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.models import Client, Receipt, Role
from portal.services import documenting, finding, highlighting, looking_back, proposing, queueing, searching
from portal.services.documenting import Papers
from portal.services.finding import Actor
from portal.services.highlighting import Highlight
from portal.services.looking_back import Done
from portal.services.proposing import CandidateCard
from portal.services.queueing import Filters, Queue, QueueRow


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything the review page shows."""

    filters: Filters
    clients: Sequence[Client]
    queue: Queue
    total: int
    oldest_at: datetime | None
    done_today: int
    reasons: dict[str, int]
    put_off: int  #: how many come back on a later day
    receipt: Receipt | None
    client: Client | None
    papers: Papers
    highlights: Sequence[Highlight]
    cards: Sequence[CandidateCard]
    last_done: Done | None  #: the newest decision of the actor that still stands
    to_check: int  #: clients' own assignments that wait for a look
    search: searching.Search | None
    next_document_id: str | None  #: whose first page will be looked at next
    today: date  #: in Berlin

    @property
    def is_put_off(self) -> bool:
        """Whether the receipt stands in the queue on a later day."""
        return bool(self.receipt and self.receipt.put_off_until and self.receipt.put_off_until > self.today)

    @property
    def onward(self) -> QueueRow | None:
        """The receipt that one goes on with after a decision: the next one, at the end the one before."""
        return self.queue.following or self.queue.previous

    @property
    def equal_count(self) -> int:
        """How many proposals are worth exactly the same as the first; 1 means that none competes with it."""
        return sum(card.seen_cents == self.cards[0].seen_cents for card in self.cards)


def desk(session: Session, actor: Actor, filters: Filters, *, now: datetime) -> Desk:
    """The queue and its current receipt. Statements do not grow with the length of either."""
    clients = finding.clients(session, actor)
    shown = {client.id: client.name for client in clients if filters.client_id in {"", client.id}}
    is_everyones = actor.role is Role.ADMIN and not filters.client_id
    extra, today = queueing.narrowed(filters, now), berlin_day(now)
    by_reason: dict[str, tuple[int, datetime | None]] = {}
    put_off = 0
    counts = queueing.BY_REASON if is_everyones else queueing.BY_REASON_OF_CLIENTS
    asked = {"clients": [] if is_everyones else list(shown), "today": today}
    for reason, count, later, oldest in session.execute(counts.where(*extra) if extra else counts, asked):
        put_off += later
        if count:
            by_reason[reason or ""] = (count, oldest)
    wanted = [value for reason, value in by_reason.items() if filters.reason in {"", reason}]
    receipt = finding.receipt(session, actor, filters.receipt_id) if filters.receipt_id else None
    queue = queueing.queue_of(session, shown, filters, receipt.id if receipt else "", extra, today, is_everyones=is_everyones)
    if receipt is None and queue.rows:
        receipt = session.get_one(Receipt, queue.rows[0].id)
    files = documenting.files_of(session, *(one.id for one in (receipt, queue.following) if one))
    papers = documenting.papers_from(receipt, files[receipt.id]) if receipt else documenting.NO_PAPERS
    return Desk(
        filters=filters, clients=clients, queue=queue, today=today, put_off=put_off,
        total=put_off if filters.is_later else sum(count for count, _ in wanted),
        oldest_at=min((oldest for _, oldest in wanted if oldest), default=None),
        done_today=looking_back.done_today(session, list(shown), now=now),
        reasons={reason: count for reason, (count, _) in by_reason.items() if reason}, receipt=receipt,
        client=next((client for client in clients if receipt and client.id == receipt.client_id), None), papers=papers,
        highlights=highlighting.highlights(receipt, papers.preview) if receipt else (),
        cards=proposing.cards(session, receipt) if receipt and receipt.state == "in_review" and filters.search is None else [],
        last_done=looking_back.last_done(session, actor, since=now - looking_back.UNDO_LIFE),
        to_check=len(looking_back.to_check(session, actor)),
        search=searching.search(session, receipt, filters.search, filters.lines)
        if receipt and receipt.state == "in_review" and filters.search is not None else None,
        next_document_id=documenting.first_seen(files[queue.following.id]) if queue.following else None,
    )  # fmt: skip
