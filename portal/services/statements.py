"""Bank history from files: brought, looked at, imported as a whole, undone as a whole (L-56 … L-58).

Two sources tell the same movements in different words, and not every source has the bank's ids, but each tells all of a day. So a
movement is known by its id where both have it, and else by day, side and amount, counted: two equal coffees stay two, whichever
source came first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any

from sqlalchemy import String, cast, insert, literal, select, update
from sqlalchemy.orm import Session

from portal.clock import BERLIN
from portal.db import new_id
from portal.domain import csv_rows
from portal.domain.csv_rows import Column, Flawed, Layout, Movement, Unreadable
from portal.errors import Rejected
from portal.media import Media, safe_file_name
from portal.models import Assignment, BankAccount, Run, Statement, Transaction
from portal.ports import Ports
from portal.services import covering, engaging, finding, running
from portal.services.auditing import Tag, queue_up, record
from portal.services.finding import Actor

LARGEST = 100 * 1024 * 1024
MOST_ROWS = 500_000
AT_ONCE = 1000  #: rows in one statement to the database
SHOWN = 50  #: rows of each kind that the preview lists
OWN = "csv:"  #: ids that we gave

Key = tuple[date, str, int, str]
Period = tuple[date, date]


class Fate(StrEnum):
    """What an import would do with a row."""

    NEW = "new"
    KNOWN = "known"
    FLAWED = "flawed"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the preview shows: counts, and the first rows of each kind. `first_on`, `last_on`: of the movements."""

    statement: Statement
    account: BankAccount
    layout: Layout
    counts: dict[str, int]
    rows: dict[str, Sequence[Movement | Flawed]]
    first_on: date | None
    last_on: date | None


@dataclass(slots=True)
class _Known:
    """The movements that are here already, each to be claimed once by a row of the file."""

    by_id: dict[str, str] = field(default_factory=dict)  #: bank's id → row
    by_key: defaultdict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))
    claimed: set[str] = field(default_factory=set)

    def reserve(self, ids: Iterable[str | None]) -> None:
        """Rows that the file names by their ids are not there for others."""
        self.claimed.update(self.by_id[known] for known in ids if known in self.by_id)

    def claim(self, movement: Movement) -> bool:
        """Whether this movement is here already, as a row that no other movement of the file is."""
        if movement.id in self.by_id:
            return True
        for row in self.by_key[movement.key]:
            if row not in self.claimed:
                self.claimed.add(row)
                return True
        return False


def bring(ports: Ports, actor: Actor, *, account_id: str, file_name: str, content: bytes) -> str:
    """Keep a file for an account; its id. The columns of the last file with the same titles are remembered.

    Errors: Rejected for what is no CSV table; NotFound for a foreign account.
    """
    if len(content) > LARGEST:
        raise Rejected("This file is too large: 100 MB at most.")
    try:
        layout = csv_rows.guess(content)
    except Unreadable as problem:
        raise _refusal(problem.fault) from None
    with ports.database.read() as session:
        account = finding.account(session, actor, account_id)
        earlier = session.scalars(
            select(Statement.layout).where(Statement.bank_account_id == account.id, Statement.state != "brought")
        )
        for remembered in map(Layout.of, earlier):
            if remembered.titles == layout.titles:
                layout = csv_rows.mapped(layout, remembered.columns)
    sha256 = ports.storage.put(account.client_id, content)  # bytes first
    now = ports.clock.now()
    with ports.database.write() as session:
        statement = Statement(
            id=new_id(), client_id=account.client_id, bank_account_id=account.id, file_name=_safe(file_name), sha256=sha256,
            size=len(content), layout=layout.as_json(), state="brought", counts={}, brought_by=actor.user_id, created_at=now,
            first_on=None, last_on=None, imported_at=None, undone_at=None,
        )  # fmt: skip
        session.add(statement)
        session.flush()
        record(
            session, Tag.STATEMENT_BROUGHT, subject=f"statement:{statement.id}", at=now, client_id=account.client_id,
            sha256=sha256, size=len(content),
        )  # fmt: skip
    return statement.id


def assign_columns(statement: Statement, columns: dict[Column, int]) -> None:
    """What a person says the columns hold. Errors: Rejected where rows could not be read so."""
    layout = csv_rows.mapped(Layout.of(statement.layout), columns)
    if not layout.is_complete:
        raise Rejected("Choose the columns of the date and of the amount (or of debit and credit).")
    statement.layout = layout.as_json()


