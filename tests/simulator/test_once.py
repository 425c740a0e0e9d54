"""At most once: idempotency keys, answers that get lost, and the door that counts what was done."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.bank import Bank
from tests.simulator.payer import BENEFICIARIES, BULKS, NAME, PAYEE, PDF, REQUESTS, TRANSFERS, Payer, iban


def _payments(payer: Payer) -> list[tuple[str, int, int]]:
    """Reference, how often made, how often booked."""
    told = payer.bank.ask(f"executions?organization={payer.organization_id}")["payments"]
    return [(one["reference"], one["created"], one["booked"]) for one in told]


def _key() -> str:
    return str(uuid.uuid4())


@pytest.mark.parametrize("path", [TRANSFERS, BULKS, BENEFICIARIES, REQUESTS, "/v2/attachments"])
def test_a_write_needs_a_key(payer: Payer, path: str) -> None:
    answer = payer.send(path, {}, headers={"X-Qonto-Idempotency-Key": ""})
    assert (answer.status_code, "Idempotency" in answer.text) == (400, True)


def test_a_key_gives_the_same_answer_for_half_an_hour(payer: Payer) -> None:
    key, known = _key(), payer.trusted()
    first = payer.send(TRANSFERS, payer.order("11.11", known), key=key).json()["transfer"]
    payer.wait(29 * 60)
    again = payer.send(TRANSFERS, payer.order("22.22", known), key=key).json()["transfer"]
    assert again == first  # as it was then, pending
    assert payer.transfer(first["id"])["status"] == "settled"
    payer.wait(60)
    assert payer.send(TRANSFERS, payer.order("11.11", known), key=key).json()["transfer"]["id"] != first["id"]
    assert _payments(payer) == [("RE 4711", 2, 1)]


def test_a_refusal_does_not_use_the_key_up(payer: Payer) -> None:
    key, known = _key(), payer.trusted()
    assert payer.send(TRANSFERS, payer.order("4020.01", known), key=key).status_code == 422
    assert payer.send(TRANSFERS, payer.order("1.00", known), key=key).status_code == 200


def test_a_key_belongs_to_company_and_address(payer: Payer, bank: Bank) -> None:
    key, peer, stranger = _key(), Payer(bank), Payer(bank, organization=1)
    file = {"files": {"file": ("a.pdf", PDF, "application/pdf")}}
    ids = [one.send("/v2/attachments", key=key, **file).json()["attachment"]["id"] for one in (payer, peer, stranger)]
    assert ids[0] == ids[1] != ids[2]
    assert payer.send(TRANSFERS, payer.order("1.00", payer.trusted()), key=key).status_code == 200


@pytest.mark.parametrize("path", [TRANSFERS, BULKS, REQUESTS])
def test_a_lost_answer_is_given_to_the_same_key(payer: Payer, path: str) -> None:
    body: dict[str, Any] = {
        TRANSFERS: lambda: payer.order("61.61", payer.trusted()),
        BULKS: lambda: payer.bulk_order(("61.61", payer.trusted())),
        REQUESTS: lambda: {
            "request_multi_transfer": {
                "note": "x", "transfers": [{"amount": "1.00", "credit_iban": PAYEE, "credit_account_name": NAME, "reference": "r"}],
            }
        },
    }[path]()  # fmt: skip
    payer.bank.fault("drop_after_create", times=1, match={"path": path})
    key = _key()
    with pytest.raises(ConnectionError):
        payer.send(path, body, key=key)
    assert payer.bank.log()[-1] | {"status": None, "fault": "drop_after_create", "idempotency_key": key} == payer.bank.log()[-1]
    assert payer.send(path, body, key=key).status_code == 200
    payer.wait(60)
    assert all(created == 1 for _, created, _ in _payments(payer))


def test_a_lost_answer_waits_for_something_that_was_made(payer: Payer) -> None:
    """Neither the refusal nor the question to the user is lost: only the answer to a transfer."""
    payer.bank.fault("drop_after_create", times=1)
    assert payer.send(TRANSFERS, payer.order("4020.01")).status_code == 422
    body, key = payer.order("62.62"), _key()
    session = payer.send(TRANSFERS, body, key=key).json()["sca_session_token"]
    payer.bank.tell(f"sca/{session}", decision="allow")
    with pytest.raises(ConnectionError):
        payer.send(TRANSFERS, body, key=key, sca=session)
    assert payer.send(TRANSFERS, body, key=key, sca=session).status_code == 200
    assert [entry["fault"] for entry in payer.bank.log() if entry["fault"]] == ["drop_after_create"]
    assert _payments(payer) == [("RE 4711", 1, 0)]


def test_a_gateway_s_error_page_may_hide_a_transfer(payer: Payer) -> None:
    body, key = payer.order("65.65", payer.trusted()), _key()
    payer.bank.fault("drop_after_create", times=1, status=502)
    answer = payer.send(TRANSFERS, body, key=key)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (502, "text/html")
    assert payer.send(TRANSFERS, body, key=key).status_code == 200
    assert _payments(payer) == [("RE 4711", 1, 0)]


def test_the_amount_that_loses_its_answer(payer: Payer) -> None:
    body, key = payer.order("5040.01", payer.trusted()), _key()
    with pytest.raises(ConnectionError):
        payer.send(TRANSFERS, body, key=key)
    assert payer.send(TRANSFERS, body, key=key).json()["transfer"]["id"] == payer.transfers[0]["id"]
    assert _payments(payer) == [("RE 4711", 1, 0)]


def test_two_at_once_with_one_key_are_one(payer: Payer) -> None:
    body, key = payer.order("66.66", payer.trusted()), _key()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: payer.send(TRANSFERS, body, key=key).json()["transfer"]["id"], range(8)))
    assert len(set(answers)) == 1
    assert _payments(payer) == [("RE 4711", 1, 0)]


def test_a_forgotten_key_pays_twice_and_the_door_tells(payer: Payer) -> None:
    body, key = payer.order("63.63", payer.trusted()), _key()
    payer.bank.fault("key_expired", times=1)
    first = payer.send(TRANSFERS, body, key=key).json()["transfer"]["id"]  # nothing to forget yet: the fault waits
    second = payer.send(TRANSFERS, body, key=key).json()["transfer"]["id"]
    assert payer.send(TRANSFERS, body, key=key).json()["transfer"]["id"] == second != first
    payer.wait(6)
    assert _payments(payer) == [("RE 4711", 2, 2)]


@pytest.mark.parametrize("path", [TRANSFERS, "/v2/sepa/verify_payee"])
def test_an_error_of_the_bank_accepts_nothing(payer: Payer, path: str) -> None:
    body, key = payer.order("64.64", payer.trusted()), _key()
    payer.bank.fault("pay_5xx", times=2, match={"path": path}, status=503)
    payer.ask(TRANSFERS)  # reading is not struck
    sent = body if path == TRANSFERS else {"iban": PAYEE, "beneficiary_name": NAME}
    assert [payer.send(path, sent, key=key).status_code for _ in range(3)] == [503, 503, 200]


def test_what_was_done_is_told_with_its_origin(payer: Payer) -> None:
    key = _key()
    body = payer.bulk_order(("1.00", iban(1)))
    payer.confirmed(BULKS, body, key=key)
    payer.wait(8)
    (told,) = payer.bank.ask("executions")["executions"]
    (bulk,) = payer.ask(BULKS)["bulk_transfers"]
    assert told | {
        "route": "bulk_transfers", "idempotency_key": key, "part_of": bulk["id"], "iban": iban(1), "amount_cents": 100,
        "client_transfer_id": body["bulk_transfers"][0]["client_transfer_id"], "status": "settled", "times_booked": 1,
    } == told  # fmt: skip
    assert payer.bank.ask("executions?organization=northlight-studio-6489")["executions"] == []
