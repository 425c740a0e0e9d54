"""Months and days that texts name."""

from __future__ import annotations

from datetime import date

import pytest

from portal.domain.periods import Month, agree, days, months


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Miete 06/2025", {(2025, 6)}),
        ("Miete 6/2025, NK 07/2025", {(2025, 6), (2025, 7)}),
        ("Retainer 2025-06", {(2025, 6)}),
        ("Wartung Juni", {(None, 6)}),
        ("WARTUNG MÄRZ 2026", {(2026, 3)}),
        ("Maerz Honorar", {(None, 3)}),
        ("12.06.2025", set()),
        ("12. Juni 2025", set()),
        ("RE-06/2025", set()),
        ("Rechnung 106/2025", set()),
        ("06/2025-17", set()),
        ("13/2025", set()),
        ("Maier Junior", set()),
        ("", set()),
    ],
)
def test_months(text: str, named: set[Month]) -> None:
    assert months(text) == named


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Miete 06/2025", "MIETE JUNI", True),
        ("Miete 06/2025", "06/2025", True),
        ("Miete 06/2025", "Miete 06/2024", False),
        ("Miete 06/2025", "Miete Juli", False),
        ("Miete", "Miete Juli", None),
        ("Miete 06/2025", "Miete", None),
    ],
)
def test_agreeing(one: str, other: str, *, expected: bool | None) -> None:
    assert agree(months(one), months(other)) is expected
    assert agree(months(other), months(one)) is expected


def test_days_are_read_as_german_texts_write_them() -> None:
    told = days("Re 4711 v. 18.05.2025 und 1.6.25, nicht 31.02.2025, 12.34.25 oder 192.168.10.25")
    assert told == {date(2025, 5, 18), date(2025, 6, 1)}
