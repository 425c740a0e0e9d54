"""Payments that a client orders at its bank: what a client allows itself, batches, payments, approvals."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, HasId, Id

PAID_OR_ON_ITS_WAY = "invoice_id IS NOT NULL AND state NOT IN ('refused', 'cancelled')"
STANDING = "voided_at IS NULL"


class PaymentRules(HasId, Base):
    """What an admin has switched on for a client. No row: payments are off."""

    __tablename__ = "payment_rules"
    __table_args__ = (UniqueConstraint("client_id"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    is_on: Mapped[bool] = mapped_column(default=False)
    limit_cents: Mapped[int] = mapped_column(BigInteger)  #: of one payment
    day_limit_cents: Mapped[int] = mapped_column(BigInteger)  #: of what is approved on one Berlin day
    four_eyes_above_cents: Mapped[int | None] = mapped_column(BigInteger)  #: of a batch; None: one person suffices
    changed_at: Mapped[datetime]


class PaymentBatch(HasId, Base):
    """One order at the bank: one payment or several, one approval, one call, one confirmation.

    Its state is told by `domain/payments/life.py`. `idempotency_key` is its own for ever: another attempt is another batch.
    """

    __tablename__ = "payment_batch"
    __table_args__ = (
        UniqueConstraint("client_id", "form_key"),
        UniqueConstraint("idempotency_key"),
        Index("ix_payment_batch_client_created", "client_id", "created_at"),
        Index("ix_payment_batch_next", "connection_id", "next_look_at"),
    )

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    connection_id: Mapped[str] = mapped_column(Id, ForeignKey("connection.id"))
    form_key: Mapped[str] = mapped_column(Id)  #: of the form that made it: pressed twice, it makes one batch
    way: Mapped[str]  #: transfer, bulk, request
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")  #: why it was refused, or what is in the way: the bank's or our code
    request_id: Mapped[str] = mapped_column(default="")  #: the bank's id of the call that failed, for its support
    account_id: Mapped[str]  #: the bank's id of the account that pays
    account_name: Mapped[str]
    account_iban: Mapped[str]
    balance_cents: Mapped[int | None] = mapped_column(BigInteger)  #: what it held when the batch was prepared
    execute_on: Mapped[date | None]  #: None: as soon as the bank can
    requested_at: Mapped[datetime | None]  #: when it was let go as a request, which has no approval here
    prepared_by: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    changed_by: Mapped[list[Any]] = mapped_column(default=list)  #: ids of all who have changed it since
    created_at: Mapped[datetime]
    proof: Mapped[str] = mapped_column(default="")  #: the bank's token that the payees were checked, for exactly these
    checked_at: Mapped[datetime | None]  #: when they were
    retry_of: Mapped[str | None] = mapped_column(Id, ForeignKey("payment_batch.id"))  #: what it takes up again
    was_lost: Mapped[bool] = mapped_column(default=False)  #: its outcome, or that one's, was unknown: two persons release a retry

    idempotency_key: Mapped[str] = mapped_column(Id)
    body_sha256: Mapped[str] = mapped_column(default="")  #: of what the bank is sent under this key, never anything else
    doubt_since: Mapped[datetime | None]  #: the first call whose answer is missing; None: the bank has answered
    asked_at: Mapped[datetime | None]  #: when the bank was called last
    sent_by: Mapped[str | None] = mapped_column(Id, ForeignKey("user_account.id"))  #: over whose consent it was called
    lost_at: Mapped[datetime | None]  #: since when it is looked for in the bank's lists
    looks: Mapped[int] = mapped_column(default=0)  #: how often it was, without finding it
    attempts: Mapped[int] = mapped_column(default=0)
    sca_token: Mapped[str | None]  #: sealed
    sca_asked_at: Mapped[datetime | None]
    sca_allowed_at: Mapped[datetime | None]
    qonto_id: Mapped[str | None]  #: the bank's id of a bulk or a request
    accepted_at: Mapped[datetime | None]
    next_look_at: Mapped[datetime | None]  #: when a worker looks after it next; None: nothing is to be done
    version: Mapped[int] = mapped_column(default=1)

    payments: Mapped[list[Payment]] = relationship(lazy="selectin", order_by="Payment.position", foreign_keys="Payment.batch_id")

    @property
    def makers(self) -> list[str]:
        """Ids of those whose work it is: who prepared it and who changed it."""
        return list(dict.fromkeys((self.prepared_by, *self.changed_by)))

    @property
    def total_cents(self) -> int:
        """Of all its payments."""
        return sum(payment.amount_cents for payment in self.payments)

    @property
    def short_iban(self) -> str:
        """The last four digits of the account that pays."""
        return f"··{self.account_iban[-4:]}"


class Payment(HasId, Base):
    """One transfer. Its id is the mark by which it is found at the bank."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        UniqueConstraint("batch_id", "position"),
        # An invoice that is paid or on its way cannot be paid again, whatever the code above does.
        Index(
            "uq_payment_invoice", "client_id", "invoice_id", unique=True, sqlite_where=text(PAID_OR_ON_ITS_WAY),
            postgresql_where=text(PAID_OR_ON_ITS_WAY),
        ),
        Index("uq_payment_transfer", "client_id", "transfer_id", unique=True),
        Index("ix_payment_transaction", "client_id", "transaction_id"),
    )  # fmt: skip

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    batch_id: Mapped[str] = mapped_column(Id, ForeignKey("payment_batch.id"))
    position: Mapped[int]  #: from 1
    state: Mapped[str] = mapped_column(default="open")  #: open (as its batch), ordered, executed, refused, cancelled
    reason: Mapped[str] = mapped_column(default="")  #: why the bank refused this one
    creditor: Mapped[str]
    iban: Mapped[str]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(default="EUR")
    remittance: Mapped[str]
    attachments: Mapped[list[Any]] = mapped_column(default=list)  #: the bank's ids of files that go with it
    payee_result: Mapped[str] = mapped_column(default="")  #: match, close_match, no_match, not_possible, unavailable
    payee_name: Mapped[str] = mapped_column(default="")  #: whom the payee's bank knows, where it says so
    payee_accepted_by: Mapped[str | None] = mapped_column(Id, ForeignKey("user_account.id"))  #: who took another name for right
    payee_accepted_at: Mapped[datetime | None]
    invoice_id: Mapped[str | None]  #: the bank's id of the supplier invoice that it pays
    invoice_number: Mapped[str] = mapped_column(default="")
    transfer_id: Mapped[str | None]  #: the bank's
    transaction_id: Mapped[str | None]  #: the bank's id of the booked movement
    ended_at: Mapped[datetime | None]


class Approval(HasId, Base):
    """A decision to let a batch go: by whom, when, and for exactly what."""

    __tablename__ = "approval"
    __table_args__ = (
        Index(
            "uq_approval_standing", "batch_id", unique=True, sqlite_where=text(STANDING), postgresql_where=text(STANDING)
        ),
        Index("ix_approval_client_approved", "client_id", "approved_at"),
    )  # fmt: skip

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    batch_id: Mapped[str] = mapped_column(Id, ForeignKey("payment_batch.id"))
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    approved_at: Mapped[datetime]
    digest: Mapped[str]  #: of the body that may be sent
    seal: Mapped[str]  #: over batch, person, moment and digest, by the installation's key
    voided_at: Mapped[datetime | None]
