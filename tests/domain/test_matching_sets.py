"""Payments that are not one to one: collective ones, instalments, netted credit notes, sums."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from portal.domain.matching import ReasonCode, ReceiptFacts, ReviewReason
from tests.domain.matching_facts import IBAN, ISSUED, OTHER_IBAN, booked, charges, decide, month_bill, one, receipt, shared_rents


def _three() -> list[ReceiptFacts]:
    return [receipt(f"r{n}", number=f"RE-2026-10{n}1", amount_cents=1000 * n) for n in (1, 2, 3)]


def test_a_collective_payment_is_shared_to_the_cent() -> None:
    line = booked(amount_cents=6000, remittance="RE-2026-1011, RE-2026-1021, RE-2026-1031")
    found = decide(_three(), [line])
    assert [(d.status, d.allocations[0].amount_cents) for d in found.values()] == [("assigned", 1000 * n) for n in (1, 2, 3)]


def test_a_link_of_the_bank_with_which_nothing_agrees_does_not_stop_a_list_that_adds_up() -> None:
    line = booked(amount_cents=6000, remittance="RE-2026-1011/RE-2026-1021/RE-2026-1031")
    stranger = receipt("r4", number="ZZ-9", amount_cents=500, counterparty="Andere AG", linked_transactions=("t1",))
    found = decide([*_three(), stranger], [line])
    assert [d.receipt for d in found.values() if d.status == "assigned"] == ["r1", "r2", "r3"]
    elsewhere = booked("t2", amount_cents=507, remittance="", counterparty="Bäckerei Süß")
    linked, *others = _three()
    found = decide([replace(linked, linked_transactions=("t2",)), *others], [line, elsewhere])
    assert [d.receipt for d in found.values() if d.status == "assigned"] == ["r1", "r2", "r3"]
    own = replace(stranger, counterparty="Holzhandel Weber GmbH")
    assert {d.status for d in decide([*_three(), own], [line]).values()} == {"review"}, "one of the same party is heard"


def test_a_collective_payment_that_does_not_add_up_is_left() -> None:
    line = booked(amount_cents=6001, remittance="RE-2026-1011, RE-2026-1021, RE-2026-1031")
    assert {d.status for d in decide(_three(), [line]).values()} == {"review"}


def test_a_netted_credit_note_gives_room() -> None:
    receipts = [
        receipt("r1", amount_cents=12000, number="RE-2026-1011"),
        receipt("r2", amount_cents=-2000, number="GS-2026-1021"),
    ]
    found = decide(receipts, [booked(amount_cents=10000, remittance="RE-2026-1011 abzgl. GS-2026-1021")])
    assert {key: d.allocations[0].amount_cents for key, d in found.items()} == {"r1": 12000, "r2": -2000}


def test_a_sum_that_one_party_owes_in_one_way_only() -> None:
    """Nothing is listed: after a week, if no part has a payment of its own and no other sum is as high."""
    receipts = [receipt(f"r{n}", number=None, amount_cents=cents, iban=IBAN) for n, cents in enumerate((12345, 23456, 34567))]
    line = booked(amount_cents=12345 + 34567, iban=IBAN, remittance="diverse Rechnungen")
    for days, status in ((7, "review"), (8, "assigned")):
        found = decide(receipts, [line], covered_until=line.booked_on + timedelta(days=days))
        assert [found[name].status for name in ("r0", "r1", "r2")] == [status, "review", status]
    assert found["r0"].allocations[0].amount_cents == 12345
    own = booked("t2", amount_cents=12345, iban=IBAN, remittance="")
    assert decide(receipts, [line, own])["r2"].status == "review"
    two_ways = [*receipts, receipt("r3", number=None, amount_cents=34567, iban=IBAN, issued_on=ISSUED + timedelta(days=1))]
    assert {decision.status for decision in decide(two_ways, [line]).values()} == {"review"}
    round_ones = [replace(made, amount_cents=10_000 * n) for n, made in enumerate(receipts, start=1)]
    assert decide(round_ones, [replace(line, amount_cents=50_000, open_cents=50_000)])["r1"].status == "review"
    uploaded = [replace(made, is_from_bank=made.id != "r0") for made in receipts]
    assert {decision.status for decision in decide(uploaded, [line]).values()} == {"review"}
    strangers = [replace(made, counterparty="Andere AG", iban=OTHER_IBAN) for made in receipts]
    assert {decision.status for decision in decide(strangers, [line]).values()} == {"review"}


def test_a_list_that_was_cut_is_completed() -> None:
    cents = (12345, 23456, 34567)
    receipts = [receipt(f"r{n}", number=f"RE-2026-10{n}1", amount_cents=part) for n, part in enumerate(cents)]
    line = booked(amount_cents=sum(cents), remittance="RE-2026-1001, RE-2026-1011, RE-2")
    assert {d.status for d in decide(receipts, [line]).values()} == {"assigned"}
    assert {d.status for d in decide(receipts, [replace(line, amount_cents=70369, open_cents=70369)]).values()} == {"review"}


def test_a_credit_note_that_no_text_names_is_taken_off() -> None:
    note = receipt("r2", number="GS-77", amount_cents=-1234)
    line = booked(amount_cents=11900 - 1234)
    found = decide([receipt("r1"), note], [line])
    assert {name: d.allocations[0].amount_cents for name, d in found.items()} == {"r1": 11900, "r2": -1234}
    other = replace(note, id="r3", number="GS-78")
    assert "assigned" not in {d.status for name, d in decide([receipt("r1"), note, other], [line]).items() if name != "r1"}

    cut = booked(amount_cents=11900 - 1234, counterparty="HOLZHANDEL WEBER GMB", iban="")
    assert {d.status for d in decide([receipt("r1"), note], [cut]).values()} == {"assigned"}
    stranger = replace(note, counterparty="Holzbau Wagner GmbH")
    assert decide([receipt("r1"), stranger], [cut])["r2"].status == "review"


def test_one_invoice_in_two_payments_that_do_not_name_it() -> None:
    made = receipt(amount_cents=11923, number=None)
    lines = [booked(f"t{n}", amount_cents=cents, remittance="") for n, cents in enumerate((4711, 7212))]
    assert {part.transaction for part in one(made, *lines).allocations} == {"t0", "t1"}
    third = booked("t2", amount_cents=7212, remittance="")
    assert one(made, *lines, third).status == "review"
    # one of the two may be an invoice of its own
    small = receipt("r2", amount_cents=7212, number=None)
    assert decide([made, small], lines)["r1"].status == "review"


def test_short_numbers_are_a_list_if_the_party_is_clear() -> None:
    receipts = [receipt(f"r{n}", number=str(88020 + n), amount_cents=1000 * n) for n in (1, 2, 3)]
    line = booked(amount_cents=6000, remittance="88021, 88022, 88023")
    assert {d.status for d in decide(receipts, [line]).values()} == {"assigned"}
    stranger = replace(line, counterparty="Stadtwerke Suhl")
    assert {d.status for d in decide(receipts, [stranger]).values()} == {"review"}


def test_instalments_that_name_the_invoice_are_bundled() -> None:
    lines = [
        booked(f"t{n}", amount_cents=cents, booked_on=ISSUED + timedelta(days=20 * n), remittance=f"RE-2026-1042 Rate {n}")
        for n, cents in ((1, 5000), (2, 6900))
    ]
    decision = one(receipt(), *lines)
    assert [(part.transaction, part.amount_cents) for part in decision.allocations] == [("t1", 5000), ("t2", 6900)]


def test_another_supplier_with_the_same_number_disturbs_neither_instalments_nor_a_conversion() -> None:
    theirs = receipt("r2", counterparty="Stadtwerke Suhl", amount_cents=7700)
    their_line = booked("t9", counterparty="STADTWERKE SUHL", amount_cents=5555)
    lines = [booked(f"t{n}", amount_cents=cents) for n, cents in ((1, 5000), (2, 6900))]
    assert [part.transaction for part in decide([receipt(), theirs], [*lines, their_line])["r1"].allocations] == ["t1", "t2"]
    one_more = booked("t3", amount_cents=100)
    assert decide([receipt(), theirs], [*lines, one_more, their_line])["r1"].status == "review"
    dollars = receipt(currency="USD", amount_cents=13000)
    assert decide([dollars, theirs], [booked(), their_line])["r1"].status == "assigned"
    assert decide([dollars, theirs], [booked(), replace(their_line, counterparty="HOLZHANDEL WEBER")])["r1"].status == "review"


def test_instalments_that_do_not_add_up_are_left() -> None:
    lines = [booked(f"t{n}", amount_cents=5000, remittance=f"RE-2026-1042 Rate {n}") for n in (1, 2)]
    assert one(receipt(), *lines).status == "review"


def test_the_rest_of_a_used_transaction() -> None:
    decision = one(receipt(), booked(amount_cents=20000, open_cents=11900))
    assert decision.status == "assigned"
    assert decision.allocations[0].amount_cents == 11900


def test_numbers_in_a_row_whose_sum_is_right() -> None:
    receipts = [receipt(f"r{n}", number=f"20250711{n}", amount_cents=1000 * n) for n in (5, 6, 7)]
    line = booked(amount_cents=18000, remittance="202507115/202507116/202507117")
    assert {d.status for d in decide(receipts, [line]).values()} == {"assigned"}
    stranger = booked(amount_cents=18000, remittance="202507115/202507116/202507117", counterparty="Stadtwerke Suhl")
    assert {d.status for d in decide(receipts, [stranger]).values()} == {"review"}


def test_an_uploaded_copy_does_not_stop_the_banks_own_invoice() -> None:
    decisions = decide([receipt("r1"), receipt("r2", is_from_bank=False)], [booked()])
    assert (decisions["r1"].status, decisions["r2"].reason) == ("assigned", ReviewReason.ALREADY_LINKED)


def test_what_was_assigned_makes_others_clear_in_the_same_run() -> None:
    """Two equal lines of one supplier: one names its invoice, so the other is the other's."""
    receipts = [receipt("r1"), receipt("r2", number=None, issued_on=ISSUED + timedelta(days=1), due_on=None)]
    lines = [booked("t1"), booked("t2", remittance="", booked_on=ISSUED + timedelta(days=3))]
    whole = decide(receipts, lines)
    assert whole["r1"].allocations[0].transaction == "t1"
    left = [made for made in receipts if whole[made.id].status == "review"]
    used = {part.transaction: part.amount_cents for d in whole.values() for part in d.allocations}
    rest = [replace(line, open_cents=line.open_cents - used.get(line.id, 0)) for line in lines]
    assert decide(left, rest) == {made.id: whole[made.id] for made in left}


