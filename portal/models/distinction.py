"""Receipts that look alike and are not the same."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Distinction(HasId, Base):
    """A person has compared two receipts that were suspected to be one: both count. Nobody asks about this pair again."""

    __tablename__ = "distinction"
    __table_args__ = (UniqueConstraint("receipt_id", "other_id"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    receipt_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"))  #: the smaller id of the two
    other_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"))
    actor: Mapped[str]  #: user id
    created_at: Mapped[datetime]
