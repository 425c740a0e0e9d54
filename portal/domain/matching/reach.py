"""Which transactions can matter to open receipts at all: the others may be left where they are, and nothing is decided otherwise.

A decision looks at a receipt's compared pairs (`blocking`), at what else has its amount or that of such a pair around those days,
and at sums of one party. Each of these begins with something that receipt and transaction share: a key. So a transaction that no
open receipt asks for is in no pair, no count and no set. One that is asked for may turn out to be nothing; never the other way.

A client's words and IBANs are the only thing that is counted over all of its transactions: `match` takes the counts beside them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import NamedTuple

from portal.domain.matching.batches import MOST_DAYS, is_batch
from portal.domain.matching.blocking import MOST_BY_NAME, party_keys, rarest, related_cents
from portal.domain.matching.cards import other_side, service_of
from portal.domain.matching.facts import ReceiptFacts, TransactionFacts
from portal.domain.matching.payouts import is_payout
from portal.domain.matching.records import RATES_DAYS, BookedTransaction, OpenReceipt
from portal.domain.matching.return_words import what_came_back
from portal.domain.matching.returns import RETURN_DAYS
from portal.domain.matching.sales import FIRST_DAYS, LAST_DAYS, is_sale
from portal.domain.matching.sums import BILLED_DAYS, OFF_DAYS, SAME_DAYS
from portal.domain.names import couples, parse_name
from portal.domain.references import FEWEST_DIGITS
from portal.domain.remittance import RemittanceText

RIVAL_DAYS = 200
"""So far from a pair's days another with its amount still counts (`certainty.RECURRENCE_DAYS`)."""
NEAREST = MOST_BY_NAME
"""Of a word's transactions only so many count on either side of a receipt's middle day."""
_ANY = "*"
"""The key of a transaction that everybody asks for: its text holds too many numbers to be told in keys."""
_BACK = "back"
"""The key of a transaction that says that a payment came back: of whatever amount that was."""
_LAST_DAYS = max(RIVAL_DAYS, RATES_DAYS + RETURN_DAYS)
_LONGEST, _MOST_NUMBERS, _LONGEST_MONTH = 60, 300, 31

Span = tuple[date, date]


class Near(NamedTuple):
    """A question for those of a key's transactions that are nearest to a day: `NEAREST` before it, as many from it on."""

    key: str
    span: Span
    centre: date


class Asked(NamedTuple):
    """What open receipts ask for.

    `always`: keys, on whatever day; `within`: keys in `span`; `cents`: amounts in `span`; `near`; `transactions`: ids.
    """

    always: set[str]
    within: set[str]
    cents: set[int]
    span: Span
    near: set[Near]
    transactions: set[str]


def keys_of(facts: TransactionFacts) -> set[str]:
    """Return what a transaction can be asked for by, besides its amount and its id."""
    numbers = {
        _key("n", squashed)
        for _, _, squashed in RemittanceText(facts.remittance).windows()
        if sum(map(str.isdigit, squashed)) >= FEWEST_DIGITS
    }
    name = parse_name(other_side(facts))
    keys = {_ANY} if len(numbers) > _MOST_NUMBERS else numbers
    keys |= {_key(*key) for key in party_keys(name, facts.iban)}
    if name:
        keys.add(_key("party", name.ordered))
    if is_payout(facts):
        keys.add(_key("service", service_of(facts)))
    if is_payout(facts) or is_batch(facts):
        keys.add(_week(facts.booked_on.toordinal()))
    if what_came_back(facts.remittance):
        keys.add(_BACK)
    booked = BookedTransaction(0, facts)
    if facts.side == "credit":
        keys |= {_told(booked.day, two) for two in booked.couples}
    if booked.is_purchase:
        keys.add(_bought(booked.emitted_day, booked.name.brand))
    if facts.local_amount_cents:
        keys.add(_cents("local", facts.local_amount_cents))
    if facts.open_cents not in {0, facts.amount_cents}:
        keys.add(_cents("open", facts.open_cents))
    return keys


def counted_by(receipts: Iterable[ReceiptFacts]) -> set[str]:
    """Return the keys of which must be known how many transactions have them: `Asked.near` depends on it, and so does `match`."""
    return {_key(*key) for facts in receipts for key in party_keys(parse_name(facts.counterparty), facts.iban)}


