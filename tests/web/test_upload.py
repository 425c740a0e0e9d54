"""Receipts brought by hand: beside the synced ones, looked at by content, never dropped."""

from __future__ import annotations

import io
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.runs import execute_run
from portal.models import Assignment, AuditEvent, Candidate, Document, Receipt, Run, Transaction
from portal.ports import Ports
from tests import factories
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


def _line(ports: Ports, world: World, number: int) -> Transaction:
    with ports.database.read() as session:
        return session.get_one(Transaction, world.ours.transactions[number].id)


def test_a_client_answers_a_missing_receipt_on_its_line(visit: Visit, world: World, ports: Ports) -> None:
    """S-22: from the list of what is missing, with nothing but the file; it is assigned, and the firm checks it once."""
    line, client = _line(ports, world, 0), visit(world.ours.owner)
    page = client.page("/receipts/missing")
    assert f"/receipts/upload?transaction={line.id}&list=1" in page.links
    assert line.counterparty in client.page(f"/receipts/upload?transaction={line.id}").words
    answer = _upload(client, world, transaction=line.id)
    receipt = _receipt(ports, answer.location)
    assert (receipt.state, receipt.amount_cents, receipt.counterparty) == ("assigned", line.amount_cents, line.counterparty)
    assert f"/receipts/upload?transaction={line.id}&list=1" not in client.page("/receipts/missing").links
    staff = visit(world.staff)
    assert "2 to check" in staff.page("/review").words
    waiting = staff.page("/review/done?pane=to-check")
    assert receipt.label in waiting.words
    checked = staff.follow(staff.send(waiting, f"/receipts/{receipt.id}/assignment/check"))
    assert "is checked." in checked.words
    assert "1 to check" in staff.page("/review").words
    assert staff.post(f"/receipts/{receipt.id}/assignment/check").status_code == 409


def test_the_firms_own_upload_on_a_line_needs_no_check(visit: Visit, world: World, ports: Ports) -> None:
    receipt = _receipt(ports, _upload(visit(world.staff), world, transaction=_line(ports, world, 0).id).location)
    with ports.database.read() as session:
        made = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).one()
    assert (made.is_to_check, made.is_automatic, made.actor) == (False, False, world.staff.id)


def test_a_line_that_has_its_receipt_meanwhile_loses_no_file(visit: Visit, world: World, ports: Ports) -> None:
    taken = _line(ports, world, 2)
    visitor = visit(world.ours.owner)
    answer = _upload(visitor, world, transaction=taken.id)
    receipt = _receipt(ports, answer.location)
    assert receipt.state == "in_review"
    assert "That transaction has a receipt meanwhile" in visitor.follow(answer).words


@pytest.mark.parametrize("amount", ["50,00", "999.999,00"])
def test_another_amount_than_the_lines_uses_what_is_there(visit: Visit, world: World, ports: Ports, amount: str) -> None:
    line = _line(ports, world, 0)
    receipt = _receipt(ports, _upload(visit(world.ours.owner), world, transaction=line.id, amount=amount).location)
    with ports.database.read() as session:
        made = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).one()
    assert receipt.state == "assigned"
    assert made.amount_cents == min(receipt.amount_cents or 0, line.amount_cents)


def test_a_line_of_another_company_is_not_there(visit: Visit, world: World, ports: Ports) -> None:
    theirs = world.theirs.transactions[0].id
    assert _upload(visit(world.ours.owner), world, transaction=theirs).status_code == 404
    both = visit(world.staff)
    with ports.database.write() as session:
        factories.member(session, world.staff, world.theirs.client, "staff")
    assert _upload(both, world, transaction=theirs).status_code == 422
    with ports.database.read() as session:
        assert session.scalar(select(func.count(Receipt.id)).where(Receipt.eligibility == "uploaded")) == 0