def outlook(ports: Ports, actor: Actor, statement_id: str) -> Outlook:
    """What an import would do now."""
    with ports.database.read() as session:
        statement = finding.statement(session, actor, statement_id)
        account = session.get_one(BankAccount, statement.bank_account_id)
        known = _known(session, account.id)
    layout = Layout.of(statement.layout)
    counts: Counter[str] = Counter()
    rows: dict[str, list[Movement | Flawed]] = {fate.value: [] for fate in Fate}
    period: Period | None = None
    if layout.is_complete:
        for row, fate in _judged(ports, statement, account, known):
            counts[fate.value] += 1
            if len(rows[fate.value]) < SHOWN:
                rows[fate.value].append(row)
            period = _widened(period, row)
    first_on, last_on = period or (None, None)
    return Outlook(statement, account, layout, dict(counts), dict(rows), first_on, last_on)


def take_in(ports: Ports, actor: Actor, statement_id: str, *, anyway: Iterable[int] = ()) -> Run:
    """Import the file as a whole; asks for a matching. `anyway`: lines that are new although they look known.

    Errors: Rejected when it is imported already, has no columns or nothing new.
    """
    now, lines = ports.clock.now(), set(anyway)
    with ports.database.read() as session:
        statement = finding.statement(session, actor, statement_id)
        account = session.get_one(BankAccount, statement.bank_account_id)
    if not Layout.of(statement.layout).is_complete:
        raise Rejected("Choose the columns of the date and of the amount (or of debit and credit).")
    content = ports.storage.get(statement.client_id, statement.sha256)
    with ports.database.write() as session:
        queue_up(session, statement.client_id)
        statement = finding.statement(session, actor, statement_id)
        session.refresh(statement)
        if statement.state == "imported":
            raise Rejected("This file is imported already.")
        counts: Counter[str] = Counter()
        fresh: list[dict[str, Any]] = []
        period: Period | None = None
        for row, fate in _judged(ports, statement, account, _known(session, account.id), content=content):
            period = _widened(period, row)
            is_new = fate is Fate.NEW or (isinstance(row, Movement) and row.line in lines)
            counts[row.flaw.value if isinstance(row, Flawed) else "new" if is_new else "known"] += 1
            if is_new and isinstance(row, Movement):
                fresh.append(_values(row, statement, account, now, keeps_id=fate is Fate.NEW))
            if len(fresh) == AT_ONCE:
                session.execute(insert(Transaction), fresh)
                fresh.clear()
        if fresh:
            session.execute(insert(Transaction), fresh)
        if not counts["new"]:
            raise Rejected("Nothing in this file is new: every movement is here already.")
        statement.first_on, statement.last_on = period or (None, None)
        statement.state, statement.counts, statement.imported_at, statement.undone_at = "imported", dict(counts), now, None
        record(
            session, Tag.STATEMENT_IMPORTED, subject=f"statement:{statement.id}", at=now, client_id=statement.client_id,
            counts=dict(counts),
        )  # fmt: skip
        return running.request(session, client_id=statement.client_id, kind="matching", trigger="change", now=now)


def undo(session: Session, statement: Statement, *, now: datetime) -> Run:
    """Take the movements of a file out of the books as a whole; the rows stay, marked. Errors: Rejected while one is assigned."""
    queue_up(session, statement.client_id)
    session.refresh(statement)
    if statement.state != "imported":
        raise Rejected("This file is not imported.")
    mine = select(Transaction.id).where(Transaction.statement_id == statement.id, Transaction.status == "booked")
    used = select(Assignment.id).where(Assignment.transaction_id.in_(mine), Assignment.withdrawn_at.is_(None))
    if session.scalar(used.limit(1)):
        raise Rejected("Receipts are assigned to movements of this file. Undo those assignments first.")
    session.execute(
        update(Transaction)
        .where(Transaction.statement_id == statement.id, Transaction.status == "booked")
        # the bank's id is free again: the same movement may come with another file, or from the bank
        .values(status="undone", updated_at=now, qonto_id=literal(OWN).concat(cast(Transaction.id, String)))
    )
    statement.state, statement.undone_at = "undone", now
    record(session, Tag.STATEMENT_UNDONE, subject=f"statement:{statement.id}", at=now, client_id=statement.client_id)
    return running.request(session, client_id=statement.client_id, kind="matching", trigger="change", now=now)


