"""Amounts as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.money import parse_cents


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("119,00", 11900), ("119.00", 11900), ("119", 11900), ("119,5", 11950), ("1.234,56", 123456), ("1,234.56", 123456),
        ("1.234", 123400), ("1,234", 123400), ("1 234 567,89", 123456789), ("1'234.50", 123450), ("-7", -700), ("−7,01", -701),
        ("12,00 €", 1200), ("12 EUR", 1200), (" 0,01 ", 1), ("0", 0), ("1234,5", 123450),
    ],
)  # fmt: skip
def test_amounts(text: str, cents: int) -> None:
    assert parse_cents(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1,2,3",
        "1.234.56",
        "1,234,56",
        "12.3456",
        "1.23.456",
        "--7",
        "1e3",
        "NaN",
        "12,00 $",
        "1.234.567,8,9",
        "9" * 30,
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_cents(text)


@given(st.integers(-(10**12), 10**12))
def test_what_we_write_we_read(cents: int) -> None:
    whole, rest = divmod(abs(cents), 100)
    sign = "-" if cents < 0 else ""
    assert parse_cents(f"{sign}{whole:,}.{rest:02d}") == cents
    assert parse_cents(f"{sign}{whole:,}".replace(",", ".") + f",{rest:02d}") == cents
