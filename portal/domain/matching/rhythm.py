"""One party's equal amounts, month after month: which payment belongs to which invoice."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from portal.domain.matching.certainty import ALONE_DAYS, BILLED, MOST_RIVALS, RECURRENCE_DAYS, WHOLE, Certainty
from portal.domain.matching.pairs import ISSUE_DAYS, PAYMENT_DAYS
from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.matching.sides import NO_DAY, Column

MONTH_APART = 14
_FEWEST_MONTHS, _SHORT_TERM = 3, 14
_LATEST = 20
_MOST_SPREAD, _SWAY = 6, 3
"""How far a party's days from invoice to payment may lie apart to be a rhythm, and what a week-end moves."""


class Months:
    """One party's equal amounts, month after month: which payment belongs to which invoice.

    How long after its invoice this party's money moves is learned from those that the bank marked as paid (or linked), or from
    all of them if they follow one another without a gap; where that names one line of an invoice, and one invoice of the line,
    the months cannot be shifted.
    """

    def __init__(self, certainty: Certainty, sums: Column, margin: float) -> None:
        """`sums`: log-odds of each pair; `margin`: by how much a month has to lead what is outside of its series."""
        self._certainty, self._comparison, self._lists = certainty, certainty.comparison, certainty.lists
        self._index, self._sums, self._margin = certainty.index, sums, margin
        self._numbers: dict[tuple[int, int], str | None] = {}

    def is_sure(self, n: int) -> bool:
        """Tell whether a pair is the only one that fits the rhythm of its series."""
        certainty, index, lists = self._certainty, self._index, self._lists
        if lists["amount"][n] not in WHOLE or not certainty.is_party(n) or certainty.may_be_late(n) or certainty.is_too_soon(n):
            return False
        receipt, booked = index.receipts[lists["receipt"][n]], index.transactions[lists["line"][n]]
        paid = lists["from_payment"][n]
        if paid != NO_DAY and not PAYMENT_DAYS[0] <= paid <= PAYMENT_DAYS[1]:
            return False
        receipts, lines = self._series(receipt, booked)
        lags = self._lags(receipts, lines)
        # one payment that came late tells of no rhythm
        if lags and max(lags) - min(lags) <= _MOST_SPREAD and (len(lags) > 1 or max(lags) <= _LATEST):
            first, last = min(lags) - _SWAY, max(lags) + _SWAY
        elif not lags and booked.is_pulled:  # whoever takes the money himself takes it soon after his invoice
            first, last = ISSUE_DAYS[0], _LATEST
        else:
            return False
        if [line for line in lines if first <= _lag(receipt, line) <= last] != [booked]:
            return False
        if [one for one in receipts if first <= _lag(one, booked) <= last] != [receipt]:
            return False
        return self._leads_strangers(n, {one.place for one in receipts}, {line.place for line in lines})

    def _series(
        self, receipt: OpenReceipt, booked: BookedTransaction
    ) -> tuple[list[OpenReceipt], list[BookedTransaction]]:  # fmt: skip
        """The party's open receipts and transactions of this amount; none where one has no date, or there are very many."""
        index, comparison = self._index, self._comparison
        if receipt.cents is None or receipt.currency is None or receipt.side is None:
            return [], []
        days = (booked.day, receipt.centre)
        window = (min(days) - RECURRENCE_DAYS, max(days) + RECURRENCE_DAYS)
        paid = index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents]
        billed = index.amounts[receipt.side, receipt.currency, receipt.cents]
        places, lines = index.receipts_by_amount.between(billed, *window), index.lines_by_amount.between(paid, *window)
        if max(len(places), len(lines)) > MOST_RIVALS:
            return [], []
        first_try = comparison.first_try(booked)
        receipts = [
            one
            for one in map(index.receipts.__getitem__, places)
            if comparison.copies.get(one.place) is None
            and comparison.is_same_party(one, booked)
            and not comparison.are_apart(receipt, one)
        ]
        booked_lines = [
            line
            for line in map(index.transactions.__getitem__, lines)
            if line is not first_try
            and comparison.is_same_party(receipt, line)
            and not comparison.are_apart(booked, line)
            and not self._names_another(receipt, line)
        ]
        issued = [one.facts.issued_on.toordinal() if one.facts.issued_on else 0 for one in receipts]
        if not all(issued) or not _are_months(issued) or not _are_months([line.day for line in booked_lines]):
            return [], []
        return receipts, [line for line in booked_lines if line.free == line.facts.amount_cents]

    def _names_another(self, receipt: OpenReceipt, line: BookedTransaction) -> bool:
        """Tell whether the text names an invoice that is not this one: then it is not of a series without numbers."""
        if receipt.reference is None or not line.text.has_digits:
            return False
        known = self._numbers.setdefault((receipt.place, line.place), line.text.other_number(receipt.reference, ()))
        return known is not None

    def _lags(self, receipts: list[OpenReceipt], lines: list[BookedTransaction]) -> list[int]:
        """Days from issue to payment of those receipts of which the bank says which payment it was, or on which day."""
        lags = []
        for receipt in receipts:
            linked = [line for line in lines if line.place in self._index.links[receipt.place]]
            paid_on = receipt.facts.paid_on
            if paid_on is not None and not linked:
                day, (first, last) = paid_on.toordinal(), PAYMENT_DAYS
                if sum(abs(line.day - day) <= MONTH_APART for line in lines) == 1:
                    linked = [line for line in lines if first <= line.day - day <= last]
            if len(linked) == 1:
                lags.append(_lag(receipt, linked[0]))
        return lags or self._lags_in_order(receipts, lines)

    def _lags_in_order(self, receipts: list[OpenReceipt], lines: list[BookedTransaction]) -> list[int]:
        """The same where the bank says nothing: each invoice was followed at once by a payment, and none of either is left over.

        Not where all are due so late that a payment may be the month's before.
        """
        if len(receipts) != len(lines) or len(lines) < _FEWEST_MONTHS:
            return []
        by_issue = sorted(receipts, key=lambda one: one.facts.issued_on or date.min)
        terms = [(one.facts.due_on - one.facts.issued_on).days for one in by_issue if one.facts.due_on and one.facts.issued_on]
        lags = [_lag(one, line) for one, line in zip(by_issue, sorted(lines, key=lambda line: line.day), strict=True)]
        is_at_once = min(lags) >= BILLED and max(lags) <= ISSUE_DAYS[1]
        return lags if is_at_once and (not terms or min(terms) <= _SHORT_TERM) else []

    def _leads_strangers(self, n: int, receipts: set[int], lines: set[int]) -> bool:
        """Tell whether no pair from outside of the series comes near to this one."""
        comparison, lists = self._comparison, self._lists
        place, line = lists["receipt"][n], lists["line"][n]
        others = [m for m in comparison.pairs_of(place) if lists["line"][m] not in lines]
        others += [
            m
            for m in comparison.pairs_on(line)
            if lists["receipt"][m] not in receipts and comparison.copies.get(lists["receipt"][m]) != place
        ]
        return all(self._sums[n] - self._sums[m] >= self._margin for m in others)


def _are_months(days: list[int]) -> bool:
    """Tell whether days stand so far apart that none can be taken for its neighbour."""
    return all(later - earlier > ALONE_DAYS for earlier, later in pairwise(sorted(days)))


def _lag(receipt: OpenReceipt, booked: BookedTransaction) -> int:
    """Days from the invoice to the payment, by the day that is nearer."""
    issued = receipt.facts.issued_on.toordinal() if receipt.facts.issued_on else 0
    return min(booked.day - issued, booked.emitted_day - issued, key=abs)
