"""What a person's decision leaves behind: what the amounts differ by, and how the receipt stood in review before."""

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


def downgrade() -> None:
    """Back."""
    op.drop_column("receipt", "review_before")
    op.drop_column("assignment", "difference_cents")
    op.drop_column("assignment", "difference")
