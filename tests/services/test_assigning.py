"""Assigning, withdrawing, setting aside: one winner, nothing over-used, nothing erased."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, inspect, select
from sqlalchemy.orm import Session

from jobs.runs import execute_run as matching_run
from portal.db import Database, new_id
from portal.domain.matching import Allocation, ReviewReason
from portal.errors import AlreadyAssigned, Conflict, NotFound, Rejected, Stale
from portal.models import Assignment, AuditEvent, Receipt, Run, Transaction
from portal.ports import Ports
from portal.services import assigning, deciding, matching
from portal.services.assigning import SetAsideReason
from portal.services.auditing import Origin, acting
from tests.factories import Books, World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def ours(world: World) -> Books:
    """The first client's books."""
    return world.ours


def _assign(database: Database, receipt: Receipt, *parts: tuple[Transaction, int], seen_version: int | None = None) -> None:
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        assigning.assign(
            session, receipt=own, allocations=[Allocation(line.id, cents) for line, cents in parts],
            seen_version=own.version if seen_version is None else seen_version, now=NOW,
        )  # fmt: skip


def _state(database: Database, receipt: Receipt) -> Receipt:
    with database.read() as session:
        return session.get_one(Receipt, receipt.id)


def _standing(database: Database, receipt: Receipt) -> list[tuple[str, int]]:
    with database.read() as session:
        rows = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id, Assignment.withdrawn_at.is_(None)))
        return sorted((row.transaction_id, row.amount_cents) for row in rows)


def _tags(database: Database, subject_part: str) -> list[str]:
    with database.read() as session:
        query = select(AuditEvent.tag).where(AuditEvent.tag.startswith(subject_part)).order_by(AuditEvent.sequence)
        return list(session.scalars(query))


def test_it_assigns(database: Database, ours: Books) -> None:
    receipt = ours.receipts["open"]
    _assign(database, receipt, (ours.transactions[0], 11900))
    found = _state(database, receipt)
    assert (found.state, found.review_reason, found.in_review_since, found.version) == (
        "assigned",
        None,
        None,
        receipt.version + 1,
    )
    assert _standing(database, receipt) == [(ours.transactions[0].id, 11900)]


def test_a_proposal_is_assigned_with_its_reasons(database: Database, ours: Books) -> None:
    with database.write() as session:
        receipt = session.get_one(Receipt, ours.receipts["open"].id)
        deciding.assign_candidate(session, receipt, candidate_id=ours.candidate.id, seen_version=receipt.version, now=NOW)
    with database.read() as session:
        made = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).one()
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.tag == "assignment.made").order_by(AuditEvent.sequence.desc())
        ).first()
    assert (made.score, made.is_automatic, made.actor) == (0.9, False, "system:test")
    assert [reason["code"] for reason in made.reasons] == ["amount_equal", "name_equal"]
    assert event is not None
    assert event.details["reasons"] == ["amount_equal", "name_equal"]
    assert event.details["considered"] == [[0.9, [ours.transactions[0].id]], [0.4, [ours.transactions[1].id]]]


def test_a_proposal_that_is_gone_is_stale(database: Database, ours: Books) -> None:
    with database.write() as session, pytest.raises(Stale):
        receipt = session.get_one(Receipt, ours.receipts["open"].id)
        deciding.assign_candidate(session, receipt, candidate_id=new_id(), seen_version=receipt.version, now=NOW)


def test_another_receipts_proposal_is_refused(database: Database, ours: Books) -> None:
    with database.write() as session, pytest.raises(Stale):
        receipt = session.get_one(Receipt, ours.receipts["no_transaction"].id)
        deciding.assign_candidate(session, receipt, candidate_id=ours.candidate.id, seen_version=receipt.version, now=NOW)


def test_a_stale_page_is_refused_and_changes_nothing(database: Database, ours: Books) -> None:
    receipt = ours.receipts["open"]
    with pytest.raises(Stale):
        _assign(database, receipt, (ours.transactions[0], 11900), seen_version=receipt.version - 1)
    assert (_state(database, receipt).state, _state(database, receipt).version) == ("in_review", receipt.version)
    assert _standing(database, receipt) == []


def test_a_foreign_transaction_is_not_found(database: Database, world: World) -> None:
    with pytest.raises(NotFound):
        _assign(database, world.ours.receipts["open"], (world.theirs.transactions[0], 11900))


def test_without_a_transaction_it_is_rejected(database: Database, ours: Books) -> None:
    with pytest.raises(Rejected):
        _assign(database, ours.receipts["open"])


@pytest.mark.parametrize("cents", [0, 11901, 10**12])
def test_no_more_than_what_is_open(database: Database, ours: Books, cents: int) -> None:
    with pytest.raises(AlreadyAssigned):
        _assign(database, ours.receipts["open"], (ours.transactions[0], cents))
    assert _standing(database, ours.receipts["open"]) == []


