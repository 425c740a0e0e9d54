"""Booked movements on a client's bank accounts."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Transaction(HasId, Base):
    """A booked movement. The amount is always positive; `side` says where the money went."""

    __tablename__ = "bank_transaction"
    __table_args__ = (
        UniqueConstraint("bank_account_id", "qonto_id"),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        Index("ix_bank_transaction_client_booked", "client_id", "booked_on"),
        Index("ix_bank_transaction_client_qonto", "client_id", "qonto_id"),
        Index("ix_bank_transaction_client_amount", "client_id", "amount_cents", "booked_on"),
        Index(
            "ix_bank_transaction_to_index",
            "client_id",
            sqlite_where=text("is_indexed IS 0"),
            postgresql_where=text("is_indexed IS false"),
        ),
    )

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    bank_account_id: Mapped[str] = mapped_column(Id, ForeignKey("bank_account.id"))
    qonto_id: Mapped[str]  #: the bank's; `csv:<statement>:<line>` where a file does not tell it
    side: Mapped[str]  #: debit or credit
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    local_amount_cents: Mapped[int | None] = mapped_column(BigInteger)  #: in the currency of the purchase
    local_currency: Mapped[str | None]
    status: Mapped[str]  #: booked, or what became of it later: declined, reversed (by the bank), undone (with its file)
    emitted_at: Mapped[datetime | None]
    settled_at: Mapped[datetime]
    booked_on: Mapped[date]  #: Berlin day of `settled_at`
    counterparty: Mapped[str | None]
    counterparty_iban: Mapped[str | None]
    remittance: Mapped[str | None]  #: the text that travels with the money
    operation_type: Mapped[str | None]
    balance_after_cents: Mapped[int | None] = mapped_column(BigInteger)  #: what the account held then, as the bank says
    statement_id: Mapped[str | None] = mapped_column(Id, index=True)  #: the file that brought it; None: the bank itself did
    qonto_updated_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    is_indexed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its keys say what it says now; the next matching sees to it."""


class TransactionKey(Base):
    """Something by which open receipts can ask for a transaction: a word, a number, an IBAN (`domain.matching.reach`)."""

    __tablename__ = "transaction_key"

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    booked_on: Mapped[date] = mapped_column(primary_key=True)  #: as the transaction says
    transaction_id: Mapped[str] = mapped_column(Id, ForeignKey("bank_transaction.id"), primary_key=True, index=True)
