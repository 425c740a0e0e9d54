"""Receipts brought by hand: beside the synced ones, looked at by content, never dropped."""

from __future__ import annotations

import io
from typing import Any

import pytest
from sqlalchemy import select

from jobs.runs import execute_run
from portal.models import AuditEvent, Candidate, Document, Receipt, Run
from portal.ports import Ports
from tests.factories import World, pdf
from tests.web.visitor import Visit, Visitor

PDF = pdf("Rechnung 4711")


def _upload(visitor: Visitor, world: World, content: bytes = PDF, name: str = "Beleg.pdf", **facts: Any) -> Any:
    form = {"client": world.ours.client.id, "direction": "expense", **facts, "file": (io.BytesIO(content), name)}
    visitor.get("/receipts/upload")
    return visitor.post("/receipts/upload", form, content_type="multipart/form-data")


def _receipt(ports: Ports, location: str) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, location.rsplit("/", 1)[1])


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_client_and_staff_bring_a_receipt(visit: Visit, world: World, ports: Ports, who: str) -> None:
    visitor = visit(world.ours.owner if who == "owner" else world.staff)
    answer = _upload(visitor, world, amount="1.234,56", issued_on="2026-11-03", number=" RE-1 ", counterparty="Bäckerei Süß")
    assert answer.status_code == 303, answer.text
    receipt = _receipt(ports, answer.location)
    assert (receipt.amount_cents, receipt.currency, str(receipt.issued_on)) == (123456, "EUR", "2026-11-03")
    assert (receipt.number, receipt.counterparty, receipt.state) == ("RE-1", "Bäckerei Süß", "in_review")
    assert receipt.connection_id is None
    page = visitor.get(answer.location).text
    assert "Upload" in page
    assert "Bäckerei Süß" in visitor.get("/receipts").text
    with ports.database.read() as session:
        document = session.scalars(select(Document).where(Document.receipt_id == receipt.id)).one()
        kinds = set(session.scalars(select(Run.kind).where(Run.client_id == receipt.client_id, Run.state == "due")))
        tags = list(session.scalars(select(AuditEvent.tag).where(AuditEvent.subject == f"receipt:{receipt.id}")))
    assert ports.storage.get(receipt.client_id, document.sha256) == PDF
    assert kinds == {"matching", "previews"}
    assert tags == ["receipt.uploaded"]


def test_without_an_amount_a_person_reads_it(visit: Visit, world: World, ports: Ports) -> None:
    answer = _upload(visit(world.ours.owner), world, direction="income")
    assert _receipt(ports, answer.location).review_reason == "amount_missing"


def test_the_same_file_again_is_kept_and_flagged_and_never_assigned_by_itself(visit: Visit, world: World, ports: Ports) -> None:
    visitor = visit(world.ours.owner)
    first = _receipt(ports, _upload(visitor, world, amount="11,90").location)
    second = _receipt(ports, _upload(visitor, world, name="noch einmal.pdf", amount="11,90").location)
    assert (second.duplicate_of, second.review_reason) == (first.id, "duplicate_suspected")
    assert first.duplicate_of is None
    with ports.database.read() as session:
        run = session.scalars(
            select(Run).where(Run.client_id == world.ours.client.id, Run.kind == "matching", Run.state == "due")
        ).one()
    assert execute_run(ports, run.id) == "done"
    again = _receipt(ports, f"/receipts/{second.id}")
    assert (again.state, again.review_reason) == ("in_review", "duplicate_suspected")
    assert f"/receipts/{first.id}" in visitor.get(f"/receipts/{second.id}").text


def test_nobody_learns_that_another_client_has_the_same_file(visit: Visit, world: World, ports: Ports) -> None:
    _upload(visit(world.ours.owner), world)
    visitor = visit(world.theirs.owner)
    answer = _upload(visitor, world, client=world.theirs.client.id)
    assert _receipt(ports, answer.location).duplicate_of is None


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "leer.pdf", "This file is empty."),
        (b"<html><script>alert(1)</script>", "rechnung.pdf", "none of the files that we can take"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "bild.svg", "none of the files that we can take"),
        (b"PK\x03\x04" + bytes(50), "rechnung.docx", "none of the files that we can take"),
        (b"GIF89a" + b"%PDF-1.4", "polyglott.pdf", "none of the files that we can take"),
        (b"MZ" + bytes(100), "rechnung.pdf.exe", "none of the files that we can take"),
    ],
)
def test_what_is_no_receipt_is_refused_with_words(
    visit: Visit, world: World, ports: Ports, content: bytes, name: str, words: str
) -> None:
    answer = _upload(visit(world.ours.owner), world, content, name)
    assert answer.status_code == 422
    assert words in answer.text
    with ports.database.read() as session:
        assert session.scalar(select(Receipt.id).where(Receipt.source_status == "uploaded")) is None


def test_too_large_is_told(visit: Visit, world: World) -> None:
    visitor = visit(world.ours.owner)
    answer = visitor.client.post("/receipts/upload", data=bytes(26 * 1024 * 1024), content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413
    assert "25 MB at most" in answer.text


@pytest.mark.parametrize("name", ["../../etc/passwd.pdf", "a\u202egpj.pdf", "con.pdf", "", "x" * 500 + ".pdf", "böse\\name.pdf"])
def test_names_are_harmless(visit: Visit, world: World, ports: Ports, name: str) -> None:
    answer = _upload(visit(world.ours.owner), world, name=name)
    if not name:  # a browser sends no name only when no file was chosen
        assert (answer.status_code, "Choose a file." in answer.text) == (422, True)
        return
    with ports.database.read() as session:
        document = session.scalars(select(Document).where(Document.receipt_id == answer.location.rsplit("/", 1)[1])).one()
    assert not set("/\\\u202e") & set(document.file_name)
    assert len(document.file_name.encode()) <= 180


def test_slips_are_told_beside_the_field(visit: Visit, world: World) -> None:
    visitor = visit(world.ours.owner)
    answer = _upload(visitor, world, amount="hundert")
    assert (answer.status_code, "Enter an amount" in answer.text, 'value="hundert"' in answer.text) == (422, True, True)
    assert _upload(visitor, world, client=world.theirs.client.id).status_code == 422
    assert _upload(visitor, world, number="a\0b").status_code == 400


def test_an_upload_finds_its_transaction(visit: Visit, world: World, ports: Ports) -> None:
    answer = _upload(
        visit(world.ours.owner), world, amount="2.380,00", direction="income", number="AR-77", counterparty="Möbelhaus Ost"
    )
    with ports.database.read() as session:
        run = session.scalars(
            select(Run).where(Run.client_id == world.ours.client.id, Run.kind == "matching", Run.state == "due")
        ).one()
    assert execute_run(ports, run.id) == "done"
    receipt = _receipt(ports, answer.location)
    with ports.database.read() as session:
        candidates = list(session.scalars(select(Candidate).where(Candidate.receipt_id == receipt.id)))
    assert receipt.state == "assigned" or candidates