@pytest.mark.parametrize(("cents", "percent"), [(5880, 2), (5820, 3), (5700, None), (5881, 2)])
def test_a_list_less_a_discount_is_shared_to_the_cent(cents: int, percent: int | None) -> None:
    """Each invoice is shortened alike; five per cent are no usual discount, and every invoice may have been rounded by itself."""
    found = decide(_three(), [booked(amount_cents=cents, remittance="RE-2026-1011, RE-2026-1021, RE-2026-1031")])
    if percent is None:
        assert {d.status for d in found.values()} == {"review"}
        return
    assert {d.status for d in found.values()} == {"assigned"}
    assert sum(d.allocations[0].amount_cents for d in found.values()) == cents
    reason = found["r3"].candidates[0].reasons[0]
    assert (reason.code, reason.named["percent"], reason.named["count"]) == (ReasonCode.SUM_LESS_DISCOUNT, percent, 3)
    assert (reason.named["amount_cents"], reason.named["difference_cents"]) == (6000, cents - 6000)


def test_the_rest_of_an_invoice_that_was_paid_in_part_completes_it() -> None:
    made = receipt(amount_cents=169290, iban=IBAN)
    part = booked("t1", amount_cents=152361, iban=IBAN)
    rest = booked("t2", amount_cents=16929, iban=IBAN, remittance="Restbetrag", booked_on=ISSUED + timedelta(days=40))
    found = one(made, part, rest)
    assert {part.transaction: part.amount_cents for part in found.allocations} == {"t1": 152361, "t2": 16929}
    assert one(made, part, replace(rest, amount_cents=17000, open_cents=17000)).status == "review"
    own = receipt("r2", number="RE-2026-1043", amount_cents=16929, iban=IBAN)
    assert decide([made, own], [part, rest])["r1"].status == "review", "an invoice of its own may be meant"


