"""Payouts of a payment service: what was sold in some days, in one sum, less a fee that nobody told us.

Nothing names the sales, so no payout is ever assigned by machine. But the sales of neighbouring days come together, and a fee is
small: one run of days fits best, and is proposed as a whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import cache

from portal.domain.matching.blocking import Index
from portal.domain.matching.cards import other_side
from portal.domain.matching.facts import ReceiptFacts, TransactionFacts
from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.names import is_processor

FIRST_DAYS, LAST_DAYS = -1, 12
"""From a sale to its payout: the sales of a week are paid out some days after it."""
_LEAST_SHARE, _MOST_SHARE, _MOST_A_SALE = 5, 50, 50
"""A fee is at least so many thousandths of the sales, at most so many and so many cents for each."""
_USUAL_SHARE, _USUAL_A_SALE = 20, 25
_MOST_SALES = 300
"""In the days of one payout: with more every sum is reached by some run."""


def find_payouts(
    index: Index, taken: Collection[int], has_own_line: Callable[[OpenReceipt], bool]
) -> dict[int, tuple[int, ...]]:  # fmt: skip
    """Map each payout to the receipts of the run of days whose fee is nearest to the usual, sorted.

    `taken`: receipts that belong to another set already. `has_own_line`: whether one has a payment of its own.
    """
    payouts = [
        booked
        for booked in index.transactions
        if booked.free and booked.place not in index.named_whole and is_payout(booked.facts)
    ]
    if not payouts:
        return {}
    sales: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for receipt in index.receipts:
        issued = receipt.facts.issued_on
        if issued and receipt.currency and receipt.cents and is_sale(receipt.facts) and receipt.place not in taken:
            sales[receipt.currency].append((issued.toordinal(), receipt.place, receipt.cents))
    for rows in sales.values():
        rows.sort()
    is_paid_alone = cache(lambda place: has_own_line(index.receipts[place]))
    found = {}
    for booked in payouts:
        near = sales[booked.currency]
        first = bisect_left(near, (booked.day - LAST_DAYS,))
        rows = near[first : bisect_left(near, (booked.day - FIRST_DAYS + 1,))]
        if len(rows) <= _MOST_SALES and (run := _best_run(booked, [row for row in rows if not is_paid_alone(row[1])])):
            found[booked.place] = run
    return found


def is_payout(facts: TransactionFacts) -> bool:
    """Tell whether a payment service paid it, and so perhaps for several sales."""
    return facts.side == "credit" and is_processor(other_side(facts))


def is_sale(facts: ReceiptFacts) -> bool:
    """Tell whether a receipt may be one of the sales of a payout."""
    return facts.direction == "income" and facts.issued_on is not None and (facts.amount_cents or 0) > 0


def _best_run(booked: BookedTransaction, rows: list[tuple[int, int, int]]) -> tuple[int, ...]:
    """The places of the run whose fee is nearest to the usual, sorted; () if none has a small one. `rows`: day, place, cents."""
    ends = [n for n in range(len(rows)) if n + 1 == len(rows) or rows[n + 1][0] > rows[n][0]]
    used = booked.facts.amount_cents - booked.free
    best: tuple[int, int, int] | None = None
    for start in (n for n in range(len(rows)) if n == 0 or rows[n - 1][0] < rows[n][0]):
        total, sold = used, start
        for end in ends[bisect_left(ends, start) :]:
            total += sum(cents for _, _, cents in rows[sold : end + 1])
            sold = end + 1
            fee, count = 1000 * (total - booked.facts.amount_cents), sold - start
            if _LEAST_SHARE * total <= fee <= _MOST_SHARE * total + 1000 * _MOST_A_SALE * count:
                off = abs(fee - _USUAL_SHARE * total - 1000 * _USUAL_A_SALE * count)
                best = min(best or (off, start, end), (off, start, end))
    return () if best is None else tuple(sorted(place for _, place, _ in rows[best[1] : best[2] + 1]))
