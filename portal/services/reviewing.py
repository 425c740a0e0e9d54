"""The review desk: what needs a person, with the receipt, its candidates and what was decided lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, false, func, not_, select
from sqlalchemy.orm import Session

from portal.clock import BERLIN, berlin_day
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
    Role,
    Transaction,
)
from portal.services import e_invoicing, finding, highlighting, naming, searching
from portal.services.auditing import Tag
from portal.services.finding import Actor
from portal.services.highlighting import Highlight

QUEUE_SIZE = 25  #: rows that are shown at once; the window moves along with the receipt that one looks at
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
UNDO_LIFE = timedelta(days=14)  #: how far back "recently done" reaches


# The desk's questions, put together once: for SQLAlchemy that is more work than asking.
OF_CLIENTS = Receipt.client_id.in_(bindparam("clients", expanding=True))
LATER = "later"  #: asked for in place of a reason: what somebody has put off
IS_PUT_OFF = func.coalesce(Receipt.put_off_until > bindparam("today"), false())
BY_REASON = (
    select(
        Receipt.review_reason,
        func.sum(case((IS_PUT_OFF, 0), else_=1)),
        func.sum(case((IS_PUT_OFF, 1), else_=0)),
        func.min(case((not_(IS_PUT_OFF), Receipt.in_review_since))),
    )
    .where(OF_CLIENTS, Receipt.state == "in_review")
    .group_by(Receipt.review_reason)
)
AGES = (3, 7, 30)  #: days in review that a queue can be asked for
QUEUE_COLUMNS = (
    Receipt.id, Receipt.client_id, Receipt.sequence, Receipt.number, Receipt.counterparty, Receipt.amount_cents,
    Receipt.currency, Receipt.issued_on, Receipt.review_reason, Receipt.in_review_since, Receipt.put_off_until,
)  # fmt: skip
CANDIDATES = select(Candidate).where(Candidate.receipt_id == bindparam("receipt")).order_by(Candidate.rank)
TRANSACTIONS = (
    select(Transaction, BankAccount, Receipt.sequence, Assignment.amount_cents)
    .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
    .outerjoin(Assignment, and_(Assignment.transaction_id == Transaction.id, Assignment.withdrawn_at.is_(None)))
    .outerjoin(Receipt, Receipt.id == Assignment.receipt_id)
    .where(
        Transaction.id.in_(bindparam("transactions", expanding=True)),
        Transaction.client_id.in_(bindparam("clients", expanding=True)),
    )
)
BULK_SIZE = 50  #: pairs that one page can assign together
TICKED_FROM = 0.9  #: score from which a pair is ticked before a person looked
SUREST = (
    select(Receipt, Candidate)
    .join(Candidate, and_(Candidate.receipt_id == Receipt.id, Candidate.rank == 1, Candidate.grade.in_(("sure", "likely"))))
    .where(
        OF_CLIENTS, Receipt.state == "in_review", Receipt.document_state == "complete", Receipt.duplicate_of.is_(None),
        Receipt.review_reason.not_in(("several_equal", "source_changed", "manual_unlink", "duplicate_suspected")),
        not_(IS_PUT_OFF),
    )
    .order_by(Candidate.score.desc(), Receipt.id)
    .limit(BULK_SIZE)
)  # fmt: skip
DOCUMENTS = (
    select(Document, Preview)
    .outerjoin(Preview, and_(Preview.client_id == Document.client_id, Preview.sha256 == Document.sha256))
    .where(Document.receipt_id.in_(bindparam("receipts", expanding=True)))
    .order_by(Document.version.desc(), Document.is_preferred_view.desc())
)
DECIDED = (
    select(Receipt, Client, Assignment.decision_id, Transaction)
    .join(Client, Client.id == Receipt.client_id)
    .outerjoin(Assignment, and_(Assignment.receipt_id == Receipt.id, Assignment.withdrawn_at.is_(None)))
    .outerjoin(Transaction, Transaction.id == Assignment.transaction_id)
    .where(Receipt.id.in_(bindparam("receipts", expanding=True)))
    .order_by(Transaction.booked_on)
)
ASSIGNED_SINCE = select(func.count(func.distinct(Assignment.receipt_id))).where(
    Assignment.client_id.in_(bindparam("clients", expanding=True)), Assignment.is_automatic.is_(False),
    Assignment.withdrawn_at.is_(None), Assignment.created_at >= bindparam("since"),
)  # fmt: skip
SET_ASIDE_SINCE = select(func.count(Receipt.id)).where(
    OF_CLIENTS, Receipt.state == "set_aside", Receipt.updated_at >= bindparam("since")
)
DONE_SINCE = select(ASSIGNED_SINCE.scalar_subquery() + SET_ASIDE_SINCE.scalar_subquery())


@dataclass(frozen=True, slots=True)
class Filters:
    """What the desk's address may ask for."""

    client_id: str = ""
    reason: str = ""  #: of review; or `LATER`
    sort: str = "ready"  #: ready (what can be decided, the surest first), oldest, newest, amount
    receipt_id: str = ""
    words: str = ""  #: parts of a name or number, a receipt's number, or an amount
    age: int = 0  #: at least so many days in review; 0: all
    search: str | None = None  #: what transactions are looked for by hand; None: the candidates are shown
    lines: tuple[str, ...] = ()  #: transactions that are chosen for it

    @property
    def is_narrow(self) -> bool:
        """Whether some receipts in review are not shown."""
        return bool(self.client_id or self.reason or self.words or self.age)


