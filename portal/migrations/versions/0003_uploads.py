"""Receipts that were here already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Uploads of the same bytes name the first receipt with them (no foreign key: SQLite cannot add one to a table)."""
    op.add_column("receipt", sa.Column("duplicate_of", sa.Uuid(as_uuid=False), nullable=True))


def downgrade() -> None:
    """Back."""
    op.drop_column("receipt", "duplicate_of")
