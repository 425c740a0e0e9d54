"""When something goes wrong: a sentence, the request's number, never a trace; and what is away takes nothing else along (E44, E50)."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from flask import Flask
from jinja2 import BytecodeCache
from sqlalchemy import select, text

from portal import create_app, log
from portal.models import Run
from portal.ports import Ports
from portal.queue import Queue
from portal.storage import Storage
from portal.web.access import public
from tests.factories import World
from tests.pages import Page
from tests.servers import free_port
from tests.web.routes import allowed, browsers, calls
from tests.web.visitor import HTMX, Visit, Visitor

TRACES = (
    "Traceback",
    "sqlalchemy",
    "psycopg",
    "sqlite",
    "SELECT",
    "File &#34;",
    "/portal/",
    "werkzeug",
    "no such table",
    "does not exist",
)


@contextmanager
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """The lines of the log, as production writes them."""
    root, lines = logging.getLogger(), []
    handlers, level = root.handlers, root.level
    capsys.readouterr()
    log.configure()
    try:
        yield lines
    finally:
        lines += capsys.readouterr().err.splitlines()
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def test_an_error_that_nobody_foresaw(site: Flask, visit: Visit, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def breaks() -> str:
        raise RuntimeError("the secret detail")

    site.config["PROPAGATE_EXCEPTIONS"] = False
    site.add_url_rule("/breaks", view_func=public(breaks), endpoint="breaks", methods=["GET", "POST"])
    visitor = visit(world.staff)
    with written(capsys) as lines:
        answer = visitor.get("/breaks")
    number = answer.headers["X-Request-Id"]
    page = Page(answer.text)
    assert answer.status_code == 500
    assert "This is our fault, not yours." in page.words
    assert number in page.words
    assert not [trace for trace in (*TRACES, "the secret detail") if trace in answer.text]
    told = [line for line in lines if "the secret detail" in line]
    assert told
    assert all(number in line for line in told)


def test_htmx_shows_it_among_the_notices(site: Flask, visit: Visit, world: World) -> None:
    site.config["PROPAGATE_EXCEPTIONS"] = False
    site.add_url_rule("/breaks", view_func=public(lambda: 1 // 0), endpoint="breaks")
    answer = visit(world.staff).get("/breaks", headers=HTMX)
    assert not Page(answer.text).is_whole
    assert answer.headers["X-Request-Id"] in Page(answer.text).words


def test_every_view_whose_tables_are_gone_says_so_politely(site: Flask, world: World, visit: Visit, ports: Ports) -> None:
    """Each blueprint that reads clients' books breaks here for real."""
    site.config["PROPAGATE_EXCEPTIONS"] = False
    broken = set()
    people = browsers(world, visit)
    with ports.database.write() as session:
        session.execute(text("ALTER TABLE client RENAME TO gone"))
    for call in calls(site, world.ours):
        if call.endpoint.startswith("auth."):
            continue
        browser = people[call.permission]
        form = {**call.form, "csrf_token": browser.token} if call.method == "POST" else None
        answer = browser.open(call.method, call.path, form)
        assert answer.status_code in {200, 303, 400, 404, 422, 500, 503}, call
        assert not [trace for trace in TRACES if trace in answer.text] or answer.status_code == 200, call
        if answer.status_code == 500:
            assert answer.headers["X-Request-Id"] in answer.text, call
            broken.add(call.endpoint.partition(".")[0])
    assert broken >= {"receipts", "connections", "finances", "review", "documents", "clients", "admin"}


def test_pages_that_are_not_there(visit: Visit, world: World) -> None:
    for user in (None, world.ours.owner, world.staff):
        for path in (
            "/nothing",
            "/receipts/not-an-id",
            "/receipts/00000000-0000-0000-0000-000000000000/nothing",
            "/static/../wsgi.py",
        ):
            answer = visit(user).get(path)
            assert answer.status_code == 404
            page = Page(answer.text)
            assert "We could not find this page." in page.words
            assert answer.headers["X-Request-Id"] in page.words


def test_wrong_methods_and_broken_requests(visit: Visit, world: World) -> None:
    visitor = visit(world.ours.owner)
    answer = visitor.open("DELETE", "/receipts")
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})
    assert visitor.get("/receipts?q=a%00b").status_code == 400
    assert visitor.get("/receipts/%00").status_code in {400, 404}
    assert visitor.post("/profile", {"name": "a\0b"}).status_code == 400
    assert visitor.get("/receipts?q=" + "%FF%FE").status_code == 200
    assert visitor.open("POST", "/profile", headers={"Content-Type": "multipart/form-data; boundary=x"}).status_code == 400


