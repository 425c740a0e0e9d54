"""A payment that came back is none: the next one is meant, or nothing is there yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from portal.domain.matching import ReceiptFacts, TransactionFacts
from portal.domain.matching.reasons import ReasonCode, ReviewReason
from tests.domain.matching_facts import ISSUED, booked, decide, one, receipt

FIRST_NAMES = "Ada Bernd Clara Dora Emil Fritz Gerda Hanno Ilse Jonas Karla Ludwig Marta Nils Olga Paul Rita Sven"
LAST_NAMES = (
    "Ahlers Behrens Claasen Detlefs Ehlers Franzen Gerdes Harms Ihnken Jessen Kruse Lorenz Matthes Nagel Olt Petri Quandt"
)
PULLED, BACK, AGAIN = (ISSUED + timedelta(days=days) for days in (7, 9, 17))


def pulled(id: str = "t1", **values: Any) -> TransactionFacts:  # noqa: A002 -- the fact's own name
    return booked(id, **{"booked_on": PULLED, **values})


def back(**values: Any) -> TransactionFacts:
    told = {"side": "credit", "booked_on": BACK, "remittance": "RETOURE SEPA-Lastschrift Rückbelastung RE-2026-1042"}
    return booked("back", **{**told, **values})


def again(**values: Any) -> TransactionFacts:
    return booked("again", **{"booked_on": AGAIN, **values})


def sold() -> tuple[ReceiptFacts, TransactionFacts]:
    """An invoice of ours that we collect."""
    return receipt(direction="income"), pulled(side="credit", remittance="Einzug RE-2026-1042")


def taken(decision: Any) -> list[str]:
    return [part.transaction for part in decision.allocations]


@pytest.mark.parametrize(
    "undone",
    [
        back(),
        back(counterparty=None),
        back(counterparty="Musterbank AG"),
        back(remittance="RE-2026-1042"),
        back(remittance="Rücklastschrift"),
    ],
)
def test_the_second_try_is_meant(undone: TransactionFacts) -> None:
    """Where the return names the invoice, or says what it is and nothing else can be meant."""
    assert taken(one(receipt(), pulled(), undone, again())) == ["again"]


def test_what_comes_back_without_a_word_is_for_people() -> None:
    decision = one(receipt(), pulled(), back(remittance=""), again())
    assert (decision.status, decision.reason) == ("review", ReviewReason.SEVERAL_EQUAL)


def test_until_it_is_paid_again_there_is_no_payment() -> None:
    decision = one(receipt(), pulled(), back())
    assert (decision.status, decision.reason) == ("review", ReviewReason.NO_TRANSACTION_YET)
    assert [part.transaction for part in decision.candidates[0].allocations] == ["t1"]
    (told,) = [reason for reason in decision.candidates[0].reasons if reason.code is ReasonCode.RETURNED]
    assert told.named == {"returned_on": BACK}
    assert not told.is_for


def test_what_a_customer_gives_back_has_a_fee_on_top() -> None:
    bill, collected = sold()
    returned = back(side="debit", amount_cents=11900 + 350, remittance="Ruecklastschrift RE-2026-1042 mangels Deckung")
    assert taken(one(bill, collected, returned, again(side="credit"))) == ["again"]
    assert taken(one(bill, collected, returned)) == []
    for no_return in (
        replace(returned, amount_cents=11900 + 1600, open_cents=11900 + 1600),
        replace(returned, remittance="Ruecklastschrift RE-2026-1043"),
        replace(returned, side="credit"),
    ):
        assert taken(one(bill, collected, no_return)) == ["t1"]


def test_each_return_takes_the_payment_before_it() -> None:
    third = booked("third", booked_on=AGAIN + timedelta(days=9))
    once_more = replace(back(), id="back2", booked_on=AGAIN + timedelta(days=2))
    assert taken(one(receipt(), pulled(), back(), again(), once_more, third)) == ["third"]


def test_who_paid_twice_and_got_one_back_has_paid_once() -> None:
    second = pulled("t2", booked_on=PULLED + timedelta(days=3))
    refund = back(booked_on=PULLED + timedelta(days=5), remittance="Erstattung RE-2026-1042")
    assert taken(one(receipt(), pulled(), second, refund)) == ["t1"]


def test_money_for_a_credit_note_is_no_return() -> None:
    note = receipt("note", number="GS-77", amount_cents=-11900, issued_on=BACK, due_on=None)
    refund = back(remittance="")
    assert taken(one(receipt(), pulled(), refund)) == []
    found = decide([receipt(), note], [pulled(), replace(refund, remittance="Gutschrift GS-77")])
    assert (taken(found["r1"]), taken(found["note"])) == (["t1"], ["back"])


@pytest.mark.parametrize(
    "values",
    [
        {"counterparty": "Dachdecker Ulrich KG"},
        {"amount_cents": 11901},
        {"currency": "USD"},
        {"booked_on": PULLED - timedelta(days=1)},
        {"booked_on": PULLED + timedelta(days=61)},
        {"open_cents": 0},
        {"remittance": "Erstattung Kundennr 445566"},
    ],
    ids=["another party's", "another amount", "another currency", "before", "long after", "somebody has assigned it", "a word"],
)
def test_what_is_no_return(values: dict[str, Any]) -> None:
    """As it is, without a word, it may be one."""
    line = pulled(remittance="RE-2026-1042 Kundennr 445566")
    assert taken(one(receipt(), line, back(remittance=""))) == []
    assert taken(one(receipt(), line, back(**{"remittance": "", **values}))) == ["t1"]


def test_who_pulls_twice_has_been_given_it_back() -> None:
    """Though no return is there. Who sends it twice has paid twice."""
    kinds = {"operation_type": "direct_debit"}, {"operation_type": "transfer"}
    month = PULLED + timedelta(days=34)
    found = [one(receipt(), pulled(**kind), again(booked_on=month, **kind)) for kind in kinds]
    assert [(taken(decision), decision.reason) for decision in found] == [([], ReviewReason.SEVERAL_EQUAL), (["t1"], None)]
    for other in ({"booked_on": PULLED + timedelta(days=180)}, {"booked_on": month, "counterparty": "Zoohandlung Quast"}):
        assert taken(one(receipt(), pulled(**kinds[0]), again(**other, **kinds[0]))) == ["t1"]


@pytest.mark.parametrize("filed", [[10, 11], [10]], ids=["both invoices", "the next is not filed yet"])
def test_a_contracts_number_is_pulled_each_month(filed: list[int]) -> None:
    rents = [receipt(f"r{n}", number="MV-2026-0815", issued_on=date(2026, n, 1), due_on=date(2026, n, 5)) for n in filed]
    lines = [
        booked(f"t{n}", booked_on=date(2026, n, 5), remittance=f"Miete {n}/2026 MV-2026-0815", operation_type="direct_debit")
        for n in (10, 11)
    ]
    found = decide(rents, lines, covered_until=date(2026, 12, 31))
    assert {known: taken(decision) for known, decision in found.items()} == {f"r{n}": [f"t{n}"] for n in filed}


# --- of several payments that of which the return repeats the number -------------------------------------------------


def two(second: int = 8) -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    """Two equal invoices of one party, each named by its debit."""
    bills = [receipt(f"r{n}", number=f"RE-2026-104{n}") for n in (2, 3)]
    days = {2: PULLED, 3: ISSUED + timedelta(days=second)}
    return bills, [pulled(f"t{n}", booked_on=day, remittance=f"Einzug RE-2026-104{n} MREF 77123") for n, day in days.items()]


def returned(number: int, days: int = 10) -> TransactionFacts:
    text = f"Rücklastschrift RE-2026-104{number} MREF 77123"
    return booked(f"b{number}", side="credit", booked_on=ISSUED + timedelta(days=days), remittance=text)


@pytest.mark.parametrize("second", [7, 8, 35])
@pytest.mark.parametrize(("number", "paid"), [(2, {"r2": [], "r3": ["t3"]}), (3, {"r2": ["t2"], "r3": []})])
def test_the_payment_comes_back_whose_number_is_told(number: int, paid: dict[str, list[str]], second: int) -> None:
    bills, lines = two(second)
    found = decide(bills, [*lines, returned(number, days=second + 2)])
    assert {known: taken(decision) for known, decision in found.items()} == paid


@pytest.mark.parametrize("days", [10, 11])
def test_each_of_two_returns_takes_its_own(days: int) -> None:
    bills, lines = two()
    found = decide(bills, [*lines, returned(2), returned(3, days)])
    assert {decision.status for decision in found.values()} == {"review"}


def test_which_of_two_came_back_is_for_people_where_nothing_tells() -> None:
    bills, lines = two()
    found = decide(bills, [*lines, replace(returned(2), remittance="Rücklastschrift")])
    assert {decision.status for decision in found.values()} == {"review"}


def test_a_payment_of_which_an_equal_part_is_open_did_not_come_back() -> None:
    part = booked("part", amount_cents=20000, open_cents=11900, booked_on=PULLED + timedelta(days=1), remittance="Rechnung 4711")
    assert taken(one(receipt(), pulled(), part, back())) == []


def test_an_invoice_number_tells_more_than_a_mandate() -> None:
    """The payment that came back has a short text; the other shares mandate and creditor with the return."""
    bills, _ = two()
    long, short = "Mandat 77123 CRED DE98ZZZ00000123456", "RE-2026-1043"
    lines = [
        pulled("t2", remittance=f"RE-2026-1042 {long}"),
        pulled("t3", booked_on=PULLED + timedelta(days=1), remittance=short),
        back(remittance=f"Rücklastschrift {short} {long}"),
    ]
    assert {known: taken(decision) for known, decision in decide(bills, lines).items()} == {"r2": ["t2"], "r3": []}


@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("told", ["Oktober", "November"])
def test_the_month_that_is_told_came_back(ids: tuple[str, str], told: str) -> None:
    """Whatever the debits are called, and also on one day: what came back is not assigned."""
    rents = [
        receipt(f"m{month}", number=f"M-{month}", issued_on=ISSUED.replace(month=month, day=1), due_on=None) for month in (10, 11)
    ]
    names = ("Oktober", "November")
    lines = [
        booked(known, booked_on=ISSUED + timedelta(days=1), remittance=f"Miete {name} 2026", operation_type="direct_debit")
        for known, name in zip(ids, names, strict=True)
    ]
    undone = back(booked_on=ISSUED + timedelta(days=4), remittance=f"Rücklastschrift Miete {told} 2026")
    found = decide(rents, [*lines, undone])
    assert [dict(zip(names, ids, strict=True))[told]] not in [taken(decision) for decision in found.values()]


def test_two_returns_with_and_without_a_fee_take_two_payments() -> None:
    bill, collected = sold()
    lines = [collected, again(side="credit", booked_on=PULLED + timedelta(days=7))]
    for first, second in ((12250, 11900), (11900, 12250), (12250, 12250), (11900, 11900)):
        returns = [
            replace(back(side="debit", amount_cents=cents), id=f"b{n}", booked_on=PULLED + timedelta(days=8 + n))
            for n, cents in enumerate((first, second))
        ]
        assert taken(one(bill, *lines, *returns)) == []


def test_a_credit_notes_money_is_not_undone_by_the_next_debit() -> None:
    note = receipt(number="GS-77", amount_cents=-11900, due_on=None)
    refund = booked("ref", side="credit", remittance="Gutschrift GS-77 Kundennr 445566")
    for text in ("", "Lastschrift RE-2026-1099 Kundennr 445566"):
        assert taken(one(note, refund, booked("next", booked_on=AGAIN + timedelta(days=5), remittance=text))) == ["ref"]


def test_of_members_who_owe_the_same_the_named_one_came_back() -> None:
    members = [
        receipt(f"m{n}", direction="income", number=f"B-2026-000{n}", counterparty=name, amount_cents=4800)
        for n, name in enumerate(("Ada Muster", "Bernd Ohlsen"))
    ]
    paid = [
        booked(f"t{n}", side="credit", amount_cents=4800, counterparty=member.counterparty, remittance=f"Beitrag {member.number}")
        for n, member in enumerate(members)
    ]
    for cents in (4800, 5150):
        text = "Ruecklastschrift B-2026-0001 mangels Deckung"
        undone = booked("b", amount_cents=cents, booked_on=AGAIN, counterparty=None, remittance=text)
        found = decide(members, [*paid, undone])
        assert {known: taken(decision) for known, decision in found.items()} == {"m0": ["t0"], "m1": []}


# --- which of several, by what else is told ----------------------------------------------------------------------------

DEBIT, TRANSFER = {"operation_type": "direct_debit"}, {"operation_type": "transfer"}


@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize(("sent", "came"), [(9, 10), (9, 9), (7, 28)], ids=["before", "that day", "on the debit's day"])
@pytest.mark.parametrize("text", ["Rücklastschrift RE-2026-1042", "Rücklastschrift"])
def test_who_sent_the_money_before_the_return_was_booked_has_paid(text: str, sent: int, came: int, ids: tuple[str, str]) -> None:
    debit = pulled(ids[0], **DEBIT)
    transfer = booked(ids[1], booked_on=ISSUED + timedelta(days=sent), **TRANSFER)
    undone = back(booked_on=ISSUED + timedelta(days=came), remittance=text)
    assert taken(one(receipt(), debit, transfer, undone)) == [ids[1]]


def test_a_bank_repeats_the_text_of_what_it_takes_back() -> None:
    """Where a bank tells no kinds, mandate and creditor say that it was not the transfer."""
    mandate = "RE-2026-1042 MREF 77 CRED DE98ZZZ1"
    lines = [pulled(remittance=f"SEPA-Lastschrift {mandate}"), booked("t2"), back(remittance=f"Rücklastschrift {mandate}")]
    assert taken(one(receipt(), *lines)) == ["t2"]


def test_a_second_try_on_the_day_of_the_return_is_not_what_came_back() -> None:
    assert taken(one(receipt(), pulled(), back(), again(booked_on=BACK))) == ["again"]


def test_a_transfer_comes_back_as_well() -> None:
    sent, bounced = pulled(**TRANSFER), back(remittance="SEPA-Überweisung Retoure AC01")
    assert taken(one(receipt(), sent, bounced)) == []
    assert taken(one(receipt(), sent, bounced, again(**TRANSFER))) == ["again"]
    assert taken(one(receipt(), pulled(**DEBIT), bounced)) == ["t1"]


@pytest.fixture
def monthly() -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    """Three months of electricity, each debited with the same text."""
    days = [date(2026, month, 5) for month in (9, 10, 11)]
    bills = [
        receipt(f"r{day.month}", number=f"SW-2026-{day.month:02}77", issued_on=day.replace(day=1), due_on=day) for day in days
    ]
    text = "Abschlag MREF 77123 CRED DE98ZZZ00000123456"
    return bills, [booked(f"t{day.month}", booked_on=day, remittance=text, **DEBIT) for day in days]


Monthly = tuple[list[ReceiptFacts], list[TransactionFacts]]
MANDATE = "MREF 77123 CRED DE98ZZZ00000123456"


@pytest.mark.parametrize(
    ("day", "values", "paid"),
    [
        (20, {"remittance": f"Rücklastschrift vom 05.10.2026 {MANDATE}"}, "r9 r11"),
        (20, {"remittance": f"Rücklastschrift Abschlag 10/2026 {MANDATE}"}, "r9 r11"),
        (20, {"remittance": f"Rücklastschrift {MANDATE}"}, "r9"),
        (9, {"remittance": f"Rücklastschrift {MANDATE}"}, "r9 r10"),
        (9, {"remittance": f"Rücklastschrift {MANDATE}", "counterparty": None}, "r9 r10"),
        (9, {"remittance": "Rücklastschrift Holzhandel Weber GmbH", "counterparty": "Musterbank eG"}, "r9 r10"),
        (9, {"remittance": "Rücklastschrift MREF 55555", "counterparty": "Erika Mustermann"}, "r9 r10 r11"),
    ],
    ids=["the day", "the month", "weeks after", "days after", "no name", "the bank's name", "somebody else's"],
)
def test_which_month_came_back(monthly: Monthly, day: int, values: dict[str, Any], paid: str) -> None:
    """Nothing is covered again in five banking days; who objects to a debit may do so for eight weeks."""
    bills, lines = monthly
    found = decide(bills, [*lines, back(booked_on=date(2026, 11, day), **values)], covered_until=date(2026, 12, 31))
    assert {known: taken(one) for known, one in found.items() if taken(one)} == {
        known: [known.replace("r", "t")] for known in paid.split()
    }


def test_a_debit_that_came_back_is_no_rival_of_the_next(monthly: Monthly) -> None:
    bills, lines = monthly
    undone = back(booked_on=date(2026, 11, 9), remittance=f"Rücklastschrift {MANDATE}")
    lines += [undone, replace(lines[-1], id="again", booked_on=date(2026, 11, 14))]
    assert taken(decide(bills[2:], lines[2:], covered_until=date(2026, 12, 31))["r11"]) == ["again"]


def test_one_number_for_all_rents_tells_less_than_the_month() -> None:
    rents = [receipt(f"r{n}", number="MV-2026-0815", issued_on=date(2026, n, 1), due_on=date(2026, n, 5)) for n in (10, 11)]
    lines = [booked(f"t{n}", booked_on=date(2026, n, 5), remittance=f"Miete {n}/2026 MV-2026-0815", **DEBIT) for n in (10, 11)]
    undone = back(booked_on=date(2026, 11, 7), remittance="Rücklastschrift Miete 10/2026 MV-2026-0815")
    found = decide(rents, [*lines, undone], covered_until=date(2026, 12, 31))
    assert {known: taken(decision) for known, decision in found.items()} == {"r10": [], "r11": ["t11"]}


@pytest.mark.parametrize("ids", [("b1", "b2"), ("b2", "b1")])
def test_the_return_that_says_more_is_heard_first(ids: tuple[str, str]) -> None:
    bills, lines = two()
    returns = [replace(returned(2), id=ids[0]), replace(returned(3), id=ids[1], remittance="Rücklastschrift")]
    second = [replace(line, id=f"n{line.id[1]}", booked_on=AGAIN) for line in lines]
    found = decide(bills, [*lines, *returns, *second])
    assert {known: taken(decision) for known, decision in found.items()} == {"r2": ["n2"], "r3": ["n3"]}


@pytest.mark.parametrize(
    ("months", "days", "text"),
    [
        ("10", {"again": date(2026, 11, 5)}, MANDATE),
        ("10 11", {"again": date(2026, 11, 14)}, MANDATE),
        ("11", {"again": date(2026, 11, 14)}, f"Abschlag 12/2026 {MANDATE}"),
    ],
    ids=["the next month's", "one of two", "another month's"],
)
def test_a_later_payment_may_be_another_months(monthly: Monthly, months: str, days: dict[str, date], text: str) -> None:
    """The first of them is in no books: what came back stays a sign that they come each month."""
    bills, lines = monthly
    kept = [one for one in bills if one.id[1:] in months.split()]
    tried = [line for line in lines if line.id[1:] in months.split()]
    undone = [
        back(booked_on=line.booked_on + timedelta(days=3), remittance=f"Rücklastschrift vom {line.booked_on:%d.%m.%Y} {MANDATE}")
        for line in tried
    ]
    undone = [replace(one, id=f"b{n}") for n, one in enumerate(undone)]
    tries = [replace(lines[0], id=known, booked_on=day, remittance=text) for known, day in days.items()]
    found = decide(kept, [*tried, *undone, *tries], covered_until=date(2026, 12, 31))
    assert {known: taken(decision) for known, decision in found.items()} == {bill.id: [] for bill in kept}


def test_who_objects_may_mean_an_older_payment(monthly: Monthly) -> None:
    bills, lines = monthly
    undone = back(booked_on=date(2026, 11, 9), remittance=f"Rücklastschrift MD06 Widerspruch {MANDATE}")
    found = decide(
        bills, [*lines, undone, replace(lines[2], id="n", booked_on=date(2026, 11, 20))], covered_until=date(2026, 12, 31)
    )
    assert [taken(found[known]) for known in ("r10", "r11")] == [[], []]


def test_a_return_of_nobody_knows_whom_frees_no_other_payment() -> None:
    later = again(side="credit", booked_on=PULLED + timedelta(days=33), remittance="")
    bill, collected = sold()
    nameless = back(side="debit", counterparty=None, remittance="Rücklastschrift AM04")
    assert taken(one(bill, replace(collected, remittance=""), nameless, later)) == []


@pytest.mark.parametrize("name", [None, "Sparkasse Musterstadt", "HOLZHANDEL WEBER"])
@pytest.mark.parametrize(
    "text",
    [
        "AM04 Entgelt 3,50",
        "vom 09.11.2026 Rückgabegebühr",
        "MREF 7712345",
        "Holzhandel Weber GmbH",
        "OAMT 119,00 COAM 3,50 Holzhandel Weber GmbH",
    ],
)
def test_a_fee_on_top_of_what_is_not_named(name: str | None, text: str) -> None:
    bill, collected = sold()
    collected = replace(collected, remittance="RE-2026-1042 MREF 7712345")
    undone = back(side="debit", amount_cents=12250, counterparty=name, remittance=f"Rücklastschrift {text}")
    assert taken(one(bill, collected, replace(undone, booked_on=BACK + timedelta(days=2)))) == []


@pytest.mark.parametrize("many", [30, 300])
@pytest.mark.parametrize(("name", "cents"), [("own", 4800), ("own", 5150), (None, 4800), ("Sparkasse Musterstadt", 4800)])
def test_a_members_fee_came_back_whoever_says_so(many: int, name: str | None, cents: int) -> None:
    """No number is told, of hundreds only under the member's own name; with the bank's fee on top, or under the bank's name."""
    members = [f"{first} {last}" for first in FIRST_NAMES.split() for last in LAST_NAMES.split()][:many]
    values: dict[str, Any] = {"amount_cents": 4800}
    bills = [
        receipt(f"m{n}", direction="income", number=f"B-2026-{n:04}", counterparty=member, **values)
        for n, member in enumerate(members)
    ]
    paid = [
        booked(f"t{n}", side="credit", counterparty=member, remittance=f"Beitrag B-2026-{n:04}", **values)
        for n, member in enumerate(members)
    ]
    teller = members[7] if name == "own" else name
    undone = booked("b", amount_cents=cents, booked_on=AGAIN, counterparty=teller, remittance=f"Rücklastschrift {members[7]}")
    held = {known for known, decision in decide(bills, [*paid, undone]).items() if decision.status == "review"}
    assert held == ({"m7"} if name == "own" or many < 200 else set())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Musterschutz Versicherung AG", "Erstattung Rechnung RE-2026-1042"),
        ("Schwester GmbH", "Weiterbelastung RE-2026-1042"),
        ("HOLZHANDEL WEBER", "Gutschrift GS-77 Retoure LS 88123"),
    ],
)
def test_who_else_pays_back_undoes_nothing(name: str, text: str) -> None:
    note = receipt("note", number="GS-77", amount_cents=-11900, issued_on=BACK, due_on=None)
    found = decide([receipt(), note], [pulled(), back(counterparty=name, remittance=text)])
    assert taken(found["r1"]) == ["t1"]


