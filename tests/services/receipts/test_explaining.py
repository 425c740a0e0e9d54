"""Saying why there is no receipt: one voice at a time, nothing erased, and harmless beside a receipt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.db import Database
from portal.domain.explanations import Reason
from portal.domain.matching import Allocation
from portal.errors import AlreadyAssigned, Conflict, Rejected, Stale
from portal.models import AuditEvent, Explanation, Receipt, Transaction
from portal.ports import Ports
from portal.services.assignments import assigning
from portal.services.auditing import Origin, acting
from portal.services.finding import Actor
from portal.services.receipts import attesting, explaining, missing
from portal.services.receipts.attesting import Statement
from portal.services.receipts.missing import Filters
from tests import factories
from tests.factories import Books, World

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)


@pytest.fixture
def ours(world: World) -> Books:
    """The first client's books."""
    return world.ours


def say(database: Database, line: Transaction, reason: Reason = Reason.TAX, seen: str = "", note: str = "") -> Explanation:
    with database.write() as session:
        own = session.get_one(Transaction, line.id)
        return explaining.explain(session, own, reason=reason, note=note, seen=seen, now=NOW)


def all_of(database: Database, line: Transaction) -> list[Explanation]:
    with database.read() as session:
        query = select(Explanation).where(Explanation.transaction_id == line.id).order_by(Explanation.id)
        return list(session.scalars(query))


def counts(database: Database, world: World, **wanted: object) -> dict[str, int]:
    with database.read() as session:
        found = missing.index(session, Actor(world.ours.owner.id, factories.Role.CLIENT), Filters(**wanted))  # type: ignore[arg-type]
    return {state: found.tallies.of(state).count for state in (*missing.STATES, "documented")}


def test_it_is_said_changed_and_taken_back_and_every_word_stays(database: Database, ours: Books) -> None:
    line = ours.transactions[0]
    first = say(database, line)
    second = say(database, line, Reason.OTHER, seen=first.id, note="  Spende  ")
    with database.write() as session:
        explaining.withdraw(session, session.get_one(Explanation, second.id), now=NOW)
    said = all_of(database, line)
    assert [(one.reason, one.note, one.withdrawn_at, one.withdrawn_by) for one in said] == [
        ("tax", "", NOW, "system:test"), ("other", "Spende", NOW, "system:test"),
    ]  # fmt: skip
    with database.read() as session:
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.subject == f"transaction:{line.id}").order_by(AuditEvent.sequence)
        )
        assert [(event.tag, event.details["reason"]) for event in events] == [
            ("transaction.explained", "tax"), ("transaction.explanation_withdrawn", "tax"),
            ("transaction.explained", "other"), ("transaction.explanation_withdrawn", "other"),
        ]  # fmt: skip


def test_the_same_again_is_harmless_and_something_else_is_refused(database: Database, ours: Books) -> None:
    line = ours.transactions[0]
    assert say(database, line).id == say(database, line).id
    with pytest.raises(Stale):
        say(database, line, Reason.PRIVATE)
    with pytest.raises(Stale):
        say(database, line, Reason.PRIVATE, seen=ours.explanation.id)
    assert [one.reason for one in all_of(database, line)] == ["tax"]


def test_what_was_taken_back_cannot_be_taken_back_again(database: Database, ours: Books) -> None:
    for error in (None, Stale):
        with database.write() as session:
            said = session.get_one(Explanation, ours.explanation.id)
            if error is None:
                explaining.withdraw(session, said, now=NOW)
            else:
                with pytest.raises(error):
                    explaining.withdraw(session, said, now=NOW)


@pytest.mark.parametrize(("reason", "note"), [(Reason.OTHER, "  "), (Reason.LOST, "x" * 501)])
def test_what_says_nothing_or_too_much_is_refused(database: Database, ours: Books, reason: Reason, note: str) -> None:
    with pytest.raises(Rejected):
        say(database, ours.transactions[0], reason, note=note)
    assert all_of(database, ours.transactions[0]) == []


