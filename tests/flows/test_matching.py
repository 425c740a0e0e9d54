"""When matching runs, what it may never do, and what happens when it and people decide at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.runs import execute_run
from portal.clock import FixedClock
from portal.db import Database
from portal.domain.matching import Allocation
from portal.errors import Conflict, Fenced, Unavailable
from portal.models import Assignment, BankAccount, Candidate, Receipt, Run, Transaction
from portal.ports import Ports
from portal.services import running
from portal.services.assignments import assigning, matching
from portal.services.assignments.assigning import SetAsideReason
from portal.services.connections import connecting
from portal.services.review import deciding, declining
from portal.services.running import Lease
from tests import factories
from tests.story import Story

PAIRS = 8


# --- when it runs --------------------------------------------------------------------------------------------------


@pytest.fixture
def lived(story: Story) -> Story:
    """Both connections stand, everything of a short story is imported and matched, and nothing is left to do."""
    for kind in ("documents", "bank"):
        story.connect(kind)
    story.work("documents", "bank", "matching")
    story.bank.move(hours=1)
    return story


def _pay(story: Story) -> None:
    """On the account that is asked for first."""
    account = story.rows(select(BankAccount).where(BankAccount.is_active).order_by(BankAccount.id))[0].qonto_id
    story.bank.put_transaction(
        amount_cents=481234, label="Sägewerk Wittmund GmbH", reference="Rechnung SW-2026-90417", bank_account_id=account
    )


def _bill(story: Story) -> str:
    day = story.clock.today().isoformat()
    row = story.bank.put_invoice(
        status="paid", invoice_number="SW-2026-90417", supplier_name="Sägewerk Wittmund GmbH", issue_date=day, payment_date=day,
        total_amount={"value": "4812.34", "currency": "EUR"},
    )  # fmt: skip
    return str(row["id"])


def _asked(story: Story) -> list[str]:
    """What is due, besides the sync itself."""
    return sorted(run.kind for run in story.rows(select(Run)) if run.state == "due" and run.kind == "matching")


class Door:
    """The bank's door, with something happening before a call."""

    def __init__(self, story: Story, name: str, happening: Callable[[], object], *, after: int = 0) -> None:
        self._inner, self._name, self._happening, self._after = story.ports.qonto, name, happening, after

    def confirmed(self, _token: str) -> Door:
        """The same door."""
        return self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._name:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._after -= 1
            if self._after < 0:
                self._happening()
            return found(*args, **kwargs)

        return call


def _away() -> None:
    raise Unavailable("server_error")


