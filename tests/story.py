"""A client of the firm on the way through the product, told through services: connect, import, match."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import Select, func, select, update

from jobs.runs import execute_run
from portal.clock import FixedClock
from portal.models import (
    Assignment,
    BankAccount,
    Base,
    Client,
    Connection,
    Document,
    Receipt,
    RequestBudget,
    Role,
    Run,
    Transaction,
    User,
)
from portal.ports import Ports
from portal.services import auditing, running
from portal.services.accounts import choosing
from portal.services.connections import connecting
from portal.services.connections.connecting import Result
from portal.services.finding import Actor
from tests import factories
from tests.bank import Bank
from tests.web.visitor import fingerprint

Row = TypeVar("Row")
BOOKS = {"receipt", "document", "preview", "candidate", "assignment", "bank_transaction"}


@dataclass
class Story:
    """One client with its owner, this year and the last commissioned, and the bank on the other side."""

    ports: Ports
    bank: Bank
    clock: FixedClock
    client: Client
    owner: User

    @classmethod
    def begin(cls, ports: Ports, bank: Bank, clock: FixedClock, *, number: str = "10042", years: int = 2) -> Story:
        """Admit the client; asks for an `acting` around it."""
        today = clock.today()
        with ports.database.write() as session:
            client = factories.client(
                session, number, f"Mandant {number} GmbH", now=clock.now(), years=tuple(today.year - n for n in range(years))
            )
            owner = factories.user(session, f"owner@{number}.example", "Jonas Brandt", Role.CLIENT, now=clock.now())
            factories.member(session, owner, client, "client")
        return cls(ports, bank, clock, client, owner)

    @property
    def actor(self) -> Actor:
        """The owner."""
        return Actor(self.owner.id, Role.CLIENT)

    def address(self, kind: str) -> str:
        """Press Connect: the address of the consent page."""
        with self.ports.database.write() as session:
            return connecting.begin(self.ports, session, user_id=self.owner.id, client=self.client, kind=kind)

    def come_back(self, query: dict[str, str]) -> Result:
        """The browser returns from the bank."""
        given = {name: query.get(name, "") for name in ("state", "code", "error")}
        result = connecting.complete(self.ports, actor=self.actor, **given)
        return result if result.run_id or not result.connection_id else self.choose(result)

    def choose(self, result: Result, **details: choosing.Details) -> Result:
        """Have accounts read: every one that is open, unless some are named (id → details)."""
        with self.ports.database.write() as session:
            connection = session.get_one(Connection, result.connection_id)
            held = select(BankAccount).where(BankAccount.connection_id == connection.id, BankAccount.is_active)
            chosen = details or {account.id: choosing.Details() for account in session.scalars(held)}
            run = choosing.choose(session, connection, chosen, now=self.clock.now())
        return replace(result, run_id=run.id)

    def connect(self, kind: str, **decision: Any) -> Result:
        """There and back."""
        return self.come_back(self.bank.decide(self.address(kind), **decision))

    def connection(self, kind: str) -> Connection:
        """As it is stored now."""
        return self.rows(select(Connection).where(Connection.client_id == self.client.id, Connection.kind == kind))[0]

    def ask(self, kind: str, *, trigger: str = "client") -> Run:
        """Press Sync."""
        connection = self.connection(kind)
        with self.ports.database.write() as session:
            return running.request(
                session, client_id=self.client.id, connection_id=connection.id, kind=kind, trigger=trigger, now=self.clock.now()
            )

    def sync(self, kind: str, **moved: float) -> Run:
        """Let time pass (a day, if nothing is said), sync, and give the run as it ended."""
        self.bank.move(**(moved or {"days": 1}))
        run = self.ask(kind)
        execute_run(self.ports, run.id)
        return self.run(run.id)

    def run(self, run_id: str) -> Run:
        """As it is stored now."""
        return self.rows(select(Run).where(Run.id == run_id))[0]

    def newest(self, kind: str) -> Run:
        """The run of this kind that was asked for last."""
        return self.rows(select(Run).where(Run.client_id == self.client.id, Run.kind == kind).order_by(Run.id.desc()))[0]

    def work(self, *kinds: str) -> dict[str, str]:
        """Execute everything that is due (of these kinds) until nothing is left; kind → how the last one ended."""
        ended: dict[str, str] = {}
        while True:
            with self.ports.database.read() as session:
                due = [run for run in running.startable(session, now=self.clock.now()) if not kinds or run.kind in kinds]
            if not due:
                return ended
            for run in due:
                ended[run.kind] = execute_run(self.ports, run.id)

    def settle(self) -> None:
        """Execute every sync and matching that is due."""
        self.work("documents", "bank", "matching")

    def bill(self, **values: Any) -> dict[str, Any]:
        """A paid invoice of yesterday at the bank, unless told otherwise."""
        day = (self.clock.today() - timedelta(days=1)).isoformat()
        given = {
            "status": "paid", "invoice_number": "NEU-2026-001", "supplier_name": "Neuer Lieferant GmbH", "issue_date": day,
            "payment_date": day, "total_amount": {"value": "47.11", "currency": "EUR"}, **values,
        }  # fmt: skip
        return self.bank.put_invoice(**given)

    @staticmethod
    def is_conserved(run: Run) -> bool:
        """Each listed row is counted once."""
        return run.seen == run.new + run.updated + run.unchanged + sum(run.skipped.values())

    def check_rest(self) -> None:
        """R7: nobody holds a lease, and each run has ended, waits with a date, or needs a person."""
        for run in self.rows(select(Run)):
            assert (run.lease_token, run.lease_until) == (None, None)
            is_waiting = run.state == "waiting" and run.next_attempt_at is not None
            assert run.state in {"due", "done", "needs_person"} or is_waiting

    def pass_the_pause(self) -> None:
        """After a 429 everybody waits in real time, whatever day is told: as if that were over."""
        with self.ports.database.write() as session:
            session.execute(update(RequestBudget).values(paused_until=None))

    def rows(self, query: Select[tuple[Row]]) -> list[Row]:
        """Read."""
        with self.ports.database.read() as session:
            return list(session.scalars(query))

    def receipts(self) -> dict[str, Receipt]:
        """By the bank's id."""
        found = self.rows(select(Receipt).where(Receipt.client_id == self.client.id))
        return {receipt.qonto_id or "": receipt for receipt in found}

    def documents(self, receipt: Receipt) -> list[Document]:
        """Oldest first."""
        return self.rows(select(Document).where(Document.receipt_id == receipt.id).order_by(Document.fetched_at, Document.id))

    def books(self) -> tuple[str, int]:
        """A hash over everything imported and decided, and the number of stored files."""
        files = (self.ports.settings.data_dir / "documents").rglob("*")
        others = frozenset(Base.metadata.tables) - BOOKS
        return fingerprint(self.ports.database, without=others), sum(path.is_file() for path in files)

    def check_books(self) -> None:
        """What must hold after everything: one state each, nothing over-used, every document's bytes are there, chains whole."""
        ports = self.ports
        with ports.database.read() as session:
            receipts = list(session.scalars(select(Receipt)))
            standing = list(session.scalars(select(Assignment).where(Assignment.withdrawn_at.is_(None))))
            used = dict(
                session.execute(
                    select(Assignment.transaction_id, func.sum(Assignment.amount_cents))
                    .where(Assignment.withdrawn_at.is_(None))
                    .group_by(Assignment.transaction_id)
                ).all()
            )
            room = dict(session.execute(select(Transaction.id, Transaction.amount_cents)).all())
            documents = list(session.scalars(select(Document)))
            faults = auditing.broken_links(session, key=ports.settings.secret_key)
        assigned = {assignment.receipt_id for assignment in standing}
        for receipt in receipts:
            assert (receipt.state == "assigned") == (receipt.id in assigned), receipt.label
            assert (receipt.review_reason is not None) == (receipt.state == "in_review"), receipt.label
            assert (receipt.set_aside_reason is not None) == (receipt.state == "set_aside"), receipt.label
        assert sorted(receipt.sequence for receipt in receipts if receipt.client_id == self.client.id) == list(
            range(1, 1 + sum(receipt.client_id == self.client.id for receipt in receipts))
        )
        assert all(int(cents) <= room[transaction_id] for transaction_id, cents in used.items())
        for document in documents:
            assert len(ports.storage.get(document.client_id, document.sha256)) == document.size
        assert faults == []
