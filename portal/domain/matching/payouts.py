"""Payouts of a payment service: what was sold in some days, in one sum, less a fee that nobody told us.

Nothing names the sales. But a service keeps the same of each (`fees`): where the books show its fee, one sale, or a few, are
right to the cent, and nothing else is. Where they do not, the run of neighbouring days that leaves a usual fee is proposed.

Nobody is named either where a firm collects its customers' money itself, in one sum: a club its members' fees. They were billed
together, and the bank tells how many they are.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from math import comb
from statistics import median

from portal.domain.matching.blocking import Index
from portal.domain.matching.cards import service_of
from portal.domain.matching.facts import ReceiptFacts, TransactionFacts
from portal.domain.matching.fees import Fee, Sale, learn_fees
from portal.domain.matching.records import BookedTransaction, OpenReceipt

FIRST_DAYS, LAST_DAYS, _RUN_DAYS = -1, 16, 12
"""From a sale to its payout, and from the first of several: the sales of a week are paid out some days after it."""
_LEAST_SHARE, _MOST_SHARE, _MOST_A_SALE = 5, 50, 50
"""A fee is at least so many thousandths of the sales, at most so many and so many cents for each."""
_USUAL_SHARE, _USUAL_A_SALE = 20, 25
_MOST_SALES = 300
"""In the days of one payout: with more every sum is reached by some run."""
_MOST_CHOSEN, _MOST_TOGETHER = 16, 4
"""Of so many sales so few are looked for that are right to the cent."""
_ODDS = 500
"""So many cents stand against each sum that was tried: as likely one of them would be right by chance."""
_USUAL_LAG = 3

_COLLECTED = re.compile(r"sammel-?\s?(?:last|ein|gut)", re.IGNORECASE)
_COUNT = re.compile(r"\b(\d{1,4})\s+posten\b|\banzahl:?\s*(\d{1,4})\b", re.IGNORECASE)
_FEWEST_COLLECTED = 3

_Row = tuple[int, int, int]
"""A sale: day, place and cents."""


@dataclass(slots=True)
class Payouts:
    """`sales`: transaction → the receipts of which it is probably the sum less a fee, sorted.

    `nets`: for those that are right to the cent less a fee what each receipt takes, in their order. `collected`: what a firm
    collected itself, likewise; `added_up`: those of them that are right to the cent. `sure`: what nothing else can be meant by.
    """

    sales: dict[int, tuple[int, ...]] = field(default_factory=dict)
    nets: dict[int, tuple[int, ...]] = field(default_factory=dict)
    collected: dict[int, tuple[int, ...]] = field(default_factory=dict)
    added_up: dict[int, tuple[int, ...]] = field(default_factory=dict)
    sure: set[int] = field(default_factory=set)

    def add(self, line: int, rows: Collection[_Row], fee: Fee | None = None) -> None:
        """Note the sales of a payout. `fee`: what is kept of each, if they are right to the cent."""
        rows = sorted(rows, key=lambda row: row[1])
        self.sales[line] = tuple([place for _, place, _ in rows])
        if fee:
            self.nets[line] = tuple([fee.less(cents) for _, _, cents in rows])


def note_fees(index: Index, known: Iterable[Sale]) -> None:
    """Have the index know what each service keeps. `known`: sales that were assigned to payouts of their own."""
    rows = _sales(index, ())
    index.fees = learn_fees(
        known,
        [
            Sale(booked.service, booked.facts.id, cents, booked.free)
            for booked in _payouts(index)
            for _, _, cents in _near(rows, booked, LAST_DAYS)
            if booked.free == booked.facts.amount_cents and _may_be_fee(cents, cents - booked.free, 1)
        ],
    )


def find_payouts(index: Index, taken: Collection[int], has_own_line: Callable[[OpenReceipt], bool]) -> Payouts:
    """Find for each payout and collection the receipts that are probably in it.

    `taken`: receipts that belong to another set already. `has_own_line`: whether one has a payment of its own.
    """
    payouts = _payouts(index)
    collections = [
        booked
        for booked in index.transactions
        if booked.free and booked.place not in index.named_whole and is_collected(booked.facts)
    ]
    if not payouts and not collections:
        return Payouts()
    search = _Search(index, _sales(index, taken), has_own_line)
    for booked in collections:
        search.find_collected(booked)
    search.find_alone(payouts)
    for booked in payouts:
        search.find_several(booked)
    return search.found


class _Search:
    """Gives each sale to one payout: the surest first."""

    def __init__(self, index: Index, sales: defaultdict[str, list[_Row]], has_own_line: Callable[[OpenReceipt], bool]) -> None:
        self.found = Payouts()
        self._index, self._sales = index, sales
        self._given = set[int]()
        self._is_paid_alone = cache(lambda place: has_own_line(index.receipts[place]))

    def _free(self, booked: BookedTransaction, days: int) -> list[_Row]:
        """The sales of so many days that may be in a payout with others; none if they are too many to tell."""
        near = [row for row in _near(self._sales, booked, days) if row[1] not in self._given]
        return [row for row in near if not self._is_paid_alone(row[1])] if len(near) <= _MOST_SALES else []

    def _is_alone(self, booked: BookedTransaction, row: _Row, fee: Fee) -> bool:
        _, place, cents = row
        return fee.less(cents) == booked.free and place not in self._given and not self._is_paid_alone(place)

    def _fee(self, booked: BookedTransaction) -> Fee | None:
        return self._index.fees.get(booked.service) if booked.free == booked.facts.amount_cents else None

    def _give(self, booked: BookedTransaction, rows: Collection[_Row], fee: Fee | None = None) -> None:
        self.found.add(booked.place, rows, fee)
        self._given.update(place for _, place, _ in rows)

    def find_collected(self, booked: BookedTransaction) -> None:
        """Find what was collected in one sum: all that was, or what of it is here."""
        rows, is_whole = _collected(booked, self._free(booked, LAST_DAYS))
        if rows:
            places = tuple(sorted(place for _, place, _ in rows))
            (self.found.added_up if is_whole else self.found.collected)[booked.place] = places
            self._given.update(places)
            if is_whole:
                self.found.sure.add(booked.place)

    def find_alone(self, payouts: list[BookedTransaction]) -> None:
        """Find the sales that were paid out alone, less the service's fee."""
        fits = {
            booked: (fee, [row for row in _near(self._sales, booked, LAST_DAYS) if self._is_alone(booked, row, fee)])
            for booked in payouts
            if (fee := self._fee(booked))
        }
        claims = Counter(place for _, rows in fits.values() for _, place, _ in rows)
        lags = defaultdict[str, list[int]](list)
        for booked, (fee, rows) in fits.items():
            if len(rows) == 1 and claims[rows[0][1]] == 1:
                self._give(booked, rows, fee)
                self.found.sure.add(booked.place)
                lags[booked.service].append(booked.day - rows[0][0])
        for booked, (fee, rows) in fits.items():
            # of sales at one price that which is as old as this service's usually are
            usual = median(lags[booked.service] or [_USUAL_LAG])
            free = [row for row in rows if row[1] not in self._given]
            if free and booked.place not in self.found.sales:
                self._give(booked, [min(free, key=lambda row: (abs(booked.day - row[0] - usual), row))], fee)

    def find_several(self, booked: BookedTransaction) -> None:
        """Find the sales that were paid out together: right to the cent, or those of a run of days that leave a usual fee."""
        if booked.place in self.found.sales:
            return
        near, fee = self._free(booked, _RUN_DAYS), self._fee(booked)
        tried, exact = _exact(near, fee, booked.free) if fee else (0, ())
        if exact:
            prices = Counter(cents for _, _, cents in _near(self._sales, booked, LAST_DAYS))
            chosen = Counter(cents for _, _, cents in exact)
            self._give(booked, exact, fee)
            # of two sales at one price either may be the one
            if tried * _ODDS <= booked.free and all(prices[cents] == count for cents, count in chosen.items()):
                self.found.sure.add(booked.place)
        elif run := _best_run(booked, near):
            self.found.add(booked.place, run)  # others may have them as well: it is a guess


