"""Receipts in review that somebody wants to look at on a later day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None is put off so far."""
    op.add_column("receipt", sa.Column("put_off_until", sa.Date(), nullable=True))
    op.add_column("receipt", sa.Column("put_off_note", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    """Back: all are in the queue again."""
    op.drop_column("receipt", "put_off_note")
    op.drop_column("receipt", "put_off_until")