# --- what others pay, and what is billed at a month's end ------------------------------------------------------------


def test_a_part_that_somebody_else_pays_is_known_by_the_name_in_its_text() -> None:
    rents, lines = shared_rents(3)
    found = decide(rents, lines)
    paid = {known: {part.transaction for part in decision.allocations} for known, decision in found.items()}
    assert paid == {f"r{n}": {f"o{n}", f"t{n}"} for n in range(3)}
    for_another = [replace(line, remittance="KdU Max Beispiel") if line.id == "o1" else line for line in lines]
    found = decide(rents, for_another)
    assert {known: decision.status for known, decision in found.items()} == {"r0": "assigned", "r1": "review", "r2": "assigned"}


def test_what_was_charged_in_a_month_makes_the_bill_at_its_end() -> None:
    lines = charges(30000, 30000, 30000, 4077)
    before, after = (
        booked(
            name, amount_cents=15000, counterparty="FACEBK *AYFQ9SRVT1", remittance="", operation_type="card", emitted_on=day,
            booked_on=day + timedelta(days=2),
        )
        for name, day in (("t8", date(2026, 10, 30)), ("t9", date(2026, 12, 2)))
    )  # fmt: skip
    bill = month_bill(94077)
    assert {part.transaction for part in one(bill, *lines, before, after).allocations} == {"t0", "t1", "t2", "t3"}
    assert one(replace(bill, amount_cents=94078), *lines, before, after).status == "review"
    assert one(replace(bill, is_from_bank=False), *lines).status == "review"
    late = replace(bill, issued_on=date(2026, 12, 3))
    assert one(late, *lines, before, after).status == "assigned", "billed days after the month"
    # where only the booking is told, the only run of them that adds up is meant, if that is no chance
    plain = [replace(line, emitted_on=None) for line in (*lines, before, after)]
    assert one(bill, *plain).status == "assigned"
    even = [replace(line, amount_cents=30000, open_cents=30000, emitted_on=None) for line in (*lines, before, after)]
    assert one(replace(bill, amount_cents=90000), *even).status == "review"


