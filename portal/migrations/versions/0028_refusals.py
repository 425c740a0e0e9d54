"""Proposed pairs that a person has declined."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

STANDING = sa.text("withdrawn_at IS NULL")


def upgrade() -> None:
    """Nobody could decline one without assigning it first."""
    key = sa.Uuid(as_uuid=False)
    op.create_table(
        "refusal",
        sa.Column("client_id", key, nullable=False),
        sa.Column("receipt_id", key, nullable=False),
        sa.Column("transaction_id", key, nullable=False),
        sa.Column("decision_id", key, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(), nullable=True),
        sa.Column("id", key, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name="fk_refusal_client_id"),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipt.id"], name="fk_refusal_receipt_id"),
        sa.ForeignKeyConstraint(["transaction_id"], ["bank_transaction.id"], name="fk_refusal_transaction_id"),
        sa.PrimaryKeyConstraint("id", name="pk_refusal"),
    )
    op.create_index(
        "uq_refusal_standing", "refusal", ["receipt_id", "transaction_id"],
        unique=True, sqlite_where=STANDING, postgresql_where=STANDING,
    )  # fmt: skip
    op.create_index("ix_refusal_client_standing", "refusal", ["client_id"], sqlite_where=STANDING, postgresql_where=STANDING)


def downgrade() -> None:
    """Back: what was declined may be proposed again."""
    op.drop_table("refusal")
