"""When a connection's lists were last read from their first row, and how long they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing known means: with the next run."""
    op.add_column("connection", sa.Column("listed_fully_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("connection", sa.Column("listed_count", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Back."""
    op.drop_column("connection", "listed_count")
    op.drop_column("connection", "listed_fully_at")
