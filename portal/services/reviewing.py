"""The review desk: what needs a person, with the receipt, its candidates and what was decided lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import Session

from portal.clock import BERLIN
from portal.domain.references import RemittanceText, parse_reference
from portal.models import (
    Assignment,
    AuditEvent,
    BankAccount,
    Candidate,
    Client,
    Document,
    Preview,
    Receipt,
    Transaction,
)
from portal.services import finding, highlighting, listing, naming
from portal.services.auditing import Tag
from portal.services.finding import Actor
from portal.services.highlighting import Highlight

QUEUE_SIZE = 50
UNDO_LIFE = timedelta(days=14)  #: how far back "recently done" reaches


@dataclass(frozen=True, slots=True)
class Filters:
    """What the desk's address may ask for."""

    client_id: str = ""
    reason: str = ""
    sort: str = "ready"  #: ready (what can be decided, the surest first), oldest, newest, amount
    receipt_id: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A transaction as a candidate card shows it."""

    transaction: Transaction
    account: BankAccount
    amount_cents: int
    marks: tuple[tuple[int, int], ...]  #: spans of the remittance text that hold the receipt's number
    used_by: str | None  #: label of another receipt this transaction is assigned to

    @property
    def seen_cents(self) -> int:
        """Signed as the account feels it; the whole transaction where nothing of it is left to assign."""
        cents = self.amount_cents or self.transaction.amount_cents
        return cents if self.transaction.side == "credit" else -cents


@dataclass(frozen=True, slots=True)
class CandidateCard:
    """A proposal with what speaks for and against it."""

    candidate: Candidate
    lines: tuple[Line, ...]

    @property
    def value(self) -> str:
        """What the Assign form sends."""
        return self.candidate.id

    @property
    def seen_cents(self) -> int:
        """What the transactions are worth together."""
        return sum(line.seen_cents for line in self.lines)

    @property
    def is_open(self) -> bool:
        """Whether it can be assigned: every transaction has something left."""
        return all(line.amount_cents for line in self.lines)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything the review page shows."""

    filters: Filters
    clients: Sequence[Client]
    queue: Sequence[tuple[Receipt, Client]]
    total: int
    oldest_at: datetime | None
    done_today: int
    reasons: dict[str, int]
    receipt: Receipt | None
    client: Client | None
    position: int
    documents: Sequence[Document]
    preview: Preview | None
    highlights: Sequence[Highlight]
    cards: Sequence[CandidateCard]
    last_done: Done | None  #: the newest decision of the actor that still stands

    @property
    def following(self) -> Receipt | None:
        """The receipt that one goes on with: the next of the queue, at its end the one before."""
        if self.position == 0:
            return self.queue[0][0] if self.queue else None
        return self.queue[self.position][0] if self.position < len(self.queue) else self.previous

    @property
    def previous(self) -> Receipt | None:
        """The receipt before the current one."""
        return self.queue[self.position - 2][0] if self.position > 1 else None

    @property
    def equal_count(self) -> int:
        """How many proposals are worth exactly the same as the first; 1 means that none competes with it."""
        return sum(card.seen_cents == self.cards[0].seen_cents for card in self.cards)


@dataclass(frozen=True, slots=True)
class Done:
    """A decision a person made lately, with its undo while it stands."""

    event: AuditEvent
    receipt: Receipt
    client: Client
    transactions: Sequence[Transaction]  #: of a standing assignment
    is_standing: bool
    actor_name: str

    @property
    def is_set_aside(self) -> bool:
        """Set aside, else assigned."""
        return self.event.tag == Tag.RECEIPT_SET_ASIDE.text


