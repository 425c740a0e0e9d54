"""One party's equal amounts: months are told apart, weeks are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from portal.domain.matching import (
    ReasonCode,
    ReceiptFacts,
    ReviewReason,
    TransactionFacts,
)
from tests.domain.matching_facts import IBAN, ISSUED, LATE, MONTH, booked, decide, one, receipt


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
    marked = [rents[0], *(replace(rents[n], paid_on=lines[n].booked_on) for n in (1, 2))]
    found = decide(marked, lines[1:])
    assert [found[f"r{n}"].status for n in range(3)] == ["review", "assigned", "assigned"], "somebody has said which was paid"


def test_who_has_paid_late_for_long_still_does() -> None:
    """Ten rents are open, each was paid a month later: the oldest one's payment is not counted for a younger one."""
    rents = [
        receipt(
            f"r{n}", direction="income", number=f"M-{n}", counterparty="Elke Petersen", due_on=None, issued_on=ISSUED + n * MONTH
        )
        for n in range(10)
    ]
    lines = [
        booked(
            f"t{n}", side="credit", counterparty="Elke Petersen", remittance="Miete", booked_on=ISSUED + (n + 1) * MONTH + LATE
        )
        for n in range(9)
    ]
    assert {decision.status for decision in decide(rents, lines).values()} == {"review"}
    paid_at_once = [replace(line, booked_on=line.booked_on - MONTH) for line in lines]
    assert [decision.status for decision in decide(rents[:9], paid_at_once).values()] == ["assigned"] * 9


def test_who_always_pays_a_month_late_pays_no_invoice_at_once() -> None:
    """The payment for the invoice before the first comes on the first one's day; two of his are marked as paid a month later."""
    rents = [
        receipt(f"r{n}", direction="income", number=None, counterparty="Elke Petersen", due_on=None, issued_on=ISSUED + n * MONTH)
        for n in range(6)
    ]
    lines = [
        booked(
            f"t{n}", side="credit", counterparty="Elke Petersen", remittance="",
            booked_on=ISSUED + n * MONTH + timedelta(days=n % 2),
        )
        for n in range(6)
    ]  # fmt: skip
    marked = [replace(one, paid_on=lines[n + 1].booked_on) if n in {2, 4} else one for n, one in enumerate(rents)]
    found = {name: d.allocations[0].transaction for name, d in decide(marked, lines).items() if d.allocations}
    assert found == {f"r{n}": f"t{n + 1}" for n in range(5)}
    found = {"r2": "t3", "r4": "t5"}
    rest = [one for one in marked if one.id not in found]
    left = [replace(line, open_cents=0) if line.id in found.values() else line for line in lines]
    known = decide(rest, left, lags={"Elke Petersen": [29, 31]})
    assert all(d.allocations[0].transaction != f"t{name[1:]}" for name, d in known.items() if d.allocations)
    unknown = decide(rest, left, lags={"Elke Petersen": [29, 3]})
    assert any(d.allocations[0].transaction == f"t{name[1:]}" for name, d in unknown.items() if d.allocations)


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


def test_of_equal_purchases_in_a_shop_that_of_the_receipts_day_is_meant() -> None:
    """Parking costs the same day after day: the till's receipt is of the day on which the card was used."""
    days = [ISSUED + timedelta(days=6 * n) for n in range(4)]
    receipts = [
        receipt(f"r{n}", number=f"P-{n}", counterparty="EasyPark GmbH", amount_cents=200, issued_on=day, due_on=None)
        for n, day in enumerate(days)
    ]
    lines = [
        booked(
            f"t{n}", counterparty="EASYPARK", amount_cents=200, remittance="", operation_type="card", emitted_on=day,
            booked_on=day + timedelta(days=2),
        )
        for n, day in enumerate(days)
    ]  # fmt: skip
    found = decide(receipts, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items()} == {f"r{n}": f"t{n}" for n in range(4)}
    days[1] = days[0] + timedelta(days=2)
    receipts[1] = replace(receipts[1], issued_on=days[1])
    near = [lines[0], replace(lines[1], emitted_on=days[1], booked_on=days[1] + timedelta(days=2)), *lines[2:]]
    found = decide(receipts, near)
    assert {name: d.allocations[0].transaction for name, d in found.items()} == {f"r{n}": f"t{n}" for n in range(4)}
    lost = decide([receipts[0]], [near[0], near[1]])
    assert lost["r0"].status == "review", "its receipt may be dated a day before, and the other's is not here"
    receipts[1], days[1] = replace(receipts[1], issued_on=days[0] + timedelta(days=6)), days[0] + timedelta(days=6)
    twice = decide(receipts, [*lines, replace(lines[1], id="t9")])
    assert twice["r1"].status == "review", "two of that day"
    unknown = [replace(line, emitted_on=None) for line in lines]
    assert {decision.status for decision in decide(receipts, unknown).values()} == {"review"}


