"""Decisions: what may be assigned by machine, what a person has to look at and why."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from portal.domain.matching.blocking import BookedTransaction, Index, OpenReceipt, PartyKey, spread
from portal.domain.matching.explaining import Explainer
from portal.domain.matching.facts import ReceiptFacts, TransactionFacts
from portal.domain.matching.features import NO, NO_DAY, RATES, YES, Amount, Column, Comparison, Number, Pairs
from portal.domain.matching.optimum import optimum
from portal.domain.matching.reach import RIVAL_DAYS
from portal.domain.matching.reasons import Allocation, Candidate, Decision, Reason, ReasonCode, ReviewReason
from portal.domain.matching.scoring import Scores
from portal.domain.names import CLEARLY_SAME, SIMILAR

MOST_CANDIDATES = 5
CLEAR_MARGIN = 3.0
"""Log-odds by which a pair must lead the runner-up of its receipt and of its transaction: twenty to one."""
FIRST_DAYS, LAST_DAYS = -31, 135
"""Outside of these days from the invoice date nothing is assigned by machine."""
MOST_MISREAD_DAYS = 365
"""Days and months that were swapped in reading move a date by less than a year."""
RECURRENCE_DAYS = RIVAL_DAYS
_LEAST_SCORE_SHOWN = 0.005
"""Below it a pair is no proposal, only noise that a person would have to read."""
_PLAUSIBLE = 0.15
_OPTIMUM_LEAD = 0.1
_MOST_RIVALS = 24
_ALONE_DAYS = 18
"""A monthly series keeps its months apart if each stands alone for so long."""
_MONTH_APART = 14
_FEWEST_MONTHS, _SHORT_TERM = 3, 14
_MOST_SPREAD, _SWAY = 6, 3
"""How far a party's days from invoice to payment may lie apart to be a rhythm, and what a week-end moves."""
_STRANGE = 0.5
_LATE_DAYS, _OVERDUE_DAYS = (-20, 75), (-60, 60)
_SETTLING, _NEXT_MONTH, _A_NIGHT = 8, 35, timedelta(days=1)
# as plain integers: a member of an enumeration costs more to look up than the comparison
_REST, _SUM = int(Amount.REST), int(Amount.SUM)
_WHOLE = frozenset({int(Amount.EQUAL), int(Amount.LOCAL)})
_WHOLE_OR_DISCOUNTED = _WHOLE | {int(Amount.DISCOUNT)}
_FOUND, _SHORT = int(Number.FOUND), int(Number.SHORT)
_UNSAID = frozenset({int(Number.ABSENT), int(Number.UNKNOWN)})
_SILENT = _UNSAID | {_SHORT}
"""The text neither names the invoice nor something that is nearly its number."""
_HINTED = int(Number.HINTED)
_NEARLY = frozenset({_HINTED, int(Number.MISTYPED)})
_PAYMENT_DAYS, _DUE_DAYS, _ISSUE_DAYS, _DISCOUNT_DAYS = (-3, 3), (-6, 6), (-1, 14), (0, 18)


def match(
    receipts: Sequence[ReceiptFacts],
    transactions: Sequence[TransactionFacts],
    *,
    declined: Collection[tuple[str, str]] = (),
    covered_until: date | None = None,
    aliases: Collection[tuple[str, str]] = (),
    caution: float = 0.0,
    party_counts: Mapping[PartyKey, int] | None = None,
) -> list[Decision]:
    """Decide on one client's open receipts: exactly one decision each, in the order given.

    `transactions`: all booked ones, those used up included; or those in the receipts' `reach`, and the `party_counts` of all.
    `declined`: (receipt id, transaction id) pairs that somebody refused, never assigned again by machine. `covered_until`: the
    last day up to which transactions are known to be complete, None if unknown; without number or bank link nothing later is
    assigned. `aliases`: (name on receipts, name at the bank) that people have confirmed to be the same party. `caution`: log-odds
    (0 or more) by which the machine has to lead further than usual.
    The same facts give the same decisions in whatever order they come, and with what was assigned taken out, the same again: what
    an assignment makes clear for others is decided in the same call. Errors: ValueError when an id occurs twice.
    """
    with _collector_resting():
        index = Index(receipts, transactions, party_counts)
        return _decisions(index, receipts, declined, covered_until, aliases, CLEAR_MARGIN + max(0.0, caution))


