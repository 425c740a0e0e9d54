"""What the firm's people tell each other about a receipt, and which of them look at it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Note(HasId, Base):
    """An internal note of the firm about a receipt; clients never learn of it. Never changed or deleted, only taken back."""

    __tablename__ = "note"
    __table_args__ = (Index("ix_note_of_receipt", "receipt_id", "created_at", "id"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    receipt_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"))
    author_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    text: Mapped[str]
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]


class Presence(Base):
    """Somebody of the firm has a receipt open at the desk. A hint only: it may be missing, and old rows are removed."""

    __tablename__ = "presence"

    receipt_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"), primary_key=True)
    seen_at: Mapped[datetime]  #: when he looked last, noted at most once a minute
