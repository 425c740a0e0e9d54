"""From the bank's JSON to frozen rows that hold only what we need: papers, transactions, accounts.

Unknown fields are ignored, unknown enum values kept as text, `""` means null (`fields`). A row that lacks a required field or
contradicts itself raises `UnexpectedPayload(field)`: the caller sets that row aside, the others go on. Notes, tags, categories
and labels of the bank's users are never read. What the bank answers to payments is in `payment_schema`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from portal.errors import UnexpectedPayload
from portal.qonto.fields import Json, day, moment, money_of, required, text, whole_cents

OPEN_STATUSES = ("to_review", "to_approve", "to_pay", "awaiting_payment")  #: of supplier invoices nobody has paid yet
INVOICE_CATEGORIES = {"INVOICE", "CREDIT_NOTE"}
COUNTERPARTY_DETAILS = ("transfer", "income", "swift_income", "direct_debit", "direct_debit_collection")


@dataclass(frozen=True, slots=True)
class SupplierInvoice:
    """A document of the supplier invoice list: usually an invoice (`is_invoice`), sometimes any other paper."""

    id: str
    organization_id: str | None
    status: str
    is_invoice: bool
    is_credit_note: bool
    number: str | None
    counterparty: str | None
    amount_cents: int | None
    currency: str | None
    issued_on: date | None
    due_on: date | None
    paid_on: date | None
    iban: str | None
    linked_transactions: tuple[str, ...]
    attachment_ids: tuple[str, ...]  #: the original, then the version to look at where it is another file
    display_attachment_id: str | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClientInvoice:
    """An invoice to a customer. `attachment_id` is None until the bank has made the PDF."""

    id: str
    organization_id: str | None
    status: str
    number: str | None
    counterparty: str | None
    amount_cents: int | None
    currency: str | None
    issued_on: date | None
    due_on: date | None
    paid_at: datetime | None
    attachment_id: str | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A credit note to a customer; the bank prints its amount without a sign."""

    id: str
    organization_id: str | None
    number: str | None
    counterparty: str | None
    amount_cents: int | None
    currency: str | None
    issued_on: date | None
    attachment_id: str | None
    updated_at: datetime | None  #: else when it was finalized, else created: the bank documents no change of one


@dataclass(frozen=True, slots=True)
class Transaction:
    """A movement. `amount_cents` is positive, `side` is debit or credit; `settled_at` is None unless it is booked."""

    id: str
    side: str
    amount_cents: int
    currency: str
    local_amount_cents: int | None
    local_currency: str | None
    status: str
    emitted_at: datetime | None
    settled_at: datetime | None
    updated_at: datetime | None
    counterparty: str | None
    counterparty_iban: str | None
    remittance: str | None
    operation_type: str | None
    balance_after_cents: int | None


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account of the organisation. `iban` and `balance_cents` are None where the member's role hides them."""

    id: str
    iban: str | None
    name: str
    currency: str
    balance_cents: int | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class Organization:
    """Whose consent this is, with its own accounts."""

    id: str
    name: str | None
    bank_accounts: tuple[BankAccount, ...]