ENDINGS: dict[str, tuple[Callable[[Story], Callable[[], object]], tuple[str, str]]] = {
    "it is done": (lambda _: lambda: None, ("done", "")),
    "the bank goes away": (lambda _: _away, ("waiting", "server_error")),
    "the bank goes away and somebody has asked again": (lambda story: lambda: (story.ask("documents"), _away()), ("done", "superseded")),
    "the consent ends": (
        lambda story: lambda: story.bank.fault("401_always", match={"path": "/v2/*"}), ("needs_person", "unauthorized_after_refresh"),
    ),
    "the client disconnects": (
        lambda story: lambda: connecting.disconnect(
            story.ports, actor=story.actor, connection_id=story.connection("documents").id
        ),
        ("done", "disconnected"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_new_receipt_is_matched_however_its_sync_ends(lived: Story, ending: str) -> None:
    """What came before the break is not new to the next run: nobody would ask for it again."""
    happening, (state, reason) = ENDINGS[ending]
    _pay(lived)
    lived.sync("bank")
    lived.work("matching")
    receipt_id, run = _bill(lived), lived.ask("documents")
    assert _asked(lived) == []
    door = Door(lived, "client_invoices", happening(lived))
    execute_run(replace(lived.ports, qonto=door), run.id)  # type: ignore[arg-type]
    assert (lived.run(run.id).state, lived.run(run.id).reason) == (state, reason)
    assert _asked(lived) == ["matching"]
    lived.work("matching")
    assert lived.receipts()[receipt_id].state == "assigned"
    lived.check_books()


@pytest.mark.parametrize("is_away", [False, True])
def test_a_new_transaction_decides_a_waiting_receipt_however_its_sync_ends(lived: Story, is_away: bool) -> None:
    receipt_id = _bill(lived)
    lived.sync("documents")
    lived.work("matching")
    assert lived.receipts()[receipt_id].state == "in_review"
    _pay(lived)
    lived.bank.move(hours=1)
    run = lived.ask("bank")
    accounts = lived.rows(select(BankAccount).where(BankAccount.is_active))
    door = Door(lived, "transactions", _away if is_away else lambda: None, after=len(accounts) - 1)  # before the last one
    execute_run(replace(lived.ports, qonto=door), run.id)  # type: ignore[arg-type]
    assert lived.run(run.id).state == ("waiting" if is_away else "done")
    assert _asked(lived) == ["matching"]
    lived.work("matching")
    assert lived.receipts()[receipt_id].state == "assigned"


def test_a_payment_without_a_number_waits_a_week_and_is_then_assigned_though_nothing_new_comes(lived: Story) -> None:
    """Its page says until when. A second payment of the same sum in between would have stopped it."""
    receipt_id = _bill(lived)
    account = lived.rows(select(BankAccount).where(BankAccount.is_active).order_by(BankAccount.id))[0].qonto_id
    lived.bank.put_transaction(amount_cents=481234, label="Sägewerk Wittmund GmbH", reference="", bank_account_id=account)
    lived.sync("documents", hours=1)
    lived.sync("bank", hours=1)
    lived.work("matching")
    (best,) = lived.rows(select(Candidate).where(Candidate.receipt_id == lived.receipts()[receipt_id].id, Candidate.rank == 1))
    assert best.reasons[0]["code"] == "waiting"
    for _ in range(9):
        assert lived.receipts()[receipt_id].state == "in_review"
        assert lived.sync("bank", days=1).new == 0
        lived.work("matching")
    assert lived.receipts()[receipt_id].state == "assigned"
    lived.sync("bank", days=1)
    assert _asked(lived) == []  # nobody waits any more
    lived.check_books()


def test_a_changed_receipt_and_a_changed_transaction_are_matched_again(lived: Story) -> None:
    assigned = next(iter(lived.rows(select(Assignment).where(Assignment.withdrawn_at.is_(None)))))
    receipt = lived.rows(select(Receipt).where(Receipt.id == assigned.receipt_id))[0]
    transaction = lived.rows(select(Transaction).where(Transaction.id == assigned.transaction_id))[0]
    _bill(lived)  # nothing pays it
    lived.sync("documents", hours=1)
    lived.work("matching")
    for kind, change in (
        ("documents", lambda: lived.bank.put_invoice(id=_open_invoice(lived), supplier_name="Umbenannt AG")),
        ("bank", lambda: lived.bank.put_transaction(id=transaction.qonto_id, label="Jemand anders")),
    ):
        change()
        assert lived.sync(kind, hours=1).updated == 1
        assert _asked(lived) == ["matching"]
        lived.work("matching")
    taken_back = lived.rows(select(Receipt).where(Receipt.id == receipt.id))[0]
    assert (taken_back.state, taken_back.review_reason) == ("in_review", "source_changed")
    lived.check_books()


def _open_invoice(story: Story) -> str:
    query = select(Receipt).where(Receipt.state == "in_review", Receipt.kind == "supplier_invoice")
    return story.rows(query)[0].qonto_id or ""


def test_the_wish_to_match_is_part_of_the_commit_that_ends_the_sync(lived: Story) -> None:
    """Whoever has lost the run ends nothing and asks for nothing; its new owner does both."""
    _bill(lived)
    run = lived.ask("documents")

    def lose() -> None:
        with lived.ports.database.write() as session:
            session.execute(update(Run).where(Run.id == run.id).values(lease_token="somebody else's"))

    assert execute_run(replace(lived.ports, qonto=Door(lived, "credit_notes", lose)), run.id) == "fenced"  # type: ignore[arg-type]
    assert (lived.run(run.id).state, _asked(lived)) == ("leased", [])
    lived.bank.move(minutes=2)
    assert lived.work("documents") == {"documents": "done"}
    assert _asked(lived) == ["matching"]


# --- what it may never do ------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """Pairs that belong together beyond doubt: the machine would assign each of them at once."""

    ports: Ports
    clock: FixedClock
    client_id: str
    receipts: list[Receipt]
    transactions: list[Transaction]

    def ask(self) -> Run:
        with self.ports.database.write() as session:
            return running.request(session, client_id=self.client_id, kind="matching", trigger="change", now=self.clock.now())

    def match(self) -> None:
        assert execute_run(self.ports, self.ask().id) == "done"

    def now(self, number: int) -> Receipt:
        with self.ports.database.read() as session:
            return session.get_one(Receipt, self.receipts[number].id)

    def lines_of(self, number: int) -> list[str]:
        """Transactions that the receipt is assigned to."""
        with self.ports.database.read() as session:
            return [assignment.transaction_id for assignment in session.scalars(assigning.standing_of(self.receipts[number].id))]

    def assign(self, number: int, to: int, cents: int | None = None) -> None:
        """A person does."""
        with self.ports.database.write() as session:
            own = session.get_one(Receipt, self.receipts[number].id)
            line = self.transactions[to]
            parts = [Allocation(line.id, cents or line.amount_cents)]
            assigning.assign(session, receipt=own, allocations=parts, seen_version=own.version, now=self.clock.now())

    def set_aside(self, number: int) -> None:
        with self.ports.database.write() as session:
            own, reason = session.get_one(Receipt, self.receipts[number].id), SetAsideReason.PAID_IN_CASH
            assigning.set_aside(session, receipt=own, reason=reason, seen_version=own.version, now=self.clock.now())

    def withdraw(self, number: int) -> None:
        with self.ports.database.write() as session:
            own = session.get_one(Receipt, self.receipts[number].id)
            deciding.withdraw(session, own, seen_version=own.version, now=self.clock.now())

    def decline(self, number: int, line: int) -> None:
        """A person declines the proposal of one transaction."""
        with self.ports.database.write() as session:
            own, wanted = session.get_one(Receipt, self.receipts[number].id), self.transactions[line].id
            candidate = next(one for one in _candidates(session, own) if one.allocations[0]["transaction"] == wanted)
            declining.decline(session, own, candidate_id=candidate.id, seen_version=own.version, now=self.clock.now())

    def restore(self, number: int) -> None:
        with self.ports.database.write() as session:
            own = session.get_one(Receipt, self.receipts[number].id)
            deciding.restore(session, own, seen_version=own.version, now=self.clock.now())

    def reopen(self, number: int) -> None:
        with self.ports.database.write() as session:
            own = session.get_one(Receipt, self.receipts[number].id)
            deciding.reopen(session, own, seen_version=own.version, now=self.clock.now())


@pytest.fixture
def desk(ports: Ports, clock: FixedClock, acts: None) -> Desk:
    now = clock.now()
    with ports.database.write() as session:
        client = factories.client(session, "10042", "Tischlerei Brandt GmbH", now=now, years=(now.year - 1, now.year))
        documents = factories.connection(session, client, "documents", now=now)
        account = factories.bank_account(session, client, factories.connection(session, client, "bank", now=now), now=now)
        receipts, transactions = [], []
        for number in range(1, PAIRS + 1):
            cents, name, reference = (
                10007 * number * number,
                f"Lieferant {'ABCDEFGH'[number - 1] * 4} GmbH",
                f"RE-2026-{7000 + number * 13}",
            )
            receipts.append(
                factories.receipt(session, documents, number, now=now, number=reference, counterparty=name, amount_cents=cents)
            )
            transactions.append(
                factories.transaction(
                    session, account, f"t-{number}", cents, now=now, remittance=f"Rechnung {reference}", counterparty=name
                )
            )
    return Desk(ports, clock, client.id, receipts, transactions)


def test_pairs_beyond_doubt_are_assigned(desk: Desk) -> None:
    """Otherwise the tests below would show nothing."""
    desk.match()
    assert [desk.lines_of(number) for number in range(PAIRS)] == [[line.id] for line in desk.transactions]


def test_a_persons_decision_is_never_overturned(desk: Desk) -> None:
    desk.assign(0, to=7, cents=desk.receipts[0].amount_cents)  # to another transaction than the one that names it
    desk.set_aside(1)
    desk.set_aside(2)
    desk.reopen(2)
    for _ in range(3):
        desk.match()
    assert desk.lines_of(0) == [desk.transactions[7].id]
    assert (desk.now(1).state, desk.lines_of(1)) == ("set_aside", [])
    assert (desk.now(2).state, desk.lines_of(2)) == ("in_review", [])
    assert desk.lines_of(3) == [desk.transactions[3].id]


def test_an_undone_pair_is_not_assigned_by_the_machine_again(desk: Desk) -> None:
    desk.match()
    desk.withdraw(0)
    for _ in range(3):
        desk.clock.move(days=1)
        desk.match()
    assert (desk.now(0).state, desk.lines_of(0)) == ("in_review", [])
    with desk.ports.database.read() as session:
        proposed = {part["transaction"] for candidate in _candidates(session, desk.receipts[0]) for part in candidate.allocations}
    assert desk.transactions[0].id in proposed  # a person may take it again
    desk.assign(0, to=0)
    assert desk.lines_of(0) == [desk.transactions[0].id]


def test_a_declined_pair_is_not_assigned_by_the_machine_until_that_is_taken_back(desk: Desk) -> None:
    with desk.ports.database.write() as session:
        factories.candidate(session, session.get_one(Receipt, desk.receipts[0].id), (desk.transactions[0], 10007))
    desk.decline(0, line=0)
    for _ in range(2):
        desk.clock.move(days=1)
        desk.match()
    assert (desk.now(0).state, desk.lines_of(0)) == ("in_review", [])
    assert desk.lines_of(1) == [desk.transactions[1].id]
    with desk.ports.database.read() as session:
        shown = [[reason["code"] for reason in one.reasons] for one in _candidates(session, desk.receipts[0])]
    assert ["declined" in codes for codes in shown] == [True]
    desk.restore(0)
    desk.match()
    assert desk.lines_of(0) == [desk.transactions[0].id]


def _candidates(session: Any, receipt: Receipt) -> list[Any]:
    return matching._candidates(session, [receipt.id])[receipt.id]


@pytest.mark.parametrize("act", ["assign", "set_aside", "assign_elsewhere"])
def test_what_a_person_decides_while_the_matcher_thinks_stands(desk: Desk, act: str) -> None:
    """Between its look at the rows and its first commit."""
    acts: dict[str, Callable[[], None]] = {
        "assign": lambda: desk.assign(0, to=7, cents=1),
        "set_aside": lambda: desk.set_aside(0),
        "assign_elsewhere": lambda: desk.assign(1, to=0),  # the transaction that the machine wants for receipt 0
    }
    run = desk.ask()
    execute_run(replace(desk.ports, database=Thinking(desk.ports.database, acts[act])), run.id)  # type: ignore[arg-type]
    expected = {"assign": [desk.transactions[7].id], "set_aside": [], "assign_elsewhere": []}
    assert desk.lines_of(0) == expected[act]
    if act == "assign_elsewhere":
        assert desk.lines_of(1) == [desk.transactions[0].id]
    assert desk.lines_of(5) == [desk.transactions[5].id]
    _nothing_is_used_twice(desk)


class Thinking:
    """The database of a matcher, with somebody deciding before it writes for the first time after its lease."""

    def __init__(self, inner: Database, act: Callable[[], None]) -> None:
        self._inner, self._act, self._writes = inner, act, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self) -> Any:
        self._writes += 1
        if self._writes == 2:  # the first one takes the lease
            self._act()
        return self._inner.write()


# --- at the same moment --------------------------------------------------------------------------------------------


def _at_once(*works: Callable[[], object]) -> list[object]:
    """Each in a thread of its own with its own connection, begun together; errors are results."""
    barrier = threading.Barrier(len(works))

    def begin(work: Callable[[], object]) -> object:
        barrier.wait(timeout=30)
        try:
            return work()
        except (Conflict, Fenced) as error:
            return type(error).__name__

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(copy_context().run, begin, work) for work in works]]


