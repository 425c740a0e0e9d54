"""A real server with the test firm, a real Chromium, people who are signed in."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from playwright.sync_api import Browser, StorageState, sync_playwright
from sqlalchemy import update
from werkzeug.serving import make_server

from portal import build_ports, create_app
from portal.db import Database
from portal.models import User
from portal.services import authenticating
from portal.services.auditing import Origin, acting
from portal.settings import Settings
from tests.factories import World, make_world

if TYPE_CHECKING:
    from flask import Flask

    from portal.ports import Ports

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass
class Site:
    """The portal on a real socket. `secrets`: TOTP secrets by e-mail."""

    url: str
    app: Flask
    ports: Ports
    world: World
    secrets: dict[str, str]

    def show_in(self, language: str, theme: str) -> None:
        """Let everybody prefer this language and theme."""
        with self.ports.database.write() as session:
            session.execute(update(User).values(language=language, theme=theme))


def settings_at(folder: Path, port: int, database_url: str) -> Settings:
    """A test installation on this port; its bank is nowhere."""
    return Settings(
        public_url=f"http://127.0.0.1:{port}",
        data_dir=folder,
        database_url=database_url,
        redis_url="",
        documents_url=f"file://{folder / 'documents'}",
        mail_url=f"file://{folder / 'mail'}",
        secret_key=secrets.token_urlsafe(48),
        token_keys=(secrets.token_urlsafe(32),),
        qonto_api_url="http://127.0.0.1:9",
        qonto_oauth_url="http://127.0.0.1:9",
        qonto_file_origins=("http://localhost:9",),
        qonto_client_id="belegfluss",
        qonto_client_secret="simulator-secret",
    )


@pytest.fixture(scope="session")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The test firm's portal, served by threads."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(sqlite_template, folder / "belegfluss.db")
    database_url = f"sqlite:///{folder / 'belegfluss.db'}"
    settings = settings_at(folder, 1, database_url)
    server = make_server("127.0.0.1", 0, _nothing, threaded=True)
    settings = replace(settings, public_url=f"http://127.0.0.1:{server.server_port}")
    ports = build_ports(settings)
    server.app = create_app(settings, ports)
    with acting(Origin("system:test"), key=settings.secret_key):
        now = datetime.now(UTC)
        world = make_world(Database(database_url), settings, now=now)
        with ports.database.write() as session:
            people = [world.admin, world.staff]
            totp = {
                person.email: authenticating.demo_totp(session, session.get_one(User, person.id), keyring=ports.keyring, now=now)
                for person in people
            }
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(settings.public_url, server.app, ports, world, totp)
    server.shutdown()
    thread.join()


def _nothing(_environ: dict[str, Any], _start: object) -> list[bytes]:
    raise AssertionError("asked before the portal was there")


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


@pytest.fixture(scope="session")
def signed_in(site: Site, chromium: Browser) -> dict[str, StorageState]:
    """The cookies of everybody after a real sign-in through the pages, by role."""
    people = {"client": site.world.ours.owner, "staff": site.world.staff, "admin": site.world.admin}
    return {"": {"cookies": [], "origins": []}} | {role: sign_in(site, chromium, person) for role, person in people.items()}


def sign_in(site: Site, chromium: Browser, person: User) -> StorageState:
    """Type e-mail, password and, where asked, the code."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/sign-in")
    page.fill("input[name=email]", person.email)
    page.fill("input[name=password]", site.world.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_load_state()
    if person.email in site.secrets:
        page.fill("input[name=code]", pyotp.TOTP(site.secrets[person.email]).now())
        page.press("input[name=code]", "Enter")
        page.wait_for_load_state()
    assert "/sign-in" not in page.url, page.inner_text("main")
    state = context.storage_state()
    context.close()
    return state
