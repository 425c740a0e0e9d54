"""Files that the import cannot have, or not as they should be."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import select

from portal.models import Document, Preview
from portal.services.documents import documenting
from tests.bank import as_file
from tests.services.receipts.listing import all_listed, money
from tests.story import Story


@pytest.mark.fault("F60")
def test_a_missing_file_heals(imported: Story) -> None:
    imported.work("matching")
    row = imported.bill()
    imported.bank.fault("gone", match={"path": f"/v2/attachments/{row['attachment_id']}"})
    run = imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert (run.state, run.failed, run.reason) == ("waiting", 1, "files_missing")
    assert (receipt.document_state, receipt.document_problem, receipt.document_tries) == ("fetching", "gone", 1)
    imported.work("matching")
    imported.bank.heal()
    imported.bank.move(minutes=6)
    assert imported.work("documents") == {"documents": "done"}
    assert imported.receipts()[row["id"]].document_state == "complete"
    assert imported.newest("matching").state == "due"  # a receipt with its file may be assigned now
    imported.check_books()


@pytest.mark.parametrize("found_by", ["a download", "the preview"])
def test_a_file_that_the_store_damaged_is_fetched_again(imported: Story, found_by: str) -> None:
    imported.work("matching")
    receipt = next(one for one in imported.receipts().values() if one.document_state == "complete" and one.attachments)
    document = next(one for one in imported.rows(select(Document)) if one.receipt_id == receipt.id)
    storage, path = imported.ports.storage, imported.ports.settings.data_dir / "documents" / document.client_id
    stored = path / document.sha256[:2] / document.sha256
    stored.chmod(0o640)
    stored.write_bytes(b"something else")
    if found_by == "a download":
        with imported.ports.database.write() as session:
            documenting.note_damage(session, client_id=document.client_id, sha256=document.sha256, now=imported.clock.now())
    else:
        imported.work("previews")
        pictures = imported.rows(select(Preview).where(Preview.sha256 == document.sha256))
        assert [(one.state, one.reason) for one in pictures] == [("impossible", "broken")]
    problem = imported.receipts()[receipt.qonto_id]
    assert (problem.document_state, problem.document_problem) == ("fetching", "damaged")
    imported.sync("documents", hours=1)
    healed = imported.receipts()[receipt.qonto_id]
    assert (healed.document_state, healed.document_problem) == ("complete", None)
    assert hashlib.sha256(storage.get(document.client_id, document.sha256)).hexdigest() == document.sha256
    assert len([one for one in imported.rows(select(Document)) if one.receipt_id == receipt.id]) == len(receipt.attachments)
    imported.work("previews")
    assert imported.rows(select(Preview).where(Preview.sha256 == document.sha256, Preview.state == "ready"))
    imported.check_books()


def test_a_file_that_never_comes_stops_holding_the_run_up_and_is_tried_daily(imported: Story) -> None:
    row = imported.bill()
    imported.bank.fault("gone", match={"path": f"/v2/attachments/{row['attachment_id']}"})
    states = [imported.sync("documents", hours=1).state]
    for _ in range(2):
        imported.bank.move(hours=5)
        imported.work("documents")
        states.append(imported.newest("documents").state)
    assert states == ["waiting", "waiting", "done"]
    asked = imported.bank.calls_of(lambda: imported.sync("documents", days=10))
    assert sum(call["path"].endswith(row["attachment_id"]) for call in asked) >= 1
    imported.bank.heal()
    imported.sync("documents")
    assert imported.receipts()[row["id"]].document_state == "complete"


def test_a_late_twin_is_still_the_preferred_view(story: Story) -> None:
    """The readable version of an XML invoice comes a run later than the original."""
    story.bank.tell_all()
    story.connect("documents")
    listed = [
        row for row in all_listed(story).values() if row.get("display_attachment_id") not in {None, row.get("attachment_id")}
    ]
    row = next(row for row in listed if row["status"] == "paid" or row["matched_transactions"])
    story.bank.fault("gone", match={"path": f"/v2/attachments/{row['display_attachment_id']}"})
    story.work("documents")
    story.bank.heal()
    story.bank.move(minutes=6)
    story.work("documents")
    found = {document.attachment_id: document.is_preferred_view for document in story.documents(story.receipts()[row["id"]])}
    assert found == {row["attachment_id"]: False, row["display_attachment_id"]: True}


@pytest.mark.parametrize(
    ("fault", "arguments", "problem", "state"),
    [
        ("short_file", {"size": 0}, "empty", "fetching"),
        ("short_file", {}, "short_file", "fetching"),
        ("huge", {"bytes": 60 * 1024 * 1024}, "too_big", "failed"),
    ],
)
def test_bad_files_are_named(imported: Story, fault: str, arguments: dict[str, Any], problem: str, state: str) -> None:
    row = imported.bill()
    imported.bank.fault(fault, match={"path": "/files/*"}, **arguments)
    imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert (receipt.document_problem, receipt.document_state) == (problem, state)
    assert imported.documents(receipt) == []
    imported.check_books()


def test_what_is_no_pdf_is_kept_but_never_pictured(imported: Story) -> None:
    row = imported.bank.put_invoice(
        file=as_file(b"<html><script>alert(1)</script></html>"), status="paid", invoice_number="HTML-1", total_amount=money(100),
        issue_date=imported.clock.today().isoformat(),
    )  # fmt: skip
    imported.sync("documents", hours=1)
    document = imported.documents(imported.receipts()[row["id"]])[0]
    assert (document.media_type, document.file_name) == ("application/octet-stream", "rechnung.pdf.bin")
    preview = imported.rows(select(Preview).where(Preview.sha256 == document.sha256))[0]
    assert (preview.state, preview.reason) == ("impossible", "type")
