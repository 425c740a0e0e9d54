"""What a new receipt costs in a client's books, small and large: one run of matching in a database, from the rows to the rows.

The old rows are decided and forty receipts open, as on a desk that is worked off. Then receipts come one at a time, each with its
transaction.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import insert, select, text

from bench.matching_set import ClientSet, make_client
from bench.pages import settings_in
from jobs.runs import execute_run
from portal import build_ports, migrating
from portal.db import Database, new_id
from portal.domain.matching import ReceiptFacts, TransactionFacts
from portal.models import Assignment, BankAccount, Connection, Receipt, Transaction
from portal.ports import Ports
from portal.services import running
from portal.services.auditing import Origin, acting
from tests import factories, servers

SIZES = (1_000, 100_000)  #: transactions, and about as many receipts
OPEN, ARRIVING = 40, 40
_TRANSACTIONS_A_STORY = 1.26
_STORIES_A_PARTY = 20

Row = dict[str, object]


def a_days_matching(split: str) -> Iterator[Row]:
    """Yield a row for each size and database, and the ratio of the largest to the smallest."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for name in ("sqlite", "postgresql"):
        measured, computed = [], []
        for size in SIZES:
            stories = round(size / _TRANSACTIONS_A_STORY)
            made = make_client(4_000, split=split, stories=stories, parties=max(10, stories // _STORIES_A_PARTY))
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                url = f"sqlite:///{folder / 'bench.sqlite'}"
                if name == "postgresql":
                    url = stack.enter_context(servers.postgres()).replace("postgresql:", "postgresql+psycopg:")
                seconds, cpu = _measure(build_ports(settings_in(folder, url)), made)
            measured.append(_p95(seconds))
            computed.append(_p95(cpu))
            yield {
                "name": f"a new receipt, {name}, {len(made.transactions)} transactions",
                "receipts": len(made.receipts),
                "transactions": len(made.transactions),
                "ms_p50": round(1000 * statistics.median(seconds), 1),
                "ms_p95": round(1000 * measured[-1], 1),
                "cpu_ms_p95": round(1000 * computed[-1], 1),  # of this process: without PostgreSQL's
            }
        yield {
            "name": f"a new receipt, {name}: p95 of the largest to the smallest",
            "ratio": round(measured[-1] / measured[0], 2),
            "cpu_ratio": round(computed[-1] / computed[0], 2),
        }


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _measure(ports: Ports, made: ClientSet) -> tuple[list[float], list[float]]:
    """Seconds of each run by the clock and of this process's processor."""
    migrating.upgrade(ports.database)
    now = ports.clock.now()
    with acting(Origin("system:bench"), key=ports.settings.secret_key):
        with ports.database.write() as session:
            client = factories.client(session, "10042", "Tischlerei Brandt GmbH", now=now, years=(now.year,))
            documents = factories.connection(session, client, "documents", now=now)
            account = factories.bank_account(session, client, factories.connection(session, client, "bank", now=now), now=now)
        arriving = _fill(ports.database, made, documents, account, now)
        _match(ports, client.id)
        with ports.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        seconds, cpu = [], []
        for place, (facts, line) in enumerate(arriving):
            with ports.database.write() as session:
                session.execute(insert(Transaction), [_line(line, account, now)])
                session.execute(insert(Receipt), [_receipt(facts, documents, 10**6 + place, now)])
            started, started_cpu = time.perf_counter(), time.process_time()
            _match(ports, client.id)
            seconds.append(time.perf_counter() - started)
            cpu.append(time.process_time() - started_cpu)
        with ports.database.read() as session:
            assert session.scalar(select(Assignment.id).where(Assignment.actor != "system:bench").limit(1))
    return seconds, cpu


def _match(ports: Ports, client_id: str) -> None:
    with ports.database.write() as session:
        asked = running.request(session, client_id=client_id, kind="matching", trigger="change", now=ports.clock.now())
    assert execute_run(ports, asked.id) == "done"


def _fill(
    database: Database, made: ClientSet, documents: Connection, account: BankAccount, now: datetime
) -> list[tuple[ReceiptFacts, TransactionFacts]]:  # fmt: skip
    """Write what is old, decided as it was right; returns what is still to come, pair by pair."""
    lines = {line.id: line for line in made.transactions}
    uses = Counter(line for truth in made.labels.values() for line in truth)
    latest = sorted(made.receipts, key=lambda receipt: (made.arrivals[receipt.id], receipt.id), reverse=True)
    pairs = [
        (receipt, lines[truth[0]])
        for receipt in latest
        if len(truth := made.labels[receipt.id]) == 1 and uses[truth[0]] == 1 and receipt.direction
    ]
    arriving, others = pairs[:ARRIVING], latest[:]
    coming = {receipt.id for receipt, _ in arriving} | {line.id for _, line in arriving}
    still_open = {receipt.id for receipt in [one for one in others if one.id not in coming][:OPEN]}
    rows, decided = [_line(line, account, now) for line in made.transactions if line.id not in coming], []
    ids = {row["qonto_id"]: row["id"] for row in rows}
    receipts = []
    for place, facts in enumerate(one for one in made.receipts if one.id not in coming):
        row = _receipt(facts, documents, place + 1, now)
        truth = made.labels[facts.id]
        if facts.id not in still_open:
            row |= {"state": "set_aside", "review_reason": None, "in_review_since": None}
            if len(truth) == 1 and uses[truth[0]] == 1:
                row["state"] = "assigned"
                decided.append(_assignment(row["id"], ids[truth[0]], lines[truth[0]].amount_cents, documents, now))
        receipts.append(row)
    with database.write() as session:
        for model, found in ((Transaction, rows), (Receipt, receipts), (Assignment, decided)):
            session.execute(insert(model), found)
    return arriving[::-1]


def _line(line: TransactionFacts, account: BankAccount, now: datetime) -> dict[str, Any]:
    noon = datetime.combine(line.booked_on, clock_time(12), tzinfo=UTC)
    return {
        "id": new_id(), "client_id": account.client_id, "bank_account_id": account.id, "qonto_id": line.id, "side": line.side,
        "amount_cents": line.amount_cents, "currency": line.currency, "local_amount_cents": line.local_amount_cents,
        "local_currency": line.local_currency, "status": "booked", "emitted_at": noon, "settled_at": noon,
        "booked_on": line.booked_on, "counterparty": line.counterparty, "counterparty_iban": line.iban,
        "remittance": line.remittance, "operation_type": line.operation_type, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _receipt(facts: ReceiptFacts, documents: Connection, sequence: int, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(), "client_id": documents.client_id, "connection_id": documents.id, "sequence": sequence,
        "qonto_id": facts.id, "kind": "supplier_invoice", "direction": facts.direction or "expense", "number": facts.number,
        "counterparty": facts.counterparty, "amount_cents": facts.amount_cents, "currency": facts.currency,
        "issued_on": facts.issued_on, "due_on": facts.due_on, "paid_on": facts.paid_on, "iban": facts.iban,
        "source_status": "paid", "eligibility": "paid", "linked_transactions": list(facts.linked_transactions),
        "attachments": [], "qonto_updated_at": now, "state": "in_review", "review_reason": "no_transaction_yet",
        "in_review_since": now, "document_state": "complete", "document_tries": 0, "version": 1, "is_changed_at_source": False,
        "created_at": now, "updated_at": now,
    }  # fmt: skip


def _assignment(receipt_id: str, transaction_id: str, cents: int, documents: Connection, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(), "client_id": documents.client_id, "receipt_id": receipt_id, "transaction_id": transaction_id,
        "amount_cents": cents, "decision_id": new_id(), "actor": "system:bench", "is_automatic": True, "rank": None, "score": 0.9,
        "reasons": [], "matcher": "bench", "created_at": now,
    }  # fmt: skip
