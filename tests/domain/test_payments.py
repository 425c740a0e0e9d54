"""The life of payments, what is ordered, and what may be ordered."""

from __future__ import annotations

import random
import re
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from portal.domain.payments import gates, life, orders, sepa
from portal.domain.payments.gates import Gate, Standing
from portal.domain.payments.life import BatchState, Event, Forbidden, PaymentEvent, PaymentState
from portal.domain.payments.orders import Bounds, Flaw, Item, Order, Way

TODAY = date(2026, 11, 27)
ITEM = Item("m-1", "Holzhandel Weber GmbH", "DE02120300000000202051", 11900, "RE 2026-1001")
ORDER = Order("b-1", Way.TRANSFER, "account-1", "DE89370400440532013000", None, "proof", (ITEM,))
BOUNDS = Bounds(TODAY, limit_cents=500_000, day_left_cents=2_000_000, balance_cents=1_000_000)
FINAL = {BatchState.ENDED, BatchState.REFUSED, BatchState.CANCELLED}


# --- the life ---------------------------------------------------------------------------------------------------


def test_each_state_has_its_line_and_each_event_is_decided() -> None:
    assert set(life.BATCH) == set(BatchState)
    assert set(life.PAYMENT) == set(PaymentState)
    for state in BatchState:
        for event in Event:
            if event in life.BATCH[state]:
                assert life.after(state, event) is life.BATCH[state][event]
            else:
                with pytest.raises(Forbidden):
                    life.after(state, event)
    for payment_state in PaymentState:
        for payment_event in PaymentEvent:
            if payment_event not in life.PAYMENT[payment_state]:
                with pytest.raises(Forbidden):
                    life.payment_after(payment_state, payment_event)


def test_every_state_can_be_reached_and_left() -> None:
    reached, waiting = {BatchState.DRAFT}, [BatchState.DRAFT]
    while waiting:
        fresh = set(life.BATCH[waiting.pop()].values()) - reached
        reached |= fresh
        waiting += fresh
    assert reached == set(BatchState)
    assert life.FINAL == FINAL


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_nothing_reaches_the_bank_without_an_approval_that_still_holds(events: list[Event]) -> None:
    """Whatever happens in whatever order: the call is only made between an approval and the next change."""
    state, is_approved = BatchState.DRAFT, False
    for event in events:
        try:
            state = life.after(state, event)
        except Forbidden:
            continue
        is_approved = {Event.APPROVE: True, Event.CHANGE: False, Event.VOID: False}.get(event, is_approved)
        if state in life.AT_THE_BANK or state is BatchState.CONFIRMING:
            assert is_approved
        if event is Event.CANCEL:
            assert state not in life.AT_THE_BANK


@given(st.lists(st.sampled_from(list(Event)), max_size=40))
def test_what_the_bank_may_have_is_never_cancelled_or_changed(events: list[Event]) -> None:
    state, was_there = BatchState.DRAFT, False
    for event in events:
        try:
            state = life.after(state, event)
        except Forbidden:
            continue
        was_there = state in life.AT_THE_BANK or (was_there and state is not BatchState.CONFIRMING)
        if was_there:
            assert state not in {BatchState.DRAFT, BatchState.PREPARED, BatchState.APPROVED, BatchState.CANCELLED}


@given(st.lists(st.sampled_from(["pending", "processing", "settled", "declined", "canceled", "new word", ""]), max_size=12))
def test_a_payment_ends_once(words: list[str]) -> None:
    state, ended = PaymentState.ORDERED, []
    for word in words:
        if (event := life.outcome(state, word)) is not None:
            state = life.payment_after(state, event)
            ended.append(state)
    assert len(ended) <= 1


