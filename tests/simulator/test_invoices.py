"""Supplier invoices that a transfer pays, as far as the bank can see it; and uploads."""

from __future__ import annotations

from typing import Any

import pytest

from portal.simulator import payees
from tests.simulator.payer import PAYEE, PDF, TRANSFERS, Payer, code_of, iban

JPEG, PNG = b"\xff\xd8\xff\xe0rest", b"\x89PNG\r\n\x1a\nrest"


def _invoice(payer: Payer, number: str = "HP-2026-0815", amount: str = "119.00", **values: Any) -> dict[str, Any]:
    money = {"value": amount, "currency": "EUR"}
    given = {
        "status": "awaiting_payment",
        "invoice_number": number,
        "iban": PAYEE,
        "supplier_name": "Holzhandel",
        "total_amount": money,
    }
    return payer.bank.put_invoice(**{**given, **values})


def _read(payer: Payer, row: dict[str, Any]) -> dict[str, Any]:
    return dict(payer.ask(f"/v2/supplier_invoices/{row['id']}")["supplier_invoice"])


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({}, []), ({"status": "to_pay"}, []), ({"status": "paid"}, ["invalid_status"]), ({"iban": None}, ["missing_iban"]),
        ({"total_amount": None}, ["missing_amount"]), ({"is_credit_note": True, "status": "to_review"}, ["invalid_status", "credit_note"]),
    ],
)  # fmt: skip
def test_it_says_whether_it_can_be_paid(payer: Payer, values: dict[str, Any], reasons: list[str]) -> None:
    actions = _invoice(payer, **values)["available_actions"]
    assert (actions["pay"], actions["reasons"]) == (not reasons, {"pay": reasons} if reasons else {})


def test_the_story_has_invoices_to_pay(payer: Payer) -> None:
    rows = payer.ask("/v2/supplier_invoices", per_page=100)["supplier_invoices"]
    payable = [row for row in rows if row["available_actions"]["pay"]]
    assert len(payable) > 1
    assert {row["status"] for row in payable} <= {"to_pay", "awaiting_payment"}


def test_a_transfer_pays_it(payer: Payer) -> None:
    row = _invoice(payer)
    made = payer.pay("119.00", reference="Rechnung HP 2026/0815")
    waiting = _read(payer, row)
    assert (waiting["status"], waiting["transfer_ids"], waiting["available_actions"]["pay"]) == ("pending", [made["id"]], False)
    payer.wait(6)
    done, transaction = _read(payer, row), payer.transfer(made["id"])["transaction_id"]
    assert (done["status"], done["payment_date"]) == ("paid", "2026-11-27")
    assert done["matched_transactions"] == [{"subject_id": made["id"], "subject_type": "transfer", "transaction_id": transaction}]
    assert done["updated_at"] > waiting["updated_at"]


def test_its_file_at_the_transfer_names_it_too(payer: Payer) -> None:
    row = _invoice(payer, number="")
    payer.pay("119.00", attachment_ids=[row["attachment_id"]])
    assert _read(payer, row)["status"] == "pending"


def test_a_later_day_makes_it_scheduled(payer: Payer) -> None:
    row = _invoice(payer, status="to_review")
    made = payer.pay("119.00", reference=row["invoice_number"], scheduled_date="2026-12-01")
    assert [_read(payer, row)[name] for name in ("status", "scheduled_date")] == ["scheduled", "2026-12-01"]
    assert payer.send(f"{TRANSFERS}/{made['id']}/cancel").status_code == 204
    back = _read(payer, row)
    assert (back["status"], back["scheduled_date"], back["transfer_ids"]) == ("to_review", None, [])


def test_a_declined_transfer_gives_it_back(payer: Payer) -> None:
    row = _invoice(payer, iban=payees.DECLINED)
    payer.pay("119.00", payees.DECLINED, reference=row["invoice_number"])
    payer.wait(6)
    assert (_read(payer, row)["status"], _read(payer, row)["available_actions"]["pay"]) == ("awaiting_payment", True)


@pytest.mark.parametrize(
    ("amount", "payee", "reference"),
    [("119.01", PAYEE, "HP-2026-0815"), ("119.00", iban(3), "HP-2026-0815"), ("119.00", PAYEE, "Anzahlung")],
)
def test_another_transfer_is_none_of_its_business(payer: Payer, amount: str, payee: str, reference: str) -> None:
    row = _invoice(payer)
    payer.pay(amount, payee, reference=reference)
    assert _read(payer, row) == row


def test_two_alike_are_left_alone(payer: Payer) -> None:
    rows = [_invoice(payer), _invoice(payer)]
    payer.pay("119.00", reference="HP-2026-0815")
    assert [_read(payer, row)["status"] for row in rows] == ["awaiting_payment"] * 2


def test_a_bank_that_does_not_look(payer: Payer) -> None:
    payer.bank.tell("settings", transfers_pay_invoices=False)
    row = _invoice(payer)
    payer.pay("119.00", reference="HP-2026-0815")
    payer.wait(6)
    assert _read(payer, row) == row


# --- uploads -------------------------------------------------------------------------------------------------------


def _upload(payer: Payer, content: bytes, name: str = "beleg.pdf", path: str = "/v2/attachments") -> Any:
    return payer.send(path, files={"file": (name, content, "application/octet-stream")})


@pytest.mark.parametrize(("content", "kind"), [(PDF, "application/pdf"), (JPEG, "image/jpeg"), (PNG, "image/png")])
def test_a_file_is_taken_for_what_it_is(payer: Payer, content: bytes, kind: str) -> None:
    made = _upload(payer, content, "a/../b.exe").json()
    assert list(made["attachment"]) == ["id"]
    row = payer.ask(f"/v2/attachments/{made['attachment']['id']}")["attachment"]
    assert (row["file_content_type"], row["file_size"], "/" in row["file_name"]) == (kind, str(len(content)), False)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"<html>", "invalid_file_type"), (b"GIF89a", "invalid_file_type"), (b"", "invalid_file_type"), (PDF + bytes(15_000_000), "file_too_big")],
)  # fmt: skip
def test_others_are_refused(payer: Payer, content: bytes, code: str) -> None:
    answer = _upload(payer, content)
    assert (answer.status_code, code_of(answer)) == (400, code)
    assert answer.json()["errors"][0]["source"] == {"pointer": "/file"}


def test_nothing_is_no_file(payer: Payer) -> None:
    assert payer.send("/v2/attachments", {}).status_code == 400


def test_a_transaction_takes_five_files(payer: Payer) -> None:
    row = payer.bank.put_transaction(amount_cents=100, side="debit")
    path = f"/v2/transactions/{row['id']}/attachments"
    assert [_upload(payer, PNG, path=path).status_code for _ in range(6)] == [200] * 5 + [422]
    assert len(payer.ask(path)["attachments"]) == 5
    assert _upload(payer, PNG, path="/v2/transactions/nobody/attachments").status_code == 404
