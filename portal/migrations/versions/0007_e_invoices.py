"""What was read out of e-invoices, and which facts of a receipt stand by their word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first is derived from the stored bytes, as the pictures are."""
    op.add_column("preview", sa.Column("e_invoice", sa.JSON(), nullable=True))
    op.add_column("receipt", sa.Column("filled", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Back."""
    op.drop_column("receipt", "filled")
    op.drop_column("preview", "e_invoice")
