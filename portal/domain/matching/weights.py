"""What each sign counts, in log-odds: the whole model, to be read and reviewed as a table.

Set by hand on the careful side and checked on the benchmark's splits `train` and `calibrate` (`docs/matcher.md`).
A table of steps gives the weight of values up to and including each bound.
"""

from __future__ import annotations

from math import inf

MATCHER_VERSION = "rules-15"
"""Stored with every decision. Changes whenever the same facts may lead to another decision."""

Steps = tuple[tuple[float, float], ...]

PRIOR = -4.0
MOST_WITHOUT_IDENTITY = 2.7
"""A probability of 0.94: without number, bank link or IBAN a candidate is never called sure."""

LINKED = 6.0
AMOUNT = {
    "equal": 4.0, "local": 4.0, "rest": 3.5, "sum": 4.0, "sum_less": 3.0, "less_fee": 4.0, "discount": 1.0, "net": 0.5,
    "payout": 3.5, "collected": 3.5, "currency": -0.5, "converted": 2.5, "missing": -0.1,
}  # fmt: skip
DIFFERENCE: Steps = ((0.05, -1.5), (0.25, -2.5), (inf, -3.0))
"""By share of the receipt's amount."""
NUMBER = {"found": 6.0, "short": 3.0, "hinted": 1.5, "mistyped": 2.5, "absent": -0.5}
OTHER_RECEIPT, OTHER_NUMBER = -6.0, -3.0
MONTH_NAMED, DATE_NAMED, OTHER_MONTH = 2.0, 4.5, -3.0

NAME_EQUAL, NAME_SAME, NAME_SIMILAR, NAME_IN_TEXT = 3.0, 2.6, 1.5, 1.5
NAME_DIFFERS, NAME_STRANGE = -0.5, -1.5
UNLIKE = 0.5
IBAN_EQUAL, IBAN_KNOWN, IBAN_DIFFERS, IBAN_OF_A_PAYER = 3.5, 1.0, -2.5, -0.2

DATE_MISSING = -0.5
PAYMENT_DAYS: Steps = ((1, 2.0), (3, 1.5), (7, 0.5), (14, -0.3), (inf, -1.5))
DUE_DAYS: Steps = ((5, 1.0), (14, 0.5), (45, 0.0), (inf, -1.0))
ISSUE_DAYS: Steps = (
    (-46, -4.0), (-15, -0.8), (-4, 0.0), (-2, 0.4), (3, 1.2), (14, 0.9), (35, 0.4), (65, 0.0), (99, -0.8), (135, -1.2),
    (inf, -4.0),
)  # fmt: skip
PER_DAY = 0.01
ON_DAY, MORE_ON_DAY = 3.0, 0.2
"""Of a card: of equal purchases in a shop that of the receipt's day is meant; what is added to the limit without identity."""

USED, RETURNED, IS_RETURN, DECLINED = -5.0, -8.0, -5.0, -8.0
RETURNED_PERHAPS = -0.01
"""Next to nothing: where it is not clear which payment came back, no other may gain by it."""
