"""Batch bookings: what a firm collected of its customers itself, in one sum, as a club its members' fees.

Nobody is named. They were billed together, and the bank tells how many they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import accumulate

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import TransactionFacts
from portal.domain.matching.pairs import PAYMENT_DAYS
from portal.domain.matching.records import BookedTransaction
from portal.domain.matching.sales import Row, Sales, is_sale, runs

_COLLECTED = re.compile(r"sammel-?\s?(?:last|ein|gut)", re.IGNORECASE)
_COUNT = re.compile(r"\b(\d{1,4})\s+posten\b|\banzahl:?\s*(\d{1,4})\b", re.IGNORECASE)
_FEWEST, MOST_DAYS = 3, 35


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
    batches = [
        booked
        for booked in index.transactions
        if booked.free and booked.place not in index.named_whole and is_batch(booked.facts)
    ]
    habits = _habits(index, batches)
    for booked in batches:
        rows, is_whole = _collected(booked, _by_sign(index, booked, sales.open_near(booked, MOST_DAYS), *habits))
        if rows:
            (found.whole if is_whole else found.partial)[booked.place] = sales.give(rows)
    return found


def _collected(booked: BookedTransaction, signs: list[list[Row]]) -> tuple[list[Row], bool]:
    """The receipts that were collected, and whether they are surely all; none if nothing tells which may be.

    Surely all are those of whole days whose sum and count are right. Of members who owe the same one may stand for another: what
    `signs` tell (the best first) is proposed, above all if it is right, as are those of the one day that leaves the least.
    """
    told = _COUNT.search(booked.facts.remittance)
    count = int(told[1] or told[2]) if told else None
    rows = sorted(row for part in signs for row in part)
    days = [rows[start:end] for start, end in runs(rows)]
    for is_sure, some in (*((True, part) for part in days), *((False, part) for part in accumulate(signs))):
        if _sum(some) == booked.free and (len(some) == count if count else len(some) >= _FEWEST):
            return sorted(some), is_sure
    possible = [
        part
        for part in (*days, *accumulate(signs[:-1]))
        if _FEWEST <= len(part) <= (count or len(part)) and _sum(part) <= booked.free
    ]
    of_one_day = [part for part in possible if part[0][0] == part[-1][0]]
    best = max(of_one_day or possible, key=_sum, default=[])
    return (best if 2 * _sum(best) >= booked.free else []), False


def _sum(rows: list[Row]) -> int:
    return sum(cents for _, _, cents in rows)


def _habits(index: Index, batches: list[BookedTransaction]) -> tuple[set[str], set[str]]:
    """The names of whom the bank has marked a receipt as paid on the day of a batch that it may be in, and on another day."""
    days = {booked.day for booked in batches}
    found: tuple[set[str], set[str]] = (set(), set())
    for receipt in index.receipts if batches else ():
        facts = receipt.facts
        if facts.paid_on and facts.issued_on and is_sale(facts):
            paid, until = facts.paid_on.toordinal(), facts.issued_on.toordinal() + MOST_DAYS
            is_in = any(paid + off in days and paid + off <= until for off in range(PAYMENT_DAYS[0], PAYMENT_DAYS[1] + 1))
            found[not is_in].add(receipt.name.ordered)
    return found


def _by_sign(
    index: Index, booked: BookedTransaction, rows: list[Row], collected: set[str], paying: set[str]
) -> list[list[Row]]:  # fmt: skip
    """Sales by what tells that they are in a batch: marked as paid that day; a member's; of somebody who never pays; nothing.

    `collected`, `paying`: the names of whom that is known on other days.
    """
    found: list[list[Row]] = [[], [], [], []]
    for row in rows:
        receipt = index.receipts[row[1]]
        name, paid_on = receipt.name.ordered, receipt.facts.paid_on
        pays = name in paying or bool(index.lines_of_name(receipt.name))
        if paid_on is None:
            found[3 if pays else 1 if name in collected else 2].append(row)
        elif PAYMENT_DAYS[0] <= booked.day - paid_on.toordinal() <= PAYMENT_DAYS[1]:
            found[2 if pays else 0].append(row)
    return found
