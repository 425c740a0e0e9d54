"""From JSON to rows: what is read, what sets a row aside, what is ignored."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import UnexpectedPayload
from portal.qonto import fields, schema

SUPPLIER_INVOICE: dict[str, Any] = {
    "id": "i1", "organization_id": "o1", "status": "paid", "attachment_id": "a1", "display_attachment_id": "a2",
    "supplier_name": None, "issuer_name": "Holzhandel KG", "invoice_number": "", "iban": "DE75512108001245126199",
    "total_amount": {"value": "1190.00", "currency": "EUR"}, "issue_date": "2026-10-05", "due_date": "", "payment_date": None,
    "is_attachment_invoice": True, "attachment_category": "INVOICE", "updated_at": "2026-11-02T10:20:31.000Z",
    "matched_transactions": [{"subject_id": "s", "subject_type": "transfer", "transaction_id": "t1"}],
    "notes": {"never": "read"}, "a_new_field": [1],
}  # fmt: skip
TRANSACTION: dict[str, Any] = {
    "id": "t1", "side": "debit", "amount": Decimal("1190.0"), "amount_cents": 119000, "currency": "EUR",
    "local_amount": Decimal("1190.0"), "local_amount_cents": 119000, "local_currency": "EUR", "status": "completed",
    "settled_at": "2026-11-02T10:20:30.000Z", "emitted_at": "2026-11-02T12:20:12+02:00", "updated_at": None,
    "label": "Holzhandel KG", "reference": None, "note": "private", "operation_type": "brand_new_type",
    "transfer": {"counterparty_account_number": "DE75512108001245126199", "counterparty_account_number_format": "IBAN"},
}  # fmt: skip


def test_a_supplier_invoice() -> None:
    row = schema.supplier_invoice(SUPPLIER_INVOICE)
    assert row == schema.SupplierInvoice(
        id="i1", organization_id="o1", status="paid", is_invoice=True, is_credit_note=False, number=None,
        counterparty="Holzhandel KG", amount_cents=119000, currency="EUR", issued_on=date(2026, 10, 5), due_on=None,
        paid_on=None, iban="DE75512108001245126199", linked_transactions=("t1",), attachment_ids=("a1", "a2"),
        display_attachment_id="a2", updated_at=datetime(2026, 11, 2, 10, 20, 31, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("matched", "expected"),
    [(None, ()), ([], ()), (["a", "b", "a"], ("a", "b")), ([{"transaction_id": "a"}, "b"], ("a", "b")),
     ([{"subject_id": "s", "transaction_id": None}], ())],
)  # fmt: skip
def test_both_shapes_of_linked_transactions(matched: object, expected: tuple[str, ...]) -> None:
    assert schema.supplier_invoice({**SUPPLIER_INVOICE, "matched_transactions": matched}).linked_transactions == expected


@pytest.mark.parametrize(
    ("category", "is_attachment_invoice", "expected"),
    [("INVOICE", True, True), ("INVOICE", False, True), ("CREDIT_NOTE", False, True), (None, None, True), ("UNKNOWN", None, True),
     ("OTHER_FINANCIAL_DOCUMENT", False, False), ("CARD_RECEIPT", None, False), ("UNKNOWN", False, False), (None, True, True)],
)  # fmt: skip
def test_what_counts_as_an_invoice(category: str | None, is_attachment_invoice: bool | None, expected: bool) -> None:
    row = {**SUPPLIER_INVOICE, "attachment_category": category, "is_attachment_invoice": is_attachment_invoice}
    assert schema.supplier_invoice(row).is_invoice is expected


def test_a_client_invoice_reads_empty_texts_as_nothing() -> None:
    row = schema.client_invoice({
        "id": "c1", "organization_id": "o1", "status": "a_status_of_tomorrow", "number": "RE-1", "currency": "EUR", "paid_at": "",
        "total_amount": {"value": "2380.00", "currency": "EUR"}, "total_amount_cents": 238000, "items": None,
        "client": {"first_name": "Ada", "last_name": "Beispiel"}, "attachment_id": None, "issue_date": "2026-10-10",
        "due_date": None, "updated_at": "2026-10-22T09:41:07+02:00",
    })  # fmt: skip
    assert (row.paid_at, row.status, row.counterparty, row.amount_cents) == (None, "a_status_of_tomorrow", "Ada Beispiel", 238000)
    assert row.updated_at == datetime(2026, 10, 22, 7, 41, 7, tzinfo=UTC)


def test_a_credit_note_is_as_new_as_it_was_finalized() -> None:
    row = schema.credit_note({"id": "n", "finalized_at": "2026-10-10T08:00:00Z", "created_at": "2026-10-09T08:00:00Z"})
    assert row.updated_at == datetime(2026, 10, 10, 8, tzinfo=UTC)
    assert row.amount_cents is None


def test_a_transaction() -> None:
    row = schema.transaction(TRANSACTION)
    assert (row.amount_cents, row.side, row.counterparty, row.remittance) == (119000, "debit", "Holzhandel KG", None)
    assert row.counterparty_iban == "DE75512108001245126199"
    assert row.emitted_at == datetime(2026, 11, 2, 10, 20, 12, tzinfo=UTC)
    assert row.operation_type == "brand_new_type"
    assert "private" not in repr(row)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "id"), ({"id": ""}, "id"), ({"side": "sideways"}, "side"), ({"currency": None}, "currency"),
        ({"amount_cents": 0, "amount": 0}, "amount_cents"), ({"amount_cents": -5, "amount": -5}, "amount_cents"),
        ({"amount_cents": 119001}, "amount_cents"), ({"amount_cents": 119000.0}, "amount_cents"),
        ({"amount_cents": True, "amount": None}, "amount_cents"), ({"amount_cents": None, "amount": Decimal("1.005")}, "amount"),
        ({"amount_cents": 10**16, "amount": None}, "amount_cents"), ({"settled_at": None}, "settled_at"),
        ({"settled_at": "yesterday"}, "settled_at"), ({"settled_at": 5}, "settled_at"), ({"label": 7}, "label"),
        ({"local_amount": Decimal("1.001"), "local_amount_cents": 100}, "local_amount"),
    ],
)  # fmt: skip
def test_a_contradiction_sets_the_row_aside(change: dict[str, Any], field: str) -> None:
    with pytest.raises(UnexpectedPayload) as caught:
        schema.transaction({**TRANSACTION, **change})
    assert caught.value.field == field


@pytest.mark.parametrize("value", ["1.005", "abc", "", "NaN", "Infinity", "1e30", " ", True, 1.5, None, [], "1_000.5.5"])
def test_amounts_that_are_none(value: object) -> None:
    with pytest.raises(UnexpectedPayload):
        fields.cents_of(value, "total_amount")


@given(st.integers(-(10**15), 10**15))
def test_cents_survive_their_decimal_spelling(cents: int) -> None:
    spelled = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    assert fields.cents_of(spelled, "x") == cents
    assert fields.cents_of(fields.parse(f"[{spelled}]".encode())[0], "x") == cents


@given(st.text())
def test_every_text_can_be_stored(value: str) -> None:
    read = fields.text({"label": value}, "label")
    assert read is None or (read.encode() and "\x00" not in read)


def test_a_lone_surrogate_is_dropped() -> None:
    assert fields.text(fields.parse(b'{"label": "a\\ud800b\\u0000"}'), "label") == "ab"


def test_an_organization_tells_its_id_somehow() -> None:
    account = {"id": "b", "organization_id": "o9", "status": "active", "name": "Haupt"}
    assert schema.organization({"slug": "s", "bank_accounts": [account]}).id == "o9"
    assert schema.organization({"slug": "s", "bank_accounts": []}).id == "s"
    row = schema.organization(
        {"id": "o", "legal_name": "GmbH", "bank_accounts": [{**account, "status": "closed", "balance_cents": 5}]}
    )
    assert row.bank_accounts[0] == schema.BankAccount("b", None, "Haupt", "EUR", 5, is_active=False)
    with pytest.raises(UnexpectedPayload):
        schema.organization({"id": "o", "bank_accounts": None})


@pytest.mark.parametrize(("size", "expected"), [("48213", 48213), (48213, 48213), (None, None), ("many", None), (-1, None)])
def test_an_attachment_keeps_its_address_to_itself(size: object, expected: int | None) -> None:
    row = schema.attachment({"id": "a", "file_name": "x.pdf", "file_size": size, "url": "https://files.example/x?sig=secret"})
    assert row.size == expected
    assert "secret" not in repr(row)
