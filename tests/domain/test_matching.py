"""The matcher: when it waits, what it learned, what stops it, and what holds for any facts at all."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.matching import tally
from bench.matching_set import FEEDS, ClientSet, make_client
from portal.domain.matching import (
    ReasonCode,
    ReceiptFacts,
    ReviewReason,
    TransactionFacts,
    match,
)
from portal.domain.matching.blocking import Index
from portal.domain.matching.kinship import acquaint, find_accounts
from tests.domain.matching_facts import IBAN, ISSUED, OTHER_IBAN, booked, decide, one, receipt


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


def test_of_two_that_the_bank_has_the_linked_one_counts() -> None:
    """Somebody wrote down when he paid it: that says nothing about which copy is the one to keep."""
    paid, linked = receipt("r1", paid_on=ISSUED + timedelta(days=9)), receipt("r1", linked_transactions=("t1",))
    assert decide([linked, receipt("r2")], [booked()])["r1"].status == "assigned"
    for one_of_two in (paid, replace(paid, id="r2"), linked):
        others = decide([one_of_two, replace(one_of_two, id="r3"), receipt("r4")], [booked()])
        assert {decision.reason for decision in others.values()} == {ReviewReason.DUPLICATE_SUSPECTED}
    assert {decision.status for decision in decide([paid, receipt("r2")], [booked()]).values()} == {"review"}
    # without a number they may be two purchases
    unnumbered = [replace(linked, number=None), replace(linked, id="r2", number=None, linked_transactions=())]
    assert decide(unnumbered, [booked(remittance="")])["r2"].status == "review"


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
    return {(ours[one], theirs[other]) for one, other in index.parties.acquainted}


@pytest.mark.parametrize(("feed", "prices"), [("full", None), ("full", 12), ("poor", 12), ("csv", None)])
def test_what_is_left_is_decided_as_if_nothing_else_had_ever_been_there(feed: str, prices: int | None) -> None:
    """The rounds after the first compare only what an assignment may have changed: that must be all of it, reasons included."""
    client = make_client(200, feed=feed, stories=250, prices=prices, twins=40)
    aliases = {("Meier Reinigung", "CLEANFIX"), *shown_by_the_books(client)}
    index = Index(client.receipts, client.transactions)
    accounts = find_accounts(index)
    decisions = match(client.receipts, client.transactions, aliases=aliases, accounts=accounts)
    used: Counter[str] = Counter()
    for decision in decisions:
        used.update({part.transaction: part.amount_cents for part in decision.allocations})
    left = [made for made, decision in zip(client.receipts, decisions, strict=True) if decision.status == "review"]
    rest = [replace(line, open_cents=line.open_cents - used[line.id]) for line in client.transactions]
    assert match(left, rest, aliases=aliases, accounts=accounts) == [
        decision for decision in decisions if decision.status == "review"
    ]


def test_what_another_invoice_makes_with_its_discount_is_no_slip() -> None:
    """The text names the wrong one of two invoices, whose amount is nearly paid: 3 % less is what the other one comes to."""
    named, meant = receipt(amount_cents=26303), receipt("r2", number="RE-2026-1047", amount_cents=27688)
    line = booked(amount_cents=26857)
    assert one(named, line).status == "assigned"
    assert {decision.status for decision in decide([named, meant], [line]).values()} == {"review"}
