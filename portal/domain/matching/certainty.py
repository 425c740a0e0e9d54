"""What identifies a pair, and from which day on: number, bank link, sum, or the party where nothing else can be meant."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from portal.domain.matching.features import Comparison
from portal.domain.matching.pairs import ISSUE_DAYS, PAYMENT_DAYS, YES, Amount, Number, Pairs, Rows, is_prompt
from portal.domain.matching.reach import RIVAL_DAYS
from portal.domain.matching.records import BookedTransaction
from portal.domain.matching.sides import NO_DAY, Column, Sides
from portal.domain.names import CLEARLY_SAME, SIMILAR

RECURRENCE_DAYS = RIVAL_DAYS
ALONE_DAYS = 18
"""A monthly series keeps its months apart if each stands alone for so long."""
MOST_RIVALS = 24
_MOST_EQUAL = 100
_LATE_DAYS, _OVERDUE_DAYS = (-20, 75), (-60, 60)
BILLED = -1
"""From so many days after the day on an invoice on, it is there: it may have been written the evening before."""
_MISDATED_DAYS = 10
"""So far a day of payment that somebody has written down may lie from the bank's."""
_SETTLING, _NEXT_MONTH = 8, 35
_AT_ONCE_DAYS = 1
_SAME_DAYS = 2
# as plain integers: a member of an enumeration costs more to look up than the comparison
WHOLE = frozenset({int(Amount.EQUAL), int(Amount.LOCAL)})
_FOREIGN = frozenset({int(Amount.LOCAL), int(Amount.CONVERTED)})
_TELLING = WHOLE | {int(Amount.DISCOUNT), int(Amount.CONVERTED)}
UNSAID = frozenset({int(Number.ABSENT), int(Number.UNKNOWN)})
_LESS_FEE = int(Amount.LESS_FEE)
_REST, _FOUND, _SHORT, _HINTED = (
    int(Amount.REST),
    int(Number.FOUND),
    int(Number.SHORT),
    int(Number.HINTED),
)
_SILENT = UNSAID | {_SHORT}
"""The text neither names the invoice nor something that is nearly its number."""
_NEARLY = frozenset({_HINTED, int(Number.MISTYPED)})


