"""A file that holds another invoice, and receipts that belong to another: what the firm and the client see of it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.models import Connection, Receipt
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.test_statements import Counting, count
from tests.web.visitor import HTMX, Visit, Visitor

ANOTHER = {"number": "RE-4712", "amount_cents": "47,11", "issued_on": "2026-11-03", "counterparty": "Druck AG"}


@pytest.fixture
def page_two(world: World, ports: Ports) -> Receipt:
    """Something that came by itself, and says otherwise than the first receipt what it costs and who has written it."""
    now = ports.clock.now()
    with ports.database.write() as session:
        documents = session.get_one(Connection, world.ours.documents.id)
        made = factories.receipt(session, documents, 50, now=now, number=None, amount_cents=7777, counterparty="Druck AG")
        document = factories.document(session, ports.storage, made, factories.pdf("Seite 2"), now=now, file_name="Seite 2.pdf")
        factories.preview(session, ports.storage, document, now=now)
        return made


def stored(ports: Ports, one: Receipt) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, one.id)


def split(visitor: Visitor, ports: Ports, first: Receipt, **values: str) -> Receipt:
    page = visitor.page(f"/receipts/{first.id}/parts")
    answer = visitor.send(page, f"/receipts/{first.id}/parts", **{**ANOTHER, **values})
    assert answer.status_code == 303, answer.text
    with ports.database.read() as session:
        return session.scalars(select(Receipt).where(Receipt.split_from == first.id)).one()


def test_the_folded_correction_and_the_receipts_page_lead_there(world: World, visit: Visit) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    for path in (f"/review?item={first.id}", f"/receipts/{first.id}"):
        assert any(link.startswith(f"/receipts/{first.id}/parts") for link in visitor.page(path).links)
    assert f"/receipts/{first.id}/parts" not in visit(world.ours.owner).page(f"/receipts/{first.id}").links


def test_another_invoice_of_a_file_is_made_a_receipt_and_both_say_so(world: World, visit: Visit, ports: Ports) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    page = visitor.page(f"/receipts/{first.id}/parts?reason=several_equal")
    answer = visitor.send(page, f"/receipts/{first.id}/parts", **ANOTHER)
    with ports.database.read() as session:
        made = session.scalars(select(Receipt).where(Receipt.split_from == first.id)).one()
    assert answer.location == f"/review?reason=several_equal&item={made.id}"
    desk = visitor.follow(answer)
    for words in (
        f"{made.label} is the other invoice of this file.", "From the same file as R-1 (RE-2026-1001)", "another invoice of its file",
    ):  # fmt: skip
        assert words in desk.words
    for who in (world.staff, world.ours.owner):
        pages = visit(who)
        own = pages.page(f"/receipts/{made.id}")
        assert "From a file with several invoices" in own.words
        assert "From the same file as R-1" in own.words
        assert f"/receipts/{first.id}" in own.links
        other = pages.page(f"/receipts/{first.id}")
        assert f"From the same file as {made.label} (RE-4712)" in other.words
        assert f"/receipts/{made.id}" in other.links
    assert "From a file with several invoices" in visit(world.ours.owner).page("/receipts").words


def test_what_is_not_right_stays_in_the_form(world: World, visit: Visit, ports: Ports) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    path = f"/receipts/{first.id}/parts"
    page = visitor.page(path)
    for values, words in (
        ({"amount_cents": "viel", "counterparty": "Druck AG"}, "Enter an amount, for example 119,00."),
        ({"counterparty": "Druck AG"}, "Enter the number or the amount of the other invoice."),
        ({"number": "RE 2026 1001", "counterparty": "Druck AG"}, "A receipt of this file has this number already."),
    ):
        answer = visitor.send(page, path, **{**dict.fromkeys(ANOTHER, ""), **values})
        assert answer.status_code == 422
        assert words in Page(answer.text).words
        assert 'value="Druck AG"' in answer.text
    assert visitor.post(path, {**ANOTHER, "seen_version": "0"}).status_code == 409
    with ports.database.read() as session:
        assert session.scalars(select(Receipt).where(Receipt.split_from.is_not(None))).all() == []


def test_a_split_is_undone_from_the_desk_with_one_click(world: World, visit: Visit, ports: Ports) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    made = split(visitor, ports, first)
    path = f"/receipts/{made.id}/split/withdrawal"
    assert path in {form.action for form in visitor.page("/review/done").forms}
    assert path in {form.action for form in visitor.page(f"/receipts/{made.id}").forms}
    desk = visitor.page(f"/review?item={made.id}")
    answer = visitor.send(desk, path)
    assert answer.location == f"/review?item={first.id}"
    assert f"{made.label} is set aside: its file holds no further invoice." in visitor.follow(answer).words
    assert (stored(ports, made).state, stored(ports, made).set_aside_reason) == ("set_aside", "not_split")
    assert "From the same file" not in visitor.page(f"/receipts/{first.id}").words
    assert "Its file holds no further invoice" in visit(world.ours.owner).page(f"/receipts/{made.id}").words
    visitor.send(visitor.page(f"/review?item={first.id}"), f"/receipts/{made.id}/reopening")  # the undo of the undo
    assert stored(ports, made).state == "in_review"
    fragment = visitor.post(path, {"seen_version": stored(ports, made).version, "item": ""}, headers=HTMX)
    assert fragment.status_code == 200
    assert 'id="desk"' in fragment.text


def test_an_undo_of_a_split_that_is_assigned_says_what_comes_first(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.staff)
    made = split(visitor, ports, world.ours.receipts["open"])
    line = world.ours.transactions[1]
    form = {"line": line.id, "difference": "other", "seen_version": made.version}
    assert visitor.post(f"/receipts/{made.id}/assignment/transactions", form).status_code == 303
    refused = visitor.post(f"/receipts/{made.id}/split/withdrawal", {"seen_version": made.version + 1})
    assert refused.status_code == 422
    assert "Please undo the assignment first." in Page(refused.text).words
    assert stored(ports, made).state == "assigned"


def test_the_other_receipt_is_searched_and_compared_and_what_differs_is_named(
    world: World, visit: Visit, page_two: Receipt
) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    found = visitor.page(f"/receipts/{page_two.id}/parts?q=R-1&reason=several_equal")
    link = next(link for link in found.links if link.startswith(f"/receipts/{page_two.id}/copies/{first.id}"))
    assert not any(world.theirs.receipts["open"].id in one for one in found.links)
    assert "Nothing found" in visitor.page(f"/receipts/{page_two.id}/parts?q=gibt-es-nicht").words
    page = visitor.page(link)
    for words in (
        "R-50 belongs to R-1", "Please look again: these differ.", "Gross amount: €77.77 (R-50), €119.00 (R-1)",
        "From / to: Druck AG (R-50), Holzhandel Weber GmbH (R-1)",
    ):  # fmt: skip
        assert words in page.words
    assert "Invoice number: –" not in page.words  # one of them tells none
    text = visitor.get(link).text
    assert text.count("open><summary>R-50 belongs to R-1<") == 1
    assert "<summary>R-1 belongs to R-50<" in text


def test_a_part_is_merged_shown_at_the_whole_and_taken_back(
    world: World, visit: Visit, ports: Ports, page_two: Receipt
) -> None:  # fmt: skip
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    path = f"/receipts/{page_two.id}/copies/{first.id}"
    page = visitor.page(path)
    assert "R-50 belongs to R-1 now." in visitor.follow(visitor.send(page, f"{path}/merger")).words
    assert stored(ports, page_two).merged_into == first.id
    for who in (world.staff, world.ours.owner):
        pages = visit(who)
        whole = pages.page(f"/receipts/{first.id}")
        for words in ("Merged into this receipt: R-50", "From R-50: Seite 2.pdf"):
            assert words in whole.words
        part = pages.page(f"/receipts/{page_two.id}")
        for words in ("Part of another receipt.", "Its files are shown at the receipt that it belongs to: R-1 (RE-2026-1001)"):
            assert words in part.words
        assert f"/receipts/{first.id}" in part.links
    assert "From R-50: Seite 2.pdf" in visitor.page(f"/review?item={first.id}").words
    assert visitor.send(page, f"{path}/merger").status_code == 409
    done = visitor.page("/review/done")
    assert "Set aside: Part of another receipt" in done.words
    visitor.send(done, f"/receipts/{page_two.id}/reopening")
    back = stored(ports, page_two)
    assert (back.state, back.review_reason, back.merged_into) == ("in_review", page_two.review_reason, None)
    assert "Seite 2.pdf" not in visitor.page(f"/receipts/{first.id}").words


def test_a_merger_needs_both_versions_and_one_client(world: World, visit: Visit, ports: Ports, page_two: Receipt) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    path = f"/receipts/{page_two.id}/copies/{first.id}/merger"
    assert visitor.post(path, {"seen_version": 1}).status_code == 422
    assert visitor.post(path, {"seen_version": 1, "other_version": 9}).status_code == 409
    admin, form = visit(world.admin), {"seen_version": 1, "other_version": 1}
    theirs = world.theirs.receipts["open"]
    assert admin.post(f"/receipts/{page_two.id}/copies/{theirs.id}/merger", form).status_code == 404
    assert admin.post(f"/receipts/{page_two.id}/copies/{page_two.id}/merger", form).status_code == 404
    assert stored(ports, page_two).state == "in_review"


def test_nobody_can_set_aside_for_these_reasons_by_hand(world: World, visit: Visit, ports: Ports, page_two: Receipt) -> None:
    visitor = visit(world.staff)
    for reason in ("merged", "not_split"):
        form = {"reason": reason, "seen_version": 1}
        assert visitor.post(f"/receipts/{page_two.id}/set-aside", form).status_code == 422
    assert stored(ports, page_two).state == "in_review"


def test_what_belongs_together_costs_the_desk_no_further_question(
    world: World, visit: Visit, ports: Ports, statements: Counting, page_two: Receipt
) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    visitor.post(f"/receipts/{world.ours.receipts['waiting'].id}/set-aside", {"reason": "paid_in_cash", "seen_version": 1})
    paths = [f"/review?item={first.id}", f"/receipts/{first.id}"]
    before = count(visitor, statements, paths)
    split(visitor, ports, first)
    path = f"/receipts/{page_two.id}/copies/{first.id}"
    visitor.send(visitor.page(path), f"{path}/merger")
    after = count(visitor, statements, paths)
    assert "From the same file as" in visitor.page(paths[0]).words
    assert {path: len(seen) for path, seen in after.items()} == {path: len(seen) for path, seen in before.items()}


def test_it_speaks_german(world: World, visit: Visit, ports: Ports, page_two: Receipt) -> None:
    first, visitor = world.ours.receipts["open"], visit(world.staff)
    visitor.page("/review")
    visitor.post("/language", {"language": "de"})
    assert "Diese Datei enthält eine weitere Rechnung" in visitor.page(f"/receipts/{first.id}/parts").words
    page = visitor.page(f"/receipts/{page_two.id}/copies/{first.id}")
    assert "Hier gibt es Unterschiede." in page.words