@dataclass(frozen=True, slots=True)
class Line:
    """A transaction as a candidate card shows it."""

    transaction: Transaction
    account: BankAccount
    amount_cents: int
    marks: tuple[tuple[int, int], ...]  #: spans of the remittance text that hold the receipt's number
    used_by: str | None  #: label of another receipt this transaction is assigned to
    free_cents: int  #: what of the transaction is not assigned by now

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

    def is_worth(self, receipt: Receipt) -> bool:
        """Whether the amounts are equal to the cent."""
        is_same_currency = {line.transaction.currency for line in self.lines} == {receipt.currency}
        return is_same_currency and abs(self.seen_cents) == abs(receipt.amount_cents or 0)

    @property
    def is_open(self) -> bool:
        """Whether it can be assigned: every transaction still has what it would take. Others may have been faster."""
        return all(line.amount_cents and line.amount_cents <= line.free_cents for line in self.lines)


@dataclass(frozen=True, slots=True)
class Pair:
    """A receipt and the transactions that a person may assign to it together with other pairs."""

    receipt: Receipt
    client: Client
    card: CandidateCard

    @property
    def is_ticked(self) -> bool:
        """Whether it is sure enough to be ticked before a person looked."""
        return self.card.candidate.score >= TICKED_FROM

    @property
    def value(self) -> str:
        """What its checkbox sends: receipt, candidate, and the version that was seen."""
        return f"{self.receipt.id} {self.card.candidate.id} {self.receipt.version}"


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A receipt in review, as far as its row shows it."""

    id: str
    client_id: str
    sequence: int
    number: str | None
    counterparty: str | None
    amount_cents: int | None
    currency: str | None
    issued_on: date | None
    review_reason: str | None
    in_review_since: datetime | None
    put_off_until: date | None
    client_name: str

    @property
    def label(self) -> str:
        """What people call it."""
        return f"R-{self.sequence}"


@dataclass(frozen=True, slots=True)
class Queue:
    """The part of the queue that is shown, with the rows just outside of it, and where in all of it the receipt stands."""

    rows: Sequence[QueueRow]
    first: int  #: place of the first row, from 1
    before: QueueRow | None
    after: QueueRow | None
    position: int  #: of the receipt that one looks at; 0: it is not in the queue

    @property
    def following(self) -> QueueRow | None:
        """The next one; at the end of the queue none."""
        return self._at(self.position + 1) if self.position else next(iter(self.rows), None)

    @property
    def previous(self) -> QueueRow | None:
        """The one before."""
        return self._at(self.position - 1) if self.position else None

    def _at(self, place: int) -> QueueRow | None:
        if place < self.first:
            return self.before
        return self.rows[place - self.first] if place < self.first + len(self.rows) else self.after


@dataclass(frozen=True, slots=True)
class Papers:
    """A receipt's documents, newest version first, within it the readable view first; the picture of the first one."""

    documents: Sequence[Document]
    preview: Preview | None
    e_invoice: e_invoicing.Shown | None


