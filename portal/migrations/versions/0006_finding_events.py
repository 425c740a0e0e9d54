"""Events are found by what they are about and by who did it, without reading all of a client's."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A receipt's history; a person's latest decisions."""
    op.create_index("ix_audit_event_subject", "audit_event", ["subject"])
    op.create_index("ix_audit_event_actor_at", "audit_event", ["actor", "at"])


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_audit_event_actor_at", "audit_event")
    op.drop_index("ix_audit_event_subject", "audit_event")
