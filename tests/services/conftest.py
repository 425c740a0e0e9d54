"""Service tests change rows themselves: every one of them acts as somebody."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _acting(acts: None) -> None:
    """As `system:test`."""