NO_PAPERS = Papers((), None, None)


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
        """Whether that was it."""
        return self.event.tag == Tag.RECEIPT_SET_ASIDE.text

    @property
    def is_put_off(self) -> bool:
        """Whether that was it; else it was assigned."""
        return self.event.tag == Tag.RECEIPT_PUT_OFF.text

    @property
    def undo(self) -> str:
        """What takes it back."""
        return "review.reopen" if self.is_set_aside else "review.bring_back" if self.is_put_off else "review.withdraw"


def desk(session: Session, actor: Actor, filters: Filters, *, now: datetime) -> Desk:
    """The queue and its current receipt. Statements do not grow with the length of either."""
    clients = finding.clients(session, actor)
    ids = [client.id for client in clients if filters.client_id in {"", client.id}]
    extra, today = _narrowed(filters, now), berlin_day(now)
    by_reason: dict[str, tuple[int, datetime | None]] = {}
    put_off = 0
    for reason, count, later, oldest in session.execute(BY_REASON.where(*extra), {"clients": ids, "today": today}):
        put_off += later
        if count:
            by_reason[reason or ""] = (count, oldest)
    wanted = [value for reason, value in by_reason.items() if filters.reason in {"", reason}]
    receipt = finding.receipt(session, actor, filters.receipt_id) if filters.receipt_id else None
    shown = {one.id: one.name for one in clients if one.id in ids}
    queue = _queue(session, shown, filters, receipt.id if receipt else "", extra, today)
    if receipt is None and queue.rows:
        receipt = session.get_one(Receipt, queue.rows[0].id)
    files = _files(session, *(one.id for one in (receipt, queue.following) if one))
    papers = _papers(receipt, files[receipt.id]) if receipt else NO_PAPERS
    return Desk(
        filters=filters, clients=clients, queue=queue, today=today, put_off=put_off,
        total=put_off if filters.reason == LATER else sum(count for count, _ in wanted),
        oldest_at=min((oldest for _, oldest in wanted if oldest), default=None),
        done_today=_done_count(session, ids, since=now.astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)),
        reasons={reason: count for reason, (count, _) in by_reason.items() if reason}, receipt=receipt,
        client=next((client for client in clients if receipt and client.id == receipt.client_id), None), papers=papers,
        highlights=highlighting.highlights(receipt, papers.preview) if receipt else (),
        cards=cards(session, receipt) if receipt and receipt.state == "in_review" and filters.search is None else [],
        last_done=_last_done(session, actor, since=now - UNDO_LIFE),
        to_check=len(to_check(session, actor)),
        search=searching.search(session, receipt, filters.search, filters.lines)
        if receipt and receipt.state == "in_review" and filters.search is not None else None,
        next_document_id=_seen_next(files[queue.following.id]) if queue.following else None,
    )  # fmt: skip


