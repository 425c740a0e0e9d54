"""Transactions that have no receipt: what the client is asked for, what he has said about them, and the list to print."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import ColumnElement, Select, and_, case, exists, extract, func, or_, select
from sqlalchemy.orm import Session

from portal.domain import explanations
from portal.domain.explanations import Movement, Reason
from portal.models import Assignment, BankAccount, Client, Explanation, Message, Transaction
from portal.services import finding, naming
from portal.services.assignments import assigning
from portal.services.clients import engaging
from portal.services.clients.listing import PAGE_SIZE, Page
from portal.services.finding import Actor
from portal.services.messages import messaging
from portal.services.review.searching import contains

#: open: nothing was said; lost: a receipt is due and cannot be had; not_needed: none is due. Each transaction without a receipt
#: is in exactly one of them.
STATES = ("open", "lost", "not_needed")
MOST_PRINTED = 1000
MOST_GUESSED = 200  #: transactions that one page can explain together

HAS_RECEIPT = exists().where(Assignment.transaction_id == Transaction.id, Assignment.withdrawn_at.is_(None))
STANDING = and_(Explanation.transaction_id == Transaction.id, Explanation.withdrawn_at.is_(None))
IN_STATE: dict[str, ColumnElement[bool]] = {
    "open": Explanation.id.is_(None),
    "lost": Explanation.reason == Reason.LOST.value,
    "not_needed": Explanation.reason != Reason.LOST.value,
}
STATE = case(
    (HAS_RECEIPT, "documented"), (IN_STATE["open"], "open"), (IN_STATE["lost"], "lost"), else_="not_needed"
).label("state")  # fmt: skip
SIGNED = case((Transaction.side == "credit", Transaction.amount_cents), else_=-Transaction.amount_cents)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of the list may ask for. `state`: one of `STATES` or all; `month`: its first day."""

    client_id: str = ""
    state: str = "open"
    month: date | None = None
    words: str = ""
    page: int = 1
    kept: str = ""  #: the transaction that was just decided about: it stays in its place, whatever became of it


@dataclass(frozen=True, slots=True)
class MissingRow:
    """A line of the list."""

    transaction: Transaction
    account: BankAccount
    said: Explanation | None
    said_by: str  #: a name
    guess: Reason | None  #: what will most likely be said about it
    request: Message | None  #: with which the firm asked for its receipt last

    @property
    def month(self) -> date:
        """The first day of the month in which it was booked."""
        return self.transaction.booked_on.replace(day=1)


@dataclass(frozen=True, slots=True)
class Tally:
    """So many transactions, and their signed sum in euros."""

    count: int = 0
    cents: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, self.cents + other.cents)


@dataclass(frozen=True, slots=True)
class Tallies:
    """What there is from the start of the earliest open tax year on: month (its first day) × state (`STATES`, documented)."""

    months: dict[date, dict[str, Tally]]

    def of(self, state: str, month: date | None = None) -> Tally:
        """`all`: whatever has no receipt. Without a month: of all months."""
        states = STATES if state == "all" else (state,)
        chosen = self.months.values() if month is None else [self.months.get(month, {})]
        return sum((tallies.get(one, Tally()) for tallies in chosen for one in states), Tally())

    @property
    def total(self) -> int:
        """All transactions, with a receipt or without."""
        return sum(tally.count for tallies in self.months.values() for tally in tallies.values())

    def months_of(self, state: str) -> list[date]:
        """Those with something in them, newest first."""
        return [month for month in self.months if self.of(state, month).count]


@dataclass(frozen=True, slots=True)
class MissingPage:
    """One client's part of the list, newest first."""

    clients: Sequence[Client]
    client: Client | None
    start_on: date | None
    filters: Filters
    tallies: Tallies  #: of what the words of the filter leave
    page: Page[MissingRow]


