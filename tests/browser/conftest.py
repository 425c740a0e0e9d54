"""Portals on real sockets, a real Chromium, and people in front of it.

`site` is one for all tests that only look: the test firm, its bank nowhere. `own_site` is a test's own, to change.
`BROWSER_PICTURES=folder` keeps a picture of every page that a test leaves or looks at.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from socketserver import BaseServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, expect, sync_playwright
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.serving import WSGIRequestHandler, make_server

from portal import build_ports, create_app
from portal.db import Database
from portal.models import User
from portal.services.auditing import Origin, acting
from portal.settings import Settings
from portal.simulator import create_simulator
from portal.simulator.server import listen
from tests.factories import World, make_world
from tests.web.visitor import COOKIE, Visitor

if TYPE_CHECKING:
    from flask import Flask

    from portal.ports import Ports

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
NOWHERE = "http://127.0.0.1:9"
PATIENCE = 60_000  #: milliseconds until something that must happen counts as never happening
PICTURES = os.environ.get("BROWSER_PICTURES")

expect.set_options(timeout=PATIENCE)
_numbers = itertools.count(1)


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

    def cookies(self, person: User, *, is_half: bool = False) -> StorageState:
        """What a browser keeps after a sign-in, completely or with the password alone."""
        visitor = Visitor(self.app)
        if is_half:
            visitor.sign_in(person)
        else:
            visitor.sign_in_fully(person)
        kept = {"name": COOKIE, "value": visitor.cookie, "domain": "127.0.0.1", "path": "/", "expires": -1}
        return {"cookies": [{**kept, "httpOnly": True, "secure": True, "sameSite": "Lax"}], "origins": []}


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


def _settle_firm(site: Site) -> Site:
    settings = site.ports.settings
    with acting(Origin("system:test"), key=settings.secret_key):
        site.world = make_world(site.ports.database, settings, now=datetime.now(UTC))
    return site


@pytest.fixture(scope="session")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The test firm's portal, for all who only look."""
    folder = tmp_path_factory.mktemp("site")
    with opened(folder, _copied(sqlite_template, folder)) as made:
        yield _settle_firm(made)


@pytest.fixture
def bare_site(sqlite_template: Path, tmp_path: Path) -> Iterator[Site]:
    """An installation that nobody has used yet."""
    with opened(tmp_path, _copied(sqlite_template, tmp_path)) as made:
        yield made


@pytest.fixture
def own_site(database: Database, tmp_path: Path) -> Iterator[Site]:
    """The test firm's portal for one test that changes things."""
    with opened(tmp_path, database.engine.url.render_as_string(hide_password=False)) as made:
        yield _settle_firm(made)


def _copied(template: Path, folder: Path) -> str:
    shutil.copy(template, folder / "belegfluss.db")
    return f"sqlite:///{folder / 'belegfluss.db'}"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of the system (`CHROMIUM` names another)."""
    path = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path, "Chromium is missing: install it (Debian: apt-get install chromium) or set CHROMIUM to its path"
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@contextmanager
def browsing(chromium: Browser, site: Site, person: User | None = None, *, may_say: str = "$.", **kwargs: Any) -> Iterator[Page]:
    """Somebody (signed in, if named) in front of a browser of their own.

    Whatever the console complains about (scripts, refusals by the policy, missing files) fails the test, unless it fits `may_say`.
    """
    cookies = {"storage_state": site.cookies(person)} if person else {}
    context = chromium.new_context(**{"base_url": site.url, "viewport": {"width": 1440, "height": 900}, **cookies, **kwargs})
    context.set_default_timeout(PATIENCE)
    said: list[str] = []

    def listen_to(message: ConsoleMessage) -> None:
        is_elsewhere = message.location["url"].startswith("http") and not message.location["url"].startswith(site.url)
        is_picture = message.page and message.page.url.endswith(".webp")  # around it Chromium puts a page of its own
        if message.type in {"error", "warning"} and not is_elsewhere and not is_picture:
            said.append(message.text)

    context.on("console", listen_to)
    context.on("weberror", lambda problem: said.append(str(problem.error)))
    page = context.new_page()
    try:
        yield page
        keep_picture(page)
    finally:
        context.close()
    assert not [text for text in said if not re.search(may_say, text)], said


def keep_picture(page: Page, name: str = "") -> None:
    """Where pictures are wanted."""
    if PICTURES:
        name = name or os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0]
        name = re.sub(r"[^\w.=-]+", " ", name)[:90]
        page.screenshot(path=f"{PICTURES}/{next(_numbers):03d} {name}.png", full_page=True)


def named(word: str) -> re.Pattern[str]:
    """Exactly these words, wherever the catalogue lets them break (soft hyphens)."""
    return re.compile("^\\s*" + "\u00ad?".join(map(re.escape, word)) + "\\s*$")