@pytest.mark.parametrize("text", ["Rücklastschrift", "Rücklastschrift MREF 7712345", "mangels Deckung", "Rückgabegrund AC04"])
def test_what_came_back_pays_nothing(text: str) -> None:
    """An open sale to the same party, or its credit note, of the same amount is another thing; what names it is its payment."""
    sale = receipt("other", direction="income", number="A-9901", issued_on=BACK, due_on=None)
    note = receipt("other", number="GS-7701", amount_cents=-11900, issued_on=BACK, due_on=None)
    for other in (sale, note):
        found = decide([receipt(), other], [pulled(**DEBIT), back(remittance=text)])
        assert (taken(found["r1"]), taken(found["other"])) == ([], [])
        (said,) = [reason for reason in found["other"].candidates[0].reasons if reason.code is ReasonCode.IS_RETURN]
        assert not said.is_for
        named = back(remittance=f"Gutschrift {other.number} nach Rückgabe Lastschrift")
        assert taken(decide([receipt(), other], [pulled(**DEBIT), named])["other"]) == ["back"]


def test_who_pays_after_a_return_has_paid() -> None:
    """He sends what was given back, and says why; his transfer does not undo the return."""
    bill, collected = sold()
    undone = back(side="debit", remittance="Rücklastschrift RE-2026-1042")
    sent = again(side="credit", remittance="Nachzahlung zur Rücklastschrift")
    decision = one(bill, collected, undone, sent)
    assert taken(decision) == []
    assert [part.transaction for part in decision.candidates[0].allocations] == ["again"]
    named = replace(sent, remittance="Rücklastschrift RE-2026-1042 wird hiermit gezahlt")
    assert taken(one(bill, collected, undone, named)) == ["again"]


