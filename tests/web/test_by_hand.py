"""Transactions that a person finds and chooses by hand, one or several for a receipt."""

from __future__ import annotations

from datetime import date

import pytest

from portal.models import BankAccount, Receipt
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.web.desk import DESK, path_of, standing
from tests.web.visitor import Visit, fingerprint


def choosing(world: World, name: str, *lines: int, query: str = "") -> str:
    """The desk with a search open and some transactions ticked."""
    chosen = "".join(f"&line={world.ours.transactions[number].id}" for number in lines)
    return f"{DESK}?item={world.ours.receipts[name].id}&q={query}{chosen}"


def test_a_search_finds_by_whatever_one_knows(world: World, visit: Visit, ports: Ports) -> None:
    visitor, (first, second, used, _) = visit(world.staff), world.ours.transactions
    with ports.database.write() as session:
        account = session.get_one(BankAccount, world.ours.account.id)
        values = {"counterparty": "Café 100% Süß", "counterparty_iban": "DE02120300000000202051", "remittance": "1_000"}
        third = factories.transaction(session, account, "t-9", 123456, now=ports.clock.now(), **values)
        third.booked_on = date(2026, 10, 5)
    for query, found in {
        "": [first, second, third], "holz": [first, second], "Danke": [second], "süß": [third], "100%": [third], "1_0": [third],
        "1.234,56": [third], "-1234,56 €": [third], "119": [first, second], "5.10.2026": [third], "2026-10-05": [third],
        "DE02 1203": [third], "x' OR 1=1": [], "y" * 5000: [], "%": [third], "31.2.2026": [],
    }.items():  # fmt: skip
        asked = {"item": world.ours.receipts["open"].id, "q": query}
        html = visitor.client.get(DESK, query_string=asked).text
        assert {one for one in (first, second, used, third) if f'value="{one.id}"' in html} == set(found), query


def test_several_transactions_pay_one_receipt(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        session.get_one(Receipt, receipt.id).amount_cents = 23800
    page = visitor.page(choosing(world, "open", 0, 1))
    assert "2 transactions chosen €238.00" in page.words
    assert "Adds up to the cent" in page.words
    page = visitor.follow(visitor.send(page, path_of(receipt, "assignment/transactions")))
    assert f"{receipt.label} Holzhandel Weber GmbH assigned to 2 transactions" in page.words
    assert sorted((one.transaction_id, one.amount_cents) for one in standing(ports, receipt)) == sorted(
        (one.id, 11900) for one in world.ours.transactions[:2]
    )


def test_the_rest_of_a_larger_payment_stays_for_other_receipts(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    for name, left in (("no_transaction", 7700), ("changed", 3400)):  # of 119.00, 42.00 and 43.00 are taken
        page = visitor.page(choosing(world, name, 1))
        assert "The rest of the payment is for other receipts" in page.words
        visitor.follow(visitor.send(page, path_of(ours.receipts[name], "assignment/transactions")))
        assert f"−€{left // 100}.00 Danke" in visitor.page(choosing(world, "open", query="danke")).words
    assert [one.amount_cents for one in standing(ports, ours.receipts["no_transaction"])] == [4200]


@pytest.mark.parametrize("fragment", [False, True])
def test_what_differs_must_be_named(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        session.get_one(Receipt, receipt.id).amount_cents = 12143  # 2 % discount of it were 242.86 cents: paid were 119.00
    page, before = visitor.page(choosing(world, "open", 0)), fingerprint(ports.database)
    assert "Difference to the receipt −€2.43" in page.words
    for named in ("", "tip", "nonsense"):
        answer = visitor.send(page, path_of(receipt, "assignment/transactions"), fragment=fragment, difference=named)
        assert answer.status_code == 422, named
    assert fingerprint(ports.database) == before
    answer = visitor.send(page, path_of(receipt, "assignment/transactions"), fragment=fragment, difference="discount")
    assert answer.status_code == (200 if fragment else 303)
    assert [(one.amount_cents, one.difference, one.difference_cents) for one in standing(ports, receipt)] == [
        (11900, "discount", -243)
    ]
    assert "Difference: −€2.43 · Discount (Skonto)" in visitor.page(f"/receipts/{receipt.id}").words


def test_a_foreign_currency_is_assigned_as_exchanged(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        session.get_one(Receipt, receipt.id).currency = "USD"
    page = visitor.page(choosing(world, "open", 1))
    visitor.follow(visitor.send(page, path_of(receipt, "assignment/transactions"), difference="exchange"))
    assert [(one.amount_cents, one.difference, one.difference_cents) for one in standing(ports, receipt)] == [
        (11900, "exchange", None)
    ]


def test_a_receipt_without_an_amount_takes_all_that_is_open(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["unreadable_amount"]
    page = visitor.page(choosing(world, "unreadable_amount", 0))
    visitor.follow(visitor.send(page, path_of(receipt, "assignment/transactions")))
    assert [(one.amount_cents, one.difference) for one in standing(ports, receipt)] == [(11900, None)]


def test_only_the_clients_own_open_transactions_can_be_chosen(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt, ours = visit(world.staff), world.ours.receipts["open"], world.ours
    page = visitor.page(choosing(world, "open", 0))
    before = fingerprint(ports.database)
    income, used = ours.transactions[3], ours.transactions[2]
    for line in (world.theirs.transactions[0].id, income.id, used.id, "unknown", "x" * 5000):
        for lines in ([line], [ours.transactions[0].id, line]):
            answer = visitor.send(page, path_of(receipt, "assignment/transactions"), line=lines)
            assert answer.status_code == 409
        assert f'value="{line}"' not in visitor.get(f"{DESK}?item={receipt.id}&q=&line={line}").text
    assert visitor.send(page, path_of(receipt, "assignment/transactions"), line=[]).status_code == 409
    assert fingerprint(ports.database) == before


def test_transactions_chosen_twice_are_assigned_once(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(choosing(world, "open", 0, 0))
    answers = [visitor.send(page, path_of(receipt, "assignment/transactions")).status_code for _ in range(3)]
    assert answers == [303, 409, 409]
    assert len(standing(ports, receipt)) == 1
