"""What the firm's own decisions say about the matcher, and what the machine learns from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.db import Database, new_id
from portal.models import Assignment, Role
from portal.services.assignments import assigning, measuring
from portal.services.assignments.measuring import Tally
from portal.services.finding import Actor
from portal.services.review import deciding
from tests.factories import Books, World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def _decision(database: Database, books: Books, at: datetime, **values: object) -> None:
    """One decision about any receipt and transaction of the client; standing ones are told from others by what withdrew them."""
    with database.write() as session:
        given = {"is_automatic": False, "actor": "somebody", "withdrawn_at": at, "withdrawn_by": "system:bank", **values}
        session.add(
            Assignment(
                client_id=books.client.id, receipt_id=books.receipts["open"].id, transaction_id=books.transactions[0].id,
                amount_cents=1, decision_id=new_id(), score=None, matcher=None, created_at=at, **given,
            )
        )  # fmt: skip


def test_each_decision_counts_once_in_its_month(database: Database, world: World) -> None:
    ours, theirs = world.ours, world.theirs
    with database.read() as session:
        before = measuring.quality(session, Actor(world.admin.id, Role.ADMIN), today=NOW.date())
    base = before.total
    for _ in range(3):
        _decision(database, ours, NOW, is_automatic=True)
    _decision(database, ours, NOW, is_automatic=True, withdrawn_by=world.staff.id)
    _decision(database, ours, NOW, rank=1, actor=world.staff.id)
    _decision(database, ours, NOW, rank=3, actor=world.staff.id)
    _decision(database, ours, NOW, actor=world.staff.id)
    _decision(database, ours, NOW, actor=ours.owner.id)  # a client's upload onto a line
    midnight = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)  # already November in Berlin
    _decision(database, theirs, midnight, is_automatic=True)
    _decision(database, theirs, midnight - timedelta(hours=1), is_automatic=True)
    _decision(database, theirs, NOW - timedelta(days=500), is_automatic=True)
    with database.read() as session:
        everything = measuring.quality(session, Actor(world.admin.id, Role.ADMIN), today=NOW.date())
        staff = measuring.quality(session, Actor(world.staff.id, Role.STAFF), today=NOW.date())
    assert everything.total == base + Tally(automatic=6, undone=1, by_hand=3, first=1, proposed=2)
    months = dict(everything.months)
    assert months[midnight.date().replace(month=10, day=1)].automatic == 1
    assert {client.id for client, _ in staff.clients} == {ours.client.id}
    assert (staff.total.undone_share, staff.total.first_share) == (1 / staff.total.automatic, 1 / staff.total.by_hand)
    assert Tally().automatic_share is None


def test_the_taken_candidates_rank_is_kept(database: Database, world: World) -> None:
    ours = world.ours
    with database.write() as session:
        receipt = session.get_one(type(ours.receipts["open"]), ours.receipts["open"].id)
        deciding.assign_candidate(session, receipt, candidate_id=ours.candidate.id, seen_version=receipt.version, now=NOW)
        made = session.scalars(assigning.standing_of(receipt.id)).one()
        assert (made.rank, made.is_automatic) == (1, False)


def test_undone_automatic_assignments_make_the_machine_careful_for_a_while(database: Database, world: World) -> None:
    ours = world.ours
    with database.read() as session:
        assert measuring.caution(session, ours.client.id, now=NOW) == 0
    for _ in range(5):
        _decision(database, ours, NOW, is_automatic=True, withdrawn_by=world.staff.id)
    _decision(database, ours, NOW, is_automatic=True, withdrawn_by="system:bank")
    with database.read() as session:
        assert measuring.caution(session, ours.client.id, now=NOW) == measuring.MOST_CAUTION
        assert measuring.caution(session, ours.client.id, now=NOW + timedelta(days=91)) == 0
        assert measuring.caution(session, world.theirs.client.id, now=NOW) == 0
