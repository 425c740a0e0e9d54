"""Fresh, migrated databases for chaos runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from portal import migrating
from portal.db import Database
from tests import servers

KINDS = ("sqlite", "postgresql")


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    """The address of one: a file in the folder, or a database on a PostgreSQL of its own that ends with the context."""
    if kind == "sqlite":
        yield migrated(f"sqlite:///{folder / 'belegfluss.db'}")
        return
    with servers.postgres() as server:
        name = f"chaos_{secrets.token_hex(4)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        address = make_url(server).set(drivername="postgresql+psycopg", database=name)
        yield migrated(address.render_as_string(hide_password=False))
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]


def migrated(url: str) -> str:
    """Bring the schema up; the address again."""
    database = Database(url)
    migrating.upgrade(database)
    database.engine.dispose()
    return url
