"""Payouts of a payment service, and what a firm collects itself: several receipts in one sum, which nothing names."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.domain.matching import Decision, ReasonCode, ReceiptFacts, ReviewReason, Sale, TransactionFacts
from portal.domain.matching.fees import Fee, learn_fees
from tests.domain.matching_facts import ISSUED, booked, club, decide, receipt

CENTS = (4217, 1755, 9931, 23090, 8842, 6475)


def _sales(*cents: int, **values: object) -> list[ReceiptFacts]:
    """One sale a day to people whose names no bank tells."""
    return [
        receipt(
            f"s{n}", direction="income", number=f"V-{n:05}", counterparty=f"Kunde {n}", due_on=None,
            issued_on=ISSUED + timedelta(days=n), amount_cents=amount, **values,
        )
        for n, amount in enumerate(cents)
    ]  # fmt: skip


def _payout(id: str, cents: int, days: int, **values: object) -> TransactionFacts:  # noqa: A002 -- the fact's own name
    day = ISSUED + timedelta(days=days)
    facts = {"side": "credit", "counterparty": "SumUp Payments Ltd", "remittance": "SUMUP PAYOUT 88123", **values}
    return booked(id, amount_cents=cents, booked_on=day, **facts)


def _proposed(found: dict[str, Decision]) -> dict[str, str]:
    return {
        known: decision.candidates[0].allocations[0].transaction
        for known, decision in found.items()
        if decision.candidates and decision.candidates[0].reasons[0].code is ReasonCode.PAYOUT
    }


def test_sales_that_were_paid_out_together_are_proposed_and_left() -> None:
    """Three days, then three days, each less 1.9 %: the run of days whose fee is small is the payout's."""
    sales = _sales(4200, 1750, 9900, 2300, 8800, 640)
    found = decide(sales, [_payout("t1", 15549, 4), _payout("t2", 11517, 7)])
    assert _proposed(found) == {"s0": "t1", "s1": "t1", "s2": "t1", "s3": "t2", "s4": "t2", "s5": "t2"}
    assert {(d.status, d.reason) for d in found.values()} == {("review", ReviewReason.AMOUNT_DIFFERS)}
    told = found["s0"].candidates[0].reasons[0].named
    assert (told["count"], told["amount_cents"], told["difference_cents"], told["basis_points"]) == (3, 15850, -301, -190)
    assert found["s0"].candidates[0].allocations[0].amount_cents == 4200
    assert ReasonCode.NAME_DIFFERS not in {reason.code for reason in found["s0"].candidates[0].reasons}


def test_of_a_payout_that_was_assigned_in_part_the_rest_is_proposed() -> None:
    sales = _sales(4200, 1750, 9900)
    rest = decide(sales[1:], [_payout("t1", 15549, 4, open_cents=15549 - 4200)])
    assert _proposed(rest) == {"s1": "t1", "s2": "t1"}


@pytest.mark.parametrize(
    ("sales", "line"),
    [
        (_sales(4200, 1750, 9900), _payout("t1", 15850, 4)),  # no fee at all
        (_sales(4200, 1750, 9900), _payout("t1", 14400, 4)),  # nobody takes nine per cent
        (_sales(4200, 1750, 9900), _payout("t1", 15549, 20)),
        (_sales(4200, 1750, 9900), _payout("t1", 15549, 4, counterparty="Hotel Adler")),
        (_sales(4200, 1750, 9900), _payout("t1", 15549, 4, side="debit")),
        (_sales(4200, 1750, 9900, currency="USD"), _payout("t1", 15549, 4)),
    ],
)
def test_what_is_no_payout_is_not_called_one(sales: list[ReceiptFacts], line: TransactionFacts) -> None:
    assert not _proposed(decide(sales, [line]))


def test_a_sale_with_a_payment_of_its_own_was_not_paid_out() -> None:
    own = booked(
        "t2", side="credit", amount_cents=1750, counterparty="Kunde 1", remittance="", booked_on=ISSUED + timedelta(days=3)
    )
    found = decide(_sales(4200, 1750, 9900), [_payout("t1", 13832, 4), own])
    assert _proposed(found) == {"s0": "t1", "s2": "t1"}


