"""Assigning, withdrawing, setting aside: one winner, nothing over-used, nothing erased."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, inspect, select
from sqlalchemy.orm import Session

from jobs.runs import execute_run as matching_run
from portal.db import Database, new_id
from portal.domain.matching import MATCHER_VERSION, Allocation, ReviewReason
from portal.errors import AlreadyAssigned, Conflict, NotFound, Rejected, Stale
from portal.models import Assignment, AuditEvent, BankAccount, Receipt, Role, Run, Transaction
from portal.ports import Ports
from portal.services.assignments import assigning, matching
from portal.services.assignments.assigning import SetAsideReason
from portal.services.auditing import Origin, acting
from portal.services.finding import Actor
from portal.services.review import deciding, putting_off
from tests import factories
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
    assert (made.score, made.is_automatic, made.actor) == (0.9, False, "system:test")
    assert [reason["code"] for reason in made.reasons] == ["amount_equal", "name_equal"]


def _last_told(database: Database, tag: str, receipt: Receipt) -> dict[str, object]:
    """Details of the newest such event about the receipt."""
    with database.read() as session:
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.tag == tag, AuditEvent.client_id == receipt.client_id)
            .order_by(AuditEvent.sequence.desc())
        )  # fmt: skip
        return next(e.details for e in events if receipt.id in (e.details.get("receipt"), e.subject.removeprefix("receipt:")))


def _decide(session: Session, kind: str, receipt: Receipt, world: World) -> None:
    """A person's decision of some kind about the receipt "open", whose first proposal is the first transaction."""
    ours, seen, line = world.ours, receipt.version, session.get_one(Transaction, world.ours.transactions[0].id)
    if kind == "candidate":
        deciding.assign_candidate(session, receipt, candidate_id=ours.candidate.id, seen_version=seen, now=NOW)
    elif kind == "lines":
        deciding.assign_lines(session, receipt, lines=[line.id], difference=None, seen_version=seen, now=NOW)
    elif kind == "together":
        pairs = [(receipt.id, ours.candidate.id, seen)]
        assert deciding.assign_several(session, Actor(world.staff.id, Role.STAFF), pairs, now=NOW) == (1, [])
    elif kind == "several receipts":
        invoice = session.get_one(Receipt, ours.receipts["no_transaction"].id)
        credit_note = factories.receipt(session, ours.documents, 70, now=NOW, amount_cents=-4200, kind="credit_note")
        chosen = [(one, one.version) for one in (receipt, invoice, credit_note)]
        deciding.assign_receipts(session, line, chosen, difference=None, now=NOW)
    elif kind == "not proposed":
        assigning.assign(session, receipt=receipt, allocations=[Allocation(line.id, 17)], seen_version=seen, now=NOW)
    else:
        assigning.set_aside(session, receipt=receipt, reason=SetAsideReason.PAID_IN_CASH, seen_version=seen, now=NOW)


@pytest.mark.parametrize("kind", ["candidate", "lines", "together", "several receipts", "not proposed", "set aside"])
def test_a_decision_and_its_undo_tell_what_lay_before_the_person(database: Database, world: World, kind: str) -> None:
    """Candidates with score, reasons and the matcher's version; what was taken of them, too."""
    receipt, lines = world.ours.receipts["open"], world.ours.transactions
    fits = {"reasons": ["amount_equal", "name_equal"], "matcher": "test"}
    considered = [{"score": score, "transactions": [line.id], **fits} for score, line in zip((0.9, 0.4), lines, strict=False)]
    taken = {"score": None, "reasons": [], "matcher": None} if kind == "not proposed" else {"score": 0.9, **fits}
    made, undone = "assignment.made", "assignment.withdrawn"
    if kind == "set aside":
        made, undone, taken = "receipt.set_aside", "receipt.reopened", {}
    with database.write() as session:
        _decide(session, kind, session.get_one(Receipt, receipt.id), world)
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        undo = deciding.reopen if kind == "set aside" else deciding.withdraw
        undo(session, own, seen_version=own.version, now=NOW)
    for tag in (made, undone):
        told = _last_told(database, tag, receipt)
        assert told["considered"] == considered, tag
        assert {key: told[key] for key in taken} == taken, tag


