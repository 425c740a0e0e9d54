"""Declining a proposed pair: it leaves the proposals, the receipt stays in review, and it can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal.db import Database, new_id
from portal.errors import AlreadyAssigned, NotFound, Stale
from portal.models import AuditEvent, Candidate, Receipt, Refusal, Role, Run
from portal.services.assignments import assigning
from portal.services.assignments.assigning import SetAsideReason
from portal.services.auditing import Origin, acting
from portal.services.finding import Actor
from portal.services.review import deciding, declining, looking_back
from tests import factories
from tests.factories import Books, World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def ours(world: World) -> Books:
    """The first client's books; its receipt "open" has two proposals."""
    return world.ours


def _decline(database: Database, receipt: Receipt, candidate: Candidate, *, seen_version: int, now: datetime = NOW) -> None:
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        declining.decline(session, own, candidate_id=candidate.id, seen_version=seen_version, now=now)


def _take_back(database: Database, receipt: Receipt) -> None:
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        declining.take_back(session, own, seen_version=own.version, now=NOW)


def _state(database: Database, receipt: Receipt) -> Receipt:
    with database.read() as session:
        return session.get_one(Receipt, receipt.id)


def _refused(database: Database, receipt: Receipt) -> list[str]:
    with database.read() as session:
        return sorted(refusal.transaction_id for refusal in session.scalars(declining.standing_of(receipt.id)))


def _proposed(database: Database, receipt: Receipt) -> list[str]:
    with database.read() as session:
        return [candidate.id for candidate in session.scalars(assigning.candidates_of(receipt.id))]


def test_the_pair_leaves_the_proposals_and_the_receipt_stays(database: Database, ours: Books) -> None:
    receipt = ours.receipts["open"]
    _decline(database, receipt, ours.candidate, seen_version=receipt.version)
    found = _state(database, receipt)
    assert (found.state, found.review_reason, found.version) == ("in_review", "several_equal", receipt.version + 1)
    assert (found.best_score, _proposed(database, receipt)) == (0.4, [ours.second.id])
    assert _refused(database, receipt) == [ours.transactions[0].id]
    with database.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "pair.declined")).one()
    assert (event.subject, event.details["transactions"]) == (f"receipt:{receipt.id}", [ours.transactions[0].id])
    assert [one["score"] for one in event.details["considered"]] == [0.9, 0.4]


def test_without_a_further_proposal_there_is_no_best_score(database: Database, ours: Books) -> None:
    receipt = ours.receipts["income"]
    _decline(database, receipt, ours.sure, seen_version=receipt.version)
    assert (_state(database, receipt).best_score, _proposed(database, receipt)) == (None, [])


def test_every_part_of_a_proposal_is_declined_and_taken_back_with_it(database: Database, ours: Books) -> None:
    receipt, lines = ours.receipts["no_transaction"], ours.transactions[:2]
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        made = factories.candidate(session, own, (lines[0], 2000), (lines[1], 2200))
    _decline(database, receipt, made, seen_version=receipt.version)
    assert _refused(database, receipt) == sorted(line.id for line in lines)
    _take_back(database, receipt)
    assert _refused(database, receipt) == []


def test_the_last_one_is_taken_back_first_and_its_row_stays(database: Database, ours: Books) -> None:
    receipt = ours.receipts["open"]
    _decline(database, receipt, ours.candidate, seen_version=receipt.version)
    _decline(database, receipt, ours.second, seen_version=receipt.version + 1, now=NOW + timedelta(minutes=1))
    _take_back(database, receipt)
    assert _refused(database, receipt) == [ours.transactions[0].id]
    _take_back(database, receipt)
    with database.read() as session:
        rows = session.scalars(select(Refusal).where(Refusal.receipt_id == receipt.id)).all()
    assert {(row.withdrawn_at, row.withdrawn_by) for row in rows} == {(NOW, "system:test")}
    assert len(rows) == 2
    with pytest.raises(Stale):
        _take_back(database, receipt)


