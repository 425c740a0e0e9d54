"""Payments that came back have keys in more of the banks' words ("Wiedergutschrift", "SEPA-Überweisung Retoure", "AC04")."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_TRANSACTION = sa.table("bank_transaction", sa.column("is_indexed", sa.Boolean))


def upgrade() -> None:
    """A client's next matching makes his keys, a commit a thousand, once."""
    op.execute(_TRANSACTION.update().where(_TRANSACTION.c.is_indexed.is_(True)).values(is_indexed=False))


def downgrade() -> None:
    """Back: the keys that there are stay right for what they were made of."""