@contextmanager
def _collector_resting() -> Iterator[None]:
    """Nothing here refers to itself in a circle, and looking for circles in a large client's rows takes longer than deciding."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


def _decisions(
    index: Index, receipts: Sequence[ReceiptFacts], declined: Collection[tuple[str, str]], covered_until: date | None,
    aliases: Collection[tuple[str, str]], margin: float,
) -> list[Decision]:  # fmt: skip
    decisions = dict[str, Decision]()
    comparison: Comparison | None = None
    while True:
        comparison = Comparison(index, declined, aliases, comparison)
        judge = Judge(comparison, Scores(comparison), covered_until, margin)
        found = judge.decide()
        decisions |= {decision.receipt: decision for decision in found}
        if len(decisions) == len(receipts):
            return [decisions[facts.id] for facts in receipts]
        used: Counter[str] = Counter()
        for decision in found:
            for part in decision.allocations:
                used[part.transaction] += part.amount_cents
        index = index.without({decision.receipt for decision in found}, used)


class Judge:
    """Decides receipt by receipt; what one receipt gets never depends on who was decided before."""

    def __init__(self, comparison: Comparison, scores: Scores, covered_until: date | None, margin: float = CLEAR_MARGIN) -> None:
        """Look at every pair once. `margin`: log-odds by which one has to lead."""
        self.comparison, self.scores = comparison, scores
        self.index, self.pairs, self.sides = comparison.index, comparison.pairs, comparison.sides
        self.covered_until, self.margin = covered_until, margin
        self.is_optimal = optimum(comparison, scores.weight)
        self.copies = comparison.copies
        self.is_prompt = _is_prompt(self.pairs)
        self.lists: dict[str, list[Any]] = {name: column.tolist() for name, column in vars(self.pairs).items()}
        self.weights: list[float] = scores.weight.tolist()
        self._days_of: dict[int, date | None] = {}
        passes, is_best = np.ones(len(self.pairs), np.bool_), self.is_optimal | self.pairs.is_set
        for _, mask in self.gates():
            passes &= mask
        may = passes & is_best
        may[may] = self._leads(np.flatnonzero(may))
        self.may: list[bool] = may.tolist()
        self.months: set[int] = set()
        """The pairs that are certain as one month of a series, and not without it."""
        series = Months(self)
        for n in np.flatnonzero(passes & ~self.pairs.is_set).tolist():
            if not (self.may[n] and self.waits(n)) and series.is_sure(n):
                self.months.add(n)
                self._days_of.pop(n, None)
        for n in self.months:
            self.may[n] = True

    def decide(self) -> list[Decision]:
        """The receipts that can be assigned; where there is none, every receipt with its reason."""
        rows = self._ranked()
        certain = [self._certain_on(row[0]) if row else None for row in rows]
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

    def _ranked(self) -> list[list[int]]:
        """For each receipt its pairs, best first; the optimum of the whole client breaks near ties: which of twelve months."""
        pairs, score = self.pairs, self.scores.score
        kept = np.flatnonzero((score >= _LEAST_SCORE_SHOWN) | pairs.is_declined)
        is_month = np.zeros(len(pairs), np.bool_)
        is_month[list(self.months)] = True
        rank = -score[kept] - np.where(self.is_optimal[kept], _OPTIMUM_LEAD, 0.0) - np.where(is_month[kept], 1.0, 0.0)
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

    def gates(self) -> Iterator[tuple[str, Column]]:
        """Name what has to be true of a pair whoever its party is, in the order of asking, with the pairs that pass."""
        pairs = self.pairs
        first, last = _DISCOUNT_DAYS
        is_discounted = (pairs.amount == Amount.DISCOUNT) & (pairs.number == Number.FOUND)
        # whoever takes a discount pays soon
        is_discounted |= (
            (pairs.amount == Amount.DISCOUNT)
            & self._has_party()
            & self.sides.is_from_bank[pairs.receipt]
            & (first <= pairs.from_issue)
            & (pairs.from_issue <= last)
        )
        yield "amount", pairs.is_exact | is_discounted | self._differs_by_name()
        for name, veto in self._vetoes():
            yield f"veto: {name}", ~veto
        yield "days", self._is_in_time()

    def _differs_by_name(self) -> Column:
        """Tell of which pairs number and party say enough, though the amount differs in a way that has a name.

        A fee or a slip, VAT that the receipt lacks, a currency that was misread or converted. Neither of the two may fit
        anything else to the cent.
        """
        pairs, sides = self.pairs, self.sides
        cents, paid = sides.cents[pairs.receipt], sides.paid[pairs.line]
        is_whole = sides.free[pairs.line] == paid
        least, most = RATES
        is_converted = sides.is_convertible[pairs.receipt] & sides.is_euro[pairs.line]
        is_converted &= (least * cents <= paid) & (paid <= most * cents)
        is_currency = (pairs.amount == Amount.CURRENCY) & is_whole & ((paid == cents) | is_converted)
        is_net = (pairs.amount == Amount.NET) & is_whole
        fits = pairs.is_exact & ~pairs.is_used & self._has_sign_of_party()
        by_receipt = np.bincount(pairs.receipt[fits], minlength=len(self.index.receipts))
        by_line = np.bincount(pairs.line[fits], minlength=len(self.index.transactions))
        is_free = (by_receipt[pairs.receipt] == 0) & (by_line[pairs.line] == 0)
        found: Column = (pairs.is_near | is_currency | is_net) & self.is_told & self._is_only_naming() & is_free
        return found

    def _is_only_naming(self) -> Column:
        """Tell of which pairs the text names no other receipt, and no other text this one, but for those of quite another party."""
        pairs = self.pairs
        is_naming = (pairs.number == Number.FOUND) & ~self._is_strange
        by_receipt = np.bincount(pairs.receipt[is_naming], minlength=len(self.index.receipts))
        by_line = np.bincount(pairs.line[is_naming], minlength=len(self.index.transactions))
        found: Column = is_naming & (by_receipt[pairs.receipt] == 1) & (by_line[pairs.line] == 1)
        return found

    @cached_property
    def _is_strange(self) -> Column:
        """Whether both parties are known and quite different."""
        pairs = self.pairs
        found: Column = ~np.isnan(pairs.name) & (pairs.name < _STRANGE) & ~pairs.is_in_text & ~pairs.has_iban
        return found

    def _has_sign_of_party(self) -> Column:
        pairs = self.pairs
        found: Column = self._has_party() | pairs.is_named(SIMILAR) | pairs.is_in_text | (pairs.number < Number.ABSENT)
        return found

    def _vetoes(self) -> Iterator[tuple[str, Column]]:
        pairs, sides, scores = self.pairs, self.sides, self.scores
        numbered, twin = self._twins()
        is_strange = self._is_strange & ~sides.is_processor[pairs.line]
        links, linkers = self._links_against()
        is_linked_elsewhere = links - pairs.is_linked > 0
        is_linked_to_other = linkers - pairs.is_linked > 0
        for n, others in self.comparison.set_of.items():
            if pairs.is_collective[n]:
                is_linked_to_other[n] = bool(self.comparison.other_linkers(n))
            else:
                own = {int(pairs.line[part]) for part in (n, *others)}
                is_linked_elsewhere[n] = bool(set(self.index.links[int(pairs.receipt[n])]) - own)
        yield "not read", (sides.side[pairs.receipt] < 0) | (sides.cents[pairs.receipt] <= 0)
        yield "used", (pairs.allocate == 0) | pairs.is_used
        yield "declined", pairs.is_declined
        yield "linked to another", is_linked_to_other | is_linked_elsewhere
        yield "another receipt named", pairs.other_receipt >= 0
        yield "another number named", pairs.is_other_number & (pairs.number != Number.FOUND)
        yield "another month named", (pairs.month == NO) & (pairs.number != Number.FOUND) & ~pairs.is_linked
        yield "another IBAN", (pairs.iban == NO) & scores.pays_to_iban()
        # money went to somebody of quite another name who merely uses the same number ("25-0015")
        yield "another's name", is_strange & scores.pays_to_iban() & ~pairs.is_linked
        yield "twin", twin[pairs.receipt] & (numbered[pairs.receipt] | ~pairs.is_linked)

    def _links_against(self) -> tuple[Column, Column]:
        """For each pair how many links by the bank its receipt and its transaction have.

        Where number, party and amount of a pair agree, a link is not counted with which nothing at all agrees.
        """
        pairs, sides = self.pairs, self.sides
        has_sign = self._has_sign_of_party()
        place, line = (
            np.array([(n, line) for n, lines in enumerate(self.index.links) for line in lines], np.int64).reshape(-1, 2).T
        )
        is_there, at = self.comparison.at(np.stack((place, line), axis=1))
        is_bare = ~is_there
        is_bare[is_there] = ~(pairs.is_exact | has_sign)[at]
        bare_links = np.bincount(place[is_bare], minlength=len(self.index.receipts))
        bare_linkers = np.bincount(line[is_bare], minlength=len(self.comparison.linkers_of_line))
        is_told = self.is_told & pairs.is_exact
        return (
            sides.links[pairs.receipt] - np.where(is_told, bare_links[pairs.receipt], 0),
            self.comparison.linkers_of_line[pairs.line] - np.where(is_told, bare_linkers[pairs.line], 0),
        )

    def _has_party(self) -> Column:
        found: Column = self.pairs.has_iban | self.pairs.is_named(CLEARLY_SAME)
        return found

    @cached_property
    def is_told(self) -> Column:
        """Whether the text names the invoice as a whole and the party is clear."""
        found: Column = (self.pairs.number == Number.FOUND) & self._has_party()
        return found

    def _twins(self) -> tuple[Column, Column]:
        """By place of the receipt: whether it exists twice by its number, and whether at all."""
        twin = np.zeros(len(self.index.receipts), np.bool_)
        numbered = twin.copy()
        for place, (_, has_number) in self.comparison.twins.items():
            twin[place], numbered[place] = True, has_number
        return numbered, twin

    def _is_in_time(self) -> Column:
        pairs = self.pairs
        known = (pairs.from_issue, pairs.from_due, pairs.from_payment)
        days = np.select([column != NO_DAY for column in known], known, NO_DAY)
        in_time: Column = (days >= FIRST_DAYS) & (days <= LAST_DAYS)
        is_near = (abs(days) <= MOST_MISREAD_DAYS) | (days == NO_DAY)
        # a long number is used once; a short one begins anew every year, and only the days tell which it is
        is_dateless = self.is_told & self._is_only_naming() & self.sides.has_long_number[pairs.receipt] & pairs.is_exact
        in_time |= is_dateless & is_near
        return in_time

    def _leads(self, asked: Column) -> Column:
        """Tell which pairs lead the strongest other pair of their receipt and of their transaction by the margin.

        Parts of one set do not compete, nor does another month of a series.
        """
        # by their sums: the limit on what nothing identifies is for the score that people see
        pairs, weight = self.pairs, self.scores.sum
        strongest = np.full(len(asked), -np.inf)
        original = np.full(len(self.index.receipts), -1)  # a copy does not compete with the bank's own invoice
        original[list(self.copies)] = list(self.copies.values())
        by_line = np.argsort(pairs.line, kind="stable")
        for column, order in ((pairs.receipt, np.arange(len(pairs))), (pairs.line, by_line)):
            keys = column[order]
            low, high = np.searchsorted(keys, column[asked], "left"), np.searchsorted(keys, column[asked], "right")
            counts = high - low
            own, others = np.repeat(asked, counts), order[spread(low, counts)]
            is_none = (own == others) | self._is_another_month(own, others) | self._is_another_party(own, others)
            is_none |= original[pairs.receipt[others]] == pairs.receipt[own]
            rivals = np.where(is_none, -np.inf, weight[others])
            for at in np.flatnonzero(pairs.is_set[own]).tolist():
                if int(others[at]) in self.comparison.set_of[int(own[at])]:
                    rivals[at] = -np.inf
            if len(asked):
                strongest = np.maximum(strongest, np.maximum.reduceat(rivals, np.cumsum(counts) - counts))
        leads: Column = weight[asked] - strongest >= self.margin
        return leads

    def _is_another_month(self, own: Column, others: Column) -> Column:
        """Tell whether the other pair says the same of the same party, only of a day much further from what was expected."""
        pairs = self.pairs
        found: Column = (
            (pairs.amount[others] == pairs.amount[own])
            & (pairs.number[others] == pairs.number[own])
            & (pairs.is_named(CLEARLY_SAME)[others] | (pairs.is_shop[own] & pairs.is_named(SIMILAR)[others]))
            & ~pairs.is_linked[others]
            & self.is_prompt[own]
            & (pairs.nearest[others] - pairs.nearest[own] >= _MONTH_APART)
        )
        return found

    def _is_another_party(self, own: Column, others: Column) -> Column:
        """Tell whether the party of a pair is clear and the other pair has nothing but its amount and day."""
        pairs = self.pairs
        is_clear = (pairs.has_iban | pairs.is_named(CLEARLY_SAME))[own]
        is_bare = self._is_strange & ~pairs.is_linked & (pairs.number >= Number.ABSENT) & ~pairs.is_set
        found: Column = is_clear & is_bare[others]
        return found

    def _certain_on(self, n: int) -> date | None:
        """The day from which on the pair is certain if nothing else comes; None where it never is."""
        parts = (n, *self.comparison.set_of.get(n, ()))
        if len(parts) < self.comparison.set_size.get(n, 1) or not all(self.may[part] for part in parts):
            return None
        days = [self.waits(part) for part in parts]
        known = [day for day in days if day is not None]
        return max(known) if len(known) == len(days) else None

    def _is_waiting(self, n: int) -> bool:
        """Whether transactions are known for as long as certainty takes; with a number or link it takes no time."""
        until = self.covered_until
        return until is not None and any(
            (day := self.waits(part)) is not None and day > self._booked_on(part) and day > until
            for part in (n, *self.comparison.set_of.get(n, ()))
        )

    def _booked_on(self, n: int) -> date:
        line: int = self.lists["line"][n]
        return self.index.transactions[line].facts.booked_on

    def waits(self, n: int) -> date | None:
        """The same as `_waits`, found out once."""
        if n not in self._days_of:
            self._days_of[n] = self._waits(n)
        return self._days_of[n]

    def _waits(self, n: int) -> date | None:
        """Until when the line that is really meant may still come; None: nothing identifies the pair.

        Without a number that is a week, if it is a weekly series, and a month for a payment that came late.
        """
        lists, booked_on = self.lists, self._booked_on(n)
        amount, number = lists["amount"][n], lists["number"][n]
        is_from_bank = self.index.receipts[lists["receipt"][n]].facts.is_from_bank
        has_iban, is_named = lists["iban"][n] == YES, lists["name"][n] >= CLEARLY_SAME
        is_short = number == _SHORT and (has_iban or is_named)
        if number == _FOUND or (is_short and is_from_bank and amount != _REST):
            return booked_on
        if lists["is_linked"][n]:
            return booked_on if amount != _REST else None
        if n in self.comparison.set_of:
            if number in {_HINTED, _SHORT} and (has_iban or is_named):
                return booked_on  # one of several numbers in a row ("…117/…118/…119") whose sum is right
            is_sure = is_from_bank and number in _UNSAID and self._is_sure_sum(n)
            return booked_on + timedelta(days=_SETTLING) if is_sure else None
        is_like = is_from_bank and lists["name"][n] >= SIMILAR and amount in _WHOLE and number in _SILENT
        is_like = is_like and not self.sides.is_card[lists["line"][n]]  # a card pays on the day, or it paid something else
        days = self._alone_after(n) if self.is_party(n) or (is_like and self._is_only_amount(n)) else None
        if n in self.months:
            days = _SETTLING
        return None if days is None else booked_on + timedelta(days=days)

    def _is_sure_sum(self, n: int) -> bool:
        groups, lists = self.comparison.groups, self.lists
        if lists["is_collective"][n]:
            return lists["line"][n] in groups.sure_lines
        return lists["receipt"][n] in groups.sure_receipts

    def is_party(self, n: int) -> bool:
        """Tell whether party and amount are enough to identify a pair that stands alone, the text saying nothing else."""
        lists, number = self.lists, self.lists["number"][n]
        has_iban, is_named = lists["iban"][n] == YES, lists["name"][n] >= CLEARLY_SAME
        is_passed_on = lists["is_in_text"][n] and self.sides.is_processor[lists["line"][n]]
        return bool(
            (has_iban or is_named or is_passed_on or lists["is_shop"][n])
            and self.index.receipts[lists["receipt"][n]].facts.is_from_bank
            and lists["amount"][n] in _WHOLE_OR_DISCOUNTED
            and (number in _SILENT or number == _HINTED or lists["is_slip"][n] or (number in _NEARLY and has_iban))
        )

    def _alone_after(self, n: int) -> int | None:
        """No other line and no other receipt can be meant: near its day, or, if it was paid late, in half a year."""
        lists = self.lists
        if self.is_prompt[n] and not self._has_rival(n, _ALONE_DAYS):
            if self.may_be_late(n):
                return None
            # in a series a due date may be the next month's: only a payment that follows its invoice at once tells its month
            return _SETTLING if self._is_at_once(n) or not self._has_rival(n, RECURRENCE_DAYS) else None
        if lists["from_payment"][n] != NO_DAY:  # somebody says when it was paid, and that was another day
            return None
        # a customer does not pay what we have not billed yet, but for a prepayment; whoever else buys often does
        is_expense = self.sides.is_expense[lists["receipt"][n]]
        if not is_expense and lists["iban"][n] != YES and lists["from_issue"][n] < _PAYMENT_DAYS[0]:
            return None
        days, (first, last) = lists["from_issue"][n], _LATE_DAYS
        if lists["from_due"][n] != NO_DAY:
            days, (first, last) = lists["from_due"][n], _OVERDUE_DAYS
        return _NEXT_MONTH if first <= days <= last and not self._has_rival(n, RECURRENCE_DAYS) else None

    def may_be_late(self, n: int) -> bool:
        """Tell whether a customer may have paid an older invoice: more of his equal ones are open than he has paid since.

        Who pays each rent a month late pays just after the next one is due.
        """
        index = self.index
        receipt, booked = index.receipts[self.lists["receipt"][n]], index.transactions[self.lists["line"][n]]
        issued = receipt.facts.issued_on
        if receipt.facts.direction != "income" or issued is None or self.lists["month"][n] == YES:
            return False
        billed = index.amounts.get((receipt.side, receipt.currency, receipt.cents))
        if billed is None:
            return False
        first, same = issued.toordinal() - RECURRENCE_DAYS, self.comparison.is_same_party
        older = [
            one.facts.issued_on.toordinal()
            for one in map(index.receipts.__getitem__, index.receipts_by_amount.between(billed, first, receipt.centre - 1))
            if one.facts.issued_on and one.facts.issued_on < issued and same(one, booked) and self.copies.get(one.place) is None
        ]
        if not older:
            return False
        paid = index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents]
        lines = index.lines_by_amount.between(paid, min(older) + _PAYMENT_DAYS[0], booked.day - 1)
        return sum(index.transactions[line].free > 0 and same(receipt, index.transactions[line]) for line in lines) < len(older)

    def _is_only_amount(self, n: int) -> bool:
        """Tell whether in a year nothing else has this amount, whoever's it is: then a name that is only similar is enough."""
        index = self.index
        receipt, booked = index.receipts[self.lists["receipt"][n]], index.transactions[self.lists["line"][n]]
        if receipt.cents is None or receipt.currency is None or receipt.side is None:
            return False
        days = (booked.day, receipt.centre)
        window = (min(days) - RECURRENCE_DAYS, max(days) + RECURRENCE_DAYS)
        paid = index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents]
        billed = index.amounts[receipt.side, receipt.currency, receipt.cents]
        return index.lines_by_amount.count(paid, *window) == 1 and index.receipts_by_amount.count(billed, *window) == 1

    def _is_at_once(self, n: int) -> bool:
        """Tell whether it was paid on the day that somebody said, or within two weeks of the invoice."""
        paid, issued = self.lists["from_payment"][n], self.lists["from_issue"][n]
        days, (first, last) = (paid, _PAYMENT_DAYS) if paid != NO_DAY else (issued, _ISSUE_DAYS)
        return bool(first <= days <= last)

    def _has_rival(self, n: int, within_days: int) -> bool:
        """Tell whether the same party moved or billed this amount more than once around these days: a series, or twins.

        Other lines are looked for around the receipt's own day, other receipts around the line's; so with few days a monthly
        series is none as long as each month stands alone. What another receipt has used up still shows that there is one.
        """
        index = self.index
        receipt, booked = index.receipts[self.lists["receipt"][n]], index.transactions[self.lists["line"][n]]
        if receipt.cents is None or receipt.currency is None or receipt.side is None:
            return True
        days = (booked.day, receipt.centre)
        window = (min(days) - within_days, max(days) + within_days)
        paid = index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents]
        # no transaction has a discounted invoice's own amount: any equal invoice competes for this one's, and has to trail
        billed = index.amounts.get((receipt.side, receipt.currency, receipt.cents))
        lines = index.lines_by_amount.between(paid, *window)
        receipts = [] if billed is None else index.receipts_by_amount.between(billed, *window)
        if max(len(lines), len(receipts)) > _MOST_RIVALS:
            return True
        same, apart = self.comparison.is_same_party, self.comparison.are_apart
        return any(
            line != booked.place and same(receipt, index.transactions[line]) and not apart(booked, index.transactions[line])
            for line in lines
        ) or any(
            place != receipt.place
            and same(index.receipts[place], booked)
            and not apart(receipt, index.receipts[place])
            and self.copies.get(place) != receipt.place
            for place in receipts
        )

    # ---- why not?

    def _review_reason(self, place: int, row: list[int]) -> ReviewReason:
        receipt, twin = self.index.receipts[place], self.comparison.twins.get(place)
        if receipt.cents is None:
            return ReviewReason.AMOUNT_MISSING
        if twin and twin[1]:
            return ReviewReason.DUPLICATE_SUSPECTED
        possible = [n for n in row if not self.lists["is_declined"][n]]
        if not possible or not receipt.cents:
            return ReviewReason.NO_TRANSACTION_YET if receipt.has_date else ReviewReason.DATE_MISSING
        best = possible[0]
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
        rivals = [n for n in self._by_line.get(line, ()) if self._is_exact(n)]
        if any(self.weights[best] - self.weights[n] < CLEAR_MARGIN for n in (*free, *rivals) if n not in own):
            return ReviewReason.SEVERAL_EQUAL
        if not self.index.receipts[place].has_date:
            return ReviewReason.DATE_MISSING
        if self.scores.score[best] < _PLAUSIBLE and not self._has_sign(best):
            return ReviewReason.NO_TRANSACTION_YET
        return ReviewReason.AMOUNT_DIFFERS if len(self.index.links[place]) > 1 else ReviewReason.COUNTERPARTY_UNCLEAR

    def pairs_of(self, place: int) -> range:
        """Return the pairs of a receipt."""
        return range(*np.searchsorted(self.pairs.receipt, [place, place + 1]).tolist())

    def pairs_on(self, line: int) -> list[int]:
        """Return the pairs of a transaction."""
        return self._by_line.get(line, [])

    @cached_property
    def _by_line(self) -> dict[int, list[int]]:
        found: defaultdict[int, list[int]] = defaultdict(list)
        for n, line in enumerate(self.lists["line"]):
            found[line].append(n)
        return found

    def _is_exact(self, n: int) -> bool:
        return bool(self.lists["amount"][n] <= _SUM)

    def _has_sign(self, n: int) -> bool:
        """Tell whether anything but amount and day points from the receipt to the transaction."""
        lists = self.lists
        has_party = lists["iban"][n] == YES or lists["is_in_text"][n] or lists["name"][n] >= SIMILAR
        return has_party or lists["is_linked"][n] or lists["number"][n] not in _UNSAID