def test_nothing_is_said_where_a_receipt_is_or_the_bank_took_it_back(database: Database, ours: Books) -> None:
    with pytest.raises(AlreadyAssigned):
        say(database, ours.transactions[2])
    with database.write() as session:
        session.get_one(Transaction, ours.transactions[0].id).status = "reversed"
    with pytest.raises(Stale):
        say(database, ours.transactions[0])


def test_of_many_at_once_one_is_heard(database: Database, ours: Books) -> None:
    line, reasons = ours.transactions[0], [Reason.TAX, Reason.SALARY, Reason.PRIVATE, Reason.BANK_FEE]

    def attempt(reason: Reason) -> str:
        try:
            return say(database, line, reason).reason
        except Conflict:
            return ""

    with ThreadPoolExecutor(len(reasons)) as pool:
        heard = [future.result() for future in [pool.submit(copy_context().run, attempt, reason) for reason in reasons]]
    assert [one for one in heard if one] == [one.reason for one in all_of(database, line)]
    assert len(all_of(database, line)) == 1


def test_the_database_itself_refuses_a_second_voice(database: Database, ours: Books) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        factories.explanation(session, ours.transactions[3], ours.owner, now=NOW)


def test_each_transaction_is_counted_once_and_a_receipt_comes_first(database: Database, world: World) -> None:
    ours = world.ours
    assert counts(database, world) == {"open": 2, "lost": 0, "not_needed": 1, "documented": 1}
    say(database, ours.transactions[0], Reason.LOST)
    assert counts(database, world) == {"open": 1, "lost": 1, "not_needed": 1, "documented": 1}
    with database.write() as session:  # the receipt comes all the same: what was said rests
        receipt = session.get_one(Receipt, ours.receipts["income"].id)
        parts = [Allocation(ours.transactions[3].id, 238000)]
        assigning.assign(session, receipt=receipt, allocations=parts, seen_version=receipt.version, now=NOW)
    assert counts(database, world) == {"open": 1, "lost": 1, "not_needed": 0, "documented": 2}
    with database.write() as session:  # and holds again when it goes
        assigning.withdraw(session, receipt=session.get_one(Receipt, receipt.id), now=NOW)
    assert counts(database, world) == {"open": 1, "lost": 1, "not_needed": 1, "documented": 1}


def stated(**changed: object) -> Statement:
    facts = {
        "payee": "Parkhaus",
        "amount_cents": 11900,
        "paid_on": NOW.date(),
        "purpose": "Parken",
        "why_none": "Automat",
        **changed,
    }
    return Statement(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed", [{"amount_cents": 11901}, {"amount_cents": 0}, {"paid_on": NOW.date().replace(year=2027)}, {"payee": "日本"}]
)
def test_an_own_receipt_that_cannot_be_is_refused(ports: Ports, world: World, changed: dict[str, object]) -> None:
    actor = Actor(world.ours.owner.id, factories.Role.CLIENT)
    with pytest.raises(Rejected):
        attesting.write(ports, actor, transaction_id=world.ours.transactions[0].id, stated=stated(**changed))


def test_of_two_own_receipts_at_once_one_is_written(ports: Ports, world: World) -> None:
    actor, line = Actor(world.ours.owner.id, factories.Role.CLIENT), world.ours.transactions[0]

    def attempt(number: int) -> bool:
        with acting(Origin(world.ours.owner.id), key=ports.settings.secret_key):
            try:
                attesting.write(ports, actor, transaction_id=line.id, stated=stated(purpose=f"Parken {number}"))
            except AlreadyAssigned:
                return False
            return True

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(attempt, range(3))) == [False, False, True]
    with ports.database.read() as session:
        written = session.scalars(select(Receipt).where(Receipt.kind == "own_receipt")).all()
    assert [(one.state, one.amount_cents, one.counterparty) for one in written] == [("assigned", 11900, "Parkhaus")]