def test_a_number_in_a_late_payment_is_doubted_where_the_payer_paid_in_time() -> None:
    """Somebody copied last month's number; where no payment came in time, he was only late."""
    late = booked("t2", booked_on=ISSUED + timedelta(days=60))
    in_time = booked("t1", remittance="Danke", booked_on=ISSUED + timedelta(days=14))
    assert one(receipt(), late).status == "assigned"
    assert one(receipt(), in_time, late).status == "review"
    assert one(receipt(), replace(in_time, remittance="Rechnung RE-2026-1039"), late).status == "assigned"


def test_the_day_of_its_invoice_tells_which_rent_was_paid() -> None:
    """Three rents are open and one is paid: the text names the second one's day."""
    rents = [
        receipt(f"r{n}", direction="income", number=f"M-{n}", issued_on=ISSUED + n * MONTH, due_on=None, counterparty="Ada Voß")
        for n in range(3)
    ]
    paid = booked(
        side="credit", counterparty="ADA VOSS", booked_on=ISSUED + 3 * MONTH,
        remittance=f"Ihre Rechnung vom {ISSUED + MONTH:%d.%m.%y}",
    )  # fmt: skip
    found = decide(rents, [paid])
    assert {name: decision.status for name, decision in found.items()} == {"r0": "review", "r1": "assigned", "r2": "review"}
    assert ReasonCode.DATE_NAMED in {reason.code for reason in found["r1"].candidates[0].reasons}
    silent = decide(rents, [replace(paid, remittance="Ihre Rechnung")])
    assert {decision.status for decision in silent.values()} == {"review"}
    twin = replace(rents[1], id="r9", number="M-9")
    assert {decision.status for decision in decide([*rents, twin], [paid]).values()} == {"review"}, "two of that day"


def test_two_foreign_purchases_of_one_week_are_not_told_apart() -> None:
    """Each month's is the only one around; with a second one that the bank converted too, it might be either."""
    receipts = [
        receipt(f"r{n}", currency="USD", number=None, due_on=None, issued_on=ISSUED + n * MONTH, amount_cents=10_000 + n)
        for n in range(3)
    ]
    lines = [
        booked(f"t{n}", amount_cents=9_300 + 50 * n, remittance="", operation_type="card", booked_on=ISSUED + n * MONTH + LATE)
        for n in range(3)
    ]
    found = decide(receipts, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items()} == {f"r{n}": f"t{n}" for n in range(3)}
    second = replace(lines[1], id="t9", amount_cents=9_100, open_cents=9_100, booked_on=ISSUED + MONTH)
    assert decide(receipts, [*lines, second])["r1"].status == "review"
    for other in (replace(lines[1], amount_cents=12_000, open_cents=12_000), replace(lines[1], open_cents=5_000)):
        assert decide(receipts[1:2], [other])["r1"].status == "review", "no rate that ever was; partly used"


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