@dataclass(frozen=True, slots=True)
class PayableInvoice:
    """A supplier invoice that may be paid. `is_payable` None: the bank does not say; `amount_cents`: what is left to pay."""

    id: str
    status: str
    is_invoice: bool
    is_credit_note: bool
    number: str | None
    creditor: str | None
    iban: str | None
    amount_cents: int | None
    currency: str | None
    due_on: date | None
    attachment_id: str | None
    is_payable: bool | None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file of the bank: `url` opens it for half an hour and is a secret."""

    id: str
    file_name: str
    size: int | None
    url: str

    def __repr__(self) -> str:
        """Without the address: whoever has it can read the file."""
        return f"Attachment(id={self.id!r}, size={self.size!r})"


def supplier_invoice(row: Json) -> SupplierInvoice:
    """One row of `GET /v2/supplier_invoices`."""
    amount_cents, currency = money_of(row, "total_amount")
    original, shown = text(row, "attachment_id"), text(row, "display_attachment_id")
    is_credit_note = row.get("is_credit_note") is True or row.get("attachment_category") == "CREDIT_NOTE"
    return SupplierInvoice(
        id=required(row, "id"),
        organization_id=text(row, "organization_id"),
        status=required(row, "status"),
        is_invoice=is_credit_note or _is_invoice(row),
        is_credit_note=is_credit_note,
        number=text(row, "invoice_number"),
        counterparty=text(row, "supplier_name") or text(row, "issuer_name"),
        amount_cents=amount_cents,
        currency=currency,
        issued_on=day(row, "issue_date"),
        due_on=day(row, "due_date"),
        paid_on=day(row, "payment_date"),
        iban=text(row, "iban"),
        linked_transactions=_linked(row),
        attachment_ids=tuple(dict.fromkeys(value for value in (original, shown) if value)),
        display_attachment_id=shown,
        updated_at=moment(row, "updated_at"),
    )


def client_invoice(row: Json) -> ClientInvoice:
    """One row of `GET /v2/client_invoices`."""
    amount_cents, currency = money_of(row, "total_amount")
    return ClientInvoice(
        id=required(row, "id"),
        organization_id=_organization_of(row),
        status=required(row, "status"),
        number=text(row, "number") or text(row, "invoice_number"),
        counterparty=_customer(row),
        amount_cents=amount_cents,
        currency=currency or text(row, "currency"),
        issued_on=day(row, "issue_date"),
        due_on=day(row, "due_date"),
        paid_at=moment(row, "paid_at"),
        attachment_id=text(row, "attachment_id"),
        updated_at=moment(row, "updated_at"),
    )


def credit_note(row: Json) -> CreditNote:
    """One row of `GET /v2/credit_notes`."""
    amount_cents, currency = money_of(row, "total_amount")
    return CreditNote(
        id=required(row, "id"),
        organization_id=_organization_of(row),
        number=text(row, "number"),
        counterparty=_customer(row),
        amount_cents=amount_cents,
        currency=currency or text(row, "currency"),
        issued_on=day(row, "issue_date"),
        attachment_id=text(row, "attachment_id"),
        updated_at=moment(row, "updated_at") or moment(row, "finalized_at") or moment(row, "created_at"),
    )


def transaction(row: Json) -> Transaction:
    """One row of `GET /v2/transactions`."""
    side, status = required(row, "side"), required(row, "status")
    if side not in {"debit", "credit"}:
        raise UnexpectedPayload("side")
    amount_cents = whole_cents(row, "amount_cents", beside="amount")
    if amount_cents is None or amount_cents <= 0:
        raise UnexpectedPayload("amount_cents")
    settled_at = moment(row, "settled_at")
    if status == "completed" and settled_at is None:
        raise UnexpectedPayload("settled_at")
    return Transaction(
        id=required(row, "id"),
        side=side,
        amount_cents=amount_cents,
        currency=required(row, "currency"),
        local_amount_cents=whole_cents(row, "local_amount_cents", beside="local_amount"),
        local_currency=text(row, "local_currency"),
        status=status,
        emitted_at=moment(row, "emitted_at"),
        settled_at=settled_at,
        updated_at=moment(row, "updated_at"),
        counterparty=text(row, "label") or text(row, "clean_counterparty_name"),
        counterparty_iban=_counterparty_iban(row),
        remittance=text(row, "reference"),
        operation_type=text(row, "operation_type"),
        balance_after_cents=whole_cents(row, "settled_balance_cents", beside="settled_balance"),
    )


def organization(row: Json) -> Organization:
    """The answer of `GET /v2/organization`; without an id of its own the accounts tell it, else the slug does."""
    listed = row.get("bank_accounts")
    if not isinstance(listed, list):
        raise UnexpectedPayload("bank_accounts")
    accounts = [account for account in listed if isinstance(account, dict)]
    owners = {text(account, "organization_id") for account in accounts} - {None}
    organization_id = text(row, "id") or (owners.pop() if len(owners) == 1 else None) or required(row, "slug")
    return Organization(
        id=organization_id,
        name=text(row, "legal_name") or text(row, "name"),
        bank_accounts=tuple(_bank_account(account) for account in accounts),
    )


def payable_invoice(row: Json) -> PayableInvoice:
    """One row of `GET /v2/supplier_invoices`, as somebody sees it who wants to pay it."""
    amount_cents, currency = money_of(row, "payable_amount")
    if amount_cents is None:
        amount_cents, currency = money_of(row, "total_amount")
    actions = row.get("available_actions")
    can_pay = actions.get("pay") if isinstance(actions, dict) else None
    is_credit_note = row.get("is_credit_note") is True or row.get("attachment_category") == "CREDIT_NOTE"
    return PayableInvoice(
        id=required(row, "id"),
        status=required(row, "status"),
        is_invoice=_is_invoice(row),
        is_credit_note=is_credit_note,
        number=text(row, "invoice_number"),
        creditor=text(row, "supplier_name") or text(row, "issuer_name"),
        iban=text(row, "iban"),
        amount_cents=amount_cents,
        currency=currency,
        due_on=day(row, "due_date"),
        attachment_id=text(row, "attachment_id"),
        is_payable=can_pay if isinstance(can_pay, bool) else None,
    )


def attachment(row: Json) -> Attachment:
    """The answer of `GET /v2/attachments/{id}`. The size comes as a string or a number."""
    size = row.get("file_size")
    if isinstance(size, str) and size.isdecimal():
        size = int(size)
    return Attachment(
        id=required(row, "id"),
        file_name=text(row, "file_name") or "",
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        url=required(row, "url"),
    )


def _is_invoice(row: Json) -> bool:
    """Either sign is enough; a row that carries neither yet counts as what the list is named after."""
    category, is_invoice = row.get("attachment_category"), row.get("is_attachment_invoice")
    if category in INVOICE_CATEGORIES or is_invoice is True:
        return True
    return is_invoice is None and category in (None, "", "UNKNOWN") and row.get("is_attachment_non_financial") is not True


def _linked(row: Json) -> tuple[str, ...]:
    """Transactions that the bank itself matched: plain ids (its documentation) or objects (its answers)."""
    matched = row.get("matched_transactions") or ()
    if not isinstance(matched, (list, tuple)):
        raise UnexpectedPayload("matched_transactions")
    ids = [entry.get("transaction_id") if isinstance(entry, dict) else entry for entry in matched]
    return tuple(dict.fromkeys(entry for entry in ids if isinstance(entry, str) and entry))


def _organization_of(row: Json) -> str | None:
    nested = row.get("organization")
    return text(row, "organization_id") or (text(nested, "id") if isinstance(nested, dict) else None)


def _customer(row: Json) -> str | None:
    """A company's name, or a person's two."""
    client = row.get("client")
    if not isinstance(client, dict):
        return None
    names = (text(client, "first_name"), text(client, "last_name"))
    return text(client, "name") or " ".join(name for name in names if name) or None


def _counterparty_iban(row: Json) -> str | None:
    for kind in COUNTERPARTY_DETAILS:
        detail = row.get(kind)
        if isinstance(detail, dict) and detail.get("counterparty_account_number_format") in (None, "IBAN"):
            return text(detail, "counterparty_account_number")
    return None


def _bank_account(row: Json) -> BankAccount:
    return BankAccount(
        id=required(row, "id"),
        iban=text(row, "iban"),
        name=text(row, "name") or "",
        currency=text(row, "currency") or "EUR",
        balance_cents=whole_cents(row, "balance_cents", beside="balance"),
        is_active=text(row, "status") != "closed",
    )
