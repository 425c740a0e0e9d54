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
from portal.domain.matching.sales import FIRST_DAYS, Row, Sales, is_sale, runs
from portal.domain.matching.sums import is_no_chance

_COLLECTED = re.compile(r"\bsamm(?:el|ler)-?\s?(?:lastschrift|einzug|gutschrift)", re.IGNORECASE)
_COUNT = re.compile(r"\b(\d{1,4})\s+(?:posten|buchungen)\b|\banz(?:ahl)?[.:]{0,2}\s*(\d{1,4})\b", re.IGNORECASE)
_FEWEST, MOST_DAYS, _HABIT_DAYS = 3, 35, 150


@dataclass(slots=True)
class Batches:
    """Transaction → its receipts, sorted. `whole`: all of them, right to the cent; `partial`: a guess."""

    whole: dict[int, tuple[int, ...]] = field(default_factory=dict)
    partial: dict[int, tuple[int, ...]] = field(default_factory=dict)


def is_batch(facts: TransactionFacts) -> bool:
    """Tell whether somebody collected money of several others in one sum."""
    return facts.side == "credit" and _COLLECTED.search(facts.remittance) is not None


def find_batches(index: Index, sales: Sales) -> Batches:
    """Find the receipts that were collected in one sum: all that were, or what of it is here."""
    found = Batches()
    batches = sorted(
        (
            booked
            for booked in index.transactions
            if booked.free and booked.place not in index.mentions.named_whole and is_batch(booked.facts)
        ),
        key=lambda booked: (booked.day, booked.place),
    )
    habits = _habits(index, batches)

    def signs(booked: BookedTransaction) -> list[list[Row]]:
        return _by_sign(index, booked, sales.open_near(booked, MOST_DAYS), *habits)

    for booked in batches:
        if rows := _whole(booked, signs(booked)):
            found.whole[booked.place] = sales.give(rows)
    for booked in batches:
        if booked.place not in found.whole and (rows := _probable(booked, signs(booked))):
            found.partial[booked.place] = tuple(sorted(place for _, place, _ in rows))  # a guess: others may have them as well
    return found


def _whole(booked: BookedTransaction, signs: list[list[Row]]) -> list[Row]:
    """The receipts that surely were collected: of the only whole days whose sum and count are right.

    Among equal fees there may be none of somebody who pays himself; with odd amounts it is no chance.
    """
    count = _count(booked)
    counted = [(part, cents) for part, cents in _days(signs) if len(part) == count]
    fits = [part for part, cents in counted if cents == booked.free]
    if len(fits) != 1:
        return []
    is_odd = is_no_chance(len(counted), booked.free, [cents for _, _, cents in fits[0]])
    return fits[0] if is_odd or not {*fits[0]} & {*signs[-1]} else []


def _probable(booked: BookedTransaction, signs: list[list[Row]]) -> list[Row]:
    """The receipts that were probably collected, none if nothing tells which.

    Of members who owe the same one may stand for another. Those are meant that are right, by whole days or by their signs (the
    best first), else those of the one day that leaves the least, else as many with the best signs as there may be.
    """
    count = _count(booked)
    parts = [*_days(signs), *((part, sum(cents for _, _, cents in part)) for part in accumulate(signs))]
    possible = [(part, cents) for part, cents in parts if _FEWEST <= len(part) <= (count or len(part)) and cents <= booked.free]
    right = [part for part, cents in possible if cents == booked.free and (count is None or len(part) == count)]
    if right:
        return right[0]
    of_one_day = [(part, cents) for part, cents in possible if {day for day, _, _ in part} == {part[0][0]}]
    best, cents = max(of_one_day or possible, key=lambda pair: pair[1], default=([], 0))
    return best if 2 * cents >= booked.free else []


def _count(booked: BookedTransaction) -> int | None:
    told = _COUNT.search(booked.facts.remittance)
    return int(told[1] or told[2]) if told else None


def _days(signs: list[list[Row]]) -> list[tuple[list[Row], int]]:
    """Every run of whole days, with its sum."""
    rows = sorted(row for part in signs for row in part)
    sums = [0, *accumulate(cents for _, _, cents in rows)]
    return [(rows[start:end], sums[end] - sums[start]) for start, end in runs(rows)]


def _habits(index: Index, batches: list[BookedTransaction]) -> tuple[set[str], set[str]]:
    """The names of whom the bank has marked a receipt as paid on the day of a batch that it may be in, and on another day."""
    days = {booked.day for booked in batches}
    found: tuple[set[str], set[str]] = (set(), set())
    for receipt in index.receipts if batches else ():
        facts = receipt.facts
        if facts.paid_on and facts.issued_on and receipt.name and is_sale(facts):
            paid, issued = facts.paid_on.toordinal(), facts.issued_on.toordinal()
            near = days.intersection(range(paid + PAYMENT_DAYS[0], paid + PAYMENT_DAYS[1] + 1))
            is_in = any(issued + FIRST_DAYS <= day <= issued + MOST_DAYS for day in near)
            found[not is_in].add(receipt.name.ordered)
    return found


def _by_sign(
    index: Index, booked: BookedTransaction, rows: list[Row], collected: set[str], paying: set[str]
) -> list[list[Row]]:  # fmt: skip
    """Sales by what tells that they are in a batch: marked as paid that day; a member's; of somebody who never pays; nothing.

    What is marked, but of somebody who pays himself, is among the third. `collected`, `paying`: the names of whom that is known.
    """
    found: list[list[Row]] = [[], [], [], []]
    for row in rows:
        receipt = index.receipts[row[1]]
        name, paid_on = receipt.name.ordered, receipt.facts.paid_on
        pays = name in paying or any(abs(one.day - booked.day) <= _HABIT_DAYS for one in index.lines_of_name(receipt.name))
        if paid_on is None:
            found[3 if pays else 1 if name in collected else 2].append(row)
        elif PAYMENT_DAYS[0] <= booked.day - paid_on.toordinal() <= PAYMENT_DAYS[1]:
            found[2 if pays else 0].append(row)
    return found
