"""The rows of a file that is being brought, in a table that only one database session sees, and what is to become of each.

The table is temporary: PostgreSQL and SQLite keep it beside the books, on the disk when it grows, and forget it with the
transaction. What is decided, is decided by SQL over all rows at once, so that no list of rows is ever held here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    Index,
    MetaData,
    String,
    Table,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    null,
    select,
    text,
    union_all,
    update,
)  # fmt: skip
from sqlalchemy.orm import Session

from portal.clock import BERLIN
from portal.db import Database, UtcDateTime, new_id
from portal.domain.csv_rows import Flaw, Flawed, Movement
from portal.models import Statement, Transaction
from portal.models.base import Id

AT_ONCE = 1000  #: rows that are in memory
OWN = "csv:"  #: ids that we gave


class Fate(StrEnum):
    """What an import would do with a row."""

    NEW = "new"
    KNOWN = "known"
    FLAWED = "flawed"


STAGED = Table(
    "staged_row", MetaData(),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("fate", String, nullable=False),
    Column("flaw", String),
    Column("text", String),  # of a flawed row; all others have what follows
    Column("id", Id),  # of the transaction that it may become
    Column("bank_id", String),
    Column("booked_on", Date), Column("settled_at", UtcDateTime), Column("side", String), Column("amount_cents", BigInteger),
    Column("currency", String), Column("counterparty", String), Column("counterparty_iban", String), Column("remittance", String),
    Index("ix_staged_row_bank_id", "bank_id"),
    prefixes=["TEMPORARY"], postgresql_on_commit="DROP",
)  # fmt: skip
_KEY = ("booked_on", "side", "amount_cents", "currency")
_TEXTS = ("counterparty", "counterparty_iban", "remittance")


@contextmanager
def passing(database: Database) -> Iterator[Session]:
    """A session for a table that goes with it, and for nothing else.

    PostgreSQL refuses to create even a temporary table where nothing may be written, so there it is a writing session that ends
    without a commit. SQLite's temporary tables are beside the database: a reading session does, and stops no writer.
    """
    if database.is_sqlite:
        with database.read() as session:
            yield session
        return
    with database.write() as session:
        yield session
        session.rollback()


def begin(session: Session) -> Stage:
    """An empty table; one at a time in a session."""
    STAGED.create(session.connection(), checkfirst=False)
    return Stage(session)


@dataclass(frozen=True, slots=True)
class Stage:
    """The rows of one file: fill, judge, then ask or book. What is not ended goes with a rollback."""

    session: Session

    def fill(self, rows: Iterable[Movement | Flawed]) -> None:
        """Take all rows in."""
        remaining = iter(rows)
        while batch := [_staged(row) for row in islice(remaining, AT_ONCE)]:
            self.session.execute(insert(STAGED), batch)
        if self.session.get_bind().dialect.name == "postgresql":
            self.session.execute(text(f"ANALYZE {STAGED.name}"))  # of temporary tables it learns nothing by itself

    def judge(self, account_id: str) -> None:
        """Decide for each row whether it is here already.

        A row whose bank id is here is known, and so is one that tells an id a second time. The others share, in their order,
        what is booked here with the same day, side and amount and is not named by the file itself: as many of them are known.
        """
        here = Transaction.bank_account_id == account_id
        told = select(Transaction.id).where(here, Transaction.qonto_id == STAGED.c.bank_id).correlate(STAGED)
        self._know(STAGED.c.bank_id.is_not(None), exists(told))
        twice = _numbered(STAGED.c.bank_id, where=STAGED.c.bank_id.is_not(None))
        self._know(STAGED.c.line.in_(select(twice.c.line).where(twice.c.number > 1)))
        named = exists(select(STAGED.c.line).where(STAGED.c.bank_id == Transaction.qonto_id).correlate(Transaction))
        # Both kinds of rows in one window, not two tables joined: a database that knows nothing of a new table yet may join
        # them row by row with row by row.
        both = union_all(
            select(STAGED.c.line, *(STAGED.c[name] for name in _KEY)).where(STAGED.c.fate == Fate.NEW.value),
            select(null().label("line"), *(getattr(Transaction, name) for name in _KEY)).where(
                here, Transaction.status == "booked", ~named
            ),
        ).subquery()
        key, is_here = [both.c[name] for name in _KEY], case((both.c.line.is_(None), 1), else_=0)
        counted = select(
            both.c.line,
            func.sum(is_here).over(partition_by=key).label("here"),
            func.row_number().over(partition_by=[*key, is_here], order_by=both.c.line).label("number"),
        ).subquery()
        known = select(counted.c.line).where(counted.c.line.is_not(None), counted.c.number <= counted.c.here)
        self._know(STAGED.c.line.in_(known))

    def _know(self, *conditions: ColumnElement[bool]) -> None:
        self.session.execute(update(STAGED).where(*conditions).values(fate=Fate.KNOWN.value))

    def insist(self, lines: Iterable[int]) -> None:
        """These are new although they look known; their ids are of others, so they get ids of ours."""
        remaining = iter(lines)
        while batch := list(islice(remaining, AT_ONCE)):
            self.session.execute(
                update(STAGED)
                .where(STAGED.c.line.in_(batch), STAGED.c.fate == Fate.KNOWN.value)
                .values(fate=Fate.NEW.value, bank_id=null())
            )

    def fates(self) -> dict[str, int]:
        """How many rows have each fate."""
        counted = select(STAGED.c.fate, func.count()).group_by(STAGED.c.fate)
        return {fate: count for fate, count in self.session.execute(counted)}

    def counts(self) -> dict[str, int]:
        """How many are new and known, and how many have each flaw."""
        reason = func.coalesce(STAGED.c.flaw, STAGED.c.fate)
        counted = select(reason, func.count()).group_by(reason)
        return {reason: count for reason, count in self.session.execute(counted)}

    def period(self) -> tuple[date | None, date | None]:
        """First and last day of the movements."""
        first, last = self.session.execute(select(func.min(STAGED.c.booked_on), func.max(STAGED.c.booked_on))).one()
        return first, last

    def first(self, fate: Fate, count: int) -> Sequence[Movement | Flawed]:
        """The first rows with a fate, in the file's order."""
        found = select(STAGED).where(STAGED.c.fate == fate.value).order_by(STAGED.c.line).limit(count)
        return [_row(row) for row in self.session.execute(found)]

    def book(self, statement: Statement, *, now: datetime) -> None:
        """Make transactions of all new rows."""
        own = literal(f"{OWN}{statement.id}:").concat(cast(STAGED.c.line, String))
        values: dict[str, ColumnElement[Any]] = {
            "id": STAGED.c.id, "client_id": literal(statement.client_id, Id),
            "bank_account_id": literal(statement.bank_account_id, Id), "statement_id": literal(statement.id, Id),
            "qonto_id": func.coalesce(STAGED.c.bank_id, own), "status": literal("booked"),
            "settled_at": STAGED.c.settled_at, "created_at": literal(now, UtcDateTime), "updated_at": literal(now, UtcDateTime),
            **{name: STAGED.c[name] for name in (*_KEY, *_TEXTS)},
        }  # fmt: skip
        chosen = select(*values.values()).where(STAGED.c.fate == Fate.NEW.value).order_by(STAGED.c.line)
        self.session.execute(insert(Transaction).from_select(list(values), chosen, include_defaults=False))

    def end(self) -> None:
        """Nothing of it remains in the session."""
        STAGED.drop(self.session.connection(), checkfirst=False)


