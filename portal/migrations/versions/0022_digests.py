"""Who has been told what confirming teaches the matcher, and who wants a digest by mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has been told so far; everybody wants one."""
    op.add_column("user_account", sa.Column("has_digest", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("user_account", sa.Column("knows_learning", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Back: nobody is told any more, and there are no digests."""
    op.drop_column("user_account", "knows_learning")
    op.drop_column("user_account", "has_digest")