class Certainty:
    """Tells of each pair of a comparison what identifies it."""

    def __init__(self, comparison: Comparison, lists: Rows) -> None:
        """`lists`: the columns of its pairs."""
        self.comparison, self.lists = comparison, lists
        self.index, self.sides, self.copies = comparison.index, comparison.sides, comparison.copies
        self.is_prompt = is_prompt(comparison.pairs)
        self.is_only_on_day = _only_on_day(comparison.pairs, comparison.sides).tolist()
        self.is_only_of_month = _only_of_month(comparison.pairs, comparison.sides)
        self.months: set[int] = set()
        """The pairs that are certain as one month of a series, and not without it."""
        self._days_of: dict[int, date | None] = {}
        self._late: dict[int, bool] = {}

    def take_as_month(self, n: int) -> None:
        """Call a pair certain for the rhythm of its series."""
        self.months.add(n)
        self._days_of.pop(n, None)

    def booked_on(self, n: int) -> date:
        """The day on which the pair's transaction was booked."""
        line: int = self.lists["line"][n]
        return self.index.transactions[line].facts.booked_on

    def waits(self, n: int) -> date | None:
        """The day from which on the pair is certain; None: nothing identifies it."""
        if n not in self._days_of:
            self._days_of[n] = self._waits(n)
        return self._days_of[n]

    def _waits(self, n: int) -> date | None:
        """Until when the line that is really meant may still come; None: nothing identifies the pair.

        Without a number that is a week, if it is a weekly series, and a month for a payment that came late.
        """
        lists, booked_on = self.lists, self.booked_on(n)
        amount, number = lists["amount"][n], lists["number"][n]
        is_from_bank = self.index.receipts[lists["receipt"][n]].facts.is_from_bank
        has_iban, is_named = lists["iban"][n] == YES, lists["name"][n] >= CLEARLY_SAME
        is_short = number == _SHORT and (has_iban or is_named)
        if number == _FOUND or (is_short and is_from_bank and amount != _REST):
            return booked_on
        is_dated = lists["is_dated"][n] and amount in WHOLE and number in _SILENT
        if is_dated and is_from_bank and (has_iban or is_named):
            return booked_on
        if is_dated and is_from_bank and self._is_only_amount(n):
            return booked_on + timedelta(days=_SETTLING)
        if lists["is_linked"][n]:
            return booked_on if amount != _REST else None
        if amount == _LESS_FEE:
            is_sure = is_from_bank and lists["line"][n] in self.comparison.groups.payouts.sure
            return booked_on + timedelta(days=_SETTLING) if is_sure else None
        if n in self.comparison.set_of:
            if number in {_HINTED, _SHORT} and (has_iban or is_named):
                return booked_on  # one of several numbers in a row ("…117/…118/…119") whose sum is right
            is_sure = is_from_bank and number in UNSAID and self._is_sure_sum(n)
            return booked_on + timedelta(days=_SETTLING) if is_sure else None
        is_like = is_from_bank and lists["name"][n] >= SIMILAR and amount in WHOLE and number in _SILENT
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
            and lists["amount"][n] in _TELLING
            and (number in _SILENT or number == _HINTED or lists["is_slip"][n] or (number in _NEARLY and has_iban))
        )

    def _alone_after(self, n: int) -> int | None:
        """No other line and no other receipt can be meant: near its day, or, if it was paid late, in half a year."""
        lists = self.lists
        if self.is_only_of_month[n]:
            return _SETTLING
        if self._is_unbilled(n) or self.is_too_soon(n):
            return None
        if self.is_only_on_day[n]:
            return _SETTLING
        if self.is_prompt[n] and not self._has_rival(n, ALONE_DAYS):
            if self.may_be_late(n):
                return None
            # in a series a due date may be the next month's: only a payment that follows its invoice at once tells its month
            return _SETTLING if self._is_at_once(n) or not self._has_rival(n, RECURRENCE_DAYS) else None
        # somebody says when it was paid, and that was another day; an original amount is equal every month, and not always told
        paid = lists["from_payment"][n]
        if (paid != NO_DAY and abs(paid) > _MISDATED_DAYS) or lists["amount"][n] in _FOREIGN:
            return None
        days, (first, last) = lists["from_issue"][n], _LATE_DAYS
        if lists["from_due"][n] != NO_DAY:
            days, (first, last) = lists["from_due"][n], _OVERDUE_DAYS
        return _NEXT_MONTH if first <= days <= last and not self._has_rival(n, RECURRENCE_DAYS) else None

    def _is_unbilled(self, n: int) -> bool:
        """Tell whether the money moved before the invoice though it hardly can have: whoever buys, often pays before.

        But nobody pulls what he has not billed, nor does a customer pay it, unless we know his account.
        """
        days = self.lists["from_issue"][n]
        if self.sides.is_expense[self.lists["receipt"][n]]:
            return bool(days < PAYMENT_DAYS[0] and self.index.transactions[self.lists["line"][n]].is_pulled)
        return bool(days < BILLED and self.lists["iban"][n] != YES)

    def is_too_soon(self, n: int) -> bool:
        """Tell whether it was paid at once by somebody who never does: it is for the invoice before, which may not be here."""
        name = self.index.receipts[self.lists["receipt"][n]].name.ordered
        is_marked = abs(self.lists["from_payment"][n]) <= PAYMENT_DAYS[1]
        return name in self.index.slow and not is_marked and self.lists["from_issue"][n] <= ISSUE_DAYS[1]

    def may_be_late(self, n: int) -> bool:
        """Tell whether an older invoice may have been paid: more of the party's equal ones are open than were paid since.

        Who pays each rent a month late pays just after the next one is due. Our own transfers are asked about only where they
        went out before the invoice can have been seen.
        """
        if n not in self._late:
            self._late[n] = self._may_be_late(n)
        return self._late[n]

    def _may_be_late(self, n: int) -> bool:
        index = self.index
        receipt, booked = index.receipts[self.lists["receipt"][n]], index.transactions[self.lists["line"][n]]
        issued = receipt.facts.issued_on
        is_early = self.lists["from_issue"][n] <= _AT_ONCE_DAYS and not booked.is_pulled and not booked.is_card
        # on the day of an invoice itself its own payment comes, or that of the one before: neither counts as sure
        since = _AT_ONCE_DAYS + 1 if is_early else PAYMENT_DAYS[0]
        if abs(self.lists["from_payment"][n]) <= PAYMENT_DAYS[1]:
            return False  # somebody has marked this one as paid on that day
        if not (receipt.facts.direction == "income" or is_early) or issued is None or self.lists["month"][n] == YES:
            return False
        billed = index.amounts.get((receipt.side, receipt.currency, receipt.cents))
        if billed is None:
            return False
        older = self._older(booked, billed, issued.toordinal(), receipt.centre - 1)
        if not older or len(older) > MOST_RIVALS:
            return bool(older)
        paid, same = index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents], self.comparison.is_same_party
        lines = index.lines_by_amount.between(paid, min(older) + since, booked.day - 1)
        lines = [line for line in lines if line not in self.comparison.returns.clear]
        return sum(index.transactions[line].free > 0 and same(receipt, index.transactions[line]) for line in lines) < len(older)

    def _older(self, booked: BookedTransaction, billed: int, issued: int, last: int) -> list[int]:
        """The days of the open receipts of an amount that a transaction's party had before, back to where none was for long."""
        index, same, found = self.index, self.comparison.is_same_party, list[int]()
        first = issued
        while len(found) <= MOST_RIVALS:
            near = map(index.receipts.__getitem__, index.receipts_by_amount.between(billed, first - RECURRENCE_DAYS, last))
            days = [
                one.facts.issued_on.toordinal()
                for one in near
                if one.facts.issued_on and same(one, booked) and self.copies.get(one.place) is None
            ]
            days = [day for day in days if day < first]
            if not days:
                break
            found += days
            first, last = min(days), min(days) - 1
        return found

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
        days, (first, last) = (paid, PAYMENT_DAYS) if paid != NO_DAY else (issued, ISSUE_DAYS)
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
        if max(len(lines), len(receipts)) > _MOST_EQUAL:
            return True
        same, apart = self.comparison.is_same_party, self.comparison.are_apart
        own = {booked, self.comparison.first_try(booked)}
        return any(
            other not in own and same(receipt, other) and not apart(booked, other)
            for other in map(index.transactions.__getitem__, lines)
        ) or any(
            place != receipt.place
            and same(index.receipts[place], booked)
            and not apart(receipt, index.receipts[place])
            and self.copies.get(place) != receipt.place
            for place in receipts
        )


