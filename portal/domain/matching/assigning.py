"""Which candidates the machine may assign on its own, and one honest reason for every receipt it leaves to a person.

Assigned is only what is equal to the cent, on the right side and in time, identified (by the bank's link, by the number as a
whole token, or by IBAN and name without any rival), clearly ahead on both sides, and free of every veto.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import ReceiptFacts, TransactionFacts
from portal.domain.matching.features import Amount, Comparison, Evidence, Number
from portal.domain.matching.optimum import mark_optimum
from portal.domain.matching.reasons import Allocation, Candidate, Decision, Reason, ReasonCode, ReviewReason
from portal.domain.matching.scoring import FIRST_DAYS, LAST_DAYS, allies, explain, is_numbered, pays_to_iban, weigh
from portal.domain.names import CLEARLY_SAME, SIMILAR, is_processor

MOST_CANDIDATES = 5
CLEAR_MARGIN = 3.0
"""Log-odds by which a pair must lead the runner-up of its receipt and of its transaction: twenty to one."""
_LEAST_SCORE_SHOWN = 0.005
"""Below it a pair is no proposal, only noise that a person would have to read."""
_PLAUSIBLE = 0.15
_OPTIMUM_LEAD = 0.1
_ALONE_DAYS = 18
"""A monthly series keeps its months apart if each stands alone for so long."""
_SILENT = {Number.ABSENT, Number.UNKNOWN, Number.SHORT}
"""The text neither names the invoice nor something that is nearly its number."""
_NEARLY = {Number.HINTED, Number.MISTYPED}
_MONTH_APART = 14
_STRANGE = 0.5
_LATE_DAYS, _OVERDUE_DAYS = (-3, 75), (-6, 45)
_SETTLING, _NEXT_MONTH, _A_NIGHT = timedelta(days=8), timedelta(days=35), timedelta(days=1)
_PAYMENT_DAYS, _DUE_DAYS, _ISSUE_DAYS = (-3, 3), (-6, 6), (-1, 14)


def match(
    receipts: Sequence[ReceiptFacts],
    transactions: Sequence[TransactionFacts],
    *,
    declined: Collection[tuple[str, str]] = (),
    covered_until: date | None = None,
    aliases: Collection[tuple[str, str]] = (),
    caution: float = 0.0,
) -> list[Decision]:
    """Decide on one client's open receipts: exactly one decision each, in the order given.

    `transactions`: all booked ones, those used up included. `declined`: (receipt id, transaction id) pairs that somebody refused,
    never assigned again by machine. `covered_until`: the last day up to which transactions are known to be complete, None if
    unknown; without number or bank link nothing later is assigned. `aliases`: (name on receipts, name at the bank) that people
    have confirmed to be the same party. `caution`: log-odds (0 or more) by which the machine has to lead further than usual.
    The same facts give the same decisions in whatever order they come. Errors: ValueError when an id occurs twice.
    """
    index = Index(receipts, transactions)
    comparison = Comparison(index, declined, aliases)
    weigh(comparison)
    mark_optimum(comparison)
    judge = _Judge(comparison, covered_until, CLEAR_MARGIN + max(0.0, caution))
    decisions = {receipt.facts.id: judge.decide(receipt.place) for receipt in index.receipts}
    return [decisions[facts.id] for facts in receipts]


class _Judge:
    """Decides receipt by receipt; what one receipt gets never depends on who was decided before."""

    def __init__(self, comparison: Comparison, covered_until: date | None, margin: float) -> None:
        self.comparison = comparison
        self.covered_until = covered_until
        self.margin = margin

    def decide(self, place: int) -> Decision:
        receipt = self.comparison.index.receipts[place]
        # the optimum of the whole client breaks near ties: which of twelve equal months
        row = sorted(
            (pair for pair in self.comparison.rows[place] if pair.score >= _LEAST_SCORE_SHOWN or pair.is_declined),
            key=lambda evidence: (
                evidence.is_declined,
                -evidence.score - (_OPTIMUM_LEAD if evidence.is_optimal else 0),
                evidence.nearest_days,
                evidence.transaction.place,
            ),
        )
        shown = self._candidates(row)
        if row and self._may_assign_whole(row[0]):
            allocations = shown[0].allocations
            return Decision(receipt.facts.id, "assigned", allocations, tuple(shown), None)
        if row and shown and (day := self._certain_on(row[0])):
            waits = Reason(ReasonCode.WAITING, is_for=True, values=(("assigned_on", day),))
            shown[0] = replace(shown[0], reasons=(waits, *shown[0].reasons))
        return Decision(receipt.facts.id, "review", (), tuple(shown), self._review_reason(place, row))

    def _candidates(self, row: list[Evidence]) -> list[Candidate]:
        shown: list[Candidate] = []
        bundled: set[int] = set()
        for evidence in row:
            if len(shown) == MOST_CANDIDATES:
                break
            if evidence.transaction.place in bundled:
                continue
            lines = [evidence]
            if evidence.group and not evidence.is_collective:
                lines = sorted([evidence, *allies(self.comparison, evidence)], key=lambda part: part.transaction.place)
                bundled.update(part.transaction.place for part in lines)
            allocations = tuple(Allocation(part.transaction.facts.id, part.allocate) for part in lines)
            shown.append(Candidate(allocations, evidence.score, explain(self.comparison, evidence, self.covered_until)))
        return shown

    def _may_assign_whole(self, evidence: Evidence) -> bool:
        """A set is assigned with all its parts or not at all."""
        if not evidence.group:
            return evidence.is_optimal and self._may_assign(evidence)
        parts = allies(self.comparison, evidence)
        return len(parts) == len(evidence.group) and all(map(self._may_assign, (evidence, *parts)))

    def _may_assign(self, evidence: Evidence) -> bool:
        return (
            (evidence.is_exact or _is_discounted(evidence))
            and not self._has_veto(evidence)
            and self._is_in_time(evidence)
            and self._is_certain_by_now(evidence)
            and evidence.weight - self._runner_up(evidence) >= self.margin
        )

    def _has_veto(self, evidence: Evidence) -> bool:
        receipt = evidence.receipt
        twin = self.comparison.twins.get(receipt.place)
        linkers = self.comparison.linked_by(evidence.transaction) - {receipt.place}
        if evidence.is_collective:
            linkers -= set(evidence.group)
        links = self.comparison.index.linked_places(receipt)
        is_linked_elsewhere = bool(
            set(links) - {evidence.transaction.place} - (set() if evidence.is_collective else set(evidence.group))
        )
        return (
            receipt.side is None
            or not receipt.cents
            or evidence.allocate == 0
            or evidence.is_used
            or evidence.is_declined
            or bool(linkers)
            or is_linked_elsewhere
            or evidence.other_receipt is not None
            or (evidence.other_number is not None and evidence.number is not Number.FOUND)
            or (evidence.iban is False and pays_to_iban(evidence))
            or _is_anothers_number(evidence)
            or (twin is not None and (twin[1] or not evidence.is_linked))
        )

    @staticmethod
    def _is_in_time(evidence: Evidence) -> bool:
        for days in (evidence.days_from_issue, evidence.days_from_due, evidence.days_from_payment):
            if days is not None:
                return FIRST_DAYS <= days <= LAST_DAYS
        return False

    def _certain_on(self, evidence: Evidence) -> date | None:
        """The day on which the machine will assign the pair unless something else comes; None where it will not."""
        patient = _Judge(self.comparison, None, self.margin)
        waits = patient.waits(evidence)
        if self.covered_until is None or waits is None or not patient._may_assign_whole(evidence):
            return None
        return evidence.transaction.facts.booked_on + waits + _A_NIGHT

    def _is_certain_by_now(self, evidence: Evidence) -> bool:
        """Tell whether the pair is identified, and whether transactions are known for as long as that takes."""
        waits, until = self.waits(evidence), self.covered_until
        return waits is not None and (not waits or until is None or evidence.transaction.facts.booked_on + waits <= until)

    def waits(self, evidence: Evidence) -> timedelta | None:
        """For how long after its booking the line that is really meant may still come; None: nothing identifies the pair.

        Without a number that is a week, if it is a weekly series, and a month for a payment that came late.
        """
        is_from_bank = evidence.receipt.facts.is_from_bank
        if evidence.number is Number.FOUND or (is_numbered(evidence) and is_from_bank and evidence.amount is not Amount.REST):
            return timedelta()
        if evidence.is_linked:
            return timedelta() if evidence.amount is not Amount.REST else None
        is_party = (
            (evidence.iban is True or (evidence.name or 0) >= CLEARLY_SAME)
            and is_from_bank
            and evidence.amount in {Amount.EQUAL, Amount.LOCAL}
            and (evidence.number in _SILENT or (evidence.number in _NEARLY and evidence.iban is True))
        )
        return self._is_alone_after(evidence) if is_party else None

    def _is_alone_after(self, evidence: Evidence) -> timedelta | None:
        """No other line and no other receipt can be meant: near its day, or, if it was paid late, in half a year."""
        if _is_prompt(evidence) and not self.comparison.has_rival(evidence, within_days=_ALONE_DAYS):
            # in a series a due date may be the next month's: only a payment that follows its invoice at once tells its month
            return _SETTLING if _is_at_once(evidence) or not self.comparison.has_rival(evidence) else None
        if evidence.days_from_payment is not None:  # somebody says when it was paid, and that was another day
            return None
        days, (first, last) = evidence.days_from_issue, _LATE_DAYS
        if evidence.days_from_due is not None:
            days, (first, last) = evidence.days_from_due, _OVERDUE_DAYS
        is_late = days is not None and first <= days <= last and not self.comparison.has_rival(evidence)
        return _NEXT_MONTH if is_late else None

    def _runner_up(self, evidence: Evidence) -> float:
        """Return the weight of the strongest other pair of this receipt or transaction that is not of the same set."""
        own = {id(evidence), *(id(ally) for ally in (allies(self.comparison, evidence) if evidence.group else ()))}
        others = (*self.comparison.rows[evidence.receipt.place], *self.comparison.columns[evidence.transaction.place])
        return max(
            (other.weight for other in others if id(other) not in own and not _is_another_month(evidence, other)),
            default=float("-inf"),
        )

    def _review_reason(self, place: int, row: list[Evidence]) -> ReviewReason:
        receipt = self.comparison.index.receipts[place]
        twin = self.comparison.twins.get(place)
        if receipt.cents is None:
            return ReviewReason.AMOUNT_MISSING
        if twin and twin[1]:
            return ReviewReason.DUPLICATE_SUSPECTED
        possible = [evidence for evidence in row if not evidence.is_declined]
        if not possible or not receipt.cents:
            return ReviewReason.NO_TRANSACTION_YET if receipt.has_date else ReviewReason.DATE_MISSING
        best = possible[0]
        free = [evidence for evidence in possible if evidence.is_exact and not evidence.is_used]
        if twin and len(free) <= 1:
            return ReviewReason.DUPLICATE_SUSPECTED
        if best.is_used and not free:
            return ReviewReason.ALREADY_LINKED if _has_sign(best) else ReviewReason.NO_TRANSACTION_YET
        if not best.is_exact:
            return ReviewReason.AMOUNT_DIFFERS if _has_sign(best) else ReviewReason.NO_TRANSACTION_YET
        return self._reason_of_exact(best, free)

    def _reason_of_exact(self, best: Evidence, free: list[Evidence]) -> ReviewReason:
        if best.is_used:
            return ReviewReason.ALREADY_LINKED
        rivals = [other for other in self.comparison.columns[best.transaction.place] if other.is_exact]
        ties = [other for other in (*free, *rivals) if other is not best and other not in allies(self.comparison, best)]
        if any(best.weight - other.weight < CLEAR_MARGIN for other in ties):
            return ReviewReason.SEVERAL_EQUAL
        if not best.receipt.has_date:
            return ReviewReason.DATE_MISSING
        if best.score < _PLAUSIBLE and not _has_sign(best):
            return ReviewReason.NO_TRANSACTION_YET
        if len(self.comparison.index.linked_places(best.receipt)) > 1:
            return ReviewReason.AMOUNT_DIFFERS
        return ReviewReason.COUNTERPARTY_UNCLEAR


def _is_discounted(evidence: Evidence) -> bool:
    """Tell whether exactly a usual discount was kept back from an invoice that the text names."""
    return evidence.amount is Amount.DISCOUNT and evidence.number is Number.FOUND


def _is_another_month(evidence: Evidence, other: Evidence) -> bool:
    """Tell whether the other pair says the same of the same party, only of a day that is much further from what was expected."""
    return (
        other.amount is evidence.amount
        and other.number is evidence.number
        and (other.name or 0) >= CLEARLY_SAME
        and not other.is_linked
        and _is_prompt(evidence)
        and other.nearest_days - evidence.nearest_days >= _MONTH_APART
    )


def _is_anothers_number(evidence: Evidence) -> bool:
    """Tell whether money went to somebody of quite another name who merely uses the same number ("25-0015")."""
    is_strange = evidence.name is not None and evidence.name < _STRANGE and not evidence.is_name_in_text
    if is_strange and is_processor(evidence.transaction.facts.counterparty):
        return False
    return pays_to_iban(evidence) and is_strange and evidence.iban is not True and not evidence.is_linked


def _is_at_once(evidence: Evidence) -> bool:
    """Tell whether it was paid on the day that somebody said, or within two weeks of the invoice."""
    if evidence.days_from_payment is not None:
        return _PAYMENT_DAYS[0] <= evidence.days_from_payment <= _PAYMENT_DAYS[1]
    days = evidence.days_from_issue
    return days is not None and _ISSUE_DAYS[0] <= days <= _ISSUE_DAYS[1]


def _is_prompt(evidence: Evidence) -> bool:
    """Tell whether it was paid so close to the expected day that no neighbour of a monthly series can be meant."""
    known = (
        (evidence.days_from_payment, _PAYMENT_DAYS),
        (evidence.days_from_due, _DUE_DAYS),
        (evidence.days_from_issue, _ISSUE_DAYS),
    )
    for days, (first, last) in known:
        if days is not None:
            return first <= days <= last
    return False


def _has_sign(evidence: Evidence) -> bool:
    """Tell whether anything but amount and day points from the receipt to the transaction."""
    has_party = evidence.iban is True or evidence.is_name_in_text or (evidence.name or 0) >= SIMILAR
    return has_party or evidence.is_linked or evidence.number not in {Number.ABSENT, Number.UNKNOWN}
