"""Messages, votes on the help, accountant access."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what people say to each other."""
    op.create_table(
        "message",
        sa.Column("client_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("receipt_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("author_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("is_from_client", sa.Boolean(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["user_account.id"], name=op.f("fk_message_author_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_message_client_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipt.id"], name=op.f("fk_message_receipt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_client_created", "message", ["client_id", "created_at"])
    op.create_table(
        "help_vote",
        sa.Column("entry", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("is_helpful", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_help_vote_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_vote")),
        sa.UniqueConstraint("entry", "user_id", name=op.f("uq_help_vote_entry_user_id")),
    )
    op.add_column("client", sa.Column("accountant_access", sa.String(), nullable=False, server_default="open"))


def downgrade() -> None:
    """Back."""
    op.drop_column("client", "accountant_access")
    op.drop_table("help_vote")
    op.drop_table("message")
