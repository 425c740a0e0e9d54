"""Receipts that somebody brings by hand: beside the sync, in the same lists, held to stricter rules by the matcher."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.matching import Allocation
from portal.errors import AlreadyAssigned, NotFound, Rejected
from portal.media import Media, safe_file_name, sniff
from portal.models import Client, Document, Preview, Receipt, Role, Transaction
from portal.ports import Ports
from portal.services import finding, running
from portal.services.assignments import assigning
from portal.services.auditing import Tag, queue_up, record
from portal.services.finding import Actor

LARGEST = 25 * 1024 * 1024
INVOICES = {"expense": "supplier_invoice", "income": "client_invoice"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the person knows of the receipt; everything but the direction may be left out. Cents as on paper."""

    direction: str  #: expense, income
    amount_cents: int | None = None
    currency: str = "EUR"
    issued_on: date | None = None
    number: str | None = None
    counterparty: str | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """Bytes of a kind that pages can show, with a harmless name."""

    content: bytes
    media: Media
    file_name: str


def upload(
    ports: Ports, actor: Actor, *, client_id: str, file_name: str, content: bytes, facts: Facts, transaction_id: str = ""
) -> str:  # fmt: skip
    """Store a file as a receipt in review; its id. The same bytes again are kept and flagged, never dropped.

    With a transaction it is assigned to what is open of it; a client's assignment is marked for the firm to check. If somebody
    else was faster, the receipt is in review all the same.

    Errors: Rejected for an empty or too large file and for a kind that no page can show or read; NotFound for a foreign client.
    """
    if not content:
        raise Rejected("This file is empty.")
    if len(content) > LARGEST:
        raise Rejected("This file is too large: 25 MB at most.")
    media = sniff(content)
    if media is Media.UNKNOWN:
        raise Rejected("This is none of the files that we can take: PDF, JPEG, PNG, TIFF, WebP or an XML e-invoice.")
    with ports.database.read() as session:
        client = finding.client(session, actor, client_id)
        if transaction_id:
            facts = _completed(session, finding.transaction(session, actor, transaction_id), client, facts)
    paper = Paper(content, media, safe_file_name(file_name, media))
    return keep(ports, actor, client_id=client.id, paper=paper, facts=facts, transaction_id=transaction_id)


def keep(
    ports: Ports, actor: Actor, *, client_id: str, paper: Paper, facts: Facts, transaction_id: str = "", is_own: bool = False
) -> str:  # fmt: skip
    """Make a receipt of bytes that are known to be fit, and look for what belongs to it; its id.

    `is_own`: the client writes it himself in place of one that he cannot have (Eigenbeleg), so it must not come beside another.
    Errors: NotFound; AlreadyAssigned, for an own receipt only, when the transaction has not enough left.
    """
    sha256 = ports.storage.put(client_id, paper.content)  # bytes first
    now = ports.clock.now()
    with ports.database.write() as session:
        client = finding.client(session, actor, client_id)
        queue_up(session, client.id)  # receipts are numbered per client
        if is_own:
            _require_room(session, finding.transaction(session, actor, transaction_id), facts)
        receipt = by_hand(
            session, client.id, facts, kind="own_receipt" if is_own else INVOICES[facts.direction], source="uploaded", now=now
        )
        receipt.duplicate_of = _same_content(session, client.id, sha256)
        if receipt.duplicate_of:
            receipt.review_reason = "duplicate_suspected"
        session.add(receipt)
        session.flush()
        document = Document(
            id=new_id(), client_id=client.id, receipt_id=receipt.id, attachment_id=None, version=1, sha256=sha256,
            size=len(paper.content), media_type=paper.media.media_type, file_name=paper.file_name, fetched_at=now,
        )  # fmt: skip
        session.add(document)
        if not _has_preview(session, client.id, sha256):
            session.add(Preview(id=new_id(), client_id=client.id, sha256=sha256, media_type=paper.media.media_type, state="due"))
        session.flush()
        tag, told = (
            (Tag.RECEIPT_WRITTEN, {"transaction": transaction_id}) if is_own
            else (Tag.RECEIPT_UPLOADED, {"duplicate_of": receipt.duplicate_of})
        )  # fmt: skip
        record(session, tag, subject=f"receipt:{receipt.id}", at=now, client_id=client.id, sha256=sha256, **told)
        if transaction_id:
            _assign(session, actor, receipt, finding.transaction(session, actor, transaction_id), now)
        runs = [
            running.request(session, client_id=client.id, kind=kind, trigger="change", now=now)
            for kind in ("matching", "previews")
        ]
    for run in runs:
        ports.queue.push(running.ticket(run, now=now))
    return receipt.id


def by_hand(session: Session, client_id: str, facts: Facts, *, kind: str, source: str, now: datetime) -> Receipt:
    """A receipt in review that no bank knows, with the client's next number; not added to the session yet."""
    return Receipt(
        id=new_id(), client_id=client_id, connection_id=None, qonto_id=None,
        sequence=1 + (session.scalar(select(func.max(Receipt.sequence)).where(Receipt.client_id == client_id)) or 0),
        kind=kind, direction=facts.direction, number=facts.number, counterparty=facts.counterparty,
        amount_cents=facts.amount_cents, currency=facts.currency if facts.amount_cents is not None else None,
        issued_on=facts.issued_on, source_status=source, eligibility=source, linked_transactions=[], attachments=[],
        state="in_review", review_reason="amount_missing" if facts.amount_cents is None else "no_transaction_yet",
        in_review_since=now, document_state="complete", document_tries=0, version=1, is_changed_at_source=False,
        created_at=now, updated_at=now,
    )  # fmt: skip


def _completed(session: Session, transaction: Transaction, client: Client, facts: Facts) -> Facts:
    """What was left open is read off the transaction that the receipt belongs to."""
    if transaction.client_id != client.id:
        raise NotFound
    return replace(
        facts, direction="income" if transaction.side == "credit" else "expense",
        amount_cents=facts.amount_cents if facts.amount_cents is not None or transaction.currency != "EUR"
        else assigning.open_cents(session, transaction) or transaction.amount_cents,
        counterparty=facts.counterparty or transaction.counterparty,
    )  # fmt: skip


def _require_room(session: Session, transaction: Transaction, facts: Facts) -> None:
    if transaction.status != "booked" or assigning.open_cents(session, transaction) < (facts.amount_cents or 0):
        raise AlreadyAssigned("This transaction has a receipt meanwhile. An own receipt is not needed any more.")


def _assign(session: Session, actor: Actor, receipt: Receipt, transaction: Transaction, now: datetime) -> None:
    room = assigning.open_cents(session, transaction)
    if room <= 0 or transaction.status != "booked":
        return
    cents = min(abs(receipt.amount_cents), room) if receipt.amount_cents else room
    assigning.assign(
        session, receipt=receipt, allocations=[Allocation(transaction.id, cents)], seen_version=receipt.version, now=now,
        is_to_check=actor.role is Role.CLIENT,
    )  # fmt: skip


def _same_content(session: Session, client_id: str, sha256: str) -> str | None:
    """The first receipt of the client with these bytes; where that is a part of another one, that."""
    query = (
        select(func.coalesce(Receipt.merged_into, Receipt.id))
        .join(Document, Document.receipt_id == Receipt.id)
        .where(Document.client_id == client_id, Document.sha256 == sha256)
    )
    return session.scalar(query.order_by(Document.fetched_at, Document.id).limit(1))


def _has_preview(session: Session, client_id: str, sha256: str) -> bool:
    return bool(session.scalar(select(Preview.id).where(Preview.client_id == client_id, Preview.sha256 == sha256)))
