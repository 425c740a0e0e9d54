"""What people write to each other here, and their votes on the help."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Message(HasId, Base):
    """A message between a client and the firm; nobody else sees it. Never changed, only marked as read."""

    __tablename__ = "message"
    __table_args__ = (Index("ix_message_client_created", "client_id", "created_at"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    receipt_id: Mapped[str | None] = mapped_column(Id, ForeignKey("receipt.id"))  #: what it is about, if one receipt
    transaction_id: Mapped[str | None] = mapped_column(Id, index=True)  #: or one transaction, whose receipt is asked for
    author_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    is_from_client: Mapped[bool]  #: else from the firm
    topic: Mapped[str]  #: `services.messages.messaging.Topic`
    text: Mapped[str]
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]  #: when the other side first opened it


class HelpVote(HasId, Base):
    """Whether an entry of the help answered somebody's question; the newest vote counts."""

    __tablename__ = "help_vote"
    __table_args__ = (UniqueConstraint("entry", "user_id"),)

    entry: Mapped[str]  #: an entry of the help page
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    is_helpful: Mapped[bool]
    at: Mapped[datetime]
