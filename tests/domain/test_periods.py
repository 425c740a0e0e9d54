"""Months that texts name."""

from __future__ import annotations

import pytest

from portal.domain.periods import Month, agree, months


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
