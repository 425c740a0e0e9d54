"""What receipts and transactions say each for itself, in columns by place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from portal.domain.matching.blocking import Index
from portal.domain.matching.records import MOST_CENTS
from portal.domain.papers import Kind

NO_DAY = 10**7
"""In place of a number of days where one of the two dates is not known."""
_RATES = {"USD": (0.77, 1.08), "CHF": (0.80, 1.12), "GBP": (1.03, 1.47)}
"""What one unit has cost in euros since 2015 at least and at most, a bank's fee included."""
_NO_RATE = (0.0, 0.0)
_LONG_NUMBER = 6

Column = npt.NDArray[Any]

_OF_RECEIPTS = (
    "cents", "currency", "side", "is_expense", "is_from_bank", "is_bill", "has_number", "has_long_number", "has_date",
    "least_rate", "most_rate", "issued", "due", "paid_on", "iban", "name",
)  # fmt: skip


class Sides:
    """The columns. Amounts -1, dates NO_DAY: not known."""

    @classmethod
    def of(cls, index: Index) -> Self:
        """Read the columns, or take those that were read before some receipts were decided."""
        sides: Self | None = index.memo.get("sides")
        if sides is None:
            index.memo["sides"] = sides = cls(index)
        else:
            for name in _OF_RECEIPTS:
                setattr(sides, name, getattr(sides, name)[index.kept])
        sides.read_what_changes(index)
        return sides

    def read_what_changes(self, index: Index) -> None:
        """Read what decided receipts leave different for the others.

        `only_named`: by transaction the only receipt that its text names.
        """
        self.links = _numbers(len(found) for found in index.links)
        self.free = _numbers(b.free for b in index.transactions)
        self.is_naming = np.zeros(len(index.transactions), np.bool_)
        self.is_naming[list(index.mentions.named_whole)] = True
        self.only_named = np.full(len(index.transactions), -1)
        only = [(line, next(iter(named))) for line, named in index.mentions.named_whole.items() if len(named) == 1]
        if only:
            places, receipts = np.array(only).T
            self.only_named[places] = receipts

    def __init__(self, index: Index) -> None:
        receipts, lines = index.receipts, index.transactions
        codes: dict[str, int] = {}
        self.cents = _numbers(-1 if r.cents is None else r.cents for r in receipts)
        self.currency = _numbers(codes.setdefault(r.currency, len(codes)) if r.currency else -1 for r in receipts)
        self.side = _numbers(-1 if r.side is None else int(r.side == "credit") for r in receipts)
        self.is_expense = flags(r.facts.direction == "expense" for r in receipts)
        self.is_from_bank = flags(r.facts.is_from_bank for r in receipts)
        self.is_bill = flags(r.title.kind is Kind.BILL for r in receipts)
        self.has_number = flags(r.reference is not None for r in receipts)
        self.has_long_number = flags(
            r.reference is not None and sum(map(str.isdigit, r.reference.squashed)) >= _LONG_NUMBER for r in receipts
        )
        rates = np.array([_RATES.get(r.currency or "", _NO_RATE) for r in receipts]).reshape(-1, 2)
        self.least_rate, self.most_rate = rates.T
        self.is_euro = flags(b.currency == "EUR" for b in lines)
        self.has_date = flags(r.has_date for r in receipts)
        self.issued, self.due = _days(r.facts.issued_on for r in receipts), _days(r.facts.due_on for r in receipts)
        self.paid_on = _days(r.facts.paid_on for r in receipts)
        self.paid = _numbers(b.facts.amount_cents for b in lines)
        self.line_currency = _numbers(codes.setdefault(b.currency, len(codes)) for b in lines)
        self.local_currency = _numbers(codes.setdefault(b.local_currency, len(codes)) if b.local_currency else -2 for b in lines)
        self.local = _numbers(
            -1 if b.facts.local_amount_cents is None else min(abs(b.facts.local_amount_cents), MOST_CENTS) for b in lines
        )
        self.line_side = _numbers(int(b.facts.side == "credit") for b in lines)
        self.day, self.emitted = _numbers(b.day for b in lines), _numbers(b.emitted_day for b in lines)
        self.is_card = flags(b.is_card for b in lines)
        self.is_day_known = flags(b.facts.emitted_on is not None or b.emitted_day != b.day for b in lines)
        self.has_text = flags(bool(b.text.atoms) for b in lines)
        self.has_days = flags(bool(b.days) for b in lines)
        self.is_pulled = flags(b.is_pulled for b in lines)
        self.has_digits = flags(b.text.has_digits for b in lines)
        self.is_processor = flags(b.is_passed_on for b in lines)
        ibans: dict[str, int] = {}
        self.iban_codes = ibans
        self.iban = _numbers(ibans.setdefault(r.iban, len(ibans)) if r.iban else -1 for r in receipts)
        self.line_iban = _numbers(ibans.setdefault(b.iban, len(ibans)) if b.iban else -1 for b in lines)
        self.name = _numbers(r.spelling for r in receipts)
        self.line_name = _numbers(b.spelling for b in lines)


def _numbers(values: Iterable[int]) -> Column:
    return np.fromiter(values, dtype=np.int64)


def _days(values: Iterable[date | None]) -> Column:
    return _numbers(NO_DAY if day is None else day.toordinal() for day in values)


def flags(values: Iterable[bool]) -> Column:
    """A column of truth values."""
    return np.fromiter(values, dtype=np.bool_)
