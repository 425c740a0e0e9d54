"""Fresh, migrated databases for chaos runs."""

from __future__ import annotations

import argparse
import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def choose(parser: argparse.ArgumentParser) -> None:
    """The option that `tell` reads."""
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both")


def tell(chosen: str, live: Callable[[str, Path], dict[str, Any]]) -> int:
    """Live through it on each chosen database and print what came out, a JSON line each; 0 when all were `ok`."""
    is_well = True
    for kind in KINDS if chosen == "both" else (chosen,):
        with tempfile.TemporaryDirectory(prefix="belegfluss-chaos-") as folder, fresh(kind, Path(folder)) as url:
            result = live(url, Path(folder))
        print(json.dumps(result), flush=True)
        is_well &= result["ok"]
    return 0 if is_well else 1


def migrated(url: str) -> str:
    """Bring the schema up; the address again."""
    database = Database(url)
    migrating.upgrade(database)
    database.engine.dispose()
    return url
