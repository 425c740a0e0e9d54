"""What the matcher proposes and what was decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id

BY_HAND = "is_automatic IS false AND withdrawn_at IS NULL"
BY_HAND_SQLITE = "is_automatic IS 0 AND withdrawn_at IS NULL"  #: as below
TO_CHECK = "is_to_check AND withdrawn_at IS NULL"
TO_CHECK_SQLITE = "is_to_check = 1 AND withdrawn_at IS NULL"  #: as queries say it there; otherwise the index is not used


class Candidate(HasId, Base):
    """A transaction (or several) that may belong to a receipt in review, best first."""

    __tablename__ = "candidate"

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    receipt_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"), index=True)
    rank: Mapped[int]  #: 1 is the best
    score: Mapped[float]  #: probability, 0–1
    grade: Mapped[str]  #: sure, likely, possible
    allocations: Mapped[list[Any]]  #: [{"transaction": id, "amount_cents": int}]
    reasons: Mapped[list[Any]]  #: [{"code", "is_for", "values"}], worded by the templates
    matcher: Mapped[str]  #: version of the rules


class Assignment(HasId, Base):
    """A decided link between a receipt and (a part of) a transaction. Withdrawing it ends it; the row stays."""

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint("amount_cents <> 0", name="amount_not_zero"),
        Index(
            "uq_assignment_standing",
            "receipt_id",
            "transaction_id",
            unique=True,
            sqlite_where=text("withdrawn_at IS NULL"),
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index("ix_assignment_client_created", "client_id", "created_at"),
        Index("ix_assignment_transaction", "transaction_id"),
        Index(
            "ix_assignment_withdrawn",
            "client_id",
            sqlite_where=text("withdrawn_at IS NOT NULL"),
            postgresql_where=text("withdrawn_at IS NOT NULL"),
        ),
        Index("ix_assignment_by_hand", "client_id", sqlite_where=text(BY_HAND_SQLITE), postgresql_where=text(BY_HAND)),
        Index(
            "ix_assignment_by_hand_since",
            "created_at",
            sqlite_where=text(BY_HAND_SQLITE),
            postgresql_where=text(BY_HAND),
        ),
        Index("ix_assignment_to_check", "client_id", sqlite_where=text(TO_CHECK_SQLITE), postgresql_where=text(TO_CHECK)),
    )

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    receipt_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"))
    transaction_id: Mapped[str] = mapped_column(Id, ForeignKey("bank_transaction.id"))
    amount_cents: Mapped[int] = mapped_column(
        BigInteger
    )  #: part of the transaction used, in its currency; a netted credit note gives room back (negative)
    decision_id: Mapped[str] = mapped_column(Id)  #: the same for all parts that were decided together
    actor: Mapped[str]  #: user id or system:<job>
    is_automatic: Mapped[bool]
    rank: Mapped[int | None]  #: of the candidate that was taken; None: found by hand, or made by the machine
    difference: Mapped[str | None] = mapped_column(default=None)  #: `assigning.Difference`, where the amounts are not equal
    difference_cents: Mapped[int | None] = mapped_column(BigInteger, default=None)
    #: of the whole decision: transactions less receipt; None: not to be compared, or equal
    is_to_check: Mapped[bool] = mapped_column(default=False)  #: made by a client; the firm has not looked at it yet
    score: Mapped[float | None]
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    matcher: Mapped[str | None]
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]
