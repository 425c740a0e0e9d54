"""Sharing a payment out: nothing is lost, nobody is left out, and a credit note stays one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.shares import scaled


@pytest.mark.parametrize(
    ("parts", "total", "shares"),
    [
        ([10000, 20000], 29400, [9800, 19600]),  # 2 % off each
        ([10000, 20000], 30600, [10200, 20400]),
        ([333, 333, 334], 970, [323, 323, 324]),
        ([-2000, 12000], 9800, [-1960, 11760]),  # the credit note is reduced alike
        ([5000], 4900, [4900]),
        ([100, 100], 200, [100, 100]),
        ([1, 10000], 5000, None),  # nothing would be left of a cent
        ([-5000, 5000], 100, None),
        ([-5000, 4000], 100, None),
        ([100], 0, None),
        ([], 100, None),
    ],
)
def test_parts_are_brought_to_a_total(parts: list[int], total: int, shares: list[int] | None) -> None:
    assert scaled(parts, total) == shares


@given(st.lists(st.integers(-(10**9), 10**9), max_size=40), st.integers(-(10**6), 10**11))
def test_not_a_cent_is_lost(parts: list[int], total: int) -> None:
    shares = scaled(parts, total)
    if shares is not None:
        assert sum(shares) == total
        assert [share > 0 for share in shares] == [part > 0 for part in parts]
        whole = sum(parts)
        assert all(abs(share * whole - part * total) <= whole for share, part in zip(shares, parts, strict=True))