def _only_on_day(pairs: Pairs, sides: Sides) -> Column:
    """Tell whether a card was used that day for this amount just once, and one receipt tells of it.

    What was bought within two days counts as well, and what has no day: some receipts are dated a day before or after. But not
    if both have their own: two tickets of Monday and Wednesday, and two purchases of these days.
    """
    is_near = (abs(pairs.from_issue) <= _SAME_DAYS) | (pairs.from_issue == NO_DAY)
    may_be = (pairs.is_shop & ~sides.is_day_known[pairs.line]) | (pairs.is_named(SIMILAR) & is_near)
    is_open = np.isin(pairs.amount, [*WHOLE]) & ~pairs.is_used
    on_day = pairs.is_on_day & is_open
    own = on_day & _is_single(pairs, sides, on_day)
    has_own = np.isin(pairs.receipt, pairs.receipt[own]) & np.isin(pairs.line, pairs.line[own])
    fits = on_day | (may_be & is_open & ~has_own)
    found: Column = own & _is_single(pairs, sides, fits)
    return found


def _only_of_month(pairs: Pairs, sides: Sides) -> Column:
    """Tell whether one payment of the party names the month of one invoice. A name known only by its amounts is not enough."""
    is_party = pairs.has_iban | (pairs.is_named(CLEARLY_SAME) & ~pairs.is_alias)
    fits = (pairs.month == YES) & is_party & np.isin(pairs.amount, [*WHOLE]) & ~pairs.is_used
    found: Column = fits & _is_single(pairs, sides, fits)
    return found


def _is_single(pairs: Pairs, sides: Sides, fits: Column) -> Column:
    """Tell of which pairs no other that fits has the same receipt or transaction."""
    by_receipt = np.bincount(pairs.receipt[fits], minlength=len(sides.cents))
    by_line = np.bincount(pairs.line[fits], minlength=len(sides.paid))
    found: Column = (by_receipt[pairs.receipt] == 1) & (by_line[pairs.line] == 1)
    return found
