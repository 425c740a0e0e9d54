"""Amounts as people write them."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"(?P<whole>\d{1,3}(?:[.,'\u202f\u00a0 ]\d{3})+|\d+)(?:[.,](?P<cents>\d{1,2}))?")
MOST_CENTS = 10**14


def parse_cents(text: str) -> int:
    """Integer cents of an amount in German or English notation: `1.234,56`, `1,234.56`, `1234,5`, `-7`, `12,00 €`.

    Errors: ValueError for everything that is not clearly an amount; `1.234` and `1,234` are whole thousands.
    """
    cleaned = text.strip().replace("\u2212", "-").removesuffix("€").removesuffix("EUR").strip()
    sign = -1 if cleaned.startswith("-") else 1
    found = _PLAIN.fullmatch((cleaned[1:] if cleaned.startswith(("+", "-")) else cleaned).strip())
    if found is None:
        raise ValueError(text)
    marks = set(re.findall(r"[^\d]", found["whole"]))
    if len(marks) > 1 or (found["cents"] and marks & {cleaned[-len(found["cents"]) - 1]}):
        raise ValueError(text)  # two kinds of thousands' marks, or the same sign for thousands and cents
    whole = int(re.sub(r"\D", "", found["whole"]))
    cents = sign * (whole * 100 + int((found["cents"] or "0").ljust(2, "0")))
    if abs(cents) > MOST_CENTS:
        raise ValueError(text)
    return cents
