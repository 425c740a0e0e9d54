"""Colleagues at the desk: who is asked about a receipt, what they note about it, and who looks at it right now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody is asked, nothing is noted, nobody looks."""
    key, moment = sa.Uuid(as_uuid=False), sa.DateTime(timezone=True)
    op.add_column("receipt", sa.Column("asked_id", key, nullable=True))
    op.add_column("receipt", sa.Column("asked_by", key, nullable=True))
    op.add_column("receipt", sa.Column("asked_at", moment, nullable=True))
    op.add_column("receipt", sa.Column("asked_note", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "note",
        sa.Column("client_id", key, nullable=False),
        sa.Column("receipt_id", key, nullable=False),
        sa.Column("author_id", key, nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("withdrawn_at", moment, nullable=True),
        sa.Column("withdrawn_by", sa.String(), nullable=True),
        sa.Column("id", key, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_note_client_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipt.id"], name=op.f("fk_note_receipt_id")),
        sa.ForeignKeyConstraint(["author_id"], ["user_account.id"], name=op.f("fk_note_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note")),
    )
    op.create_index("ix_note_of_receipt", "note", ["receipt_id", "created_at", "id"])
    op.create_index(op.f("ix_note_client_id"), "note", ["client_id"])
    op.create_table(
        "presence",
        sa.Column("receipt_id", key, nullable=False),
        sa.Column("user_id", key, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipt.id"], name=op.f("fk_presence_receipt_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_presence_user_id")),
        sa.PrimaryKeyConstraint("receipt_id", "user_id", name=op.f("pk_presence")),
    )


def downgrade() -> None:
    """Back: what was noted and asked is gone."""
    op.drop_table("presence")
    op.drop_table("note")
    for name in ("asked_note", "asked_at", "asked_by", "asked_id"):
        op.drop_column("receipt", name)
