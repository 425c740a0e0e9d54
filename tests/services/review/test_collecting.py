"""A payment for several receipts: found beside it, added up, assigned as one step, undone one by one."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, inspect, select
from sqlalchemy.orm import Session

from portal.db import Database
from portal.domain.matching import ReasonCode, ReviewReason
from portal.errors import AlreadyAssigned, Conflict, NotFound, Rejected, Stale
from portal.models import Assignment, AuditEvent, BankAccount, Candidate, Receipt, Role, Transaction
from portal.services.assignments import assigning
from portal.services.assignments.assigning import Difference
from portal.services.finding import Actor
from portal.services.review import collecting, deciding
from portal.services.review.collecting import Collection
from tests import factories
from tests.factories import Books, World

NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


@dataclass
class Heap:
    """A payment of 1,000.00 to Druck AG that lists three invoices and a credit note, and what else is in review."""

    database: Database
    world: World
    books: Books
    paid: Transaction
    invoices: list[Receipt]  #: 500.00, 300.00, 250.00
    credit_note: Receipt  #: -50.00
    stranger: Receipt  #: 123.45 of another party

    @property
    def actor(self) -> Actor:
        return Actor(self.world.staff.id, Role.STAFF)

    def page(self, *chosen: Receipt, **asked: object) -> Collection:
        ids = [one.id for one in chosen] if chosen else asked.pop("chosen", None)
        with self.database.read() as session:
            return collecting.open_page(session, self.actor, self.paid.id, chosen=ids, **asked)

    def assign(self, *chosen: Receipt, difference: Difference | None = None, paid: Transaction | None = None) -> None:
        with self.database.write() as session:
            line = session.get_one(Transaction, (paid or self.paid).id)
            rows = [(session.get_one(Receipt, one.id), one.version) for one in chosen]
            deciding.assign_receipts(session, line, rows, difference=difference, now=NOW)

    def withdraw(self, receipt: Receipt) -> None:
        with self.database.write() as session:
            row = session.get_one(Receipt, receipt.id)
            deciding.withdraw(session, row, seen_version=row.version, now=NOW)

    def standing(self) -> dict[str, int]:
        """Receipt → cents, of the payment."""
        query = select(Receipt.id, Assignment.amount_cents).join(Assignment, Assignment.receipt_id == Receipt.id)
        with self.database.read() as session:
            found = session.execute(query.where(Assignment.transaction_id == self.paid.id, Assignment.withdrawn_at.is_(None)))
            return {receipt_id: cents for receipt_id, cents in found}


@pytest.fixture
def heap(database: Database, world: World) -> Heap:
    ours = world.ours
    with database.write() as session:
        account = session.get_one(BankAccount, ours.account.id)
        paid = factories.transaction(
            session, account, "t-9", 100000, now=NOW, counterparty="DRUCK AG", remittance="DR-501, DR-502, DR-503 abzgl. GS-770"
        )
        invoices = [
            factories.receipt(
                session, ours.documents, 60 + n, now=NOW, number=f"DR-50{n}", counterparty="Druck AG", amount_cents=cents
            )
            for n, cents in enumerate((50000, 30000, 25000), start=1)
        ]
        credit_note = factories.receipt(
            session, ours.documents, 70, now=NOW, number="GS-770", counterparty="Druck AG", amount_cents=-5000, kind="credit_note"
        )
        stranger = factories.receipt(
            session, ours.documents, 71, now=NOW, number="X-1", counterparty="Fisch & Co", amount_cents=12345
        )
    return Heap(database, world, ours, paid, invoices, credit_note, stranger)


def test_what_the_text_names_stands_first_then_the_party_then_the_nearest(heap: Heap) -> None:
    with heap.database.write() as session:
        unnamed = factories.receipt(session, heap.books.documents, 72, now=NOW, counterparty="DRUCK", amount_cents=1)
        near = factories.receipt(session, heap.books.documents, 73, now=NOW, counterparty="Wer", amount_cents=99999)
    page = heap.page()
    named = {one.id for one in (*heap.invoices, heap.credit_note)}
    assert {row.receipt.id for row in page.rows[:4]} == named
    assert [row.receipt.id for row in page.rows[4:6]] == [unnamed.id, near.id]
    assert [(row.is_named, row.is_of_party, row.is_chosen) for row in page.rows[3:6]] == [
        (True, True, False), (False, True, False), (False, False, False)
    ]  # fmt: skip
    assert "".join((heap.paid.remittance or "")[start:end] for start, end in page.marks) == "DR-501DR-502DR-503GS-770"
    assert (page.open_cents, page.sum) == (100000, None)


def test_only_what_the_payment_can_be_for_is_shown(heap: Heap) -> None:
    """Not the other side, another currency, no amount, what is decided, or another client's."""
    with heap.database.write() as session:
        foreign = factories.receipt(session, heap.books.documents, 74, now=NOW, currency="USD")
        income = factories.receipt(
            session, heap.books.documents, 75, now=NOW, direction="income", amount_cents=500, kind="client_invoice"
        )
        refund = factories.receipt(
            session, heap.books.documents, 76, now=NOW, direction="income", amount_cents=-500, kind="credit_note"
        )
    shown = {row.receipt.id: row.cents for row in heap.page().rows}
    assert shown[refund.id] == 500  # money that went out for a credit note of our own
    assert shown[heap.credit_note.id] == -5000
    ours = heap.books.receipts
    for hidden in (foreign, income, *(ours[name] for name in ("income", "unreadable_amount", "assigned", "set_aside"))):
        assert hidden.id not in shown
    assert not shown.keys() & {one.id for one in heap.world.theirs.receipts.values()}
    for wrong in (foreign, income):
        with pytest.raises(Rejected):
            heap.assign(heap.invoices[0], wrong)


