"""Payouts of a payment service: what was sold in some days, in one sum, less a fee that nobody told us.

Nothing names the sales. But a service keeps the same of each (`fees`): where the books show its fee, one sale, or a few, are
right to the cent, and nothing else is. Where they do not, the run of neighbouring days that leaves a usual fee is proposed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from statistics import median

from portal.domain.matching.blocking import Index
from portal.domain.matching.cards import service_of
from portal.domain.matching.facts import TransactionFacts
from portal.domain.matching.fees import Fee, Sale, learn_fees
from portal.domain.matching.records import BookedTransaction
from portal.domain.matching.sales import Row, Sales, runs

_RUN_DAYS = 12
_LEAST_SHARE, _MOST_SHARE, _MOST_A_SALE = 5, 50, 50
"""A fee is at least so many thousandths of the sales, at most so many and so many cents for each."""
_USUAL_SHARE, _USUAL_A_SALE = 20, 25
_MOST_CHOSEN, _MOST_TOGETHER = 16, 4
"""Of so many sales so few are looked for that are right to the cent."""
_ODDS = 500
"""So many cents stand against each sum that was tried: as likely one of them would be right by chance."""
_USUAL_LAG, _MOST_EQUAL = 3, 8


@dataclass(slots=True)
class Payouts:
    """Transaction → the receipts that it pays out less a fee, sorted. `exact`: right to the cent; `likely`: in probability.

    `nets`: for the exact ones what each receipt takes, in their order. `sure`: those by which nothing else can be meant.
    `equal`: those that each of some sales at one price may be, alone.
    """

    exact: dict[int, tuple[int, ...]] = field(default_factory=dict)
    likely: dict[int, tuple[int, ...]] = field(default_factory=dict)
    nets: dict[int, tuple[int, ...]] = field(default_factory=dict)
    sure: set[int] = field(default_factory=set)
    equal: dict[int, tuple[int, ...]] = field(default_factory=dict)


def note_fees(index: Index, known: Iterable[Sale]) -> None:
    """Have the index know what each service keeps. `known`: sales that were assigned to payouts of their own."""
    sales = Sales(index)
    index.fees = learn_fees(
        known,
        [
            Sale(booked.service, booked.facts.id, cents, booked.free)
            for booked in _payouts(index)
            for _, _, cents in sales.near(booked)
            if booked.free == booked.facts.amount_cents and _may_be_fee(cents, cents - booked.free, 1)
        ],
    )


def find_payouts(index: Index, sales: Sales) -> Payouts:
    """Find for each payout the receipts that are probably in it, the surest first."""
    search = _Search(index, sales)
    payouts = _payouts(index)
    search.find_alone(payouts)
    for booked in payouts:
        search.find_several(booked)
    found = search.found
    surely = {place for line in found.sure for place in found.exact[line]}
    found.equal = {line: tuple([place for place in places if place not in surely]) for line, places in found.equal.items()}
    return found


class _Search:
    def __init__(self, index: Index, sales: Sales) -> None:
        self.found = Payouts()
        self._index, self._sales = index, sales

    def _is_alone(self, booked: BookedTransaction, row: Row, fee: Fee) -> bool:
        return fee.less(row[2]) == booked.free and self._sales.is_open(row)

    def _is_nearly_another(self, booked: BookedTransaction, own: Row, fee: Fee) -> bool:
        """Tell whether another sale would be right if the service rounds its share in another way: by one cent."""
        return any(
            abs(fee.less(row[2]) - booked.free) == 1 and self._sales.is_open(row)
            for row in self._sales.near(booked)
            if row != own
        )

    def _fee(self, booked: BookedTransaction) -> Fee | None:
        return self._index.fees.get(booked.service) if booked.free == booked.facts.amount_cents else None

    def _give(self, booked: BookedTransaction, rows: Collection[Row], fee: Fee) -> None:
        self.found.exact[booked.place] = self._sales.give(rows)
        self.found.nets[booked.place] = tuple([fee.less(cents) for _, _, cents in sorted(rows, key=lambda row: row[1])])

    def find_alone(self, payouts: list[BookedTransaction]) -> None:
        """Find the sales that were paid out alone, less the service's fee."""
        fits = {
            booked: (fee, [row for row in self._sales.near(booked) if self._is_alone(booked, row, fee)])
            for booked in payouts
            if (fee := self._fee(booked))
        }
        claims = Counter(place for _, rows in fits.values() for _, place, _ in rows)
        lags = defaultdict[str, list[int]](list)
        for booked, (fee, rows) in fits.items():
            if len(rows) == 1 and claims[rows[0][1]] == 1 and not self._is_nearly_another(booked, rows[0], fee):
                self._give(booked, rows, fee)
                self.found.sure.add(booked.place)
                lags[booked.service].append(booked.day - rows[0][0])
        left = {booked: fit for booked, fit in fits.items() if booked.place not in self.found.exact}
        # of sales at one price that which is as old as this service's usually are
        by_age = {
            booked: sorted(filter(self._sales.is_open, rows), key=lambda row: (abs(booked.day - row[0] - usual), row))
            for booked, (_, rows) in left.items()
            for usual in (median(lags[booked.service] or [_USUAL_LAG]),)
        }
        self.found.equal = {
            booked.place: tuple(sorted(place for _, place, _ in rows[:_MOST_EQUAL])) for booked, rows in by_age.items()
        }
        for booked, rows in by_age.items():
            if best := next(filter(self._sales.is_open, rows), None):
                self._give(booked, [best], left[booked][0])

    def find_several(self, booked: BookedTransaction) -> None:
        """Find the sales that were paid out together: right to the cent, or those of a run of days that leave a usual fee."""
        if booked.place in self.found.exact:
            return
        near, fee = self._sales.open_near(booked, _RUN_DAYS), self._fee(booked)
        tried, exact = _exact(near, fee, booked.free) if fee else (0, ())
        if fee and exact:
            prices = Counter(cents for _, _, cents in self._sales.near(booked))
            chosen = Counter(cents for _, _, cents in exact)
            self._give(booked, exact, fee)
            # of two sales at one price either may be the one
            if tried * _ODDS <= booked.free and all(prices[cents] == count for cents, count in chosen.items()):
                self.found.sure.add(booked.place)
        elif run := _best_run(booked, near):
            # others may have them as well: it is a guess, and nothing is given away
            self.found.likely[booked.place] = tuple(sorted(place for _, place, _ in run))