def test_the_machines_decision_tells_what_it_considered(ports: Ports, database: Database, ours: Books) -> None:
    """Its undo tells what it had gone by: its candidates went when it decided."""
    receipt, line = ours.receipts["open"], ours.transactions[0]
    with database.write() as session:
        session.get_one(Transaction, ours.transactions[1].id).status = "reversed"  # without its twin the first one is clear
        session.get_one(Transaction, line.id).remittance = f"{receipt.number} {receipt.counterparty}"
        own = session.get_one(Receipt, receipt.id)
        assigning.set_aside(session, receipt=own, reason=SetAsideReason.DUPLICATE, seen_version=own.version, now=NOW)
        run = deciding.reopen(session, own, seen_version=own.version, now=NOW)
        own.is_left_to_people = False
    assert matching_run(ports, run.id) == "done"
    made = _last_told(database, "assignment.made", receipt)
    best = made["considered"][0]
    assert made["is_automatic"]
    assert best == {
        "score": made["score"], "transactions": [line.id], "reasons": made["reasons"], "matcher": MATCHER_VERSION
    }  # fmt: skip
    assert {"amount_equal", "number_found"} <= set(best["reasons"])
    with database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        deciding.withdraw(session, own, seen_version=own.version, now=NOW)
    undone = _last_told(database, "assignment.withdrawn", receipt)
    assert [undone[key] for key in ("score", "reasons", "matcher", "considered")] == [
        made["score"], made["reasons"], MATCHER_VERSION, []
    ]  # fmt: skip


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
    """How a receipt stands: all of it but what tells that somebody was here.

    `is_left_to_people` is among that: an undo sets it on purpose, so that the machine does not decide again what a person has.
    """
    receipt = session.get_one(Receipt, receipt_id)
    columns = {column.key: getattr(receipt, column.key) for column in inspect(Receipt).columns}
    proposals = session.scalars(assigning.candidates_of(receipt_id)).all()
    return {
        **{name: value for name, value in columns.items() if name not in {"version", "updated_at", "is_left_to_people"}},
        "candidates": [(one.id, one.rank, one.score, one.grade, one.allocations, one.reasons, one.matcher) for one in proposals],
        "standing": session.scalars(assigning.standing_of(receipt_id)).all(),
    }


