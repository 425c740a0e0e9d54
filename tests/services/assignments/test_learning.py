"""What assignments teach the matcher: which names and accounts are one party's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobs.runs import execute_run
from portal.db import Database
from portal.models import Receipt
from portal.ports import Ports
from portal.services import auditing, running
from portal.services.assignments import assigning, learning
from portal.services.auditing import Origin
from tests import factories
from tests.factories import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

NAMES = ("Nordlicht Vertrieb GmbH", "NLV SE")


def test_two_names_that_the_books_bring_together_often_are_one_party(database: Database, world: World) -> None:
    ours = world.ours
    with database.write() as session, auditing.acting(Origin("system:matcher"), key="x"):
        for number in range(3):
            assert learning.aliases(session, ours.client.id, NAMES) == set()
            cents = 11900 + number
            receipt = factories.receipt(session, ours.documents, 50 + number, now=NOW, counterparty=NAMES[0], amount_cents=cents)
            line = factories.transaction(session, ours.account, f"alias-{number}", cents, now=NOW, counterparty=NAMES[1])
            assigning.assign(
                session,
                receipt=receipt,
                allocations=[assigning.Allocation(line.id, cents)],
                seen_version=receipt.version,
                now=NOW,
                is_automatic=True,
            )
        assert learning.aliases(session, ours.client.id, NAMES) == {NAMES}
        assert learning.aliases(session, ours.client.id, ["Andere GmbH"]) == set()


def test_two_names_that_people_brought_together_twice_are_one_party(database: Database, world: World) -> None:
    ours = world.ours
    with database.write() as session, auditing.acting(Origin(world.staff.id), key="x"):
        for number in range(2):
            receipt = factories.receipt(session, ours.documents, 50 + number, now=NOW, counterparty="Nordlicht Vertrieb GmbH")
            line = factories.transaction(session, ours.account, f"alias-{number}", 11900, now=NOW, counterparty="NLV SE")
            assert learning.aliases(session, ours.client.id, NAMES) == set()
            assigning.assign(
                session,
                receipt=receipt,
                allocations=[assigning.Allocation(line.id, 11900)],
                seen_version=receipt.version,
                now=NOW,
            )
        assert learning.aliases(session, ours.client.id, NAMES) == {NAMES}
        assert learning.aliases(session, world.theirs.client.id, NAMES) == set()


def test_an_account_at_which_people_paid_a_supplier_twice_is_his(database: Database, world: World) -> None:
    ours, printed, other = world.ours, "DE89370400440532013000", "DE02120300000000202051"
    with database.write() as session, auditing.acting(Origin(world.staff.id), key="x"):
        for number in range(2):
            receipt = factories.receipt(session, ours.documents, 50 + number, now=NOW, counterparty=NAMES[0], iban=printed)
            line = factories.transaction(
                session, ours.account, f"iban-{number}", 11900, now=NOW, counterparty=NAMES[0], counterparty_iban=other
            )
            assert learning.accounts(session, ours.client.id, NAMES) == set()
            parts = [assigning.Allocation(line.id, 11900)]
            assigning.assign(session, receipt=receipt, allocations=parts, seen_version=receipt.version, now=NOW)
        assert learning.accounts(session, ours.client.id, NAMES) == {(NAMES[0], other)}
        assert learning.accounts(session, world.theirs.client.id, NAMES) == set()


def test_what_a_run_assigned_is_used_by_the_same_run(ports: Ports, database: Database, world: World) -> None:
    """Three invoices are named by their payments, months later; the fourth is not, and has nothing but the name they showed."""
    ours, ids = world.ours, []
    with database.write() as session:
        for number, days in enumerate((200, 190, 180, 30)):
            day, cents, is_last = NOW - timedelta(days=days), 43210 + 977 * number, number == 3
            made = factories.receipt(
                session, ours.documents, 50 + number, now=NOW, kind="client_invoice", direction="income",
                number=f"RG-2026-{7300 + number}", counterparty=NAMES[0], amount_cents=cents, issued_on=day.date(), due_on=None,
            )  # fmt: skip
            factories.transaction(
                session, ours.account, f"named-{number}", cents, now=NOW, side="credit", counterparty=NAMES[1],
                settled_at=day + timedelta(days=(70, 70, 10, 3)[number]), remittance="" if is_last else f"RG-2026-{7300 + number}",
            )  # fmt: skip
            ids.append(made.id)
        asked = running.request(session, client_id=ours.client.id, kind="matching", trigger="change", now=NOW)
    assert execute_run(ports, asked.id) == "done"
    with database.read() as session:
        assert [session.get_one(Receipt, known).state for known in ids] == ["assigned"] * 4
        made = session.scalars(assigning.standing_of(ids[-1])).one()
        assert "name_known" in {reason["code"] for reason in made.reasons}
        done = session.get_one(type(asked), asked.id)
        assert (done.seen, done.total) == (done.total, done.new + done.updated + done.unchanged)


def test_how_long_a_party_took_is_learned_from_what_was_assigned(database: Database, world: World) -> None:
    ours = world.ours
    with database.write() as session, auditing.acting(Origin(world.staff.id), key="x"):
        for number, days in enumerate((31, 29)):
            issued = NOW - timedelta(days=90 + 30 * number)
            made = factories.receipt(
                session, ours.documents, 50 + number, now=NOW, counterparty=NAMES[0], issued_on=issued.date(), amount_cents=11900
            )
            line = factories.transaction(
                session, ours.account, f"l-{number}", 11900, now=NOW, settled_at=issued + timedelta(days=days)
            )
            parts = [assigning.Allocation(line.id, 11900)]
            assigning.assign(session, receipt=made, allocations=parts, seen_version=made.version, now=NOW)
        assert learning.lags(session, ours.client.id, NAMES) == {NAMES[0]: [29, 31]}
        assert learning.lags(session, world.theirs.client.id, NAMES) == {}
