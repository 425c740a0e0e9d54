"""Bulks and requests: many transfers under one yes, here or in the bank's app."""

from __future__ import annotations

from typing import Any

import pytest

from portal.simulator import payees
from tests.bank import Bank
from tests.simulator.payer import BULKS, NAME, REQUESTS, Payer, code_of, iban


def _made(payer: Payer, body: Any) -> dict[str, Any]:
    answer = payer.confirmed(BULKS, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["bulk_transfer"])


def _bulk(payer: Payer, bulk_id: str) -> dict[str, Any]:
    return dict(payer.ask(f"{BULKS}/{bulk_id}")["bulk_transfer"])


def _counts(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[f"{name}_count"] for name in ("total", "completed", "pending", "failed"))


def test_its_transfers_come_two_seconds_later(payer: Payer) -> None:
    body = payer.bulk_order(("1.01", iban(1)), ("1.02", iban(2)))
    row = _made(payer, body)
    assert _counts(row) == (2, 0, 2, 0)
    payer.wait(1.9)
    assert (_counts(_bulk(payer, row["id"])), payer.transfers) == ((2, 0, 2, 0), [])
    payer.wait(0.1)
    done = _bulk(payer, row["id"])
    assert _counts(done) == (2, 2, 0, 0)
    given = {entry["client_transfer_id"]: entry["amount"] for entry in body["bulk_transfers"]}
    made = {r["client_transfer_id"]: payer.transfer(r["transfer_id"])["amount_cents"] for r in done["results"]}
    assert made == {known: round(float(amount) * 100) for known, amount in given.items()}
    payer.wait(6)
    assert {transfer["status"] for transfer in payer.transfers} == {"settled"}


def test_what_the_bank_will_not_do_fails_alone(payer: Payer) -> None:
    wrong = {
        "4020.01": "insufficient_funds",
        "4030.01": "forbidden",
        "4030.02": "spend_limit_exceeded",
        "4030.03": "debit_blocked",
    }
    entries = [("1.00", iban(1)), ("2.00", payees.INVALID), *((amount, iban(9)) for amount in wrong), ("30000.01", iban(3))]
    row = _made(payer, payer.bulk_order(*entries))
    payer.wait(2)
    done = _bulk(payer, row["id"])
    assert _counts(done) == (7, 1, 0, 6)
    codes = [result["errors"][0]["code"] for result in done["results"] if result["status"] == "failed"]
    assert codes == ["invalid", *wrong.values(), "attachment_required"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": 1.5}, 400, "not_a_string"), ({"client_transfer_id": ""}, 422, "missing"), ({"reference": None}, 422, "missing"),
        ({"client_transfer_id": "twice"}, 422, "invalid"),
    ],
)  # fmt: skip
def test_a_wrong_entry_refuses_the_whole(payer: Payer, change: dict[str, Any], status: int, code: str) -> None:
    body = payer.bulk_order(("1.00", iban(1)), ("2.00", iban(2)))
    for entry in body["bulk_transfers"]:
        entry.update(change)
    answer = payer.send(BULKS, body)
    assert (answer.status_code, code_of(answer)) == (status, code)


def test_a_bulk_is_known_to_its_company_alone(payer: Payer, bank: Bank) -> None:
    row = _made(payer, payer.bulk_order(("1.00", iban(1))))
    assert [one["id"] for one in payer.ask(BULKS)["bulk_transfers"]] == [row["id"]]
    assert Payer(bank, organization=1).ask(BULKS)["bulk_transfers"] == []


# --- requests ------------------------------------------------------------------------------------------------------


def _request(*amounts: Any, **fields: Any) -> dict[str, Any]:
    entries = [
        {
            "amount": amount, "currency": "EUR", "credit_iban": iban(7200 + n), "credit_account_name": NAME,
            "credit_account_currency": "EUR", "reference": f"Auftrag {n}",
        }
        for n, amount in enumerate(amounts)
    ]  # fmt: skip
    return {"request_multi_transfer": {"note": "Bitte freigeben", "transfers": entries, **fields}}


def test_a_request_waits_for_its_release(payer: Payer) -> None:
    row = payer.send(REQUESTS, _request("100.00", "0.50")).json()["request_multi_transfer"]
    assert (row["status"], row["total_transfers_amount"], row["total_transfers_count"]) == ("pending", "100.50", 2)
    assert [entry["reference"] for entry in row["transfers"]] == ["Auftrag 0", "Auftrag 1"]
    assert payer.transfers == []
    for _ in range(2):  # pressing again changes nothing
        assert payer.bank.tell(f"requests/{row['id']}", decision="approve") == {"status": "approved"}
    assert sorted(transfer["amount_cents"] for transfer in payer.transfers) == [50, 10000]
    assert payer.bank.tell(f"requests/{row['id']}", decision="decline") == {"status": "approved"}
    payer.wait(6)
    assert {transfer["status"] for transfer in payer.transfers} == {"settled"}
    (listed,) = payer.ask("/v2/requests", **{"status[]": "approved", "request_type[]": "multi_transfer"})["requests"]
    assert (listed["id"], listed["approver_id"]) == (row["id"], payer.membership_id)


def test_a_refused_request_pays_nothing(payer: Payer) -> None:
    row = payer.send(REQUESTS, _request("100.00")).json()["request_multi_transfer"]
    assert payer.bank.tell(f"requests/{row['id']}", decision="decline") == {"status": "declined"}
    payer.wait(60)
    assert payer.transfers == []


def test_what_cannot_be_paid_is_declined_after_the_release(payer: Payer) -> None:
    row = payer.send(REQUESTS, _request("4020.01")).json()["request_multi_transfer"]
    payer.bank.tell(f"requests/{row['id']}", decision="approve")
    payer.wait(6)
    assert [(one["status"], one["declined_reason"]) for one in payer.transfers] == [("declined", "insufficient_funds")]


def test_another_account_and_another_day(payer: Payer) -> None:
    other = next(account for account in payer.ask("/v2/bank_accounts")["bank_accounts"] if not account["main"])
    body = _request("5.00", debit_iban=other["iban"], scheduled_date="2026-12-01")
    row = payer.send(REQUESTS, body).json()["request_multi_transfer"]
    payer.bank.tell(f"requests/{row['id']}", decision="approve")
    (made,) = payer.transfers
    assert (made["bank_account_id"], made["scheduled_date"], made["status"]) == (other["id"], "2026-12-01", "pending")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (_request(9.99), 400, "not_a_string"), (_request("1.00", debit_iban=iban(5)), 404, "not_found"), (_request(), 400, "bad_request"),
        (_request("1.00", note=None), 422, "missing"), ({}, 422, "missing"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused(payer: Payer, body: dict[str, Any], status: int, code: str) -> None:
    answer = payer.send(REQUESTS, body)
    assert (answer.status_code, code_of(answer)) == (status, code)


def test_a_wrong_payee_of_a_request_is_named(payer: Payer) -> None:
    body = _request("1.00", "2.00")
    body["request_multi_transfer"]["transfers"][1]["credit_iban"] = "DE1"
    error = payer.send(REQUESTS, body).json()["errors"][0]
    assert (error["code"], error["source"]["pointer"]) == ("invalid_transfers", "/request_multi_transfer/transfers/1/credit_iban")


def test_the_smallest_plan_has_no_requests(bank: Bank) -> None:
    answer = Payer(bank, organization=2).send(REQUESTS, _request("1.00"))
    assert (answer.status_code, code_of(answer)) == (403, "unknown")
