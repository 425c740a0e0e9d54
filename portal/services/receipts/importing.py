"""Importing documents: pages of invoices in, receipts with stored bytes out (`receiving` applies them).

A page is applied in one commit together with the run's progress; the connection's high-water mark moves after the last page.
A start after a crash lists the interrupted kind of invoices again from its first page: what is stored already costs nothing,
and rows that moved between pages while we were away cannot be missed. Files are fetched by threads, stored before their row,
and a file that could not be had leaves its receipt in `fetching`, to be tried by the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any, Protocol

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.eligibility import Eligibility, SkipReason, decide
from portal.domain.tax_years import Scope
from portal.errors import ConsentEnded, QontoError, ScopeMissing, StorageError, Unavailable
from portal.media import safe_file_name, sniff
from portal.models import Connection, Document, Receipt, Run
from portal.ports import Ports
from portal.qonto.client import Page, all_pages
from portal.services import running
from portal.services.auditing import Tag, queue_up, record
from portal.services.clients import engaging
from portal.services.connections import connecting
from portal.services.documents.documenting import DAMAGED
from portal.services.receipts.receipts_from_bank import InvoiceRow, from_client_invoice, from_credit_note, from_supplier_invoice
from portal.services.receipts.receiving import Arrivals, Counts, NotHad, Source, Stored
from portal.services.running import Lease

log = structlog.get_logger()

DOWNLOADS = 8  #: files that are asked for at the same time
STORING = 4  #: further threads: the bank is asked while finished files reach the disk
OVERLAP = timedelta(days=3)  #: rows may turn up late with an older `updated_at` (F32)
FILE_TRIES = 3  #: then the file no longer holds the run up; it is tried once a day
FILES_AT_ONCE = 200


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
    kind: str  #: of its receipts
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
        self.connection, self.trigger = connection, run.trigger
        self.connection_id, self.client_id = connection.id, connection.client_id
        self.started_at = ports.clock.now()
        self.run_started_at = run.started_at or self.started_at
        self.cursor = _continued(run.cursor, scope)
        self.cursor.setdefault("window_end", self.started_at.isoformat())
        self.cursor.setdefault("is_full", self._is_everything_due(connection))  # a later start goes on as this one began
        self.since = None if self.cursor["is_full"] or connection.synced_until is None else connection.synced_until - OVERLAP
        self.counts = Counts.of(self.cursor.get("counts", {}))
        self.source = Source(self.client_id, self.connection_id, self.run_started_at, self.counts)
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
        """All phases, then the files still missing, then the end. A list that the bank refuses does not stop the others (F10)."""
        phases = (
            Phase("supplier_invoices", "supplier_invoice", self.ports.qonto.supplier_invoices, from_supplier_invoice),
            Phase("client_invoices", "client_invoice", self.ports.qonto.client_invoices, from_client_invoice),
            Phase("credit_notes", "credit_note", self.ports.qonto.credit_notes, from_credit_note),
        )
        with self.ports.database.write() as session:
            running.advance(session, self.lease, cursor=self.cursor)
            connecting.note_attempt(session, self.connection_id, now=self.started_at)
        try:
            if not self._look_again({phase.kind: phase for phase in phases}):
                return
            for number, phase in enumerate(phases):
                if number < int(self.cursor.get("phase", 0)):
                    continue
                try:
                    if not self._list(phase):
                        return
                except ScopeMissing as error:  # kept with the progress: a later start must not take this list for done
                    self.cursor = {**self.cursor, "refused": [error.code, error.request_id]}
                self._phase_done(number + 1)
            waiting = self._fetch_missing()
        finally:
            self.pool.shutdown(cancel_futures=True)
        if self.is_stopped():
            return
        if refused := self.cursor.get("refused"):
            raise ScopeMissing(
                "Qonto does not allow this with the rights that were granted.", code=refused[0], request_id=refused[1]
            )
        if self.since is None:
            with self.ports.database.read() as session:
                connecting.refuse_shrunk(session, self.connection, listed=self.counts.total, trigger=self.trigger)
        self._finish(waiting)

    def _look_again(self, phases: dict[str, Phase]) -> bool:
        """Receipts that somebody asked for: row and files once more, whatever the bank's dates say. False: stopped."""
        while wanted := list(self.cursor.get("again", [])):
            with self.ports.database.read() as session:
                receipt = session.get_one(Receipt, wanted[0])
            phase = phases[receipt.kind]
            try:
                row = phase.read(self.ports.qonto.invoice(self.connection_id, phase.name, receipt.qonto_id or ""))
            except QontoError as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
                with self.ports.database.write() as session:
                    now = self.ports.clock.now()
                    record(session, Tag.RECEIPT_MISSING, subject=f"receipt:{receipt.id}", at=now, client_id=self.client_id)
            else:
                self._check_organization([row])
                if not self._commit(self._start([row], [], is_forced=True)):
                    return False
            self.cursor = {**self.cursor, "again": wanted[1:]}
            with self.ports.database.write() as session:
                running.advance(session, self.lease, cursor=self.cursor)
        return True

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
        except (Unavailable, ScopeMissing):  # what came until now is kept
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

    def _start(self, rows: list[InvoiceRow], unreadable: list[tuple[str | None, str]], *, is_forced: bool = False) -> Batch:
        """Decide each row and begin to fetch the files it needs, or (`is_forced`) all that it has."""
        with self.ports.database.read() as session:
            known = _known(session, self.connection_id, [row.qonto_id for row in rows])
            stored = _stored_attachments(session, [receipt.id for receipt in known.values()])
        batch = Batch(rows, unreadable, {}, {})
        for row in rows:
            decision = batch.decisions[row.qonto_id] = decide(row.facts, self.scope)
            receipt = known.get(row.qonto_id)
            if receipt is None and isinstance(decision, SkipReason):
                continue
            is_known = receipt is not None and receipt.qonto_updated_at == row.updated_at and row.updated_at is not None
            if receipt is not None and is_known and not is_forced:
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
            page = Arrivals(
                session, self.source, now, _known(session, self.connection_id, [row.qonto_id for row in batch.rows]).values()
            )
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
                receipt.id: [
                    self._submit(a)
                    for a in receipt.attachments
                    if (receipt.id, a) not in stored or receipt.document_problem == DAMAGED
                ]
                for receipt in chunk
                if receipt.updated_at < self.started_at  # tried by this start already
            }
            results = {receipt_id: [future.result() for future in found] for receipt_id, found in futures.items()}
            now = self.ports.clock.now()
            with self.ports.database.write() as session:
                queue_up(session, self.client_id)
                page = Arrivals(session, self.source, now, session.scalars(select(Receipt).where(Receipt.id.in_(results))))
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
                scope_start_on=self.scope.start_on, listed=self.counts.total if self.since is None else None,
            )  # fmt: skip
            if waiting:
                running.advance(session, self.lease, **self.counts.values())
                timing = self.ports.settings.timing
                followers = running.postpone(session, self.lease, now=now, timing=timing, reason="files_missing")
            else:
                followers = running.finish(session, self.lease, now=now, **self.counts.values())
        for run in followers:
            self.ports.queue.push(running.ticket(run, now=now))

    def _is_everything_due(self, connection: Connection) -> bool:
        """The first time, once a week, and when an earlier year was opened; else only changes are asked for."""
        if connection.synced_until is None or connecting.is_full_listing_due(connection, now=self.started_at):
            return True
        start_on, known_on = self.scope.start_on, connection.scope_start_on
        return start_on is not None and (known_on is None or start_on < known_on)


def _continued(cursor: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """Where an earlier start got to; from the beginning, if a tax year was opened or completed since."""
    start_on = scope.start_on.isoformat() if scope.start_on else None
    if cursor.get("start_on", start_on) != start_on:
        cursor = {name: cursor[name] for name in ("handovers", "again") if name in cursor}
    return {**cursor, "start_on": start_on}


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
