"""E-invoices on receipts: what they say fills what the bank left open, and whatever contradicts is shown, never settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.e_invoice import EInvoice
from portal.models import Document, Preview, Receipt
from portal.services import highlighting
from portal.services.auditing import Tag, queue_up, record_all

FILLED = ("number", "counterparty", "amount_cents", "currency", "issued_on", "due_on", "iban")
#: facts of a receipt that an e-invoice can tell; where the bank tells one too, the bank's stands


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
    """The newest e-invoice among a receipt's files; `files` in the order in which they are shown."""
    for document, preview in files:
        if preview is not None and preview.e_invoice:
            facts = EInvoice.of(preview.e_invoice)
            return Shown(facts, document, _differing(receipt, facts), _not_on_paper(receipt, facts, files[0][1]))
    return None


def fill_gaps(session: Session, client_id: str, *, now: datetime) -> int:
    """Fill what receipts in review lack and their newest e-invoice tells. Returns how many changed; asking again changes none.

    What is assigned was decided without these facts: there they are only shown.
    """
    lacking = or_(*(getattr(Receipt, name).is_(None) for name in FILLED))
    query = (
        select(Receipt, Preview.e_invoice)
        .join(Document, Document.receipt_id == Receipt.id)
        .join(Preview, (Preview.client_id == Document.client_id) & (Preview.sha256 == Document.sha256))
        .where(Receipt.client_id == client_id, Receipt.state == "in_review", Preview.e_invoice.is_not(None), lacking)
        .order_by(Document.version.desc())
    )
    queue_up(session, client_id)  # a person may be deciding about one of them
    changed: dict[str, set[str]] = {}
    for receipt, stored in session.execute(query):
        told = _as_receipt(receipt, EInvoice.of(stored))
        is_same_money = _is_same_money(receipt, told)
        for name in FILLED:
            if name in {"amount_cents", "currency"} and not is_same_money:
                continue
            if getattr(receipt, name) is None and told[name] is not None:
                setattr(receipt, name, told[name])
                changed.setdefault(receipt.id, set()).add(name)
        if receipt.id in changed:
            receipt.updated_at = now
    events: list[tuple[Tag, str, dict[str, object]]] = []
    for receipt_id, names in changed.items():
        session.get_one(Receipt, receipt_id).version += 1
        events.append((Tag.RECEIPT_CHANGED, f"receipt:{receipt_id}", {"fields": sorted(names)}))
    record_all(session, events, at=now, client_id=client_id)
    return len(changed)


def _is_same_money(receipt: Receipt, told: dict[str, Any]) -> bool:
    """An amount and its currency are one fact: half of it from here and half from there would be a third amount."""
    if told["amount_cents"] is None or told["currency"] is None:
        return False
    return receipt.currency in {None, told["currency"]} and receipt.amount_cents in {None, told["amount_cents"]}


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
