"""What people say about transactions that have no receipt."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id

STANDING = text("withdrawn_at IS NULL")


class Explanation(HasId, Base):
    """Why a transaction has no receipt. Taking it back ends it; the row stays.

    It says nothing about a receipt that comes all the same: while one is assigned, the explanation rests.
    """

    __tablename__ = "explanation"
    __table_args__ = (
        Index(
            "uq_explanation_standing", "transaction_id", unique=True, sqlite_where=STANDING, postgresql_where=STANDING
        ),
    )  # fmt: skip

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    transaction_id: Mapped[str] = mapped_column(Id, ForeignKey("bank_transaction.id"), index=True)
    reason: Mapped[str]  #: `domain.explanations.Reason`
    note: Mapped[str] = mapped_column(default="")  #: in the person's own words
    actor: Mapped[str]  #: user id
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]
