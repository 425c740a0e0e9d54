"""Batch bookings: what a firm collected of its customers itself, in one sum, as a club its members' fees.

Nobody is named. They were billed together, and the bank tells how many they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import TransactionFacts
from portal.domain.matching.records import BookedTransaction
from portal.domain.matching.sales import Row, Sales, runs

_COLLECTED = re.compile(r"sammel-?\s?(?:last|ein|gut)", re.IGNORECASE)
_COUNT = re.compile(r"\b(\d{1,4})\s+posten\b|\banzahl:?\s*(\d{1,4})\b", re.IGNORECASE)
_FEWEST = 3


@dataclass(slots=True)
class Batches:
    """Transaction → its receipts, sorted. `whole`: all of them, right to the cent; `partial`: some are missing here."""

    whole: dict[int, tuple[int, ...]] = field(default_factory=dict)
    partial: dict[int, tuple[int, ...]] = field(default_factory=dict)


def is_batch(facts: TransactionFacts) -> bool:
    """Tell whether somebody collected money of several others in one sum."""
    return facts.side == "credit" and _COLLECTED.search(facts.remittance) is not None


def find_batches(index: Index, sales: Sales) -> Batches:
    """Find the receipts that were collected in one sum: all that were, or what of it is here."""
    found = Batches()
    for booked in index.transactions:
        if booked.free and booked.place not in index.named_whole and is_batch(booked.facts):
            rows, is_whole = _collected(booked, sales.open_near(booked))
            if rows:
                (found.whole if is_whole else found.partial)[booked.place] = sales.give(rows)
    return found


def _collected(booked: BookedTransaction, rows: list[Row]) -> tuple[list[Row], bool]:
    """The receipts of some days that were collected, and whether they are all; none if no day's may be.

    Whether all is told by sum and count. If some are missing, they are those of the day that leaves the least.
    """
    told = _COUNT.search(booked.facts.remittance)
    count = int(told[1] or told[2]) if told else None
    best: tuple[int, int, int] | None = None
    for start, end in runs(rows):
        left = booked.free - sum(cents for _, _, cents in rows[start:end])
        if left == 0 and (end - start == count if count else end - start >= _FEWEST):
            return rows[start:end], True
        if left >= 0 and _FEWEST <= end - start <= (count or end) and rows[start][0] == rows[end - 1][0]:
            best = min(best or (left, start, end), (left, start, end))
    return ([] if best is None or 2 * best[0] > booked.free else rows[best[1] : best[2]]), False
