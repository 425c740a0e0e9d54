"""Matching reads what the open receipts ask for, and decides what it would decide with everything before it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.matching_set import FEEDS, ClientSet, make_client
from jobs.runs import execute_run
from portal.clock import FixedClock
from portal.domain.matching import Allocation, Decision, ReceiptFacts, TransactionFacts, match
from portal.errors import Rejected
from portal.models import BankAccount, Candidate, Connection, Receipt, Transaction, TransactionKey
from portal.ports import Ports
from portal.services import running
from portal.services.assignments import assigning, learning, matching, measuring, reaching
from portal.services.assignments.facts import receipt_facts
from tests import factories
from tests.domain.matching_facts import ISSUED, booked, came_back, charges, club, month_bill, receipt, shared_rents

STEPS = 5
LATER, MUCH_LATER = (ISSUED + timedelta(days=days) for days in (20, 360))


@dataclass
class Books:
    """A client whose set arrives piece by piece. `rows`: receipts and transactions that came, by the id in the set."""

    ports: Ports
    clock: FixedClock
    number: str
    made: ClientSet
    dice: random.Random
    client_id: str = ""
    documents: Connection = field(init=False)
    account: BankAccount = field(init=False)
    receipts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = self.clock.now()
        with self.ports.database.write() as session:
            client = factories.client(session, self.number, f"Firma {self.number}", now=now, years=(now.year,))
            self.client_id = client.id
            self.documents = factories.connection(session, client, "documents", now=now)
            self.account = factories.bank_account(
                session, client, factories.connection(session, client, "bank", now=now), now=now
            )

    def arrive(self, share: float) -> None:
        """Some receipts and some transactions that are not there yet."""
        with self.ports.database.write() as session:
            for facts in self._some(self.made.transactions, self.lines, share):
                self.lines[facts.id] = _put_line(session, self.account, facts, self.clock.now())
            for made in self._some(self.made.receipts, self.receipts, share):
                self.receipts[made.id] = _put_receipt(session, self.documents, made, len(self.receipts), self.clock.now())

    def _some(self, all_of_them: list[Any], there: dict[str, str], share: float) -> list[Any]:
        return [facts for facts in all_of_them if facts.id not in there and self.dice.random() < share]

    def happen(self) -> None:
        """Whatever else may happen to books: the bank changes a row or takes it back, people decide and undo."""
        with self.ports.database.write() as session:
            for line in self._chosen(session.scalars(select(Transaction).where(Transaction.client_id == self.client_id))):
                # as `banking` does when the bank says something else than before
                line.remittance, line.is_indexed = f"{line.remittance or ''} {self.dice.randrange(10**6)}", False
            for line in self._chosen(session.scalars(select(Transaction).where(Transaction.client_id == self.client_id))):
                if not session.scalar(select(assigning.Assignment.id).where(assigning.Assignment.transaction_id == line.id)):
                    line.status, line.is_indexed = self.dice.choice(["reversed", "booked"]), False
            for receipt in self._chosen(self._receipts(session, "assigned")):
                with suppress(Rejected):  # a credit note whose room others use
                    assigning.withdraw(session, receipt=receipt, now=self.clock.now())
            lines = list(session.scalars(select(Transaction).where(Transaction.client_id == self.client_id)))
            for receipt in self._chosen(self._receipts(session, "in_review")):
                line = self.dice.choice(lines)
                if line.status == "booked" and (left := assigning.open_cents(session, line)) > 1:
                    parts = [Allocation(line.id, self.dice.choice([left, left // 2]))]
                    assigning.assign(
                        session, receipt=receipt, allocations=parts, seen_version=receipt.version, now=self.clock.now()
                    )

    def _receipts(self, session: Session, state: str) -> Iterator[Receipt]:
        query = select(Receipt).where(Receipt.client_id == self.client_id, Receipt.state == state)
        return iter(session.scalars(query.order_by(Receipt.sequence)))

    def _chosen(self, rows: Iterator[Any] | Any) -> list[Any]:
        found = sorted(rows, key=lambda row: row.id)
        return self.dice.sample(found, min(len(found), 2))

    def run(self) -> None:
        with self.ports.database.write() as session:
            asked = running.request(session, client_id=self.client_id, kind="matching", trigger="change", now=self.clock.now())
        assert execute_run(self.ports, asked.id) == "done"

    def decided(self, *, with_everything: bool) -> list[Decision]:
        """What the matcher says of the books as they are."""
        with self.ports.database.read() as session:
            facts = receipt_facts(session, self.client_id, self._receipts(session, "in_review"))
            counts = None
            if with_everything:
                lines = reaching.everything(session, self.client_id)
            else:
                lines, counts = reaching.in_reach(session, self.client_id, facts)
            learned = learning.learned(session, self.client_id, facts, lines)
            return match(
                facts, lines, declined=matching._declined(session, self.client_id), party_counts=counts,
                covered_until=matching._covered_until(session, self.client_id),
                aliases=learned.aliases, accounts=learned.accounts, sales=learned.sales, lags=learned.lags,
                caution=float(measuring.caution(session, self.client_id, now=self.clock.now())),
            )  # fmt: skip

    def stored(self) -> dict[str, list[tuple[Any, ...]]]:
        """The candidates of each open receipt as they lie at the desk."""
        with self.ports.database.read() as session:
            query = select(Candidate).where(Candidate.client_id == self.client_id).order_by(Candidate.receipt_id, Candidate.rank)
            found: dict[str, list[tuple[Any, ...]]] = {receipt.id: [] for receipt in self._receipts(session, "in_review")}
            for one in session.scalars(query):
                if one.receipt_id in found:
                    found[one.receipt_id].append((one.allocations, one.score, one.reasons))
            return found


def _put_line(session: Session, account: BankAccount, facts: TransactionFacts, now: datetime) -> str:
    noon, bought = (datetime.combine(day, time(12), tzinfo=UTC) for day in (facts.booked_on, facts.emitted_on or facts.booked_on))
    return factories.transaction(
        session, account, facts.id, facts.amount_cents, now=now, side=facts.side, currency=facts.currency,
        settled_at=noon, emitted_at=bought, counterparty=facts.counterparty, counterparty_iban=facts.iban, remittance=facts.remittance,
        local_amount_cents=facts.local_amount_cents, local_currency=facts.local_currency, operation_type=facts.operation_type,
    ).id  # fmt: skip


def _put_receipt(session: Session, documents: Connection, made: ReceiptFacts, place: int, now: datetime) -> str:
    row = factories.receipt(
        session, documents, place + 1, now=now, direction=made.direction or "expense", number=made.number,
        counterparty=made.counterparty, amount_cents=made.amount_cents, currency=made.currency, issued_on=made.issued_on,
        due_on=made.due_on, paid_on=made.paid_on, iban=made.iban, linked_transactions=list(made.linked_transactions),
    )  # fmt: skip
    if not made.is_from_bank:
        row.connection_id = None
    return row.id


@pytest.fixture
def begin(ports: Ports, clock: FixedClock, acts: None) -> Callable[..., Books]:
    numbers = iter(range(20_000, 30_000))

    def make(seed: int, feed: str, **turned: Any) -> Books:
        made = make_client(seed, feed=feed, split="train", stories=40, **turned)
        return Books(ports, clock, str(next(numbers)), made, random.Random(seed))

    return make


@given(st.integers(0, 10**6), st.sampled_from(FEEDS), st.sampled_from([None, 10]))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_after_each_import_end_as_a_full_run_would(
    begin: Callable[..., Books], seed: int, feed: str, prices: int | None
) -> None:  # fmt: skip
    """Of any sequence of arrivals, changes and decisions; candidates, scores and reasons included."""
    books = begin(seed, feed, prices=prices)
    for step in range(STEPS):
        books.arrive(0.25 if step else 0.5)
        books.run()
        after = {decision.receipt: decision for decision in books.decided(with_everything=True)}
        with books.ports.database.read() as session:
            held = {receipt.id for receipt in books._receipts(session, "in_review") if matching._is_held(session, receipt)}
        # nor is a set assigned of which one may not be
        kept = {part.transaction for known in held & after.keys() for part in after[known].allocations}
        assert all(
            decision.status == "review"
            or decision.receipt in held
            or any(part.transaction in kept for part in decision.allocations)
            for decision in after.values()
        )
        # what is held gets candidates only, and those as they were before what was assigned beside it
        stored = {receipt: found for receipt, found in books.stored().items() if receipt not in held}
        assert stored == {receipt: _as_stored(decision) for receipt, decision in after.items() if receipt not in held}
        books.happen()
        with books.ports.database.write() as session:
            changed = select(Transaction).where(Transaction.client_id == books.client_id, Transaction.is_indexed.is_(False))
            reaching.write_keys(session, list(session.scalars(changed)))
        assert books.decided(with_everything=False) == books.decided(with_everything=True)


def _as_stored(decision: Decision) -> list[tuple[Any, ...]]:
    return [
        (
            [{"transaction": part.transaction, "amount_cents": part.amount_cents} for part in candidate.allocations],
            candidate.score,
            [reason.as_json() for reason in candidate.reasons],
        )
        for candidate in decision.candidates
    ]


@pytest.mark.parametrize(
    ("made", "assigned"),
    [
        (shared_rents(3), 3),
        (([month_bill(274077)], charges(*[30000] * 9, 4077, every=2)), 1),
        (club(), 3),
        (
            (
                [receipt(direction="income")],
                [booked(side="credit"), came_back(), booked("again", side="credit", booked_on=LATER)],
            ),
            1,
        ),
        (
            (
                [receipt(), receipt("r2", number="RE-2026-1043")],
                [
                    booked(amount_cents=23800, remittance="RE-2026-1042 RE-2026-1043"),
                    came_back(side="credit", amount_cents=23800, remittance="Rücklastschrift"),
                ],
            ),
            0,
        ),
        (
            (
                [receipt(number="RE-2026-104277")],
                [
                    booked(booked_on=MUCH_LATER, remittance="RE-2026-104277"),
                    booked("back", side="credit", booked_on=MUCH_LATER + timedelta(days=59), remittance=""),
                ],
            ),
            0,
        ),
    ],
    ids=[
        "a part that somebody else pays",
        "a month's charges",
        "a batch",
        "a payment that came back",
        "of several",
        "a year later",
    ],
)
def test_what_only_together_makes_a_receipt_is_in_reach(
    begin: Callable[..., Books], made: tuple[list[ReceiptFacts], list[TransactionFacts]], assigned: int
) -> None:
    """Its transactions have neither its amount nor its number, nor always its name."""
    books = begin(7, "full")
    receipts, lines = made
    with books.ports.database.write() as session:
        now = books.clock.now()
        session.get_one(BankAccount, books.account.id).covered_until = max(facts.booked_on for facts in lines) + timedelta(
            days=30
        )
        rows = [session.get_one(Transaction, _put_line(session, books.account, facts, now)) for facts in lines]
        for place, facts in enumerate(receipts):
            _put_receipt(session, books.documents, facts, place, now)
        reaching.write_keys(session, rows)
    found = books.decided(with_everything=False)
    assert found == books.decided(with_everything=True)
    assert sum(decision.status == "assigned" for decision in found) == assigned


def test_a_new_receipt_costs_what_it_asks_for(begin: Callable[..., Books], statements: Callable[..., Any]) -> None:
    """However much lies in the books: the same statements, and not one transaction that is a stranger to it."""
    costs = []
    for strangers in (20, 400):
        books = begin(7, "full")
        books.made = replace(books.made, receipts=[], transactions=[])
        now = books.clock.now()
        with books.ports.database.write() as session:
            for n in range(strangers):
                factories.transaction(
                    session,
                    books.account,
                    f"s{n}",
                    500_000 + n,
                    now=now,
                    counterparty=f"Fremd{n:05d} AG",
                    remittance=f"RE-{n:07d}",
                )
            own = factories.transaction(session, books.account, "own", 11900, now=now, remittance="Rechnung RE-2026-1042")
        books.run()
        with books.ports.database.write() as session:
            receipt = factories.receipt(session, books.documents, 42, now=now, number="RE-2026-1042").id
        with books.ports.database.read() as session:
            facts = receipt_facts(session, books.client_id, [session.get_one(Receipt, receipt)])
            with statements(books.ports.database) as seen:
                found, _ = reaching.in_reach(session, books.client_id, facts)
        assert [line.id for line in found] == [own.id]
        costs.append(len(seen))
    assert costs[0] == costs[1]


def test_a_long_text_is_asked_for_by_everybody(begin: Callable[..., Books]) -> None:
    """Its numbers are not told one by one."""
    books = begin(7, "full")
    long = " ".join(str(1000 + n) for n in range(900))
    with books.ports.database.write() as session:
        line = factories.transaction(session, books.account, "long", 1, now=books.clock.now(), remittance=long).id
    books.run()
    with books.ports.database.read() as session:
        keys = set(session.scalars(select(TransactionKey.key).where(TransactionKey.transaction_id == line)))
        assert "*" in keys
        assert len(keys) < 10
        facts = ReceiptFacts(id="r", direction="expense", number="1234", issued_on=date(2020, 1, 1) + timedelta(days=1))
        found, _ = reaching.in_reach(session, books.client_id, [facts])
    assert [one.id for one in found] == [line]