def _narrowed(filters: Filters, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """What a receipt must be like besides its client and reason."""
    words = searching.receipts_meant(filters.words) if filters.words else []
    return (*words, *([Receipt.in_review_since < now - timedelta(days=filters.age)] if filters.age else []))


def _queue(
    session: Session, clients: Mapping[str, str], filters: Filters, here: str, extra: tuple[ColumnElement[bool], ...], today: date
) -> Queue:
    """The first rows; where the receipt `here` stands further back, the rows around it. Without one: the first is looked at."""
    asked = {"clients": list(clients), "reason": filters.reason, "here": here, "today": today}
    is_later = filters.reason == LATER
    kind = (LATER if is_later else filters.sort, bool(filters.reason) and not is_later)
    queries = _queries(*kind, extra) if extra else _usual(*kind)
    top, around = queries
    rows = [_row(row, clients) for row in session.execute(top, asked)]
    first, before = 1, None
    if here and here not in {row.id for row in rows[:QUEUE_SIZE]}:
        found = session.execute(around, asked).all()
        if found:
            first, (before, *rows) = found[0].place + 1, [_row(row[:-1], clients) for row in found]
    position = next((first + n for n, row in enumerate(rows[:QUEUE_SIZE]) if here in {"", row.id}), 0)
    return Queue(rows[:QUEUE_SIZE], first, before, rows[QUEUE_SIZE] if len(rows) > QUEUE_SIZE else None, position)


def _row(columns: Iterable[Any], clients: Mapping[str, str]) -> QueueRow:
    fields = [*columns]
    fields.append(clients[fields[1]])
    return QueueRow(*fields)


_Queries = tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]


@cache
def _usual(sort: str, has_reason: bool) -> _Queries:  # noqa: FBT001
    return _queries(sort, has_reason, ())


def _queries(sort: str, has_reason: bool, extra: tuple[ColumnElement[bool], ...]) -> _Queries:  # noqa: FBT001
    """The first rows of a queue and one more; the rows of the window that the receipt `here` stands in and one on each side."""
    is_waiting = case((Receipt.review_reason == "no_transaction_yet", 1), else_=0)  # nothing can be decided there yet
    surest = Receipt.best_score.desc().nulls_last()
    orders: dict[str, tuple[Any, ...]] = {
        "newest": (Receipt.in_review_since.desc(), Receipt.sequence.desc()),
        "amount": (func.abs(Receipt.amount_cents).desc().nulls_last(), Receipt.sequence),
        "oldest": (Receipt.in_review_since, Receipt.sequence),
        LATER: (Receipt.put_off_until, Receipt.sequence),
    }
    order = (*orders.get(sort, (is_waiting, surest, Receipt.in_review_since, Receipt.sequence)), Receipt.id)
    is_shown = IS_PUT_OFF if sort == LATER else not_(IS_PUT_OFF)
    query = select(*QUEUE_COLUMNS).where(OF_CLIENTS, Receipt.state == "in_review", is_shown, *extra)
    if has_reason:
        query = query.where(Receipt.review_reason == bindparam("reason"))
    ranked = query.add_columns(func.row_number().over(order_by=order).label("place")).cte()
    start = ranked.c.place - 1 - (ranked.c.place - 1) % QUEUE_SIZE
    window = select(start.label("start")).where(ranked.c.id == bindparam("here")).cte()
    is_inside = ranked.c.place.between(window.c.start, window.c.start + QUEUE_SIZE + 1)
    return query.order_by(*order).limit(QUEUE_SIZE + 1), select(ranked).join(window, is_inside).order_by(ranked.c.place)


def cards(session: Session, receipt: Receipt) -> list[CandidateCard]:
    """The receipt's candidates, each with its transactions: what can be assigned by now, best first; then what is used up."""
    candidates = list(session.scalars(CANDIDATES, {"receipt": receipt.id}))
    shown = _cards(session, [(candidate, receipt) for candidate in candidates], [receipt.client_id])
    return sorted(shown, key=lambda card: not card.is_open)