# --- what is ordered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", Way)
def test_whatever_is_changed_changes_the_digest(way: Way) -> None:
    given_order = replace(ORDER, way=way)
    changes: list[Order] = [
        replace(given_order, items=(replace(ITEM, **{name: value}),))  # type: ignore[arg-type]
        for name, value in {
            "creditor": "Holzhandel Weber KG", "iban": "DE02500105170137075030", "amount_cents": 11901,
            "remittance": "RE 2026-1002", "attachments": ("a-1",),
        }.items()
    ]  # fmt: skip
    changes += [
        replace(given_order, execute_on=TODAY),
        replace(given_order, items=(ITEM, replace(ITEM, mark="m-2")), way=Way.BULK),
    ]
    changes += [replace(given_order, account_id="account-2", account_iban="DE02100100100006820101")]
    assert len({orders.digest(changed) for changed in [given_order, *changes]}) == len(changes) + 1


@given(
    st.integers(1, 10**9), st.text(max_size=20), st.text(max_size=20), st.sampled_from(Way),
    st.none() | st.dates(TODAY, TODAY + timedelta(days=300)),
)  # fmt: skip
def test_the_same_order_is_always_the_same_body(cents: int, name: str, text: str, way: Way, day: date | None) -> None:
    made = replace(ORDER, way=way, execute_on=day, items=(replace(ITEM, amount_cents=cents, creditor=name, remittance=text),))
    again = Order(**{field.name: getattr(made, field.name) for field in reversed(fields(made))})
    assert orders.digest(again) == orders.digest(made)
    (item,) = made.items
    for other in (
        replace(item, amount_cents=cents + 1),
        replace(item, creditor=f"{name}."),
        replace(item, remittance=f"{text}."),
    ):
        assert orders.digest(replace(made, items=(other,))) != orders.digest(made)
    assert Decimal(orders.spelled(cents)) * 100 == cents
    assert re.fullmatch(r"\d+\.\d\d", orders.spelled(cents))


def test_the_bodies_are_the_banks() -> None:
    entry = {
        "beneficiary": {"name": ITEM.creditor, "iban": ITEM.iban}, "reference": "RE 2026-1001", "amount": "119.00",
        "note": "Belegfluss m-1",
    }  # fmt: skip
    assert orders.body(ORDER) == {"vop_proof_token": "proof", "transfer": {"bank_account_id": "account-1", **entry}}
    bulk = orders.body(replace(ORDER, way=Way.BULK, execute_on=date(2026, 12, 1)))
    assert bulk["bulk_transfers"] == [{"client_transfer_id": "m-1", **entry, "scheduled_date": "2026-12-01"}]
    asked = orders.body(replace(ORDER, way=Way.REQUEST))["request_multi_transfer"]
    assert (asked["note"], asked["debit_iban"], asked["transfers"][0]["credit_iban"]) == (
        "Belegfluss b-1", ORDER.account_iban, ITEM.iban,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("119,00", 11900), ("119.5", 11950), ("1.234,56", 123456), ("1,234.56", 123456), ("1234", 123400), ("0,01 €", 1),
        ("0", Flaw.AMOUNT), ("-5", Flaw.AMOUNT), ("", Flaw.AMOUNT), ("abc", Flaw.AMOUNT), ("1,2345", Flaw.AMOUNT),
        ("1.234", Flaw.AMBIGUOUS), ("12,345", Flaw.AMBIGUOUS), ("1.234.567", 123456700), ("1e3", Flaw.AMOUNT),
        ("0,00", Flaw.AMOUNT), ("NaN", Flaw.AMOUNT),
    ],
)  # fmt: skip
def test_amounts_as_typed(text: str, cents: int | Flaw) -> None:
    assert orders.amount(text) == cents