def _payouts(index: Index) -> list[BookedTransaction]:
    """Payouts of which something is open, in the order of their days."""
    found = [
        booked
        for booked in index.transactions
        if booked.service and booked.free and booked.facts.side == "credit" and booked.place not in index.named_whole
    ]
    return sorted(found, key=lambda booked: (booked.day, booked.place))


def _sales(index: Index, taken: Collection[int]) -> defaultdict[str, list[_Row]]:
    """The open sales by currency, by day."""
    sales: defaultdict[str, list[_Row]] = defaultdict(list)
    for receipt in index.receipts:
        issued = receipt.facts.issued_on
        if issued and receipt.currency and receipt.cents and is_sale(receipt.facts) and receipt.place not in taken:
            sales[receipt.currency].append((issued.toordinal(), receipt.place, receipt.cents))
    for rows in sales.values():
        rows.sort()
    return sales


def _near(sales: defaultdict[str, list[_Row]], booked: BookedTransaction, days: int) -> list[_Row]:
    """The sales of so many days before a payout."""
    rows = sales[booked.currency]
    return rows[bisect_left(rows, (booked.day - days,)) : bisect_left(rows, (booked.day - FIRST_DAYS + 1,))]


def is_payout(facts: TransactionFacts) -> bool:
    """Tell whether a payment service paid it, and so perhaps for several sales."""
    return facts.side == "credit" and service_of(facts) != ""


