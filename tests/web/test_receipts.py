"""Receipts: everybody finds his own, with state and reason in plain words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.clock import FixedClock
from portal.domain.matching import Allocation
from portal.models import BankAccount, Connection, Receipt
from portal.ports import Ports
from portal.services.assignments import assigning
from portal.services.clients.listing import PAGE_SIZE
from tests import factories
from tests.factories import Books, World
from tests.web.visitor import Visit


def add(ports: Ports, books: Books, count: int, clock: FixedClock, **values: object) -> list[Receipt]:
    """So many more receipts in review."""
    with ports.database.write() as session:
        over = session.get_one(Connection, books.documents.id)
        return [factories.receipt(session, over, 1000 + number, now=clock.now(), **values) for number in range(count)]


def test_the_list_counts_what_there_is(world: World, visit: Visit) -> None:
    words = visit(world.ours.owner).page("/receipts").words
    assert "10 receipts: 1 matched , 8 in review, 1 without a transaction." in words
    assert all(receipt.number in words for receipt in world.ours.receipts.values())


def test_each_receipt_says_where_it_stands_and_why(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    for name, state, why in (
        ("open", "In review", "Your tax office checks which transaction belongs to it."),
        ("no_transaction", "Waiting for payment", "There is no transaction for it yet."),
        ("changed", "In review", "The invoice was changed at Qonto."),
        ("assigned", "Matched", "The transaction was found."),
        ("set_aside", "No transaction needed", "Paid in cash"),
        ("waiting", "Waiting for the next sync", "Qonto has no file for this invoice yet."),
        ("fetching", "Waiting for the next sync", "The file is being fetched."),
        ("failed", "In review", "The file could not be fetched from Qonto."),
        ("unreadable_amount", "In review", "The amount or the date could not be read."),
    ):
        words = visitor.page(f"/receipts/{world.ours.receipts[name].id}").words
        assert state in words, name
        assert why in words, name


def test_what_the_client_has_to_do_has_a_button(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    """Without a bank connection no payment can be seen: only the client can change that."""
    with ports.database.write() as session:
        client = factories.client(session, "10099", "Neu GmbH", now=clock.now())
        owner = factories.user(session, "neu@neu.example", "Nina Neu", factories.Role.CLIENT, now=clock.now())
        factories.member(session, owner, client, "client")
        receipt = factories.receipt(
            session, factories.connection(session, client, "documents", now=clock.now()), 1, now=clock.now()
        )
        factories.run(session, client, "matching", now=clock.now())
    link = f"/clients/{client.id}/connections/bank/connect"
    for path in ("/receipts", f"/receipts/{receipt.id}"):
        page = visit(owner).page(path)
        assert "We need you" in page.words
        assert "Please connect your bank." in page.words
        assert link in page.links
    assert link not in visit(world.ours.owner).page("/receipts").links


def test_the_firm_reads_the_reason_of_the_queue_and_gets_to_the_desk(world: World, visit: Visit) -> None:
    page = visit(world.staff).page("/receipts")
    receipt = world.ours.receipts["open"]
    assert "Several equal candidates" in page.words
    assert f"/review?item={receipt.id}" in page.links
    own = visit(world.ours.owner).page("/receipts")
    assert "Several equal candidates" not in own.words
    assert not [link for link in own.links if link.startswith("/review")]


def test_it_is_filtered(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    for query, numbers in (
        ("state=assigned", {"RE-2026-1004"}),
        ("state=set_aside", {"RE-2026-1005"}),
        ("direction=income", {"AR-77"}),
        ("q=süß", {"RE-2026-1004"}),
        ("q=AR-77", {"AR-77"}),
        ("q=MÖBELHAUS", {"AR-77"}),
        ("q=77 ost", {"AR-77"}),
        ("q=1001 weber", {"RE-2026-1001"}),
        ("q=%25", set()),
        ("q=_E-2026", set()),
        ("q=\\", set()),
        ("q=' OR 1=1 --", set()),
        ("state=nonsense", set()),
    ):
        words = visitor.page(f"/receipts?{query}").words
        assert {one.number for one in world.ours.receipts.values() if f"{one.number} ·" in words} == numbers, query
        assert numbers or "No receipt fits this filter" in words, query


def test_it_is_shown_in_pages(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    add(ports, world.ours, 2 * PAGE_SIZE, clock)
    visitor = visit(world.ours.owner)
    first = visitor.page("/receipts?direction=expense")
    assert f"1–{PAGE_SIZE} of 59" in first.words
    assert "Page 1 of 3" in first.words
    assert "/receipts?direction=expense&page=2" in first.links
    assert "51–59 of 59" in visitor.page("/receipts?direction=expense&page=3").words
    for page in ("0", "-1", "x", ""):
        assert f"1–{PAGE_SIZE} of 60" in visitor.page(f"/receipts?page={page}").words


def test_beyond_the_end_the_last_page_is_shown(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    for page in ("2", "99999999", "9" * 30):
        assert "1–10 of 10" in visitor.page(f"/receipts?page={page}").words


def test_a_receipt_tells_its_whole_story(world: World, visit: Visit) -> None:
    receipt = world.ours.receipts["assigned"]
    words = visit(world.ours.owner).page(f"/receipts/{receipt.id}").words
    for told in (
        receipt.label,
        "Supplier invoice",
        "RE-2026-1004",
        "€595.00",
        "Elektro Süß e.K.",
        "Assigned automatically",
        "History",
        "Assigned · automatically",
    ):
        assert told in words


def test_strange_texts_stay_texts(world: World, visit: Visit, ports: Ports) -> None:
    receipt, strange = world.ours.receipts["open"], "<img src=x onerror=alert(1)>\"'{{7*7}}%(x)s"
    with ports.database.write() as session:
        session.execute(update(Receipt).where(Receipt.id == receipt.id).values(counterparty=strange, number=strange))
    for user, path in (
        (world.ours.owner, "/receipts"),
        (world.ours.owner, f"/receipts/{receipt.id}"),
        (world.staff, f"/review?item={receipt.id}"),
    ):
        page = visit(user).page(path)  # the visitor looks for handlers
        assert strange in page.words


def test_a_client_without_any_receipt_is_shown_the_way(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    with ports.database.write() as session:
        client = factories.client(session, "10099", "Neu GmbH", now=clock.now())
        owner = factories.user(session, "neu@neu.example", "Nina Neu", factories.Role.CLIENT, now=clock.now())
        factories.member(session, owner, client, "client")
    page = visit(owner).page("/receipts")
    assert "Connect Qonto once, then your paid invoices arrive by themselves." in page.words
    assert f"/clients/{client.id}/connections/documents/connect" in page.links


@pytest.mark.usefixtures("acts")
def test_a_client_reads_how_long_a_check_usually_takes(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    """S-44: the median of the firm's own decisions about this client's receipts; with fewer than five nothing is claimed."""
    path = f"/receipts/{world.ours.receipts['open'].id}"
    visitor = visit(world.ours.owner)
    decided = add(ports, world.ours, 5, clock)
    for receipt, days in zip(decided, (1, 2, 3, 20, 40), strict=True):
        assert "usually takes" not in visitor.page(path).words
        with ports.database.write() as session:
            account = session.get_one(BankAccount, world.ours.account.id)
            line = factories.transaction(session, account, receipt.id, 100, now=clock.now())
            came = session.get_one(Receipt, receipt.id)
            came.created_at = clock.now() - timedelta(days=days)
            allocations = [Allocation(line.id, 100)]
            assigning.assign(session, receipt=came, allocations=allocations, seen_version=came.version, now=clock.now())
    assert "That usually takes 3 days." in visitor.page(path).words
    assert "usually takes" not in visit(world.staff).page(path).words
