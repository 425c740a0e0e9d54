"""The table of a client's compared pairs: which signs each has, in columns of one length."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any

import numpy as np

from portal.domain.matching.sides import NO_DAY, Column

UNKNOWN, NO, YES, KNOWN = -1, 0, 1, 2
"""KNOWN: not equal, and yet right."""
PAYMENT_DAYS, ISSUE_DAYS, _DUE_DAYS = (-3, 3), (-3, 14), (-6, 6)
"""A payment in these days from each is in time."""


class Amount(IntEnum):
    """How the amounts relate; the first six are right to the cent."""

    EQUAL = auto()
    LOCAL = auto()
    REST = auto()
    SUM = auto()
    SUM_LESS = auto()
    """Of several in one payment, less a usual discount on all of them."""
    LESS_FEE = auto()
    """Of a sale that a payment service paid out, less the fee that it always takes."""
    DISCOUNT = auto()
    NET = auto()
    PAYOUT = auto()
    COLLECTED = auto()
    """One of several that were collected together, of which some are missing here."""
    DIFFERS = auto()
    CURRENCY = auto()
    CONVERTED = auto()
    """In another currency, at a possible rate, and nothing else can be meant."""
    MISSING = auto()


class Number(IntEnum):
    """What the remittance information says about the invoice number."""

    FOUND = auto()
    SHORT = auto()
    """A whole token, but too short or too much like a date to name an invoice alone."""
    HINTED = auto()
    """Part of something longer."""
    MISTYPED = auto()
    ABSENT = auto()
    UNKNOWN = auto()


class Pairs:
    """All compared pairs of one client in columns of one length, sorted by receipt and transaction.

    `receipt`, `line`: places in the index. `amount`: Amount. `allocate`: cents of the transaction it would take; `percent`: of
    discount or VAT; `is_near`: it differs by no more than a fee. `number`: Number. `name`: similarity 0–1, NaN where a name is
    missing; `is_alias`: the two names are one party's though they are not alike (`kinship`); `is_in_text`: the name stands in the
    remittance information. `iban`: YES, NO, UNKNOWN, or KNOWN where the supplier is paid at another account than his invoices
    print; `month`: whether both texts name the same month, YES, NO or UNKNOWN.
    `is_dated`: the text names the day of the invoice.
    `is_shop`: a card was used at a shop of this name, on the receipt's day or up to three days later; five, if only
    the day of the booking is told. `is_on_day`: the bank tells the day, and it is the receipt's.
    `from_issue`, `from_due`, `from_payment`: signed days or NO_DAY; `nearest`: distance to the day on which it was marked as
    paid, else to the nearer of the other two. `other_receipt`: place of another receipt that the text names, -1 if none.
    `is_other_number`: it names an invoice we do not have. `is_returned`: the payment came back, or may have; `is_undone`: surely.
    `is_return`: the transaction itself is a return, and neither names the receipt nor is linked to it.
    `is_pulled_again`: there is more than one direct debit for the invoice, none of them known to have come back.
    `is_slip`: what is mistyped has all signs of the number (letters that a machine reads for digits among them), or its beginning
    at the text's end. `is_collective`, `is_bundle`: part of a set (`Comparison.set_of`).
    """

    receipt: Column
    line: Column
    amount: Column
    allocate: Column
    percent: Column
    is_near: Column
    is_used: Column
    number: Column
    name: Column
    is_alias: Column
    is_in_text: Column
    iban: Column
    month: Column
    is_dated: Column
    is_shop: Column
    is_on_day: Column
    from_issue: Column
    from_due: Column
    from_payment: Column
    nearest: Column
    is_linked: Column
    is_declined: Column
    is_returned: Column
    is_undone: Column
    is_return: Column
    is_pulled_again: Column
    other_receipt: Column
    is_other_number: Column
    is_slip: Column
    is_collective: Column
    is_bundle: Column

    def __init__(self, receipt: Column, line: Column) -> None:
        """Begin with the places alone."""
        self.receipt, self.line = receipt, line

    def __len__(self) -> int:
        return len(self.receipt)

    def moved(self, kept: Column, without: Column) -> Pairs:
        """The pairs of receipts that are still there and not in the mask `without`, at their new places.

        `kept`: by new place the old one.
        """
        new_place = np.full(
            int(max(self.receipt.max(initial=-1), self.other_receipt.max(initial=-1), kept.max(initial=-1))) + 2, -1
        )
        new_place[kept[~without]] = np.flatnonzero(~without)
        rest = Pairs(self.receipt, self.line)
        for name, column in vars(self).items():
            setattr(rest, name, column)
        rest.receipt = new_place[self.receipt]
        new_place[kept] = np.arange(len(kept))
        rest.other_receipt = np.where(self.other_receipt >= 0, new_place[self.other_receipt], -1)
        rest.keep(rest.receipt >= 0)
        return rest

    def joined(self, others: Pairs, width: int) -> Pairs:
        """Both tables in the order of receipt and line (below `width`)."""
        order = np.argsort(np.concatenate((self.receipt * width + self.line, others.receipt * width + others.line)))
        both = Pairs(self.receipt, self.line)
        for name, column in vars(self).items():
            setattr(both, name, np.concatenate((column, getattr(others, name)))[order])
        return both

    def keep(self, mask: Column) -> None:
        """Drop the pairs outside of `mask` from every column."""
        for name, column in vars(self).items():
            setattr(self, name, column[mask])

    @property
    def is_exact(self) -> Column:
        """Whether the amounts are right to the cent in one way or another."""
        return self.amount <= Amount.LESS_FEE

    @property
    def is_set(self) -> Column:
        """Whether the pair is part of a collective payment or of instalments."""
        return self.is_collective | self.is_bundle

    @property
    def has_iban(self) -> Column:
        """Whether both IBANs are known and equal."""
        found: Column = self.iban == YES
        return found

    def is_named(self, likeness: float) -> Column:
        """Whether the names are known and at least so similar."""
        return np.nan_to_num(self.name, nan=-1.0) >= likeness


class Rows(dict[str, list[Any]]):
    """The columns of pairs by name, as lists, made when first asked for: who reads pairs one by one is quicker so."""

    def __init__(self, pairs: Pairs) -> None:
        """Begin with none."""
        super().__init__()
        self._pairs = pairs

    def __missing__(self, name: str) -> list[Any]:
        """Errors: AttributeError for a name that is no column."""
        values: list[Any] = getattr(self._pairs, name).tolist()
        self[name] = values
        return values


def is_prompt(pairs: Pairs) -> Column:
    """Tell whether it was paid so close to the expected day that no neighbour of a monthly series can be meant."""
    by_payment, by_due, by_issue = (
        (days >= first) & (days <= last)
        for days, (first, last) in (
            (pairs.from_payment, PAYMENT_DAYS),
            (pairs.from_due, _DUE_DAYS),
            (pairs.from_issue, ISSUE_DAYS),
        )
    )
    found: Column = np.where(pairs.from_payment != NO_DAY, by_payment, by_due | by_issue)
    return found
