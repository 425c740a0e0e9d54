"""Kills and sleepers at a small size: `./dev chaos kill`, `orphan` and `payments` are the full ones.

The race for tokens stands in tests/qonto/test_refresh_race.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.db import Database
from tests.chaos import payments
from tests.chaos.kill import FAULTS, Plan, strike
from tests.chaos.orphan import Orphans


@pytest.mark.chaos
def test_a_killed_import_loses_and_doubles_nothing(database: Database, tmp_path: Path) -> None:
    database.engine.dispose()
    points: list[dict[str, object]] = []
    url = database.engine.url.render_as_string(hide_password=False)
    result = strike(url, tmp_path, Plan(points=2, invoices=120, seed=2), points.append)
    assert {name: result[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0), result
    assert len(points) == 2
    assert result["takeovers"] >= 1, points  # at least one was really taken over; whether in time, the command tells


@pytest.mark.chaos
def test_a_horse_that_slept_writes_nothing(database: Database, tmp_path: Path) -> None:
    database.engine.dispose()
    url = database.engine.url.render_as_string(hide_password=False)
    result = strike(url, tmp_path, Plan(points=1, invoices=120, seed=3), lambda _point: None, Orphans)
    assert {name: result[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0), result
    assert (result["written_after_waking"], result["fenced"]) == (0, 1), result


@pytest.mark.chaos
def test_a_payment_is_executed_at_most_once(database: Database, tmp_path: Path) -> None:
    """`./dev chaos payments` is the full one (E03, E04)."""
    database.engine.dispose()
    url = database.engine.url.render_as_string(hide_password=False)
    result = payments.live(url, tmp_path, payments.Plan(points=8, single=12, bulks=1, seed=4))
    assert {name: result[name] for name in payments.FAULTS} == dict.fromkeys(payments.FAULTS, 0), result