# --- sums and parts ---------------------------------------------------------------------------------------------------


def test_what_paid_several_invoices_came_back_for_all() -> None:
    bills = [receipt(), receipt("r2", number="RE-2026-1043")]
    line = pulled(amount_cents=23800, remittance="RE-2026-1042 RE-2026-1043")
    assert {d.status for d in decide(bills, [line]).values()} == {"assigned"}
    undone = back(amount_cents=23800, remittance="Rücklastschrift RE-2026-1042 RE-2026-1043")
    assert {d.status for d in decide(bills, [line, undone]).values()} == {"review"}


def test_a_payment_less_its_discount_came_back() -> None:
    line = pulled(amount_cents=11662)
    assert one(receipt(), line).status == "assigned"
    assert one(receipt(), line, back(amount_cents=11662)).status == "review"


@pytest.mark.parametrize("count", [2, 4])
def test_of_rates_of_which_one_came_back_none_is_assigned(count: int) -> None:
    rates = [
        pulled(f"q{n}", amount_cents=11900 // count, booked_on=PULLED + timedelta(days=30 * n), remittance="RE-2026-1042 Rate")
        for n in range(count)
    ]
    assert one(receipt(), *rates).status == "assigned"
    last = back(amount_cents=11900 // count, booked_on=rates[-1].booked_on + timedelta(days=3), remittance="Rücklastschrift")
    assert one(receipt(), *rates, last).status == "review"


# --- what says so and what does not -----------------------------------------------------------------------------------


def test_a_refund_without_its_credit_note_leaves_the_next_payment() -> None:
    """It does not say whose money it is: the invoice's payment may have been another."""
    refund = back(booked_on=PULLED + timedelta(days=3), remittance="Erstattung")
    assert taken(one(receipt(), pulled(), refund)) == ["t1"]


def test_a_transfer_cannot_be_returned_by_a_stranger() -> None:
    nameless = back(counterparty=None, remittance="Rücklastschrift MREF 0009 Bernd Muster")
    assert taken(one(receipt(), pulled(operation_type="transfer"), nameless)) == ["t1"]


def test_what_others_owe_us_is_no_credit_note_of_his() -> None:
    sale = receipt("sale", direction="income", number="A-77", counterparty="Zoohandlung Quast", issued_on=BACK, due_on=None)
    found = decide([receipt(), sale], [pulled(), back(remittance="Retoure RE-2026-1042")])
    assert taken(found["r1"]) == []
