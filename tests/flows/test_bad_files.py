"""Files that cannot be had, are something else than they say, or attack: kept where there are bytes, and harmless."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from portal.models import AuditEvent, Document, Preview, User
from portal.services.documents.documenting import papers_of
from portal.simulator.faults_files import LIES
from tests import factories
from tests.bank import as_file
from tests.flows.reading import Reader, says
from tests.story import Story

FILES: dict[str, tuple[str, dict[str, Any], str, str, bool]] = {
    # fault: name, arguments, problem, state of the receipt's document, whether trying again helps
    "an empty file": ("short_file", {"size": 0}, "empty", "fetching", True),
    "half a file": ("short_file", {}, "short_file", "fetching", True),
    "a link that is always old": ("url_expired", {}, "url_expired", "fetching", True),
    "a file house that is away": ("5xx", {"status": 503}, "server_error", "fetching", True),
    "a file of 60 MB": ("huge", {"bytes": 60 * 1024 * 1024}, "too_big", "failed", False),
}


@pytest.mark.fault("F50", "F52", "F58")
@pytest.mark.parametrize("what", FILES)
def test_a_file_that_cannot_be_had(connected: Story, staff: User, reader: Reader, what: str) -> None:
    fault, arguments, problem, state, is_healing = FILES[what]
    story, row = connected, connected.bill()
    story.bank.fault(fault, match={"path": "/files/*"}, **arguments)
    run = story.sync("documents", hours=1)
    receipt = story.receipts()[row["id"]]
    assert (receipt.document_problem, receipt.document_state, story.documents(receipt)) == (problem, state, [])
    assert (run.state, run.failed) == (("waiting", 1) if is_healing else ("done", 0))
    assert story.is_conserved(run)
    story.settle()
    assert story.receipts()[row["id"]].state == "in_review"  # never assigned without its document
    sentence = reader.words("document_problem", problem)
    says(reader.open(story.owner, f"/receipts/{receipt.id}"), "The file could not be fetched", sentence)
    says(reader.open(staff, f"/review?item={receipt.id}"), sentence)
    story.check_rest()

    story.bank.heal()
    if not is_healing:  # a new version at the source is what helps
        story.bank.put_invoice(id=row["id"], file=as_file(factories.pdf("kleiner")))
        story.ask("documents")
    story.bank.move(minutes=30)
    story.settle()
    assert (story.receipts()[row["id"]].document_state, story.receipts()[row["id"]].document_problem) == ("complete", None)
    assert len(story.documents(receipt)) == 1
    story.check_books()


@pytest.mark.fault("F54")
@pytest.mark.parametrize("kind", LIES)
def test_what_is_no_pdf_is_kept_and_can_only_be_downloaded(connected: Story, reader: Reader, kind: str) -> None:
    """F54."""
    story, row = connected, connected.bill()
    story.bank.fault("type_lie", match={"path": "/files/*"}, kind=kind)
    assert story.sync("documents", hours=1).state == "done"
    receipt = story.receipts()[row["id"]]
    (document,) = story.documents(receipt)
    assert document.media_type == "application/octet-stream"
    says(
        reader.open(story.owner, f"/receipts/{receipt.id}"),
        "This document cannot be shown here",
        reader.words("document_problem", "type"),
    )
    answer = reader.browser(story.owner).get(f"/documents/{document.id}")
    assert answer.data == LIES[kind]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert (answer.mimetype, answer.headers["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")


@pytest.mark.fault("F51")
@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data/", "https://files.evil.example/a.pdf", "file:///etc/passwd"]
)
def test_an_address_that_leads_elsewhere_is_not_opened(connected: Story, reader: Reader, url: str) -> None:
    """F51; the fixture that refuses the network would notice a connection."""
    story, row = connected, connected.bill()
    story.bank.fault("evil_url", match={"path": f"/v2/attachments/{row['attachment_id']}"}, url=url)
    run = story.sync("documents", hours=1)
    receipt = story.receipts()[row["id"]]
    assert (run.state, receipt.document_state, receipt.document_problem) == ("done", "failed", "address_refused")
    page = reader.open(story.owner, f"/receipts/{receipt.id}")
    says(page, reader.words("document_problem", "address_refused"))
    assert url not in page


@pytest.mark.fault("F53")
def test_other_bytes_under_the_same_id_are_a_further_version(connected: Story) -> None:
    row = connected.bill(file=as_file(factories.pdf("Rechnung NEU-2026-001")))
    connected.sync("documents", hours=1)
    connected.bank.fault("changed_file", match={"path": "/files/*"})
    connected.bill(id=row["id"], description="noch einmal")
    connected.sync("documents", hours=1)
    documents = connected.documents(connected.receipts()[row["id"]])
    assert [document.version for document in documents] == [1, 2]
    assert len({document.sha256 for document in documents}) == 2
    stored = connected.rows(select(AuditEvent).where(AuditEvent.tag == "document.stored"))
    assert {document.sha256 for document in documents} <= {event.details["sha256"] for event in stored}
    connected.check_books()


HOSTILE: dict[str, tuple[str, dict[str, Any], set[tuple[str, str | None]]]] = {
    # fault, its arguments, how the preview may end
    "20,000 pages": ("pdf_bomb", {}, {("ready", None), ("impossible", "too_big"), ("impossible", "timeout")}),
    "a page of 200,000 points": ("pdf_bomb", {"kind": "dimensions"}, {("ready", None), ("impossible", "too_big")}),
    "a password": ("pdf_bomb", {"kind": "encrypted"}, {("impossible", "encrypted"), ("impossible", "broken")}),
    "JavaScript": ("pdf_bomb", {"kind": "javascript"}, {("ready", None)}),
    "a torn PDF": ("pdf_crash", {}, {("impossible", "broken"), ("impossible", "crashed"), ("impossible", "timeout")}),
    "a bomb of entities": ("xml_bomb", {}, {("impossible", "type")}),
    "an entity that is a file of ours": ("xxe", {}, {("impossible", "type")}),
    "archives in an archive": ("zip_bomb", {}, {("impossible", "type")}),
}


@pytest.mark.fault("F55", "F56", "F57")
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_kept_and_does_nothing(connected: Story, reader: Reader, what: str) -> None:
    fault, arguments, endings = HOSTILE[what]
    row = connected.bill()
    connected.bank.fault(fault, match={"path": "/files/*"}, **arguments)
    assert connected.sync("documents", hours=1).state == "done"
    receipt = connected.receipts()[row["id"]]
    (document,) = connected.documents(receipt)
    assert _preview_of(connected, document) in endings
    with connected.ports.database.read() as session:
        assert papers_of(session, receipt).e_invoice is None
    answer = reader.browser(connected.owner).get(f"/documents/{document.id}")
    assert (answer.status_code, len(answer.data)) == (200, document.size)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert reader.browser(connected.owner).get(f"/receipts/{receipt.id}").status_code == 200
    connected.check_rest()


def _preview_of(story: Story, document: Document) -> tuple[str, str | None]:
    """As the run leaves it; of all others it is taken that they are made."""
    with story.ports.database.write() as session:
        for other in session.scalars(select(Preview).where(Preview.sha256 != document.sha256, Preview.state == "due")):
            other.state, other.reason = "impossible", "type"
    story.work("previews")
    (preview,) = story.rows(select(Preview).where(Preview.sha256 == document.sha256))
    return preview.state, preview.reason


@pytest.mark.fault("F59")
def test_one_file_of_several_invoices_is_stored_once_and_shown_at_each(connected: Story) -> None:
    content = factories.pdf("Sammelrechnung")
    rows = [connected.bill(invoice_number=f"SAMMEL-{number}", file=as_file(content)) for number in range(5)]
    connected.sync("documents", hours=1)
    documents = [connected.documents(connected.receipts()[row["id"]]) for row in rows]
    assert [len(found) for found in documents] == [1] * 5
    (sha256,) = {found[0].sha256 for found in documents}
    assert len(connected.rows(select(Preview).where(Preview.sha256 == sha256))) == 1
    connected.check_books()
