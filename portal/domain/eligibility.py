"""Which of the bank's invoices become receipts, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.domain.tax_years import Scope


class SkipReason(StrEnum):
    """Why an invoice is not imported (yet). A closed list: each has its words and its next step."""

    NOT_PAID = "not_paid"  #: neither paid nor linked to a transaction
    DRAFT = "draft"
    CANCELED = "canceled"
    NO_INVOICE = "no_invoice"  #: a document that is not among the supplier invoices
    BEFORE_PERIOD = "before_period"  #: both days lie before the earliest open tax year
    NO_OPEN_YEAR = "no_open_year"
    UNREADABLE = "unreadable"  #: a required field is missing or contradicts itself


class Eligibility(StrEnum):
    """Why an invoice is imported."""

    PAID = "paid"
    LINKED = "linked"


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """What the rule looks at. `status` is the bank's word."""

    status: str
    is_invoice: bool
    has_linked_transaction: bool
    issued_on: date | None
    paid_on: date | None


def decide(invoice: InvoiceFacts, scope: Scope) -> Eligibility | SkipReason:
    """Paid or linked to a transaction, an invoice or credit note, and of an open period (`tax_years`).

    The order of the questions is the order in which a client would ask them, so each reason names the first thing to change.
    """
    if not invoice.is_invoice:
        return SkipReason.NO_INVOICE
    if invoice.status == "draft":
        return SkipReason.DRAFT
    if invoice.status in {"canceled", "rejected", "discarded"} and not invoice.has_linked_transaction:
        return SkipReason.CANCELED
    if invoice.status != "paid" and not invoice.has_linked_transaction:
        return SkipReason.NOT_PAID
    if scope.start_on is None:
        return SkipReason.NO_OPEN_YEAR
    if not scope.includes(invoice.issued_on, invoice.paid_on):
        return SkipReason.BEFORE_PERIOD
    return Eligibility.PAID if invoice.status == "paid" else Eligibility.LINKED
