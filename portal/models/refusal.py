"""What people say about proposals that are wrong."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id

STANDING = text("withdrawn_at IS NULL")


class Refusal(HasId, Base):
    """A person has declined a proposed pair: the machine never assigns it. Taking that back ends it; the row stays.

    A proposal of several transactions is as many rows of one decision.
    """

    __tablename__ = "refusal"
    __table_args__ = (
        Index(
            "uq_refusal_standing",
            "receipt_id",
            "transaction_id",
            unique=True,
            sqlite_where=STANDING,
            postgresql_where=STANDING,
        ),
        Index("ix_refusal_client_standing", "client_id", sqlite_where=STANDING, postgresql_where=STANDING),
    )

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    receipt_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"))
    transaction_id: Mapped[str] = mapped_column(Id, ForeignKey("bank_transaction.id"))
    decision_id: Mapped[str] = mapped_column(Id)  #: the same for all parts that were declined together
    actor: Mapped[str]  #: user id
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]
