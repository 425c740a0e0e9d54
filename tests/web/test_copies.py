"""Two receipts that may be one: seen next to each other; both are kept, or one is set aside; nobody is asked twice."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from jobs.runs import execute_run
from portal.models import AuditEvent, Distinction, Receipt, Run
from portal.ports import Ports
from portal.services.review import comparing
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.visitor import Visit

NEXT_TO = "See both next to each other"


@pytest.fixture
def pair(world: World, ports: Ports) -> tuple[Receipt, Receipt]:
    """The same invoice twice, once from the bank and once brought by hand as the same file."""
    ours, now = world.ours, ports.clock.now()
    with ports.database.write() as session:
        first = factories.receipt(session, ours.documents, 50, now=now, number="RE-9", amount_cents=7777, counterparty="Druck AG")
        second = factories.receipt(
            session, ours.documents, 51, now=now, number="RE-9", amount_cents=7777, counterparty="Druck AG",
            due_on=None, duplicate_of=first.id, review_reason="duplicate_suspected",
        )  # fmt: skip
        second.connection_id = None
        for one in (first, second):
            factories.document(session, ports.storage, one, factories.pdf("Rechnung RE-9"), now=now)
    return first, second


def page_of(one: Receipt, other: Receipt) -> str:
    return f"/receipts/{one.id}/copies/{other.id}"


def stored(ports: Ports, receipt: Receipt) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, receipt.id)


def match(ports: Ports, world: World) -> None:
    """What the worker does after a decision."""
    due = select(Run.id).where(Run.client_id == world.ours.client.id, Run.kind == "matching", Run.state == "due")
    with ports.database.read() as session:
        run_id = session.scalars(due).one()
    assert execute_run(ports, run_id) == "done"


def test_the_desk_leads_to_both_next_to_each_other(
    world: World, visit: Visit, ports: Ports, pair: tuple[Receipt, Receipt]
) -> None:  # fmt: skip
    first, second = pair
    visitor = visit(world.staff)
    desk = visitor.page(f"/review?reason=duplicate_suspected&item={second.id}")
    assert "This may be R-50 once more." in desk.words
    link = next(link for link in desk.links if link.startswith(page_of(second, first)))
    page = visitor.page(link)
    for words in ("R-50", "R-51", "Both have exactly the same file.", "Druck AG", "€77.77", "In review", "Qonto", "Upload"):
        assert words in page.words
    assert page.words.count("differs") == 1  # only one of them tells when it is due
    assert f"/review?reason=duplicate_suspected&item={second.id}" in page.links
    assert NEXT_TO in visitor.page(f"/receipts/{second.id}").words
    assert NEXT_TO not in visit(world.ours.owner).page(f"/receipts/{second.id}").words


def test_it_tells_what_the_other_one_is_assigned_to(world: World, visit: Visit) -> None:
    receipts = world.ours.receipts
    page = visit(world.staff).page(page_of(receipts["open"], receipts["assigned"]))
    for words in ("Matched", "Elektro Süß e.K.", "−€595.00", "3 facts differ."):
        assert words in page.words
    assert page_of(receipts["assigned"], receipts["open"]) + "/set-aside" not in {form.action for form in page.forms}


def test_both_are_kept_and_nobody_asks_again(
    world: World, visit: Visit, ports: Ports, pair: tuple[Receipt, Receipt]
) -> None:  # fmt: skip
    first, second = pair
    visitor = visit(world.staff)
    page = visitor.page(f"{page_of(second, first)}?reason=duplicate_suspected")
    answer = visitor.send(page, page_of(second, first) + "/distinction")
    assert answer.location == f"/review?reason=duplicate_suspected&item={second.id}"
    assert "Both receipts are kept. R-51 goes back to matching." in visitor.follow(answer).words
    match(ports, world)
    for one in pair:
        found = stored(ports, one)
        assert (found.state, found.review_reason, found.duplicate_of) == ("in_review", "no_transaction_yet", None)
    desk = visitor.page(f"/review?item={second.id}")
    assert "once more" not in desk.words
    assert "kept both" in visitor.page(page_of(first, second)).words
    with ports.database.read() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.tag == "receipt.distinct")).all()
        assert {(event.subject, event.details["other"]) for event in events} == {
            (f"receipt:{first.id}", second.id), (f"receipt:{second.id}", first.id),
        }  # fmt: skip
        assert {event.actor for event in events} == {world.staff.id}
    assert "both count" in visitor.page(f"/receipts/{first.id}").words
    assert visitor.send(page, page_of(second, first) + "/distinction").status_code == 409


def test_a_third_copy_is_asked_about_all_the_same(
    world: World, visit: Visit, ports: Ports, pair: tuple[Receipt, Receipt]
) -> None:
    first, second = pair
    visitor = visit(world.staff)
    visitor.send(visitor.page(page_of(second, first)), page_of(second, first) + "/distinction")
    with ports.database.write() as session:
        third = factories.receipt(
            session, world.ours.documents, 52, now=ports.clock.now(), number="RE-9", amount_cents=7777, counterparty="Druck AG"
        )
    match(ports, world)
    assert stored(ports, third).review_reason == "duplicate_suspected"
    page = visitor.page(page_of(third, first))
    assert "Also alike: R-51" in page.words


def test_one_is_set_aside_as_the_other_once_more_and_comes_back_as_it_was(
    world: World, visit: Visit, ports: Ports, pair: tuple[Receipt, Receipt]
) -> None:  # fmt: skip
    first, second = pair
    visitor = visit(world.staff)
    page = visitor.page(page_of(second, first))
    assert (
        "R-51 set aside as a duplicate of R-50."
        in visitor.follow(visitor.send(page, page_of(second, first) + "/set-aside")).words
    )
    match(ports, world)
    aside = stored(ports, second)
    assert (aside.state, aside.set_aside_reason) == ("set_aside", "duplicate")
    assert stored(ports, first).review_reason == "no_transaction_yet"
    with ports.database.read() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.tag == "receipt.set_aside").order_by(AuditEvent.id.desc())
        ).first()
    assert event
    assert event.details["copy_of"] == first.id
    own = visitor.page(f"/receipts/{second.id}")
    visitor.follow(visitor.send(own, f"/receipts/{second.id}/reopening"))
    back = stored(ports, second)
    assert (back.state, back.review_reason, back.duplicate_of) == ("in_review", "duplicate_suspected", first.id)


def test_the_first_may_be_the_one_that_is_set_aside(
    world: World, visit: Visit, ports: Ports, pair: tuple[Receipt, Receipt]
) -> None:  # fmt: skip
    """Then the second is suspected no longer: what it would be a copy of does not count."""
    first, second = pair
    visitor = visit(world.staff)
    visitor.send(visitor.page(page_of(second, first)), page_of(first, second) + "/set-aside")
    match(ports, world)
    assert stored(ports, first).set_aside_reason == "duplicate"
    assert stored(ports, second).review_reason == "no_transaction_yet"


def test_a_page_that_is_out_of_date_changes_nothing(
    world: World, visit: Visit, ports: Ports, pair: tuple[Receipt, Receipt]
) -> None:  # fmt: skip
    first, second = pair
    visitor = visit(world.staff)
    visitor.page(page_of(second, first))
    for what in ("distinction", "set-aside"):
        assert visitor.post(f"{page_of(second, first)}/{what}", {"seen_version": 0}).status_code == 409
        assert visitor.post(f"{page_of(second, first)}/{what}", {}).status_code == 422
    with ports.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Distinction)) == 0
    assert stored(ports, second).state == "in_review"


def test_who_was_faster_is_told(world: World, visit: Visit, pair: tuple[Receipt, Receipt]) -> None:
    first, second = pair
    visitor = visit(world.staff)
    page = visitor.page(page_of(second, first))
    visitor.send(page, page_of(second, first) + "/set-aside")
    late = visitor.send(page, page_of(second, first) + "/distinction")
    assert late.status_code == 409
    assert "Mara Klein" in Page(late.text).words


def test_among_many_of_the_same_amount_the_likest_is_found(world: World, ports: Ports) -> None:
    """Tickets, subscriptions: a client may have hundreds of one price."""
    ours, now = world.ours, ports.clock.now()
    with ports.database.write() as session:
        for sequence in range(60, 60 + 2 * comparing.MOST_COPIES):
            factories.receipt(session, ours.documents, sequence, now=now, amount_cents=4900)
        first, second = (
            factories.receipt(session, ours.documents, sequence, now=now, amount_cents=4900, number="HVV-77", counterparty="HVV")
            for sequence in (200, 201)
        )
        assert [one.id for one in comparing.copies(session, first)] == [second.id]


def test_receipts_of_two_clients_or_one_with_itself_are_no_pair(world: World, visit: Visit, ports: Ports) -> None:
    admin, own = visit(world.admin), world.ours.receipts["open"]
    for other in (world.theirs.receipts["open"], own):  # an admin sees both
        assert admin.get(page_of(own, other)).status_code == 404
        assert admin.post(f"{page_of(own, other)}/distinction", {"seen_version": own.version}).status_code == 404
    theirs = world.theirs.receipts["open"]
    for path in (page_of(own, theirs), page_of(theirs, own)):
        assert visit(world.staff).get(path).status_code == 404
    assert visit(world.ours.owner).get(page_of(own, world.ours.receipts["income"])).status_code == 403
