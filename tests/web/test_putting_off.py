"""A receipt of the queue that somebody puts off: out of the way, not decided, back on its day."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.clock import FixedClock
from portal.models import AuditEvent, Receipt
from portal.ports import Ports
from tests.factories import World
from tests.pages import Page
from tests.web.visitor import Visit, Visitor, fingerprint

DESK, LATER = "/review", "/review?reason=later"
UNTIL = "2026-12-04"  #: a week after the tests' day


def put_off(visitor: Visitor, receipt: Receipt, *, until: str = UNTIL, note: str = "", status: int = 303) -> Page:
    """Open the receipt at the desk, choose the day, send it."""
    page = visitor.page(f"{DESK}?item={receipt.id}")
    answer = visitor.send(page, f"/receipts/{receipt.id}/putting-off", until=until, note=note)
    assert answer.status_code == status, answer.text[:300]
    return visitor.follow(answer) if status == 303 else Page(answer.text)


def stored(ports: Ports, receipt: Receipt) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, receipt.id)


def test_it_leaves_the_queue_and_comes_back_on_its_day(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    """P-42: neither assigned nor set aside, and nobody has to remember it."""
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    assert "8 open" in visitor.page(DESK).words
    page = put_off(visitor, receipt, note="Rückruf des Lieferanten")
    assert f"{receipt.label} comes back on 4 Dec 2026." in page.words
    assert "7 open" in page.words
    assert f"{receipt.label} Holzhandel Weber GmbH put off until" in page.words
    assert receipt.id not in " ".join(link for link in visitor.page(f"{DESK}?sort=oldest").links if "item=" in link)
    later = visitor.page(LATER)
    for words in ("1 open", "Put off until 4 Dec 2026.", "Rückruf des Lieferanten", "Into the queue now"):
        assert words in later.words
    assert "7 open" in visitor.page(f"{DESK}?sort=later").words, "it is no order of the queue"
    assert "RE-2026-1001" not in visitor.page("/review/together").words
    assert stored(ports, receipt).state == "in_review"
    clock.move(days=6)
    assert "7 open" in visit(world.staff).page(DESK).words
    clock.move(hours=13, minutes=59)  # 00:59 in Berlin on its day; in London it is still the day before
    back = visit(world.staff).page(DESK)
    assert "8 open" in back.words
    assert "Was put off until 4 Dec 2026. Rückruf des Lieferanten" in visit(world.staff).page(f"{DESK}?item={receipt.id}").words


def test_it_is_brought_back_by_hand_and_by_undo(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    before = stored(ports, receipt)
    page = put_off(visitor, receipt)
    assert [form.buttons for form in page.forms if form.action.endswith(f"{receipt.id}/return")] == [[f"Undo {receipt.label} U"]]
    page = visitor.follow(visitor.send(page, f"/receipts/{receipt.id}/return"))
    assert f"{receipt.label} is in the queue again." in page.words
    assert "8 open" in page.words
    after = stored(ports, receipt)
    assert (after.review_reason, after.in_review_since, after.put_off_until) == (
        before.review_reason,
        before.in_review_since,
        None,
    )
    done = visitor.page("/review/done")
    assert "Put off" in done.words
    assert "not valid any more" in done.words
    with ports.database.read() as session:
        tags = session.scalars(
            select(AuditEvent.tag).where(AuditEvent.subject == f"receipt:{receipt.id}").order_by(AuditEvent.sequence.desc())
        ).all()
    assert tags[:2] == ["receipt.brought_back", "receipt.put_off"]


def test_undoing_gives_an_earlier_day_and_its_note_back(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    """Put off twice: an undo takes back the second time only, and the first can be undone after it."""
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    put_off(visitor, receipt, note="Rückruf")
    clock.move(days=8)
    visitor = visit(world.staff)
    page = put_off(visitor, receipt, until="2026-12-20", note="Urlaub")
    page = visitor.follow(visitor.send(page, f"/receipts/{receipt.id}/return"))
    assert f"{receipt.label} is in the queue again." in page.words
    assert "Was put off until 4 Dec 2026. Rückruf" in page.words
    found = stored(ports, receipt)
    assert (str(found.put_off_until), found.put_off_note) == (UNTIL, "Rückruf")
    done = visitor.page("/review/done")
    assert done.words.count("Put off: until 4 Dec 2026") == 1
    visitor.send(done, f"/receipts/{receipt.id}/return")
    assert stored(ports, receipt).put_off_until is None
    assert "Put off:" not in visitor.page("/review/done").words


def test_a_day_to_come_is_given_back_too_but_not_by_hand(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    for is_undo, day in ((True, UNTIL), (False, None)):
        put_off(visitor, receipt, note="Rückruf") if is_undo else None
        version = stored(ports, receipt).version
        form = {"until": "2026-12-20", "note": "", "seen_version": version}
        assert visitor.post(f"/receipts/{receipt.id}/putting-off", form).status_code == 303
        back = {"seen_version": version + 1, **({"undo": "1"} if is_undo else {})}
        page = visitor.follow(visitor.post(f"/receipts/{receipt.id}/return", back))
        assert (f"{receipt.label} comes back on 4 Dec 2026." in page.words) is is_undo
        found = stored(ports, receipt)
        assert (found.put_off_until and str(found.put_off_until), found.put_off_note) == (day, "Rückruf" if day else "")
    with ports.database.read() as session:
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.subject == f"receipt:{receipt.id}").order_by(AuditEvent.sequence.desc()).limit(5)
        ).all()
    assert [(e.tag.removeprefix("receipt."), e.details["before"], e.details["until"]) for e in reversed(events)] == [
        ("put_off", None, UNTIL), ("put_off", UNTIL, "2026-12-20"), ("brought_back", "2026-12-20", UNTIL),
        ("put_off", UNTIL, "2026-12-20"), ("brought_back", "2026-12-20", None),
    ]  # fmt: skip


def test_the_client_does_not_see_how_the_firm_puts_it_off(world: World, visit: Visit) -> None:
    """When the firm looks at it again is its own matter; the client reads that it is in review."""
    staff, owner, receipt = visit(world.staff), visit(world.ours.owner), world.ours.receipts["open"]
    before = owner.page(f"/receipts/{receipt.id}").words
    staff.send(put_off(staff, receipt, note="Rückruf"), f"/receipts/{receipt.id}/return")
    assert owner.page(f"/receipts/{receipt.id}").words == before
    inside = staff.page(f"/receipts/{receipt.id}").words
    for words in ("Put off to a later day", "Brought back into the queue"):
        assert words in inside


def test_a_decision_and_its_undo_leave_it_put_off(world: World, visit: Visit, ports: Ports) -> None:
    """An undo restores exactly how it stood."""
    visitor, receipt = visit(world.staff), world.ours.receipts["no_transaction"]
    put_off(visitor, receipt, note="im Dezember")
    page = visitor.page(f"{DESK}?item={receipt.id}")
    answer = visitor.send(page, f"/receipts/{receipt.id}/set-aside", reason="paid_in_cash")
    assert stored(ports, receipt).put_off_until is None
    visitor.send(visitor.follow(answer), f"/receipts/{receipt.id}/reopening")
    found = stored(ports, receipt)
    assert (str(found.put_off_until), found.put_off_note) == (UNTIL, "im Dezember")


@pytest.mark.parametrize("until", ["", "2026-11-27", "2026-11-26", "2027-11-29", "9999-12-31", "yesterday", "0"])
def test_only_a_day_to_come(world: World, visit: Visit, ports: Ports, until: str) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    before = fingerprint(ports.database)
    page = put_off(visitor, receipt, until=until, status=422)
    assert "Please choose a day after today, within a year." in page.words
    assert fingerprint(ports.database) == before


def test_of_two_people_the_slower_is_told(world: World, visit: Visit, ports: Ports) -> None:
    fast, slow, receipt = visit(world.staff), visit(world.admin), world.ours.receipts["open"]
    seen = slow.page(f"{DESK}?item={receipt.id}")
    put_off(fast, receipt)
    answer = slow.send(seen, f"/receipts/{receipt.id}/putting-off", until="2026-12-11")
    assert answer.status_code == 409
    assert f"Put off to a later day · {world.staff.name}" in Page(answer.text).words
    assert str(stored(ports, receipt).put_off_until) == UNTIL
    assigned = world.ours.receipts["assigned"]
    form = {"until": UNTIL, "seen_version": str(stored(ports, assigned).version)}
    assert slow.post(f"/receipts/{assigned.id}/putting-off", form).status_code == 409
    version = stored(ports, world.ours.receipts["income"]).version
    assert slow.post(f"/receipts/{world.ours.receipts['income'].id}/return", {"seen_version": version}).status_code == 409


def test_the_client_reads_no_word_of_the_note(world: World, visit: Visit) -> None:
    receipt = world.ours.receipts["open"]
    put_off(visit(world.staff), receipt, note="Vorsicht, Mahnung droht")
    owner = visit(world.ours.owner)
    for path in (f"/receipts/{receipt.id}", "/receipts"):
        assert "Mahnung" not in owner.get(path).text
