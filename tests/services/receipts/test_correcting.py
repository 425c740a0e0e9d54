"""A person's correction against what the bank says later."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from portal.db import Database
from portal.models import Receipt
from portal.services.receipts import correcting
from tests.factories import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def receipt(database: Database, world: World) -> Receipt:
    """Its amount was read as 119.00 and corrected to 129.50, its date to 2 November."""
    with database.write() as session:
        own = session.get_one(Receipt, world.ours.receipts["open"].id)
        values = {"amount_cents": 12950, "issued_on": date(2026, 11, 2), "number": None}
        correcting.correct(session, own, values, seen_version=own.version, now=NOW)
    with database.read() as session:
        return session.get_one(Receipt, own.id)


def _told(receipt: Receipt, **values: object) -> dict[str, object]:
    read = {
        "amount_cents": 11900,
        "counterparty": receipt.counterparty,
        "number": receipt.number,
        "issued_on": date(2026, 11, 17),
    }
    return {**read, **values}


def test_the_same_word_again_changes_nothing(receipt: Receipt) -> None:
    before = dict(receipt.corrected)
    told = _told(receipt, issued_on=date.fromisoformat(before["issued_on"]))
    assert correcting.still_corrected(receipt, told) == {"amount_cents", "issued_on"}
    assert receipt.corrected == before


def test_another_word_becomes_the_original(receipt: Receipt) -> None:
    assert correcting.still_corrected(receipt, _told(receipt, amount_cents=12000)) == {"amount_cents", "issued_on"}
    assert receipt.corrected["amount_cents"] == 12000


def test_where_the_bank_agrees_nothing_is_corrected_any_more(receipt: Receipt) -> None:
    assert correcting.still_corrected(receipt, _told(receipt, amount_cents=12950)) == {"issued_on"}
    assert "amount_cents" not in receipt.corrected
