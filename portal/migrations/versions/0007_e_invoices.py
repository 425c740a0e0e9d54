"""What was read out of e-invoices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Beside the pictures: both are derived from the stored bytes."""
    op.add_column("preview", sa.Column("e_invoice", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Back."""
    op.drop_column("preview", "e_invoice")