def test_a_transaction_is_shared_up_to_its_amount(database: Database, ours: Books) -> None:
    line = ours.transactions[0]
    _assign(database, ours.receipts["open"], (line, 7900))
    with pytest.raises(AlreadyAssigned):
        _assign(database, ours.receipts["no_transaction"], (line, 4001))
    _assign(database, ours.receipts["no_transaction"], (line, 4000))
    with database.read() as session:
        assert assigning.open_cents(session, session.get_one(Transaction, line.id)) == 0


def test_a_netted_credit_note_gives_room_back(database: Database, ours: Books) -> None:
    line = ours.transactions[0]
    _assign(database, ours.receipts["no_transaction"], (line, -2000))
    _assign(database, ours.receipts["open"], (line, 13900))
    with database.read() as session:
        assert assigning.open_cents(session, session.get_one(Transaction, line.id)) == 0


def test_the_same_transaction_twice_in_one_decision_is_refused(database: Database, ours: Books) -> None:
    with pytest.raises(AlreadyAssigned):
        _assign(database, ours.receipts["open"], (ours.transactions[0], 100), (ours.transactions[0], 200))


def test_what_the_bank_took_back_is_refused(database: Database, ours: Books) -> None:
    with database.write() as session:
        session.get_one(Transaction, ours.transactions[0].id).status = "reversed"
    with pytest.raises(AlreadyAssigned):
        _assign(database, ours.receipts["open"], (ours.transactions[0], 11900))


def test_an_assigned_or_set_aside_receipt_is_taken(database: Database, ours: Books) -> None:
    for name in ("assigned", "set_aside"):
        with pytest.raises(Conflict):
            _assign(database, ours.receipts[name], (ours.transactions[0], 100))


def test_of_two_people_at_once_one_wins(database: Database, ours: Books) -> None:
    """C18: the same receipt by several people; the same transaction for two receipts."""

    def attempt(name: str) -> str:
        try:
            _assign(database, ours.receipts[name], (ours.transactions[0], 11900), seen_version=ours.receipts[name].version)
        except Conflict as conflict:
            return type(conflict).__name__
        return "won"

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(copy_context().run, attempt, name) for name in ("open", "no_transaction") * 3]
        outcomes = [future.result() for future in futures]
    assert outcomes.count("won") == 1
    with database.read() as session:
        assert assigning.open_cents(session, session.get_one(Transaction, ours.transactions[0].id)) == 0


def test_withdrawing_keeps_the_row_and_declines_the_pair(database: Database, ours: Books) -> None:
    receipt = ours.receipts["assigned"]
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        run = deciding.withdraw(session, own, seen_version=own.version, now=NOW)
    assert (run.kind, run.state) == ("matching", "due")
    found = _state(database, receipt)
    assert (found.state, found.review_reason, found.in_review_since) == ("in_review", ReviewReason.MANUAL_UNLINK, NOW)
    with database.read() as session:
        row = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).one()
        assert (row.withdrawn_at, row.withdrawn_by) == (NOW, "system:test")
        assert matching._declined(session, ours.client.id) == {(receipt.id, ours.transactions[2].id)}
    assert _tags(database, "assignment.")[-1] == "assignment.withdrawn"
    _assign(database, receipt, (ours.transactions[2], 59500))  # a person may decide otherwise again
    assert _state(database, receipt).state == "assigned"


def _review_of(session: Session, receipt_id: str) -> dict[str, object]:
    """How a receipt stands: all of it but what tells that somebody was here."""
    receipt = session.get_one(Receipt, receipt_id)
    columns = {column.key: getattr(receipt, column.key) for column in inspect(Receipt).columns}
    proposals = session.scalars(assigning.candidates_of(receipt_id)).all()
    return {
        **{name: value for name, value in columns.items() if name not in {"version", "updated_at", "is_left_to_people"}},
        "candidates": [(one.id, one.rank, one.score, one.grade, one.allocations, one.reasons, one.matcher) for one in proposals],
        "standing": session.scalars(assigning.standing_of(receipt_id)).all(),
    }