def test_it_is_searched_and_the_choice_stays(heap: Heap) -> None:
    page = heap.page(heap.invoices[0], query="  fisch ")
    assert [row.receipt.id for row in page.rows] == [heap.invoices[0].id, heap.stranger.id]
    assert [row.receipt.id for row in heap.page(query="123,45").rows] == [heap.stranger.id]
    assert heap.page(query="nothing-has-this-name").rows == []


def test_the_sales_of_a_payout_are_ticked_though_nothing_names_them(heap: Heap) -> None:
    reason = {"code": ReasonCode.PAYOUT.value, "is_for": True, "weight": 3.5, "values": {}}
    with heap.database.write() as session:
        factories.candidate(session, heap.stranger, (heap.paid, 12345), score=0.5).reasons = [reason]
    assert not heap.page().sum, "he is no payment service"
    with heap.database.write() as session:
        session.get_one(Transaction, heap.paid.id).counterparty = "SumUp Payments Ltd"
    page = heap.page()
    assert [row.receipt.id for row in page.rows if row.is_chosen] == [heap.stranger.id]


def test_the_set_that_the_matcher_found_is_ticked(heap: Heap) -> None:
    reason = {"code": ReasonCode.SUM_EQUAL.value, "is_for": True, "weight": 3.0, "values": {}}
    with heap.database.write() as session:
        for one in (*heap.invoices, heap.credit_note):
            proposal = factories.candidate(session, one, (heap.paid, one.amount_cents or 0), score=0.7)
            proposal.reasons = [reason]
        other = factories.candidate(session, heap.stranger, (heap.paid, 12345), score=0.3)
        assert other.reasons != [reason]
    page = heap.page()
    assert {row.receipt.id for row in page.rows if row.is_chosen} == {one.id for one in (*heap.invoices, heap.credit_note)}
    assert page.sum
    assert (page.sum.count, page.sum.cents, page.sum.difference_cents, page.sum.choices) == (4, 100000, 0, ())
    assert heap.page(chosen=[]).sum is None  # unticked is unticked
    came = heap.page(came_from=heap.stranger.id)
    assert next(row.receipt.id for row in came.rows if row.is_chosen) == heap.stranger.id
    heap.assign(*heap.invoices, heap.credit_note)
    with heap.database.read() as session:
        made = session.scalars(select(Assignment).where(Assignment.transaction_id == heap.paid.id)).all()
        assert {(one.rank, one.score, one.matcher, one.is_automatic) for one in made} == {(1, 0.7, "test", False)}


