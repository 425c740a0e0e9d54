"""What documents say of their receipts: it fills what nobody else told, and whatever contradicts is shown, never settled.

An e-invoice says it in fields. Of an upload without one the words of its first page are read, by the labels beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.domain import document_text
from portal.e_invoice import EInvoice
from portal.models import Document, Preview, Receipt
from portal.services.auditing import Tag, queue_up, record_all
from portal.services.documents import highlighting

FILLED = ("number", "counterparty", "amount_cents", "currency", "issued_on", "due_on", "iban")
#: facts of a receipt that an e-invoice can tell; where the bank tells one too, the bank's stands
MONEY = {"amount_cents", "currency"}
READ = ("number", "amount_cents", "currency", "issued_on", "due_on", "iban")  #: … and the words of an upload


@dataclass(frozen=True, slots=True)
class Shown:
    """An e-invoice beside its receipt."""

    facts: EInvoice
    document: Document  #: the file that it was read from
    differing: tuple[str, ...]  #: facts of the receipt that the e-invoice tells otherwise
    not_on_paper: tuple[str, ...]  #: facts that the readable document does not show: number, amount

    @property
    def standard(self) -> str:
        """What people call this kind."""
        if self.document.media_type == "application/pdf":
            return "ZUGFeRD"
        return "XRechnung" if "xrechnung" in (self.facts.profile or "").lower() else self.facts.syntax


def shown(receipt: Receipt, files: Sequence[tuple[Document, Preview | None]]) -> Shown | None:
    """The newest e-invoice among a receipt's files; `files` in the order in which they are shown.

    In the file of a receipt that was split off it may be another's: then nothing contradicts.
    """
    for document, preview in files:
        if preview is not None and preview.e_invoice:
            facts = EInvoice.of(preview.e_invoice)
            if receipt.split_from is not None:
                return Shown(facts, document, (), ())
            return Shown(facts, document, _differing(receipt, facts), _not_on_paper(receipt, facts, files[0][1]))
    return None


def fill_gaps(session: Session, client_id: str, *, now: datetime) -> int:
    """Fill what nobody tells of receipts in review from their newest e-invoice, or from the words of an upload.

    Returns how many changed; asking again changes none. What is assigned was decided without these facts: there they are only
    shown. Of a receipt that was split off a person has read everything: what its file says is about the first invoice in it.
    """
    queue_up(session, client_id)  # a person may be deciding about one of them
    documents = (
        select(Receipt, Preview)
        .join(Document, Document.receipt_id == Receipt.id)
        .join(Preview, (Preview.client_id == Document.client_id) & (Preview.sha256 == Document.sha256))
        .where(Receipt.client_id == client_id, Receipt.state == "in_review", Receipt.split_from.is_(None))
        .order_by(Document.version)
    )
    is_upload = Receipt.connection_id.is_(None) & or_(*(getattr(Receipt, name).is_(None) for name in READ))
    words = documents.where(is_upload, Preview.e_invoice.is_(None), Preview.state == "ready")
    told = {receipt: _read(preview.words or ()) for receipt, preview in session.execute(words)}
    invoices = session.execute(documents.where(Preview.e_invoice.is_not(None)))
    told |= {receipt: _as_receipt(receipt, EInvoice.of(preview.e_invoice or {})) for receipt, preview in invoices}
    events: list[tuple[Tag, str, dict[str, object]]] = []
    for receipt, facts in told.items():
        found = {name: value for name, value in _fillable(receipt, facts).items() if getattr(receipt, name) != value}
        if not found:
            continue
        for name, value in found.items():
            setattr(receipt, name, value)
        receipt.filled = sorted({*receipt.filled, *found})
        receipt.updated_at, receipt.version = now, receipt.version + 1
        events.append((Tag.RECEIPT_CHANGED, f"receipt:{receipt.id}", {"fields": sorted(found)}))
    record_all(session, events, at=now, client_id=client_id)
    return len(events)


def still_filled(receipt: Receipt, told_by_bank: dict[str, Any]) -> set[str]:
    """Facts that the bank still leaves to the e-invoice."""
    names = {name for name in receipt.filled if told_by_bank[name] is None}
    return names if names >= MONEY else names - MONEY


def _read(words: Sequence[document_text.Word]) -> dict[str, Any]:
    """What the words of an upload's first page say. Whose invoice it is, nobody can tell from them."""
    facts = document_text.read(words)
    return {**dict.fromkeys(FILLED), **{name: getattr(facts, name) for name in READ}}


def _fillable(receipt: Receipt, told: dict[str, Any]) -> dict[str, Any]:
    """What a document may say of the receipt: whatever nobody else does.

    An amount and its currency are one fact: half of it from here and half from there would be a third amount.
    """
    told = dict(told)
    known = {name: None if name in receipt.filled else getattr(receipt, name) for name in FILLED}
    if None in {told[name] for name in MONEY} or any(known[name] not in {None, told[name]} for name in MONEY):
        told |= dict.fromkeys(MONEY)
    return {name: told[name] for name in FILLED if known[name] is None and told[name] is not None}


def _as_receipt(receipt: Receipt, facts: EInvoice) -> dict[str, Any]:
    """The e-invoice's facts in a receipt's words: the counterparty is the seller of an expense, the buyer of an income."""
    is_expense = receipt.direction == "expense"
    amount = facts.total_cents if facts.total_cents is not None else facts.payable_cents
    if amount is not None and receipt.kind == "credit_note":
        amount = -abs(amount)
    return {
        "number": facts.number, "counterparty": (facts.seller if is_expense else facts.buyer).name, "amount_cents": amount,
        "currency": facts.currency if amount is not None else None, "issued_on": facts.issued_on, "due_on": facts.due_on,
        "iban": facts.iban if is_expense else None,
    }  # fmt: skip


def _differing(receipt: Receipt, facts: EInvoice) -> tuple[str, ...]:
    """Names are left out: the same firm is spelled in many ways."""
    told = _as_receipt(receipt, facts)
    mine = {name: getattr(receipt, name) for name in ("number", "amount_cents", "currency", "issued_on", "iban")}
    return tuple(
        name
        for name, value in mine.items()
        if value is not None and told[name] is not None and _plain(value) != _plain(told[name])
    )


def _plain(value: object) -> object:
    """Numbers are written with and without hyphens and blanks."""
    return "".join(filter(str.isalnum, value)).casefold() if isinstance(value, str) else value


def _not_on_paper(receipt: Receipt, facts: EInvoice, view: Preview | None) -> tuple[str, ...]:
    """Only one page can be said to lack something: of longer documents the words of the others are not known."""
    if view is None or view.page_count != 1 or not view.words:
        return ()
    told = _as_receipt(receipt, facts)
    sought = highlighting.Facts(told["counterparty"], facts.number, None, None, told["amount_cents"])
    seen = {hit.field for hit in highlighting.places(sought, view.words)}
    wanted = {"number": facts.number, "amount": told["amount_cents"]}
    return tuple(name for name, value in wanted.items() if value and name not in seen)
