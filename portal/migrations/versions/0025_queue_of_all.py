"""Indexes for the queue of all clients: its usual order, how much of each reason there is, and what was done today."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

READY = (
    sa.text("(CASE WHEN review_reason = 'no_transaction_yet' THEN 1 ELSE 0 END)"), sa.text("coalesce(best_score, -1.0) DESC"),
    "in_review_since", "sequence", "id", "state", "put_off_until", "review_reason", "best_score",
)  # fmt: skip
REASON = ("review_reason", "in_review_since", "state", "put_off_until", "asked_id")


def upgrade() -> None:
    """Some seconds for a million receipts; few of them are in review or set aside, few assignments made by hand."""
    open_, aside = sa.text("state = 'in_review'"), sa.text("state = 'set_aside'")
    op.create_index("ix_receipt_ready", "receipt", READY, sqlite_where=open_, postgresql_where=open_)
    op.create_index("ix_receipt_reason", "receipt", REASON, sqlite_where=open_, postgresql_where=open_)
    op.create_index(
        "ix_receipt_set_aside", "receipt", ["updated_at", "state", "client_id"], sqlite_where=aside, postgresql_where=aside
    )
    op.create_index(
        "ix_assignment_by_hand_since", "assignment", ["created_at"],
        sqlite_where=sa.text("is_automatic IS 0 AND withdrawn_at IS NULL"),
        postgresql_where=sa.text("is_automatic IS false AND withdrawn_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    """Back: an admin's desk reads all that is in review."""
    op.drop_index("ix_assignment_by_hand_since", "assignment")
    for name in ("ix_receipt_set_aside", "ix_receipt_reason", "ix_receipt_ready"):
        op.drop_index(name, "receipt")