def asked_by(receipts: Collection[ReceiptFacts], counts: Mapping[str, int]) -> Asked:
    """Return what these open receipts ask for. `counts`: of the keys `counted_by` them, where there are any."""
    asked = Asked({_ANY}, set(), set(), _no_span(), set(), set())
    first, last = [], []
    for receipt in (OpenReceipt(0, facts) for facts in receipts):
        span = _day(receipt.first_day), _day(receipt.last_day)
        first.append(receipt.first_day)
        last.append(receipt.last_day)
        asked.always.update(_key("n", key) for key in (receipt.reference.sought if receipt.reference else ()))
        if receipt.cents:
            asked.cents.update(related_cents(receipt.cents))
        if receipt.name:
            asked.within.add(_key("party", receipt.name.ordered))
        if receipt.iban:
            asked.within.add(_key("iban", receipt.iban))
        keys = party_keys(receipt.name, receipt.iban)
        for key in rarest(keys, {key: counts[_key(*key)] for key in keys if _key(*key) in counts}):
            asked.near.add(Near(_key(*key), span, _day(receipt.centre)))
        asked.transactions.update(receipt.facts.linked_transactions)
        if receipt.facts.issued_on and is_sale(receipt.facts):
            sold = receipt.facts.issued_on.toordinal()
            asked.always.update(_week(day) for day in _weekly(sold + FIRST_DAYS, sold + max(LAST_DAYS, MOST_DAYS)))
        asked.always.update(_parts_of(receipt))
    if receipts:
        asked.within.add(_BACK)
    for kind in ("local", "open"):
        asked.within.update(_cents(kind, cents) for cents in asked.cents)
    return asked._replace(span=(_day(min(first) - RIVAL_DAYS), _day(max(last) + _LAST_DAYS))) if first else asked


def _parts_of(receipt: OpenReceipt) -> Iterator[str]:
    """The keys of what may pay a part of a receipt under another name: for a person, or by card in the month that is billed."""
    facts = receipt.facts
    if receipt.side == "credit":
        for known in (facts.issued_on, facts.paid_on):
            if known:
                days = _weekly(known.toordinal() - SAME_DAYS, known.toordinal() + SAME_DAYS)
                yield from (_told(day, two) for day in days for two in couples(receipt.name.words[:2]))
    if receipt.side == "debit" and facts.issued_on and receipt.name:
        issued = facts.issued_on.toordinal()
        days = _weekly(issued - BILLED_DAYS - _LONGEST_MONTH - OFF_DAYS, issued + OFF_DAYS)
        yield from (_bought(day, receipt.name.words[0]) for day in days)


def _weekly(first: int, last: int) -> tuple[int, ...]:
    """Days of which every week between two days has one."""
    return (*range(first, last, 7), last)


def services_among(found: Iterable[TransactionFacts]) -> dict[str, str]:
    """Return the payment services that paid something out, each with the key of all its payouts (`Sale`: what they keep)."""
    return {service_of(facts): _key("service", service_of(facts)) for facts in found if is_payout(facts)}


def asked_next(found: Iterable[TransactionFacts], span: Span) -> Asked:
    """What those found ask for in turn: what has their amount.

    Whether what was paid in a foreign currency stands alone with what it cost in ours; which payment a return is of.
    """
    found = list(found)
    cents = {facts.amount_cents for facts in found if facts.local_amount_cents}
    within = {_cents(kind, amount) for amount in cents for kind in ("local", "open")}
    back = {facts.amount_cents for facts in found if what_came_back(facts.remittance)}
    return Asked(set(), within, cents | back, span, set(), set())


def _key(kind: str, told: str) -> str:
    """For example "word:holzhandel"; of a long one the hash stands for it."""
    return f"{kind}:{told if len(told) <= _LONGEST else sha256(told.encode()).hexdigest()}"


def _cents(kind: str, cents: int) -> str:
    return f"{kind}:{abs(cents)}"


def _week(ordinal: int) -> str:
    """The key of the payouts and collections of one week."""
    return _key("payout", str(ordinal // 7))


def _told(ordinal: int, two: str) -> str:
    return _key("told", f"{ordinal // 7} {two}")


def _bought(ordinal: int, brand: str) -> str:
    """The key of a shop's purchases of one month."""
    return _key("bought", f"{_day(ordinal):%Y-%m} {brand}")


def _day(ordinal: int) -> date:
    return date.fromordinal(min(max(1, ordinal), date.max.toordinal()))


def _no_span() -> Span:
    return date.max, date.min


def named_counts(counts: Mapping[str, int], receipts: Iterable[ReceiptFacts]) -> dict[tuple[str, str], int]:
    """Put counts by key into the form that `match` takes."""
    keys = {key for facts in receipts for key in party_keys(parse_name(facts.counterparty), facts.iban)}
    return {key: counts[_key(*key)] for key in keys if _key(*key) in counts}
