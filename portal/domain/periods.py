"""Months and days that a text names ("Miete 06/2025", "Ihre Rechnung vom 18.05.2025"): which invoice a payment is for."""

from __future__ import annotations

import re
from datetime import date

from portal.domain.names import fold

Month = tuple[int | None, int]
"""Year (None: not said) and month 1–12."""

_NAMES = {
    "januar": 1, "jan": 1, "january": 1, "jaenner": 1, "februar": 2, "feb": 2, "february": 2, "maerz": 3, "mrz": 3, "march": 3,
    "april": 4, "apr": 4, "mai": 5, "may": 5, "juni": 6, "jun": 6, "june": 6, "juli": 7, "jul": 7, "july": 7, "august": 8,
    "aug": 8, "september": 9, "sep": 9, "sept": 9, "oktober": 10, "okt": 10, "october": 10, "oct": 10, "november": 11, "nov": 11,
    "dezember": 12, "dez": 12, "december": 12, "dec": 12,
}  # fmt: skip
_WORD = re.compile(r"\b(?:(\d{1,2})\s+)?(" + "|".join(sorted(_NAMES, key=len, reverse=True)) + r")\b(?:\s+(20\d\d)\b)?")
# not a part of a day (12.06.2025), of a longer number, or of an invoice's number (RE-06/2025)
_MONTH_YEAR = re.compile(r"(?<![\w./-])(0?[1-9]|1[0-2])\s?[/.-]\s?(20\d\d)(?![\w/.-]*\d)")
_DAY = re.compile(r"(?<![\d.])(\d\d?)\.\s?(\d\d?)\.\s?(20\d\d|\d\d)(?![\d.]\d)")
_YEAR_MONTH = re.compile(r"(?<![\w./-])(20\d\d)[/-](0[1-9]|1[0-2])(?![\w/.-]*\d)")


def months(text: str) -> frozenset[Month]:
    """Return the months that a text names as such. A full date ("12.06.2025", "12. Juni 2025") names a day and no month."""
    if not text:
        return frozenset()
    found: set[Month] = {(int(year), int(month)) for month, year in _MONTH_YEAR.findall(text)}
    found |= {(int(year), int(month)) for year, month in _YEAR_MONTH.findall(text)}
    found |= {(int(year) if year else None, _NAMES[name]) for day, name, year in _WORD.findall(fold(text)) if not day}
    return frozenset(found)


def days(text: str) -> frozenset[date]:
    """Return the days that a text names in full, as German texts write them: 18.05.2025, 18.5.25."""
    found = set()
    for day, month, year in _DAY.findall(text):
        try:
            found.add(date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day)))
        except ValueError:
            continue
    return frozenset(found)


def agree(one: frozenset[Month], other: frozenset[Month]) -> bool | None:
    """Tell whether two texts name a month together; None where one of them names none."""
    if not one or not other:
        return None
    return any(
        month == its and (year is None or year_of is None or year == year_of) for year, month in one for year_of, its in other
    )
