"""Receipts and transactions with everything derived once that comparing them needs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

from portal.domain.matching.cards import is_card, is_guessed, other_side, purchased_on, service_of
from portal.domain.matching.facts import ReceiptFacts, Side, TransactionFacts
from portal.domain.matching.return_words import Came, what_came_back
from portal.domain.names import Name, couples, fold, is_brand_in_text, is_in_text, loosen, parse_name, parse_shop
from portal.domain.papers import title_of
from portal.domain.periods import Month, days, months
from portal.domain.references import parse_reference
from portal.domain.remittance import RemittanceText

DAYS_BEFORE, DAYS_AFTER = 45, 135
"""A transaction is compared from 45 days before a receipt's first date to 135 days after its last (98.6 % of true pairs)."""
RATES_DAYS = 230
"""So much longer may the last of several payments take that all name their invoice: a year in all."""
MOST_CENTS = 10**14
"""Above a trillion of any currency a figure was misread; below it, a hundred times it fits into 64 bits."""
_USUAL_LAG = 7
_FOREVER = (0, 4_000_000)

_MANDATE = re.compile(r"lastschrift|\b(?:mandat|mref|cred|gl(?:ä|ae)ubiger)", re.IGNORECASE)


class OpenReceipt:
    """A receipt with everything derived once. `place`: its rank in the index; `side`: of the transaction that would pay it."""

    __slots__ = (
        "centre", "cents", "currency", "facts", "first_day", "iban", "last_day", "months", "name", "place", "reference", "side",
        "spelling", "title",
    )  # fmt: skip

    def __init__(self, place: int, facts: ReceiptFacts) -> None:
        """Derive the comparable form of `facts`."""
        self.place = place
        self.facts = facts
        cents = None if facts.amount_cents is None else abs(facts.amount_cents)
        self.cents = cents if cents is None or cents <= MOST_CENTS else None
        self.currency = facts.currency.strip().upper() if facts.currency else None
        self.name = parse_name(facts.counterparty)
        self.spelling = 0
        self.reference = parse_reference(facts.number)
        self.iban = compact_iban(facts.iban)
        self.side = paying_side(facts)
        self.months = months(facts.text)
        self.title = title_of(facts.text)
        days = [day.toordinal() for day in (facts.issued_on, facts.due_on, facts.paid_on) if day is not None]
        self.first_day, self.last_day = (min(days) - DAYS_BEFORE, max(days) + DAYS_AFTER) if days else _FOREVER
        if facts.paid_on is not None:
            self.centre = facts.paid_on.toordinal()
        else:
            self.centre = days[0] + _USUAL_LAG if days else 0

    @property
    def has_date(self) -> bool:
        """Tell whether any of its three dates is known."""
        return (self.first_day, self.last_day) != _FOREVER


class BookedTransaction:
    """A transaction with everything derived once. `place`: its rank in the index."""

    __slots__ = (
        "_came_back", "_days", "_months", "_words", "currency", "day", "emitted_day", "facts", "free", "iban", "is_card",
        "is_pulled", "local_currency", "name", "other_side", "place", "service", "spelling", "text",
    )  # fmt: skip

    def __init__(self, place: int, facts: TransactionFacts) -> None:
        """Derive the comparable form of `facts`."""
        self.place = place
        self.facts = facts
        self.is_card = is_card(facts)
        self.is_pulled = is_pulled(facts)
        self.free = min(max(0, facts.open_cents), MOST_CENTS)
        self.currency = facts.currency.strip().upper()
        self.local_currency = facts.local_currency.strip().upper() if facts.local_currency else None
        self.other_side = other_side(facts)
        self.service = service_of(facts)
        self.name = parse_shop(self.other_side) if self.is_card else parse_name(self.other_side)
        if self.name and is_guessed(facts):
            self.name = replace(self.name, is_guessed=True)
        self.spelling = 0
        self.text = RemittanceText(facts.remittance)
        self.iban = compact_iban(facts.iban)
        self.day = facts.booked_on.toordinal()
        self.emitted_day = (facts.emitted_on or (self.is_card and purchased_on(facts)) or facts.booked_on).toordinal()
        self._came_back: Came | None = None
        self._words: frozenset[str] | None = None
        self._months: frozenset[Month] | None = None
        self._days: frozenset[date] | None = None

    @property
    def is_passed_on(self) -> bool:
        """Whether a payment service passed the money on."""
        return self.service != ""

    @property
    def is_purchase(self) -> bool:
        """Whether something was bought by card in a shop of a known brand, and nothing of the payment is used up."""
        return self.is_card and self.name.brand != "" and self.facts.side == "debit" and self.free == self.facts.amount_cents

    @property
    def came_back(self) -> Came:
        """What came back with it, if its text says so."""
        if self._came_back is None:
            self._came_back = what_came_back(self.facts.remittance)
        return self._came_back

    @property
    def days(self) -> frozenset[date]:
        """The days that the remittance information names, but for that of the booking itself."""
        if self._days is None:
            self._days = days(self.facts.remittance) - {self.facts.booked_on}
        return self._days

    @property
    def months(self) -> frozenset[Month]:
        """The months that the remittance information names."""
        if self._months is None:
            self._months = months(self.facts.remittance)
        return self._months

    def tells(self, name: Name) -> bool:
        """Tell whether the remittance information holds a name; where somebody passed the money on, its brand is enough."""
        return is_in_text(name, self.words) or (self.is_passed_on and is_brand_in_text(name, self.words))

    @property
    def couples(self) -> set[str]:
        """The words of the remittance information two by two: for whom somebody else pays, if it says so."""
        return couples(map(loosen, fold(self.facts.remittance).split()))

    @property
    def words(self) -> frozenset[str]:
        """The words of the remittance information, folded and loosened like those of a name."""
        if self._words is None:
            self._words = frozenset(map(loosen, fold(self.facts.remittance).split()))
        return self._words


def share_of(receipt: OpenReceipt, booked: BookedTransaction) -> int | None:
    """Return what a receipt takes of a transaction in its currency, negative for a netted credit note; None if it cannot be."""
    if not receipt.cents or receipt.side is None or receipt.currency != booked.currency:
        return None
    if not receipt.first_day <= booked.day <= receipt.last_day:
        return None
    if receipt.side == booked.facts.side:
        return receipt.cents
    is_netted_credit_note = (receipt.facts.amount_cents or 0) < 0
    return -receipt.cents if is_netted_credit_note else None


def is_pulled(facts: TransactionFacts) -> bool:
    """Tell whether the other side took the money itself, by direct debit: the bank says so, or its file's text."""
    if facts.operation_type is not None:
        return facts.operation_type == "direct_debit"
    return facts.side == "debit" and bool(_MANDATE.search(facts.remittance))


def paying_side(facts: ReceiptFacts) -> Side | None:
    """Return the side of the transaction that settles a receipt; a credit note turns it round. None: direction unknown."""
    if facts.direction is None:
        return None
    is_credit_note = facts.amount_cents is not None and facts.amount_cents < 0
    return "debit" if (facts.direction == "expense") != is_credit_note else "credit"


def compact_iban(written: str | None) -> str:
    """Drop spaces and case; "" when there is none."""
    return "".join(written.split()).upper() if written else ""