def is_collected(facts: TransactionFacts) -> bool:
    """Tell whether somebody collected money of several others in one sum."""
    return facts.side == "credit" and _COLLECTED.search(facts.remittance) is not None


def is_sale(facts: ReceiptFacts) -> bool:
    """Tell whether a receipt may be one of the sales of a payout."""
    return facts.direction == "income" and facts.issued_on is not None and (facts.amount_cents or 0) > 0


def _may_be_fee(total: int, fee: int, count: int) -> bool:
    """Tell whether a service may keep that of so many sales."""
    return _LEAST_SHARE * total <= 1000 * fee <= _MOST_SHARE * total + 1000 * _MOST_A_SALE * count


def _exact(rows: list[_Row], fee: Fee, cents: int) -> tuple[int, Collection[_Row]]:
    """Return how many sums were tried, and the sales that leave exactly so much: of a run of days, or the only few that do."""
    tried = 0
    for start, end in _runs(rows):
        tried += 1
        if sum(fee.less(sold) for _, _, sold in rows[start:end]) == cents:
            return tried, rows[start:end]
    if len(rows) > _MOST_CHOSEN:
        return tried, ()
    for count in range(2, _MOST_TOGETHER + 1):
        tried += comb(len(rows), count)
        if found := [some for some in combinations(rows, count) if sum(fee.less(sold) for _, _, sold in some) == cents]:
            return tried, found[0] if len(found) == 1 else ()
    return tried, ()


def _collected(booked: BookedTransaction, rows: list[_Row]) -> tuple[list[_Row], bool]:
    """The receipts of some days that were collected, and whether they are all; none if no day's may be.

    Whether all is told by sum and count. If some are missing, they are those of the day that leaves the least.
    """
    told = _COUNT.search(booked.facts.remittance)
    count = int(told[1] or told[2]) if told else None
    best: tuple[int, int, int] | None = None
    for start, end in _runs(rows):
        left = booked.free - sum(cents for _, _, cents in rows[start:end])
        if left == 0 and (end - start == count if count else end - start >= _FEWEST_COLLECTED):
            return rows[start:end], True
        if left >= 0 and _FEWEST_COLLECTED <= end - start <= (count or end) and rows[start][0] == rows[end - 1][0]:
            best = min(best or (left, start, end), (left, start, end))
    return ([] if best is None or 2 * best[0] > booked.free else rows[best[1] : best[2]]), False


def _runs(rows: list[_Row]) -> Iterator[tuple[int, int]]:
    """The runs of whole days, as places of the first row and the one behind the last."""
    ends = [n + 1 for n in range(len(rows)) if n + 1 == len(rows) or rows[n + 1][0] > rows[n][0]]
    for start in [0, *ends[:-1]]:
        yield from ((start, end) for end in ends[bisect_left(ends, start + 1) :])


def _best_run(booked: BookedTransaction, rows: list[_Row]) -> list[_Row]:
    """The run of days whose fee is nearest to the usual; none if none has a small one."""
    used = booked.facts.amount_cents - booked.free
    sums = [0]
    for _, _, cents in rows:
        sums.append(sums[-1] + cents)
    best: tuple[int, int, int] | None = None
    for start, end in _runs(rows):
        total, count = used + sums[end] - sums[start], end - start
        fee = total - booked.facts.amount_cents
        if _may_be_fee(total, fee, count):
            off = abs(1000 * fee - _USUAL_SHARE * total - 1000 * _USUAL_A_SALE * count)
            best = min(best or (off, start, end), (off, start, end))
    return [] if best is None else rows[best[1] : best[2]]
