"""The migrations make exactly what the models say, and can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, inspect, select
from sqlalchemy.exc import IntegrityError

from portal import migrating
from portal.db import Database
from portal.models import BankAccount, Consent, Role, Transaction
from tests import factories

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def test_migrations_and_models_agree(database: Database) -> None:
    assert migrating.current(database) == migrating.head()
    assert migrating.differences(database) == []


def test_down_and_up_again(database: Database) -> None:
    migrating.downgrade(database, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrating.upgrade(database)
    assert migrating.differences(database) == []


def test_a_table_that_is_built_anew_keeps_its_rows_and_who_names_them(database: Database) -> None:
    """0014 changes columns of the accounts, which SQLite can only do by copying the table that transactions name."""
    with database.write() as session:
        company = factories.client(session, "10042", "Test", now=NOW)
        bank = factories.connection(session, company, "bank", now=NOW)
        account = factories.bank_account(session, company, bank, now=NOW)
        line = factories.transaction(session, account, "t-1", 100, now=NOW)
        ids = account.id, line.id
        owner = factories.user(session, "a@b.example", "A", Role.CLIENT, now=NOW)
        session.add(
            Consent(client_id=company.id, connection_id=bank.id, scopes="", granted_by=owner.id, granted_at=NOW, accounts=[])
        )
    migrating.downgrade(database, "0013")
    migrating.upgrade(database)
    with database.write() as session:
        kept = session.get_one(BankAccount, ids[0])
        assert (kept.name, kept.is_chosen, kept.use, session.get_one(Transaction, ids[1]).bank_account_id) == (
            "Hauptkonto", True, "business", kept.id,
        )  # fmt: skip
        assert session.scalars(select(Consent)).one().accounts == [kept.id]
        with pytest.raises(IntegrityError), session.begin_nested():  # foreign keys are watched again
            session.execute(delete(BankAccount).where(BankAccount.id == ids[0]))
