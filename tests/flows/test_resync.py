"""One receipt is fetched again because somebody of the firm asks for it (P-14): facts and files, nothing doubled."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.runs import execute_run
from portal.models import AuditEvent, Receipt, Run, User
from portal.services import running
from tests.bank import as_file
from tests.factories import pdf
from tests.flows.reading import Reader, says
from tests.story import Story


def _receipt(story: Story, qonto_id: str) -> Receipt:
    return story.receipts()[qonto_id]


def _billed(story: Story) -> Receipt:
    """An imported invoice whose sync is over."""
    row = story.bank.put_invoice(file=as_file(pdf("Erste Fassung")), **_paid(story))
    story.sync("documents", hours=1)
    return _receipt(story, row["id"])


def _paid(story: Story) -> dict[str, object]:
    day = story.clock.today().isoformat()
    return {
        "status": "paid", "invoice_number": "NEU-2026-001", "supplier_name": "Neuer Lieferant GmbH", "issue_date": day,
        "payment_date": day, "total_amount": {"value": "47.11", "currency": "EUR"},
    }  # fmt: skip


def _ask(reader: Reader, staff: User, receipt: Receipt) -> int:
    return reader.browser(staff).post(f"/receipts/{receipt.id}/runs", {"reason": "document_wrong"}).status_code


def _events(story: Story, receipt: Receipt) -> list[str]:
    query = select(AuditEvent).where(AuditEvent.subject == f"receipt:{receipt.id}").order_by(AuditEvent.sequence)
    return [event.tag for event in story.rows(query)]


def test_facts_and_file_come_again_whatever_the_banks_dates_say(connected: Story, reader: Reader, staff: User) -> None:
    """The bank changed both without a new `updated_at`: no sync would see it."""
    receipt = _billed(connected)
    stamp = connected.bank.put_invoice(id=receipt.qonto_id)["updated_at"]
    connected.sync("documents", days=8)
    connected.bank.put_invoice(id=receipt.qonto_id, supplier_name="Umbenannt AG", updated_at=stamp)
    connected.bank.fault("changed_file")
    connected.sync("documents", hours=1)
    connected.bank.move(hours=2)
    before = len(connected.documents(receipt))
    assert _ask(reader, staff, receipt) == 303
    connected.work("documents")
    receipt = _receipt(connected, receipt.qonto_id or "")
    documents = connected.documents(receipt)
    assert receipt.counterparty == "Umbenannt AG"
    assert (before, len(documents), documents[-1].version) == (1, 2, 2)
    assert "resync.asked" in _events(connected, receipt)
    assert connected.newest("documents").cursor.get("again", []) == []
    connected.check_books()


def test_it_waits_behind_a_sync_that_runs(connected: Story, reader: Reader, staff: User) -> None:
    receipt = _billed(connected)
    connected.bank.move(hours=1)
    run = connected.ask("documents", trigger="staff")
    lease = running.claim(connected.ports.database, run.id, now=connected.clock.now(), timing=connected.ports.settings.timing)
    assert lease is not None
    assert _ask(reader, staff, receipt) == 303
    queued = connected.rows(select(Run).where(Run.state == "due", Run.kind == "documents"))
    assert [one.cursor for one in queued] == [{"again": [receipt.id]}]
    with connected.ports.database.write() as session:
        running.hand_over(session, lease, now=connected.clock.now(), cursor={"phase": 1})
    cursor = connected.run(queued[0].id).cursor
    assert (cursor["phase"], cursor["again"]) == (1, [receipt.id])
    calls = connected.bank.calls_of(lambda: execute_run(connected.ports, queued[0].id))
    assert [call["status"] for call in calls if call["path"] == f"/v2/supplier_invoices/{receipt.qonto_id}"] == [200]


def test_what_qonto_no_longer_has_stays_here_and_the_history_says_so(connected: Story, reader: Reader, staff: User) -> None:
    receipt = _billed(connected)
    connected.bank.tell("supplier_invoices", supplier_invoice={"id": receipt.qonto_id}, hidden=True)
    connected.bank.move(hours=1)
    assert _ask(reader, staff, receipt) == 303
    assert connected.work("documents")["documents"] == "done"
    assert "receipt.missing_at_source" in _events(connected, receipt)
    says(reader.browser(staff).get(f"/receipts/{receipt.id}").text, "No longer at Qonto")
    connected.check_books()


@pytest.mark.parametrize("times", [7])
def test_not_too_often(connected: Story, reader: Reader, staff: User, times: int) -> None:
    receipt = _billed(connected)
    connected.bank.move(hours=2)
    answers = []
    for _ in range(times):
        answers.append(_ask(reader, staff, receipt))
        connected.work("documents")
    assert answers == [303] * 6 + [429]
