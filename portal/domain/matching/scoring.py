"""From signs to a probability: an additive table of log-odds (`weights`), one reason each, competition last."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np

from portal.domain.matching import weights
from portal.domain.matching.features import Comparison
from portal.domain.matching.pairs import KNOWN, NO, YES, Amount, Number
from portal.domain.matching.reasons import ReasonCode
from portal.domain.matching.sides import NO_DAY, Column
from portal.domain.names import CLEARLY_SAME, SIMILAR

CODES = tuple(ReasonCode)
_PLACE = {code: place for place, code in enumerate(CODES)}
NO_CODE = -1

_AMOUNT_CODES = {
    Amount.EQUAL: ReasonCode.AMOUNT_EQUAL,
    Amount.LOCAL: ReasonCode.LOCAL_AMOUNT_EQUAL,
    Amount.REST: ReasonCode.REST_EQUAL,
    Amount.SUM: ReasonCode.SUM_EQUAL,
    Amount.SUM_LESS: ReasonCode.SUM_LESS_DISCOUNT,
    Amount.LESS_FEE: ReasonCode.LESS_FEE,
    Amount.DISCOUNT: ReasonCode.DISCOUNT,
    Amount.NET: ReasonCode.NET_AMOUNT,
    Amount.PAYOUT: ReasonCode.PAYOUT,
    Amount.COLLECTED: ReasonCode.COLLECTED,
    Amount.DIFFERS: ReasonCode.AMOUNT_DIFFERS,
    Amount.CURRENCY: ReasonCode.CURRENCY_DIFFERS,
    Amount.CONVERTED: ReasonCode.CONVERTED,
    Amount.MISSING: ReasonCode.AMOUNT_MISSING,
}
_NOBODYS = [int(Amount.PAYOUT), int(Amount.LESS_FEE), int(Amount.COLLECTED)]
"""The name at the bank is the service's, or our own."""
_NUMBER_CODES = {
    Number.FOUND: ReasonCode.NUMBER_FOUND,
    Number.SHORT: ReasonCode.NUMBER_HINTED,
    Number.HINTED: ReasonCode.NUMBER_HINTED,
    Number.MISTYPED: ReasonCode.NUMBER_MISTYPED,
    Number.ABSENT: ReasonCode.NUMBER_MISSING,
}