@dataclass(frozen=True, slots=True)
class Guesses:
    """What the machine supposes about transactions of which nothing was said: by reason, in each the newest first."""

    client: Client
    groups: Sequence[tuple[Reason, Tally, Sequence[MissingRow]]]
    has_more: bool  #: than MOST_GUESSED

    @property
    def count(self) -> int:
        """Of all of them."""
        return sum(tally.count for _, tally, _ in self.groups)


@dataclass(frozen=True, slots=True)
class LinePage:
    """A transaction that something is to be said about."""

    transaction: Transaction
    account: BankAccount
    client: Client
    said: Explanation | None
    history: Sequence[tuple[Explanation, str, str]]  #: newest first, with the names of who said it and who took it back
    guess: Reason | None
    open_cents: int  #: what no receipt explains yet


def index(session: Session, actor: Actor, filters: Filters) -> MissingPage:
    """Of the named client, else of the actor's first one; from the start of the earliest open tax year on."""
    return _list(session, actor, filters, size=PAGE_SIZE)


def whole(session: Session, actor: Actor, filters: Filters) -> MissingPage:
    """As `index`, all on one page, `MOST_PRINTED` at most."""
    return _list(session, actor, filters, size=MOST_PRINTED)


def guessed(session: Session, actor: Actor, filters: Filters) -> Guesses:
    """Of the named client, in the named month and with the named words: every open transaction that something speaks for.

    Errors: NotFound for a client that the actor does not see.
    """
    client = finding.client(session, actor, filters.client_id)
    start_on = engaging.scope(session, client.id).start_on
    if start_on is None:
        return Guesses(client, [], has_more=False)
    query = _shown(replace(filters, state="open", kept=""), _wanted(client, start_on, filters))
    own, found, has_more = _own_ibans(session, client.id), defaultdict[Reason, list[MissingRow]](list), False
    count = 0
    for transaction, account, _ in session.execute(query.execution_options(yield_per=1000)):
        if reason := _guess(transaction, own):
            if count == MOST_GUESSED:
                has_more = True
                break
            count += 1
            found[reason].append(MissingRow(transaction, account, None, "", reason, None))
    groups = [(reason, sum(map(_tally, found[reason]), Tally()), found[reason]) for reason in Reason if reason in found]
    return Guesses(client, groups, has_more)


def count_open(session: Session, client_id: str) -> int:
    """The client's transactions without a receipt about which nothing was said."""
    client, start_on = session.get_one(Client, client_id), engaging.scope(session, client_id).start_on
    return _tallies(session, _wanted(client, start_on, Filters())).of("open").count if start_on else 0


def line(session: Session, actor: Actor, transaction_id: str) -> LinePage:
    """One transaction with all that was said about it."""
    transaction = finding.transaction(session, actor, transaction_id)
    said = select(Explanation).where(Explanation.transaction_id == transaction.id).order_by(Explanation.created_at.desc())
    history = list(session.scalars(said.limit(20)))
    people = naming.names(session, {one.actor for one in history} | {one.withdrawn_by for one in history if one.withdrawn_by})
    return LinePage(
        transaction, session.get_one(BankAccount, transaction.bank_account_id), session.get_one(Client, transaction.client_id),
        next((one for one in history if one.withdrawn_at is None), None),
        [(one, people[one.actor], people.get(one.withdrawn_by or "", "")) for one in history],
        _guess(transaction, _own_ibans(session, transaction.client_id)), assigning.open_cents(session, transaction),
    )  # fmt: skip


