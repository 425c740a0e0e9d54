"""The matcher: what it assigns alone, what it leaves to a person and why, and what holds for any facts at all."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.matching import tally
from bench.matching_set import FEEDS, ClientSet, make_client
from portal.domain.matching import (
    Decision,
    Reason,
    ReasonCode,
    ReceiptFacts,
    ReviewReason,
    TransactionFacts,
    found_spans,
    match,
    paying_side,
)
from portal.domain.matching.blocking import Index
from portal.domain.matching.kinship import acquaint

ISSUED = date(2026, 11, 2)
MONTH, LATE = timedelta(days=30), timedelta(days=4)
IBAN, OTHER_IBAN = "DE86000000000000000001", "DE59000000000000000002"


def receipt(id: str = "r1", **values: object) -> ReceiptFacts:  # noqa: A002 -- the fact's own name
    """A supplier's invoice of 119.00 EUR with a number."""
    facts = {
        "direction": "expense", "number": "RE-2026-1042", "counterparty": "Holzhandel Weber GmbH", "amount_cents": 11900,
        "currency": "EUR", "issued_on": ISSUED, "due_on": ISSUED + timedelta(days=14), "is_from_bank": True, **values,
    }  # fmt: skip
    return ReceiptFacts(id=id, **facts)  # type: ignore[arg-type]


def booked(id: str = "t1", **values: object) -> TransactionFacts:  # noqa: A002 -- as above
    """The transfer that pays it, nine days later, naming it."""
    facts: dict[str, object] = {
        "side": "debit", "amount_cents": 11900, "currency": "EUR", "booked_on": ISSUED + timedelta(days=9),
        "counterparty": "HOLZHANDEL WEBER", "remittance": "Rechnung RE-2026-1042", **values,
    }  # fmt: skip
    facts.setdefault("open_cents", facts["amount_cents"])
    return TransactionFacts(id=id, **facts)  # type: ignore[arg-type]


def decide(receipts: list[ReceiptFacts], lines: list[TransactionFacts], **values: object) -> dict[str, Decision]:
    return {decision.receipt: decision for decision in match(receipts, lines, **values)}  # type: ignore[arg-type]


def one(made: ReceiptFacts, *lines: TransactionFacts, **values: object) -> Decision:
    return decide([made], list(lines), **values)[made.id]


# --- waiting -------------------------------------------------------------------------------------------------------


def test_without_a_number_it_waits_a_week_and_says_until_when() -> None:
    made, line = receipt(), booked(remittance="")
    for days, status in ((0, "review"), (7, "review"), (8, "assigned")):
        decision = one(made, line, covered_until=line.booked_on + timedelta(days=days))
        assert decision.status == status
        told = {reason.code: reason.named for reason in decision.candidates[0].reasons}
        assert (ReasonCode.WAITING in told) == (status == "review")
    waiting = one(made, line, covered_until=line.booked_on).candidates[0].reasons[0]
    assert (waiting.code, waiting.named["assigned_on"]) == (ReasonCode.WAITING, line.booked_on + timedelta(days=9))


def test_what_the_machine_would_never_assign_does_not_wait() -> None:
    for line in (booked(remittance="", counterparty="Fremd AG"), booked(amount_cents=11899, remittance="")):
        for candidate in one(receipt(), line, covered_until=ISSUED).candidates:
            assert ReasonCode.WAITING not in {reason.code for reason in candidate.reasons}


def test_a_number_does_not_wait() -> None:
    assert one(receipt(), booked(), covered_until=ISSUED).status == "assigned"


# --- what was learned ----------------------------------------------------------------------------------------------


def test_a_known_other_name_counts_like_the_name_itself() -> None:
    line = booked(counterparty="NLV SE", remittance="")
    stranger = one(receipt(), line).candidates[0]
    known = one(receipt(), line, aliases={("Holzhandel Weber GmbH", "NLV SE")}).candidates[0]
    assert known.score > stranger.score
    assert ReasonCode.NAME_KNOWN in {reason.code for reason in known.reasons if reason.is_for}
    assert ReasonCode.NAME_DIFFERS in {reason.code for reason in stranger.reasons}
    other = one(receipt(), line, aliases={("Holzhandel Weber GmbH", "Andere AG")}).candidates[0]
    assert other == stranger


def test_caution_only_ever_takes_away() -> None:
    client = make_client(5)
    usual = {d.receipt: d for d in match(client.receipts, client.transactions)}
    for caution in (1.0, 3.0, 50.0, -9.0):
        careful = {d.receipt: d for d in match(client.receipts, client.transactions, caution=caution)}
        taken = {name for name, d in careful.items() if d.status == "assigned"}
        assert taken <= {name for name, d in usual.items() if d.status == "assigned"}
        assert all(careful[name].allocations == usual[name].allocations for name in taken)