def test_what_an_office_paid_in_another_year_changes_nothing() -> None:
    """She pays one rent in two parts each time: which two, her own payments do not say."""
    rent = receipt(
        direction="income", number=None, counterparty="Erika Mustermann", amount_cents=70013, issued_on=ISSUED, due_on=None
    )
    lines = [
        booked(
            f"t{days}", side="credit", amount_cents=cents, counterparty="Erika Mustermann", remittance="",
            booked_on=ISSUED + timedelta(days=days),
        )
        for days, cents in ((0, 40006), (2, 30007), (30, 40006), (35, 30007))
    ]  # fmt: skip
    office = booked(
        "o1", side="credit", amount_cents=58810, counterparty="Jobcenter Musterstadt", remittance="KdU Erika Mustermann",
        booked_on=ISSUED - timedelta(days=900),
    )  # fmt: skip
    assert one(rent, *lines).status == "review"
    assert one(rent, *lines, office) == one(rent, *lines)


def test_two_purchases_are_no_month() -> None:
    """An Aral receipt of the fifth and two fills before it; an invoice of a month's end that prints an IBAN, or that has two answers."""
    fills = [replace(line, counterparty="ARAL STATION 4711 HAMBURG") for line in charges(4000, 6000, every=1)]
    bill = replace(month_bill(10000), counterparty="Aral Aktiengesellschaft")
    assert one(replace(bill, issued_on=date(2026, 11, 9)), *fills).status == "review", "within the month"
    assert one(bill, *fills).status == "review", "round, and only two"
    lines = charges(30000, 30000, 30000, 4077)
    assert one(replace(month_bill(94077), iban=IBAN), *lines).status == "review"
    assert one(replace(month_bill(94077), paid_on=date(2027, 1, 20)), *lines).status == "review"
    twice = [replace(line, id=f"x{line.id}", counterparty="META PLATFORMS") for line in lines]
    assert one(month_bill(94077), *lines, *twice).status == "review"
    ticket = receipt(
        "r9", counterparty="Meta Platforms Ireland Limited", amount_cents=4077, issued_on=date(2026, 11, 24), due_on=None
    )
    assert decide([month_bill(94077), ticket], lines)["r1"].status == "review", "one of them has a receipt of its own"
    longer = [*charges(30000, 30000, 30000, 4077, every=5), *charges(0, 0, 0, 0, 4077, 9911, every=4)[4:]]
    assert one(month_bill(94077), *longer).status == "review", "which of the two equal ones is billed here?"