def _list(session: Session, actor: Actor, filters: Filters, *, size: int) -> MissingPage:
    clients = finding.clients(session, actor)
    client = finding.client(session, actor, filters.client_id) if filters.client_id else next(iter(clients), None)
    if filters.kept:
        finding.transaction(session, actor, filters.kept)
    start_on = engaging.scope(session, client.id).start_on if client else None
    if client is None or start_on is None:
        return MissingPage(clients, client, start_on, filters, Tallies({}), Page([], 1, 0))
    wanted = _wanted(client, start_on, filters)
    tallies = _tallies(session, wanted)
    total = tallies.of(filters.state, filters.month).count
    number = max(1, min(filters.page, -(-total // size)))
    rows = _rows(session, client, _shown(filters, wanted).limit(size + bool(filters.kept)).offset((number - 1) * size))
    return MissingPage(clients, client, start_on, filters, tallies, Page(rows, number, total))


def _wanted(client: Client, start_on: date, filters: Filters) -> list[ColumnElement[bool]]:
    wanted = [Transaction.client_id == client.id, Transaction.status == "booked", Transaction.booked_on >= start_on]
    return wanted + [contains(word, Transaction.counterparty, Transaction.remittance) for word in filters.words.split()[:5]]


def _tally(row: MissingRow) -> Tally:
    """One transaction; only euros are added up."""
    transaction = row.transaction
    signed = transaction.amount_cents if transaction.side == "credit" else -transaction.amount_cents
    return Tally(1, signed if transaction.currency == "EUR" else 0)


def _tallies(session: Session, wanted: Sequence[ColumnElement[bool]]) -> Tallies:
    lines = (
        select(Transaction.booked_on, SIGNED.label("cents"), Transaction.currency, STATE)
        .outerjoin(Explanation, STANDING)
        .where(*wanted)
        .subquery()
    )
    year, month = extract("year", lines.c.booked_on), extract("month", lines.c.booked_on)
    in_euros = func.sum(lines.c.cents).filter(lines.c.currency == "EUR")
    query = select(year, month, lines.c.state, func.count(), in_euros).group_by(year, month, lines.c.state)
    found: dict[date, dict[str, Tally]] = defaultdict(dict)
    for of_year, of_month, state, count, cents in session.execute(query.order_by(year.desc(), month.desc())):
        found[date(int(of_year), int(of_month), 1)][state] = Tally(count, int(cents or 0))
    return Tallies(dict(found))


def _shown(filters: Filters, wanted: Sequence[ColumnElement[bool]]) -> Select[Transaction, BankAccount, Explanation]:
    query = (
        select(Transaction, BankAccount, Explanation)
        .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
        .outerjoin(Explanation, STANDING)
        .where(*wanted, ~HAS_RECEIPT)
        .order_by(Transaction.booked_on.desc(), Transaction.id)
    )
    if filters.state in STATES:
        is_kept = Transaction.id == filters.kept if filters.kept else None
        query = query.where(IN_STATE[filters.state] if is_kept is None else or_(IN_STATE[filters.state], is_kept))
    if filters.month:
        last = filters.month.replace(day=monthrange(filters.month.year, filters.month.month)[1])
        query = query.where(Transaction.booked_on.between(filters.month, last))
    return query


def _rows(session: Session, client: Client, query: Select[Transaction, BankAccount, Explanation]) -> list[MissingRow]:
    found = session.execute(query).all()
    people = naming.names(session, (said.actor for _, _, said in found if said))
    own, requests = _own_ibans(session, client.id), messaging.asked_for(session, [row[0].id for row in found])
    return [
        MissingRow(
            transaction, account, said, people[said.actor] if said else "", None if said else _guess(transaction, own),
            requests.get(transaction.id),
        )
        for transaction, account, said in found
    ]  # fmt: skip


def _own_ibans(session: Session, client_id: str) -> set[str]:
    found = session.scalars(select(BankAccount.iban).where(BankAccount.client_id == client_id, BankAccount.iban.is_not(None)))
    return {iban.replace(" ", "").upper() for iban in found if iban}


def _guess(transaction: Transaction, own_ibans: set[str]) -> Reason | None:
    return explanations.guess(
        Movement(
            transaction.side, transaction.counterparty, transaction.counterparty_iban, transaction.remittance,
            transaction.operation_type,
        ),
        own_ibans,
    )  # fmt: skip
