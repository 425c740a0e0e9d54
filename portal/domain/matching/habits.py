"""How long a party takes to pay: who is always late pays no invoice on its day, though on that day his payment comes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from portal.domain.matching.blocking import Index
from portal.domain.matching.reasons import Decision
from portal.domain.names import parse_name

_SLOW_DAYS, _FEWEST = 20, 2
"""Who took longer than this, each of so many times, is slow."""

Lags = Mapping[str, Iterable[int]]
"""By name on receipts: days from an invoice to its payment."""


def note_lags(index: Index, lags: Lags) -> None:
    """Have the index know how long parties took, and so who is slow. What is marked as paid tells as much, while it is open."""
    for name, days in lags.items():
        index.lags[parse_name(name).ordered].extend(days)
    known = defaultdict(list, {name: [*days] for name, days in index.lags.items()})
    for receipt in index.receipts:
        facts = receipt.facts
        if facts.paid_on and facts.issued_on:
            known[receipt.name.ordered].append((facts.paid_on - facts.issued_on).days)
    index.slow = {name for name, days in known.items() if name and len(days) >= _FEWEST and min(days) > _SLOW_DAYS}


def lags_of(index: Index, decisions: Iterable[Decision]) -> dict[str, list[int]]:
    """Return how long those took that were assigned just now."""
    facts = {receipt.facts.id: receipt.facts for receipt in index.receipts}
    found = defaultdict[str, list[int]](list)
    for decision in decisions:
        receipt = facts[decision.receipt]
        booked = [index.transactions[index.place_of[part.transaction]].facts.booked_on for part in decision.allocations]
        if booked and receipt.issued_on and receipt.counterparty:
            found[receipt.counterparty].append((min(booked) - receipt.issued_on).days)
    return found
