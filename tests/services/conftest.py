"""Service tests change rows themselves: every one of them acts as somebody."""

from __future__ import annotations

import pytest

from portal.clock import FixedClock
from portal.ports import Ports
from tests.bank import Bank
from tests.story import Story


@pytest.fixture(autouse=True)
def _acting(acts: None) -> None:
    """As `system:test`."""


@pytest.fixture
def story(ports: Ports, bank: Bank, clock: FixedClock, acts: None) -> Story:
    """A client who has not connected anything yet."""
    bank.quieten()
    return Story.begin(ports, bank, clock)