def _nothing_is_used_twice(desk: Desk) -> None:
    with desk.ports.database.read() as session:
        for line in desk.transactions:
            assert 0 <= assigning.open_cents(session, line) <= line.amount_cents
        for receipt in session.scalars(select(Receipt)):
            standing = list(session.scalars(assigning.standing_of(receipt.id)))
            assert (receipt.state == "assigned") == bool(standing)
            assert len({assignment.decision_id for assignment in standing}) <= 1


def test_the_matcher_and_people_at_once_never_use_a_transaction_twice(desk: Desk) -> None:
    """People give each transaction to the next receipt while the machine gives it to its own."""
    run = desk.ask()
    people = [lambda number=number: desk.assign((number + 1) % PAIRS, to=number) for number in range(PAIRS)]
    outcomes = _at_once(lambda: execute_run(desk.ports, run.id), *people)
    assert outcomes[0] == "done"
    assert set(outcomes[1:]) <= {None, "AlreadyAssigned", "Stale"}
    _nothing_is_used_twice(desk)
    taken = [line for number in range(PAIRS) for line in desk.lines_of(number)]
    assert PAIRS / 2 <= len(taken) == len(set(taken))


def test_two_workers_over_one_run_at_once_are_one(desk: Desk) -> None:
    """An orphan that goes on after its lease has lapsed, and the worker that took the run over (C03)."""
    run, timing = desk.ask(), desk.ports.settings.timing
    leases = []
    for _ in range(2):
        lease = running.claim(desk.ports.database, run.id, now=desk.clock.now(), timing=timing)
        assert isinstance(lease, Lease)
        leases.append(lease)
        desk.clock.move(seconds=timing.lease + 1)
    assert _at_once(*(lambda lease=lease: matching.match_client(desk.ports, lease) for lease in leases)) == ["Fenced", None]
    assert [desk.lines_of(number) for number in range(PAIRS)] == [[line.id] for line in desk.transactions]
    _nothing_is_used_twice(desk)


def test_matchers_of_two_clients_at_once_never_meet(desk: Desk) -> None:
    with desk.ports.database.write() as session:
        client = factories.client(session, "10043", "Tischlerei Nordlicht GmbH", now=desk.clock.now())
        other = running.request(session, client_id=client.id, kind="matching", trigger="change", now=desk.clock.now())
    own = desk.ask()
    assert _at_once(lambda: execute_run(desk.ports, own.id), lambda: execute_run(desk.ports, other.id)) == ["done", "done"]
    assert all(desk.lines_of(number) for number in range(PAIRS))
