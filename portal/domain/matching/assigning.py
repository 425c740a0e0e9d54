"""Decisions: what may be assigned by machine, what a person has to look at and why."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta

import numpy as np

from portal.domain.matching.blocking import Index, PartyKey
from portal.domain.matching.calendar import spread
from portal.domain.matching.certainty import UNSAID, Certainty
from portal.domain.matching.explaining import Explainer
from portal.domain.matching.facts import ReceiptFacts, TransactionFacts
from portal.domain.matching.features import Comparison
from portal.domain.matching.fees import Sale
from portal.domain.matching.gates import Gates
from portal.domain.matching.habits import Lags, lags_of, note_lags
from portal.domain.matching.kinship import acquaint
from portal.domain.matching.optimum import optimum
from portal.domain.matching.pairs import PAYMENT_DAYS, YES, Amount, Number, Rows
from portal.domain.matching.payouts import note_fees
from portal.domain.matching.reasons import Allocation, Candidate, Decision, Reason, ReasonCode, ReviewReason
from portal.domain.matching.rhythm import MONTH_APART, Months
from portal.domain.matching.scoring import Scores
from portal.domain.matching.sides import NO_DAY, Column
from portal.domain.names import CLEARLY_SAME, SIMILAR
from portal.domain.papers import Kind

MOST_CANDIDATES = 5
CLEAR_MARGIN = 3.0
"""Log-odds by which a pair must lead the runner-up of its receipt and of its transaction: twenty to one."""
_LEAST_SCORE_SHOWN = 0.005
"""Below it a pair is no proposal, only noise that a person would have to read."""
_PLAUSIBLE = 0.15
_OPTIMUM_LEAD = 0.1
_A_NIGHT = timedelta(days=1)
_LAST_EXACT, _PROBABLY = int(Amount.LESS_FEE), frozenset({int(Amount.PAYOUT), int(Amount.COLLECTED)})


def match(
    receipts: Sequence[ReceiptFacts],
    transactions: Sequence[TransactionFacts],
    *,
    declined: Collection[tuple[str, str]] = (),
    covered_until: date | None = None,
    aliases: Collection[tuple[str, str]] = (),
    accounts: Collection[tuple[str, str]] = (),
    sales: Collection[Sale] = (),
    lags: Lags | None = None,
    caution: float = 0.0,
    party_counts: Mapping[PartyKey, int] | None = None,
) -> list[Decision]:
    """Decide on one client's open receipts: exactly one decision each, in the order given.

    `transactions`: all booked ones, those used up included; or those in the receipts' `reach`, and the `party_counts` of all.
    `declined`: (receipt id, transaction id) pairs that somebody refused, never assigned again by machine. `covered_until`: the
    last day up to which transactions are known to be complete, None if unknown; without number or bank link nothing later is
    assigned. `aliases`: (name on receipts, name at the bank) that are known to be the same party's; `accounts`: (name on
    receipts, IBAN) where a supplier is known to be paid, whatever his invoices print. `sales`: those that were
    assigned to payouts of their own; they show the service's fee. `lags`: by name on receipts the days from invoice to payment of
    what was assigned. `caution`: log-odds (0 or more) by which the machine has to lead further than usual.
    The same facts give the same decisions in whatever order they come, and with what was assigned taken out (and the names,
    accounts and fees that it showed told) the same again: what an assignment makes clear for others is decided in the same call.
    Errors: ValueError when an id occurs twice.
    """

    def decide() -> list[Decision]:
        index = Index(receipts, transactions, party_counts)
        acquaint(index, aliases, accounts)
        note_fees(index, sales)
        note_lags(index, lags or {})
        return _decisions(index, receipts, declined, covered_until, CLEAR_MARGIN + max(0.0, caution))

    with _collector_resting():
        return decide()


@contextmanager
def _collector_resting() -> Iterator[None]:
    """Nothing here refers to itself in a circle, and looking for circles in a large client's rows takes longer than deciding.

    What is made inside should be let go inside: once the collector is awake, it looks through all that is still held.
    """
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


def _decisions(
    index: Index, receipts: Sequence[ReceiptFacts], declined: Collection[tuple[str, str]], covered_until: date | None,
    margin: float,
) -> list[Decision]:  # fmt: skip
    decisions = dict[str, Decision]()
    comparison: Comparison | None = None
    while True:
        comparison = Comparison(index, declined, comparison)
        judge = Judge(comparison, Scores(comparison), covered_until, margin)
        found = judge.decide()
        decisions |= {decision.receipt: decision for decision in found}
        if len(decisions) == len(receipts):
            return [decisions[facts.id] for facts in receipts]
        used: Counter[str] = Counter()
        for decision in found:
            for part in decision.allocations:
                used[part.transaction] += part.amount_cents
        lags = lags_of(index, found)
        index = index.without({decision.receipt for decision in found}, used)
        note_lags(index, lags)


class Judge:
    """Decides receipt by receipt; what one receipt gets never depends on who was decided before."""

    def __init__(self, comparison: Comparison, scores: Scores, covered_until: date | None, margin: float = CLEAR_MARGIN) -> None:
        """Look at every pair once. `margin`: log-odds by which one has to lead."""
        self.comparison, self.scores = comparison, scores
        self.index, self.pairs, self.sides = comparison.index, comparison.pairs, comparison.sides
        self.covered_until, self.margin = covered_until, margin
        self.is_optimal = optimum(comparison, scores.weight)
        self.lists = Rows(self.pairs)
        self.weights: list[float] = scores.weight.tolist()
        self.gates, self.certainty = Gates(comparison, scores), Certainty(comparison, self.lists)
        passes, is_best = np.ones(len(self.pairs), np.bool_), self.is_optimal | self.pairs.is_set
        for _, mask in self.gates:
            passes &= mask
        may = passes & is_best
        may[may] = self._leads(np.flatnonzero(may))
        self.may: list[bool] = may.tolist()
        series = Months(self.certainty, scores.sum, margin)
        for n in np.flatnonzero(passes & ~self.pairs.is_set).tolist():
            if not (self.may[n] and self.certainty.waits(n)) and series.is_sure(n):
                self.certainty.take_as_month(n)
        for n in self.certainty.months:
            self.may[n] = True

    def decide(self) -> list[Decision]:
        """The receipts that can be assigned; where there is none, every receipt with its reason."""
        rows = self._ranked()
        certain = self._uncontested(rows, [self._certain_on(row[0]) if row else None for row in rows])
        is_assigned = [day is not None and not self._is_waiting(row[0]) for row, day in zip(rows, certain, strict=True)]
        places = [place for place, is_now in enumerate(is_assigned) if is_now] or range(len(rows))
        shown = {place: self._shown(rows[place]) for place in places}
        chosen = np.unique(np.array([n for cards in shown.values() for n in cards], dtype=np.int64))
        explainer = Explainer(self.comparison, self.scores, chosen, self.covered_until)
        scores, ids = self.scores.score.tolist(), [booked.facts.id for booked in self.index.transactions]
        lines, allocate = self.lists["line"], self.lists["allocate"]
        decisions = []
        for place, cards in shown.items():
            candidates = [
                Candidate(
                    tuple([Allocation(ids[lines[part]], allocate[part]) for part in self._parts(n)]),
                    scores[n],
                    explainer.reasons(n),
                )
                for n in cards
            ]
            receipt, day = self.index.receipts[place].facts.id, certain[place]
            if is_assigned[place]:
                decisions.append(Decision(receipt, "assigned", candidates[0].allocations, tuple(candidates), None))
                continue
            if day is not None:
                waits = Reason(ReasonCode.WAITING, is_for=True, values=(("assigned_on", day + _A_NIGHT),))
                candidates[0] = candidates[0]._replace(reasons=(waits, *candidates[0].reasons))
            decisions.append(Decision(receipt, "review", (), tuple(candidates), self._review_reason(place, rows[place])))
        return decisions

    def _uncontested(self, rows: list[list[int]], certain: list[date | None]) -> list[date | None]:
        """Take back what is certain for more receipts than the transaction has room for: then it is for none of them."""
        lines, allocate = self.lists["line"], self.lists["allocate"]
        claimed: Counter[int] = Counter()
        for row, day in zip(rows, certain, strict=True):
            for part in self._parts(row[0]) if day else ():
                claimed[lines[part]] += allocate[part]
        overdrawn = {line for line, cents in claimed.items() if cents > self.index.transactions[line].free}
        return [
            None if day and any(lines[part] in overdrawn for part in self._parts(row[0])) else day
            for row, day in zip(rows, certain, strict=True)
        ]

    def _ranked(self) -> list[list[int]]:
        """For each receipt its pairs, best first; the optimum of the whole client breaks near ties: which of twelve months."""
        pairs, score = self.pairs, self.scores.score
        kept = np.flatnonzero((score >= _LEAST_SCORE_SHOWN) | pairs.is_declined)
        is_month = np.zeros(len(pairs), np.bool_)
        is_month[list(self.certainty.months)] = True
        is_favoured = self.is_optimal | (pairs.is_set & (pairs.amount == Amount.LESS_FEE))
        rank = -score[kept] - np.where(is_favoured[kept], _OPTIMUM_LEAD, 0.0) - np.where(is_month[kept], 1.0, 0.0)
        order = kept[np.lexsort((pairs.line[kept], pairs.nearest[kept], rank, pairs.is_declined[kept], pairs.receipt[kept]))]
        ends = np.searchsorted(pairs.receipt[order], np.arange(len(self.index.receipts)), "right").tolist()
        ordered = order.tolist()
        return [ordered[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def _shown(self, row: list[int]) -> list[int]:
        """The best few; of the lines of a bundle only the first, which stands for all."""
        shown: list[int] = []
        bundled: set[int] = set()
        for n in row:
            if len(shown) == MOST_CANDIDATES:
                break
            if n in bundled:
                continue
            if self._is_bundle(n):
                bundled.update(self.comparison.set_of[n])
            shown.append(n)
        return shown

    def _is_bundle(self, n: int) -> bool:
        return self.lists["is_bundle"][n] and n in self.comparison.set_of

    def _parts(self, n: int) -> list[int]:
        """The pairs that are assigned together for one receipt: itself, or all lines of its bundle."""
        return sorted((n, *self.comparison.set_of[n])) if self._is_bundle(n) else [n]

    # ---- may it be assigned?

    def _leads(self, asked: Column) -> Column:
        """Tell which pairs lead the strongest other pair of their receipt and of their transaction by the margin.

        Parts of one set do not compete, nor does another month of a series.
        """
        # by their sums: the limit on what nothing identifies is for the score that people see
        pairs, weight = self.pairs, self.scores.sum
        strongest = np.full(len(asked), -np.inf)
        copies = self.comparison.copies
        original = np.full(len(self.index.receipts), -1)  # a copy does not compete with the bank's own invoice
        original[list(copies)] = list(copies.values())
        # a charge of the month before or after, nearer to the bill's day, is no rival of those that make the bill
        is_billed = pairs.is_bundle & np.isin(pairs.receipt, [*self.comparison.groups.month_bills])
        is_beside = (pairs.amount == Amount.DIFFERS) & (pairs.number >= Number.ABSENT) & ~pairs.is_linked
        by_line = np.argsort(pairs.line, kind="stable")
        for column, order in ((pairs.receipt, np.arange(len(pairs))), (pairs.line, by_line)):
            keys = column[order]
            low, high = np.searchsorted(keys, column[asked], "left"), np.searchsorted(keys, column[asked], "right")
            counts = high - low
            own, others = np.repeat(asked, counts), order[spread(low, counts)]
            is_none = (own == others) | self._is_another_month(own, others) | self._is_another_party(own, others)
            is_none |= original[pairs.receipt[others]] == pairs.receipt[own]
            is_none |= is_billed[own] & is_beside[others]
            rivals = np.where(is_none, -np.inf, weight[others])
            for at in np.flatnonzero(pairs.is_set[own]).tolist():
                if int(others[at]) in self.comparison.set_of[int(own[at])]:
                    rivals[at] = -np.inf
            if len(asked):
                strongest = np.maximum(strongest, np.maximum.reduceat(rivals, np.cumsum(counts) - counts))
        leads: Column = weight[asked] - strongest >= self.margin
        return leads

    def _is_another_month(self, own: Column, others: Column) -> Column:
        """Tell whether the other pair says the same of the same party, only of another month than the text names.

        Or of a day much further from what was expected.
        """
        pairs = self.pairs
        is_unsaid = pairs.number >= Number.ABSENT
        is_further = self.certainty.is_prompt[own] & (pairs.nearest[others] - pairs.nearest[own] >= MONTH_APART)
        is_unnamed = self.certainty.is_only_of_month[own] & (pairs.month[others] != YES)
        # of a customer's invoices somebody has marked this one as paid on that day, and not the other
        is_unmarked = (abs(pairs.from_payment[own]) <= PAYMENT_DAYS[1]) & (pairs.from_payment[others] == NO_DAY)
        is_unmarked &= ~self.sides.is_expense[pairs.receipt[own]]
        found: Column = (
            (pairs.amount[others] == pairs.amount[own])
            & ((pairs.number[others] == pairs.number[own]) | (is_unsaid[others] & is_unsaid[own]))
            & (pairs.is_named(CLEARLY_SAME)[others] | (pairs.is_shop[own] & pairs.is_named(SIMILAR)[others]))
            & ~pairs.is_linked[others]
            & (is_further | is_unnamed | is_unmarked)
        )
        return found

    def _is_another_party(self, own: Column, others: Column) -> Column:
        """Tell whether the party of a pair is clear and the other pair has nothing but its amount and day."""
        pairs = self.pairs
        is_clear = (pairs.has_iban | pairs.is_named(CLEARLY_SAME))[own]
        is_bare = ~pairs.is_linked & (pairs.number >= Number.ABSENT) & ~pairs.is_set
        # of two people "Gesa Wriede" pays for herself before "Wiebke Albers", whose name has some of the same letters
        is_other = self.gates.is_strange[others] | (pairs.is_named(1.0)[own] & self.gates.is_unlike[others])
        found: Column = is_clear & is_bare[others] & is_other
        return found

    def _certain_on(self, n: int) -> date | None:
        """The day from which on the pair is certain if nothing else comes; None where it never is."""
        parts = (n, *self.comparison.set_of.get(n, ()))
        if len(parts) < self.comparison.set_size.get(n, 1) or not all(self.may[part] for part in parts):
            return None
        days = [self.certainty.waits(part) for part in parts]
        known = [day for day in days if day is not None]
        return max(known) if len(known) == len(days) else None

    def _is_waiting(self, n: int) -> bool:
        """Whether transactions are known for as long as certainty takes; with a number or link it takes no time."""
        until = self.covered_until
        return until is not None and any(
            (day := self.certainty.waits(part)) is not None and day > self.certainty.booked_on(part) and day > until
            for part in (n, *self.comparison.set_of.get(n, ()))
        )

    def _review_reason(self, place: int, row: list[int]) -> ReviewReason:
        receipt, twin = self.index.receipts[place], self.comparison.twins.get(place)
        if receipt.cents is None:
            return ReviewReason.AMOUNT_MISSING
        if (twin and twin[1]) or receipt.title.kind is Kind.COPY:
            return ReviewReason.DUPLICATE_SUSPECTED
        possible = [n for n in row if not self.lists["is_declined"][n]]
        if not possible or not receipt.cents:
            return ReviewReason.NO_TRANSACTION_YET if receipt.has_date else ReviewReason.DATE_MISSING
        best = possible[0]
        if self.lists["is_undone"][best]:
            return ReviewReason.NO_TRANSACTION_YET
        if self.lists["is_returned"][best] or self.lists["is_pulled_again"][best]:
            return ReviewReason.SEVERAL_EQUAL  # it may have come back: nothing to be confirmed with others at once
        free = [n for n in possible if self._is_exact(n) and not self.lists["is_used"][n]]
        if twin and len(free) <= 1:
            return ReviewReason.DUPLICATE_SUSPECTED
        if self.lists["is_used"][best] and not free:
            return ReviewReason.ALREADY_LINKED if self._has_sign(best) else ReviewReason.NO_TRANSACTION_YET
        if not self._is_exact(best):
            return ReviewReason.AMOUNT_DIFFERS if self._has_sign(best) else ReviewReason.NO_TRANSACTION_YET
        return self._reason_of_exact(best, free)

    def _reason_of_exact(self, best: int, free: list[int]) -> ReviewReason:
        if self.lists["is_used"][best]:
            return ReviewReason.ALREADY_LINKED
        place, line = self.lists["receipt"][best], self.lists["line"][best]
        own = {best, *self.comparison.set_of.get(best, ())}
        rivals = [n for n in self.comparison.pairs_on(line) if self._is_exact(n)]
        if any(self.weights[best] - self.weights[n] < CLEAR_MARGIN for n in (*free, *rivals) if n not in own):
            return ReviewReason.SEVERAL_EQUAL
        if not self.index.receipts[place].has_date:
            return ReviewReason.DATE_MISSING
        if self.scores.score[best] < _PLAUSIBLE and not self._has_sign(best):
            return ReviewReason.NO_TRANSACTION_YET
        return ReviewReason.AMOUNT_DIFFERS if len(self.index.links[place]) > 1 else ReviewReason.COUNTERPARTY_UNCLEAR

    def _is_exact(self, n: int) -> bool:
        return bool(self.lists["amount"][n] <= _LAST_EXACT)

    def _has_sign(self, n: int) -> bool:
        """Tell whether anything but amount and day points from the receipt to the transaction."""
        lists = self.lists
        if lists["amount"][n] in _PROBABLY:
            return True
        has_party = lists["iban"][n] == YES or lists["is_in_text"][n] or lists["name"][n] >= SIMILAR
        return has_party or lists["is_linked"][n] or lists["number"][n] not in UNSAID
