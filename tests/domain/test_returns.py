"""A payment that came back is none: the next one is meant, or nothing is there yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from portal.domain.matching import ReceiptFacts, TransactionFacts
from portal.domain.matching.reasons import ReasonCode, ReviewReason
from tests.domain.matching_facts import ISSUED, booked, decide, one, receipt

PULLED, BACK, AGAIN = (ISSUED + timedelta(days=days) for days in (7, 9, 17))


def pulled(id: str = "t1", **values: Any) -> TransactionFacts:  # noqa: A002 -- the fact's own name
    return booked(id, **{"booked_on": PULLED, **values})


def back(**values: Any) -> TransactionFacts:
    told = {"side": "credit", "booked_on": BACK, "remittance": "RETOURE SEPA-Lastschrift Rückbelastung RE-2026-1042"}
    return booked("back", **{**told, **values})


def again(**values: Any) -> TransactionFacts:
    return booked("again", **{"booked_on": AGAIN, **values})


def sold(**values: Any) -> tuple[ReceiptFacts, TransactionFacts]:
    """An invoice of ours that we collect."""
    return receipt(direction="income", **values), pulled(side="credit", remittance="Einzug RE-2026-1042")


def taken(decision: Any) -> list[str]:
    return [part.transaction for part in decision.allocations]


@pytest.mark.parametrize("returned", [back(), back(counterparty=None), back(remittance=""), back(remittance="RE-2026-1042")])
def test_the_second_try_is_meant(returned: TransactionFacts) -> None:
    """Whether the bank says what it is or not."""
    assert taken(one(receipt(), pulled(), returned, again())) == ["again"]


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
    refund = back(booked_on=PULLED + timedelta(days=5), remittance="Erstattung")
    assert taken(one(receipt(), pulled(), second, refund)) == ["t1"]


def test_money_for_a_credit_note_is_no_return() -> None:
    note = receipt("note", number="GS-77", amount_cents=-11900, issued_on=BACK, due_on=None)
    refund = back(remittance="Gutschrift GS-77")
    found = decide([receipt(), note], [pulled(), refund])
    assert (taken(found["r1"]), taken(found["note"])) == (["t1"], ["back"])


@pytest.mark.parametrize(
    "other",
    [
        back(counterparty="Dachdecker Ulrich KG", remittance="Danke"),
        back(amount_cents=11901, remittance="Erstattung"),
        back(currency="USD"),
        back(booked_on=PULLED - timedelta(days=1), remittance="Erstattung"),
        back(booked_on=PULLED + timedelta(days=61), remittance="Erstattung"),
        back(open_cents=0, remittance="Erstattung"),
    ],
    ids=["another party's", "another amount", "another currency", "before", "long after", "somebody has assigned it"],
)
def test_what_is_no_return(other: TransactionFacts) -> None:
    assert taken(one(receipt(), pulled(), other)) == ["t1"]
