"""For whoever watches: alive, ready, and which part is not (E43)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from portal import create_app
from portal.clock import FixedClock
from portal.db import Database
from portal.ports import Ports
from portal.queue import Queue
from portal.services import keeping
from portal.storage import Storage
from tests.servers import free_port
from tests.web.visitor import Visitor


@pytest.fixture
def well(ports: Ports, valkey_url: str, clock: FixedClock) -> Ports:
    """An installation in which everything runs."""
    with ports.database.write() as session:
        keeping.beat(session, "ticker", now=clock.now())
    ports.storage.put("0" * 8 + "-0000-0000-0000-" + "0" * 12, b"something")
    return replace(ports, queue=Queue(valkey_url))


def ready(ports: Ports) -> tuple[int, dict[str, str]]:
    """The status of /readyz and what it says of each part; /healthz answers meanwhile, whatever is away."""
    visitor = Visitor(create_app(ports=ports))
    alive = visitor.get("/healthz")
    assert (alive.status_code, alive.text) == (200, "ok\n")
    answer = visitor.get("/readyz")
    told = answer.get_json()
    assert sorted(told) == ["parts", "status"]
    assert told["status"] == ("ok" if answer.status_code == 200 else "failed")
    return answer.status_code, told["parts"]


@pytest.fixture
def app(well: Ports) -> Flask:
    """What pytest-flask's `client` speaks to; one request each, because its fixtures keep one `g` for a whole test."""
    return create_app(ports=well)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_who_watches_needs_no_account_and_leaves_no_session(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_ready(well: Ports) -> None:
    assert ready(well) == (200, dict.fromkeys(("database", "schema", "storage", "queue", "ticker"), "ok"))


def without_database(well: Ports) -> Ports:
    return replace(well, database=Database(f"sqlite:///{well.settings.data_dir}/nowhere/no.db"))


def without_migrations(well: Ports) -> Ports:
    with well.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    return well


def without_storage(well: Ports) -> Ports:
    folder = Path(well.settings.documents_url.removeprefix("file://"))
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was")
    return replace(well, storage=Storage(well.settings.documents_url))


def without_queue(well: Ports) -> Ports:
    return replace(well, queue=Queue(f"redis://127.0.0.1:{free_port()}/0"))


def without_ticker(well: Ports) -> Ports:
    with well.database.write() as session:
        keeping.beat(session, "ticker", now=well.clock.now() - timedelta(seconds=61))
    return well


@pytest.mark.parametrize(
    ("break_it", "red"),
    [
        (without_database, {"database", "schema", "ticker"}),
        (without_migrations, {"schema"}),
        (without_storage, {"storage"}),
        (without_queue, {"queue"}),
        (without_ticker, {"ticker"}),
    ],
)
def test_the_part_that_is_away_is_named_and_no_other(well: Ports, break_it: Callable[[Ports], Ports], red: set[str]) -> None:
    status, parts = ready(break_it(well))
    assert status == 503
    assert {name for name, word in parts.items() if word != "ok"} == red


def test_it_tells_strangers_nothing_else(well: Ports) -> None:
    for ports in (well, without_queue(well), without_storage(well)):
        told = Visitor(create_app(ports=ports)).get("/readyz").text
        for secret in (
            ports.settings.secret_key,
            ports.settings.database_url,
            str(ports.settings.data_dir),
            "127.0.0.1",
            "Error",
        ):
            assert secret not in told