def test_what_changed_is_refused(database: Database, ours: Books) -> None:
    receipt = ours.receipts["open"]
    for candidate_id, version in ((ours.candidate.id, receipt.version - 1), (new_id(), receipt.version), ("no-id", 1)):
        with pytest.raises(Stale), database.write() as session:
            own = session.get_one(Receipt, receipt.id)
            declining.decline(session, own, candidate_id=candidate_id, seen_version=version, now=NOW)
    with pytest.raises(Stale):  # another receipt's
        _decline(database, ours.receipts["no_transaction"], ours.candidate, seen_version=1)
    _decline(database, receipt, ours.candidate, seen_version=receipt.version)
    with database.write() as session:  # the next matching proposes it again, at the end
        again = factories.candidate(session, session.get_one(Receipt, receipt.id), (ours.transactions[0], 11900), rank=3)
    with pytest.raises(Stale, match="already"):
        _decline(database, receipt, again, seen_version=receipt.version + 1)
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        assigning.set_aside(session, receipt=own, reason=SetAsideReason.DUPLICATE, seen_version=own.version, now=NOW)
    with pytest.raises(AlreadyAssigned):
        _decline(database, receipt, ours.second, seen_version=receipt.version + 2)


def test_several_are_declined_each_by_itself(database: Database, world: World) -> None:
    ours, actor = world.ours, Actor(world.staff.id, Role.STAFF)
    income, open_ = ours.receipts["income"], ours.receipts["open"]
    pairs = [(income.id, ours.sure.id, income.version), (open_.id, ours.candidate.id, open_.version + 5)]
    with database.write() as session:
        count, changed, runs = deciding.decline_several(session, actor, pairs, now=NOW)
    assert (count, [receipt.id for receipt in changed]) == (1, [open_.id])
    assert [(run.client_id, run.kind) for run in runs] == [(ours.client.id, "matching")]
    assert _refused(database, income) == [ours.transactions[3].id]
    assert (_refused(database, open_), _state(database, open_).version) == ([], open_.version)


def test_none_is_declined_where_one_is_somebody_elses(database: Database, world: World) -> None:
    ours, theirs = world.ours, world.theirs
    pairs = [(books.receipts["income"].id, books.sure.id, 1) for books in (ours, theirs)]
    with pytest.raises(NotFound), database.write() as session:
        deciding.decline_several(session, Actor(world.staff.id, Role.STAFF), pairs, now=NOW)
    assert [_refused(database, books.receipts["income"]) for books in (ours, theirs)] == [[], []]
    with database.read() as session:
        assert session.scalars(select(Run.id).where(Run.state == "due")).all() == []


def test_recently_done_knows_which_can_be_taken_back(database: Database, ours: Books) -> None:
    """Of two of one receipt the newer; the older after it. A transaction that it is assigned to is told once."""
    receipt, staff = ours.receipts["open"], ours.staff
    actor = Actor(staff.id, Role.STAFF)

    def standing() -> list[tuple[bool, bool, int]]:
        with database.read() as session:
            rows = looking_back.done(session, actor)
        return [(row.is_declined, row.is_standing, len(row.transactions)) for row in rows]

    with database.write() as session, acting(Origin(staff.id), key="k"):
        own = session.get_one(Receipt, receipt.id)
        for number, candidate in enumerate((ours.candidate, ours.second)):
            at = NOW + timedelta(minutes=number)
            declining.decline(session, own, candidate_id=candidate.id, seen_version=own.version, now=at)
    assert standing() == [(True, True, 0), (True, False, 0)]
    with database.write() as session, acting(Origin(staff.id), key="k"):
        own = session.get_one(Receipt, receipt.id)
        allocation = assigning.Allocation(ours.transactions[0].id, 11900)
        at = NOW + timedelta(minutes=5)
        assigning.assign(session, receipt=own, allocations=[allocation], seen_version=own.version, now=at)
    assert standing() == [(False, True, 1), (True, True, 0), (True, False, 0)]
    _take_back(database, receipt)
    assert standing() == [(False, True, 1), (True, False, 0), (True, True, 0)]
