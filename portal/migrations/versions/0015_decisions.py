"""What a person's decision leaves behind: what the amounts differ by, how the receipt stood before; indexes of the desk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None so far: what was assigned was equal, or a discount that the reasons name."""
    op.add_column("assignment", sa.Column("difference", sa.String(), nullable=True))
    op.add_column("assignment", sa.Column("difference_cents", sa.BigInteger(), nullable=True))
    op.add_column("receipt", sa.Column("review_before", sa.JSON(), nullable=True))
    op.add_column("receipt", sa.Column("corrected", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("receipt", sa.Column("is_left_to_people", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_receipt_client_state", "receipt")
    op.create_index("ix_receipt_queue", "receipt", ["client_id", "state", "review_reason", "in_review_since"])
    if (
        op.get_bind().dialect.name == "sqlite"
    ):  # it uses an index of some rows only where the query says the same in the same words
        op.drop_index("ix_assignment_to_check", "assignment")
        op.create_index(
            "ix_assignment_to_check",
            "assignment",
            ["client_id"],
            sqlite_where=sa.text("is_to_check = 1 AND withdrawn_at IS NULL"),
        )


def downgrade() -> None:
    """Back."""
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("ix_assignment_to_check", "assignment")
        op.create_index(
            "ix_assignment_to_check", "assignment", ["client_id"], sqlite_where=sa.text("is_to_check AND withdrawn_at IS NULL")
        )
    op.drop_index("ix_receipt_queue", "receipt")
    op.create_index("ix_receipt_client_state", "receipt", ["client_id", "state"])
    op.drop_column("receipt", "is_left_to_people")
    op.drop_column("receipt", "corrected")
    op.drop_column("receipt", "review_before")
    op.drop_column("assignment", "difference_cents")
    op.drop_column("assignment", "difference")
