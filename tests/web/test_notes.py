"""Internal notes of the firm about a receipt: its people read them, clients never learn that there are any."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.clock import FixedClock
from portal.db import new_id
from portal.models import AuditEvent, Note, Receipt
from portal.ports import Ports
from portal.services.review import noting
from tests.factories import World
from tests.pages import Page
from tests.web.test_statements import MOST, Counting
from tests.web.visitor import Visit, Visitor, fingerprint

TEXT = "Lieferant ruft zurück.\nNicht vor Montag."


def note(visitor: Visitor, receipt: Receipt, text: str, *, at: str = "/review?item={}", status: int = 303) -> Page:
    """Write it on that page and send it."""
    page = visitor.page(at.format(receipt.id))
    answer = visitor.send(page, f"/receipts/{receipt.id}/notes", text=text)
    assert answer.status_code == status, answer.text[:300]
    return visitor.follow(answer) if status == 303 else Page(answer.text)


def stored(ports: Ports, receipt: Receipt) -> list[Note]:
    with ports.database.read() as session:
        return list(session.scalars(select(Note).where(Note.receipt_id == receipt.id).order_by(Note.created_at, Note.id)))


@pytest.mark.parametrize("at", ["/review?item={}", "/receipts/{}"])
def test_colleagues_read_it_where_the_receipt_is(world: World, visit: Visit, ports: Ports, clock: FixedClock, at: str) -> None:
    mara, receipt = visit(world.staff), world.ours.receipts["open"]
    page = note(mara, receipt, f"  {TEXT}  ", at=at)
    assert "Noted." in page.words
    clock.move(minutes=5)
    note(visit(world.admin), receipt, "Erledigt?", at=at)
    for path in (f"/review?item={receipt.id}", f"/receipts/{receipt.id}"):
        words = visit(world.staff).page(path).words
        assert "Internal notes (2)" in words
        first, second = words.index("Mara Klein 27 Nov"), words.index("Katrin Elbtor 27 Nov")
        assert first < words.index("Lieferant ruft zurück. Nicht vor Montag.") < second < words.index("Erledigt?")
    assert [(one.author_id, one.text) for one in stored(ports, receipt)] == [
        (world.staff.id, TEXT),
        (world.admin.id, "Erledigt?"),
    ]
    with ports.database.read() as session:
        assert session.get_one(Receipt, receipt.id).version == receipt.version  # who decides meanwhile is not disturbed
        event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "note.written").order_by(AuditEvent.at)).first()
    assert event is not None
    assert (event.subject, event.details) == (f"note:{stored(ports, receipt)[0].id}", {"receipt": receipt.id})


def test_htmx_gets_the_desk(world: World, visit: Visit) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(f"/review?item={receipt.id}&sort=oldest")
    answer = visitor.send(page, f"/receipts/{receipt.id}/notes", fragment=True, text=TEXT)
    assert answer.status_code == 200
    shown = Page(answer.text)
    assert "Internal notes (1)" in shown.words
    (taking,) = [form for form in shown.forms if "/notes/" in form.action]
    answer = visitor.send(shown, taking.action, fragment=True)
    assert answer.status_code == 200
    assert "Lieferant ruft" not in answer.text


@pytest.mark.parametrize(
    ("text", "told"), [("", "Write a few words first."), (" \n ", "Write a few words"), ("x" * 2001, "2,000")]
)
def test_what_is_no_note(world: World, visit: Visit, ports: Ports, text: str, told: str) -> None:
    visitor = visit(world.staff)
    before = fingerprint(ports.database)
    assert told in note(visitor, world.ours.receipts["open"], text, status=422).words
    assert fingerprint(ports.database) == before


def test_pressed_twice_it_is_one_note(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(f"/review?item={receipt.id}")
    for _ in range(2):
        assert visitor.send(page, f"/receipts/{receipt.id}/notes", text="Ja").status_code == 303
    visit(world.admin).post(f"/receipts/{receipt.id}/notes", {"text": "Ja"})  # of two people both count
    visitor.send(page, f"/receipts/{receipt.id}/notes", text="Ja")
    assert [one.author_id for one in stored(ports, receipt)] == [world.staff.id, world.admin.id, world.staff.id]


def test_its_author_takes_it_back_and_nothing_is_erased(world: World, visit: Visit, ports: Ports) -> None:
    mara, receipt = visit(world.staff), world.ours.receipts["open"]
    note(mara, receipt, TEXT)
    (made,) = stored(ports, receipt)
    path = f"/receipts/{receipt.id}/notes/{made.id}/withdrawal"
    assert visit(world.admin).post(path).status_code == 422
    assert "Take back" not in visit(world.admin).page(f"/receipts/{receipt.id}").words
    for _ in range(2):  # the second press finds it done
        assert mara.post(path, {}).status_code == 303
    assert "Lieferant ruft" not in mara.page(f"/review?item={receipt.id}").words
    (kept,) = stored(ports, receipt)
    assert (kept.text, kept.withdrawn_by) == (TEXT, world.staff.id)
    with ports.database.read() as session:
        tags = session.scalars(
            select(AuditEvent.tag).where(AuditEvent.subject == f"note:{made.id}").order_by(AuditEvent.sequence)
        ).all()
    assert tags == ["note.written", "note.withdrawn"]


def test_a_foreign_note_is_not_found(world: World, visit: Visit, ports: Ports) -> None:
    """Theirs, also under a receipt of ours; ours under another receipt; one that nobody has."""
    visitor, ours, theirs = visit(world.staff), world.ours, world.theirs
    before = fingerprint(ports.database)
    for receipt, note_id in (
        (theirs.receipts["set_aside"], theirs.note.id),
        (ours.receipts["set_aside"], theirs.note.id),
        (ours.receipts["open"], ours.note.id),
        (ours.receipts["open"], new_id()),
    ):
        assert visitor.post(f"/receipts/{receipt.id}/notes/{note_id}/withdrawal").status_code == 404
    assert visitor.post(f"/receipts/{theirs.receipts['open'].id}/notes", {"text": "Hallo"}).status_code == 404
    assert fingerprint(ports.database) == before


def test_the_client_learns_neither_the_words_nor_that_there_are_any(world: World, visit: Visit, ports: Ports) -> None:
    """No word, no count, no line in the history; and the doors are shut."""
    mara, owner, receipt = visit(world.staff), visit(world.ours.owner), world.ours.receipts["assigned"]
    paths = ("/receipts", f"/receipts/{receipt.id}", "/receipts/missing", f"/clients/{world.ours.client.id}/messages", "/help")
    before = {path: Page(owner.get(path).text).words for path in paths}
    note(mara, receipt, "Mandant lügt", at="/receipts/{}")
    note(mara, receipt, "Noch eine", at="/receipts/{}")
    made = stored(ports, receipt)
    mara.post(f"/receipts/{receipt.id}/notes/{made[1].id}/withdrawal", {})
    assert {path: Page(owner.get(path).text).words for path in paths} == before
    for path in paths[:2]:
        assert "note" not in owner.get(path).text.lower().replace("bf-note", "")
    assert owner.post(f"/receipts/{receipt.id}/notes", {"text": "Ich auch"}).status_code == 403
    assert owner.post(f"/receipts/{receipt.id}/notes/{made[0].id}/withdrawal").status_code == 403


def test_a_thousand_notes_are_one_question(
    world: World, visit: Visit, ports: Ports, clock: FixedClock, statements: Counting, acts: None
) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        session.add_all(
            Note(
                client_id=receipt.client_id, receipt_id=receipt.id, author_id=world.staff.id, text=f"Notiz {number:04}.",
                created_at=clock.now() + timedelta(seconds=number),
            )
            for number in range(1000)
        )  # fmt: skip
    visitor.page(f"/review?item={receipt.id}")
    with statements(ports.database) as seen:
        page = visitor.page(f"/review?item={receipt.id}")
    assert len([one for one in seen if "FROM note" in one]) == 1
    assert len(seen) <= MOST
    shown = [number for number in range(1000) if f"Notiz {number:04}." in page.words]
    assert shown == list(range(1000 - noting.SHOWN, 1000))
    assert f"Internal notes ({noting.SHOWN}+)" in page.words
    own = visitor.page(f"/receipts/{receipt.id}")
    assert f"Only the newest {noting.MOST} are shown." in own.words
    with ports.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Note).where(Note.receipt_id == receipt.id)) == 1000
