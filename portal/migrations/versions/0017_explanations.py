"""Why transactions have no receipt, as people say it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STANDING = sa.text("withdrawn_at IS NULL")


def upgrade() -> None:
    """Nobody has said anything so far."""
    key = sa.Uuid(as_uuid=False)
    op.create_table(
        "explanation",
        sa.Column("client_id", key, nullable=False),
        sa.Column("transaction_id", key, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(), nullable=True),
        sa.Column("id", key, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_explanation_client_id")),
        sa.ForeignKeyConstraint(["transaction_id"], ["bank_transaction.id"], name=op.f("fk_explanation_transaction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_explanation")),
    )
    op.create_index("ix_explanation_transaction_id", "explanation", ["transaction_id"])
    op.create_index(
        "uq_explanation_standing",
        "explanation",
        ["transaction_id"],
        unique=True,
        sqlite_where=STANDING,
        postgresql_where=STANDING,
    )


def downgrade() -> None:
    """Back: what was said is lost."""
    op.drop_table("explanation")
