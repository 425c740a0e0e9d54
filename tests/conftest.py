"""What tests stand on: a fresh database each (SQLite and PostgreSQL), real ports beside it, and a network of loopback only.

Fixtures: `database` → `ports` → `world` (a firm with two clients of identical content), `statements` (counts SQL),
`simulator` (the Qonto simulator that `ports` talk to, in this process), `valkey_url` (a private server).
"""

from __future__ import annotations

import gc
import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from sqlalchemy import event
from werkzeug.routing import Rule

from portal.clock import FixedClock
from portal.db import Database
from portal.services.auditing import Origin, acting
from portal.services.people import hashing
from portal.settings import Settings, Timing
from portal.storage import Storage
from tests import servers
from tests.copies import EMPTY, WORLD, Copies, PostgresCopies, SqliteCopies

if TYPE_CHECKING:
    from portal.ports import Ports
    from tests.bank import Bank
    from tests.factories import World

SIMULATOR_URL = "http://127.0.0.1:5051"  #: nothing listens there: the simulator answers in this process
NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
SECRET_KEY = secrets.token_urlsafe(48)  #: the world's audit chain was made with it
COPIES = pytest.StashKey[Copies]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reports tell which rows of the fault matrix they are about (`tests/chaos/faults.py` reads it)."""
    for item in items:
        item.user_properties += [("fault", row) for mark in item.iter_markers("fault") for row in mark.args]


def pytest_collection_finish() -> None:
    """Modules and collected tests live to the end: the collector need not look at them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


# --- the network ---------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Connecting to anything but this machine is an error of the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
            raise AssertionError(f"a test wanted to reach {address[0]}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# --- passwords -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="session")
def real_hasher() -> Iterator[PasswordHasher]:
    """What the product hashes passwords with. In tests the same code does so at hardly any cost."""
    real, hashing.HASHER = hashing.HASHER, PasswordHasher(memory_cost=64, time_cost=1, parallelism=1)
    yield real
    hashing.HASHER = real


# --- the site ------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="session")
def _routes_compiled_once() -> Iterator[None]:
    """Each test makes a site of its own, always with the same routes: what werkzeug compiles of them is kept."""
    compiled: dict[Any, Any] = {}
    compile_builder = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, rule.subdomain, repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = once  # type: ignore[method-assign]
    yield
    Rule._compile_builder = compile_builder  # type: ignore[method-assign]


# --- databases -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_copies(tmp_path_factory: pytest.TempPathFactory) -> SqliteCopies:
    """Of a file."""
    return SqliteCopies(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCopies]:
    """Of a database on a server for the session."""
    with servers.postgres() as url:
        made = PostgresCopies(url, tmp_path_factory.mktemp("postgres"))
        yield made
        made.drop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database with the newest schema; every test that asks for it runs on both kinds."""
    copies: Copies = request.getfixturevalue({"sqlite": "sqlite_copies", "postgresql": "postgres_copies"}[request.param])
    has_world = "world" in request.fixturenames
    if has_world:
        copies.write_world(_write_world)
    copies.start_from(WORLD if has_world else EMPTY)
    request.node.stash[COPIES] = copies
    yield copies.database
    copies.database.engine.dispose()


def _write_world(database: Database, documents: Path) -> World:
    from tests.factories import make_world

    with acting(Origin("system:test"), key=SECRET_KEY):
        return make_world(database, Storage(f"file://{documents}"), now=NOW)


@pytest.fixture
def statements() -> Callable[[Database], AbstractContextManager[list[str]]]:
    """Collects the SQL statements of a block, BEGINs excepted.

    Use: `with statements(database) as seen: …`
    """

    @contextmanager
    def collecting(database: Database) -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
                seen.append(statement)

        event.listen(database.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(database.engine, "before_cursor_execute", note)

    return collecting


# --- ports ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands: the same day and hour in every run, and the simulator's story ends there."""
    return FixedClock(NOW)


@pytest.fixture
def settings(tmp_path: Path, database: Database) -> Settings:
    """Settings of a test installation whose bank is the simulator."""
    return Settings(
        public_url="http://127.0.0.1:5050",
        data_dir=tmp_path,
        database_url=database.engine.url.render_as_string(hide_password=False),
        redis_url="",
        documents_url=f"file://{tmp_path / 'documents'}",
        mail_url=f"file://{tmp_path / 'mail'}",
        secret_key=SECRET_KEY,
        token_keys=(secrets.token_urlsafe(32),),
        qonto_api_url=SIMULATOR_URL,
        qonto_oauth_url=SIMULATOR_URL,
        qonto_file_origins=(SIMULATOR_URL.replace("127.0.0.1", "localhost"),),
        qonto_client_id="belegfluss",
        qonto_client_secret="simulator-secret",
        timing=Timing(call_retries=(0.01, 0.02, 0.03)),  # the only waits that a fixed clock does not pass
    )


@pytest.fixture
def bank(clock: FixedClock) -> Bank:
    """The Qonto simulator, in this process, with the story of the clock's day."""
    from tests.bank import Bank

    return Bank(SIMULATOR_URL, clock)


@pytest.fixture
def ports(settings: Settings, database: Database, clock: FixedClock, bank: Bank) -> Ports:
    """Everything real but two doors: the bank is the simulator, Redis is away."""
    from tests.factories import make_ports

    return make_ports(settings, database, clock, bank)


@pytest.fixture
def world(request: pytest.FixtureRequest, database: Database, settings: Settings) -> World:
    """A firm with an admin, two staff members and two clients whose content is identical."""
    assert database
    return request.node.stash[COPIES].world(settings.data_dir / "documents")


@pytest.fixture
def acts(settings: Settings) -> Iterator[None]:
    """The test itself changes rows: its audit events are `system:test`'s."""
    with acting(Origin("system:test", request_id="test"), key=settings.secret_key):
        yield


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A private Valkey for the session."""
    with servers.valkey() as url:
        yield url


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Each test has a site of its own; its templates are compiled once."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