# --- what a service keeps ------------------------------------------------------------------------------------------

SUMUP, STRIPE = Fee(139, 0), Fee(150, 25)


def _paid_out(cents: tuple[int, ...], fee: Fee = SUMUP, lag: int = 2) -> list[TransactionFacts]:
    """Each sale in a payout of its own."""
    return [_payout(f"t{n}", fee.less(amount), n + lag) for n, amount in enumerate(cents)]


def _assigned(found: dict[str, Decision]) -> dict[str, str]:
    return {known: d.allocations[0].transaction for known, d in found.items() if d.status == "assigned"}


def test_the_fee_that_explains_every_payout_to_the_cent_is_the_services() -> None:
    shown = [Sale("stripe", f"t{n}", cents, STRIPE.less(cents)) for n, cents in enumerate(CENTS)]
    noise = [replace(sale, cents=sale.cents + 137) for sale in shown]
    assert learn_fees((), [*shown, *noise]) == {"stripe": STRIPE}
    assert learn_fees((), shown[:3]) == {}, "three are too few"
    assert learn_fees((), noise) == {}
    assert learn_fees(shown, noise) == {"stripe": STRIPE}, "what was assigned tells more than what is only possible"


def test_a_sale_less_the_fee_is_assigned_once_the_books_show_it() -> None:
    found = decide(_sales(*CENTS), _paid_out(CENTS))
    assert _assigned(found) == {f"s{n}": f"t{n}" for n in range(len(CENTS))}
    best = found["s3"].candidates[0]
    assert [part.amount_cents for part in best.allocations] == [SUMUP.less(23090)]
    told = best.reasons[0]
    assert (told.code, told.named["difference_cents"], told.named["count"]) == (ReasonCode.LESS_FEE, -321, 1)
    few = decide(_sales(*CENTS[:3]), _paid_out(CENTS[:3]))
    assert _assigned(few) == {}, "three show nothing"
    known = [Sale("sumup", f"p{n}", cents, SUMUP.less(cents)) for n, cents in enumerate(CENTS)]
    assert len(_assigned(decide(_sales(*CENTS[:3]), _paid_out(CENTS[:3]), sales=known))) == 3


def test_what_is_left_of_payouts_is_decided_as_if_the_others_had_never_been_there() -> None:
    cents = (*CENTS, 4990, 4990, 7777)
    sales, lines = _sales(*cents), _paid_out((*CENTS, 4990, 4990, 7000))
    known = [Sale("sumup", f"p{n}", amount, SUMUP.less(amount)) for n, amount in enumerate(CENTS)]
    whole = decide(sales, lines, sales=known)
    done = _assigned(whole)
    assert len(done) == len(CENTS)
    rest = [replace(line, open_cents=0) if line.id in done.values() else line for line in lines]
    left = [made for made in sales if made.id not in done]
    assert decide(left, rest, sales=known) == {made.id: whole[made.id] for made in left}
    assert decide(sales[::-1], lines[::-1], sales=known) == whole


def test_of_two_sales_at_one_price_none_is_assigned() -> None:
    """They are proposed by age: each payout the sale that is as old as the others were."""
    sales, lines = _sales(*CENTS, 4990, 4990), _paid_out((*CENTS, 4990, 4990))
    found = decide(sales, lines)
    assert set(_assigned(found)) == {f"s{n}" for n in range(len(CENTS))}
    assert {known: found[known].candidates[0].allocations[0].transaction for known in ("s6", "s7")} == {"s6": "t6", "s7": "t7"}


def test_sales_a_cent_apart_are_nobodys_by_a_cent() -> None:
    """A service may round its share in another way than we do: then the payout is the other sale's."""
    sales, lines = _sales(*CENTS, 4990, 4991), _paid_out((*CENTS, 4991))
    assert set(_assigned(decide(sales, lines))) == {f"s{n}" for n in range(len(CENTS))}
    apart = _sales(*CENTS, 4989, 4991)
    assert set(_assigned(decide(apart, lines))) == {f"s{n}" for n in (*range(len(CENTS)), 7)}