# --- what one pair says --------------------------------------------------------------------------------------------

ASSIGNED = {
    "number and amount": (receipt(), booked()),
    "number without its prefix": (receipt(number="RE-20261042"), booked(remittance="20261042")),
    "number written with other separators": (receipt(), booked(remittance="RE 2026/1042")),
    "number in the middle of a text": (receipt(), booked(remittance="Kd 4711, RE-2026-1042 vom 02.11.")),
    "number, through a payment service": (receipt(), booked(counterparty="PAYPAL EUROPE")),
    "a customer's number, paid by somebody else": (
        receipt(direction="income", counterparty="Sonnenhof GmbH"),
        booked(side="credit", counterparty="Erika Muster"),
    ),
    "number and IBAN, another name": (receipt(iban=IBAN), booked(counterparty="WEB Holding", iban=IBAN)),
    "number with the date behind it": (receipt(), booked(remittance="Rech.Nr.RE-2026-1042/02.11.2026")),
    "linked by the bank": (receipt(linked_transactions=("t1",)), booked(remittance="")),
    "iban and name, no number written": (receipt(iban=IBAN), booked(remittance="Danke", iban=IBAN)),
    "iban in groups and small letters": (
        receipt(iban="de86 0000 0000 0000 0000 01"),
        booked(remittance="", iban=IBAN, booked_on=ISSUED + timedelta(days=14)),
    ),
    "a customer pays": (
        receipt(direction="income", number="AR-2026-77"),
        booked(side="credit", remittance="AR-2026-77"),
    ),
    "a customer pays from another account": (
        receipt(direction="income", number="AR-2026-77", iban=IBAN),
        booked(side="credit", remittance="AR-2026-77", iban=OTHER_IBAN),
    ),
    "a supplier's credit note comes back": (receipt(amount_cents=-11900), booked(side="credit")),
    "2 % discount and the number": (receipt(), booked(amount_cents=11662)),
    "2 % discount and the name, nine days later": (receipt(), booked(amount_cents=11662, remittance="")),
    "amount and name, and nothing else can be meant": (receipt(), booked(remittance="")),
    "through a payment service that names the supplier": (
        receipt(),
        booked(counterparty="PayPal Europe", remittance="PP.1234.PP Ihr Einkauf bei Holzhandel Weber GmbH"),
    ),
    "a name that is only similar, an amount that nothing else has": (
        receipt(),
        booked(remittance="", counterparty="HOLZHAND. WEBER"),
    ),
    "paid in advance": (receipt(due_on=None), booked(remittance="", booked_on=ISSUED - timedelta(days=12))),
    "paid at once, due next month": (
        receipt(due_on=ISSUED + timedelta(days=30)),
        booked(remittance="", booked_on=ISSUED + timedelta(days=1)),
    ),
    "a cent less, number and name": (receipt(), booked(amount_cents=11899)),
    "a cent more, number and name": (receipt(), booked(amount_cents=11901)),
    "a bank kept its fee": (
        receipt(direction="income", number="AR-2026-77", counterparty="Sonnenhof GmbH", amount_cents=50000),
        booked(side="credit", counterparty="Sonnenhof", remittance="AR-2026-77", amount_cents=48750),
    ),
    "the net was read, number and name": (receipt(amount_cents=10000), booked()),
    "the currency was misread, number and name": (receipt(currency="USD"), booked()),
    "the currency was not read, number and name": (receipt(currency=None), booked()),
    "converted, number and name": (receipt(currency="USD", amount_cents=13000), booked()),
    "no date, a long number and the name": (receipt(issued_on=None, due_on=None), booked()),
    "day and month swapped, a long number and the name": (
        receipt(issued_on=ISSUED + timedelta(days=200), due_on=None),
        booked(),
    ),
    "two digits swapped, the name, and nothing else can be meant": (receipt(), booked(remittance="RE-2026-1024")),
    "cut off at the text's end, the name, and nothing else can be meant": (receipt(), booked(remittance="Rechnung RE-2026-10")),
    "a short number with a space inside": (receipt(number="R10420"), booked(remittance="R10 420")),
    "the original currency is equal": (
        receipt(currency="USD"),
        booked(amount_cents=10950, local_amount_cents=11900, local_currency="USD"),
    ),
}

