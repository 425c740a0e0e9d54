"""Importing documents: pages of invoices in, receipts with stored bytes out.

A page is applied in one commit together with the run's progress; the connection's high-water mark moves after the last page.
A start after a crash lists the interrupted kind of invoices again from its first page: what is stored already costs nothing,
and rows that moved between pages while we were away cannot be missed. Files are fetched by threads, stored before their row,
and a file that could not be had leaves its receipt in `fetching`, to be tried by the next start.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from typing import Any, Protocol

import structlog
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.eligibility import Eligibility, SkipReason, decide
from portal.domain.matching import ReviewReason
from portal.domain.tax_years import Scope
from portal.errors import ConsentEnded, QontoError, StorageError, Unavailable
from portal.media import Media, safe_file_name, sniff
from portal.models import Connection, Document, Preview, Receipt, Run, SkippedInvoice
from portal.ports import Ports
from portal.qonto.client import Page, all_pages
from portal.services import assigning, connecting, e_invoicing, engaging, running
from portal.services.auditing import Tag, queue_up, record_all
from portal.services.receipts_from_bank import (
    MATERIAL,
    InvoiceRow,
    from_client_invoice,
    from_credit_note,
    from_supplier_invoice,
)
from portal.services.running import Lease

log = structlog.get_logger()

DOWNLOADS = 8  #: files that are asked for at the same time
STORING = 4  #: further threads: the bank is asked while finished files reach the disk
OVERLAP = timedelta(days=3)  #: rows may turn up late with an older `updated_at` (F32)
FILE_TRIES = 3  #: then the file no longer holds the run up; it is tried once a day
FILES_AT_ONCE = 200
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


@dataclass(slots=True)
class Batch:
    """A page of rows on its way: what was decided, which files are being fetched."""

    rows: list[InvoiceRow]
    unreadable: list[tuple[str | None, str]]
    decisions: dict[str, Eligibility | SkipReason]
    files: dict[str, list[Future[Stored | NotHad]]]


class Lister(Protocol):
    """One of the gateway's list methods."""

    def __call__(self, connection_id: str, *, updated_from: datetime | None, page: int) -> Page[Any]:
        """One page of the list."""
        ...


@dataclass(frozen=True, slots=True)
class Phase:
    """One kind of invoice: how it is listed and read."""

    name: str
    lister: Lister
    read: Callable[[Any], InvoiceRow]