def _numbered(*columns: ColumnElement[Any], where: ColumnElement[bool]) -> Any:
    """Lines with their numbers, from 1, among those that are equal in these columns."""
    number = func.row_number().over(partition_by=columns, order_by=STAGED.c.line).label("number")
    return select(STAGED.c.line, *columns, number).where(where).subquery()


def _staged(row: Movement | Flawed) -> dict[str, Any]:
    if isinstance(row, Flawed):
        return {
            **dict.fromkeys(("id", "bank_id", "settled_at", *_KEY, *_TEXTS)), "line": row.line, "fate": Fate.FLAWED.value,
            "flaw": row.flaw.value, "text": row.text,
        }  # fmt: skip
    return {
        "line": row.line, "fate": Fate.NEW.value, "flaw": None, "text": None, "id": new_id(), "bank_id": row.id,
        "booked_on": row.booked_on, "settled_at": _noon(row.booked_on), "side": row.side, "amount_cents": row.amount_cents,
        "currency": row.currency, "counterparty": row.counterparty, "counterparty_iban": row.counterparty_iban,
        "remittance": row.remittance,
    }  # fmt: skip


@lru_cache(maxsize=4096)  # a file has few days and many rows
def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=BERLIN).astimezone(UTC)


def _row(row: Any) -> Movement | Flawed:
    if row.flaw:
        return Flawed(row.line, Flaw(row.flaw), row.text)
    return Movement(
        row.line, row.booked_on, row.side, row.amount_cents, row.currency, row.counterparty, row.counterparty_iban,
        row.remittance, row.bank_id,
    )  # fmt: skip