@dataclass(frozen=True, slots=True)
class History:
    """An account's files, newest first. `first_on`: the start of the earliest open year; `holes`: days since then not here."""

    account: BankAccount
    statements: Sequence[Statement]
    first_on: date | None
    holes: Sequence[tuple[date, date]]


def history(session: Session, actor: Actor, account_id: str, *, today: date) -> History:
    """What the account's history page shows."""
    account = finding.account(session, actor, account_id)
    files = select(Statement).where(Statement.bank_account_id == account.id).order_by(Statement.id.desc())
    first_on = engaging.scope(session, account.client_id).start_on
    covered = covering.of(session, [account], first=first_on, today=today) if first_on else []
    return History(account, list(session.scalars(files)), first_on, covered[0].holes if covered else [])


def _refusal(fault: csv_rows.Fault) -> Rejected:
    match fault:
        case csv_rows.Fault.EMPTY:
            return Rejected("This file is empty.")
        case csv_rows.Fault.BINARY:
            return Rejected("This is no CSV file.")
        case csv_rows.Fault.ENCODING:
            return Rejected("This file cannot be read as text.")
        case csv_rows.Fault.NO_TABLE:
            return Rejected("There is no table in this file.")
        case csv_rows.Fault.TOO_MANY:
            return Rejected("This file has too many rows: 500,000 at most. Please export a shorter period.")


def _judged(
    ports: Ports, statement: Statement, account: BankAccount, known: _Known, *, content: bytes | None = None
) -> Iterator[tuple[Movement | Flawed, Fate]]:  # fmt: skip
    """Each row with what is to become of it. The file is read twice: the rows that it names by id come first."""
    held = content if content is not None else ports.storage.get(statement.client_id, statement.sha256)

    def rows() -> Iterator[Movement | Flawed]:
        layout, today = Layout.of(statement.layout), ports.clock.today()
        return csv_rows.read(held, layout, iban=account.iban, currency=account.currency, today=today)

    try:
        known.reserve(row.id for row in rows() if isinstance(row, Movement))
        for number, row in enumerate(rows()):
            if number >= MOST_ROWS:
                raise Unreadable(csv_rows.Fault.TOO_MANY)
            if isinstance(row, Flawed):
                yield row, Fate.FLAWED
            else:
                yield row, Fate.KNOWN if known.claim(row) else Fate.NEW
    except Unreadable as problem:
        raise _refusal(problem.fault) from None


def _widened(period: Period | None, row: Movement | Flawed) -> Period | None:
    if isinstance(row, Flawed):
        return period
    first, last = period or (row.booked_on, row.booked_on)
    return min(first, row.booked_on), max(last, row.booked_on)


def _known(session: Session, account_id: str) -> _Known:
    known = _Known()
    columns = (
        Transaction.id, Transaction.qonto_id, Transaction.booked_on, Transaction.side, Transaction.amount_cents,
        Transaction.currency,
    )  # fmt: skip
    booked = select(*columns).where(Transaction.bank_account_id == account_id, Transaction.status == "booked")
    for row_id, qonto_id, *key in session.execute(booked.order_by(Transaction.id)):
        known.by_key[tuple(key)].append(row_id)  # type: ignore[index]
        known.by_id[qonto_id] = row_id
    return known


def _values(row: Movement, statement: Statement, account: BankAccount, now: datetime, *, keeps_id: bool) -> dict[str, Any]:
    noon = datetime.combine(row.booked_on, time(12), tzinfo=BERLIN).astimezone(UTC)
    return {
        "id": new_id(), "client_id": account.client_id, "bank_account_id": account.id, "statement_id": statement.id,
        "qonto_id": row.id if row.id and keeps_id else f"{OWN}{statement.id}:{row.line}", "side": row.side,
        "amount_cents": row.amount_cents, "currency": row.currency, "local_amount_cents": None, "local_currency": None,
        "status": "booked", "emitted_at": None, "settled_at": noon, "booked_on": row.booked_on, "counterparty": row.counterparty,
        "counterparty_iban": row.counterparty_iban, "remittance": row.remittance, "operation_type": None,
        "balance_after_cents": None, "qonto_updated_at": None, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _safe(file_name: str) -> str:
    """Harmless on every file system and in every header."""
    return safe_file_name(file_name, Media.UNKNOWN).rpartition(".")[0].removesuffix(".csv") + ".csv"