def _cards(session: Session, found: Sequence[tuple[Candidate, Receipt]], clients: Sequence[str]) -> list[CandidateCard]:
    """In their order; without those whose transactions are gone."""
    wanted = {part["transaction"] for candidate, _ in found for part in candidate.allocations}
    lines: dict[str, tuple[Transaction, BankAccount]] = {}
    users: dict[str, str] = {}
    used: Counter[str] = Counter()
    asked = {"transactions": list(wanted), "clients": list(clients)}
    for transaction, account, user, cents in session.execute(TRANSACTIONS, asked):
        lines[transaction.id] = (transaction, account)
        if user is not None:
            users[transaction.id] = f"R-{user}"
            used[transaction.id] += cents

    def line(receipt: Receipt, part: Mapping[str, Any]) -> Line:
        transaction, account = lines[part["transaction"]]
        return Line(
            transaction, account, part["amount_cents"], _marks(receipt, transaction),
            users.get(transaction.id), transaction.amount_cents - used[transaction.id],
        )  # fmt: skip

    return [
        CandidateCard(candidate, tuple(line(receipt, part) for part in candidate.allocations))
        for candidate, receipt in found
        if all(part["transaction"] in lines for part in candidate.allocations)
    ]


def surest(session: Session, actor: Actor, client_id: str = "", *, today: date) -> list[Pair]:
    """Receipts whose first candidate is at least likely, worth the same, and can still be assigned; client by client.

    Those with several equal candidates, or about which something else is to be said, want a look of their own. At most BULK_SIZE;
    a transaction stands in one pair only.
    """
    clients = {client.id: client for client in finding.clients(session, actor) if client_id in {"", client.id}}
    found = session.execute(SUREST, {"clients": list(clients), "today": today}).all()
    shown = _cards(session, [(candidate, receipt) for receipt, candidate in found], list(clients))
    receipts = {receipt.id: receipt for receipt, _ in found}
    pairs, taken = [], set[str]()
    for card in shown:
        lines = {line.transaction.id for line in card.lines}
        receipt = receipts[card.candidate.receipt_id]
        if card.is_open and card.is_worth(receipt) and not lines & taken:
            taken |= lines
            pairs.append(Pair(receipt, clients[receipt.client_id], card))
    return sorted(pairs, key=lambda pair: (pair.client.name, pair.client.id))


def _marks(receipt: Receipt, transaction: Transaction) -> tuple[tuple[int, int], ...]:
    reference = parse_reference(receipt.number)
    if reference is None or not transaction.remittance:
        return ()
    return tuple((hit.start, hit.end) for hit in RemittanceText(transaction.remittance).find(reference))


def papers_of(session: Session, receipt: Receipt) -> Papers:
    """What can be seen of a receipt."""
    return _papers(receipt, _files(session, receipt.id)[receipt.id])


def _files(session: Session, *receipt_ids: str) -> dict[str, list[tuple[Document, Preview]]]:
    found: dict[str, list[tuple[Document, Preview]]] = {receipt_id: [] for receipt_id in receipt_ids}
    for document, preview in session.execute(DOCUMENTS, {"receipts": receipt_ids}):
        found[document.receipt_id].append((document, preview))
    return found


def _seen_next(files: list[tuple[Document, Preview]]) -> str | None:
    return next((document.id for document, preview in files[:1] if preview and preview.page_keys), None)


def _papers(receipt: Receipt, files: list[tuple[Document, Preview]]) -> Papers:
    preview = files[0][1] if files else None
    return Papers([document for document, _ in files], preview, e_invoicing.shown(receipt, files))


def to_check(session: Session, actor: Actor) -> list[str]:
    """Decisions of clients that nobody of the firm has looked at yet."""
    query = select(Assignment.decision_id).where(
        Assignment.client_id.in_(finding.seen_ids(actor.role)), Assignment.is_to_check, Assignment.withdrawn_at.is_(None)
    )
    return list(session.scalars(query.distinct(), {"actor": actor.user_id}))