def test_the_database_is_away(site: Flask, world: World, visit: Visit, ports: Ports) -> None:
    site.config["PROPAGATE_EXCEPTIONS"] = False
    visitor, stranger = visit(world.ours.owner), visit(None)
    with ports.database.write() as session:
        session.execute(text("ALTER TABLE user_session RENAME TO gone"))
    answer = visitor.get("/receipts")
    assert answer.status_code == 503
    assert answer.headers["X-Request-Id"] in answer.text
    assert not [trace for trace in TRACES if trace in answer.text]
    assert stranger.get("/static/css/app.css").status_code == 200
    assert stranger.get("/healthz").status_code == 200


# --- what is away takes nothing else along


def redis_away(ports: Ports) -> Ports:
    return replace(ports, queue=Queue(f"redis://127.0.0.1:{free_port()}/0"))


def storage_away(ports: Ports) -> Ports:
    folder = Path(ports.settings.documents_url.removeprefix("file://"))
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was")
    return replace(ports, storage=Storage(ports.settings.documents_url))


def bank_away(ports: Ports) -> Ports:
    from portal import build_ports

    nowhere = f"http://127.0.0.1:{free_port()}"
    made = build_ports(replace(ports.settings, qonto_api_url=nowhere, qonto_oauth_url=nowhere))
    return replace(ports, oauth=made.oauth, qonto=made.qonto)


NEED_MORE = (
    "auth.",
    "health.",
    "documents.",
    "finances.statement",
    "firm.",
)  #: those that show a file, and those of nobody in particular


@pytest.mark.usefixtures("payable")
@pytest.mark.parametrize("take_away", [redis_away, storage_away, bank_away])
def test_the_pages_stay(world: World, ports: Ports, compiled: BytecodeCache, take_away: object) -> None:
    site = create_app(ports=take_away(ports))  # type: ignore[operator]
    site.jinja_env.bytecode_cache = compiled
    for user in (world.ours.owner, world.staff, world.admin):
        visitor = Visitor(site).sign_in_fully(user)
        for call in calls(site, world.ours, "GET"):
            if allowed(world, call.permission) is not user or call.endpoint.startswith(NEED_MORE):
                continue
            expected = {
                "connections.callback": 400,
                "connections.progress": 303,
                "messages.index": 303,
                "payments.progress": 303,
            }.get(call.endpoint, 200)
            assert visitor.get(call.path).status_code == expected, call
        if user.role != "client":
            receipt = world.ours.receipts["open" if user is world.staff else "no_transaction"]
            form = {"reason": "duplicate", "seen_version": 1}
            assert visitor.post(f"/receipts/{receipt.id}/set-aside", form).status_code == 303


def test_without_redis_a_sync_is_noted_and_comes_later(world: World, ports: Ports, compiled: BytecodeCache) -> None:
    site = create_app(ports=redis_away(ports))
    site.jinja_env.bytecode_cache = compiled
    visitor = Visitor(site).sign_in_fully(world.ours.owner)
    answer = visitor.post(f"/connections/{world.ours.documents.id}/runs")
    assert (
        "The sync starts in a moment." in visitor.follow(answer).words or "Syncing" in visitor.page("/profile/connections").words
    )
    with ports.database.read() as session:
        assert [run.state for run in session.scalars(select(Run).where(Run.trigger == "client"))] == ["due"]


def test_with_redis_a_press_puts_one_ticket_into_the_right_queue(
    world: World, ports: Ports, valkey_url: str, compiled: BytecodeCache
) -> None:
    queue = Queue(valkey_url)
    assert queue.redis
    queue.redis.flushdb()
    site = create_app(ports=replace(ports, queue=queue))
    site.jinja_env.bytecode_cache = compiled
    visitor = Visitor(site).sign_in_fully(world.ours.owner)
    for _ in range(5):
        visitor.post(f"/connections/{world.ours.documents.id}/runs")
    with ports.database.read() as session:
        run = session.scalars(select(Run).where(Run.trigger == "client")).one()
    waiting = queue.redis.lrange("rq:queue:imports", 0, -1)
    assert [job.decode().split("-", 1)[1].startswith(run.id) for job in waiting] == [True]
    assert queue.redis.keys("rq:queue:*") == [b"rq:queue:imports"]


def test_a_document_is_missed_with_a_sentence(world: World, ports: Ports, compiled: BytecodeCache) -> None:
    site = create_app(ports=storage_away(ports))
    site.jinja_env.bytecode_cache = compiled
    answer = Visitor(site).sign_in_fully(world.ours.owner).get(f"/documents/{world.ours.document.id}")
    assert answer.status_code == 500
    assert "Our document storage cannot be reached at the moment." in Page(answer.text).words


def test_the_bank_is_missed_with_a_sentence(world: World, ports: Ports, compiled: BytecodeCache) -> None:
    """The journey begins without it; only the way back needs it (`test_connections.py`)."""
    site = create_app(ports=bank_away(ports))
    site.jinja_env.bytecode_cache = compiled
    visitor = Visitor(site).sign_in_fully(world.ours.owner)
    assert visitor.post(f"/clients/{world.ours.client.id}/connections/bank/connect").status_code == 303
    assert visitor.post(f"/connections/{world.ours.bank.id}/disconnection").status_code == 303
