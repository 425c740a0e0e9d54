"""The bank's balance after each movement, and by how much an account's sum is off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Unknown until the next full listing, which is asked for by forgetting when the last one was."""
    op.add_column("bank_transaction", sa.Column("balance_after_cents", sa.BigInteger(), nullable=True))
    op.add_column("bank_account", sa.Column("difference_cents", sa.BigInteger(), nullable=True))
    op.execute("UPDATE connection SET listed_fully_at = NULL WHERE kind = 'bank'")


def downgrade() -> None:
    """Back."""
    op.drop_column("bank_account", "difference_cents")
    op.drop_column("bank_transaction", "balance_after_cents")
