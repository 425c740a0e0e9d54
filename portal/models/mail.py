"""Mails on their way: written in the transaction that causes them, sent by a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Mail(HasId, Base):
    """One mail to one person about one client, or (a digest) about several: then one of them, whose run sends it.

    The words are chosen when it is sent, in the person's language.
    """

    __tablename__ = "mail"

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    kind: Mapped[str]  #: `services.messages.notifying.Kind`
    key: Mapped[str] = mapped_column(unique=True)  #: what must not be told twice
    facts: Mapped[dict[str, Any]]  #: what the words need
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