def _payouts(index: Index) -> list[BookedTransaction]:
    """Payouts of which something is open, in the order of their days."""
    found = [
        booked
        for booked in index.transactions
        if booked.service and booked.free and booked.facts.side == "credit" and booked.place not in index.mentions.named_whole
    ]
    return sorted(found, key=lambda booked: (booked.day, booked.place))


def is_payout(facts: TransactionFacts) -> bool:
    """Tell whether a payment service paid it, and so perhaps for several sales."""
    return facts.side == "credit" and service_of(facts) != ""


def _may_be_fee(total: int, fee: int, count: int) -> bool:
    """Tell whether a service may keep that of so many sales."""
    return _LEAST_SHARE * total <= 1000 * fee <= _MOST_SHARE * total + 1000 * _MOST_A_SALE * count


def _exact(rows: list[Row], fee: Fee, cents: int) -> tuple[int, Collection[Row]]:
    """Return how many sums were tried, and the sales that leave exactly so much: of a run of days, or the only few that do."""
    tried = 0
    for start, end in runs(rows):
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


def _best_run(booked: BookedTransaction, rows: list[Row]) -> list[Row]:
    """The run of days whose fee is nearest to the usual; none if none has a small one."""
    used = booked.facts.amount_cents - booked.free
    sums = [0]
    for _, _, cents in rows:
        sums.append(sums[-1] + cents)
    best: tuple[int, int, int] | None = None
    for start, end in runs(rows):
        total, count = used + sums[end] - sums[start], end - start
        fee = total - booked.facts.amount_cents
        if _may_be_fee(total, fee, count):
            off = abs(1000 * fee - _USUAL_SHARE * total - 1000 * _USUAL_A_SALE * count)
            best = min(best or (off, start, end), (off, start, end))
    return [] if best is None else rows[best[1] : best[2]]