def desk(session: Session, actor: Actor, filters: Filters, *, now: datetime) -> Desk:
    """The queue and its current receipt. Statements do not grow with the length of either."""
    clients = list(session.scalars(finding.visible_clients(actor).order_by(Client.name)))
    ids = [client.id for client in clients if filters.client_id in {"", client.id}]
    by_reason = {
        (reason or ""): (count, oldest)
        for reason, count, oldest in session.execute(
            select(Receipt.review_reason, func.count(), func.min(Receipt.in_review_since))
            .where(Receipt.client_id.in_(ids), Receipt.state == "in_review")
            .group_by(Receipt.review_reason)
        )
    }
    wanted = [value for reason, value in by_reason.items() if filters.reason in {"", reason}]
    query = _queue(ids, filters)
    queue = [(receipt, client) for receipt, client in session.execute(query.limit(QUEUE_SIZE))]
    receipt, client, position = _current(session, actor, filters, queue)
    documents = listing.documents(session, receipt.id) if receipt else []
    preview = preview_of(session, documents)
    return Desk(
        filters=filters, clients=clients, queue=queue, total=sum(count for count, _ in wanted),
        oldest_at=min((oldest for _, oldest in wanted if oldest), default=None),
        done_today=_done_count(session, ids, since=now.astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)),
        reasons={reason: count for reason, (count, _) in by_reason.items() if reason}, receipt=receipt, client=client,
        position=position, documents=documents, preview=preview,
        highlights=highlighting.highlights(receipt, preview) if receipt else (),
        cards=cards(session, receipt) if receipt and receipt.state == "in_review" else [],
        last_done=_last_done(session, actor, since=now - UNDO_LIFE),
    )  # fmt: skip


def _queue(client_ids: list[str], filters: Filters) -> Select[Receipt, Client]:
    query = (
        select(Receipt, Client)
        .join(Client, Client.id == Receipt.client_id)
        .where(Receipt.client_id.in_(client_ids), Receipt.state == "in_review")
    )
    if filters.reason:
        query = query.where(Receipt.review_reason == filters.reason)
    is_waiting = case((Receipt.review_reason == "no_transaction_yet", 1), else_=0)  # nothing can be decided there yet
    surest = Receipt.best_score.desc().nulls_last()
    order = {
        "newest": (Receipt.in_review_since.desc(), Receipt.sequence.desc()),
        "amount": (func.abs(Receipt.amount_cents).desc().nulls_last(), Receipt.sequence),
        "oldest": (Receipt.in_review_since, Receipt.sequence),
    }.get(filters.sort, (is_waiting, surest, Receipt.in_review_since, Receipt.sequence))
    return query.order_by(*order, Receipt.id)


def _current(
    session: Session, actor: Actor, filters: Filters, queue: Sequence[tuple[Receipt, Client]]
) -> tuple[Receipt | None, Client | None, int]:
    """The receipt that the address names, else the first of the queue; 0 as position: not in the shown queue."""
    for number, (receipt, client) in enumerate(queue, start=1):
        if filters.receipt_id in {"", receipt.id}:
            return receipt, client, number
    if not filters.receipt_id:
        return None, None, 0
    receipt = finding.receipt(session, actor, filters.receipt_id)
    return receipt, session.get_one(Client, receipt.client_id), 0


def cards(session: Session, receipt: Receipt) -> list[CandidateCard]:
    """The receipt's candidates, best first, each with its transactions."""
    candidates = list(session.scalars(select(Candidate).where(Candidate.receipt_id == receipt.id).order_by(Candidate.rank)))
    wanted = {part["transaction"] for candidate in candidates for part in candidate.allocations}
    found: dict[str, tuple[Transaction, BankAccount]] = {}
    users: dict[str, str] = {}
    standing = and_(Assignment.transaction_id == Transaction.id, Assignment.withdrawn_at.is_(None))
    query = (
        select(Transaction, BankAccount, Receipt.sequence)
        .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
        .outerjoin(Assignment, standing)
        .outerjoin(Receipt, Receipt.id == Assignment.receipt_id)
        .where(Transaction.id.in_(wanted), Transaction.client_id == receipt.client_id)
    )
    for transaction, account, user in session.execute(query):
        found[transaction.id] = (transaction, account)
        if user is not None:
            users[transaction.id] = f"R-{user}"
    return [
        CandidateCard(
            candidate,
            tuple(
                Line(
                    *found[part["transaction"]], part["amount_cents"],
                    _marks(receipt, found[part["transaction"]][0]), users.get(part["transaction"]),
                )
                for part in candidate.allocations
            ),
        )
        for candidate in candidates
        if all(part["transaction"] in found for part in candidate.allocations)
    ]  # fmt: skip


