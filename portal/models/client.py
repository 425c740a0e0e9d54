"""Clients of the firm, who belongs to them, and what the firm is commissioned to do."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, HasId, Id

PLANS_WITH_BANK = ("basic",)  #: plans that bank connections are part of (L-06)


class Client(HasId, Base):
    """A company whose books the firm keeps (Mandant)."""

    __tablename__ = "client"

    number: Mapped[str] = mapped_column(unique=True)  #: the firm's own client number
    name: Mapped[str]
    created_at: Mapped[datetime]
    plan: Mapped[str] = mapped_column(default="basic", server_default="basic")  #: what it booked with the firm: start, basic
    #: whether the client invited the firm to its Qonto account: open, later (not now), claimed, confirmed (by the firm)
    accountant_access: Mapped[str] = mapped_column(default="open", server_default="open")


class Membership(HasId, Base):
    """Why a user may see a client."""

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("user_id", "client_id"),)

    user_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    kind: Mapped[str]  #: "client" (his own company) or "staff" (assigned by the firm)
    has_financial_accounting: Mapped[bool] = mapped_column(default=False)  #: may see and change accounts and bank history
    may_pay: Mapped[bool] = mapped_column(default=False)


class Engagement(HasId, Base):
    """The firm's commission for a client and tax year; open until each of its returns is completed."""

    __tablename__ = "engagement"
    __table_args__ = (UniqueConstraint("client_id", "tax_year"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    tax_year: Mapped[int]
    commissioned_on: Mapped[date]
    returns: Mapped[list[TaxReturn]] = relationship(lazy="selectin", order_by="TaxReturn.kind")


class TaxReturn(HasId, Base):
    """One return of an engagement."""

    __tablename__ = "tax_return"
    __table_args__ = (UniqueConstraint("engagement_id", "kind"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    engagement_id: Mapped[str] = mapped_column(Id, ForeignKey("engagement.id"))
    kind: Mapped[str]  #: income, vat, trade, …
    completed_on: Mapped[date | None]
