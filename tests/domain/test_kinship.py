"""Names that are one party's though they are not alike: found where amounts and days agree again and again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from portal.domain.matching import Decision, ReasonCode, ReceiptFacts, TransactionFacts, match
from tests.domain.matching_facts import IBAN, ISSUED, LATE, OTHER_IBAN, booked, decide, receipt

FIRST = date(2026, 3, 2)
DATES = [FIRST + timedelta(days=17 * n) for n in range(6)]


def ticket(n: int, cents: int | None = None, **values: object) -> ReceiptFacts:
    """The railway's ticket of one of the days, each of another price."""
    facts = {
        "direction": "expense", "counterparty": "DB Fernverkehr AG", "amount_cents": cents or 2690 + 1110 * n, "currency": "EUR",
        "issued_on": DATES[n], "is_from_bank": True, **values,
    }  # fmt: skip
    return ReceiptFacts(id=f"r{n}", **facts)  # type: ignore[arg-type]


def charged(n: int, cents: int | None = None, **values: object) -> TransactionFacts:
    """The card's charge for it, booked two days later under another name."""
    amount = cents or 2690 + 1110 * n
    facts = {
        "side": "debit", "amount_cents": amount, "open_cents": amount, "currency": "EUR", "operation_type": "card",
        "booked_on": DATES[n] + timedelta(days=2), "emitted_on": DATES[n], "counterparty": "VERTRIEB BAHN FRANKFURT DE", **values,
    }  # fmt: skip
    return TransactionFacts(id=f"t{n}", **facts)  # type: ignore[arg-type]


def assigned(decisions: list[Decision]) -> dict[str, str]:
    return {decision.receipt: decision.allocations[0].transaction for decision in decisions if decision.allocations}


def test_names_that_meet_three_times_are_one_party_and_say_so() -> None:
    twice = match([ticket(n) for n in range(2)], [charged(n) for n in range(2)])
    assert assigned(twice) == {}
    decisions = match([ticket(n) for n in range(3)], [charged(n) for n in range(3)])
    assert assigned(decisions) == {"r0": "t0", "r1": "t1", "r2": "t2"}
    for decision in decisions:
        assert ReasonCode.NAME_KNOWN in {reason.code for reason in decision.candidates[0].reasons if reason.is_for}


@pytest.mark.parametrize(("times", "is_known"), [(3, False), (4, True)])
def test_one_amount_has_to_meet_once_more(times: int, is_known: bool) -> None:
    months = [timedelta(days=30 * n) for n in range(times)]
    receipts = [replace(ticket(0, 2142), id=f"r{n}", issued_on=FIRST + later) for n, later in enumerate(months)]
    lines = [
        replace(charged(0, 2142), id=f"t{n}", emitted_on=FIRST + later, booked_on=FIRST + later) for n, later in enumerate(months)
    ]
    assert bool(assigned(match(receipts, lines))) == is_known


def test_what_a_bank_cuts_is_the_same_name() -> None:
    lines = [charged(n, counterparty="VERTRIEB BAHN" if n % 2 else "VERTRIEB BAHN FRANKFURT DE") for n in range(4)]
    assert len(assigned(match([ticket(n) for n in range(4)], lines))) == 4


def test_a_name_that_meets_several_suppliers_is_nobodys() -> None:
    others = [
        replace(ticket(n), id=f"x{n}", counterparty=name)
        for n, name in enumerate(("Gasthaus Adler", "Hotel Post", "Copyshop Nord"), 3)
    ]
    decisions = match([*(ticket(n) for n in range(3)), *others], [charged(n) for n in range(6)])
    assert assigned(decisions) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"is_from_bank": False},
        {"iban": "DE86000000000000000001"},
        {"counterparty": None},
        {"issued_on": None},
    ],
)
def test_what_tells_them_apart_or_says_nothing_is_no_meeting(changed: dict[str, object]) -> None:
    receipts = [ticket(n, **(changed if n == 2 else {})) for n in range(3)]
    lines = [charged(n, iban="DE59000000000000000002") for n in range(3)]
    assert assigned(match(receipts, lines)) == {}


def test_a_payment_service_is_nobodys_other_name() -> None:
    lines = [charged(n, counterparty="PayPal Europe") for n in range(4)]
    assert assigned(match([ticket(n) for n in range(4)], lines, aliases={("DB Fernverkehr AG", "PayPal Europe")})) == {}


def test_a_second_line_or_receipt_of_the_amount_is_no_meeting() -> None:
    receipts, lines = [ticket(n) for n in range(3)], [charged(n) for n in range(3)]
    assert assigned(match(receipts, [*lines, replace(lines[0], id="t9")])) == {}
    assert assigned(match([*receipts, replace(receipts[1], id="r9", counterparty="Hotel Post")], lines)) == {}


def test_an_original_amount_of_another_month_is_not_taken() -> None:
    """Of a subscription in dollars one month's line does not tell what it cost in dollars: the next month's is not this one's."""
    dollars = {"currency": "USD", "amount_cents": 4500}
    months = [timedelta(days=31 * n) for n in range(6)]
    receipts = [replace(ticket(0), id=f"r{n}", issued_on=FIRST + later, **dollars) for n, later in enumerate(months)]
    lines = [
        replace(
            charged(0, 4160 + n), id=f"t{n}", emitted_on=FIRST + later, booked_on=FIRST + later, local_amount_cents=4500,
            local_currency="USD",
        )
        for n, later in enumerate(months)
    ]  # fmt: skip
    lines[2] = replace(lines[2], local_amount_cents=None, local_currency=None)
    del receipts[3]
    made = assigned(match(receipts, lines))
    assert made == {"r0": "t0", "r1": "t1", "r4": "t4", "r5": "t5"}


# --- accounts ------------------------------------------------------------------------------------------------------


def _paid_elsewhere(count: int, apart: int) -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    """A supplier's invoices, and the transfers that name them and go to another account than is printed."""
    days = [ISSUED + timedelta(days=apart * n) for n in range(count)]
    receipts = [
        receipt(f"r{n}", number=f"RE-2026-2{n:03}", amount_cents=11900 + n, iban=IBAN, issued_on=day, due_on=None)
        for n, day in enumerate(days)
    ]
    lines = [
        booked(f"t{n}", amount_cents=11900 + n, iban=OTHER_IBAN, remittance=f"RE-2026-2{n:03}", booked_on=day + LATE)
        for n, day in enumerate(days)
    ]
    return receipts, lines


def test_an_account_to_which_a_supplier_is_paid_for_months_is_his() -> None:
    receipts, lines = _paid_elsewhere(4, 21)
    found = decide(receipts, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items()} == {f"r{n}": f"t{n}" for n in range(4)}
    assert ReasonCode.IBAN_KNOWN in {reason.code for reason in found["r0"].candidates[0].reasons}
    for count, apart in ((3, 40), (4, 14)):
        few = decide(*_paid_elsewhere(count, apart))
        assert {d.status for d in few.values()} == {"review"}, "too few, or too short a time for anybody to miss his money"
    told = [("Holzhandel Weber GmbH", OTHER_IBAN)]
    assert {d.status for d in decide(receipts[:1], lines[:1], accounts=told).values()} == {"assigned"}
    assert {d.status for d in decide(receipts[:1], lines[:1], accounts=[("Andere AG", OTHER_IBAN)]).values()} == {"review"}
    strange = [replace(line, counterparty="Baustoffe Peters") for line in lines]
    assert {d.status for d in decide(receipts, strange).values()} == {"review"}
