"""What a further import brings, changes and costs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from portal.domain.matching import Allocation
from portal.models import Receipt, Run, SkippedInvoice
from portal.services.assignments import assigning
from portal.services.clients import engaging
from tests import factories
from tests.bank import as_file
from tests.services.receipts.listing import LISTS, digest, money
from tests.story import Story


def test_an_unchanged_next_run_is_a_handful_of_requests_and_changes_nothing(imported: Story) -> None:
    before = digest(imported)
    runs: list[Run] = []
    calls = imported.bank.calls_of(lambda: runs.append(imported.sync("documents")))
    assert len([call for call in calls if call["path"] != "/oauth2/token"]) <= 4
    assert {call["path"] for call in calls} <= {*LISTS, "/oauth2/token"}
    assert (runs[0].state, runs[0].new, runs[0].updated) == ("done", 0, 0)
    assert digest(imported) == before
    imported.check_books()


def test_ten_runs_are_like_one(imported: Story) -> None:
    before = digest(imported)
    for _ in range(10):
        imported.sync("documents", minutes=10)
    assert digest(imported) == before


def test_a_new_invoice_comes_with_the_next_run(imported: Story) -> None:
    row = imported.bill()
    run = imported.sync("documents", hours=1)
    assert (run.new, run.updated) == (1, 0)
    receipt = imported.receipts()[row["id"]]
    assert (receipt.number, receipt.amount_cents, receipt.currency) == ("NEU-2026-001", 4711, "EUR")
    assert receipt.document_state == "complete"


def test_a_skipped_invoice_is_looked_at_again_when_it_is_paid(imported: Story) -> None:
    row = imported.bill(status="to_pay", payment_date=None)
    assert imported.sync("documents", hours=1).skipped["not_paid"] >= 1
    assert row["id"] not in imported.receipts()
    imported.bank.put_invoice(id=row["id"], status="paid")
    imported.sync("documents", hours=1)
    assert row["id"] in imported.receipts()
    assert imported.rows(select(SkippedInvoice).where(SkippedInvoice.qonto_id == row["id"])) == []


@pytest.mark.parametrize(
    "change",
    [
        {"total_amount": money(4712)},
        {"status": "to_pay"},
        {"invoice_number": "NEU-2026-002"},
        {"supplier_name": "Ganz andere AG"},
    ],
)
def test_a_material_change_takes_an_assigned_receipt_back_to_a_person(imported: Story, change: dict[str, Any]) -> None:
    row = _assigned(imported)
    imported.bank.put_invoice(id=row["id"], **change)
    run = imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert run.updated == 1
    assert (receipt.state, receipt.review_reason, receipt.is_changed_at_source) == ("in_review", "source_changed", True)
    assert imported.work("matching") == {"matching": "done"}
    assert imported.receipts()[row["id"]].review_reason == "source_changed"  # the machine may not decide this one
    imported.check_books()


def test_a_harmless_change_leaves_the_assignment(imported: Story) -> None:
    row = _assigned(imported)
    due_on = imported.clock.today()
    imported.bank.put_invoice(id=row["id"], due_date=due_on.isoformat(), description="egal")
    imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert (receipt.state, receipt.due_on) == ("assigned", due_on)


def test_a_new_file_is_a_further_version_and_the_older_one_stays(imported: Story) -> None:
    row = _assigned(imported)
    old = imported.documents(imported.receipts()[row["id"]])
    imported.bank.put_invoice(file=as_file(factories.pdf("neue Fassung")), id=row["id"])
    imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    documents = imported.documents(receipt)
    assert [document.version for document in documents] == [1, 2]
    assert documents[0].sha256 == old[0].sha256
    assert imported.ports.storage.get(receipt.client_id, documents[1].sha256) == factories.pdf("neue Fassung")
    assert (receipt.state, receipt.review_reason) == ("in_review", "source_changed")
    imported.check_books()


def test_nothing_is_deleted_because_the_bank_no_longer_lists_it(imported: Story) -> None:
    row = imported.bill()
    imported.sync("documents", hours=1)
    imported.bank.tell("supplier_invoices", organization=None, supplier_invoice={"id": row["id"]}, hidden=True)
    imported.sync("documents", hours=1)
    assert imported.receipts()[row["id"]].document_state == "complete"


def test_commissioning_an_earlier_year_lists_everything_again(story: Story) -> None:
    story.bank.tell_all()
    today = story.clock.today()
    with story.ports.database.write() as session:
        for kind in engaging.RETURNS:
            engaging.complete_return(
                session, client_id=story.client.id, tax_year=today.year - 1, kind=kind, on=today, now=story.clock.now()
            )
    story.connect("documents")
    story.work("documents")
    few = len(story.receipts())
    assert "before_period" in story.newest("documents").skipped
    with story.ports.database.write() as session:
        engaging.commission(session, client_id=story.client.id, tax_year=today.year - 2, on=today, now=story.clock.now())
    story.sync("documents")
    assert len(story.receipts()) > few
    assert story.newest("documents").skipped.get("before_period", 0) == 0


def test_a_year_that_is_opened_in_the_middle_of_a_run_is_fetched_whole(story: Story) -> None:
    """The run had read a list already: it begins again, else the older invoices of that list would be missing."""
    this = story.clock.today().year
    with story.ports.database.write() as session:
        for kind in engaging.RETURNS:
            engaging.complete_return(
                session, client_id=story.client.id, tax_year=this - 1, kind=kind, on=story.clock.today(), now=story.clock.now()
            )
    old = story.bill(issue_date=f"{this - 1}-05-05", payment_date=f"{this - 1}-05-06")
    story.connect("documents")
    story.work("documents")
    assert old["id"] not in story.receipts()
    story.bank.fault("5xx", match={"path": "/v2/client_invoices"})
    run = story.sync("documents", hours=1)
    assert (run.state, run.cursor["phase"]) == ("waiting", 1)
    with story.ports.database.write() as session:
        kind = engaging.RETURNS[0]
        engaging.reopen_return(session, client_id=story.client.id, tax_year=this - 1, kind=kind, now=story.clock.now())
    story.bank.heal()
    story.bank.move(minutes=6)
    story.work("documents")
    assert story.run(run.id).state == "done"
    assert old["id"] in story.receipts()
    story.check_books()


def _assigned(story: Story) -> dict[str, Any]:
    """A paid invoice that is imported and assigned to a transaction."""
    row = story.bill()
    story.sync("documents", hours=1)
    receipt = story.receipts()[row["id"]]
    now = story.clock.now()
    with story.ports.database.write() as session:
        link = factories.connection(session, story.client, "bank", now=now)
        account = factories.bank_account(session, story.client, link, now=now)
        line = factories.transaction(session, account, "t-1", 4711, now=now, remittance="NEU-2026-001")
        own = session.get_one(Receipt, receipt.id)
        assigning.assign(session, receipt=own, allocations=[Allocation(line.id, 4711)], seen_version=own.version, now=now)
    story.work("matching")
    assert story.receipts()[row["id"]].state == "assigned"
    return row
