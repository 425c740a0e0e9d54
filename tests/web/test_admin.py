"""The firm's overview: what needs somebody comes first, Resync for one client or all, and everything that happened."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal.clock import FixedClock
from portal.models import AuditEvent, Client, Connection, Receipt, Run
from portal.ports import Ports
from portal.services import keeping
from tests.factories import World
from tests.web.visitor import Visit

CHECK = {"reason": "check"}


def of(client: Client) -> str:
    """Where a client's resync is asked for."""
    return f"/admin/clients/{client.id}/runs"


def due(ports: Ports) -> list[Run]:
    with ports.database.read() as session:
        return list(session.scalars(select(Run).where(Run.state == "due").order_by(Run.id)))


def test_the_overview_puts_first_what_needs_somebody(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        broken = {"state": "action_needed", "reason": "invalid_grant"}
        session.execute(update(Connection).where(Connection.id == world.theirs.documents.id).values(broken))
    page = visit(world.admin).page("/admin")
    assert page.words.index(world.theirs.client.name) < page.words.index(world.ours.client.name)
    assert "Action needed" in page.words
    assert f"/connections/{world.theirs.documents.id}" in page.links


@pytest.mark.parametrize("path", ["/admin", "/clients"])
def test_the_clients_stand_in_the_order_that_is_asked_for(world: World, visit: Visit, ports: Ports, path: str) -> None:
    ours, theirs = world.ours.client, world.theirs.client
    with ports.database.write() as session:
        session.execute(update(Connection).where(Connection.id == world.theirs.documents.id).values(last_success_at=None))
        session.get_one(Receipt, world.theirs.receipts["open"].id).state = "set_aside"
    visitor = visit(world.admin)
    for sort, expected in (("name", [ours, theirs]), ("synced", [theirs, ours]), ("open", [ours, theirs]), ("x'--", None)):
        page = visitor.page(f"{path}?sort={sort}")
        rows = sorted((ours, theirs), key=lambda client: page.words.index(f"{client.name} {client.number}"))
        if expected:
            assert [client.name for client in rows] == [client.name for client in expected]


def test_it_counts_so_that_nothing_can_be_missing(world: World, visit: Visit) -> None:
    words = visit(world.admin).page("/admin").words
    for count, label in (
        (16, "Receipts in review"),
        (2, "Receipts matched"),
        (2, "Receipts without a transaction"),
        (20, "Receipts imported in all"),
    ):
        assert f"{count} {label}" in words


def test_it_tells_when_the_timetable_stands_still(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    visitor = visit(world.admin)
    warning = "The timetable stands still."
    assert warning in visitor.page("/admin").words
    with ports.database.write() as session:
        keeping.beat(session, "ticker", now=clock.now() - timedelta(seconds=59))
    assert warning not in visitor.page("/admin").words
    clock.move(seconds=2)
    assert warning in visitor.page("/admin").words


def test_resync_starts_both_connections_of_one_client(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.admin)
    path = f"/admin/clients/{world.ours.client.id}/runs"
    assert "2 syncs started." in visitor.follow(visitor.send(visitor.page(path), path)).words
    assert {(run.client_id, run.kind, run.trigger) for run in due(ports)} == {
        (world.ours.client.id, "documents", "admin"), (world.ours.client.id, "bank", "admin"),
    }  # fmt: skip


def test_twenty_presses_start_one_run_of_each_and_soon_no_more(world: World, visit: Visit, ports: Ports) -> None:
    """P-14: six an hour for a client, all of them every ten minutes; why is kept."""
    visitor = visit(world.admin)
    answers = [visitor.post(path, CHECK).status_code for _ in range(10) for path in (of(world.ours.client), "/admin/runs")]
    assert (answers.count(303), answers.count(429)) == (6 + 1, 13)
    assert len(due(ports)) == 4
    with ports.database.read() as session:
        asked = list(session.scalars(select(AuditEvent).where(AuditEvent.tag == "resync.asked")))
    assert [event.details["reason"] for event in asked] == ["check"] * 7


def test_a_resync_says_why(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.admin)
    for reason in ({}, {"reason": "x" * 100}):
        assert visitor.post(of(world.ours.client), reason).status_code == 422
        assert visitor.post("/admin/runs", reason).status_code == 422
    assert due(ports) == []


def test_resync_all_leaves_out_what_has_no_consent(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        session.execute(update(Connection).where(Connection.client_id == world.theirs.client.id).values(state="disconnected"))
    visitor = visit(world.admin)
    assert "2 syncs started." in visitor.follow(visitor.post("/admin/runs", CHECK)).words
    assert {run.client_id for run in due(ports)} == {world.ours.client.id}
    assert "There is no active connection to sync." in visitor.follow(visitor.post(of(world.theirs.client), CHECK)).words


def test_everything_that_happened_is_listed(world: World, visit: Visit) -> None:
    visitor = visit(world.admin)
    visitor.post(of(world.ours.client), CHECK)
    visit(world.ours.owner).get(f"/documents/{world.ours.document.id}")
    words = visitor.page("/admin/audit").words
    for told in (
        "Sync requested",
        "Katrin Elbtor",
        "Document downloaded",
        "Inhaber 10042",
        "Tax year commissioned",
        "System",
        "127.0.0.1",
    ):
        assert told in words
    assert words.index("Document downloaded") < words.index("Sync requested")
