"""Bank history from files: brought, looked at, imported as a whole, undone as a whole (L-56 … L-58).

Two sources tell the same movements in different words, and not every source has the bank's ids, but each tells all of a day. So a
movement is known by its id where both have it, and else by day, side and amount, counted: two equal coffees stay two, whichever
source came first.

A file may have hundreds of thousands of rows. They pass through here in batches into a table that only this database session
sees (`staging`), where the database decides what each is; nothing grows with the file but that table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import SEEK_END
from typing import BinaryIO

from sqlalchemy import String, cast, literal, select, update
from sqlalchemy.orm import Session

from portal import statement_files
from portal.db import new_id
from portal.domain import csv_rows
from portal.domain.csv_rows import Column, Flawed, Format, Layout, Movement, Unreadable
from portal.errors import Rejected
from portal.media import Media, safe_file_name
from portal.models import Assignment, BankAccount, Run, Statement, Transaction
from portal.ports import Ports
from portal.services import finding, running
from portal.services.accounts import covering, staging
from portal.services.accounts.staging import OWN, Fate
from portal.services.auditing import Tag, queue_up, record
from portal.services.clients import engaging
from portal.services.finding import Actor

_ENDING = re.compile(r"\.(?:csv|txt|xml|zip|sta|mta)$", re.IGNORECASE)
LARGEST = 100 * 1024 * 1024
MOST_ROWS = 300_000  #: of CSV: their import takes 15 to 27 s (measured), and SQLite lets others wait 30 s for the right to write
MOST_ENTRIES = 150_000  #: of the other formats: their libraries need four times as long for each
SHOWN = 50  #: rows of each kind that the preview lists


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the preview shows: counts, and the first rows of each kind. `first_on`, `last_on`: of the movements.

    Of a file that is imported only what was told then. `samples`: the first rows of a CSV file, cell by cell.
    """

    statement: Statement
    account: BankAccount
    layout: Layout
    counts: dict[str, int]
    rows: dict[str, Sequence[Movement | Flawed]]
    first_on: date | None
    last_on: date | None
    samples: Sequence[Sequence[str]]


def bring(ports: Ports, actor: Actor, *, account_id: str, file_name: str, file: BinaryIO) -> str:
    """Keep a file for an account; its id. The columns of the last file with the same titles are remembered.

    Errors: Rejected for what is no bank statement, or none that can be read to its end; NotFound for a foreign account.
    """
    size = file.seek(0, SEEK_END)
    if size > LARGEST:
        raise Rejected("This file is too large: 100 MB at most.")
    with _refusing():
        layout = statement_files.guess(file)
    with ports.database.read() as session:
        account = finding.account(session, actor, account_id)
        earlier = session.scalars(
            select(Statement.layout).where(Statement.bank_account_id == account.id, Statement.state != "brought")
        )
        for remembered in map(Layout.of, earlier):
            if remembered.format is layout.format is Format.CSV and remembered.titles == layout.titles:
                layout = csv_rows.mapped(layout, remembered.columns)
    if layout.is_complete:
        for _row in _rows(file, layout, account, ports.clock.today()):
            pass  # what cannot be read to its end is refused while the person who brings it is there
    sha256 = ports.storage.put_file(account.client_id, file)  # bytes first
    now = ports.clock.now()
    with ports.database.write() as session:
        statement = Statement(
            id=new_id(), client_id=account.client_id, bank_account_id=account.id, file_name=_safe(file_name, layout),
            sha256=sha256, size=size, layout=layout.as_json(), state="brought", counts={}, brought_by=actor.user_id,
            created_at=now, first_on=None, last_on=None, imported_at=None, undone_at=None,
        )  # fmt: skip
        session.add(statement)
        session.flush()
        record(
            session, Tag.STATEMENT_BROUGHT, subject=f"statement:{statement.id}", at=now, client_id=account.client_id,
            sha256=sha256, size=size,
        )  # fmt: skip
    return statement.id


def layout_of(ports: Ports, actor: Actor, statement_id: str) -> Layout:
    """How a file is read now."""
    with ports.database.read() as session:
        return Layout.of(finding.statement(session, actor, statement_id).layout)


def assign_columns(statement: Statement, columns: dict[Column, int]) -> None:
    """What a person says the columns hold. Errors: Rejected where rows could not be read so."""
    layout = csv_rows.mapped(Layout.of(statement.layout), columns)
    if not layout.is_complete:
        raise Rejected("Choose the columns of the date and of the amount (or of debit and credit).")
    statement.layout = layout.as_json()


