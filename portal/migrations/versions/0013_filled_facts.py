"""Which facts of a receipt stand by the word of its e-invoice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None so far: the next import of an e-invoice notes them."""
    op.add_column("receipt", sa.Column("filled", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Back."""
    op.drop_column("receipt", "filled")
