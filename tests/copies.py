"""What a test starts from is written once and copied for each: an empty database, or one with the test firm's world in it."""

from __future__ import annotations

import pickle
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy.engine import make_url

from portal import migrating
from portal.db import Database

if TYPE_CHECKING:
    from tests.factories import World

EMPTY, WORLD = "empty", "world"


class Copies(ABC):
    """A database that every test finds as it asks for it. One engine for all: it keeps the statements that it compiled."""

    def __init__(self, url: str, folder: Path) -> None:
        """Migrate a first database. `folder`: for the stored bytes of the world."""
        self.database = Database(url)
        self._documents = folder / "documents"
        self._world: bytes | None = None
        self.start_from(None)
        migrating.upgrade(self.database)
        self.database.engine.dispose()
        self.keep(EMPTY)

    def write_world(self, write: Callable[[Database, Path], World]) -> None:
        """Have the world written, with its bytes into a folder, unless it was."""
        if self._world is None:
            self.start_from(EMPTY)
            self._world = pickle.dumps(write(self.database, self._documents))
            self.database.engine.dispose()
            self.keep(WORLD)

    def world(self, documents: Path) -> World:
        """Return the world that is in the database, and put its bytes where they are looked for."""
        assert self._world is not None
        shutil.copytree(self._documents, documents, dirs_exist_ok=True)
        made: World = pickle.loads(self._world)
        return made

    @abstractmethod
    def start_from(self, name: str | None) -> None:
        """Make the database anew, as what was kept under a name; None: without tables. Who has the old one open is cut off."""

    @abstractmethod
    def keep(self, name: str) -> None:
        """Keep what the database holds; nobody may have it open."""


class SqliteCopies(Copies):
    """Files beside each other."""

    def __init__(self, folder: Path) -> None:
        """`folder`: of its own."""
        self._folder = folder
        super().__init__(f"sqlite:///{folder / 'belegfluss.db'}", folder)

    def start_from(self, name: str | None) -> None:
        """As above."""
        path = self._folder / "belegfluss.db"
        for old in self._folder.glob(f"{path.name}*"):
            old.unlink()  # whoever still holds it open writes into a file without a name
        if name:
            shutil.copy(self.kept(name), path)

    def keep(self, name: str) -> None:
        """As above."""
        shutil.copy(self._folder / "belegfluss.db", self.kept(name))

    def kept(self, name: str) -> Path:
        """Return the file that was kept under a name."""
        return self._folder / f"{name}.db"


class PostgresCopies(Copies):
    """Databases of one server, made by its own copying."""

    def __init__(self, server: str, folder: Path) -> None:
        """`server`: an address where databases may be made."""
        self._server, self._name = server, f"test_{secrets.token_hex(6)}"
        url = make_url(server).set(drivername="postgresql+psycopg", database=self._name)
        super().__init__(url.render_as_string(hide_password=False), folder)

    def start_from(self, name: str | None) -> None:
        """As above."""
        self._copy(f"{self._name}_{name}" if name else "template1", self._name)

    def keep(self, name: str) -> None:
        """As above."""
        self._copy(self._name, f"{self._name}_{name}")

    def drop(self) -> None:
        """Leave nothing on the server."""
        with psycopg.connect(self._server, autocommit=True) as connection:
            for name in (self._name, f"{self._name}_{EMPTY}", f"{self._name}_{WORLD}"):
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _copy(self, source: str, target: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
            # what is written once and thrown away need not go through the log
            connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}" STRATEGY FILE_COPY')
