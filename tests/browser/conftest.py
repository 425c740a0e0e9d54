"""What the browser tests stand on: `site` (the test firm's portal), `bare_site` (nobody has used it yet), `windows` (Chromium)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from portal.services.auditing import Origin, acting
from tests.browser.sites import Site, opened
from tests.browser.windows import Windows
from tests.copies import EMPTY, SqliteCopies
from tests.factories import make_world

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def firm(sqlite_copies: SqliteCopies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The test firm's portal, for all tests of the session."""
    folder = tmp_path_factory.mktemp("site")
    with opened(folder, _copied(sqlite_copies, folder)) as made:
        with acting(Origin("system:test"), key=made.ports.settings.secret_key):
            made.world = make_world(made.ports.database, made.ports.storage, now=datetime.now(UTC))
        yield made


@pytest.fixture
def site(firm: Site, tmp_path: Path) -> Iterator[Site]:
    """The test firm's portal, as it was made; each test may change what it likes."""
    with firm.restored(tmp_path / "kept.db"):
        yield firm


@pytest.fixture
def bare_site(sqlite_copies: SqliteCopies, tmp_path: Path) -> Iterator[Site]:
    """An installation that nobody has used yet."""
    with opened(tmp_path, _copied(sqlite_copies, tmp_path)) as made:
        yield made


def _copied(copies: SqliteCopies, folder: Path) -> str:
    shutil.copy(copies.kept(EMPTY), folder / "belegfluss.db")
    return f"sqlite:///{folder / 'belegfluss.db'}"


@pytest.fixture(scope="session")
def windows() -> Iterator[Windows]:
    """A headless Chromium of the system (`CHROMIUM` names another)."""
    path = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path, "Chromium is missing: install it (Debian: apt-get install chromium) or set CHROMIUM to its path"
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield Windows(chromium)
        chromium.close()
