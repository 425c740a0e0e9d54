"""Names with a star or an owner are read otherwise than before: what such transactions are found by is made anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_TRANSACTION = sa.table("bank_transaction", sa.column("counterparty", sa.Text), sa.column("is_indexed", sa.Boolean))


def upgrade() -> None:
    """The client's next matching makes the keys; reading a million names takes seconds."""
    name = _TRANSACTION.c.counterparty
    is_concerned = name.contains("*", autoescape=True) | name.ilike("% inh%")
    op.execute(_TRANSACTION.update().where(is_concerned).values(is_indexed=False))


def downgrade() -> None:
    """Back: the keys that there are stay right for what they were made of."""
