"""The review desk: what needs a person, with the receipt, its candidates and what was decided lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.errors import NotFound
from portal.models import Receipt
from portal.services import finding
from portal.services.documents import documenting, highlighting
from portal.services.documents.documenting import Papers
from portal.services.documents.highlighting import Highlight
from portal.services.finding import Actor
from portal.services.people import staffing
from portal.services.people.staffing import Colleague
from portal.services.review import looking_back, looking_on, noting, proposing, queueing, resting, saving, searching
from portal.services.review.looking_back import Done
from portal.services.review.noting import Notes
from portal.services.review.proposing import CandidateCard
from portal.services.review.queueing import Counts, Filters, Queue, QueueRow
from portal.services.review.resting import Rest
from portal.services.review.saving import View


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything the review page shows."""

    filters: Filters
    clients: Mapping[str, str]  #: names by id, in their order
    queue: Queue
    total: int
    is_more: bool  #: than the total: so far it was counted
    oldest_at: datetime | None
    done_today: int
    counts: Counts
    receipt: Receipt | None
    papers: Papers
    highlights: Sequence[Highlight]
    cards: Sequence[CandidateCard]
    last_done: Done | None  #: the newest decision of the actor that still stands
    to_check: int  #: clients' own assignments that wait for a look
    search: searching.Search | None
    next_document_id: str | None  #: whose first page will be looked at next
    today: date  #: in Berlin
    people: Sequence[Colleague]  #: who of the firm looks after the clients that the actor sees, by name
    notes: Notes  #: of the receipt
    others: Sequence[Colleague]  #: who else looks at it right now
    is_look_due: bool  #: that the actor looks at it is to be noted
    views: Sequence[View]  #: the actor's saved ones
    rest: Rest | None  #: why nothing is to review, where the filters leave nothing out but other clients

    @property
    def view(self) -> View | None:
        """The saved view that the filters are."""
        return next((one for one in self.views if one.asked == self.filters.asked), None)

    @property
    def is_put_off(self) -> bool:
        """Whether the receipt stands in the queue on a later day."""
        return bool(self.receipt and self.receipt.put_off_until and self.receipt.put_off_until > self.today)

    @property
    def team(self) -> list[Colleague]:
        """Who can be asked about the receipt."""
        return [one for one in self.people if self.receipt and one.may_see(self.receipt.client_id)]

    def asked(self, about: Receipt | QueueRow) -> Colleague | None:
        """Who is to look at this receipt; who may not see it any more is nobody."""
        return next((one for one in self.people if one.id == about.asked_id and one.may_see(about.client_id)), None)

    @property
    def asker(self) -> Colleague | None:
        """Who has asked about the receipt, if he is still there."""
        return next((one for one in self.people if self.receipt and one.id == self.receipt.asked_by), None)

    @property
    def onward(self) -> QueueRow | None:
        """The receipt that one goes on with after a decision: the next one, at the end the one before."""
        return self.queue.following or self.queue.previous

    @property
    def equal_count(self) -> int:
        """How many proposals are worth exactly the same as the first; 1 means that none competes with it."""
        return sum(card.seen_cents == self.cards[0].seen_cents for card in self.cards)


def desk(session: Session, actor: Actor, filters: Filters, *, now: datetime) -> Desk:
    """The queue and its current receipt. Statements do not grow with the length of either.

    Errors: NotFound where the filters name a client, a receipt or a colleague that the actor does not know.
    """
    clients = finding.client_names(session, actor)
    shown = {one: name for one, name in clients.items() if one == filters.client_id} if filters.client_id else clients
    is_known = filters.who in {"", queueing.MINE, queueing.NOBODYS} or finding.is_id(filters.who)
    if not is_known or (filters.client_id and not shown):
        raise NotFound
    extra, today = queueing.narrowed(filters, actor.user_id, now), berlin_day(now)
    counts = queueing.counts(session, actor, shown, filters, extra, today)
    wanted = [filters.reason] if filters.reason else list(counts.reasons)
    receipt = finding.receipt(session, actor, filters.receipt_id) if filters.receipt_id else None
    queue = queueing.queue_of(session, actor, shown, filters, receipt.id if receipt else "", extra, today)
    if receipt is None and queue.rows:
        receipt = session.get_one(Receipt, queue.rows[0].id)
    people = staffing.around(session, actor, clients, receipt_id=receipt.id if receipt else None)
    if finding.is_id(filters.who) and filters.who not in {one.id for one in people}:
        raise NotFound
    is_open = receipt is not None and receipt.state == "in_review"
    are_all = queueing.is_everyones(actor, filters)
    done_today, to_check, own_views = looking_back.counts(session, actor, None if are_all else list(shown), now=now)
    files = documenting.files_of(session, *(one.id for one in (receipt, queue.following) if one))
    papers = documenting.papers_from(receipt, files[receipt.id]) if receipt else documenting.NO_PAPERS
    return Desk(
        filters=filters, clients=clients, queue=queue, today=today, counts=counts,
        total=counts.put_off if filters.is_later else sum(counts.reasons.get(reason, 0) for reason in wanted),
        is_more=bool(counts.full if filters.is_later or not filters.reason else counts.full & {filters.reason}),
        oldest_at=min((counts.oldest[reason] for reason in wanted if reason in counts.oldest), default=None),
        done_today=done_today, to_check=to_check, receipt=receipt, papers=papers,
        highlights=highlighting.highlights(receipt, papers.preview) if receipt else (),
        cards=proposing.cards(session, receipt) if receipt and is_open and filters.search is None else [],
        last_done=looking_back.last_done(session, actor, since=now - looking_back.UNDO_LIFE),
        search=searching.search(session, receipt, filters.search, filters.lines)
        if receipt and is_open and filters.search is not None else None,
        next_document_id=documenting.first_seen(files[queue.following.id]) if queue.following else None,
        people=people, notes=noting.notes(session, receipt.id) if receipt else Notes(),
        others=looking_on.others(people, actor, now=now) if is_open else (),
        is_look_due=is_open and looking_on.is_due(people, actor, now=now),
        views=saving.views(own_views, clients, people),
        rest=resting.rest(session, list(shown), are_all=are_all, now=now)
        if shown and receipt is None and (filters.is_only_client or not filters.is_narrow) else None,
    )  # fmt: skip
