"""Receipts that look alike and are not the same; whether the desk goes on by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has compared any so far; everybody goes on."""
    op.add_column("user_account", sa.Column("goes_on", sa.Boolean(), nullable=False, server_default=sa.true()))
    key = sa.Uuid(as_uuid=False)
    op.create_table(
        "distinction",
        sa.Column("client_id", key, nullable=False),
        sa.Column("receipt_id", key, nullable=False),
        sa.Column("other_id", key, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", key, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_distinction_client_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipt.id"], name=op.f("fk_distinction_receipt_id")),
        sa.ForeignKeyConstraint(["other_id"], ["receipt.id"], name=op.f("fk_distinction_other_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_distinction")),
        sa.UniqueConstraint("receipt_id", "other_id", name=op.f("uq_distinction_receipt_id_other_id")),
    )
    op.create_index("ix_distinction_client_id", "distinction", ["client_id"])


def downgrade() -> None:
    """Back: what was told apart is asked about again."""
    op.drop_table("distinction")
    op.drop_column("user_account", "goes_on")
