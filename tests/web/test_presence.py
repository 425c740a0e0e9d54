"""Who has the same receipt open: a hint that fails no page, and is gone after two minutes."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, select, text

from jobs import ticker
from portal.clock import FixedClock
from portal.models import Membership, Presence, Receipt
from portal.ports import Ports
from tests.factories import World
from tests.web.test_statements import Counting
from tests.web.visitor import HTMX, Visit

HINT = "is looking at this too."


def looks(ports: Ports) -> list[tuple[str, str]]:
    with ports.database.read() as session:
        return sorted((one.receipt_id, one.user_id) for one in session.scalars(select(Presence)))


@pytest.mark.parametrize("headers", [None, HTMX])
def test_a_colleague_in_front_of_the_same_receipt_is_told(
    world: World, visit: Visit, ports: Ports, clock: FixedClock, headers: dict[str, str] | None
) -> None:
    mara, katrin, receipt = visit(world.staff), visit(world.admin), world.ours.receipts["open"]
    path = f"/review?item={receipt.id}"
    assert HINT not in mara.page(path, headers=headers).words
    assert HINT not in mara.page(path, headers=headers).words  # oneself does not count
    assert f"Mara Klein {HINT}" in katrin.page(path, headers=headers).words
    assert f"Katrin Elbtor {HINT}" in mara.page(path, headers=headers).words
    assert HINT not in mara.page(f"/review?item={world.ours.receipts['changed'].id}", headers=headers).words
    clock.move(minutes=1, seconds=59)
    assert f"Katrin Elbtor {HINT}" in mara.page(path, headers=headers).words
    clock.move(seconds=1)
    assert HINT not in mara.page(path, headers=headers).words


def test_it_is_noted_once_a_minute(world: World, visit: Visit, ports: Ports, clock: FixedClock, statements: Counting) -> None:
    visitor, path = visit(world.staff), f"/review?item={world.ours.receipts['open'].id}"

    def writes() -> int:
        with statements(ports.database) as seen:
            visitor.page(path)
        return len([one for one in seen if "INTO presence" in one])

    assert [writes(), writes()] == [1, 0]
    clock.move(seconds=59)
    assert writes() == 0
    clock.move(seconds=1)
    assert [writes(), writes()] == [1, 0]
    assert looks(ports) == [(world.ours.receipts["open"].id, world.staff.id)]


def test_only_open_receipts_that_one_may_see(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.staff)
    visitor.page(f"/review?item={world.ours.receipts['assigned'].id}")
    assert visitor.get(f"/review?item={world.theirs.receipts['open'].id}").status_code == 404
    assert visit(world.ours.owner).get(f"/review?item={world.ours.receipts['open'].id}").status_code == 403
    assert looks(ports) == []


def test_who_may_not_see_the_client_any_more_is_not_told_of(world: World, visit: Visit, ports: Ports) -> None:
    path = f"/review?item={world.ours.receipts['open'].id}"
    visit(world.staff).page(path)
    with ports.database.write() as session:
        session.execute(delete(Membership).where(Membership.user_id == world.staff.id))
    assert HINT not in visit(world.admin).page(path).words


def test_a_busy_database_fails_no_page(world: World, visit: Visit, ports: Ports) -> None:
    """Somebody else is writing, on PostgreSQL this very receipt: the page comes, the hint is not written, the next look is."""
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    is_held, is_seen = threading.Event(), threading.Event()

    def hold() -> None:
        with ports.database.write() as session:
            locked = select(Receipt.id).where(Receipt.id == receipt.id)
            session.execute(locked if ports.database.is_sqlite else locked.with_for_update())
            is_held.set()
            is_seen.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert is_held.wait(60)
        assert receipt.label in visitor.page(f"/review?item={receipt.id}").words
        assert looks(ports) == []
    finally:
        is_seen.set()
        other.join()
    visitor.page(f"/review?item={receipt.id}")
    assert looks(ports) == [(receipt.id, world.staff.id)]
    if ports.database.is_sqlite:  # whoever uses the connection next waits for others as ever
        with ports.database.write() as session:
            assert session.execute(text("PRAGMA busy_timeout")).scalar() == 30_000


def test_old_rows_are_removed(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    visitor = visit(world.staff)
    visitor.page(f"/review?item={world.ours.receipts['open'].id}")
    clock.move(minutes=50)
    visit(world.staff).page(f"/review?item={world.ours.receipts['changed'].id}")
    clock.move(minutes=11)
    ticker.forget_looks(ports)
    assert looks(ports) == [(world.ours.receipts["changed"].id, world.staff.id)]
    assert ticker.forget_looks in {duty.what for duty in ticker.TIMETABLE}