def outlook(ports: Ports, actor: Actor, statement_id: str) -> Outlook:
    """What an import would do now. Errors: Rejected where the file cannot be read to its end."""
    with ports.database.read() as session:
        statement = finding.statement(session, actor, statement_id)
        account = session.get_one(BankAccount, statement.bank_account_id)
    layout = Layout.of(statement.layout)
    told = Outlook(statement, account, layout, {}, {fate.value: [] for fate in Fate}, statement.first_on, statement.last_on, ())
    if statement.state == "imported":
        return told
    with ports.storage.open(statement.client_id, statement.sha256) as file:
        if layout.format is Format.CSV:
            told = replace(told, samples=csv_rows.samples(statement_files.head_of(file), layout))
        if not layout.is_complete:
            return told
        with staging.passing(ports.database) as session:
            stage = staging.begin(session)
            stage.fill(_rows(file, layout, account, ports.clock.today()))
            stage.judge(account.id)
            first_on, last_on = stage.period()
            rows = {fate.value: stage.first(fate, SHOWN) for fate in Fate}
            return replace(told, counts=stage.fates(), rows=rows, first_on=first_on, last_on=last_on)


def take_in(ports: Ports, actor: Actor, statement_id: str, *, anyway: Iterable[int] = ()) -> Run:
    """Import the file as a whole; asks for a matching. `anyway`: lines that are new although they look known.

    Errors: Rejected when it is imported already, has no columns or nothing new.
    """
    now = ports.clock.now()
    with ports.database.read() as session:
        statement = finding.statement(session, actor, statement_id)
        account = session.get_one(BankAccount, statement.bank_account_id)
    layout = Layout.of(statement.layout)
    if not layout.is_complete:
        raise Rejected("Choose the columns of the date and of the amount (or of debit and credit).")
    with ports.storage.open(statement.client_id, statement.sha256) as file, ports.database.write() as session:
        queue_up(session, statement.client_id)
        statement = finding.statement(session, actor, statement_id)
        session.refresh(statement)
        if statement.state == "imported":
            raise Rejected("This file is imported already.")
        stage = staging.begin(session)
        stage.fill(_rows(file, layout, account, ports.clock.today()))
        stage.judge(account.id)
        stage.insist(anyway)
        counts = stage.counts()
        if not counts.get("new"):
            raise Rejected("Nothing in this file is new: every movement is here already.")
        stage.book(statement, now=now)
        statement.first_on, statement.last_on = stage.period()
        stage.end()
        statement.state, statement.counts, statement.imported_at, statement.undone_at = "imported", counts, now, None
        record(
            session, Tag.STATEMENT_IMPORTED, subject=f"statement:{statement.id}", at=now, client_id=statement.client_id,
            counts=counts,
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
        .values(status="undone", updated_at=now, qonto_id=literal(OWN).concat(cast(Transaction.id, String)), is_indexed=False)
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


def _rows(file: BinaryIO, layout: Layout, account: BankAccount, today: date) -> Iterator[Movement | Flawed]:
    """Of the whole file, lazily. Errors: Rejected."""
    with _refusing():
        rows = statement_files.read(file, layout, iban=account.iban, currency=account.currency, today=today)
        for number, row in enumerate(rows):
            if number >= (MOST_ROWS if layout.format is Format.CSV else MOST_ENTRIES):
                raise Unreadable(csv_rows.Fault.TOO_MANY)
            yield row


@contextmanager
def _refusing() -> Iterator[None]:
    """What is wrong with a file as a whole, in words."""
    try:
        yield
    except Unreadable as problem:
        refused = _REFUSALS[problem.fault]()
        raise refused from None


_REFUSALS = {
    csv_rows.Fault.EMPTY: lambda: Rejected("This file is empty."),
    csv_rows.Fault.BINARY: lambda: Rejected("This is no bank statement: CSV, CAMT.053 and MT940 can be read."),
    csv_rows.Fault.ENCODING: lambda: Rejected("This file cannot be read as text."),
    csv_rows.Fault.NO_TABLE: lambda: Rejected("There is no table in this file."),
    csv_rows.Fault.TOO_MANY: lambda: Rejected(
        "This file has too many rows: 300,000 at most (CSV; else 150,000). Please export a shorter period."
    ),
    csv_rows.Fault.BROKEN: lambda: Rejected("This file is damaged or cut off. Please export it again."),
    csv_rows.Fault.NO_STATEMENT: lambda: Rejected(
        "This is no account statement in the format CAMT.053. Please choose CAMT.053 at the bank."
    ),
    csv_rows.Fault.FORBIDDEN: lambda: Rejected("This XML file defines document types. No bank does that, so it is not read."),
    csv_rows.Fault.TOO_LARGE: lambda: Rejected("This archive is too large: 10 MB, 400 files and 200 MB unpacked at most."),
}


def _safe(file_name: str, layout: Layout) -> str:
    """Harmless on every file system and in every header, with the ending that the content has."""
    stem = safe_file_name(file_name, Media.UNKNOWN).rpartition(".")[0]
    return f"{_ENDING.sub('', stem)}.{statement_files.EXTENSIONS[layout.format]}"
