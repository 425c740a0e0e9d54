"""Receiving a page of invoices: receipts, their documents, skips, progress and audit events in one commit.

The rows are collected and written in a few statements: the threads that fetch files meanwhile need the time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.eligibility import Eligibility, SkipReason
from portal.domain.matching import ReviewReason
from portal.media import Media
from portal.models import Document, Preview, Receipt, SkippedInvoice
from portal.services.assignments import assigning
from portal.services.auditing import Tag, record_all
from portal.services.documents import e_invoicing
from portal.services.documents.documenting import DAMAGED
from portal.services.receipts import correcting
from portal.services.receipts.receipts_from_bank import MATERIAL, InvoiceRow

log = structlog.get_logger()

KEY_OF_SKIP = {"id", "client_id", "connection_id", "qonto_id"}


@dataclass(slots=True)
class Counts:
    """Progress of a run; absolute numbers, so that writing them twice changes nothing."""

    total: int = 0
    seen: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def values(self) -> dict[str, Any]:
        """As columns of the run."""
        return {
            "total": self.total, "seen": self.seen, "new": self.new, "updated": self.updated, "unchanged": self.unchanged,
            "failed": self.failed, "skipped": dict(self.skipped),
        }  # fmt: skip

    @classmethod
    def of(cls, values: dict[str, Any]) -> Counts:
        """Read back what `values` gave."""
        return cls(**{**values, "skipped": Counter(values.get("skipped", {}))}) if values else cls()


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is safely in the store."""

    attachment_id: str
    sha256: str
    size: int
    media: Media
    file_name: str


