"""The first import of documents from the simulator: what is taken, what is skipped and why, and what is never read."""

from __future__ import annotations

import hashlib
from collections import Counter

from sqlalchemy import select, text

from portal.models import Base, Document, Preview, Receipt, SkippedInvoice
from portal.services.clients import engaging
from tests.services.receipts.listing import LISTS, all_listed
from tests.story import Story


def test_what_the_rule_says_is_imported_and_everything_else_is_skipped_with_a_reason(whole: Story) -> None:
    """Decision 3, written down a second time over the bank's own rows."""
    start = whole.clock.today().replace(year=whole.clock.today().year - 1, month=1, day=1).isoformat()
    expected, reasons = set(), Counter()
    for row_id, row in all_listed(whole).items():
        is_paid = row["list"] == "credit_notes" or row.get("status") == "paid"
        is_linked = bool(row.get("matched_transactions") or row.get("matched_transactions_ids"))
        days = [day for day in (row.get("issue_date"), row.get("payment_date"), (row.get("paid_at") or "")[:10]) if day]
        is_paper = row["list"] == "supplier_invoices" and not (row["is_attachment_invoice"] or row["is_credit_note"])
        is_in_scope = not days or max(days) >= start
        if not is_paper and (is_paid or is_linked) and row.get("status") != "draft" and is_in_scope:
            expected.add(row_id)
        else:
            reasons["no_invoice" if is_paper else "other"] += 1
    assert set(whole.receipts()) == expected
    run = whole.newest("documents")
    assert (run.state, run.new, run.updated, run.unchanged, run.failed) == ("done", len(expected), 0, 0, 0)
    assert run.total == run.seen == len(all_listed(whole)) == run.new + sum(run.skipped.values())
    assert run.skipped["no_invoice"] == reasons["no_invoice"]
    assert {"not_paid", "draft", "canceled"} <= set(run.skipped)
    skipped = whole.rows(select(SkippedInvoice))
    assert Counter(row.reason for row in skipped) == Counter(run.skipped)
    assert {row.qonto_id for row in skipped} == set(all_listed(whole)) - expected
    whole.check_books()


def test_every_document_is_stored_byte_for_byte(whole: Story) -> None:
    listed = all_listed(whole)
    token = whole.bank.tell("tokens", organization=None, scope="attachment.read")["access_token"]
    for receipt in whole.receipts().values():
        wanted = {listed[receipt.qonto_id].get(name) for name in ("attachment_id", "display_attachment_id")} - {None}
        documents = whole.documents(receipt)
        assert {document.attachment_id for document in documents} == wanted
        assert receipt.document_state == ("complete" if wanted else "waiting")
        for document in documents:
            url = whole.bank.call(f"/v2/attachments/{document.attachment_id}", token=token).json()["attachment"]["url"]
            content = whole.bank.call(url).content
            assert document.sha256 == hashlib.sha256(content).hexdigest()
            assert whole.ports.storage.get(document.client_id, document.sha256) == content


def test_only_invoices_and_files_are_asked_for(story: Story) -> None:
    story.connect("documents")
    calls = story.bank.calls_of(lambda: story.work("documents"))
    assert {call["method"] for call in calls} == {"GET"}
    assert {call["path"] for call in calls if not call["path"].startswith(("/v2/attachments/", "/files/"))} == set(LISTS)
    assert {call["status"] for call in calls} == {200}


def test_an_xml_invoice_comes_with_its_readable_twin(whole: Story) -> None:
    found = whole.rows(select(Document).where(Document.media_type == "application/xml"))
    assert found
    receipt = whole.rows(select(Receipt).where(Receipt.id == found[0].receipt_id))[0]
    kinds = {document.media_type: document.is_preferred_view for document in whole.documents(receipt)}
    assert kinds == {"application/xml": False, "application/pdf": True}
    assert {document.version for document in whole.documents(receipt)} == {1}


def test_matching_and_previews_follow(whole: Story) -> None:
    assert whole.newest("matching").state == whole.newest("previews").state == "due"
    previews = whole.rows(select(Preview))
    assert {(p.media_type, p.state) for p in previews} <= {
        ("application/pdf", "due"), ("image/png", "due"), ("image/jpeg", "due"), ("application/xml", "due"),
    }  # fmt: skip


def test_credit_notes_are_negative(imported: Story) -> None:
    notes = [receipt for receipt in imported.receipts().values() if receipt.kind == "credit_note"]
    assert notes
    assert all(receipt.amount_cents is not None and receipt.amount_cents < 0 for receipt in notes)


def test_without_an_open_year_nothing_is_imported(story: Story) -> None:
    with story.ports.database.write() as session:
        for year in (story.clock.today().year, story.clock.today().year - 1):
            for kind in engaging.RETURNS:
                engaging.complete_return(
                    session, client_id=story.client.id, tax_year=year, kind=kind, on=story.clock.today(), now=story.clock.now()
                )
    story.connect("documents")
    story.work("documents")
    assert story.receipts() == {}
    assert "no_open_year" in story.newest("documents").skipped


def test_notes_tags_and_categories_never_reach_the_database(story: Story) -> None:
    """Sentinels in every field that belongs to the client's own notes."""
    sentinel = "SENTINEL-d41d8c"
    story.bill(
        description=sentinel, declined_note=sentinel, note=sentinel, tags=[sentinel], labels=[{"name": sentinel}],
        category=sentinel, meta={"note": sentinel}, approval_workflow={"note": sentinel},
    )  # fmt: skip
    story.bank.put_transaction(
        amount_cents=4711, label="Neuer Lieferant", note=sentinel, category=sentinel, label_ids=[sentinel],
        cashflow_category={"name": sentinel}, cashflow_subcategory={"name": sentinel},
    )  # fmt: skip
    story.connect("documents")
    story.connect("bank")
    story.work("documents", "bank", "matching")
    assert "NEU-2026-001" in {receipt.number for receipt in story.receipts().values()}
    with story.ports.database.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(text(f'SELECT * FROM "{table.name}"')):
                assert sentinel not in repr(tuple(row)), table.name