class Scores:
    """What counts for and against each pair of a `Comparison`, and what it comes to.

    `codes`, `terms`: one row for each sign in the order in which a person would ask: places in CODES (NO_CODE: says nothing), and
    log-odds. `sum`: of them with the prior. `weight`: the same, limited where nothing identifies the pair. `score`: probability
    that the pair is right, given what competes with it.
    """

    def __init__(self, comparison: Comparison) -> None:
        """Weigh every pair. A rival for either side takes its share of the probability."""
        self._comparison, self._pairs, self._sides = comparison, comparison.pairs, comparison.sides
        self._codes: list[Column] = []
        self._terms: list[Column] = []
        self._weigh_signs()
        self.codes, self.terms = np.array(self._codes), np.array(self._terms)
        # rounded: two sums that mean the same may not differ in a last digit
        self.sum: Column = np.round(self.terms.sum(axis=0) + weights.PRIOR, 9)
        most = weights.MOST_WITHOUT_IDENTITY + np.where(self._pairs.is_on_day, weights.MORE_ON_DAY, 0.0)
        self.weight: Column = np.where(self.has_identity(), self.sum, np.minimum(self.sum, most))
        self.score: Column = self._share()

    def has_identity(self) -> Column:
        """Tell whether something names this very invoice or its party, and nothing names another."""
        pairs = self._pairs
        has_party = pairs.has_iban & pairs.is_named(CLEARLY_SAME)
        is_contradicted = (pairs.other_receipt >= 0) | ((pairs.iban == NO) & self.pays_to_iban())
        found: Column = (pairs.is_linked | self.is_numbered() | has_party) & ~is_contradicted
        return found

    def is_numbered(self) -> Column:
        """Tell whether the number identifies the pair: alone, or a short one together with the party's IBAN or clear name."""
        pairs = self._pairs
        has_party = pairs.has_iban | pairs.is_named(CLEARLY_SAME)
        found: Column = (pairs.number == Number.FOUND) | ((pairs.number == Number.SHORT) & has_party)
        return found

    def pays_to_iban(self) -> Column:
        """Tell whether the printed IBAN is where the money goes: who pays us, or collects it himself, may use any account."""
        found: Column = self.pays_out() & ~self._sides.is_pulled[self._pairs.line]
        return found

    def pays_out(self) -> Column:
        """Tell whether it is an expense that left the account."""
        found: Column = self._sides.is_expense[self._pairs.receipt] & (self._sides.line_side[self._pairs.line] == 0)
        return found

    def paid_cents(self) -> Column:
        """Return the transactions' amounts in the receipts' currencies where both are known."""
        pairs, sides = self._pairs, self._sides
        is_foreign = sides.currency[pairs.receipt] != sides.line_currency[pairs.line]
        local = sides.local[pairs.line]
        paid: Column = np.where(is_foreign & (local >= 0), local, sides.paid[pairs.line])
        return paid

    def _add(self, code: ReasonCode | Column, mask: Column | None, weight: float | Column) -> None:
        count = len(self._pairs)
        given = np.full(count, _PLACE[code]) if isinstance(code, ReasonCode) else code
        is_said = given != NO_CODE if mask is None else mask & (given != NO_CODE)
        self._codes.append(np.where(is_said, given, NO_CODE))
        self._terms.append(np.where(is_said, weight, 0.0))

    def _weigh_signs(self) -> None:
        pairs = self._pairs
        self._add(ReasonCode.BANK_LINKED, pairs.is_linked, weights.LINKED)
        cents = np.maximum(1, self._sides.cents[pairs.receipt])
        share = abs(self.paid_cents() - cents) / cents
        differs = _stepped(share, weights.DIFFERENCE)
        amount = _looked_up(Amount, weights.AMOUNT, pairs.amount)
        self._add(_coded(_AMOUNT_CODES, pairs.amount), None, np.where(pairs.amount == Amount.DIFFERS, differs, amount))
        self._add(_coded(_NUMBER_CODES, pairs.number), None, _looked_up(Number, weights.NUMBER, pairs.number))
        is_other = pairs.other_receipt >= 0
        self._add(ReasonCode.OTHER_RECEIPT_NAMED, is_other, weights.OTHER_RECEIPT)
        self._add(ReasonCode.OTHER_NUMBER_NAMED, pairs.is_other_number & ~is_other, weights.OTHER_NUMBER)
        self._add(ReasonCode.MONTH_NAMED, pairs.month == YES, weights.MONTH_NAMED)
        self._add(ReasonCode.DATE_NAMED, pairs.is_dated, weights.DATE_NAMED)
        self._add(ReasonCode.OTHER_MONTH_NAMED, pairs.month == NO, weights.OTHER_MONTH)
        self._weigh_party()
        self._weigh_days()
        self._add(ReasonCode.ALREADY_LINKED, pairs.is_used, weights.USED)
        perhaps = np.where(pairs.is_undone, weights.RETURNED, weights.RETURNED_PERHAPS)
        self._add(ReasonCode.RETURNED, pairs.is_returned, perhaps)
        self._add(ReasonCode.IS_RETURN, pairs.is_return, weights.IS_RETURN)
        self._add(ReasonCode.DECLINED, pairs.is_declined, weights.DECLINED)

    def _weigh_party(self) -> None:
        pairs = self._pairs
        classes = (
            (pairs.is_in_text, ReasonCode.NAME_IN_TEXT, weights.NAME_IN_TEXT),
            (np.isnan(pairs.name) | np.isin(pairs.amount, _NOBODYS), None, 0.0),  # a payment service has its own
            (pairs.is_alias, ReasonCode.NAME_KNOWN, weights.NAME_SAME),
            (pairs.is_named(1.0), ReasonCode.NAME_EQUAL, weights.NAME_EQUAL),
            (pairs.is_named(CLEARLY_SAME), ReasonCode.NAME_SIMILAR, weights.NAME_SAME),
            (pairs.is_named(SIMILAR), ReasonCode.NAME_SIMILAR, weights.NAME_SIMILAR),
            (pairs.is_named(weights.UNLIKE), ReasonCode.NAME_DIFFERS, weights.NAME_DIFFERS),
        )
        masks = [mask for mask, _, _ in classes]
        codes = [NO_CODE if code is None else _PLACE[code] for _, code, _ in classes]
        code = np.select(masks, codes, _PLACE[ReasonCode.NAME_DIFFERS])
        self._add(code, None, np.select(masks, [weight for *_, weight in classes], weights.NAME_STRANGE))
        self._add(ReasonCode.IBAN_EQUAL, pairs.has_iban, weights.IBAN_EQUAL)
        self._add(ReasonCode.IBAN_KNOWN, pairs.iban == KNOWN, weights.IBAN_KNOWN)
        against = np.where(self.pays_to_iban(), weights.IBAN_DIFFERS, weights.IBAN_OF_A_PAYER)
        self._add(ReasonCode.IBAN_DIFFERS, pairs.iban == NO, against)

    def _weigh_days(self) -> None:
        pairs = self._pairs
        self._add(ReasonCode.DATE_MISSING, ~self._sides.has_date[pairs.receipt], weights.DATE_MISSING)
        for code, days, steps, most in (
            (ReasonCode.DAYS_FROM_PAYMENT, abs(pairs.from_payment), weights.PAYMENT_DAYS, 0),
            (ReasonCode.DAYS_FROM_DUE, abs(pairs.from_due), weights.DUE_DAYS, 50),
            (ReasonCode.DAYS_FROM_ISSUE, pairs.from_issue, weights.ISSUE_DAYS, 100),
        ):
            weight = _stepped(days, steps) - weights.PER_DAY * np.minimum(abs(days), most)
            if code is ReasonCode.DAYS_FROM_ISSUE:
                weight = weight + np.where(pairs.is_on_day, weights.ON_DAY, 0.0)
            self._add(code, days != NO_DAY, weight)

    def _share(self) -> Column:
        pairs, odds = self._pairs, np.exp(self.weight)
        by_receipt = np.bincount(pairs.receipt, odds) if len(odds) else odds
        by_line = np.bincount(pairs.line, odds) if len(odds) else odds
        rivals = np.maximum(0, by_receipt[pairs.receipt] - odds) + np.maximum(0, by_line[pairs.line] - odds)
        for n, allies in self._comparison.set_of.items():  # the parts of a set do not compete
            rivals[n] = max(0.0, rivals[n] - odds[list(allies)].sum())
        score: Column = np.clip(np.round(odds / (1.0 + odds + rivals), 6), 0, 1)
        return score


def _coded(codes: Mapping[Any, ReasonCode], classes: Column) -> Column:
    """Replace classes of an enumeration by the reasons they stand for."""
    table = np.full(len(Amount) + 1, NO_CODE)
    for kind, code in codes.items():
        table[kind] = _PLACE[code]
    return table[classes]


def _looked_up(kinds: type[IntEnum], table: Mapping[str, float], classes: Column) -> Column:
    """Replace classes of an enumeration by their weights."""
    return np.array([0.0, *(table.get(kind.name.lower(), 0.0) for kind in kinds)])[classes]


def _stepped(values: Column, steps: weights.Steps) -> Column:
    """The weight of the first step whose bound the value does not exceed; the last one has none."""
    bounds = np.array([bound for bound, _ in steps[:-1]], dtype=float)
    return np.array([weight for _, weight in steps])[np.searchsorted(bounds, values, "left")]
