"""A message may be about a transaction: the firm asks for its receipt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No message is about a transaction yet."""
    op.add_column("message", sa.Column("transaction_id", sa.Uuid(as_uuid=False), nullable=True))
    op.create_index("ix_message_transaction_id", "message", ["transaction_id"])


def downgrade() -> None:
    """Back: what they were about is forgotten."""
    op.drop_index("ix_message_transaction_id", "message")
    op.drop_column("message", "transaction_id")
