"""What the bank shall tell us by itself, and what it has told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class WebhookSubscription(HasId, Base):
    """One type of event of one bank connection; its id is part of the address that the bank calls."""

    __tablename__ = "webhook_subscription"
    __table_args__ = (UniqueConstraint("connection_id", "type"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    connection_id: Mapped[str] = mapped_column(Id, ForeignKey("connection.id"))
    type: Mapped[str]  #: v1/transactions, v1/consent-revocations
    secret: Mapped[str]  #: sealed; the bank signs with it
    qonto_id: Mapped[str | None]  #: None until the bank has answered
    created_at: Mapped[datetime]
    heard_at: Mapped[datetime | None]  #: the last event that was signed rightly
    refused: Mapped[int] = mapped_column(default=0)  #: deliveries whose signature was wrong or old


class WebhookEvent(HasId, Base):
    """An event that was taken: the same one again has no effect."""

    __tablename__ = "webhook_event"
    __table_args__ = (UniqueConstraint("subscription_id", "event_id"),)

    subscription_id: Mapped[str] = mapped_column(Id, ForeignKey("webhook_subscription.id"))
    event_id: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(index=True)
