"""What the amounts of a receipt and of the transactions chosen by hand differ by, and what it is."""

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


def downgrade() -> None:
    """Back."""
    op.drop_column("assignment", "difference_cents")
    op.drop_column("assignment", "difference")
