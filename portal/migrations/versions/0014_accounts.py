"""Accounts that the client chooses, deletes or keeps offline; confirmations at the bank; plans; which candidate was taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Accounts that were read so far are chosen."""
    with op.batch_alter_table("bank_account") as table:
        table.alter_column("connection_id", existing_type=sa.Uuid(as_uuid=False), nullable=True)
        table.alter_column("qonto_id", existing_type=sa.String(), nullable=True)
        table.alter_column("balance_cents", existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=True)
        table.add_column(sa.Column("label", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("holder", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("use", sa.String(), nullable=False, server_default="business"))
        table.add_column(sa.Column("ledger_number", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("is_chosen", sa.Boolean(), nullable=False, server_default=sa.true()))
        table.add_column(sa.Column("is_ticked", sa.Boolean(), nullable=False, server_default=sa.true()))
        table.add_column(sa.Column("refusal", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("consent", sa.Column("accounts", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("connect_attempt", sa.Column("browser", sa.String(), nullable=False, server_default=""))
    op.add_column("connect_attempt", sa.Column("start_on", sa.Date(), nullable=True))
    op.add_column("assignment", sa.Column("rank", sa.Integer(), nullable=True))
    op.add_column("client", sa.Column("plan", sa.String(), nullable=False, server_default="basic"))
    op.create_table(
        "sca_session",
        sa.Column("client_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("connection_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_sca_session_client_id")),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name=op.f("fk_sca_session_connection_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_sca_session_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sca_session")),
    )
    op.create_index("ix_sca_session_connection_id", "sca_session", ["connection_id"])
    _name_the_accounts()


def _name_the_accounts() -> None:
    """The consents that stand were given for every account that is read."""
    key = sa.Uuid(as_uuid=False)
    account = sa.table("bank_account", sa.column("id", key), sa.column("connection_id", key))
    consent = sa.table(
        "consent",
        sa.column("connection_id", key),
        sa.column("revoked_at", sa.DateTime(timezone=True)),
        sa.column("accounts", sa.JSON()),
    )
    read: dict[str, list[str]] = {}
    for account_id, connection_id in op.get_bind().execute(sa.select(account.c.id, account.c.connection_id)):
        read.setdefault(connection_id, []).append(account_id)
    for connection_id, ids in read.items():
        standing = consent.c.connection_id == connection_id, consent.c.revoked_at.is_(None)
        op.get_bind().execute(sa.update(consent).where(*standing).values(accounts=sorted(ids)))


def downgrade() -> None:
    """Back; refused by the database while there are offline accounts, which the older version cannot hold."""
    op.drop_table("sca_session")
    op.drop_column("client", "plan")
    op.drop_column("assignment", "rank")
    op.drop_column("connect_attempt", "start_on")
    op.drop_column("connect_attempt", "browser")
    op.drop_column("consent", "accounts")
    with op.batch_alter_table("bank_account") as table:
        for name in ("deleted_at", "refusal", "is_ticked", "is_chosen", "ledger_number", "use", "holder", "label"):
            table.drop_column(name)
        table.alter_column("balance_cents", existing_type=sa.BigInteger(), type_=sa.Integer(), existing_nullable=True)
        table.alter_column("qonto_id", existing_type=sa.String(), nullable=False)
        table.alter_column("connection_id", existing_type=sa.Uuid(as_uuid=False), nullable=False)
