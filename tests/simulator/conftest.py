"""The bank with its clock standing still, and the owner of its first company."""

from __future__ import annotations

import pytest

from tests.bank import Bank
from tests.simulator.payer import Payer


@pytest.fixture
def payer(bank: Bank) -> Payer:
    bank.tell("clock", frozen=True)
    return Payer(bank)
