"""Bank statements as files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table, and where a movement came from."""
    op.create_table(
        "statement",
        sa.Column("client_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("bank_account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("layout", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=True),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("brought_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_statement_client_id")),
        sa.ForeignKeyConstraint(["bank_account_id"], ["bank_account.id"], name=op.f("fk_statement_bank_account_id")),
        sa.ForeignKeyConstraint(["brought_by"], ["user_account.id"], name=op.f("fk_statement_brought_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement")),
    )
    op.create_index("ix_statement_bank_account_id", "statement", ["bank_account_id"])
    op.add_column("bank_transaction", sa.Column("statement_id", sa.Uuid(as_uuid=False), nullable=True))
    op.create_index("ix_bank_transaction_statement_id", "bank_transaction", ["statement_id"])


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_bank_transaction_statement_id", table_name="bank_transaction")
    op.drop_column("bank_transaction", "statement_id")
    op.drop_table("statement")
