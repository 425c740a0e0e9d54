"""What lists show: a client's receipts with their states, connections with their cards, accounts, the firm's overview."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, defer

from portal.domain import connection_state, receipt_state
from portal.domain.connection_state import ConsentState
from portal.domain.explanations import Reason
from portal.domain.tax_years import Scope
from portal.models import (
    Assignment,
    BankAccount,
    Client,
    Connection,
    Explanation,
    Receipt,
    Run,
    SkippedInvoice,
    Transaction,
)
from portal.services import finding, running
from portal.services.clients import engaging
from portal.services.connections.connecting import CONNECTABLE, KINDS
from portal.services.finding import Actor
from portal.services.review.searching import contains

PAGE_SIZE = 25

# The lists' questions, put together once: for SQLAlchemy that is more work than asking.
CLIENTS: BindParameter[Any] = bindparam("clients", expanding=True)
SUBJECTS: BindParameter[Any] = bindparam("subjects", expanding=True)
RECEIPTS: BindParameter[Any] = bindparam("receipts", expanding=True)
WITH_BANK = select(BankAccount.client_id).where(BankAccount.client_id.in_(CLIENTS)).distinct()
MATCHED = (
    select(Run.client_id, func.max(Run.finished_at))
    .where(Run.client_id.in_(CLIENTS), Run.kind == "matching")
    .group_by(Run.client_id)
)
FIRST_TRANSACTIONS = (
    select(Assignment.receipt_id, Transaction)
    .join(Transaction, Transaction.id == Assignment.transaction_id)
    .where(Assignment.receipt_id.in_(RECEIPTS), Assignment.withdrawn_at.is_(None))
    .order_by(Transaction.booked_on.desc())
)
CONNECTIONS = select(
    Connection, exists().where(BankAccount.connection_id == Connection.id, BankAccount.is_chosen)
).where(Connection.client_id.in_(CLIENTS))  # fmt: skip
LATEST = (
    select(
        Run.subject_id, func.max(Run.created_at).label("made"),
        func.max(Run.finished_at).filter(Run.state == "done").label("ended"),
    )
    .where(Run.subject_id.in_(SUBJECTS), Run.kind.in_(CONNECTABLE))
    .group_by(Run.subject_id)
    .subquery()
)  # fmt: skip
IS_NEWEST, IS_LAST = Run.created_at == LATEST.c.made, and_(Run.state == "done", Run.finished_at == LATEST.c.ended)
NEWEST_RUNS = select(Run, IS_NEWEST, IS_LAST).join(LATEST, and_(Run.subject_id == LATEST.c.subject_id, or_(IS_NEWEST, IS_LAST)))
SKIPPED = (
    select(SkippedInvoice.connection_id, SkippedInvoice.reason, func.count())
    .where(SkippedInvoice.connection_id.in_(SUBJECTS))
    .group_by(SkippedInvoice.connection_id, SkippedInvoice.reason)
)
HELD = (
    select(BankAccount)
    .where(BankAccount.connection_id.in_(SUBJECTS), BankAccount.is_chosen, BankAccount.deleted_at.is_(None))
    .order_by(BankAccount.name)
)
IN_REVIEW = (
    select(Receipt.client_id, func.count(), func.min(Receipt.in_review_since))
    .where(Receipt.client_id.in_(CLIENTS), Receipt.state == "in_review")
    .group_by(Receipt.client_id)
)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A part of a list."""

    rows: Sequence[Row]
    number: int
    total: int

    @property
    def count(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A line of the receipts list."""

    receipt: Receipt
    client: Client
    shown: receipt_state.Shown
    transaction: Transaction | None  #: the one it is assigned to (the first of several)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of a receipts list may ask for."""

    client_id: str = ""
    state: str = ""  #: in_review, assigned, set_aside
    direction: str = ""  #: expense, income
    words: str = ""
    page: int = 1


def receipts(session: Session, actor: Actor, filters: Filters) -> Page[ReceiptRow]:
    """The receipts an actor may see, newest first."""
    wanted = _wanted(actor, filters)
    total = session.scalar(select(func.count(Receipt.id)).where(*wanted)) or 0
    number = max(1, min(filters.page, -(-total // PAGE_SIZE)))  # beyond the end: the last page
    query = (
        select(Receipt, Client)
        .options(defer(Receipt.linked_transactions), defer(Receipt.attachments))
        .join(Client, Client.id == Receipt.client_id)
        .where(*wanted)
        .order_by(Receipt.issued_on.desc().nulls_last(), Receipt.sequence.desc())
    )
    found = session.execute(query.limit(PAGE_SIZE).offset((number - 1) * PAGE_SIZE)).all()
    client_ids = {client.id for _, client in found}
    context = _contexts(session, client_ids)
    transactions = first_transactions(session, [receipt.id for receipt, _ in found if receipt.state == "assigned"])
    rows = [
        ReceiptRow(receipt, client, show(receipt, context[client.id]), transactions.get(receipt.id)) for receipt, client in found
    ]
    return Page(rows, number, total)


def counts(session: Session, actor: Actor, client_id: str = "") -> dict[str, int]:
    """Conservation at a glance: imported = assigned + in review + set aside."""
    query = (
        select(Receipt.state, func.count())
        .where(Receipt.client_id.in_(finding.visible_clients(actor).with_only_columns(Client.id)))
        .group_by(Receipt.state)
    )
    if client_id:
        query = query.where(Receipt.client_id == client_id)
    found = {state: count for state, count in session.execute(query)}
    return {state: found.get(state, 0) for state in ("assigned", "in_review", "set_aside")} | {"imported": sum(found.values())}


def _wanted(actor: Actor, filters: Filters) -> list[ColumnElement[bool]]:
    """What a receipt must be like to stand in the list."""
    wanted: list[ColumnElement[bool]] = [Receipt.client_id.in_(finding.visible_clients(actor).with_only_columns(Client.id))]
    if filters.client_id:
        wanted.append(Receipt.client_id == filters.client_id)
    if filters.state:
        wanted.append(Receipt.state == filters.state)
    if filters.direction:
        wanted.append(Receipt.direction == filters.direction)
    return [*wanted, *(contains(word, Receipt.counterparty, Receipt.number) for word in filters.words.split()[:5])]


@dataclass(frozen=True, slots=True)
class _Context:
    has_bank: bool
    matched_at: datetime | None


def _contexts(session: Session, client_ids: set[str]) -> dict[str, _Context]:
    """Per client: whether transactions can arrive, and when a matching last looked."""
    asked = {"clients": list(client_ids)}
    banks = set(session.scalars(WITH_BANK, asked))
    matched = {client_id: at for client_id, at in session.execute(MATCHED, asked)}
    return {client_id: _Context(client_id in banks, matched.get(client_id)) for client_id in client_ids}


def show(receipt: Receipt, context: _Context) -> receipt_state.Shown:
    """The badge and sentence of one receipt."""
    return receipt_state.shown(
        state=receipt.state, review_reason=receipt.review_reason, document_state=receipt.document_state,
        has_bank=context.has_bank, is_matched_yet=context.matched_at is not None and context.matched_at >= receipt.created_at,
    )  # fmt: skip


def show_one(session: Session, receipt: Receipt) -> receipt_state.Shown:
    """As `show`, for a receipt's own page."""
    return show(receipt, _contexts(session, {receipt.client_id})[receipt.client_id])


def first_transactions(session: Session, receipt_ids: Sequence[str]) -> dict[str, Transaction]:
    """The transaction (of several: the earliest booked) each receipt is assigned to."""
    found = session.execute(FIRST_TRANSACTIONS, {"receipts": list(receipt_ids)})
    return {receipt_id: transaction for receipt_id, transaction in found}


# --- connections -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConnectionCard:
    """Everything a connection's card says."""

    client: Client
    kind: str
    connection: Connection | None
    shown: connection_state.Shown
    run: Run | None  #: the newest
    counted: Run | None  #: the newest finished one, whose counts are told
    next_run_at: datetime | None
    skipped: dict[str, int]  #: reason → invoices that are not imported right now
    accounts: Sequence[BankAccount]  #: what the consent opens (of a bank connection)

    @property
    def is_running(self) -> bool:
        """Whether a run goes on, so that the card is worth looking at again."""
        return self.shown.sync is connection_state.SyncLine.RUNNING


def connection_cards(
    session: Session, clients: Sequence[Client], *, now: datetime, has_contents: bool = True, kinds: Sequence[str] = KINDS
) -> list[ConnectionCard]:
    """A card of each kind for each client, in their order. Without contents: no skips and no accounts."""
    ids = [client.id for client in clients]
    found = session.execute(CONNECTIONS, {"clients": ids}).all()
    connections = {(c.client_id, c.kind): c for c, _ in found}
    with_accounts = {c.id for c, has_accounts in found if has_accounts or c.kind != "bank"}
    subjects = [connection.id for connection in connections.values()]
    newest, counted = _newest_runs(session, subjects)
    skipped, accounts = _contents(session, subjects) if has_contents else ({}, {})
    cards = []
    for client in clients:
        for kind in kinds:
            connection = connections.get((client.id, kind))
            run = newest.get(connection.id) if connection else None
            cards.append(
                ConnectionCard(
                    client, kind, connection,
                    _shown(kind, connection, run, now, has_accounts=not connection or connection.id in with_accounts), run,
                    counted.get(connection.id) if connection else None, _next_run(connection, run, now),
                    skipped.get(connection.id, {}) if connection else {}, accounts.get(connection.id, []) if connection else [],
                )
            )  # fmt: skip
    return cards


def _contents(session: Session, connection_ids: Sequence[str]) -> tuple[dict[str, dict[str, int]], dict[str, list[BankAccount]]]:
    """Per connection what was skipped and why, and its accounts."""
    skipped: dict[str, dict[str, int]] = defaultdict(dict)
    for connection_id, reason, count in session.execute(SKIPPED, {"subjects": list(connection_ids)}):
        skipped[connection_id][reason] = count
    accounts: dict[str, list[BankAccount]] = defaultdict(list)
    for account in session.scalars(HELD, {"subjects": list(connection_ids)}):
        accounts[account.connection_id or ""].append(account)
    return skipped, accounts


def _newest_runs(session: Session, subjects: Sequence[str]) -> tuple[dict[str, Run], dict[str, Run]]:
    """Per connection the newest run, and the newest that came to its end."""
    newest, counted = {}, {}
    for run, is_new, has_ended_last in session.execute(NEWEST_RUNS, {"subjects": list(subjects)}):
        if is_new:
            newest[run.subject_id] = run
        if has_ended_last:
            counted[run.subject_id] = run
    return newest, counted


def _shown(
    kind: str, connection: Connection | None, run: Run | None, now: datetime, *, has_accounts: bool
) -> connection_state.Shown:  # fmt: skip
    facts = connection_state.Facts(
        kind=kind, consent=ConsentState(connection.state) if connection else None, run_state=run.state if run else None,
        run_failures=run.failures if run else 0, connected_at=connection.connected_at if connection else None,
        last_success_at=connection.last_success_at if connection else None, is_paused=bool(connection and connection.paused_at),
        run_reason=run.reason if run else "", has_accounts=has_accounts,
    )  # fmt: skip
    return connection_state.shown(facts, now=now)


def _next_run(connection: Connection | None, run: Run | None, now: datetime) -> datetime | None:
    if connection is None or connection.state != "active" or connection.paused_at or connection.kind not in KINDS:
        return None
    if run is not None and run.state == "waiting" and run.next_attempt_at:
        return run.next_attempt_at
    return running.next_slot(connection.id, now=now)


def runs_of(session: Session, connection_id: str, limit: int = 30) -> list[Run]:
    """The history of a connection, newest first."""
    query = select(Run).where(Run.connection_id == connection_id).order_by(Run.created_at.desc())
    return list(session.scalars(query.limit(limit)))


def skipped_invoices(session: Session, connection_id: str, limit: int = 200) -> list[SkippedInvoice]:
    """Invoices the bank lists that are not imported, newest first."""
    query = select(SkippedInvoice).where(SkippedInvoice.connection_id == connection_id)
    return list(session.scalars(query.order_by(SkippedInvoice.issued_on.desc().nulls_last()).limit(limit)))


# --- accounts and the firm ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A bank account with what came in over it."""

    account: BankAccount
    transactions: int
    first_on: object
    last_on: object
    without_receipt: int  #: though one is due


def all_accounts(session: Session, connection_id: str) -> list[BankAccount]:
    """Every account that a connection ever opened, deleted ones too."""
    return list(session.scalars(select(BankAccount).where(BankAccount.connection_id == connection_id)))


def accounts(session: Session, client_id: str) -> tuple[list[AccountRow], int]:
    """The client's accounts, active ones first: those that are read, offline ones, and what was read before.

    And how many more there are at the bank.
    """
    standing = select(Assignment.transaction_id).where(Assignment.client_id == client_id, Assignment.withdrawn_at.is_(None))
    needing_none = select(Explanation.transaction_id).where(
        Explanation.client_id == client_id, Explanation.withdrawn_at.is_(None), Explanation.reason != Reason.LOST.value
    )
    query = (
        select(
            Transaction.bank_account_id, func.count(), func.min(Transaction.booked_on), func.max(Transaction.booked_on),
            func.count().filter(Transaction.id.not_in(standing), Transaction.id.not_in(needing_none)),
        )
        .where(Transaction.client_id == client_id, Transaction.status == "booked")
        .group_by(Transaction.bank_account_id)
    )  # fmt: skip
    found = {row[0]: row[1:] for row in session.execute(query)}
    standing_accounts = select(BankAccount).where(BankAccount.client_id == client_id, BankAccount.deleted_at.is_(None))
    held = list(session.scalars(standing_accounts.order_by(BankAccount.is_active.desc(), BankAccount.name)))
    rows = [
        AccountRow(account, *(found.get(account.id) or (0, None, None, 0)))
        for account in held
        if account.is_chosen or account.connection_id is None or account.id in found
    ]
    return rows, sum(account.is_active and not account.is_chosen and account.connection_id is not None for account in held)


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A line of the firm's overview."""

    client: Client
    cards: dict[str, ConnectionCard]
    open_count: int
    oldest_at: datetime | None
    scope: Scope

    @property
    def synced_at(self) -> datetime | None:
        """When the documents last came in."""
        connection = self.cards["documents"].connection
        return connection.last_success_at if connection else None


def overview(session: Session, actor: Actor, *, now: datetime, sort: str = "urgent") -> list[ClientRow]:
    """All clients of the actor × the health of their connections; `sort`: a key of `ORDERS`, anything else is `urgent`."""
    clients = finding.clients(session, actor)
    cards: dict[str, dict[str, ConnectionCard]] = defaultdict(dict)
    for card in connection_cards(session, clients, now=now, has_contents=False):
        cards[card.client.id][card.kind] = card
    asked = {"clients": [client.id for client in clients]}
    open_counts = {client_id: (count, oldest) for client_id, count, oldest in session.execute(IN_REVIEW, asked)}
    scopes = engaging.scopes(session, [client.id for client in clients])
    rows = [ClientRow(client, cards[client.id], *open_counts.get(client.id, (0, None)), scopes[client.id]) for client in clients]
    return sorted(rows, key=ORDERS.get(sort, ORDERS["urgent"]))


URGENCY = {"error": 0, "warn": 1, "wait": 2, "off": 3, "ok": 4}
NEVER = datetime.min.replace(tzinfo=UTC)
#: orders of the overview; rows that are equal stay in the order of their names
ORDERS: dict[str, Callable[[ClientRow], Any]] = {
    "urgent": lambda row: min(URGENCY[card.shown.kind] for card in row.cards.values()),
    "name": lambda _row: 0,
    "synced": lambda row: (row.synced_at is not None, row.synced_at or NEVER),  # whoever was never synced, or longest ago, first
    "open": lambda row: -row.open_count,
}