@pytest.mark.parametrize(
    ("changed", "flaw"),
    [
        ({"creditor": " "}, Flaw.NAME), ({"creditor": "x" * 141}, Flaw.NAME), ({"creditor": "a\tb"}, Flaw.NAME),
        ({"iban": "DE02120300000000202052"}, Flaw.IBAN), ({"iban": ORDER.account_iban}, Flaw.OWN_ACCOUNT),
        ({"amount_cents": 0}, Flaw.AMOUNT), ({"amount_cents": -1}, Flaw.AMOUNT),
        ({"amount_cents": 3_000_001}, Flaw.NEEDS_FILE), ({"remittance": ""}, Flaw.TEXT), ({"remittance": "x" * 141}, Flaw.TEXT),
        ({"remittance": "Rechnung #7"}, Flaw.TEXT), ({"remittance": "/RE 7"}, Flaw.TEXT), ({"remittance": "a//b"}, Flaw.TEXT),
    ],
)  # fmt: skip
def test_flaws_of_a_payment(changed: dict[str, object], flaw: Flaw) -> None:
    assert orders.item_flaws(ITEM, account_iban=ORDER.account_iban) == []
    assert flaw in orders.item_flaws(replace(ITEM, **changed), account_iban=ORDER.account_iban)  # type: ignore[arg-type]


def test_flaws_of_an_order() -> None:
    assert orders.flaws(ORDER, BOUNDS) == []
    assert orders.flaws(ORDER, replace(BOUNDS, limit_cents=11899)) == [(Flaw.LIMIT, "m-1")]
    assert orders.flaws(ORDER, replace(BOUNDS, day_left_cents=11899)) == [(Flaw.DAY_LIMIT, "")]
    assert orders.flaws(ORDER, replace(BOUNDS, balance_cents=11899)) == [(Flaw.BALANCE, "")]
    assert orders.flaws(replace(ORDER, items=()), BOUNDS) == [(Flaw.TOO_MANY, "")]
    assert orders.flaws(replace(ORDER, execute_on=TODAY - timedelta(days=1)), BOUNDS) == [(Flaw.PAST, "")]
    assert orders.flaws(replace(ORDER, execute_on=TODAY), BOUNDS) == []
    assert orders.flaws(replace(ORDER, execute_on=date(2028, 1, 1)), BOUNDS) == [(Flaw.TOO_FAR, "")]
    with_file = replace(ITEM, amount_cents=3_000_001, attachments=("a",))
    assert orders.item_flaws(with_file) == []
    assert orders.item_flaws(replace(ITEM, amount_cents=3_000_000)) == []


# --- SEPA -------------------------------------------------------------------------------------------------------


def test_ibans_against_a_reference() -> None:
    """10,000 numbers: right ones of every country, others with a sign too many, a slip, two signs swapped, and noise."""
    chance, wrong, right = random.Random(20261127), [], 0
    for number in range(10_000):
        iban = _spoilt(chance, _iban(chance, chance.choice([*sepa.STRUCTURES])), number % 5)
        try:
            IBAN(iban)
        except SchwiftyException:
            is_right = False
        else:
            is_right = iban[:2] in sepa.STRUCTURES
        right += is_right
        if is_right != sepa.is_iban(iban):
            wrong.append((iban, is_right))
    assert wrong == []
    assert 2000 <= right < 3000


def _iban(chance: random.Random, country: str) -> str:
    kinds = {"n": "0123456789", "a": "ABCDEFGHJK", "c": "0123456789ABCDEF"}
    parts = re.findall(r"([nac])(\d+)", sepa.STRUCTURES[country])
    bban = "".join(chance.choice(kinds[kind]) for kind, size in parts for _ in range(int(size)))
    digits = "".join(str(int(sign, 36)) for sign in f"{bban}{country}00")
    return f"{country}{98 - int(digits) % 97:02d}{bban}"


def _spoilt(chance: random.Random, iban: str, how: int) -> str:
    place = chance.randrange(len(iban))
    match how:
        case 1:
            return iban[:place] + chance.choice(["", iban[place] * 2]) + iban[place + 1 :]
        case 2:
            return iban[:place] + chance.choice("0123456789ABCXYZ") + iban[place + 1 :]
        case 3:
            return iban[:place] + iban[place:][1:2] + iban[place] + iban[place + 2 :]
        case 4:
            return "".join(chance.choice("0123456789DEFR") for _ in range(chance.randrange(30)))
    return iban


@given(st.text(max_size=200))
def test_a_fitting_text_always_travels(text: str) -> None:
    found = sepa.fitting(text)
    assert not found or sepa.is_text(found)