def import_documents(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `documents`: list, decide, fetch, store; its end asks for matching and previews."""
    assert lease.connection_id is not None
    with ports.database.read() as session:
        connection = session.get_one(Connection, lease.connection_id)
        run = session.get_one(Run, lease.run_id)
        scope = engaging.scope(session, lease.client_id)
    job = _Import(ports, lease, connection, run, scope)
    if not job.is_stopped():
        job.execute()


class _Import:
    """One execution of the run."""

    def __init__(self, ports: Ports, lease: Lease, connection: Connection, run: Run, scope: Scope) -> None:
        self.ports, self.lease, self.scope = ports, lease, scope
        self.connection_id, self.client_id = connection.id, connection.client_id
        self.started_at = ports.clock.now()
        self.run_started_at = run.started_at or self.started_at
        self.cursor: dict[str, Any] = dict(run.cursor)
        self.cursor.setdefault("window_end", self.started_at.isoformat())
        self.since = self._window_start(connection)
        self.counts = Counts.of(self.cursor.get("counts", {}))
        self.organization_id = connection.organization_id
        self.pool = ThreadPoolExecutor(DOWNLOADS + STORING, thread_name_prefix="file")
        self.turns = BoundedSemaphore(DOWNLOADS)

    def is_stopped(self) -> bool:
        """A connection that ended meanwhile stops its import; what was imported stays."""
        with self.ports.database.read() as session:
            is_active = connecting.is_usable(session, self.connection_id)
        if not is_active:
            with self.ports.database.write() as session:
                running.finish(session, self.lease, now=self.ports.clock.now(), reason="disconnected")
        return not is_active

    def execute(self) -> None:
        """All phases, then the files still missing, then the end."""
        phases = (
            Phase("supplier_invoices", self.ports.qonto.supplier_invoices, from_supplier_invoice),
            Phase("client_invoices", self.ports.qonto.client_invoices, from_client_invoice),
            Phase("credit_notes", self.ports.qonto.credit_notes, from_credit_note),
        )
        with self.ports.database.write() as session:
            running.advance(session, self.lease, cursor=self.cursor)
            connecting.note_attempt(session, self.connection_id, now=self.started_at)
        try:
            for number, phase in enumerate(phases):
                if number < int(self.cursor.get("phase", 0)):
                    continue
                if not self._list(phase):
                    return
                self._phase_done(number + 1)
            waiting = self._fetch_missing()
        finally:
            self.pool.shutdown(cancel_futures=True)
        if self.is_stopped():
            return
        self._finish(waiting)

    # --- listing ---------------------------------------------------------------------------------------------

    def _list(self, phase: Phase) -> bool:
        """Apply every page of one kind. False: handed over or stopped."""
        seen: set[str] = set()
        previous: Batch | None = None
        try:
            for batch in self._batches(phase, seen):
                if previous is not None and not self._commit(previous):
                    return False
                previous = batch
                if self.ports.clock.now() - self.started_at > running.HAND_OVER_AFTER:
                    self._hand_over(batch)
                    return False
        except Unavailable:  # what came until now is kept
            if previous is not None:
                self._commit(previous)
            raise
        return previous is None or self._commit(previous)

    def _hand_over(self, last: Batch) -> None:
        if self._commit(last):
            with self.ports.database.write() as session:
                running.hand_over(session, self.lease, now=self.ports.clock.now(), cursor=self.cursor)

    def _batches(self, phase: Phase, seen: set[str]) -> Iterator[Batch]:
        def fetch(page: int) -> Page[Any]:
            return phase.lister(self.connection_id, updated_from=self.since, page=page)

        for page in all_pages(fetch):
            rows = [phase.read(row) for row in page.rows]
            fresh = list({row.qonto_id: row for row in rows if row.qonto_id not in seen}.values())
            seen.update(row.qonto_id for row in rows)
            if page.page == 1:
                self.counts.total += page.total_count
            self._check_organization(rows)
            yield self._start(fresh, list(page.unreadable))

    def _start(self, rows: list[InvoiceRow], unreadable: list[tuple[str | None, str]]) -> Batch:
        """Decide each row and begin to fetch the files it needs."""
        with self.ports.database.read() as session:
            known = _known(session, self.connection_id, [row.qonto_id for row in rows])
            stored = _stored_attachments(session, [receipt.id for receipt in known.values()])
        batch = Batch(rows, unreadable, {}, {})
        for row in rows:
            decision = batch.decisions[row.qonto_id] = decide(row.facts, self.scope)
            receipt = known.get(row.qonto_id)
            if receipt is None and isinstance(decision, SkipReason):
                continue
            if receipt is not None and receipt.qonto_updated_at == row.updated_at and row.updated_at is not None:
                wanted = [a for a in row.attachments if (receipt.id, a) not in stored]
            else:
                wanted = list(row.attachments)
            batch.files[row.qonto_id] = [self._submit(attachment_id) for attachment_id in wanted]
        return batch

    def _submit(self, attachment_id: str) -> Future[Stored | NotHad]:
        return self.pool.submit(copy_context().run, self._fetch, attachment_id)

    def _fetch(self, attachment_id: str) -> Stored | NotHad:
        """Bytes first: download, look at the content, store. Runs in a thread."""
        try:
            with self.turns:
                file = self.ports.qonto.fetch(self.connection_id, attachment_id)
            media = sniff(file.content)
            sha256 = self.ports.storage.put(self.client_id, file.content)
            return Stored(attachment_id, sha256, len(file.content), media, safe_file_name(file.file_name, media))
        except ConsentEnded:
            raise
        except QontoError as error:
            return NotHad(attachment_id, error.code or "refused", not error.permanent or error.code in {"gone", "short_file"})
        except StorageError:
            return NotHad(attachment_id, "storage", is_waiting=True)

    def _check_organization(self, rows: list[InvoiceRow]) -> None:
        """Another organisation's rows are never committed (F13); the first rows tell which organisation this is."""
        found = {row.organization_id for row in rows if row.organization_id}
        if self.organization_id is None and len(found) == 1:
            learned = found.pop()
            with self.ports.database.write() as session:
                is_fitting = connecting.is_fitting(session, self.client_id, learned)
                if is_fitting:
                    connecting.learn_organization(session, self.connection_id, learned)
            if not is_fitting:
                connecting.refuse_organization(self.ports, self.connection_id)
            self.organization_id = learned
        elif found - {self.organization_id}:
            connecting.refuse_organization(self.ports, self.connection_id)

    # --- applying --------------------------------------------------------------------------------------------

    def _commit(self, batch: Batch) -> bool:
        """One page, one commit: receipts, documents, skips, progress, audit events. False: the connection ended."""
        files = {qonto_id: [future.result() for future in futures] for qonto_id, futures in batch.files.items()}
        now = self.ports.clock.now()
        with self.ports.database.write() as session:
            if not connecting.is_usable(session, self.connection_id):
                running.finish(session, self.lease, now=now, reason="disconnected", **self.counts.values())
                return False
            queue_up(session, self.client_id)  # receipts are numbered per client
            page = _Page(session, self, now, _known(session, self.connection_id, [row.qonto_id for row in batch.rows]).values())
            for row in batch.rows:
                page.apply(row, batch.decisions[row.qonto_id], files.get(row.qonto_id, []))
            for qonto_id, name in batch.unreadable:
                page.skip_unreadable(qonto_id, name)
            page.write()
            running.advance(session, self.lease, **self.counts.values())
        return True

    def _phase_done(self, phase: int) -> None:
        self.cursor = {**self.cursor, "phase": phase, "counts": self.counts.values()}
        with self.ports.database.write() as session:
            running.advance(session, self.lease, cursor=self.cursor)

    def _fetch_missing(self) -> int:
        """Files that earlier starts could not have. Returns how many still hold the run up."""
        with self.ports.database.read() as session:
            pending = list(
                session.scalars(
                    select(Receipt)
                    .where(Receipt.connection_id == self.connection_id, Receipt.document_state == "fetching")
                    .order_by(Receipt.created_at)
                )
            )
            stored = _stored_attachments(session, [receipt.id for receipt in pending])
        for start in range(0, len(pending), FILES_AT_ONCE):
            chunk = pending[start : start + FILES_AT_ONCE]
            futures = {
                receipt.id: [self._submit(a) for a in receipt.attachments if (receipt.id, a) not in stored]
                for receipt in chunk
                if receipt.updated_at < self.started_at  # tried by this start already
            }
            results = {receipt_id: [future.result() for future in found] for receipt_id, found in futures.items()}
            now = self.ports.clock.now()
            with self.ports.database.write() as session:
                queue_up(session, self.client_id)
                page = _Page(session, self, now, session.scalars(select(Receipt).where(Receipt.id.in_(results))))
                arrived = [page.attach(receipt, results[receipt.id]) for receipt in page.known]
                page.write()
                running.advance(session, self.lease, **self.counts.values())
                if any(arrived):
                    running.ask_followers(session, self.lease, now=now)
        with self.ports.database.read() as session:
            left = select(Receipt.id).where(
                Receipt.connection_id == self.connection_id, Receipt.document_state == "fetching",
                Receipt.document_tries < FILE_TRIES,
            )  # fmt: skip
            return len(list(session.scalars(left)))

    def _finish(self, waiting: int) -> None:
        now = self.ports.clock.now()
        with self.ports.database.write() as session:
            self.counts.failed = waiting
            connecting.note_success(
                session, self.connection_id, now=now, synced_until=datetime.fromisoformat(self.cursor["window_end"]),
                scope_start_on=self.scope.start_on,
            )  # fmt: skip
            if waiting:
                running.advance(session, self.lease, **self.counts.values())
                timing = self.ports.settings.timing
                followers = running.postpone(session, self.lease, now=now, timing=timing, reason="files_missing")
            else:
                followers = running.finish(session, self.lease, now=now, **self.counts.values())
        for run in followers:
            self.ports.queue.push(running.ticket(run, now=now))

    def _window_start(self, connection: Connection) -> datetime | None:
        """From when changes are asked for; None asks for everything: first time, or an earlier year was opened."""
        if connection.synced_until is None or self.scope.start_on is None:
            return connection.synced_until and connection.synced_until - OVERLAP
        if connection.scope_start_on is None or self.scope.start_on < connection.scope_start_on:
            return None
        return connection.synced_until - OVERLAP


class _Page:
    """The rows of one commit. They are collected and written in a few statements: the threads that fetch need the time."""

    def __init__(self, session: Session, job: _Import, now: datetime, known: Iterable[Receipt]) -> None:
        self.session, self.job, self.now = session, job, now
        self.counts = job.counts
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
        if receipt.created_at >= self.job.run_started_at:
            self.counts.new += 1
        elif changed or receipt.updated_at >= self.job.run_started_at:
            self.counts.updated += 1
        else:
            self.counts.unchanged += 1

    def attach(self, receipt: Receipt, files: list[Stored | NotHad]) -> bool:
        """Add the documents that arrived, note what is missing. True when a document is new."""
        held = self._held[receipt.id]
        preferred_view = next(iter(receipt.attachments[1:]), None)  # the readable twin of an XML e-invoice
        is_new = False
        for file in files:
            if isinstance(file, NotHad):
                continue
            if any(d.attachment_id == file.attachment_id and d.sha256 == file.sha256 for d in held):
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
                    SkippedInvoice.connection_id == self.job.connection_id, SkippedInvoice.qonto_id.in_(self._imported)
                ),
                execution_options={"synchronize_session": False},
            )  # fmt: skip
        insert = sqlite_insert if self.job.ports.database.is_sqlite else postgres_insert
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
        record_all(self.session, self.events, at=self.now, client_id=self.job.client_id)

    def skip_unreadable(self, qonto_id: str | None, name: str) -> None:
        """A row that contradicts itself is set aside; the others go on (F37, F38)."""
        self.counts.seen += 1
        self.counts.skipped[SkipReason.UNREADABLE] += 1
        log.warning("row_unreadable", connection=self.job.connection_id, row=qonto_id, field=name)
        if qonto_id:
            self._put_skip(
                qonto_id=qonto_id, kind="unknown", reason=SkipReason.UNREADABLE.value, number=None, counterparty=None,
                issued_on=None, qonto_updated_at=None,
            )  # fmt: skip

    def _new(self, row: InvoiceRow, decision: Eligibility) -> Receipt:
        if self._sequence is None:
            newest = select(Receipt.sequence).where(Receipt.client_id == self.job.client_id)
            self._sequence = self.session.scalar(newest.order_by(Receipt.sequence.desc()).limit(1)) or 0
        self._sequence += 1
        receipt = Receipt(
            id=new_id(), client_id=self.job.client_id, connection_id=self.job.connection_id, sequence=self._sequence,
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
        differing = [
            name for name, value in row.values.items()
            if getattr(receipt, name) != value and not (value is None and name in e_invoicing.FILLED)  # the e-invoice knew it
        ]  # fmt: skip
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
                "connection_id": self.job.connection_id,
                "client_id": self.job.client_id,
                "seen_at": self.now,
                **values,
            }
        )

    def _want_preview(self, document: Document, media: Media) -> None:
        self._previews.append(
            {
                "id": new_id(), "client_id": document.client_id, "sha256": document.sha256, "media_type": document.media_type,
                "state": "due" if media.is_readable else "impossible", "reason": None if media.is_readable else "type",
                "page_keys": [], "words": [],
            }
        )  # fmt: skip


def _known(session: Session, connection_id: str, qonto_ids: list[str]) -> dict[str, Receipt]:
    query = select(Receipt).where(Receipt.connection_id == connection_id, Receipt.qonto_id.in_(qonto_ids))
    return {receipt.qonto_id: receipt for receipt in session.scalars(query) if receipt.qonto_id}


def _stored_attachments(session: Session, receipt_ids: list[str]) -> set[tuple[str, str | None]]:
    """(receipt, attachment) of every stored document of these receipts."""
    found: set[tuple[str, str | None]] = set()
    for start in range(0, len(receipt_ids), 500):
        chunk = receipt_ids[start : start + 500]
        query = select(Document.receipt_id, Document.attachment_id).where(Document.receipt_id.in_(chunk))
        found.update((receipt_id, attachment_id) for receipt_id, attachment_id in session.execute(query))
    return found
