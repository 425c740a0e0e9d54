"""E-invoices on receipts: the real files of the simulator, through the real limited process."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.runs import execute_run
from portal.models import AuditEvent, Document, Preview, Receipt
from portal.ports import Ports
from portal.services import running
from portal.services.documents import e_invoicing
from portal.services.documents.documenting import Papers, papers_of
from portal.simulator import einvoices, papers, pdf
from portal.simulator.papers import Line, Paper, Party
from tests import factories
from tests.bank import as_file
from tests.factories import World
from tests.story import Story

PAPER = Paper(
    title="Rechnung", number="EL-2026-77",
    seller=Party("Elektro Süß e.K.", "Hafen 2", "20457", "Hamburg", "DE123456789", "DE02120300000000202051"),
    buyer=Party("Tischlerei Brandt GmbH", "Gasse 1", "22767", "Hamburg"), issued_on=date(2026, 3, 31), due_on=date(2026, 4, 14),
    lines=(Line("Zuleitung", 1, 50000),),
)  # fmt: skip
EMPTY = dict.fromkeys(("number", "counterparty", "amount_cents", "currency", "issued_on", "due_on", "iban"))


def _bring(ports: Ports, world: World, content: bytes, media_type: str, **values: Any) -> Receipt:
    """A receipt with this file, its previews made by the run."""
    books, now = world.ours, ports.clock.now()
    with ports.database.write() as session:
        reason = None if "state" in values else "amount_missing"
        receipt = factories.receipt(session, books.documents, 77, now=now, review_reason=reason, **values)
        document = factories.document(session, ports.storage, receipt, content, now=now, media_type=media_type)
        session.add(
            Preview(
                client_id=receipt.client_id, sha256=document.sha256, media_type=media_type, state="due", page_keys=[], words=[]
            )
        )
        run = running.request(session, client_id=receipt.client_id, kind="previews", trigger="change", now=now)
    assert execute_run(ports, run.id) == "done"
    return _now(ports, receipt)


def _now(ports: Ports, receipt: Receipt) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, receipt.id)


def _papers(ports: Ports, receipt: Receipt) -> Papers:
    with ports.database.read() as session:
        return papers_of(session, receipt)


def _differing_pdf(paper: Paper, told: Paper) -> bytes:
    """A ZUGFeRD file whose page says one thing and whose data says another."""
    return pdf.document(papers._invoice(paper), title="R", embedded=("factur-x.xml", einvoices.cii(told)))


def test_what_the_bank_left_open_is_filled_and_matched_again(ports: Ports, world: World) -> None:
    receipt = _bring(ports, world, papers.render(PAPER, "zugferd"), "application/pdf", **EMPTY)
    assert {name: getattr(receipt, name) for name in EMPTY} == {
        "number": "EL-2026-77", "counterparty": "Elektro Süß e.K.", "amount_cents": 59500, "currency": "EUR",
        "issued_on": date(2026, 3, 31), "due_on": date(2026, 4, 14), "iban": "DE02120300000000202051",
    }  # fmt: skip
    shown = _papers(ports, receipt).e_invoice
    assert shown is not None
    assert (shown.standard, shown.differing, shown.not_on_paper) == ("ZUGFeRD", (), ())
    with ports.database.read() as session:
        (event,) = session.scalars(
            select(AuditEvent).where(AuditEvent.tag == "receipt.changed", AuditEvent.subject == f"receipt:{receipt.id}")
        )
        assert event.details["fields"] == sorted(EMPTY)
        assert [run.kind for run in running.startable(session, now=ports.clock.now())] == ["matching"]


@pytest.mark.parametrize("known", [{"currency": "USD"}, {"amount_cents": 100}])
def test_half_an_amount_is_never_completed_by_another(ports: Ports, world: World, known: dict[str, Any]) -> None:
    receipt = _bring(ports, world, papers.render(PAPER, "zugferd"), "application/pdf", **{**EMPTY, **known})
    assert {"amount_cents": receipt.amount_cents, "currency": receipt.currency} == {
        "amount_cents": None, "currency": None, **known,
    }  # fmt: skip
    assert receipt.number == "EL-2026-77"


def test_what_was_decided_is_not_filled(ports: Ports, world: World) -> None:
    receipt = _bring(
        ports, world, papers.render(PAPER, "zugferd"), "application/pdf",
        **{**EMPTY, "state": "set_aside", "set_aside_reason": "paid_in_cash", "in_review_since": None},
    )  # fmt: skip
    assert (receipt.amount_cents, receipt.number) == (None, None)


def test_filling_again_changes_nothing(ports: Ports, world: World, acts: None) -> None:
    receipt = _bring(ports, world, papers.render(PAPER, "xrechnung"), "application/xml", **EMPTY)
    with ports.database.write() as session:
        assert e_invoicing.fill_gaps(session, receipt.client_id, now=ports.clock.now()) == 0
    assert _now(ports, receipt).version == receipt.version


def test_what_the_bank_says_stands_and_the_difference_is_shown(ports: Ports, world: World) -> None:
    given = {"number": "EL 2026-77", "amount_cents": 59501, "iban": None, "issued_on": date(2026, 3, 31)}
    receipt = _bring(ports, world, papers.render(PAPER, "zugferd"), "application/pdf", **given)
    assert (receipt.number, receipt.amount_cents, receipt.iban) == ("EL 2026-77", 59501, "DE02120300000000202051")
    shown = _papers(ports, receipt).e_invoice
    assert shown is not None
    assert shown.differing == ("amount_cents",)


@pytest.mark.parametrize(
    ("change", "missing"),
    [({"number": "EL-2026-78"}, ("number",)), ({"lines": (Line("Zuleitung", 1, 50100),)}, ("amount",)), ({}, ())],
)
def test_a_page_that_says_something_else_than_its_data(
    ports: Ports, world: World, change: dict[str, Any], missing: tuple[str, ...]
) -> None:
    receipt = _bring(ports, world, _differing_pdf(PAPER, replace(PAPER, **change)), "application/pdf")
    shown = _papers(ports, receipt).e_invoice
    assert shown is not None
    assert shown.not_on_paper == missing


def test_an_xml_invoice_alone_can_be_read(ports: Ports, world: World) -> None:
    receipt = _bring(ports, world, papers.render(PAPER, "xrechnung"), "application/xml", **EMPTY)
    seen = _papers(ports, receipt)
    assert seen.preview is not None
    assert (seen.preview.state, seen.preview.page_keys) == ("ready", [])
    assert seen.e_invoice is not None
    assert (seen.e_invoice.standard, seen.e_invoice.facts.total_cents) == ("XRechnung", 59500)


def test_a_counterparty_of_an_income_is_the_buyer_and_its_iban_not_his(ports: Ports, world: World) -> None:
    receipt = _bring(ports, world, papers.render(PAPER, "xrechnung"), "application/xml", **EMPTY, direction="income")
    assert (receipt.counterparty, receipt.iban) == ("Tischlerei Brandt GmbH", None)


@pytest.mark.parametrize(
    "content",
    [b"<Invoice", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Invoice>&a;</Invoice>', b"<a>" * 300 + b"</a>" * 300],
)
def test_xml_that_cannot_be_read_stays_a_document_without_facts(ports: Ports, world: World, content: bytes) -> None:
    receipt = _bring(ports, world, content, "application/xml", **EMPTY)
    seen = _papers(ports, receipt)
    assert seen.preview is not None
    assert (seen.preview.state, seen.preview.reason, seen.e_invoice) == ("impossible", "broken", None)
    assert {getattr(receipt, name) for name in EMPTY} == {None}
    with ports.database.read() as session:
        (document,) = session.scalars(select(Document).where(Document.receipt_id == receipt.id))
    assert ports.storage.get(document.client_id, document.sha256) == content


def test_a_plain_pdf_is_none(ports: Ports, world: World) -> None:
    assert _papers(ports, _bring(ports, world, papers.render(PAPER, "pdf"), "application/pdf")).e_invoice is None


# --- beside the bank, over time


def _invoice(story: Story, paper: Paper, **values: Any) -> Receipt:
    """The bank lists an invoice with this file; it is synced, and what follows is done."""
    file = as_file(papers.render(paper, "zugferd"))
    row = story.bill(**{"id": "00000000-0000-4000-8000-000000000077", "file": file, "iban": None, **values})
    story.sync("documents", hours=1)
    with story.ports.database.write() as session:
        session.execute(update(Preview).where(Preview.state == "due", Preview.sha256 != _sha256(file)).values(state="impossible"))
    story.work("previews")
    return story.receipts()[row["id"]]


def _sha256(file: dict[str, str]) -> str:
    return hashlib.sha256(base64.b64decode(file["content_base64"])).hexdigest()


def test_what_the_bank_leaves_open_stays_filled_and_follows_a_newer_file(story: Story) -> None:
    story.connect("documents")
    story.work("documents")
    dearer = replace(PAPER, lines=(Line("Zuleitung", 1, 60000),))
    assert _invoice(story, PAPER, total_amount=None).amount_cents == 59500
    assert _invoice(story, PAPER, total_amount=None, due_date=story.clock.today().isoformat()).amount_cents == 59500
    assert _invoice(story, dearer, total_amount=None).amount_cents == 71400
    story.check_books()


def test_what_the_bank_tells_and_takes_back_is_gone_until_somebody_tells_it(story: Story) -> None:
    story.connect("documents")
    story.work("documents")
    told = _invoice(story, PAPER, iban="DE89370400440532013000")
    assert (told.iban, "iban" in told.filled) == ("DE89370400440532013000", False)
    taken = _invoice(story, PAPER, iban=None)
    assert (taken.iban, "iban" in taken.filled) == (PAPER.seller.iban, True)
    again = _invoice(story, PAPER, iban="DE89370400440532013000")
    assert (again.iban, "iban" in again.filled) == ("DE89370400440532013000", False)


def test_an_upload_is_read_by_the_labels_on_its_page(ports: Ports, world: World) -> None:
    """Without an e-invoice the words tell; what the bank brought itself is not read so, and what a person said stands."""
    receipt = _bring(ports, world, papers.render(PAPER, "pdf"), "application/pdf", **EMPTY)
    assert (receipt.number, receipt.amount_cents, receipt.filled) == (None, None, [])
    with ports.database.write() as session:
        session.execute(update(Receipt).where(Receipt.id == receipt.id).values(connection_id=None, number="vom Menschen"))
        assert e_invoicing.fill_gaps(session, receipt.client_id, now=ports.clock.now()) == 1
        assert e_invoicing.fill_gaps(session, receipt.client_id, now=ports.clock.now()) == 0
    told = _now(ports, receipt)
    assert (told.number, told.amount_cents, told.currency, told.iban) == ("vom Menschen", 59500, "EUR", "DE02120300000000202051")
    assert (told.issued_on, told.counterparty) == (date(2026, 3, 31), None)
    assert set(told.filled) >= {"amount_cents", "currency", "issued_on", "iban"}
