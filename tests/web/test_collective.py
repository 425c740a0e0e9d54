"""One payment for several receipts: chosen beside it, added up by the server, assigned in one step (P-35)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.models import Assignment, BankAccount, Receipt, Transaction
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.visitor import HTMX, Visit, comparable, fingerprint

PAID = ("open", "no_transaction", "changed")  #: 119.00, 42.00 and 43.00


@pytest.fixture
def line(world: World, ports: Ports) -> Transaction:
    """A payment of 204.00 that names the first of them."""
    with ports.database.write() as session:
        account = session.get_one(BankAccount, world.ours.account.id)
        return factories.transaction(
            session, account, "t-9", 20400, now=ports.clock.now(), remittance="RE-2026-1001 und andere", counterparty="Holzhandel Weber"
        )  # fmt: skip


def path_of(line: Transaction, world: World, *names: str, **asked: str) -> str:
    """The page with these receipts ticked; without any as one comes to it."""
    chosen = [f"receipt={world.ours.receipts[name].id}" for name in names]
    parts = [*(["ticked=1", *chosen] if names else []), *(f"{name}={value}" for name, value in asked.items())]
    return f"/review/transactions/{line.id}" + ("?" + "&".join(parts) if parts else "")


def action_of(line: Transaction) -> str:
    return f"/review/transactions/{line.id}/assignments"


def standing(ports: Ports, line: Transaction) -> dict[str, int]:
    """Receipt's label → cents."""
    query = select(Receipt.sequence, Assignment.amount_cents).join(Assignment, Assignment.receipt_id == Receipt.id)
    with ports.database.read() as session:
        rows = session.execute(query.where(Assignment.transaction_id == line.id, Assignment.withdrawn_at.is_(None)))
        return {f"R-{sequence}": cents for sequence, cents in rows}


def test_the_desk_leads_there_from_its_search_and_from_a_candidate(
    world: World, visit: Visit, ports: Ports, line: Transaction
) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    there = path_of(line, world, item=receipt.id)
    desk = f"/review?item={receipt.id}"
    assert there not in visitor.page(desk).links
    assert there in visitor.page(f"{desk}&q=&line={line.id}").links
    same = world.ours.transactions[0]
    assert path_of(same, world, item=receipt.id) not in visitor.page(f"{desk}&q=&line={same.id}").links  # nothing would be left
    with ports.database.write() as session:
        factories.candidate(session, session.get_one(Receipt, receipt.id), (line, 11900), rank=3, score=0.3)
    assert there in visitor.page(desk).links
    page = visitor.page(there)
    assert "1 receipt chosen €119.00" in page.words
    assert "Difference €85.00" in page.words
    assert "Number is in the text" in page.words


def test_one_step_assigns_them_all(world: World, visit: Visit, ports: Ports, line: Transaction) -> None:
    visitor = visit(world.staff)
    page = visitor.page(path_of(line, world, *PAID))
    assert "3 receipts chosen €204.00" in page.words
    assert "Adds up to the cent" in page.words
    answer = visitor.send(page, action_of(line))
    assert answer.location == "/review"
    assert "3 receipts assigned." in visitor.follow(answer).words
    assert standing(ports, line) == {"R-1": 11900, "R-2": 4200, "R-3": 4300}
    words = visitor.page("/review/done").words
    assert "together with R-2, R-3" in words
    own = world.ours.receipts["no_transaction"]
    assert "Assigned, together with R-1, R-3" in visitor.page(f"/receipts/{own.id}").words
    visitor.follow(visitor.send(visitor.page(f"/receipts/{own.id}"), f"/receipts/{own.id}/assignment/withdrawal"))
    assert standing(ports, line) == {"R-1": 11900, "R-3": 4300}  # each is undone by itself
    assert visitor.send(page, action_of(line)).status_code == 409  # a second click


def test_htmx_gets_the_sum_alone(world: World, visit: Visit, line: Transaction) -> None:
    visitor, asked = visit(world.staff), path_of(line, world, *PAID)
    whole, part = visitor.get(asked), visitor.get(asked, headers=HTMX)
    assert not Page(part.text).is_whole
    assert comparable(part)[1] in comparable(whole)[1]
    none = Page(visitor.get(f"{path_of(line, world)}?ticked=1&item={world.ours.receipts['open'].id}", headers=HTMX).text)
    assert action_of(line) not in {form.action for form in none.forms}
    assert "Tick the receipts that belong to this transaction." in none.words


def test_it_goes_back_to_the_queue_that_one_came_from(world: World, visit: Visit, ports: Ports, line: Transaction) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(path_of(line, world, "open", item=receipt.id, reason="several_equal", sort="oldest"))
    assert f"/review?reason=several_equal&sort=oldest&item={receipt.id}" in page.links
    assert visitor.send(page, action_of(line)).location == "/review?reason=several_equal&sort=oldest"
    visitor.post("/profile", {"name": "Mara Klein", "language": "en", "theme": "auto"})  # stays where it was
    page = visitor.page(path_of(line, world, "changed", item=world.ours.receipts["changed"].id))
    assert visitor.send(page, action_of(line)).location == f"/review?item={world.ours.receipts['changed'].id}"


