"""Whole rows, field by field, as the API shows them: what is not given gets what the live service usually sends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal.simulator.clock import stamp
from portal.simulator.names import Row, cents_of, decimal, money, uid


def supplier_invoice(row_id: str, organization_id: str, now: datetime, given: Row) -> Row:
    """A supplier invoice. `attachment_id` and `display_attachment_id` must be given."""
    written = stamp(now)
    return {
        "id": row_id,
        "organization_id": organization_id,
        "status": "to_review",
        "source_type": "email",
        "source": "email_forward",
        "file_name": "rechnung.pdf",
        "attachment_id": None,
        "display_attachment_id": None,
        "supplier_id": None,
        "supplier_name": None,
        "issuer_name": given.get("supplier_name"),
        "invoice_number": None,
        "description": "",
        "iban": None,
        "vat_number": None,
        "tin_number": None,
        "total_amount": None,
        "total_amount_excluding_taxes": None,
        "total_tax_amount": None,
        "payable_amount": given.get("total_amount"),
        "total_amount_credit_notes": None,
        "taxes": [],
        "issue_date": None,
        "due_date": None,
        "payment_date": None,
        "scheduled_date": None,
        "created_at": written,
        "updated_at": written,
        "analyzed_at": written,
        "initiator_id": None,
        "is_einvoice": False,
        "e_invoice_type": None,
        "is_credit_note": False,
        "is_attachment_invoice": True,
        "is_attachment_non_financial": False,
        "attachment_category": "INVOICE",
        "has_duplicates": False,
        "has_discrepancies": False,
        "has_suggested_credit_notes": False,
        "declined_note": "",
        "matched_transactions": [],
        "transfer_ids": [],
        "related_invoices": [],
        "request_transfer": None,
        "self_invoice_id": None,
        "available_actions": {"delete": False, "archive": True, "unarchive": False, "pay": False, "reasons": {}},
        "approval_workflow": None,
        "einvoicing_lifecycle_events": None,
        "meta": None,
        **given,
    }


def client_invoice(row_id: str, organization_id: str, now: datetime, given: Row) -> Row:
    """An invoice to a customer."""
    written, cents = stamp(now), cents_of(given.get("total_amount")) or 0
    return {
        "id": row_id,
        "organization_id": organization_id,
        "number": None,
        "purchase_order": "",
        "status": "draft",
        "invoice_type": "standard",
        "attachment_id": None,
        "invoice_url": None,
        "contact_email": None,
        "terms_and_conditions": "",
        "header": "",
        "footer": "",
        "discount_conditions": None,
        "late_payment_penalties": None,
        "legal_fixed_compensation": None,
        "currency": "EUR",
        "total_amount": money(cents),
        "total_amount_cents": cents,
        "vat_amount": money(0),
        "vat_amount_cents": cents_of(given.get("vat_amount")) or 0,
        "amount_paid": money(cents if given.get("status") == "paid" else 0),
        "issue_date": None,
        "due_date": None,
        "performance_date": None,
        "performance_start_date": None,
        "performance_end_date": None,
        "created_at": written,
        "updated_at": written,
        "finalized_at": None,
        "paid_at": None,
        "stamp_duty_amount": None,
        "items": None,
        "client": {"id": uid(row_id, "client"), "type": "company", "name": "Muster GmbH"},
        "payment_methods": [],
        "credit_notes_ids": [],
        "organization": {"id": organization_id},
        "einvoicing_status": None,
        **given,
    }


def credit_note(row_id: str, organization_id: str, now: datetime, given: Row) -> Row:
    """A credit note to a customer."""
    written, cents = stamp(now), cents_of(given.get("total_amount")) or 0
    return {
        "id": row_id,
        "organization_id": organization_id,
        "number": f"GS-{row_id[:6]}",
        "issue_date": written[:10],
        "currency": "EUR",
        "total_amount": money(cents),
        "total_amount_cents": cents,
        "vat_amount": money(0),
        "vat_amount_cents": cents_of(given.get("vat_amount")) or 0,
        "created_at": written,
        "updated_at": written,
        "finalized_at": written,
        "items": [],
        "client": {"id": uid(row_id, "client"), "type": "company", "name": "Muster GmbH"},
        **given,
    }


def transaction(row_id: str, now: datetime, given: Row) -> Row:
    """A movement on an account. `bank_account_id` must be given; `amount_cents` leads, `amount` follows."""
    given_cents = given.get("amount_cents")
    cents: int = round(float(given.get("amount", 1)) * 100) if given_cents is None else given_cents
    status = given.get("status", "completed")
    written = stamp(now)
    row = {
        "id": row_id,
        "transaction_id": f"transaction-{row_id[:8]}",
        "amount": cents / 100,
        "amount_cents": cents,
        "settled_balance": None,
        "settled_balance_cents": None,
        "attachment_ids": [],
        "logo": None,
        "local_amount": given.get("local_amount_cents", cents) / 100,
        "local_amount_cents": cents,
        "side": "debit",
        "operation_type": "transfer",
        "currency": "EUR",
        "local_currency": "EUR",
        "label": "",
        "clean_counterparty_name": given.get("label"),
        "settled_at": written if status == "completed" else None,
        "emitted_at": given.get("settled_at") or written,
        "created_at": given.get("emitted_at") or given.get("settled_at") or written,
        "updated_at": written,
        "status": status,
        "note": None,
        "reference": None,
        "vat_amount": None,
        "vat_amount_cents": None,
        "vat_rate": None,
        "initiator_id": None,
        "label_ids": [],
        "attachment_lost": False,
        "attachment_required": True,
        "card_last_digits": None,
        "category": "other_expense",
        "cashflow_category": {"name": None},
        "cashflow_subcategory": {"name": None},
        "bank_account_id": None,
        "is_external_transaction": False,
        "subject_type": "Transfer",
        **given,
    }
    row["amount_cents"], row["amount"] = cents, cents / 100
    return row


def beneficiary(row_id: str, now: datetime, given: Row) -> Row:
    """Somebody who is paid. `name` and `iban` must be given, at once or before anybody sees it."""
    written = stamp(now)
    return {
        "id": row_id,
        "name": "",
        "email": None,
        "activity_tag": None,
        "iban": "",
        "bic": None,
        "currency": "EUR",
        "status": "validated",
        "trusted": False,
        "created_at": written,
        "updated_at": written,
        **given,
    }


def transfer(row_id: str, now: datetime, given: Row) -> Row:
    """A transfer that was just made; `amount_cents` leads, `amount` follows."""
    written = stamp(now)
    return {
        "id": row_id,
        "initiator_id": None,
        "bank_account_id": None,
        "beneficiary_id": None,
        "amount": given["amount_cents"] / 100,
        "amount_cents": 0,
        "amount_currency": "EUR",
        "status": "pending",
        "reference": "",
        "note": None,
        "scheduled_date": written[:10],
        "declined_reason": None,
        "created_at": written,
        "updated_at": written,
        "processed_at": None,
        "completed_at": None,
        "transaction_id": None,
        "recurring_transfer_id": None,
        **given,
    }


def bulk_transfer(row_id: str, now: datetime, initiator_id: str, client_transfer_ids: list[str]) -> Row:
    """A bulk that was just taken in: no transfer exists yet."""
    written, count = stamp(now), len(client_transfer_ids)
    return {
        "id": row_id,
        "initiator_id": initiator_id,
        "created_at": written,
        "updated_at": written,
        "total_count": count,
        "completed_count": 0,
        "pending_count": count,
        "failed_count": 0,
        "results": [
            {"client_transfer_id": given, "status": "pending", "transfer_id": None, "errors": None}
            for given in client_transfer_ids
        ],
    }


def multi_transfer_request(
    row_id: str, now: datetime, initiator_id: str, note: str, scheduled_date: str, entries: list[tuple[str, int, str]]
) -> Row:
    """Transfers to be released in the bank's app. `entries`: name, cents, reference."""
    return {
        "id": row_id,
        "request_type": "multi_transfer",
        "status": "pending",
        "initiator_id": initiator_id,
        "approver_id": None,
        "note": note,
        "declined_note": None,
        "total_transfers_amount": decimal(sum(cents for _, cents, _ in entries)),
        "total_transfers_amount_currency": "EUR",
        "total_transfers_count": len(entries),
        "scheduled_date": scheduled_date,
        "processed_at": None,
        "created_at": stamp(now),
        "transfers": [
            {
                "id": uid(row_id, number), "credit_account_name": name, "amount": decimal(cents), "currency": "EUR",
                "reference": reference,
            }
            for number, (name, cents, reference) in enumerate(entries)
        ],
    }  # fmt: skip


