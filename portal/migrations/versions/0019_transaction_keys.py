"""What a transaction can be looked up by, so that matching reads what the open receipts ask for and not the whole client."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TO_INDEX, TO_INDEX_SQLITE = sa.text("is_indexed IS false"), sa.text("is_indexed IS 0")
WITHDRAWN = sa.text("withdrawn_at IS NOT NULL")
BY_HAND = sa.text("is_automatic IS false AND withdrawn_at IS NULL")
BY_HAND_SQLITE = sa.text("is_automatic IS 0 AND withdrawn_at IS NULL")


def upgrade() -> None:
    """Nothing is indexed yet: the next matching of each client does it."""
    key = sa.Uuid(as_uuid=False)
    op.create_table(
        "transaction_key",
        sa.Column("client_id", key, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("transaction_id", key, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_transaction_key_client_id")),
        sa.ForeignKeyConstraint(["transaction_id"], ["bank_transaction.id"], name=op.f("fk_transaction_key_transaction_id")),
        sa.PrimaryKeyConstraint("client_id", "key", "booked_on", "transaction_id", name=op.f("pk_transaction_key")),
    )
    op.create_index("ix_transaction_key_transaction_id", "transaction_key", ["transaction_id"])
    op.add_column("bank_transaction", sa.Column("is_indexed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_bank_transaction_client_amount", "bank_transaction", ["client_id", "amount_cents", "booked_on"])
    op.create_index(
        "ix_bank_transaction_to_index",
        "bank_transaction",
        ["client_id"],
        sqlite_where=TO_INDEX_SQLITE,
        postgresql_where=TO_INDEX,
    )
    op.create_index("ix_assignment_withdrawn", "assignment", ["client_id"], sqlite_where=WITHDRAWN, postgresql_where=WITHDRAWN)
    op.create_index("ix_assignment_by_hand", "assignment", ["client_id"], sqlite_where=BY_HAND_SQLITE, postgresql_where=BY_HAND)


def downgrade() -> None:
    """Back: the keys can be made again."""
    op.drop_index("ix_assignment_by_hand", "assignment")
    op.drop_index("ix_assignment_withdrawn", "assignment")
    op.drop_index("ix_bank_transaction_to_index", "bank_transaction")
    op.drop_index("ix_bank_transaction_client_amount", "bank_transaction")
    op.drop_column("bank_transaction", "is_indexed")
    op.drop_table("transaction_key")
