"""A payment that comes back after the machine has assigned it: the receipt is for people again, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.runs import execute_run
from portal.db import Database
from portal.models import Assignment, AuditEvent, Candidate, Receipt
from portal.ports import Ports
from portal.services import auditing, running
from portal.services.assignments import assigning
from portal.services.auditing import Origin
from tests import factories
from tests.factories import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NUMBER, CENTS = "RE-2026-7300", 23457


def match(ports: Ports, client_id: str) -> None:
    with ports.database.write() as session:
        asked = running.request(session, client_id=client_id, kind="matching", trigger="change", now=NOW)
    assert execute_run(ports, asked.id) == "done"


def book(database: Database, world: World, name: str, days: int, **values: object) -> str:
    given = {"counterparty": "Nordlicht Vertrieb GmbH", "remittance": f"EREF {NUMBER} MREF 77", **values}
    with database.write() as session:
        return factories.transaction(
            session, world.ours.account, name, CENTS, now=NOW, settled_at=NOW + timedelta(days=days), **given
        ).id


def bill(database: Database, world: World) -> str:
    with database.write() as session:
        return factories.receipt(
            session, world.ours.documents, 50, now=NOW, number=NUMBER, counterparty="Nordlicht Vertrieb GmbH", amount_cents=CENTS,
            issued_on=(NOW - timedelta(days=20)).date(), due_on=None,
        ).id  # fmt: skip


@pytest.mark.parametrize("told", ["Rücklastschrift", "SEPA-Rueckbelastung mangels Deckung"])
def test_a_receipt_whose_payment_came_back_is_open_again(ports: Ports, database: Database, world: World, told: str) -> None:
    receipt, first = bill(database, world), book(database, world, "first", -9)
    match(ports, world.ours.client.id)
    with database.read() as session:
        assert session.get_one(Receipt, receipt).state == "assigned"
    book(database, world, "back", -6, side="credit", remittance=f"{told} {NUMBER}")
    for _ in range(2):  # it is no news the second time
        match(ports, world.ours.client.id)
        with database.read() as session:
            found = session.get_one(Receipt, receipt)
            assert (found.state, found.review_reason) == ("in_review", "source_changed")
            (made,) = session.query(Assignment).filter_by(receipt_id=receipt)
            assert (made.transaction_id, made.withdrawn_at is not None) == (first, True)
            events = session.query(AuditEvent).filter_by(tag="assignment.withdrawn", client_id=world.ours.client.id)
            assert [event.details["reason"] for event in events] == ["source_changed"]
            (proposed,) = session.query(Candidate).filter_by(receipt_id=receipt)
            assert {"returned", "declined"} <= {reason["code"] for reason in proposed.reasons}
    again = book(database, world, "again", 3)
    match(ports, world.ours.client.id)
    with database.read() as session:
        # a person has to look first; the second try is the first candidate
        assert session.get_one(Receipt, receipt).state == "in_review"
        best = session.query(Candidate).filter_by(receipt_id=receipt, rank=1).one()
        assert [part["transaction"] for part in best.allocations] == [again]


@pytest.mark.parametrize(
    ("days", "values"),
    [
        (-6, {"side": "credit", "remittance": f"Erstattung {NUMBER}"}),
        (-6, {"side": "debit", "remittance": f"Rücklastschrift {NUMBER}"}),
        (-6, {"side": "credit", "remittance": "Rücklastschrift", "counterparty": "Dachdecker Ulrich KG"}),
        (-12, {"side": "credit", "remittance": f"Rücklastschrift {NUMBER}"}),
    ],
    ids=["a refund", "the same side", "another party", "before it"],
)
def test_what_is_no_return_changes_nothing(
    ports: Ports, database: Database, world: World, days: int, values: dict[str, object]
) -> None:
    receipt = bill(database, world)
    book(database, world, "first", -9)
    match(ports, world.ours.client.id)
    book(database, world, "other", days, **values)
    match(ports, world.ours.client.id)
    with database.read() as session:
        assert session.get_one(Receipt, receipt).state == "assigned"


def test_what_a_person_assigned_stands(ports: Ports, database: Database, world: World) -> None:
    receipt, first = bill(database, world), book(database, world, "first", -9)
    with database.write() as session, auditing.acting(Origin(world.staff.id), key="x"):
        row = session.get_one(Receipt, receipt)
        parts = [assigning.Allocation(first, CENTS)]
        assigning.assign(session, receipt=row, allocations=parts, seen_version=row.version, now=NOW)
    book(database, world, "back", -6, side="credit", remittance=f"Rücklastschrift {NUMBER}")
    match(ports, world.ours.client.id)
    with database.read() as session:
        assert session.get_one(Receipt, receipt).state == "assigned"