def test_what_differs_is_named_or_stays_open(world: World, visit: Visit, ports: Ports, line: Transaction) -> None:
    visitor = visit(world.staff)
    with ports.database.write() as session:
        session.get_one(Receipt, world.ours.receipts["open"].id).amount_cents = 12500
    page, before = visitor.page(path_of(line, world, *PAID, q="holz")), fingerprint(ports.database)
    assert "Difference −€6.00" in page.words
    for named, told in (("", "say what the difference is"), ("tip", "does not explain")):
        answer = visitor.send(page, action_of(line), difference=named)
        assert answer.status_code == 422
        again = Page(answer.text)
        assert told in again.words
        assert "3 receipts chosen €210.00" in again.words  # nothing of the choice is lost
        assert again.form(f"/review/transactions/{line.id}").fields["q"] == "holz"
    assert visitor.send(page, action_of(line), difference="nonsense").status_code == 422
    assert fingerprint(ports.database) == before
    visitor.follow(visitor.send(page, action_of(line), difference="discount"))
    assert sum(standing(ports, line).values()) == 20400
    assert "Difference: −€3.57 · Discount (Skonto)" in visitor.page(f"/receipts/{world.ours.receipts['open'].id}").words


def test_who_was_faster_is_told_and_the_rest_stays_chosen(world: World, visit: Visit, ports: Ports, line: Transaction) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["no_transaction"]
    page = visitor.page(path_of(line, world, *PAID))
    other = visit(world.admin)
    other.send(other.page(f"/review?item={receipt.id}"), f"/receipts/{receipt.id}/set-aside", reason="paid_in_cash")
    before = fingerprint(ports.database)
    answer = visitor.send(page, action_of(line))
    assert answer.status_code == 409
    again = Page(answer.text)
    assert "Nothing was assigned." in again.words
    assert f"R-2 Holzhandel Weber GmbH · Receipt set aside · {world.admin.name}" in again.words
    assert "2 receipts chosen €162.00" in again.words
    assert fingerprint(ports.database) == before
    visitor.follow(visitor.send(again, action_of(line)))
    assert standing(ports, line) == {"R-1": 11900, "R-3": 4300}


def test_a_payment_that_is_used_up_shows_by_what(world: World, visit: Visit, ports: Ports) -> None:
    page = visit(world.staff).page(path_of(world.ours.transactions[2], world))
    assert "Nothing is left of this transaction" in page.words
    assert "already assigned to R-4 Elektro Süß e.K. €595.00" in page.words
    with ports.database.write() as session:
        session.get_one(Transaction, world.ours.transactions[0].id).status = "reversed"
    page = visit(world.staff).page(path_of(world.ours.transactions[0], world))
    assert "The bank has taken this transaction back." in page.words


def test_nonsense_changes_nothing(world: World, visit: Visit, ports: Ports, line: Transaction) -> None:
    visitor, receipts = visit(world.staff), world.ours.receipts
    one = f"{receipts['open'].id} {receipts['open'].version}"
    visitor.page(path_of(line, world, "open"))
    before = fingerprint(ports.database)
    for chosen, status in (
        ([], 422),
        ([one, one], 422),
        ([one, one.replace(" 1", " 2")], 422),
        ([one] * 41, 422),
        (["no-id 1"], 404),
        ([f"{receipts['open'].id}"], 422),
        ([f"{receipts['open'].id} x"], 422),
        ([f"{receipts['open'].id} {'9' * 30}"], 422),
        ([f"{receipts['unreadable_amount'].id} 1"], 422),
        ([f"{receipts['income'].id} 1"], 422),
        ([one, f"{receipts['assigned'].id} 1"], 409),
        ([f"{receipts['open'].id} 7"], 409),
    ):
        assert visitor.post(action_of(line), {"receipt": chosen}).status_code == status, chosen
    assert fingerprint(ports.database) == before
    for query in ("ticked=1&receipt=no-id", f"ticked=1&receipt={receipts['income'].id}", "q=%25", f"q={'x' * 300}"):
        assert action_of(line) not in {form.action for form in visitor.page(f"/review/transactions/{line.id}?{query}").forms}


def test_nobody_elses_receipts_are_assigned_with_ours(world: World, visit: Visit, ports: Ports, line: Transaction) -> None:
    ours, theirs = world.ours.receipts["open"], world.theirs.receipts["open"]
    for person in (world.staff, world.admin):  # an admin sees both, and yet they are no set
        visitor = visit(person)
        before = fingerprint(ports.database)
        chosen = [f"{ours.id} {ours.version}", f"{theirs.id} {theirs.version}"]
        visitor.page(path_of(line, world, "open"))
        assert visitor.post(action_of(line), {"receipt": chosen}).status_code == 404
        page = visitor.page(f"/review/transactions/{line.id}?ticked=1&receipt={theirs.id}")
        assert "Tick the receipts that belong to this transaction." in page.words
        assert visitor.get(path_of(line, world, item=theirs.id)).status_code == 404
        assert fingerprint(ports.database) == before
    assert visit(world.ours.owner).get(path_of(line, world)).status_code == 403


def test_it_speaks_german(world: World, visit: Visit, line: Transaction) -> None:
    visitor = visit(world.staff)
    visitor.post("/language", {"language": "de"})
    page = visitor.page(path_of(line, world, *PAID))
    assert "Mehrere Belege zu einem Umsatz" in page.words
    assert "3 Belege gewählt 204,00 €" in page.words
