"""The queue of the desk: what can be decided comes first, the surest at the top."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from jobs.runs import execute_run
from portal.db import Database
from portal.models import Candidate, Receipt, Role
from portal.ports import Ports
from portal.services import reviewing, running
from portal.services.finding import Actor
from portal.services.queueing import Filters
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
