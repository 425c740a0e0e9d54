"""Processes and threads race for one token: one refresh per expiry (the full size is `./dev chaos refresh`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portal.db import Database
from portal.settings import Settings
from tests.chaos.refresh import Plan, race


@pytest.mark.fault("F04")
@pytest.mark.chaos
def test_one_refresh_per_expiry(database: Database, settings: Settings, tmp_path: Path) -> None:
    database.engine.dispose()
    result = race(replace(settings, clock_offset_file=tmp_path / "offset"), Plan(processes=2, threads=3, expiries=6, seed=1))
    assert result["ok"], result