@given(st.text(alphabet="äöüÄÖÜßabc019 /-?:().,'+", min_size=1, max_size=60))
def test_umlauts_travel_spelled_out(text: str) -> None:
    assert sepa.strange(sepa.written(text)) == ""


def test_strange_signs_are_named_once() -> None:
    assert sepa.strange("Nr. #7 €# ok") == "#€"


@pytest.mark.parametrize(
    ("day", "is_banking"),
    [
        ("2026-11-27", True), ("2026-11-28", False), ("2026-11-29", False), ("2026-12-25", False), ("2026-12-26", False),
        ("2027-01-01", False), ("2027-03-26", False), ("2027-03-29", False), ("2027-05-01", False), ("2027-05-06", True),
        ("2026-10-03", False), ("2025-10-03", True),
    ],
)  # fmt: skip
def test_banking_days(day: str, is_banking: bool) -> None:
    assert sepa.is_banking_day(date.fromisoformat(day)) is is_banking


@pytest.mark.parametrize(
    ("year", "day"),
    [(2024, "2024-03-31"), (2025, "2025-04-20"), (2026, "2026-04-05"), (2027, "2027-03-28"), (2038, "2038-04-25")],
)
def test_easter(year: int, day: str) -> None:
    assert sepa.easter(year).isoformat() == day


def test_the_next_banking_day() -> None:
    assert sepa.next_banking_day(date(2026, 12, 25)) == date(2026, 12, 28)
    assert sepa.next_banking_day(date(2026, 11, 27)) == date(2026, 11, 27)


# --- who may pay ------------------------------------------------------------------------------------------------

FREE = Standing(True, "active", ["payment.write", "organization.read"], is_connector=True, has_second_factor=True)


@pytest.mark.parametrize(
    ("changed", "prepares", "approves"),
    [
        ({}, [], []),
        ({"is_on": False, "connection_state": None}, [Gate.OFF], [Gate.OFF]),
        ({"is_in_plan": False}, [Gate.PLAN], [Gate.PLAN]),
        ({"connection_state": None}, [Gate.NOT_CONNECTED], [Gate.NOT_CONNECTED]),
        ({"connection_state": "disconnected"}, [Gate.NOT_CONNECTED], [Gate.NOT_CONNECTED]),
        ({"connection_state": "action_needed"}, [Gate.ACTION_NEEDED], [Gate.ACTION_NEEDED]),
        ({"scopes": ["organization.read"]}, [Gate.SCOPE], [Gate.SCOPE]),
        ({"is_connector": False}, [], [Gate.NOT_YOURS]),
        ({"has_second_factor": False}, [], [Gate.SECOND_FACTOR]),
    ],
)
def test_gates(changed: dict[str, object], prepares: list[Gate], approves: list[Gate]) -> None:
    standing = replace(FREE, **changed)  # type: ignore[arg-type]
    assert (gates.to_prepare(standing), gates.to_approve(standing)) == (prepares, approves)


def test_a_request_needs_its_own_scope() -> None:
    assert gates.to_request(FREE) == [Gate.SCOPE]
    assert gates.to_request(replace(FREE, scopes=["payment.write", "request_transfers.write"])) == []
    assert gates.to_request(replace(FREE, is_on=False)) == [Gate.OFF]


def test_every_cause_has_its_owner() -> None:
    assert {*gates.REFUSALS.values(), "other"} == set(gates.OWNERS)
    assert gates.cause("a word we do not know") == "other"


@pytest.mark.parametrize(
    ("total", "above", "is_one", "was_lost", "needed"),
    [
        (100, None, False, False, False), (100, 100, False, False, False), (101, 100, False, False, True),
        (101, 100, True, False, False), (1, None, True, True, True),
    ],
)  # fmt: skip
def test_four_eyes(total: int, above: int | None, is_one: bool, was_lost: bool, needed: bool) -> None:
    found = gates.needs_second_person(total_cents=total, above_cents=above, is_one_person=is_one, was_lost=was_lost)
    assert found is needed
