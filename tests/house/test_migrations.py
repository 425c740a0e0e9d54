"""The migrations make exactly what the models say, and can be taken back."""

from __future__ import annotations

from sqlalchemy import inspect

from portal import migrating
from portal.db import Database


def test_migrations_and_models_agree(database: Database) -> None:
    assert migrating.current(database) == migrating.head()
    assert migrating.differences(database) == []


def test_down_and_up_again(database: Database) -> None:
    migrating.downgrade(database, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrating.upgrade(database)
    assert migrating.differences(database) == []