@dataclass
class _Walk:
    """Decisions of a person about several receipts at random, and how each stood before each that can still be undone."""

    session: Session
    dice: random.Random
    receipts: Sequence[Receipt]
    lines: Sequence[Transaction]  #: the last one is large
    before: dict[str, list[dict[str, object]]]

    def decide(self, receipt: Receipt, now: datetime) -> str:
        """Something about a receipt in review; tells what."""
        kind = self.dice.choice(["set aside", "assign", "collect", "put off", "put off", "bring back"])
        seen, stands = {"receipt": receipt, "seen_version": receipt.version, "now": now}, _review_of(self.session, receipt.id)
        if kind == "bring back":
            if receipt.put_off_until is None:
                return "nothing"
            putting_off.bring_back(self.session, **seen)
            self.before[receipt.id].clear()  # by hand and not as an undo: it stands in the queue
            plain = {"put_off_until": None, "put_off_note": "", "review_before": None}
            assert _review_of(self.session, receipt.id) == {**stands, **plain}
            return kind
        if kind == "collect":
            return self.collect(receipt, now)
        if kind == "set aside":
            assigning.set_aside(self.session, reason=SetAsideReason.DUPLICATE, **seen)
        elif kind == "assign":
            some = self.dice.sample(self.lines[:-1], self.dice.randrange(1, 3))
            assigning.assign(self.session, allocations=[Allocation(one.id, self.dice.randrange(1, 999)) for one in some], **seen)
        else:
            kind = "put off again" if receipt.put_off_until else kind
            until = now.date() + timedelta(days=self.dice.randrange(1, 9))
            putting_off.put_off(self.session, until=until, note=self.dice.choice(["", "Rückruf", "Urlaub"]), **seen)
        self.before[receipt.id].append(stands)
        return kind

    def collect(self, receipt: Receipt, now: datetime) -> str:
        """The receipt and others of the same side, credit notes too, to the large transaction."""
        others = [one for one in self.receipts if one.state == "in_review" and one.id != receipt.id]
        chosen = [receipt, *self.dice.sample(others, min(len(others), self.dice.randrange(1, 4)))]
        stood = {one.id: _review_of(self.session, one.id) for one in chosen}
        try:
            with self.session.begin_nested():
                rows = [(one, one.version) for one in chosen]
                deciding.assign_receipts(self.session, self.lines[-1], rows, difference=None, now=now)
        except (Rejected, AlreadyAssigned):
            assert stood == {one.id: _review_of(self.session, one.id) for one in chosen}
            return "refused"
        for receipt_id, stands in stood.items():
            self.before[receipt_id].append(stands)
        return "collect"

    def undo(self, receipt: Receipt, now: datetime) -> str:
        """The last thing that was done about it; it stands then as it did before."""
        kind = {"assigned": "withdraw", "set_aside": "reopen"}.get(receipt.state, "undo putting off")
        seen = {"receipt": receipt, "seen_version": receipt.version, "now": now}
        try:
            with self.session.begin_nested():
                if kind == "withdraw":
                    assigning.withdraw(self.session, **seen)
                elif kind == "reopen":
                    assigning.reopen(self.session, **seen)
                else:
                    putting_off.undo(self.session, **seen)
        except Rejected:  # a credit note whose room others use
            return "refused undo"
        self.session.flush()
        assert _review_of(self.session, receipt.id) == self.before[receipt.id].pop()
        return kind


@pytest.mark.parametrize("seed", range(8))
def test_an_undo_restores_exactly_what_was_before(database: Database, ours: Books, seed: int) -> None:
    """Decisions of a person about several receipts, undone in any order."""
    dice, names = random.Random(seed), ("open", "no_transaction", "changed", "waiting", "income")
    with database.write() as session:
        large = factories.transaction(session, session.get_one(BankAccount, ours.account.id), "t-9", 16000, now=NOW)
        receipts = [session.get_one(Receipt, ours.receipts[name].id) for name in names]
        factories.candidate(session, receipts[1], (large, 4200), score=0.6)
        receipts += [
            factories.receipt(session, ours.documents, 70 + n, now=NOW, amount_cents=cents, kind="credit_note")
            for n, cents in enumerate((-2000, -700))
        ]
        for receipt in receipts:
            receipt.best_score, receipt.in_review_since = dice.choice([None, 0.4]), NOW - timedelta(seconds=dice.randrange(10**6))
            if dice.random() < 0.5:
                receipt.asked_id, receipt.asked_by, receipt.asked_note = new_id(), new_id(), dice.choice(["", "bitte"])
                receipt.asked_at = receipt.in_review_since
        ids, line_ids = [one.id for one in receipts], [ours.transactions[0].id, ours.transactions[1].id, large.id]
    before: dict[str, list[dict[str, object]]] = defaultdict(list)
    happened = set()
    for step in range(80):
        with database.write() as session:
            rows, lines = [session.get_one(Receipt, one) for one in ids], [session.get_one(Transaction, one) for one in line_ids]
            walk = _Walk(session, dice, rows, lines, before)
            receipt, now = dice.choice(rows), NOW + timedelta(minutes=step)
            is_undo = receipt.state != "in_review" or (receipt.put_off_until is not None and dice.random() < 0.4)
            happened.add(walk.undo(receipt, now) if is_undo else walk.decide(receipt, now))
    assert happened >= {
        "set aside", "assign", "collect", "put off", "put off again", "bring back", "withdraw", "reopen", "undo putting off",
        "refused",
    }  # fmt: skip


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
