"""An index for what a supplier's earlier receipts were assigned to."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Some seconds for a million receipts."""
    op.create_index("ix_receipt_party", "receipt", ["client_id", "counterparty", "sequence"])


def downgrade() -> None:
    """Back: whoever asks reads all receipts of the client."""
    op.drop_index("ix_receipt_party", "receipt")