def test_month_after_month_each_bill_has_its_own_charges() -> None:
    """The charges before and after are nearer to the bill's day, by which it is marked as paid, than most of its own."""
    months = ((9, (15654, 13270, 8471, 8425)), (10, (16091, 13749, 16171, 10882)), (11, (17208, 8237, 17569, 8592)))
    lines = [
        booked(
            f"t{month}-{n}", amount_cents=cents, counterparty="ADSPRING *CAMPAIGNS", remittance="", operation_type="card",
            emitted_on=date(2026, month, day), booked_on=date(2026, month, day + 1),
        )
        for month, charged in months
        for n, (day, cents) in enumerate(zip((4, 10, 16, 23), charged, strict=True))
    ]  # fmt: skip
    bills = [
        receipt(
            f"r{month}", number=f"AS-2026{month}", counterparty="Adspring Ireland Limited", amount_cents=sum(charged), due_on=None,
            issued_on=date(2026, month + 1, 1), paid_on=date(2026, month + 1, 1),
        )
        for month, charged in months
    ]  # fmt: skip
    found = decide([*bills, replace(bills[0], id="r8", number="AS-20268", issued_on=date(2026, 9, 1), amount_cents=41111)], lines)
    for month, charged in months:
        assert {part.transaction for part in found[f"r{month}"].allocations} == {f"t{month}-{n}" for n in range(len(charged))}
    assert found["r8"].status == "review"


def test_a_shop_may_be_called_by_a_number_too() -> None:
    lines = [replace(line, counterparty="WERBENETZ24 4711") for line in charges(30000, 30000, 30000, 4077)]
    assert one(replace(month_bill(94077), counterparty="Werbenetz24 GmbH"), *lines).status == "assigned"


@pytest.mark.parametrize(("number", "status"), [("VN-5981-5914", "assigned"), ("VN-14", "review")])
def test_four_quarters_that_name_one_invoice_pay_it(number: str, status: str) -> None:
    """A year's premium in rates; a short number may be another invoice's by then."""
    quarters = [
        booked(
            f"q{n}", amount_cents=2975, booked_on=ISSUED + timedelta(days=10 + 91 * n), remittance=f"{number} Beitrag {n + 1}/4"
        )
        for n in range(4)
    ]
    decision = one(receipt(number=number), *quarters)
    assert decision.status == status
    if status == "assigned":
        assert {part.transaction for part in decision.allocations} == {"q0", "q1", "q2", "q3"}
    assert one(receipt(number=number), *quarters[:3]).status == "review"
