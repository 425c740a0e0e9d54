"""Receipts that were filed twice."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, pairwise

from portal.domain.matching.blocking import Index
from portal.domain.matching.records import OpenReceipt
from portal.domain.names import SIMILAR, similarity
from portal.domain.papers import Kind

_MOST_TWINS = 24


def find_twins(index: Index) -> dict[int, tuple[int, bool]]:
    """Map each receipt that exists twice to (another copy, whether it has a number).

    Copies agree in direction, amount, currency, number, and in counterparty and invoice date as far as both are known. Of
    several copies the only one that does not call itself one, or that came from the bank (or that the bank linked), is no twin:
    it is the receipt, the others hang on it. Without a number,
    date and name have to be equal, and it may as well be two equal purchases. What a person has called distinct is no pair.
    """
    alike: defaultdict[tuple[object, ...], list[OpenReceipt]] = defaultdict(list)
    for receipt in index.receipts:
        if not receipt.cents:
            continue
        facts = receipt.facts
        key = (facts.direction, facts.amount_cents, receipt.currency)
        if receipt.reference:
            alike[(*key, receipt.reference.squashed)].append(receipt)
        elif facts.issued_on and receipt.name:
            alike[(*key, facts.issued_on, receipt.name.ordered)].append(receipt)
    twins: dict[int, tuple[int, bool]] = {}
    for copies in alike.values():
        if len(copies) > _MOST_TWINS:
            pairs = [(one, other) for one, other in pairwise(copies) if not _are_distinct(one, other)]
        else:
            pairs = [(one, other) for one, other in combinations(copies, 2) if _are_twins(one, other)]
        found = sorted({receipt.place for pair in pairs for receipt in pair})
        from_bank = [place for place in found if index.receipts[place].facts.is_from_bank]
        if len(from_bank) > 1 and pairs[0][0].reference:  # of two that the bank has, it knows the payment of the one that counts
            from_bank = [place for place in from_bank if index.links[place]]
        if len(originals := [place for place in found if index.receipts[place].title.kind is not Kind.COPY]) == 1:
            from_bank = originals
        first = from_bank[0] if len(from_bank) == 1 else None
        for one, other in pairs:
            for place, copy in ((one.place, other.place), (other.place, one.place)):
                if place != first:
                    twins.setdefault(place, (copy if first is None else first, one.reference is not None))
    return twins


def _are_twins(one: OpenReceipt, other: OpenReceipt) -> bool:
    days = {receipt.facts.issued_on for receipt in (one, other)} - {None}
    if _are_distinct(one, other):
        return False
    return len(days) <= 1 and (not one.name or not other.name or similarity(one.name, other.name) >= SIMILAR)


def _are_distinct(one: OpenReceipt, other: OpenReceipt) -> bool:
    return other.facts.id in one.facts.distinct_from or one.facts.id in other.facts.distinct_from
