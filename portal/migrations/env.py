"""Alembic's entry: called by `portal.migrating` with an open connection in its attributes."""

from __future__ import annotations

from alembic import context

from portal.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