def test_all_are_assigned_in_one_step(heap: Heap) -> None:
    chosen = (*heap.invoices, heap.credit_note)
    heap.assign(*chosen)
    assert heap.standing() == {one.id: one.amount_cents for one in chosen}
    assert heap.page().open_cents == 0
    labels = [one.label for one in chosen]
    with heap.database.read() as session:
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.tag == "assignment.made").order_by(AuditEvent.sequence.desc()).limit(4)
        ).all()
        assert all(event.details["together"] == labels for event in events)
        assert len({event.subject for event in events}) == 4
        assert events[-1].details["receipt"] == heap.credit_note.id  # so that the newest can be undone first
        assert {one.difference for one in session.scalars(select(Assignment))} == {None}


def test_the_rest_stays_open_or_has_a_name(heap: Heap) -> None:
    heap.assign(heap.invoices[0], heap.invoices[1])
    assert heap.page().open_cents == 20000
    with pytest.raises(Rejected):
        heap.assign(heap.stranger, difference=Difference.DISCOUNT)  # more was paid, not less
    heap.assign(heap.stranger, difference=Difference.TIP)
    assert heap.page().open_cents == 0
    assert heap.standing()[heap.stranger.id] == 20000
    with heap.database.read() as session:
        made = session.scalars(assigning.standing_of(heap.stranger.id)).one()
        event = session.scalars(select(AuditEvent).where(AuditEvent.subject == f"assignment:{made.decision_id}")).one()
        assert (made.difference, made.difference_cents, event.details["together"]) == ("tip", 20000 - 12345, [])


def test_a_discount_is_taken_off_each(heap: Heap) -> None:
    with pytest.raises(Rejected):
        heap.assign(*heap.invoices)  # 1,050.00 of 1,000.00, and nothing says why
    assert heap.standing() == {}
    heap.assign(*heap.invoices, difference=Difference.DISCOUNT)
    given = [heap.standing()[one.id] for one in heap.invoices]
    assert given == [47619, 28571, 23810]
    with heap.database.read() as session:
        made = {
            one.receipt_id: one for one in session.scalars(select(Assignment).where(Assignment.transaction_id == heap.paid.id))
        }
    assert [(made[one.id].difference, made[one.id].difference_cents) for one in heap.invoices] == [
        ("discount", -2381), ("discount", -1429), ("discount", -1190)
    ]  # fmt: skip


def test_what_cannot_be_is_refused_and_nothing_is_assigned(heap: Heap) -> None:
    one, two, _ = heap.invoices
    for chosen, difference, error in (
        ((), None, Rejected),
        ((one, one), None, Rejected),
        ((heap.credit_note,), None, Rejected),
        ((heap.credit_note,), Difference.OTHER, Rejected),
        ((one, two, heap.books.receipts["unreadable_amount"]), None, Rejected),
        ((one, two, heap.books.receipts["income"]), None, Rejected),
        ((one, heap.books.receipts["assigned"]), None, AlreadyAssigned),
        ((one, heap.world.theirs.receipts["open"]), None, NotFound),
        ((one,) * 41, None, Rejected),
    ):
        with pytest.raises(error):
            heap.assign(*chosen, difference=difference)
    with pytest.raises(NotFound):
        heap.assign(one, paid=heap.world.theirs.transactions[0])
    with heap.database.write() as session:
        session.get_one(Receipt, two.id).version += 1
    with pytest.raises(Stale):
        heap.assign(one, two)
    with heap.database.write() as session:
        session.get_one(Transaction, heap.paid.id).status = "reversed"
    with pytest.raises(AlreadyAssigned):
        heap.assign(one)
    assert heap.standing() == {}
    with heap.database.read() as session:
        assert session.scalar(
            select(func.count()).where(Receipt.id == one.id, Receipt.state == "in_review", Receipt.version == 1)
        )