def test_a_payment_that_two_months_claim_is_not_given_to_both() -> None:
    """By the rhythm of a month it pays the invoice before, by its day the one of the day before: there is money for one."""
    receipts, lines = _series(30)
    lines = [replace(line, booked_on=line.booked_on + timedelta(days=29)) for line in lines[:3]]
    receipts[0], receipts[1] = (replace(made, paid_on=line.booked_on) for made, line in zip(receipts[:2], lines[:2], strict=True))
    given = [part.transaction for decision in decide(receipts, lines).values() for part in decision.allocations]
    assert sorted(given) == ["t0", "t1", "t2"]


def test_one_payment_that_came_late_is_no_rhythm() -> None:
    receipts, lines = _series(30)
    lines = [replace(line, booked_on=line.booked_on + timedelta(days=62)) for line in lines]
    once = [replace(made, paid_on=lines[0].booked_on) if made.id == "r0" else made for made in receipts]
    assert {d.status for d in decide(once, lines).values()} == {"review"}
    twice = [replace(made, paid_on=lines[1].booked_on) if made.id == "r1" else made for made in once]
    assert len([name for name, d in decide(twice, lines).items() if d.status == "assigned"]) == 4


def test_a_month_in_the_text_is_that_of_the_rents_day() -> None:
    """Two rents are open and two payments came, late and early: each names its month. A month that nobody billed says nothing."""
    rents = [
        receipt(
            f"r{n}", direction="income", number=f"M-{n}", issued_on=date(2026, 11 + n, 1), due_on=None, counterparty="Ada Voß"
        )
        for n in range(2)
    ]  # fmt: skip
    lines = [
        booked("t0", side="credit", counterparty="Ada Voß", remittance="Miete November", booked_on=date(2026, 11, 20)),
        booked("t1", side="credit", counterparty="Ada Voß", remittance="Miete Dezember", booked_on=date(2026, 11, 28)),
    ]
    found = decide(rents, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items() if d.allocations} == {"r0": "t0", "r1": "t1"}
    silent = decide(rents, [replace(line, remittance="Miete") for line in lines])
    assert {decision.status for decision in silent.values()} == {"review"}
    twice = decide(rents, [*lines, replace(lines[0], id="t2", booked_on=date(2026, 11, 22))])
    assert twice["r0"].status == "review", "two payments for one month"
    wrong = [replace(line, remittance="Miete Oktober") for line in lines]
    assert {decision.status for decision in decide(rents, wrong).values()} == {"review"}


def test_a_number_that_stands_in_every_payment_is_no_invoices() -> None:
    """A standing order names the contract's first invoice for years; where it stands once, it names the invoice before."""
    rents, lines = [], []
    for n in range(4):
        rents.append(
            receipt(
                f"r{n}",
                direction="income",
                number=f"2026-{100 + n}",
                issued_on=ISSUED + n * MONTH,
                counterparty="Ada Voß",
                due_on=None,
            )
        )
        lines.append(
            booked(
                f"t{n}", side="credit", counterparty="ADA VOSS", remittance="2023-378", booked_on=ISSUED + n * MONTH + LATE
            )
        )  # fmt: skip
    found = decide(rents, lines)
    assert {name: d.allocations[0].transaction for name, d in found.items() if d.allocations} == {
        f"r{n}": f"t{n}" for n in range(4)
    }
    once = [replace(line, remittance="2023-378" if n == 2 else "Miete") for n, line in enumerate(lines)]
    assert decide(rents, once)["r2"].status == "review"


def test_a_transfer_before_the_invoice_was_seen_may_be_for_the_older_one() -> None:
    """Who pays each invoice a month late pays on the day of the next one; a card or a direct debit pays at once."""
    late = [receipt(f"r{n}", number=f"RE-2026-2{n:03}", issued_on=ISSUED + n * MONTH, due_on=None) for n in range(3)]
    lines = [booked(f"t{n}", remittance="", operation_type="transfer", booked_on=ISSUED + n * MONTH) for n in range(1, 3)]
    found = decide(late, lines)
    assert {decision.status for decision in found.values()} == {"review"}
    pulled = [replace(line, operation_type="direct_debit") for line in lines]
    assert {name for name, d in decide(late, pulled).items() if d.status == "assigned"} == {"r1", "r2"}
