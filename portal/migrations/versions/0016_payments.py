"""Payments: what a client allows itself, batches, payments, approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PAID_OR_ON_ITS_WAY = "invoice_id IS NOT NULL AND state NOT IN ('refused', 'cancelled')"


def upgrade() -> None:
    """Off for everybody until an admin switches them on."""
    op.create_table(
        "payment_rules",
        sa.Column("client_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("limit_cents", sa.BigInteger(), nullable=False),
        sa.Column("day_limit_cents", sa.BigInteger(), nullable=False),
        sa.Column("four_eyes_above_cents", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_payment_rules_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_rules")),
        sa.UniqueConstraint("client_id", name=op.f("uq_payment_rules_client_id")),
    )
    op.create_table(
        "payment_batch",
        sa.Column("client_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("form_key", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("account_name", sa.String(), nullable=False),
        sa.Column("account_iban", sa.String(), nullable=False),
        sa.Column("balance_cents", sa.BigInteger(), nullable=True),
        sa.Column("execute_on", sa.Date(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("prepared_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("changed_by", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proof", sa.String(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_of", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("was_lost", sa.Boolean(), nullable=False),
        sa.Column("idempotency_key", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("body_sha256", sa.String(), nullable=False),
        sa.Column("doubt_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sca_token", sa.String(), nullable=True),
        sa.Column("sca_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sca_allowed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("qonto_id", sa.String(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_payment_batch_client_id")),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name=op.f("fk_payment_batch_connection_id")),
        sa.ForeignKeyConstraint(["prepared_by"], ["user_account.id"], name=op.f("fk_payment_batch_prepared_by")),
        sa.ForeignKeyConstraint(["retry_of"], ["payment_batch.id"], name=op.f("fk_payment_batch_retry_of")),
        sa.ForeignKeyConstraint(["sent_by"], ["user_account.id"], name=op.f("fk_payment_batch_sent_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_batch")),
        sa.UniqueConstraint("client_id", "form_key", name=op.f("uq_payment_batch_client_id_form_key")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_payment_batch_idempotency_key")),
    )
    op.create_index("ix_payment_batch_client_created", "payment_batch", ["client_id", "created_at"])
    op.create_index("ix_payment_batch_next", "payment_batch", ["connection_id", "next_look_at"])

    op.create_table(
        "approval",
        sa.Column("client_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("batch_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("seal", sa.String(), nullable=False),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["payment_batch.id"], name=op.f("fk_approval_batch_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_approval_client_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_approval_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index("ix_approval_client_approved", "approval", ["client_id", "approved_at"])
    op.create_index(
        "uq_approval_standing",
        "approval",
        ["batch_id"],
        unique=True,
        sqlite_where=sa.text("voided_at IS NULL"),
        postgresql_where=sa.text("voided_at IS NULL"),
    )

    op.create_table(
        "payment",
        sa.Column("client_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("batch_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("iban", sa.String(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("remittance", sa.String(), nullable=False),
        sa.Column("attachments", sa.JSON(), nullable=False),
        sa.Column("payee_result", sa.String(), nullable=False),
        sa.Column("payee_name", sa.String(), nullable=False),
        sa.Column("payee_accepted_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("payee_accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invoice_id", sa.String(), nullable=True),
        sa.Column("invoice_number", sa.String(), nullable=False),
        sa.Column("transfer_id", sa.String(), nullable=True),
        sa.Column("transaction_id", sa.String(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_payment_amount_positive")),
        sa.ForeignKeyConstraint(["batch_id"], ["payment_batch.id"], name=op.f("fk_payment_batch_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_payment_client_id")),
        sa.ForeignKeyConstraint(["payee_accepted_by"], ["user_account.id"], name=op.f("fk_payment_payee_accepted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("batch_id", "position", name=op.f("uq_payment_batch_id_position")),
    )
    op.create_index("ix_payment_transaction", "payment", ["client_id", "transaction_id"])
    op.create_index(
        "uq_payment_invoice",
        "payment",
        ["client_id", "invoice_id"],
        unique=True,
        sqlite_where=sa.text(PAID_OR_ON_ITS_WAY),
        postgresql_where=sa.text(PAID_OR_ON_ITS_WAY),
    )
    op.create_index("uq_payment_transfer", "payment", ["client_id", "transfer_id"], unique=True)


def downgrade() -> None:
    """Back; what was paid is told by the bank's transactions alone then."""
    for table in ("payment", "approval", "payment_batch", "payment_rules"):
        op.drop_table(table)