def test_of_many_people_at_once_one_wins_whole(heap: Heap) -> None:
    """Sets that share a receipt, each too large for what another would leave."""
    one, two, three = heap.invoices
    sets = [(one, two), (two, three), (one, two, three, heap.credit_note), (one, two)]

    def attempt(chosen: tuple[Receipt, ...]) -> bool:
        try:
            heap.assign(*chosen)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(copy_context().run, attempt, chosen) for chosen in sets]
        outcomes = [future.result() for future in futures]
    assert outcomes.count(True) == 1
    assert heap.standing() == {each.id: each.amount_cents for each in sets[outcomes.index(True)]}


def test_what_changed_meanwhile_is_told_with_who_did_it(heap: Heap) -> None:
    one, two, three = heap.invoices
    seen = [(each.id, each.version) for each in (one, two, three)]
    heap.assign(two)
    with heap.database.write() as session:
        session.get_one(Receipt, three.id).version += 1
    page = heap.page(one, two, three, seen=seen)
    assert [row.receipt.id for row in page.rows if row.is_chosen] == [one.id, three.id]
    told = {receipt.id: change for receipt, change in page.gone}
    assert told.keys() == {two.id, three.id}
    change = told[two.id]
    assert change
    assert change[0].tag == "assignment.made"
    assert [(receipt.id, cents) for receipt, cents in page.used] == [(two.id, 30000)]


def test_a_credit_note_is_undone_after_what_uses_its_room(heap: Heap) -> None:
    chosen = (*heap.invoices, heap.credit_note)
    heap.assign(*chosen)
    with pytest.raises(Rejected):
        heap.withdraw(heap.credit_note)
    assert len(heap.standing()) == 4
    heap.withdraw(heap.invoices[2])
    heap.withdraw(heap.credit_note)
    assert heap.standing() == {heap.invoices[0].id: 50000, heap.invoices[1].id: 30000}


def review_of(session: Session, receipt_id: str) -> dict[str, object]:
    """How a receipt stands: all of it but what tells that somebody was here."""
    receipt = session.get_one(Receipt, receipt_id)
    names = {column.key for column in inspect(Receipt).columns} - {"version", "updated_at", "is_left_to_people"}
    return {name: getattr(receipt, name) for name in names}


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_in_whatever_order(heap: Heap, seed: int) -> None:
    """Sets and undoings at random: never more than the payment, each receipt in one state, each undo exact."""
    dice = random.Random(seed)
    everything = [*heap.invoices, heap.credit_note, heap.stranger]
    ids = [one.id for one in everything]
    with heap.database.write() as session:
        for receipt_id in ids:
            session.get_one(Receipt, receipt_id).review_reason = dice.choice([reason.value for reason in ReviewReason])
    with heap.database.read() as session:
        before = {receipt_id: review_of(session, receipt_id) for receipt_id in ids}
    done = refused = 0
    for _ in range(30):
        held = heap.standing()
        with heap.database.read() as session:
            rows = {receipt_id: session.get_one(Receipt, receipt_id) for receipt_id in ids}
        try:
            if held and dice.random() < 0.5:
                heap.withdraw(rows[dice.choice(sorted(held))])
            else:
                some = dice.sample(ids, dice.randrange(1, 5))
                heap.assign(*(rows[one] for one in some), difference=dice.choice([None, None, *Difference]))
            done += 1
        except (Conflict, Rejected):
            refused += 1
            assert heap.standing() == held
        now = heap.standing()
        assert sum(now.values()) <= heap.paid.amount_cents
        with heap.database.read() as session:
            for receipt_id in ids:
                is_assigned = session.get_one(Receipt, receipt_id).state == "assigned"
                assert is_assigned == (receipt_id in now)
                assert is_assigned or review_of(session, receipt_id) == before[receipt_id]
    assert done
    assert refused


def test_a_client_with_many_receipts_asks_as_often(heap: Heap) -> None:
    with heap.database.write() as session:
        for sequence in range(100, 100 + collecting.MOST_FOUND + 5):
            factories.receipt(session, heap.books.documents, sequence, now=NOW, amount_cents=sequence)
        assert session.scalar(select(func.count()).select_from(Candidate)) > 0
    page = heap.page(heap.invoices[0])
    assert (len(page.rows), page.has_more) == (collecting.MOST_FOUND + 1, True)
