"""How many questions a page puts to the database: few, and not more for a client with more of everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from portal.clock import FixedClock
from portal.db import Database
from portal.models import BankAccount, Client, Connection, SkippedInvoice
from portal.ports import Ports
from tests import factories
from tests.factories import Books, World
from tests.web.visitor import Visit, Visitor

MOST = 12
Counting = Callable[[Database], AbstractContextManager[list[str]]]


def count(visitor: Visitor, statements: Counting, paths: list[str]) -> dict[str, list[str]]:
    found = {}
    for path in paths:
        visitor.page(path)  # a first visit may note that the browser was seen, or that a notice was shown
        with statements(visitor.ports.database) as seen:
            visitor.page(path)
        found[path] = list(seen)
    return found


def grow(ports: Ports, world: World, clock: FixedClock) -> None:
    """Many more receipts, candidates, transactions, runs and skipped invoices of ours, and more clients of the firm."""
    now, ours = clock.now(), world.ours
    with ports.database.write() as session:
        documents, account = session.get_one(Connection, ours.documents.id), session.get_one(BankAccount, ours.account.id)
        client = session.get_one(Client, ours.client.id)
        for number in range(40):
            receipt = factories.receipt(session, documents, 1000 + number, now=now)
            lines = [factories.transaction(session, account, f"t-{number}-{rank}", 11900, now=now) for rank in (1, 2, 3)]
            for rank, line in enumerate(lines, start=1):
                factories.candidate(session, receipt, (line, 11900), rank=rank)
            factories.run(session, client, "documents", now=now, over=documents)
            session.add(
                SkippedInvoice(
                    client_id=client.id, connection_id=documents.id, qonto_id=f"s-{number}", kind="supplier_invoice",
                    reason="draft", seen_at=now,
                )
            )  # fmt: skip
        for number in range(8):
            other = factories.client(session, f"2000{number}", f"Weitere {number} GmbH", now=now, years=(now.year,))
            factories.member(session, world.staff, other, "staff")
            factories.bank_account(session, other, factories.connection(session, other, "bank", now=now), now=now)
            factories.receipt(session, factories.connection(session, other, "documents", now=now), 1, now=now)


def pages_of_the_firm(books: Books) -> list[str]:
    first = books.receipts["open"].id
    return [
        "/review", f"/review?item={first}", f"/review?client={books.client.id}&item={first}", "/review/done", "/receipts",
        f"/receipts/{first}", "/clients", f"/clients/{books.client.id}", f"/profile/connections?client={books.client.id}",
        f"/connections/{books.documents.id}", f"/finances/accounts?client={books.client.id}",
        f"/receipts/missing?client={books.client.id}", f"/transactions/{books.transactions[0].id}/explanation",
    ]  # fmt: skip


def test_the_firms_pages(world: World, visit: Visit, ports: Ports, clock: FixedClock, statements: Counting, acts: None) -> None:
    with ports.database.write() as session:  # the lists of one client alone show more than those of several
        factories.member(session, world.staff, world.theirs.client, "staff")
    staff, admin = visit(world.staff), visit(world.admin)
    paths = pages_of_the_firm(world.ours)
    before = {**count(staff, statements, paths), **count(admin, statements, ["/admin", "/admin/audit"])}
    grow(ports, world, clock)
    after = {**count(staff, statements, paths), **count(admin, statements, ["/admin", "/admin/audit"])}
    assert {path: len(seen) for path, seen in after.items()} == {path: len(seen) for path, seen in before.items()}
    assert {path: seen for path, seen in after.items() if len(seen) > MOST} == {}


def test_a_clients_pages(world: World, visit: Visit, ports: Ports, clock: FixedClock, statements: Counting, acts: None) -> None:
    owner = visit(world.ours.owner)
    paths = [
        "/receipts", "/receipts?state=in_review&q=weber", f"/receipts/{world.ours.receipts['assigned'].id}",
        "/profile/connections", "/finances/accounts", f"/connections/{world.ours.documents.id}", "/profile", "/help",
        "/receipts/missing", "/receipts/missing?state=all&month=2026-11&q=weber", "/receipts/missing/print",
        f"/transactions/{world.ours.transactions[0].id}/own-receipt",
    ]  # fmt: skip
    before = count(owner, statements, paths)
    grow(ports, world, clock)
    after = count(owner, statements, paths)
    assert {path: len(seen) for path, seen in after.items()} == {path: len(seen) for path, seen in before.items()}
    assert {path: seen for path, seen in after.items() if len(seen) > MOST} == {}


def test_a_static_file_asks_nothing(world: World, visit: Visit, statements: Counting, ports: Ports) -> None:
    visitor = visit(world.staff)
    with statements(ports.database) as seen:
        assert visitor.get("/static/css/app.css").status_code == 200
        assert visitor.get("/healthz").status_code == 200
    assert seen == []
