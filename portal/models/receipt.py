"""Receipts (what documents a transaction), their stored documents, and invoices that were skipped."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id

IN_REVIEW_ALONE = "state = 'in_review'"
SET_ASIDE_ALONE = "state = 'set_aside'"
IS_WAITING, SUREST_FIRST = "(CASE WHEN review_reason = 'no_transaction_yet' THEN 1 ELSE 0 END)", "coalesce(best_score, -1.0) DESC"


class Receipt(HasId, Base):
    """An imported invoice or credit note. Facts are the newest version's; older documents stay readable.

    Exactly one of the states holds at any time: `in_review` (with a reason), `assigned`, `set_aside` (with a reason).
    """

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("connection_id", "qonto_id"),
        Index("ix_receipt_queue", "client_id", "state", "review_reason", "in_review_since"),
        # Whatever the desk's queue is counted and put in order by, so that no other row is read for it. `state` is among them
        # because SQLite else looks it up in the row.
        Index(
            "ix_receipt_desk",
            *(
                "client_id",
                "state",
                "review_reason",
                "put_off_until",
                "asked_id",
                "best_score",
                "in_review_since",
                "sequence",
                "amount_cents",
            ),
            "id",
            sqlite_where=text(IN_REVIEW_ALONE),
            postgresql_where=text(IN_REVIEW_ALONE),
        ),
        # The usual order of the queue of all clients (`services.review.queueing`), and how much of each reason there is, the
        # oldest first. What follows the order is looked at in passing.
        Index(
            "ix_receipt_ready",
            text(IS_WAITING),
            text(SUREST_FIRST),
            *("in_review_since", "sequence", "id", "state", "put_off_until", "review_reason", "best_score"),
            sqlite_where=text(IN_REVIEW_ALONE),
            postgresql_where=text(IN_REVIEW_ALONE),
        ),
        Index(
            "ix_receipt_reason",
            *("review_reason", "in_review_since", "state", "put_off_until", "asked_id"),
            sqlite_where=text(IN_REVIEW_ALONE),
            postgresql_where=text(IN_REVIEW_ALONE),
        ),
        Index(
            "ix_receipt_set_aside",
            "updated_at",
            "state",
            "client_id",
            sqlite_where=text(SET_ASIDE_ALONE),
            postgresql_where=text(SET_ASIDE_ALONE),
        ),
        Index("ix_receipt_party", "client_id", "counterparty", "sequence"),
        Index("ix_receipt_number_in_client", "client_id", "sequence", unique=True),
        Index(
            "ix_receipt_split_from",
            *("split_from", "client_id"),
            sqlite_where=text("split_from IS NOT NULL"),
            postgresql_where=text("split_from IS NOT NULL"),
        ),
        Index(
            "ix_receipt_merged_into",
            *("merged_into", "client_id"),
            sqlite_where=text("merged_into IS NOT NULL"),
            postgresql_where=text("merged_into IS NOT NULL"),
        ),
    )

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    connection_id: Mapped[str | None] = mapped_column(Id, ForeignKey("connection.id"))  #: None: brought or split off by hand
    sequence: Mapped[int]  #: counts the client's receipts: R-1, R-2, …
    qonto_id: Mapped[str | None]
    kind: Mapped[str]  #: supplier_invoice, client_invoice, credit_note, own_receipt (written by the client)
    direction: Mapped[str]  #: expense or income
    number: Mapped[str | None]
    counterparty: Mapped[str | None]
    amount_cents: Mapped[int | None] = mapped_column(BigInteger)  #: gross; negative for a credit note
    currency: Mapped[str | None]
    issued_on: Mapped[date | None]
    due_on: Mapped[date | None]
    paid_on: Mapped[date | None]
    iban: Mapped[str | None]
    source_status: Mapped[str]  #: the bank's word, e.g. paid
    eligibility: Mapped[str]  #: why it is here: paid, linked, uploaded, split
    linked_transactions: Mapped[list[Any]] = mapped_column(default=list)  #: bank ids of transactions that the bank linked
    attachments: Mapped[list[Any]] = mapped_column(default=list)  #: bank ids of the files that belong to it now
    qonto_updated_at: Mapped[datetime | None]
    corrected: Mapped[dict[str, Any]] = mapped_column(default=dict)  #: facts that a person corrected → what was read
    filled: Mapped[list[Any]] = mapped_column(default=list)  #: facts that the bank does not tell: they are its e-invoice's

    state: Mapped[str]  #: in_review, assigned, set_aside
    review_reason: Mapped[str | None]  #: `domain.matching.ReviewReason` while in review
    set_aside_reason: Mapped[str | None]
    in_review_since: Mapped[datetime | None]
    review_before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    #: how it stood in review when a person decided about it, for an undo: reason, since (ISO 8601), is_changed_at_source,
    #: put_off, asked; put_off_before, also while it is in review: what it was put off until before somebody chose another day
    put_off_until: Mapped[date | None] = mapped_column(default=None)  #: the Berlin day on which it stands in the queue again
    put_off_note: Mapped[str] = mapped_column(default="")  #: why, for colleagues; clients never see it
    #: who of the firm is to look at it (user id); counts only while he may see the client (`services.people.staffing`)
    asked_id: Mapped[str | None] = mapped_column(Id, default=None)
    asked_by: Mapped[str | None] = mapped_column(Id, default=None)  #: who has asked him (user id)
    asked_at: Mapped[datetime | None] = mapped_column(default=None)
    asked_note: Mapped[str] = mapped_column(default="")  #: a word for him; clients never see it
    is_left_to_people: Mapped[bool] = mapped_column(default=False)
    #: a person took a decision about it back: the machine proposes, and does not assign it any more
    document_state: Mapped[str]  #: complete, waiting (the bank has none yet), fetching, failed
    document_problem: Mapped[str | None]  #: why a file could not be had: gone, too_big, refused, …
    document_tries: Mapped[int] = mapped_column(default=0)  #: failed fetches of the current files
    duplicate_of: Mapped[str | None] = mapped_column(Id)  #: the first receipt with the same bytes: an upload that was here
    split_from: Mapped[str | None] = mapped_column(Id, default=None)
    #: the receipt whose file holds this invoice too; always the one that came with the file
    merged_into: Mapped[str | None] = mapped_column(Id, default=None)
    #: the receipt that it is a part of; exactly while it is set aside as `merged`
    best_score: Mapped[float | None]  #: of its best candidate while in review; None: there is no candidate
    #: differs from what was assigned; shown until a person decided
    is_changed_at_source: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)  #: grows with each change; a stale page is refused by it
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def label(self) -> str:
        """What people call it."""
        return f"R-{self.sequence}"

    @property
    def seen_amount_cents(self) -> int | None:
        """Signed as the client feels it: an expense is negative."""
        if self.amount_cents is None:
            return None
        return -self.amount_cents if self.direction == "expense" else self.amount_cents


class Document(HasId, Base):
    """Stored bytes of a receipt. A changed file is a further row; none is ever overwritten."""

    __tablename__ = "document"
    __table_args__ = (UniqueConstraint("receipt_id", "attachment_id", "sha256"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    receipt_id: Mapped[str] = mapped_column(Id, ForeignKey("receipt.id"), index=True)
    attachment_id: Mapped[str | None]  #: the bank's id of the file
    version: Mapped[int]  #: 1 is the first that arrived
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str]  #: by content, never by name
    file_name: Mapped[str]
    is_preferred_view: Mapped[bool] = mapped_column(default=False)  #: the readable twin of an XML e-invoice
    fetched_at: Mapped[datetime]


class Preview(HasId, Base):
    """Pictures of a document's pages and the facts of an e-invoice, made outside the web process.

    Derived: may be thrown away and made again.
    """

    __tablename__ = "preview"
    __table_args__ = (UniqueConstraint("client_id", "sha256"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    sha256: Mapped[str]
    media_type: Mapped[str]
    state: Mapped[str]  #: due, ready, impossible
    reason: Mapped[str | None]  #: why impossible: encrypted, broken, too_big, timeout, crashed, type
    page_count: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    page_keys: Mapped[list[Any]] = mapped_column(default=list)  #: storage keys of the page pictures
    words: Mapped[list[Any]] = mapped_column(default=list)  #: [text, left, top, right, bottom], 0–1 of page 1
    #: `portal.e_invoice.EInvoice`, where the document is one or carries one
    e_invoice: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    made_at: Mapped[datetime | None]


class SkippedInvoice(HasId, Base):
    """An invoice the bank listed that is not imported (yet), with the reason; looked at again whenever it changes."""

    __tablename__ = "skipped_invoice"
    __table_args__ = (UniqueConstraint("connection_id", "qonto_id"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"), index=True)
    connection_id: Mapped[str] = mapped_column(Id, ForeignKey("connection.id"))
    qonto_id: Mapped[str]
    kind: Mapped[str]
    reason: Mapped[str]  #: `domain.eligibility.SkipReason`
    number: Mapped[str | None]
    counterparty: Mapped[str | None]
    issued_on: Mapped[date | None]
    qonto_updated_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]
