"""What the bank's three kinds of invoices have in common: one shape for the import."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from portal.clock import berlin_day
from portal.domain.eligibility import InvoiceFacts
from portal.qonto.schema import ClientInvoice, CreditNote, SupplierInvoice


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice or credit note as the import sees it. Cents are signed: a credit note is negative."""

    qonto_id: str
    organization_id: str | None
    kind: str  #: supplier_invoice, client_invoice, credit_note
    direction: str  #: expense, income
    status: str
    is_invoice: bool
    number: str | None
    counterparty: str | None
    amount_cents: int | None
    currency: str | None
    issued_on: date | None
    due_on: date | None
    paid_on: date | None
    iban: str | None
    linked_transactions: tuple[str, ...]
    attachments: tuple[str, ...]  #: the original, then the version to look at where it is another file (XML e-invoices)
    updated_at: datetime | None

    @property
    def facts(self) -> InvoiceFacts:
        """What eligibility looks at."""
        return InvoiceFacts(self.status, self.is_invoice, bool(self.linked_transactions), self.issued_on, self.paid_on)

    @property
    def values(self) -> dict[str, object]:
        """The columns of a receipt that follow the source."""
        return {
            "kind": self.kind, "direction": self.direction, "number": self.number, "counterparty": self.counterparty,
            "amount_cents": self.amount_cents, "currency": self.currency, "issued_on": self.issued_on, "due_on": self.due_on,
            "paid_on": self.paid_on, "iban": self.iban, "source_status": self.status,
            "linked_transactions": list(self.linked_transactions), "attachments": list(self.attachments),
            "qonto_updated_at": self.updated_at,
        }  # fmt: skip


MATERIAL = ("direction", "number", "counterparty", "amount_cents", "currency", "issued_on", "iban", "source_status")
#: a change of one of these may make an assignment wrong; dates of payment and links are only evidence


def from_supplier_invoice(row: SupplierInvoice) -> InvoiceRow:
    """An expense; the bank keeps suppliers' credit notes among the invoices."""
    amount = row.amount_cents
    if amount is not None and row.is_credit_note:
        amount = -abs(amount)
    return InvoiceRow(
        qonto_id=row.id, organization_id=row.organization_id, kind="credit_note" if row.is_credit_note else "supplier_invoice",
        direction="expense", status=row.status, is_invoice=row.is_invoice, number=row.number, counterparty=row.counterparty,
        amount_cents=amount, currency=row.currency, issued_on=row.issued_on, due_on=row.due_on, paid_on=row.paid_on,
        iban=row.iban, linked_transactions=row.linked_transactions, attachments=row.attachment_ids, updated_at=row.updated_at,
    )  # fmt: skip


def from_client_invoice(row: ClientInvoice) -> InvoiceRow:
    """Income. The bank documents no link to a transaction for these."""
    return InvoiceRow(
        qonto_id=row.id, organization_id=row.organization_id, kind="client_invoice", direction="income", status=row.status,
        is_invoice=True, number=row.number, counterparty=row.counterparty, amount_cents=row.amount_cents,
        currency=row.currency, issued_on=row.issued_on, due_on=row.due_on,
        paid_on=berlin_day(row.paid_at) if row.paid_at else None, iban=None, linked_transactions=(),
        attachments=(row.attachment_id,) if row.attachment_id else (), updated_at=row.updated_at,
    )  # fmt: skip


def from_credit_note(row: CreditNote) -> InvoiceRow:
    """A credit note to a customer. It has no status: once issued it documents a movement, so it counts as paid."""
    return InvoiceRow(
        qonto_id=row.id, organization_id=row.organization_id, kind="credit_note", direction="income", status="paid",
        is_invoice=True, number=row.number, counterparty=row.counterparty,
        amount_cents=-abs(row.amount_cents) if row.amount_cents is not None else None, currency=row.currency,
        issued_on=row.issued_on, due_on=None, paid_on=None, iban=None, linked_transactions=(),
        attachments=(row.attachment_id,) if row.attachment_id else (), updated_at=row.updated_at,
    )  # fmt: skip