def test_two_sales_less_their_fees_are_assigned_together() -> None:
    together = _payout("t9", SUMUP.less(31415) + SUMUP.less(2718), 9)
    found = decide(_sales(*CENTS, 31415, 2718), [*_paid_out(CENTS), together])
    assert [(found[known].status, found[known].allocations[0].amount_cents) for known in ("s6", "s7")] == [
        ("assigned", SUMUP.less(31415)),
        ("assigned", SUMUP.less(2718)),
    ]
    other = replace(together, amount_cents=together.amount_cents - 1, open_cents=together.amount_cents - 1)
    left = decide(_sales(*CENTS, 31415, 2718), [*_paid_out(CENTS), other])
    assert {left["s6"].status, left["s7"].status} == {"review"}
    assert _proposed(left) == {"s6": "t9", "s7": "t9"}


@pytest.mark.parametrize("values", [{"is_from_bank": False}, {"direction": "expense"}, {"issued_on": None}])
def test_an_upload_or_an_expense_is_no_sale(values: dict[str, object]) -> None:
    sales = [*_sales(*CENTS), *(replace(made, id="s9", **values) for made in _sales(31415))]  # type: ignore[arg-type]
    found = decide(sales, [*_paid_out(CENTS), _payout("t9", SUMUP.less(31415), 3)])
    assert found["s9"].status == "review"


# --- what a firm collects itself -----------------------------------------------------------------------------------


def _members(count: int, cents: int = 4800) -> list[ReceiptFacts]:
    """Fees of a club's members, all of one day."""
    return [
        receipt(
            f"m{n}", direction="income", number=f"B-{n:04}", counterparty=f"Mitglied {n}", due_on=None, amount_cents=cents
        )
        for n in range(count)
    ]  # fmt: skip


def _collection(cents: int, text: str) -> TransactionFacts:
    return booked("t1", side="credit", amount_cents=cents, counterparty="TSV Musterstadt e.V.", remittance=text)


def test_what_was_collected_together_is_assigned_if_sum_and_count_are_right() -> None:
    found = decide(_members(16), [_collection(16 * 4800, "SEPA-Sammellastschrift 16 Posten Beitrag 11/2026")])
    assert {(d.status, d.allocations[0].amount_cents) for d in found.values()} == {("assigned", 4800)}
    others = decide(_members(16), [_collection(16 * 4800, "SEPA-Sammellastschrift 17 Posten Beitrag 11/2026")])
    assert {d.status for d in others.values()} == {"review"}
    plain = decide(_members(16), [_collection(16 * 4800, "Beitrag 11/2026")])
    assert {d.status for d in plain.values()} == {"review"}


@pytest.mark.parametrize(
    "text", ["SAMMLER LASTSCHRIFT ANZ 4 11082026", "Sammeleinzug, Anzahl: 4", "Sammler-Lastschrift 4 Buchungen"]
)
def test_what_other_banks_call_a_batch(text: str) -> None:
    assert {d.status for d in decide(_members(4), [_collection(4 * 4800, text)]).values()} == {"assigned"}


def test_odd_amounts_were_collected_also_of_who_pays_himself_elsewhere() -> None:
    """Of equal fees the one of who pays himself may not be in the sum; of odd amounts no other four make it."""
    own = booked("own", side="credit", counterparty="Mitglied 3", amount_cents=777, remittance="Spende")
    for cents, status in ((0, "review"), (1317, "assigned")):
        members = [replace(made, amount_cents=4800 + n * cents) for n, made in enumerate(_members(4))]
        line = _collection(sum(made.amount_cents or 0 for made in members), "Sammellastschrift 4 Posten")
        assert {d.status for d in decide(members, [line, own]).values()} == {status}


