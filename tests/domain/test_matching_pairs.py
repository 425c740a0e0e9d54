"""What one pair of receipt and transaction says: assigned alone, or left to a person and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.domain.matching import (
    Reason,
    ReceiptFacts,
    ReviewReason,
    TransactionFacts,
    found_spans,
    match,
    paying_side,
)
from portal.domain.matching.blocking import Index
from tests.domain.matching_facts import IBAN, ISSUED, OTHER_IBAN, booked, one, receipt

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
    "through a payment service that names the brand": (
        receipt(counterparty="Conrad Electronic SE"),
        booked(counterparty="PayPal Europe", remittance="1051709382910 PP.9809.PP . Conrad, Ihr Einkauf bei Conrad"),
    ),
    "through a payment service that names a shop with a digit in it": (
        receipt(counterparty="eBay Händler tech24"),
        booked(counterparty="PayPal Europe", remittance="9823805520576 PP.5365.PP . TECH24, Ihr Einkauf b ei TECH24"),
    ),
    "through a payment service whose text was cut": (
        receipt(counterparty="Conrad Electronic SE"),
        booked(counterparty="PayPal Europe", remittance="1051709382910 PP.9809.PP . Conrad, Ihr Ei"),
    ),
    "the end of the number, announced": (receipt(number="2026/0560"), booked(remittance="Zahlung Rechnung 560")),
    "a number that belongs to the payer": (receipt(iban=IBAN), booked(remittance="Beleg 5105272", iban=IBAN)),
    "a card, in a text that was cut behind town and country": (
        receipt(counterparty="OBI GmbH & Co. Deutschland KG", due_on=None),
        booked(counterparty=None, remittance="OBI BAU- U. HEIMWERKERM Leipzig DE 2026-1", booked_on=ISSUED + timedelta(days=2)),
    ),
    "a card, in a name that was cut in the town": (
        receipt(counterparty="Aral Station Inge Dörr", due_on=None),
        booked(counterparty="ARAL STATION 4711//DUESSELD", remittance="", booked_on=ISSUED + timedelta(days=2)),
    ),
    "through a payment service, whose account is not the supplier's": (
        receipt(counterparty="Otto GmbH & Co. KGaA", iban=IBAN),
        booked(counterparty="Klarna Bank AB", remittance="Bestellung FLVJPTTL OTTO Pay in 30 days", iban=OTHER_IBAN),
    ),
    "a bank's file that has the name before the text": (
        receipt(),
        booked(counterparty=None, remittance="HOLZHANDEL WEBER Kd 91255 Beitrag End-to-End-Ref.: NOTPROVIDED"),
    ),
    "a supplier who collects it himself, to another account than the invoice prints": (
        receipt(iban=IBAN),
        booked(iban=OTHER_IBAN, operation_type="direct_debit"),
    ),
    "the end of a long number alone": (receipt(number="20261042"), booked(remittance="Rechnung 261042 v. 02.11.2026")),
    "a card in another currency, without its original amount": (
        receipt(currency="USD", amount_cents=11900, due_on=None),
        booked(amount_cents=10950, remittance="", operation_type="card", booked_on=ISSUED + timedelta(days=2)),
    ),
    "a shop of two letters, by card": (
        receipt(counterparty="DB Fernverkehr AG", number=None, due_on=None),
        booked(counterparty="DB BAHN A-WQ5567*", remittance="", booked_on=ISSUED + timedelta(days=2)),
    ),
    "a name that is only similar, an amount that nothing else has": (
        receipt(),
        booked(remittance="", counterparty="HOLZHAND. WEBER"),
    ),
    "somebody wrote its payment down a week off, and nothing else can be meant": (
        receipt(due_on=None, paid_on=ISSUED + timedelta(days=16)),
        booked(remittance=""),
    ),
    "a card charged two days before its invoice": (
        receipt(due_on=None, number=None),
        booked(remittance="", operation_type="card", emitted_on=ISSUED - timedelta(days=2), booked_on=ISSUED),
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
    "2 % discount and another number": (
        receipt(), booked(amount_cents=11662, remittance="RE-2026-1037"), ReviewReason.AMOUNT_DIFFERS,
    ),
    "less by more than a tenth": (receipt(), booked(amount_cents=10700), ReviewReason.AMOUNT_DIFFERS),
    "less by more than a bank takes": (
        receipt(amount_cents=119000), booked(amount_cents=117000), ReviewReason.AMOUNT_DIFFERS,
    ),
    "the net was read, no number": (receipt(amount_cents=10000), booked(remittance=""), ReviewReason.AMOUNT_DIFFERS),
    "converted at a rate that never was": (receipt(currency="USD", amount_cents=30000), booked(), ReviewReason.AMOUNT_DIFFERS),
    "converted long after the invoice": (
        receipt(currency="USD", due_on=None), booked(amount_cents=10950, remittance=""), ReviewReason.AMOUNT_DIFFERS,
    ),
    "a name before the text, of somebody else": (
        receipt(), booked(counterparty=None, remittance="BAECKEREI KORNFELD Kd 91255"), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
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
    "somebody says that it was paid weeks later": (
        receipt(due_on=None, paid_on=ISSUED + timedelta(days=25)), booked(remittance=""), ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "pulled before it was billed, no number": (
        receipt(due_on=None),
        booked(remittance="", operation_type="direct_debit", booked_on=ISSUED - timedelta(days=12)),
        ReviewReason.COUNTERPARTY_UNCLEAR,
    ),
    "a customer pays two days before the invoice, no number": (
        receipt(direction="income", due_on=None),
        booked(side="credit", remittance="", booked_on=ISSUED - timedelta(days=2)),
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


def test_reasons_survive_being_stored() -> None:
    for made, line, *_ in (*ASSIGNED.values(), *REVIEWED.values()):
        for candidate in one(made, line).candidates:
            for reason in candidate.reasons:
                assert Reason.from_json(reason.as_json()) == reason


def test_a_number_that_strangers_share_is_the_payers() -> None:
    """Weber pays his 1042; Schulze's of another amount is not meant, one of this very amount may be. Of a used payment as well."""
    his, line = receipt("r1"), booked(counterparty="HOLZHANDEL WEBER", open_cents=11900)
    other = receipt("r2", counterparty="Schulze Reisen AG", amount_cents=50000)
    equal = receipt("r3", counterparty="Schulze Reisen AG")

    def named(receipts: list[ReceiptFacts], booked: TransactionFacts) -> set[str]:
        index = Index(receipts, [booked])
        return {index.receipts[place].facts.id for place in index.mentions.named.get(0, ())}

    assert named([his, other, equal], line) == {"r1", "r3"}
    assert named([other], line) == {"r2"}
    used = replace(line, open_cents=0)
    assert named([other, equal], used) == {"r3"}
    assert named([his, other], used) == {"r1"}
    both = replace(line, remittance="RE-2026-1042 und RE-2026-1043")
    assert named([his, replace(other, number="RE-2026-1043")], both) == {"r1", "r2"}, "in another place it is another's"
    # that two names are one party's is learned later, and changes nothing here: the next run does not know it yet either
    index = Index([replace(equal, counterparty="Zimmerei Kron"), other], [line])
    index.parties.take_for_one({(one.spelling, index.transactions[0].spelling) for one in index.receipts if one.facts.id == "r3"})
    rest = index.without((), {})
    assert {rest.receipts[place].facts.id for place in rest.mentions.named[0]} == {"r2", "r3"}


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
