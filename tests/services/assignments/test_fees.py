"""What a payment service keeps is learned from what was assigned, and the next sale less it is assigned by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobs.runs import execute_run
from portal.db import Database
from portal.domain.matching import Sale
from portal.models import Receipt, Transaction
from portal.ports import Ports
from portal.services import auditing, running
from portal.services.assignments import assigning, learning, reaching
from portal.services.auditing import Origin
from tests import factories
from tests.factories import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SOLD = (4217, 1755, 9931, 23090, 8842)


def _sale(world: World, database: Database, number: int, cents: int) -> tuple[str, str]:
    """A sale of four weeks ago and its payout by SumUp two days later, less 1.39 %."""
    ours, day = world.ours, NOW - timedelta(days=28 - number)
    with database.write() as session:
        made = factories.receipt(
            session, ours.documents, 50 + number, now=NOW, kind="client_invoice", direction="income", number=f"V-{number:05}",
            counterparty=f"Kunde {number}", amount_cents=cents, issued_on=day.date(), due_on=None,
        )  # fmt: skip
        line = factories.transaction(
            session, ours.account, f"payout-{number}", cents - round(cents * 0.0139), now=NOW, side="credit",
            settled_at=day + timedelta(days=2), counterparty="SumUp Payments Ltd", remittance="SUMUP PAYOUT",
        )  # fmt: skip
        return made.id, line.id


def test_what_people_assigned_shows_the_fee(ports: Ports, database: Database, world: World) -> None:
    sold = [_sale(world, database, number, cents) for number, cents in enumerate(SOLD)]
    client_id = world.ours.client.id
    with database.write() as session, auditing.acting(Origin(world.staff.id), key="x"):
        reaching.write_keys(session, [session.get_one(Transaction, line_id) for _, line_id in sold])
        for receipt_id, line_id in sold[:-1]:
            receipt, line = session.get_one(Receipt, receipt_id), session.get_one(Transaction, line_id)
            parts = [assigning.Allocation(line.id, line.amount_cents)]
            assigning.assign(session, receipt=receipt, allocations=parts, seen_version=receipt.version, now=NOW)
    with database.read() as session:
        known = learning.sales(session, client_id, {"sumup": "service:sumup"})
        assert min(known, key=lambda sale: sale.cents) == Sale("sumup", sold[1][1], 1755, 1731)
        assert len(known) == len(SOLD) - 1
        assert learning.sales(session, world.theirs.client.id, {"sumup": "service:sumup"}) == []
        assert learning.sales(session, client_id, {"stripe": "service:stripe"}) == []
    with database.write() as session:
        asked = running.request(session, client_id=client_id, kind="matching", trigger="change", now=NOW)
    assert execute_run(ports, asked.id) == "done"
    with database.read() as session:
        last = session.get_one(Receipt, sold[-1][0])
        assert last.state == "assigned"
        made = session.scalars(assigning.standing_of(last.id)).one()
        assert (made.is_automatic, made.transaction_id, made.amount_cents) == (True, sold[-1][1], 8719)
        assert made.reasons[0]["code"] == "less_fee"