def account(row_id: str, organization_id: str, given: Row) -> Row:
    """A bank account; the balances are set once its transactions are known."""
    return {
        "id": row_id,
        "name": "Konto",
        "slug": "",
        "organization_id": organization_id,
        "status": "active",
        "main": False,
        "iban": "",
        "bic": "QNTODEB2XXX",
        "currency": "EUR",
        "balance": 0.0,
        "balance_cents": 0,
        "authorized_balance": 0.0,
        "authorized_balance_cents": 0,
        "is_external_account": False,
        "account_number": None,
        "updated_at": "",
        **given,
    }


def set_balance(account_row: Row, cents: int, authorized_cents: int) -> None:
    """Write both balances in both spellings."""
    account_row.update(
        balance=cents / 100,
        balance_cents=cents,
        authorized_balance=authorized_cents / 100,
        authorized_balance_cents=authorized_cents,
    )


def item(title: str, quantity: int, unit_cents: int, vat_percent: int) -> Row:
    """A line of a client invoice."""
    net = quantity * unit_cents
    vat = (abs(net) * vat_percent + 50) // 100 * (1 if net >= 0 else -1)
    values: dict[str, Any] = {"unit_price": unit_cents, "subtotal": net, "total_vat": vat, "total_amount": net + vat}
    return {
        "title": title,
        "description": None,
        "quantity": str(quantity),
        "unit": "piece",
        "vat_rate": decimal(vat_percent),
        "discount": None,
        **{name: money(cents) for name, cents in values.items()},
        **{f"{name}_cents": cents for name, cents in values.items()},
    }
