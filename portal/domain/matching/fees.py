"""What a payment service keeps of each sale: a share and some cents, always the same, and told by nobody.

The books show it: of many sales that were paid out one by one, one fee explains every difference to the cent, and hardly another
does. Then a sale less its fee is an amount like any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FEWEST_SALES = 4
"""So many sales have to show the same fee."""
_MOST_SALES = 2000
_POINTS = np.array([points for points in range(50, 501) if points % 5 == 0 or points % 10 == 9], dtype=np.int64)
"""Hundredths of a per cent, as prices are made: 1.39 %, 1.5 %, 2.49 %."""
_FIXED = (0, 5, 9, 10, 15, 19, 20, 25, 29, 30, 35, 39, 40, 45, 49, 50)
_CHANCE = 5
"""So many times as often as other fees of the same kind explain something by chance."""


@dataclass(frozen=True, slots=True)
class Fee:
    """`points`: hundredths of a per cent of the sale; `fixed`: cents for each."""

    points: int
    fixed: int

    def less(self, cents: int) -> int:
        """Return what is left of a sale."""
        return cents - (cents * self.points + 5000) // 10_000 - self.fixed


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale that a service, by its word (`names.service`), may have paid out alone. Cents, both above 0."""

    service: str
    payout: str
    cents: int
    paid_cents: int


def learn_fees(known: Iterable[Sale], possible: Iterable[Sale]) -> dict[str, Fee]:
    """Return the fees that are clear, by service. `known`: what was assigned so; where it tells enough, `possible` is not asked.

    `possible`: each payout with every sale that may be its.
    """
    told, guessed = _by_service(known), _by_service(possible)
    found = {}
    for service in {*told, *guessed}:
        is_told = len(told[service]) >= FEWEST_SALES
        fee = _common(told[service], 0) if is_told else _common(guessed[service], _CHANCE)
        if fee:
            found[service] = fee
    return found


def _by_service(sales: Iterable[Sale]) -> defaultdict[str, list[Sale]]:
    found: defaultdict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        if 0 < sale.paid_cents < sale.cents:
            found[sale.service].append(sale)
    return found


def _common(sales: list[Sale], chance: int) -> Fee | None:
    """The fee that explains the most payouts, and so many times more than others do by chance; of several the smallest."""
    sales = sorted(sales, key=lambda sale: (sale.payout, sale.cents))[-_MOST_SALES:]
    if len(sales) < FEWEST_SALES:
        return None
    cents = np.array([sale.cents for sale in sales], dtype=np.int64)
    kept = cents - np.array([sale.paid_cents for sale in sales], dtype=np.int64)
    starts = np.flatnonzero([n == 0 or sale.payout != sales[n - 1].payout for n, sale in enumerate(sales)])
    shares = (cents[:, None] * _POINTS + 5000) // 10_000
    votes: npt.NDArray[np.int64] = np.array(
        [np.logical_or.reduceat(shares + fixed == kept[:, None], starts).sum(axis=0) for fixed in _FIXED]
    )
    most = int(votes.max())
    if most < FEWEST_SALES + chance * votes.mean():
        return None
    row, column = np.argwhere(votes == most)[0].tolist()
    return Fee(int(_POINTS[column]), _FIXED[row])
