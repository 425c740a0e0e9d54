"""The sales that may be in one sum with others: of a payment service's payout, or of what a firm collected itself."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache, cached_property

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import ReceiptFacts
from portal.domain.matching.records import BookedTransaction, OpenReceipt

FIRST_DAYS, LAST_DAYS = -1, 16
"""From a sale to the sum that it is in, and from the first of several: the sales of a week are paid out some days after it."""
_MOST = 300
"""In the days of one payout: with more every sum is reached by some run."""

Row = tuple[int, int, int]
"""A sale: day, place and cents."""


def is_sale(facts: ReceiptFacts) -> bool:
    """Tell whether a receipt may be one of several sales in one sum."""
    return facts.direction == "income" and facts.issued_on is not None and (facts.amount_cents or 0) > 0


class Sales:
    """The open sales of a client, by currency and day; each is given to one sum."""

    def __init__(
        self, index: Index, taken: Collection[int] = (), has_own_line: Callable[[OpenReceipt], bool] = lambda _: False
    ) -> None:
        """Give nothing yet. `taken`: receipts in sets of another kind; `has_own_line`: whether it has a payment of its own."""
        self._index, self._taken = index, taken
        self._given: set[int] = set()
        self._is_paid_alone = cache(lambda place: has_own_line(index.receipts[place]))

    @cached_property
    def _rows(self) -> defaultdict[str, list[Row]]:
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for receipt in self._index.receipts:
            issued = receipt.facts.issued_on
            if issued and receipt.currency and receipt.cents and is_sale(receipt.facts) and receipt.place not in self._taken:
                found[receipt.currency].append((issued.toordinal(), receipt.place, receipt.cents))
        for rows in found.values():
            rows.sort()
        return found

    def near(self, booked: BookedTransaction, days: int = LAST_DAYS) -> list[Row]:
        """Return the sales of so many days before a transaction."""
        rows = self._rows[booked.currency]
        return rows[bisect_left(rows, (booked.day - days,)) : bisect_left(rows, (booked.day - FIRST_DAYS + 1,))]

    def open_near(self, booked: BookedTransaction, days: int = LAST_DAYS) -> list[Row]:
        """Return those of them that may be in one sum with others; none if they are too many to tell."""
        near = [row for row in self.near(booked, days) if row[1] not in self._given]
        return [row for row in near if self.is_open(row)] if len(near) <= _MOST else []

    def is_open(self, row: Row) -> bool:
        """Tell whether a sale is in no sum yet, and has no payment of its own."""
        return row[1] not in self._given and not self._is_paid_alone(row[1])

    def give(self, rows: Iterable[Row]) -> tuple[int, ...]:
        """Count sales as those of one sum; returns their places, sorted."""
        places = sorted(place for _, place, _ in rows)
        self._given.update(places)
        return tuple(places)


def runs(rows: list[Row]) -> Iterator[tuple[int, int]]:
    """Yield the runs of whole days among sales sorted by day, as places of the first row and the one behind the last."""
    ends = [n + 1 for n in range(len(rows)) if n + 1 == len(rows) or rows[n + 1][0] > rows[n][0]]
    for start in [0, *ends[:-1]]:
        yield from ((start, end) for end in ends[bisect_left(ends, start + 1) :])