@dataclass(frozen=True, slots=True)
class NotHad:
    """A file that could not be had. `is_waiting`: trying again may work."""

    attachment_id: str
    reason: str
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Whose rows arrive, over which connection, in which run; `counts` grow with every row."""

    client_id: str
    connection_id: str
    run_started_at: datetime
    counts: Counts


class Arrivals:
    """The rows of one commit; `write` ends it."""

    def __init__(self, session: Session, source: Source, now: datetime, known: Iterable[Receipt]) -> None:
        self.session, self.source, self.now = session, source, now
        self.counts = source.counts
        self.events: list[tuple[Tag, str, dict[str, object]]] = []
        self.known = list(known)
        self._receipts = {receipt.qonto_id: receipt for receipt in self.known}
        self._held: defaultdict[str, list[Document]] = defaultdict(list)
        for document in session.scalars(select(Document).where(Document.receipt_id.in_([receipt.id for receipt in self.known]))):
            self._held[document.receipt_id].append(document)
        self._arrived: list[Document] = []
        self._imported: list[str] = []
        self._previews: list[dict[str, Any]] = []
        self._skips: list[dict[str, Any]] = []
        self._sequence: int | None = None

    def apply(self, row: InvoiceRow, decision: Eligibility | SkipReason, files: list[Stored | NotHad]) -> None:
        """Insert, update or skip one invoice."""
        self.counts.seen += 1
        receipt = self._receipts.get(row.qonto_id)
        if receipt is None:
            if isinstance(decision, SkipReason):
                self._skip(row, decision)
                return
            receipt = self._new(row, decision)
            self.counts.new += 1
            self.attach(receipt, files)
            return
        changed = self._update(receipt, row, decision)
        changed |= self.attach(receipt, files)
        # a start after a crash sees its own rows again: they were new or updated by this run
        if receipt.created_at >= self.source.run_started_at:
            self.counts.new += 1
        elif changed or receipt.updated_at >= self.source.run_started_at:
            self.counts.updated += 1
        else:
            self.counts.unchanged += 1

    def attach(self, receipt: Receipt, files: list[Stored | NotHad]) -> bool:
        """Add the documents that arrived, note what is missing. True when a document is new, or whole again."""
        held = self._held[receipt.id]
        preferred_view = next(iter(receipt.attachments[1:]), None)  # the readable twin of an XML e-invoice
        is_new = False
        for file in files:
            if isinstance(file, NotHad):
                continue
            if any(d.attachment_id == file.attachment_id and d.sha256 == file.sha256 for d in held):
                if receipt.document_problem == DAMAGED:
                    self._draw_again(receipt.client_id, file.sha256)
                    is_new = True
                continue
            is_view = file.attachment_id == preferred_view
            document = Document(
                id=new_id(), client_id=receipt.client_id, receipt_id=receipt.id, attachment_id=file.attachment_id,
                version=1 + sum(d.is_preferred_view == is_view for d in held), sha256=file.sha256, size=file.size,
                media_type=file.media.media_type, file_name=file.file_name, is_preferred_view=is_view, fetched_at=self.now,
            )  # fmt: skip
            if document.version > 1 and receipt.state == "assigned":
                self._flag(receipt)
            self._arrived.append(document)
            held.append(document)
            is_new = True
            self._want_preview(document, file.media)
            self.events.append(
                (Tag.DOCUMENT_STORED, f"document:{document.id}",
                 {"receipt": receipt.id, "version": document.version, "sha256": file.sha256, "size": file.size})
            )  # fmt: skip
        failures = [file for file in files if isinstance(file, NotHad)]
        if failures:
            receipt.document_tries += 1
            receipt.document_problem = failures[0].reason
            receipt.updated_at = self.now
            is_over = not failures[0].is_waiting
            receipt.document_state = "failed" if is_over else "fetching"
        elif not receipt.attachments:
            receipt.document_state = "waiting"
        elif {d.attachment_id for d in held} >= set(receipt.attachments):
            receipt.document_state, receipt.document_problem, receipt.document_tries = "complete", None, 0
        return is_new

    def write(self) -> None:
        """Everything that was collected: documents after the receipts that they belong to, the audit events last."""
        self.session.flush()
        self.session.add_all(self._arrived)
        self.session.flush()
        if self._imported:
            self.session.execute(
                delete(SkippedInvoice).where(
                    SkippedInvoice.connection_id == self.source.connection_id, SkippedInvoice.qonto_id.in_(self._imported)
                ),
                execution_options={"synchronize_session": False},
            )  # fmt: skip
        insert = sqlite_insert if self.session.get_bind().dialect.name == "sqlite" else postgres_insert
        connection = self.session.connection()
        if self._previews:
            statement = insert(Preview.__table__)  # type: ignore[arg-type]
            connection.execute(statement.on_conflict_do_nothing(index_elements=["client_id", "sha256"]), self._previews)
        if self._skips:
            statement = insert(SkippedInvoice.__table__)  # type: ignore[arg-type]
            newest = {name: statement.excluded[name] for name in self._skips[0] if name not in KEY_OF_SKIP}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["connection_id", "qonto_id"], set_=newest), self._skips
            )
        record_all(self.session, self.events, at=self.now, client_id=self.source.client_id)

    def skip_unreadable(self, qonto_id: str | None, name: str) -> None:
        """A row that contradicts itself is set aside; the others go on (F37, F38)."""
        self.counts.seen += 1
        self.counts.skipped[SkipReason.UNREADABLE] += 1
        log.warning("row_unreadable", connection=self.source.connection_id, row=qonto_id, field=name)
        if qonto_id:
            self._put_skip(
                qonto_id=qonto_id, kind="unknown", reason=SkipReason.UNREADABLE.value, number=None, counterparty=None,
                issued_on=None, qonto_updated_at=None,
            )  # fmt: skip

    def _new(self, row: InvoiceRow, decision: Eligibility) -> Receipt:
        if self._sequence is None:
            newest = select(Receipt.sequence).where(Receipt.client_id == self.source.client_id)
            self._sequence = self.session.scalar(newest.order_by(Receipt.sequence.desc()).limit(1)) or 0
        self._sequence += 1
        receipt = Receipt(
            id=new_id(), client_id=self.source.client_id, connection_id=self.source.connection_id, sequence=self._sequence,
            qonto_id=row.qonto_id, eligibility=decision.value, state="in_review", review_reason="no_transaction_yet",
            in_review_since=self.now, document_state="fetching", document_tries=0, version=1, is_changed_at_source=False,
            created_at=self.now, updated_at=self.now, **row.values,
        )  # fmt: skip
        self.session.add(receipt)
        self._imported.append(row.qonto_id)
        self.events.append(
            (Tag.RECEIPT_IMPORTED, f"receipt:{receipt.id}", {"qonto_id": row.qonto_id, "eligibility": decision.value})
        )
        return receipt

    def _update(self, receipt: Receipt, row: InvoiceRow, decision: Eligibility | SkipReason) -> bool:
        """Bring the receipt to what the source says now. An assigned one with other facts goes back to a person."""
        corrected = correcting.still_corrected(receipt, row.values)
        kept = e_invoicing.still_filled(receipt, row.values)
        differing = [
            name for name, value in row.values.items() if name not in kept | corrected and getattr(receipt, name) != value
        ]
        if kept != set(receipt.filled):
            receipt.filled = sorted(kept)
        if not differing:
            return False
        for name in differing:
            setattr(receipt, name, row.values[name])
        if set(row.attachments) - set(receipt.attachments):
            receipt.document_tries = 0
        if isinstance(decision, Eligibility):
            receipt.eligibility = decision.value
        material = [name for name in differing if name in MATERIAL]
        if differing == ["qonto_updated_at"]:
            return False
        receipt.updated_at = self.now
        receipt.version += 1
        self.events.append((Tag.RECEIPT_CHANGED, f"receipt:{receipt.id}", {"fields": sorted(differing)}))
        if material and receipt.state == "assigned":
            self._flag(receipt)
        return True

    def _flag(self, receipt: Receipt) -> None:
        self.session.flush()
        assigning.withdraw(self.session, receipt=receipt, now=self.now, reason=ReviewReason.SOURCE_CHANGED)

    def _skip(self, row: InvoiceRow, reason: SkipReason) -> None:
        self.counts.skipped[reason.value] += 1
        self._put_skip(
            qonto_id=row.qonto_id, kind=row.kind, reason=reason.value, number=row.number, counterparty=row.counterparty,
            issued_on=row.issued_on, qonto_updated_at=row.updated_at,
        )  # fmt: skip

    def _put_skip(self, **values: Any) -> None:
        self._skips.append(
            {
                "id": new_id(),
                "connection_id": self.source.connection_id,
                "client_id": self.source.client_id,
                "seen_at": self.now,
                **values,
            }
        )

    def _draw_again(self, client_id: str, sha256: str) -> None:
        """The bytes are whole again: what could not be drawn of them is tried once more."""
        impossible = (Preview.client_id == client_id, Preview.sha256 == sha256, Preview.state == "impossible")
        self.session.execute(update(Preview).where(*impossible, Preview.reason == "broken").values(state="due", reason=None))

    def _want_preview(self, document: Document, media: Media) -> None:
        self._previews.append(
            {
                "id": new_id(), "client_id": document.client_id, "sha256": document.sha256, "media_type": document.media_type,
                "state": "due" if media.is_readable else "impossible", "reason": None if media.is_readable else "type",
                "page_keys": [], "words": [],
            }
        )  # fmt: skip
