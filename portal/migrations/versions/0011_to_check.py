"""Assignments that a client made and the firm has not looked at yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OPEN = "is_to_check AND withdrawn_at IS NULL"


def upgrade() -> None:
    """Nothing was made by clients so far."""
    op.add_column("assignment", sa.Column("is_to_check", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_assignment_to_check", "assignment", ["client_id"], sqlite_where=sa.text(OPEN), postgresql_where=sa.text(OPEN)
    )


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_assignment_to_check", table_name="assignment")
    op.drop_column("assignment", "is_to_check")
