"""The queue of the desk: what can be decided comes first, the surest at the top."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text

from jobs.runs import execute_run
from portal.db import Database
from portal.models import Candidate, Receipt, Role
from portal.ports import Ports
from portal.services import running
from portal.services.finding import Actor
from portal.services.review import reviewing
from portal.services.review.queueing import MOST_COUNTED, QUEUE_SIZE, Filters
from tests import factories
from tests.factories import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def _order(database: Database, world: World, sort: str = "ready") -> list[str]:
    names = {receipt.id: name for name, receipt in world.ours.receipts.items()}
    with database.read() as session:
        desk = reviewing.desk(session, Actor(world.staff.id, Role.STAFF), Filters(sort=sort), now=NOW)
    return [names[row.id] for row in desk.queue.rows]


def test_the_surest_comes_first_and_what_waits_for_a_payment_last(database: Database, world: World) -> None:
    scores = {"open": 0.2, "income": 0.9, "changed": 0.4}
    with database.write() as session:
        for name, score in scores.items():
            session.get_one(Receipt, world.ours.receipts[name].id).best_score = score
    order = _order(database, world)
    assert order[:3] == ["income", "changed", "open"]
    waiting = [name for name in order if world.ours.receipts[name].review_reason == "no_transaction_yet"]
    assert order[-len(waiting) :] == waiting
    assert _order(database, world, "oldest")[0] == "open"


def test_a_receipt_knows_its_best_candidate(ports: Ports, world: World) -> None:
    with ports.database.write() as session:
        run = running.request(session, client_id=world.ours.client.id, kind="matching", trigger="change", now=NOW)
    assert execute_run(ports, run.id) == "done"
    with ports.database.read() as session:
        best = dict(session.execute(select(Candidate.receipt_id, Candidate.score).where(Candidate.rank == 1)).all())
        receipts = list(session.scalars(select(Receipt).where(Receipt.state == "in_review")))
        assert {receipt.id: receipt.best_score for receipt in receipts if receipt.client_id == world.ours.client.id} == {
            receipt.id: best.get(receipt.id) for receipt in receipts if receipt.client_id == world.ours.client.id
        }
    assert best


def _filled(database: Database, world: World, count: int) -> None:
    """A queue of several windows, with gaps and ties in all that it is put in order by; a third of it is put off."""
    with database.write() as session:
        for number in range(count):
            factories.receipt(
                session, world.ours.documents, 1000 + number, now=NOW, amount_cents=[None, -500, 500, 900][number % 4],
                best_score=[None, 0.0, 0.5, 0.5, 0.9][number % 5], in_review_since=NOW - timedelta(days=number % 7),
                review_reason="no_transaction_yet" if number % 6 else "several_equal",
                put_off_until=(NOW + timedelta(days=1 + number % 4)).date() if number % 3 == 0 else None,
            )  # fmt: skip


INDEXES = ("desk", "reason", "ready", "queue", "number_in_client", "party")
ORDERS: dict[str, Callable[[Receipt], tuple[Any, ...]]] = {
    "ready": lambda one: (
        one.review_reason == "no_transaction_yet", one.best_score is None, -(one.best_score or 0), one.in_review_since, one.sequence,
    ),
    "oldest": lambda one: (one.in_review_since, one.sequence),
    "newest": lambda one: (NOW - (one.in_review_since or NOW), -one.sequence),
    "amount": lambda one: (one.amount_cents is None, -abs(one.amount_cents or 0), one.sequence),
    "later": lambda one: (one.put_off_until, one.sequence),
}  # fmt: skip


@pytest.mark.parametrize("is_admin", [False, True])
@pytest.mark.parametrize("sort", ORDERS)
def test_wherever_one_stands_the_queue_is_the_same(database: Database, world: World, sort: str, is_admin: bool) -> None:
    _filled(database, world, 100)
    actor, is_later = Actor(world.admin.id, Role.ADMIN) if is_admin else Actor(world.staff.id, Role.STAFF), sort == "later"
    with database.read() as session:
        every = session.scalars(select(Receipt).where(Receipt.state == "in_review")).all()
        seen = [one for one in every if is_admin or one.client_id == world.ours.client.id]
        shown = [one for one in seen if (one.put_off_until is not None and one.put_off_until > NOW.date()) is is_later]
        ids = [one.id for one in sorted(shown, key=lambda one: (*ORDERS[sort](one), one.id))]
        assert len(ids) > QUEUE_SIZE
        for place, here in enumerate(ids):
            filters = Filters(sort="ready" if is_later else sort, is_later=is_later, receipt_id=here)
            queue = reviewing.desk(session, actor, filters, now=NOW).queue
            start = place - place % QUEUE_SIZE
            assert [row.id for row in queue.rows] == ids[start : start + QUEUE_SIZE]
            assert (queue.first, queue.position) == (start + 1, place + 1)
            assert (queue.previous and queue.previous.id) == (ids[place - 1] if place else None)
            assert (queue.following and queue.following.id) == (ids[place + 1] if place + 1 < len(ids) else None)


def test_a_receipt_outside_of_the_queue_leaves_it_at_its_beginning(database: Database, world: World) -> None:
    _filled(database, world, 40)
    with database.read() as session:
        queue = reviewing.desk(session, Actor(world.staff.id, Role.STAFF), Filters(sort="oldest"), now=NOW).queue
        put_off = session.scalars(select(Receipt.id).where(Receipt.put_off_until.is_not(None))).first()
        filters = Filters(sort="oldest", receipt_id=put_off or "")
        other = reviewing.desk(session, Actor(world.staff.id, Role.STAFF), filters, now=NOW).queue
    assert (other.rows, other.first, other.before, other.position) == (queue.rows, 1, None, 0)
    assert (other.following and other.following.id) == queue.rows[0].id


@pytest.mark.parametrize("role", [Role.STAFF, Role.ADMIN])
def test_the_queue_is_counted_and_put_in_order_by_indexes_alone(database: Database, world: World, role: Role) -> None:
    _filled(database, world, 60)
    is_admin = role is Role.ADMIN
    actor = Actor(world.admin.id if is_admin else world.staff.id, role)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "state = 'in_review'" in statement:
            asked.append((statement, parameters))

    with database.read() as session:
        rows = reviewing.desk(session, actor, Filters(), now=NOW).queue.rows
        event.listen(database.engine, "before_cursor_execute", note)
        reviewing.desk(session, actor, Filters(receipt_id=rows[-1].id), now=NOW)
        event.remove(database.engine, "before_cursor_execute", note)
    wanted = ["ix_receipt_reason", "ix_receipt_ready"] if is_admin else ["ix_receipt_desk", "ix_receipt_desk"]
    assert len(asked) == len(wanted)
    with database.engine.connect() as connection:
        for (statement, parameters), index in zip(asked, wanted, strict=True):
            with connection.begin() as change:
                if not database.is_sqlite:  # which of several it takes for a table so small says nothing
                    for way in ("seqscan", "bitmapscan"):
                        connection.execute(text(f"SET LOCAL enable_{way} = off"))
                    for other in {f"ix_receipt_{name}" for name in INDEXES} - {index}:
                        connection.execute(text(f"DROP INDEX {other}"))
                before = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
                plan = [str(row) for row in connection.exec_driver_sql(before + statement, parameters)]
                change.rollback()
            alone = f"USING COVERING INDEX {index}" if database.is_sqlite else f"Index Only Scan using {index}"
            assert any(alone in line for line in plan), plan


def test_the_queue_of_all_clients_is_counted_so_far_and_no_further(database: Database, world: World) -> None:
    """Of a reason with more than that, at least so many are open; what stands behind them leaves the queue at its beginning."""
    admin = Actor(world.admin.id, Role.ADMIN)
    with database.write() as session:
        for number in range(MOST_COUNTED + 1):
            factories.receipt(
                session, world.ours.documents, 1000 + number, now=NOW, best_score=0.99, review_reason="several_equal",
                in_review_since=NOW - timedelta(days=400, minutes=-number), asked_id=world.admin.id if number == 0 else None,
                put_off_until=(NOW + timedelta(days=1)).date() if number == 1 else None,
            )  # fmt: skip
    with database.read() as session:
        desk = reviewing.desk(session, admin, Filters(), now=NOW)
        assert desk.counts.full == {"several_equal"}
        assert (desk.is_more, desk.counts.reasons["several_equal"], desk.counts.put_off, desk.counts.mine) == (
            True,
            MOST_COUNTED - 1,
            1,
            1,
        )
        assert desk.oldest_at == NOW - timedelta(days=400)
        every = session.scalars(select(Receipt).where(Receipt.state == "in_review")).all()
        shown = [one for one in every if one.put_off_until is None or one.put_off_until <= NOW.date()]
        ids = [one.id for one in sorted(shown, key=lambda one: (*ORDERS["ready"](one), one.id))]
        for place in (MOST_COUNTED - 1, MOST_COUNTED):
            queue = reviewing.desk(session, admin, Filters(receipt_id=ids[place]), now=NOW).queue
            is_far = place == MOST_COUNTED
            start = 0 if is_far else MOST_COUNTED - QUEUE_SIZE
            assert [row.id for row in queue.rows] == ids[start : start + QUEUE_SIZE]
            assert (queue.is_far, queue.position) == ((True, 0) if is_far else (False, MOST_COUNTED))
            assert (queue.following and queue.following.id) == ids[0 if is_far else MOST_COUNTED]
            assert (queue.before and queue.before.id) == (None if is_far else ids[start - 1])
        few = reviewing.desk(session, admin, Filters(reason="no_transaction_yet"), now=NOW)
        assert (few.is_more, few.total) == (False, sum(one.review_reason == "no_transaction_yet" for one in shown))
        chosen = reviewing.desk(session, admin, Filters(client_id=world.ours.client.id, reason="several_equal"), now=NOW)
        assert (chosen.is_more, chosen.counts.full) == (False, frozenset())
        theirs = [one for one in shown if one.client_id == world.ours.client.id]
        assert chosen.total == sum(one.review_reason == "several_equal" for one in theirs) >= MOST_COUNTED
