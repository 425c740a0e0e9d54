"""Receipts that share a file, and receipts that are a part of another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None so far."""
    for name in ("split_from", "merged_into"):
        op.add_column("receipt", sa.Column(name, sa.Uuid(as_uuid=False), nullable=True))
        some = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_receipt_{name}", "receipt", [name, "client_id"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    """Back: all receipts stay, what belongs together is forgotten."""
    for name in ("merged_into", "split_from"):
        op.drop_index(f"ix_receipt_{name}", table_name="receipt")
        op.drop_column("receipt", name)