def _marks(receipt: Receipt, transaction: Transaction) -> tuple[tuple[int, int], ...]:
    reference = parse_reference(receipt.number)
    if reference is None or not transaction.remittance:
        return ()
    return tuple((hit.start, hit.end) for hit in RemittanceText(transaction.remittance).find(reference))


def preview_of(session: Session, documents: Sequence[Document]) -> Preview | None:
    """The preview of what a person looks at first."""
    if not documents:
        return None
    shown = documents[0]
    return session.scalar(select(Preview).where(Preview.client_id == shown.client_id, Preview.sha256 == shown.sha256))


def done(session: Session, actor: Actor, *, limit: int = 30, since: datetime | None = None, is_own: bool = False) -> list[Done]:
    """Decisions of people, newest first; `is_own`: only the actor's. Undone ones stay listed, they happened."""
    query = (
        select(AuditEvent)
        .where(
            AuditEvent.client_id.in_(finding.visible_clients(actor).with_only_columns(Client.id)),
            AuditEvent.tag.in_((Tag.ASSIGNMENT_MADE.text, Tag.RECEIPT_SET_ASIDE.text)),
            AuditEvent.actor == actor.user_id if is_own else AuditEvent.actor.not_like("system:%"),
        )
        .order_by(AuditEvent.at.desc(), AuditEvent.sequence.desc())
        .limit(limit)
    )  # fmt: skip
    events = {event: _receipt_of(event) for event in session.scalars(query.where(AuditEvent.at >= since) if since else query)}
    if not events:
        return []
    receipts = {
        receipt.id: (receipt, client)
        for receipt, client in session.execute(
            select(Receipt, Client).join(Client, Client.id == Receipt.client_id).where(Receipt.id.in_(set(events.values())))
        )
    }
    assigned: dict[str, list[Transaction]] = {}
    standing = (
        select(Assignment.decision_id, Transaction)
        .join(Transaction, Transaction.id == Assignment.transaction_id)
        .where(Assignment.receipt_id.in_(receipts), Assignment.withdrawn_at.is_(None))
        .order_by(Transaction.booked_on)
    )
    for decision_id, transaction in session.execute(standing):
        assigned.setdefault(f"assignment:{decision_id}", []).append(transaction)
    people = {actor.user_id: ""} if is_own else naming.names(session, (event.actor for event in events))
    rows, settled = [], set()
    for event, receipt_id in events.items():
        receipt, client = receipts[receipt_id]
        is_set_aside = event.tag == Tag.RECEIPT_SET_ASIDE.text and receipt.state == "set_aside" and receipt_id not in settled
        settled.add(receipt_id)  # of several decisions about a receipt only the newest can stand
        transactions = assigned.get(event.subject, [])
        rows.append(Done(event, receipt, client, transactions, is_set_aside or bool(transactions), people[event.actor]))
    return rows


def _last_done(session: Session, actor: Actor, *, since: datetime) -> Done | None:
    return next((row for row in done(session, actor, limit=5, since=since, is_own=True) if row.is_standing), None)


def _receipt_of(event: AuditEvent) -> str:
    return str(event.details.get("receipt") or event.subject.removeprefix("receipt:"))


def _done_count(session: Session, client_ids: Sequence[str], *, since: datetime) -> int:
    """Receipts that people assigned or set aside since, and that still are."""
    assigned = select(func.count(func.distinct(Assignment.receipt_id))).where(
        Assignment.client_id.in_(client_ids), Assignment.is_automatic.is_(False), Assignment.withdrawn_at.is_(None),
        Assignment.created_at >= since,
    )  # fmt: skip
    aside = select(func.count(Receipt.id)).where(
        Receipt.client_id.in_(client_ids), Receipt.state == "set_aside", Receipt.updated_at >= since
    )
    return session.scalar(select(assigned.scalar_subquery() + aside.scalar_subquery())) or 0
