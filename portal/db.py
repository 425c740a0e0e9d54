"""The database: engine, transactions, column types.

One class for SQLite (embedded default) and PostgreSQL. SQLite's driver begins transactions too late by default and then loses
updates silently, so we begin them ourselves: IMMEDIATE to write, plain to read.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, Engine, create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

_open = threading.local()

PATIENCE = 30_000  #: milliseconds that a write waits for others on SQLite
HASTE = 25  #: of one that is not worth waiting for


def new_id() -> str:
    """A time-ordered UUID (version 7): 48 bits of milliseconds, then random bits. Rows sort by creation."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, stored as UTC; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database: SQLite forgets the zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """Where rows live. `read()` and `write()` are the only ways to a session."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._readers = self.engine.execution_options(is_reading=True, postgresql_readonly=True)
        self._hasty = self.engine.execution_options(is_hasty=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded default."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and writes nothing."""
        with _counted(), Session(self._readers, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back by any exception. Keep it short; never wait for others inside."""
        with _counted(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write_if_free(self) -> Iterator[Session]:
        """As `write`, for what is not worth waiting for: OperationalError at once where somebody else is writing."""
        with _counted(), Session(self._hasty, expire_on_commit=False) as session, session.begin():
            if not self.is_sqlite:
                session.execute(text(f"SET LOCAL lock_timeout = {HASTE}"))
            yield session

    def forget_connections(self) -> None:
        """After a fork: drop the parent's connections without closing its sockets."""
        self.engine.dispose(close=False)


@contextmanager
def _counted() -> Iterator[None]:
    _open.count = getattr(_open, "count", 0) + 1
    try:
        yield
    finally:
        _open.count -= 1


def refuse_open_transaction() -> None:
    """Called by the gateway before each HTTP call: waiting for the bank inside a transaction would stop every other writer."""
    if getattr(_open, "count", 0):
        raise RuntimeError("an HTTP call inside an open database transaction")


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        # Our statements and transactions are short: one that stands still is of a process that hangs, and must not hold the
        # others up for ever. Both are needed: between the parts of a pipeline a session counts as busy, not as idle.
        given = {"options": "-c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000"}
        return create_engine(url, json_serializer=_to_json, pool_size=10, max_overflow=20, pool_pre_ping=True, connect_args=given)
    engine = create_engine(
        url, json_serializer=_to_json, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=10, max_overflow=30
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we emit BEGIN ourselves, see the module's text
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={PATIENCE}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("is_hasty", False):
        connection.exec_driver_sql("BEGIN" if options.get("is_reading", False) else "BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout={HASTE}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={PATIENCE}")


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def is_reachable(database: Database) -> bool:
    """Whether a trivial read works; for readiness checks."""
    with database.read() as session:
        return session.execute(text("SELECT 1")).scalar() == 1