def test_of_what_was_collected_those_that_are_here_are_proposed() -> None:
    found = decide(_members(15), [_collection(16 * 4800, "SEPA-Sammellastschrift 16 Posten Beitrag 11/2026")])
    assert {(d.status, d.reason) for d in found.values()} == {("review", ReviewReason.AMOUNT_DIFFERS)}
    told = found["m3"].candidates[0].reasons[0]
    assert (told.code, told.named["count"]) == (ReasonCode.COLLECTED, 15)
    assert (told.named["amount_cents"], told.named["difference_cents"]) == (15 * 4800, 4800)


def test_a_batch_that_several_days_make_is_left() -> None:
    """Four fees of each of three days: which day was collected, sum and count do not say; nor does a sum without a count."""
    members = [replace(made, issued_on=ISSUED + timedelta(days=n // 4)) for n, made in enumerate(_members(12))]
    line = _collection(4 * 4800, "SEPA-Sammellastschrift 4 Posten")
    assert {d.status for d in decide(members, [line]).values()} == {"review"}
    assert {d.status for d in decide(members[:4], [line]).values()} == {"assigned"}
    beside = replace(line, counterparty="Ladepunkt Vertrieb AG")
    assert {d.status for d in decide(members[:4], [beside]).values()} == {"assigned"}, "whose name stands there is none of theirs"
    uncounted = _collection(4 * 4800, "Sammelgutschrift")
    assert {d.status for d in decide(members[:4], [uncounted]).values()} == {"review"}
    freight = decide(members[:4], [_collection(4 * 4800, "Transport Sammelgut November")])
    assert ReasonCode.COLLECTED not in {c.reasons[0].code for d in freight.values() for c in d.candidates}


def test_which_batch_has_which_id_says_nothing() -> None:
    """One is whole here, of the other one receipt is missing: the whole one is found first, whatever it is called."""
    day = timedelta(days=1)
    first, second = _members(4), [replace(made, id=f"n{n}", issued_on=ISSUED + day) for n, made in enumerate(_members(3))]
    for one, other in (("a", "z"), ("z", "a")):
        lines = [
            replace(_collection(4 * 4800, "Sammellastschrift 4 Posten"), id=one),
            replace(_collection(5 * 4800, "Sammellastschrift 5 Posten"), id=other, booked_on=ISSUED + 12 * day),
        ]
        found = decide([*first, *second], lines)
        assert {found[made.id].allocations[0].transaction for made in first} == {one}
        assert {found[made.id].status for made in second} == {"review"}


def test_who_is_marked_as_paid_was_collected_and_who_pays_was_not() -> None:
    """Of ten members six are collected. The bank has marked four of them; three pay themselves, and one later."""
    members, (line, *own) = club()
    found = decide(members, [line, *own])
    told = {known: decision.candidates[0].reasons[0] for known, decision in found.items() if decision.candidates}
    assert {known for known, reason in told.items() if reason.code is ReasonCode.COLLECTED} == {"m0", "m1", "m2", "m3"}
    assert told["m0"].named["difference_cents"] == 2 * 4800
    assert {found[f"m{n}"].status for n in range(4)} == {"review"}
    elsewhere = [*members[:9], replace(members[9], paid_on=line.booked_on - timedelta(days=6))]
    found = decide(elsewhere, [line, *own])
    assert {known for known, d in found.items() if d.status == "assigned"} == {f"m{n}" for n in range(9)}, "nobody is left over"


def test_a_sale_of_one_price_shows_every_payout_that_may_be_its() -> None:
    cents = (*CENTS, 4990, 4990)
    found = decide(_sales(*cents), [*_paid_out(CENTS), _payout("t6", SUMUP.less(4990), 8), _payout("t7", SUMUP.less(4990), 10)])
    for known in ("s6", "s7"):
        shown = {candidate.allocations[0].transaction for candidate in found[known].candidates}
        assert (found[known].status, found[known].reason, shown) == ("review", ReviewReason.SEVERAL_EQUAL, {"t6", "t7"})
