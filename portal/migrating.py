"""Schema versions: bring a database to the newest one, or tell where it stands."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from portal.db import Database

HERE = Path(__file__).parent / "migrations"


def upgrade(database: Database, revision: str = "head") -> None:
    """Run all migrations up to `revision`; each in a transaction of its own."""
    _run(database, command.upgrade, revision)


def downgrade(database: Database, revision: str) -> None:
    """Step back to `revision` ("base": an empty database)."""
    _run(database, command.downgrade, revision)


def current(database: Database) -> str | None:
    """The revision of the database; None before the first migration."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The newest revision that this version of the product knows."""
    return ScriptDirectory(str(HERE)).get_current_head()


def differences(database: Database) -> list[object]:
    """What the models have and the database lacks, or the other way round; empty when they agree.

    Not compared are indexes over expressions: each database words them in its own way, and SQLite tells none.
    """
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 -- only tests ask

    from portal.models import Base  # noqa: PLC0415 -- as above

    indexes = [index for table in Base.metadata.tables.values() for index in table.indexes]
    worded = {index.name for index in indexes if len(index.columns) < len(index.expressions)}
    options = {"compare_type": True, "include_object": lambda _, name, kind, *__: kind != "index" or name not in worded}
    with database.engine.connect() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*expression-based index")
        found: list[object] = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
        return found


def new_revision(database: Database, message: str) -> None:
    """Write a migration file from the difference between models and database; for developers."""
    _run(database, lambda config, text: command.revision(config, text, autogenerate=True), message)


def _run(database: Database, action: object, argument: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            with connection.begin():
                connection.execute(text("SET statement_timeout = 0"))  # a large table takes its time
        config.attributes["connection"] = connection
        with _unwatched(connection) if database.is_sqlite else nullcontext():
            action(config, argument)  # type: ignore[operator]
            connection.commit()


@contextmanager
def _unwatched(connection: Connection) -> Iterator[None]:
    """SQLite changes a column by building the table anew: foreign keys must not be looked at until the new one stands.

    The switch works only outside a transaction, so it is told to the driver. Source: SQLite's "Making Other Kinds Of Table
    Schema Changes".
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
        if broken := driver.execute("PRAGMA foreign_key_check").fetchall():
            raise RuntimeError(f"{len(broken)} rows name others that are not there")
    finally:
        driver.execute("PRAGMA foreign_keys=ON")