@pytest.mark.parametrize("seed", range(12))
def test_an_undo_restores_exactly_what_was_before(database: Database, ours: Books, seed: int) -> None:
    """Decisions of a person about several receipts, undone in any order."""
    dice, receipts, lines = random.Random(seed), ours.receipts, ours.transactions
    before: dict[str, dict[str, object]] = {}
    with database.write() as session:
        for name in ("open", "no_transaction", "changed", "waiting", "income"):
            receipt = session.get_one(Receipt, receipts[name].id)
            receipt.best_score, receipt.in_review_since = dice.choice([None, 0.4]), NOW - timedelta(seconds=dice.randrange(10**6))
            if dice.random() < 0.5:
                receipt.put_off_until, receipt.put_off_note = NOW.date() + timedelta(days=dice.randrange(1, 9)), "später"
            if dice.random() < 0.5:
                receipt.asked_id, receipt.asked_by, receipt.asked_note = new_id(), new_id(), dice.choice(["", "bitte"])
                receipt.asked_at = receipt.in_review_since
    for step in range(40):
        name = dice.choice(["open", "no_transaction", "changed", "waiting", "income"])
        with database.write() as session:
            receipt, now = session.get_one(Receipt, receipts[name].id), NOW + timedelta(minutes=step)
            if receipt.state == "assigned":
                deciding.withdraw(session, receipt, seen_version=receipt.version, now=now)
            elif receipt.state == "set_aside":
                deciding.reopen(session, receipt, seen_version=receipt.version, now=now)
            else:
                before[name] = _review_of(session, receipt.id)
                if dice.random() < 0.3:
                    assigning.set_aside(
                        session, receipt=receipt, reason=SetAsideReason.DUPLICATE, seen_version=receipt.version, now=now
                    )
                else:
                    taken = [
                        Allocation(line.id, dice.randrange(1, 1000)) for line in dice.sample(lines[:2], dice.randrange(1, 3))
                    ]
                    assigning.assign(session, receipt=receipt, allocations=taken, seen_version=receipt.version, now=now)
                continue
            session.flush()
            assert _review_of(session, receipt.id) == before[name]


def test_what_a_person_took_back_is_a_persons(ports: Ports, database: Database, world: World, ours: Books) -> None:
    """The machine does not decide it with another transaction, and nothing speaks against the first one."""
    receipt = ours.receipts["open"]
    _assign(database, receipt, (ours.transactions[0], 11900))
    with acting(Origin(world.staff.id), key=ports.settings.secret_key), database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        run = deciding.withdraw(session, own, seen_version=own.version, now=NOW)
        session.get_one(Transaction, ours.transactions[1].id).status = "reversed"  # without its twin the first one is clear
        session.get_one(Transaction, ours.transactions[0].id).remittance = f"{receipt.number} {receipt.counterparty}"
    assert matching_run(ports, run.id) == "done"
    assert _state(database, receipt).state == "in_review"
    with database.read() as session:
        best = session.scalars(assigning.candidates_of(receipt.id)).first()
        assert best is not None
        assert ([part["transaction"] for part in best.allocations], best.rank) == ([ours.transactions[0].id], 1)
        assert "declined" not in {reason["code"] for reason in best.reasons}


def test_withdrawing_twice_is_stale(database: Database, ours: Books) -> None:
    receipt = ours.receipts["assigned"]
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        seen = own.version
        deciding.withdraw(session, own, seen_version=seen, now=NOW)
    for version in (seen, seen + 1):
        with database.write() as session, pytest.raises(Stale):
            deciding.withdraw(session, session.get_one(Receipt, receipt.id), seen_version=version, now=NOW)


def test_setting_aside_and_reopening(database: Database, ours: Books) -> None:
    receipt = ours.receipts["open"]
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        assigning.set_aside(session, receipt=own, reason=SetAsideReason.PAID_IN_CASH, seen_version=own.version, now=NOW)
    found = _state(database, receipt)
    assert (found.state, found.set_aside_reason, found.review_reason) == ("set_aside", "paid_in_cash", None)
    with database.write() as session, pytest.raises(Conflict):
        own = session.get_one(Receipt, receipt.id)
        assigning.set_aside(session, receipt=own, reason=SetAsideReason.DUPLICATE, seen_version=own.version, now=NOW)
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        deciding.reopen(session, own, seen_version=own.version, now=NOW)
    found = _state(database, receipt)
    assert (found.state, found.set_aside_reason, found.review_reason) == ("in_review", None, "several_equal")
    assert _tags(database, "receipt.") == ["receipt.set_aside", "receipt.reopened"]
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Run).where(Run.kind == "matching", Run.state == "due")) == 1


def test_a_refused_step_leaves_no_event(database: Database, ours: Books) -> None:
    before = _tags(database, "")
    with pytest.raises(AlreadyAssigned):
        _assign(database, ours.receipts["open"], (ours.transactions[0], 10**9))
    assert _tags(database, "") == before


def test_every_receipt_is_in_exactly_one_state(database: Database, world: World) -> None:
    for books in (world.ours, world.theirs):
        for receipt in books.receipts.values():
            found = _state(database, receipt)
            has_assignment = bool(_standing(database, receipt))
            assert has_assignment == (found.state == "assigned")
            assert (found.review_reason is not None) == (found.state == "in_review") == (found.in_review_since is not None)
            assert (found.set_aside_reason is not None) == (found.state == "set_aside")