REVIEWED = {
    "no transaction": (receipt(), booked(amount_cents=50, remittance="", counterparty="Bäckerei"), ReviewReason.NO_TRANSACTION_YET),
    "a cent less, no number": (receipt(), booked(amount_cents=11899, remittance=""), ReviewReason.AMOUNT_DIFFERS),
    "a cent less, the number but no name": (
        receipt(counterparty=None), booked(amount_cents=11899), ReviewReason.AMOUNT_DIFFERS,
    ),
    "less by more than a tenth": (receipt(), booked(amount_cents=10700), ReviewReason.AMOUNT_DIFFERS),
    "less by more than a bank takes": (
        receipt(amount_cents=119000), booked(amount_cents=117000), ReviewReason.AMOUNT_DIFFERS,
    ),
    "the net was read, no number": (receipt(amount_cents=10000), booked(remittance=""), ReviewReason.AMOUNT_DIFFERS),
    "converted at a rate that never was": (receipt(currency="USD", amount_cents=30000), booked(), ReviewReason.AMOUNT_DIFFERS),
    "converted from a currency of another worth": (
        receipt(currency="JPY", amount_cents=13000), booked(), ReviewReason.AMOUNT_DIFFERS,
    ),
    "an upload with discount and without a number": (
        receipt(is_from_bank=False), booked(amount_cents=11662, remittance=""), ReviewReason.AMOUNT_DIFFERS,
    ),
    "with discount and without a number, weeks later": (
        receipt(), booked(amount_cents=11662, remittance="", booked_on=ISSUED + timedelta(days=19)), ReviewReason.AMOUNT_DIFFERS,
    ),
    "with discount and a name that is only similar": (
        receipt(), booked(amount_cents=11662, remittance="", counterparty="Holzhandlung Weber"), ReviewReason.AMOUNT_DIFFERS,
    ),
    "a customer pays before the invoice, no number": (
        receipt(direction="income", due_on=None),
        booked(side="credit", remittance="", booked_on=ISSUED - timedelta(days=9)),
        ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "pulled before it was billed, no number": (
        receipt(due_on=None),
        booked(remittance="", operation_type="direct_debit", booked_on=ISSUED - timedelta(days=12)),
        ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "nearly a discount, no number": (receipt(), booked(amount_cents=11661, remittance=""), ReviewReason.AMOUNT_DIFFERS),
    "no amount": (receipt(amount_cents=None), booked(), ReviewReason.AMOUNT_MISSING),
    "no date, a short number": (
        receipt(number="1042", issued_on=None, due_on=None), booked(remittance="Rechnung 1042"), ReviewReason.DATE_MISSING,
    ),
    "no date, and the number without the name": (
        receipt(counterparty=None, issued_on=None, due_on=None), booked(), ReviewReason.DATE_MISSING,
    ),
    "only the amount fits": (
        receipt(number=None, counterparty=None), booked(remittance="", counterparty=None), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "amount and name only, much later": (
        receipt(due_on=None), booked(remittance="", booked_on=ISSUED + timedelta(days=90)), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "amount and a name that is only similar": (
        receipt(), booked(remittance="", counterparty="Holzbau Weber & Kern"), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "an upload with amount and name only": (receipt(is_from_bank=False), booked(remittance=""), ReviewReason.COUNTERPARTY_UNCLEAR),
    "an upload with its number mistyped": (
        receipt(is_from_bank=False), booked(remittance="RE-2026-1024"), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "a number of the same form": (
        receipt(number="052/26"), booked(remittance="048/26 vom 04.08."), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "a digit is missing, no iban": (receipt(), booked(remittance="RE-2026-142"), ReviewReason.COUNTERPARTY_UNCLEAR),
    "a number that another supplier uses too": (
        receipt(), booked(counterparty="Stadtwerke Suhl"), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "money goes to another iban": (receipt(iban=IBAN), booked(iban=OTHER_IBAN), ReviewReason.COUNTERPARTY_UNCLEAR),
    "the wrong side": (receipt(), booked(side="credit"), ReviewReason.NO_TRANSACTION_YET),
    "the credit note's wrong side": (receipt(amount_cents=-11900), booked(), ReviewReason.NO_TRANSACTION_YET),
    "direction unknown": (receipt(direction=None), booked(), ReviewReason.COUNTERPARTY_UNCLEAR),
    "used up": (receipt(), booked(open_cents=0), ReviewReason.ALREADY_LINKED),
    "below zero open": (receipt(), booked(open_cents=-500), ReviewReason.ALREADY_LINKED),
    "number as a part of a longer one": (receipt(), booked(remittance="RE-2026-10421"), ReviewReason.COUNTERPARTY_UNCLEAR),
    "number of another invoice": (receipt(), booked(remittance="Rechnung RE-2026-1043"), ReviewReason.COUNTERPARTY_UNCLEAR),
    "a year is no number": (receipt(number="2026"), booked(remittance="Miete 2026", counterparty="X"), ReviewReason.COUNTERPARTY_UNCLEAR),
    "years later": (receipt(), booked(booked_on=ISSUED + timedelta(days=400)), ReviewReason.COUNTERPARTY_UNCLEAR),
    "another currency, no number": (receipt(currency="USD"), booked(remittance=""), ReviewReason.AMOUNT_DIFFERS),
}  # fmt: skip


@pytest.mark.parametrize("name", ASSIGNED)
def test_it_assigns_alone(name: str) -> None:
    made, line = ASSIGNED[name]
    decision = one(made, line)
    assert (decision.status, decision.reason) == ("assigned", None), decision
    assert [part.transaction for part in decision.allocations] == ["t1"]
    assert decision.allocations == decision.candidates[0].allocations
    assert decision.candidates[0].reasons[0].is_for


@pytest.mark.parametrize("name", REVIEWED)
def test_it_leaves_to_a_person(name: str) -> None:
    made, line, reason = REVIEWED[name]
    decision = one(made, line)
    assert (decision.status, decision.allocations, decision.reason) == ("review", (), reason), decision


# --- vetoes and ambiguity ------------------------------------------------------------------------------------------


def test_two_equal_transactions_stay_in_review() -> None:
    decision = one(receipt(), booked("t1"), booked("t2"))
    assert (decision.status, decision.reason) == ("review", ReviewReason.SEVERAL_EQUAL)
    assert len(decision.candidates) == 2


@pytest.mark.parametrize("written", ["VIVA *HOLZHANDEL WEBER", "HOLZHANDEL WEBER HAMBURG"])
def test_the_same_shop_behind_another_card_reader_is_a_rival(written: str) -> None:
    purchase = receipt(number=None, counterparty="Holzhandel Weber", due_on=None)
    lines = [
        booked(known, counterparty=name, remittance="", operation_type="card", emitted_on=ISSUED, booked_on=ISSUED)
        for known, name in (("t1", "HOLZHANDEL WEBER"), ("t2", written))
    ]
    assert one(purchase, lines[0]).status == "assigned"
    assert one(purchase, *lines).reason is ReviewReason.SEVERAL_EQUAL


def test_two_equal_receipts_stay_in_review() -> None:
    decisions = decide(
        [receipt("r1", number=None, iban=IBAN), receipt("r2", number=None, iban=IBAN)], [booked(remittance="", iban=IBAN)]
    )
    assert {decision.status for decision in decisions.values()} == {"review"}


def _series(days: int, *, without: int = -1) -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    receipts = [
        receipt(f"r{n}", number=None, iban=IBAN, issued_on=ISSUED + timedelta(days=days * n), due_on=None) for n in range(4)
    ]
    lines = [booked(f"t{n}", remittance="Miete", iban=IBAN, booked_on=ISSUED + timedelta(days=days * n + 2)) for n in range(4)]
    return receipts, [line for n, line in enumerate(lines) if n != without]


def test_a_monthly_series_without_numbers_is_told_apart_by_its_months() -> None:
    """Each payment two days after its invoice, the next ones a month away."""
    decisions = decide(*_series(30))
    assert {name: d.allocations[0].transaction for name, d in decisions.items()} == {f"r{n}": f"t{n}" for n in range(4)}
    decisions = decide(*_series(30, without=1))
    assert decisions["r1"].status == "review"
    assert {decisions[f"r{n}"].allocations[0].transaction for n in (0, 2, 3)} == {"t0", "t2", "t3"}


def test_a_text_that_names_another_month_pays_another_month() -> None:
    """Who pays his rent a month late pays just after the next one is due."""
    rent = receipt(direction="income", number=None, counterparty="Elke Petersen", text="Miete 07/2026", issued_on=ISSUED)
    line = booked(side="credit", counterparty="Elke Petersen", remittance="Miete 06/2026", booked_on=ISSUED + timedelta(days=5))
    found = one(rent, line)
    assert (found.status, found.reason) == ("review", ReviewReason.COUNTERPARTY_UNCLEAR)
    assert ReasonCode.OTHER_MONTH_NAMED in {reason.code for reason in found.candidates[0].reasons}
    found = one(rent, replace(line, remittance="Miete Juli"))
    assert found.status == "assigned"
    assert ReasonCode.MONTH_NAMED in {reason.code for reason in found.candidates[0].reasons}


def test_a_customers_payment_may_be_for_the_older_invoice() -> None:
    """Two rents are open, one was paid: just after the second was due, and nothing says which it was for."""
    rents = [
        receipt(f"r{n}", direction="income", number=None, counterparty="Elke Petersen", due_on=None, issued_on=ISSUED + n * MONTH)
        for n in range(3)
    ]
    lines = [
        booked(f"t{n}", side="credit", counterparty="Elke Petersen", remittance="Miete", booked_on=ISSUED + n * MONTH + LATE)
        for n in range(3)
    ]
    assert {decision.status for decision in decide(rents, lines[1:]).values()} == {"review"}
    assert {decision.status for decision in decide(rents, lines).values()} == {"assigned"}


def test_a_card_pays_on_the_day() -> None:
    """A shop's name that is only similar is enough for a card's line of that day, month after month, and for no other day's."""
    fee = receipt(number=None, counterparty="Zoom Video Communications Inc.", due_on=None)
    bill = replace(fee, id="r2", issued_on=ISSUED + MONTH)
    lines = [
        booked(
            f"t{n}", counterparty="ZOOM.US 888-799-9666 SAN JOSE", remittance="", operation_type="card",
            emitted_on=ISSUED + n * MONTH, booked_on=ISSUED + n * MONTH + timedelta(days=2),
        )
        for n in range(2)
    ]  # fmt: skip
    found = decide([fee, bill], lines)
    assert [found[name].allocations[0].transaction for name in ("r1", "r2")] == ["t0", "t1"]
    assert one(replace(fee, issued_on=ISSUED - timedelta(days=12)), lines[0]).status == "review"
    assert one(fee, replace(lines[0], operation_type="transfer", emitted_on=None)).status == "review"


def test_the_due_date_of_a_monthly_series_is_read_by_its_rhythm() -> None:
    """Due when the next month is paid: the one that the bank marked as paid says how soon this party is paid."""
    receipts, lines = _series(30)
    receipts = [replace(made, due_on=made.issued_on and made.issued_on + timedelta(days=30)) for made in receipts]
    assert "review" in {decision.status for decision in decide(receipts, lines).values()}
    receipts[1] = replace(receipts[1], paid_on=lines[1].booked_on)
    found = decide(receipts, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items()} == {f"r{n}": f"t{n}" for n in range(4)}
    # a month that is missing stays missing, and shifts nothing
    del lines[2]
    found = decide(receipts, lines)
    assert found["r2"].status == "review"
    assert {found[f"r{n}"].allocations[0].transaction for n in (0, 1, 3)} == {"t0", "t1", "t3"}


def test_months_in_order_say_how_soon_a_party_is_paid() -> None:
    """One is due in two weeks, so that the others' due dates next month mislead nobody; none of either may be left over."""
    receipts, lines = _series(30)
    for n, made in enumerate(receipts):
        receipts[n] = replace(made, due_on=made.issued_on and made.issued_on + timedelta(days=14 if n == 3 else 30))
    found = decide(receipts, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items()} == {f"r{n}": f"t{n}" for n in range(4)}
    more = booked("t9", remittance="Miete", iban=IBAN, booked_on=ISSUED + timedelta(days=122))
    assert decide(receipts, [*lines, more])["r0"].status == "review"


def test_whoever_pulls_the_money_pulls_it_soon() -> None:
    """A direct debit within twenty days of its invoice is this month's though others are missing on both sides; a transfer may not be."""
    receipts, lines = _series(30)
    receipts = [replace(made, due_on=made.issued_on and made.issued_on + timedelta(days=30)) for made in receipts]
    for n, lag in enumerate((5, 12, 16, 3)):
        lines[n] = replace(lines[n], booked_on=ISSUED + timedelta(days=30 * n + lag), operation_type="direct_debit")
    del receipts[1], lines[2]
    found = decide(receipts, lines)
    assert {name: [part.transaction for part in d.allocations] for name, d in found.items()} == {
        "r0": ["t0"], "r2": [], "r3": ["t3"],
    }  # fmt: skip
    found = decide(receipts, [replace(line, operation_type="transfer") for line in lines])
    assert {decision.status for decision in found.values()} == {"review"}
    as_filed = [replace(line, operation_type=None, remittance="SEPA-BASISLASTSCHRIFT Miete") for line in lines]
    assert {name for name, d in decide(receipts, as_filed).items() if d.status == "assigned"} == {"r0", "r3"}, "a bank's file"


def test_a_number_on_some_of_its_invoices_does_not_confuse_a_series() -> None:
    """The texts name none of them: one that has a number is as silent as one that has none."""
    receipts, lines = _series(30)
    receipts[1] = replace(receipts[1], number="RE-2026-0817")
    found = decide(receipts, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items()} == {f"r{n}": f"t{n}" for n in range(4)}


def test_a_banks_text_tells_when_a_card_was_used() -> None:
    """Booked six days later; without the day in the text the shop's name alone would not do."""
    bought = receipt(number=None, counterparty="Aral Tankstelle Dreyer", due_on=None)
    line = booked(
        booked_on=ISSUED + timedelta(days=6), counterparty="ARAL STATION 4711 HAMBURG", remittance="KARTENZAHLUNG VISA 3884"
    )
    assert one(bought, line).status == "review"
    told = replace(line, remittance=f"{ISSUED.isoformat()}T19:11 KARTENZAHLUNG VISA 3884")
    assert one(bought, told).status == "assigned"
    for day in ("2026-02-30", "2025-11-02", "2026-11-09"):
        assert one(bought, replace(line, remittance=f"{day}T19:11 KARTENZAHLUNG VISA 3884")).status == "review"


def test_a_series_of_two_rhythms_has_none() -> None:
    receipts, lines = _series(30)
    receipts = [replace(made, due_on=made.issued_on and made.issued_on + timedelta(days=30)) for made in receipts]
    receipts[1] = replace(receipts[1], paid_on=lines[1].booked_on)
    receipts[2] = replace(receipts[2], paid_on=lines[3].booked_on)
    assert decide(receipts, lines)["r0"].status == "review"


def test_a_weekly_series_without_numbers_stays_in_review() -> None:
    """Nothing tells which payment is which."""
    assert {decision.status for decision in decide(*_series(7)).values()} == {"review"}


def test_numbers_tell_a_series_apart() -> None:
    receipts = [
        receipt(f"r{n}", number=f"AB-2026-{100 + n}", issued_on=ISSUED + timedelta(days=30 * n), due_on=None) for n in range(4)
    ]
    lines = [booked(f"t{n}", remittance=f"AB-2026-{100 + n}", booked_on=ISSUED + timedelta(days=30 * n + 2)) for n in range(4)]
    found = decide(receipts, lines)
    assert {key: decision.allocations[0].transaction for key, decision in found.items()} == {f"r{n}": f"t{n}" for n in range(4)}


def test_a_declined_pair_is_never_made_again() -> None:
    decision = one(receipt(), booked(), declined={("r1", "t1")})
    assert decision.status == "review"
    assert ReasonCode.DECLINED in {reason.code for candidate in decision.candidates for reason in candidate.reasons}


def test_the_banks_link_to_another_transaction_stops_it() -> None:
    assert one(receipt(linked_transactions=("t2",)), booked("t1"), booked("t2", amount_cents=5, remittance="")).status == "review"


def test_a_transaction_linked_to_another_receipt_is_not_taken() -> None:
    decisions = decide(
        [receipt("r1"), receipt("r2", number="ZZ-9", counterparty="Andere AG", linked_transactions=("t1",))], [booked()]
    )
    assert decisions["r1"].status == "review"


def test_a_link_with_which_nothing_agrees_stops_nobody() -> None:
    """Number, amount and party agree, and the bank links to an amount of somebody else."""
    stranger = booked("t2", amount_cents=507, remittance="", counterparty="Bäckerei Süß")
    assert one(receipt(linked_transactions=("t2",)), booked(), stranger).allocations[0].transaction == "t1"
    decisions = decide(
        [receipt("r1"), receipt("r2", number="ZZ-9", amount_cents=500, counterparty="Andere AG", linked_transactions=("t1",))],
        [booked()],
    )
    assert (decisions["r1"].status, decisions["r2"].status) == ("assigned", "review")
    # without the number it does
    assert one(receipt(linked_transactions=("t2",)), booked(remittance=""), stranger).status == "review"


def test_of_two_that_the_bank_has_the_paid_one_counts() -> None:
    paid = receipt("r1", paid_on=ISSUED + timedelta(days=9))
    decisions = decide([paid, receipt("r2")], [booked()])
    assert decisions["r1"].status == "assigned"
    both = decide([paid, replace(paid, id="r2")], [booked()])
    assert {decision.reason for decision in both.values()} == {ReviewReason.DUPLICATE_SUSPECTED}
    # without a number they may be two purchases
    unnumbered = [replace(paid, number=None), replace(paid, id="r2", number=None, paid_on=None)]
    assert {decision.status for decision in decide(unnumbered, [booked(remittance="")]).values()} == {"review"}


def test_an_invoice_filed_twice_is_suspected() -> None:
    decisions = decide([receipt("r1"), receipt("r2")], [booked()])
    assert {decision.reason for decision in decisions.values()} == {ReviewReason.DUPLICATE_SUSPECTED}


def test_what_a_person_called_distinct_is_no_duplicate() -> None:
    decisions = decide([receipt("r1", distinct_from=frozenset({"r2"})), receipt("r2")], [booked("t1"), booked("t2")])
    assert ReviewReason.DUPLICATE_SUSPECTED not in {decision.reason for decision in decisions.values()}
    three = decide([receipt("r1", distinct_from=frozenset({"r2"})), receipt("r2"), receipt("r3")], [booked()])
    assert {decision.reason for decision in three.values()} == {ReviewReason.DUPLICATE_SUSPECTED}  # each is like the third


def test_an_upload_needs_its_number() -> None:
    assert one(receipt(is_from_bank=False, iban=IBAN), booked(remittance="", iban=IBAN)).status == "review"
    assert one(receipt(is_from_bank=False), booked()).status == "assigned"


def test_after_the_covered_day_only_a_number_or_link_counts() -> None:
    day = ISSUED + timedelta(days=8)
    assert one(receipt(iban=IBAN), booked(remittance="", iban=IBAN), covered_until=day).status == "review"
    assert one(receipt(), booked(), covered_until=day).status == "assigned"


# --- sets ----------------------------------------------------------------------------------------------------------


def _three() -> list[ReceiptFacts]:
    return [receipt(f"r{n}", number=f"RE-2026-10{n}1", amount_cents=1000 * n) for n in (1, 2, 3)]


def test_a_collective_payment_is_shared_to_the_cent() -> None:
    line = booked(amount_cents=6000, remittance="RE-2026-1011, RE-2026-1021, RE-2026-1031")
    found = decide(_three(), [line])
    assert [(d.status, d.allocations[0].amount_cents) for d in found.values()] == [("assigned", 1000 * n) for n in (1, 2, 3)]


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


# --- reasons -------------------------------------------------------------------------------------------------------


def test_reasons_survive_being_stored() -> None:
    for made, line, *_ in (*ASSIGNED.values(), *REVIEWED.values()):
        for candidate in one(made, line).candidates:
            for reason in candidate.reasons:
                assert Reason.from_json(reason.as_json()) == reason


def test_the_number_is_found_in_the_text() -> None:
    line = booked(remittance="Kd. 4711 RE 2026-1042 danke")
    assert [line.remittance[start:end] for start, end in found_spans(receipt(), line)] == ["RE 2026-1042"]
    assert found_spans(receipt(number=None), line) == ()


@pytest.mark.parametrize(
    ("direction", "cents", "side"),
    [("expense", 1, "debit"), ("expense", -1, "credit"), ("income", 1, "credit"), ("income", -1, "debit"), (None, 1, None)],
)
def test_the_side_that_pays(direction: str | None, cents: int, side: str | None) -> None:
    assert paying_side(receipt(direction=direction, amount_cents=cents)) == side


def test_an_id_that_occurs_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        match([receipt(), receipt()], [])
    with pytest.raises(ValueError, match="twice"):
        match([], [booked(), booked()])


# --- whatever the facts --------------------------------------------------------------------------------------------

_days = st.integers(-40, 160).map(lambda days: ISSUED + timedelta(days=days))
_cents = st.sampled_from([0, 1, 100, 5000, 6900, 11662, 11900, 11901, 20000, 10**12])
_numbers = st.sampled_from([None, "", "1", "2026", "RE-2026-1042", "RE-2026-1043", "AB1042", "١٢٣", "RE/42", "--"])
_names = st.sampled_from([None, "", "Holzhandel Weber GmbH", "HOLZHANDEL WEBER", "Weber", "GmbH", "😀", "Elektro Süß e.K."])
_texts = st.sampled_from(
    ["", "RE-2026-1042", "RE-2026-1042 RE-2026-1043", "Danke", "RE 2026 1042 / 1043", "\x00\u202e=cmd()", "1042" * 50]
)
_ibans = st.sampled_from([None, "", IBAN, OTHER_IBAN])
_currencies = st.sampled_from(["EUR", "USD", "eur "])


@st.composite
def _books(draw: st.DrawFn) -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    lines = [
        TransactionFacts(
            id=f"t{n}", side=draw(st.sampled_from(["debit", "credit"])), amount_cents=(cents := draw(_cents)),
            open_cents=draw(st.sampled_from([cents, cents, 0, cents // 2, -1])), currency=draw(_currencies), booked_on=draw(_days),
            counterparty=draw(_names), iban=draw(_ibans), remittance=draw(_texts), emitted_on=draw(st.none() | _days),
            local_amount_cents=draw(st.none() | _cents), local_currency=draw(st.none() | _currencies),
        )
        for n in range(draw(st.integers(0, 6)))
    ]  # fmt: skip
    ids = [line.id for line in lines] or ["none"]
    receipts = [
        ReceiptFacts(
            id=f"r{n}", direction=draw(st.sampled_from(["expense", "expense", "income", None])), number=draw(_numbers),
            counterparty=draw(_names), amount_cents=draw(st.none() | _cents | _cents.map(lambda cents: -cents)),
            currency=draw(st.none() | _currencies), issued_on=draw(st.none() | _days), due_on=draw(st.none() | _days),
            paid_on=draw(st.none() | _days), iban=draw(_ibans), is_from_bank=draw(st.booleans()),
            linked_transactions=tuple(draw(st.lists(st.sampled_from(ids), max_size=2))),
        )
        for n in range(draw(st.integers(0, 6)))
    ]  # fmt: skip
    return receipts, lines


@given(_books(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_conservation_and_determinism(books: tuple[list[ReceiptFacts], list[TransactionFacts]], dice: random.Random) -> None:
    """One decision a receipt, in their order; nothing beyond what is open; nothing unknown; the order of the facts is nothing."""
    receipts, lines = books
    decisions = match(receipts, lines)
    assert [decision.receipt for decision in decisions] == [made.id for made in receipts]
    used: Counter[str] = Counter()
    for decision in decisions:
        assert (decision.status == "assigned") == bool(decision.allocations) == (decision.reason is None)
        assert all(0 <= candidate.score <= 1 for candidate in decision.candidates)
        assert len(decision.candidates) <= 5
        for part in decision.allocations:
            used[part.transaction] += part.amount_cents
    room = {line.id: line.open_cents for line in lines}
    assert all(cents <= room[line] for line, cents in used.items()), (used, room)
    left = [made for made, decision in zip(receipts, decisions, strict=True) if decision.status == "review"]
    rest = [replace(line, open_cents=line.open_cents - used[line.id]) for line in lines]
    assert match(left, rest) == [decision for decision in decisions if decision.status == "review"]  # again: nothing new
    shuffled = [*receipts]
    dice.shuffle(shuffled)
    others = [*lines]
    dice.shuffle(others)
    assert {decision.receipt: decision for decision in match(shuffled, others)} == {d.receipt: d for d in decisions}


@pytest.mark.parametrize("feed", FEEDS)
def test_it_is_right_whenever_it_decides_alone(feed: str) -> None:
    """A small part of `./dev bench matching`: not one wrong assignment, and no receipt without a decision."""
    clients = [make_client(100 + n, feed=feed, stories=120) for n in range(2)]
    found = tally(clients)[""]
    assert found.wrong == []
    assert found.assigned > found.receipts // 4


def test_nothing_crosses_clients() -> None:
    one_client, other = make_client(1, stories=40), make_client(2, stories=40)
    known = {line.id for line in one_client.transactions}
    for decision in match(one_client.receipts, one_client.transactions):
        assert {part.transaction for candidate in decision.candidates for part in candidate.allocations} <= known
    strange = [replace(made, id=f"x-{made.id}") for made in other.receipts]
    assert all(decision.status == "review" for decision in match(strange, []))


def shown_by_the_books(client: ClientSet) -> set[tuple[str, str]]:
    """The names that are one party's, as receipts and bank write them."""
    index = Index(client.receipts, client.transactions)
    acquaint(index, ())
    ours = {receipt.spelling: receipt.facts.counterparty or "" for receipt in index.receipts}
    theirs = {line.spelling: line.facts.counterparty or "" for line in index.transactions}
    return {(ours[one], theirs[other]) for one, other in index.acquainted}


@pytest.mark.parametrize(("feed", "prices"), [("full", None), ("full", 12), ("poor", 12), ("csv", None)])
def test_what_is_left_is_decided_as_if_nothing_else_had_ever_been_there(feed: str, prices: int | None) -> None:
    """The rounds after the first compare only what an assignment may have changed: that must be all of it, reasons included."""
    client = make_client(200, feed=feed, stories=250, prices=prices, twins=40)
    aliases = {("Meier Reinigung", "CLEANFIX"), *shown_by_the_books(client)}
    decisions = match(client.receipts, client.transactions, aliases=aliases)
    used: Counter[str] = Counter()
    for decision in decisions:
        used.update({part.transaction: part.amount_cents for part in decision.allocations})
    left = [made for made, decision in zip(client.receipts, decisions, strict=True) if decision.status == "review"]
    rest = [replace(line, open_cents=line.open_cents - used[line.id]) for line in client.transactions]
    assert match(left, rest, aliases=aliases) == [decision for decision in decisions if decision.status == "review"]