def last_change(session: Session, actor: Actor, receipt_id: str) -> tuple[AuditEvent, str] | None:
    """What somebody did last about a receipt, and who. Errors: NotFound."""
    receipt = finding.receipt(session, actor, receipt_id)
    decisions = select(Assignment.decision_id).where(Assignment.receipt_id == receipt.id).distinct()
    about = [f"receipt:{receipt.id}", *(f"assignment:{decision_id}" for decision_id in session.scalars(decisions))]
    events = select(AuditEvent).where(AuditEvent.client_id == receipt.client_id, AuditEvent.subject.in_(about))
    event = session.scalars(events.order_by(AuditEvent.sequence.desc()).limit(1)).first()
    return (event, naming.names(session, [event.actor])[event.actor]) if event else None


def done(
    session: Session, actor: Actor, *, limit: int = 30, since: datetime | None = None, is_own: bool = False,
    only: Sequence[str] | None = None,
) -> list[Done]:  # fmt: skip
    """Decisions of people, newest first; `is_own`: only the actor's; `only`: these decisions.

    Undone ones stay listed, they happened.
    """
    query = _decisions(actor.role, is_own=is_own).limit(limit)
    if only is not None:
        query = query.where(AuditEvent.subject.in_([f"assignment:{decision_id}" for decision_id in only]))
    asked = {"actor": actor.user_id, "person": actor.user_id, "since": since or LONG_AGO}
    events = {event: _receipt_of(event) for event in session.scalars(query, asked)}
    if not events:
        return []
    receipts: dict[str, tuple[Receipt, Client]] = {}
    assigned: dict[str, list[Transaction]] = {}
    for receipt, client, decision_id, transaction in session.execute(DECIDED, {"receipts": list(set(events.values()))}):
        receipts[receipt.id] = (receipt, client)
        if transaction is not None:
            assigned.setdefault(f"assignment:{decision_id}", []).append(transaction)
    people = {actor.user_id: ""} if is_own else naming.names(session, (event.actor for event in events))
    rows, settled = [], set()
    for event, receipt_id in events.items():
        receipt, client = receipts[receipt_id]
        is_newest = receipt_id not in settled
        settled.add(receipt_id)  # of several decisions about a receipt only the newest can stand
        is_kept = (
            (event.tag == Tag.RECEIPT_SET_ASIDE.text and receipt.state == "set_aside")
            or (event.tag == Tag.RECEIPT_PUT_OFF.text and receipt.put_off_until is not None)
        )  # fmt: skip
        transactions = assigned.get(event.subject, [])
        rows.append(
            Done(event, receipt, client, transactions, (is_kept and is_newest) or bool(transactions), people[event.actor])
        )
    return rows


@cache
def _decisions(role: Role, *, is_own: bool) -> Select[AuditEvent]:
    return (
        select(AuditEvent)
        .where(
            AuditEvent.client_id.in_(finding.seen_ids(role)),
            AuditEvent.tag.in_((Tag.ASSIGNMENT_MADE.text, Tag.RECEIPT_SET_ASIDE.text, Tag.RECEIPT_PUT_OFF.text)),
            AuditEvent.actor == bindparam("person") if is_own else AuditEvent.actor.not_like("system:%"),
            AuditEvent.at >= bindparam("since"),
        )
        .order_by(AuditEvent.at.desc(), AuditEvent.sequence.desc())
    )


def _last_done(session: Session, actor: Actor, *, since: datetime) -> Done | None:
    return next((row for row in done(session, actor, limit=5, since=since, is_own=True) if row.is_standing), None)


def _receipt_of(event: AuditEvent) -> str:
    return str(event.details.get("receipt") or event.subject.removeprefix("receipt:"))


def _done_count(session: Session, client_ids: Sequence[str], *, since: datetime) -> int:
    """Receipts that people assigned or set aside since, and that still are."""
    return session.scalar(DONE_SINCE, {"clients": list(client_ids), "since": since}) or 0