class Months:
    """One party's equal amounts, month after month: which payment belongs to which invoice.

    How long after its invoice this party's money moves is learned from those that the bank marked as paid (or linked), or from
    all of them if they follow one another without a gap; where that names one line of an invoice, and one invoice of the line,
    the months cannot be shifted.
    """

    def __init__(self, judge: Judge) -> None:
        """Look at the pairs of `judge`."""
        self._judge, self._index, self._lists = judge, judge.index, judge.lists
        self._numbers: dict[tuple[int, int], str | None] = {}

    def is_sure(self, n: int) -> bool:
        """Tell whether a pair is the only one that fits the rhythm of its series."""
        judge, index, lists = self._judge, self._index, self._lists
        if lists["amount"][n] not in _WHOLE or not judge.is_party(n) or judge.may_be_late(n):
            return False
        receipt, booked = index.receipts[lists["receipt"][n]], index.transactions[lists["line"][n]]
        paid = lists["from_payment"][n]
        if paid != NO_DAY and not _PAYMENT_DAYS[0] <= paid <= _PAYMENT_DAYS[1]:
            return False
        receipts, lines = self._series(receipt, booked)
        lags = self._lags(receipts, lines)
        if not lags or max(lags) - min(lags) > _MOST_SPREAD:
            return False
        first, last = min(lags) - _SWAY, max(lags) + _SWAY
        if [line for line in lines if first <= _lag(receipt, line) <= last] != [booked]:
            return False
        if [one for one in receipts if first <= _lag(one, booked) <= last] != [receipt]:
            return False
        return self._leads_strangers(n, {one.place for one in receipts}, {line.place for line in lines})

    def _series(
        self, receipt: OpenReceipt, booked: BookedTransaction
    ) -> tuple[list[OpenReceipt], list[BookedTransaction]]:  # fmt: skip
        """The party's open receipts and transactions of this amount; none where one has no date, or there are very many."""
        index, comparison = self._index, self._judge.comparison
        if receipt.cents is None or receipt.currency is None or receipt.side is None:
            return [], []
        days = (booked.day, receipt.centre)
        window = (min(days) - RECURRENCE_DAYS, max(days) + RECURRENCE_DAYS)
        paid = index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents]
        billed = index.amounts[receipt.side, receipt.currency, receipt.cents]
        places, lines = index.receipts_by_amount.between(billed, *window), index.lines_by_amount.between(paid, *window)
        if max(len(places), len(lines)) > _MOST_RIVALS:
            return [], []
        receipts = [
            one
            for one in map(index.receipts.__getitem__, places)
            if self._judge.copies.get(one.place) is None
            and comparison.is_same_party(one, booked)
            and not comparison.are_apart(receipt, one)
        ]
        booked_lines = [
            line
            for line in map(index.transactions.__getitem__, lines)
            if comparison.is_same_party(receipt, line)
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
                day, (first, last) = paid_on.toordinal(), _PAYMENT_DAYS
                if sum(abs(line.day - day) <= _MONTH_APART for line in lines) == 1:
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
        first, last = _ISSUE_DAYS
        is_at_once = first <= min(lags) and max(lags) <= last
        return lags if is_at_once and (not terms or min(terms) <= _SHORT_TERM) else []

    def _leads_strangers(self, n: int, receipts: set[int], lines: set[int]) -> bool:
        """Tell whether no pair from outside of the series comes near to this one."""
        judge, lists = self._judge, self._lists
        place, line = lists["receipt"][n], lists["line"][n]
        others = [m for m in judge.pairs_of(place) if lists["line"][m] not in lines]
        others += [
            m
            for m in judge.pairs_on(line)
            if lists["receipt"][m] not in receipts and judge.copies.get(lists["receipt"][m]) != place
        ]
        sums = judge.scores.sum
        return all(sums[n] - sums[m] >= judge.margin for m in others)


def _are_months(days: list[int]) -> bool:
    """Tell whether days stand so far apart that none can be taken for its neighbour."""
    return all(later - earlier > _ALONE_DAYS for earlier, later in pairwise(sorted(days)))


def _lag(receipt: OpenReceipt, booked: BookedTransaction) -> int:
    """Days from the invoice to the payment, by the day that is nearer."""
    issued = receipt.facts.issued_on.toordinal() if receipt.facts.issued_on else 0
    return min(booked.day - issued, booked.emitted_day - issued, key=abs)


def _is_prompt(pairs: Pairs) -> Column:
    """Tell whether it was paid so close to the expected day that no neighbour of a monthly series can be meant."""
    by_payment, by_due, by_issue = (
        (days >= first) & (days <= last)
        for days, (first, last) in (
            (pairs.from_payment, _PAYMENT_DAYS),
            (pairs.from_due, _DUE_DAYS),
            (pairs.from_issue, _ISSUE_DAYS),
        )
    )
    found: Column = np.where(pairs.from_payment != NO_DAY, by_payment, by_due | by_issue)
    return found
