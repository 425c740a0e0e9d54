"""Portals on real sockets, with the test firm or empty, and the bank on another one."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseServer
from typing import TYPE_CHECKING, Any, ClassVar

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.serving import WSGIRequestHandler, make_server

from portal import build_ports, create_app
from portal.models import User
from portal.services.auditing import Origin, acting
from portal.settings import Settings
from portal.simulator import create_simulator
from portal.simulator.server import listen
from tests.factories import World
from tests.web.visitor import COOKIE, Visitor

if TYPE_CHECKING:
    from flask import Flask

    from portal.ports import Ports

NOWHERE = "http://127.0.0.1:9"

Cookies = list[dict[str, Any]]  #: as Playwright takes them


@dataclass
class Site:
    """A portal on a real socket. `world`: the test firm, where there is one."""

    url: str
    app: Flask
    ports: Ports
    world: World = field(init=False)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Change rows as `system:test`."""
        with acting(Origin("system:test"), key=self.ports.settings.secret_key), self.ports.database.write() as session:
            yield session

    def show_in(self, language: str, theme: str) -> None:
        """Let everybody prefer this language and theme."""
        with self.writing() as session:
            session.execute(update(User).values(language=language, theme=theme))

    def cookies(self, person: User, *, is_half: bool = False) -> Cookies:
        """What a browser keeps after a sign-in, completely or with the password alone."""
        visitor = Visitor(self.app)
        if is_half:
            visitor.sign_in(person)
        else:
            visitor.sign_in_fully(person)
        where = {"domain": "127.0.0.1", "path": "/", "httpOnly": True, "secure": True, "sameSite": "Lax"}
        return [{"name": COOKIE, "value": visitor.cookie, **where}]

    @contextmanager
    def restored(self, kept_in: Path) -> Iterator[None]:
        """Whatever rows change in the block are as before at its end (SQLite)."""
        rows = Path(str(self.ports.database.engine.url.database))
        _copy(rows, kept_in)
        yield
        _copy(kept_in, rows)


def _copy(source: Path, target: Path) -> None:
    """As SQLite does it: others may have the file open."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        other.execute("PRAGMA synchronous=OFF")
        one.backup(other)


def settings_at(folder: Path, port: int, database_url: str, bank: str) -> Settings:
    """A test installation on this port."""
    return Settings(
        public_url=f"http://127.0.0.1:{port}",
        data_dir=folder,
        database_url=database_url,
        redis_url="",
        documents_url=f"file://{folder / 'documents'}",
        mail_url=f"file://{folder / 'mail'}",
        secret_key=secrets.token_urlsafe(48),
        token_keys=(secrets.token_urlsafe(32),),
        qonto_api_url=bank,
        qonto_oauth_url=bank,
        qonto_file_origins=(bank.replace("127.0.0.1", "localhost"),),
        qonto_client_id="belegfluss",
        qonto_client_secret="simulator-secret",
    )


@contextmanager
def nowhere(_callback: str) -> Iterator[str]:
    """A bank that is not there."""
    yield NOWHERE


@contextmanager
def simulator(callback: str) -> Iterator[str]:
    """The bank on a real socket; from its consent page people are sent to the callback."""
    server = listen(create_simulator(client_redirects=[callback]), 0)
    with _serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


@contextmanager
def opened(folder: Path, database_url: str, bank: Callable[[str], AbstractContextManager[str]] = nowhere) -> Iterator[Site]:
    """A portal over a migrated database, served by threads while the block lasts."""
    server = make_server("127.0.0.1", 0, _nothing, threaded=True, request_handler=_Quiet)
    with bank(f"http://127.0.0.1:{server.server_port}/connections/qonto/callback") as bank_url:
        settings = settings_at(folder, server.server_port, database_url, bank_url)
        ports = build_ports(settings)
        server.app = create_app(settings, ports)
        server.app.jinja_env.bytecode_cache = _Compiled()
        with _serving(server):
            yield Site(settings.public_url, server.app, ports)
        ports.qonto.close()
        ports.database.engine.dispose()


class _Compiled(BytecodeCache):
    """Each portal has its own templates; they are compiled once."""

    kept: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if found := self.kept.get(bucket.key):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_args: Any) -> None:
        """The portal tells of each request itself."""


def _nothing(_environ: dict[str, Any], _start: object) -> list[bytes]:
    raise AssertionError("asked before the portal was there")


@contextmanager
def _serving(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
