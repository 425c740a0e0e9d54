"""Verification of payee: what is said about a name, and what the proof of having asked is good for."""

from __future__ import annotations

import pytest

from portal.simulator import payees
from tests.bank import Bank
from tests.simulator.payer import BULKS, NAME, PAYEE, TRANSFERS, Payer, code_of, iban

VERIFY, BULK_VERIFY = "/v2/sepa/verify_payee", "/v2/sepa/bulk_verify_payee"
RESULTS = {
    PAYEE: "MATCH", payees.CLOSE_MATCH: "CLOSE_MATCH", payees.NO_MATCH: "NO_MATCH", payees.NOT_POSSIBLE: "NOT_POSSIBLE",
    payees.DECLINED: "MATCH", payees.INVALID: "MATCH",
}  # fmt: skip


@pytest.mark.parametrize(("number", "word"), RESULTS.items())
def test_the_payee_decides_the_result(payer: Payer, number: str, word: str) -> None:
    body = payer.send(VERIFY, {"iban": number, "beneficiary_name": NAME}).json()
    assert body["match_result"] == f"MATCH_RESULT_{word}"
    assert body["proof_token"]["token"]
    assert body.get("matched_name") == (payees.HOLDER if word == "CLOSE_MATCH" else None)


def test_a_silent_bank_leaves_a_proof_that_pays(payer: Payer) -> None:
    answer = payer.send(VERIFY, {"iban": payees.UNREACHABLE, "beneficiary_name": NAME})
    assert (answer.status_code, code_of(answer)) == (503, payees.BANK_IS_SILENT)
    assert payer.pay("1.00", payees.UNREACHABLE)["status"] == "pending"


def test_a_bulk_is_answered_entry_by_entry(payer: Payer) -> None:
    pairs = [{"id": f"p{n}", "iban": number, "beneficiary_name": NAME} for n, number in enumerate([*RESULTS, payees.UNREACHABLE])]
    body = payer.send(BULK_VERIFY, {"requests": pairs}).json()
    *told, silent = body["requests"]
    assert [entry["response"]["match_result"] for entry in told] == [f"MATCH_RESULT_{word}" for word in RESULTS.values()]
    assert silent == {"id": f"p{len(RESULTS)}", "error_code": f"SINGLE_REQUEST_ERROR_CODE_{payees.BANK_IS_SILENT}"}


@pytest.mark.parametrize(
    "body",
    [
        {"iban": "DE00000000000000000000", "beneficiary_name": NAME}, {"iban": PAYEE}, {"iban": PAYEE, "beneficiary_name": "x" * 141},
        {"beneficiary_name": NAME}, {"iban": 5, "beneficiary_name": NAME}, [],
    ],
)  # fmt: skip
def test_nonsense_is_not_verified(payer: Payer, body: object) -> None:
    assert payer.send(VERIFY, body).status_code == 400


@pytest.mark.parametrize("count", [0, 401])
def test_a_bulk_has_1_to_400_entries(payer: Payer, count: int) -> None:
    pairs = [{"id": str(n), "iban": iban(n), "beneficiary_name": NAME} for n in range(count)]
    assert payer.send(BULK_VERIFY, {"requests": pairs}).status_code == 400


def test_a_proof_is_for_its_payee_its_company_and_its_day(payer: Payer, bank: Bank) -> None:
    body = payer.order("1.00", payer.trusted())
    payer.wait(23 * 3600 - 1)
    other = Payer(bank)  # an hour is over: the token too
    assert other.send(TRANSFERS, body).status_code == 200
    payer.wait(1)
    stranger = Payer(bank, organization=1)
    proofs = [
        body["vop_proof_token"], other.proof(PAYEE), stranger.proof(other.trusted()["iban"]),
        other.proof(other.trusted()["iban"], is_bulk=True), "invented",
    ]  # fmt: skip
    for proof in proofs:
        answer = other.send(TRANSFERS, {**body, "vop_proof_token": proof})
        assert (answer.status_code, code_of(answer)) == (422, "invalid_vop_proof_token")
    answer = other.send(TRANSFERS, {"transfer": body["transfer"]})
    assert (answer.status_code, code_of(answer)) == (401, "vop_proof_token_missing")


def test_a_bulk_proof_is_for_exactly_its_set(payer: Payer) -> None:
    whole = payer.bulk_order(("1.00", iban(1)), ("2.00", iban(2)))
    fewer = {**whole, "bulk_transfers": whole["bulk_transfers"][:1]}
    single = {**fewer, "vop_proof_token": payer.proof(iban(1))}
    assert [code_of(payer.confirmed(BULKS, body)) for body in (fewer, single)] == ["invalid_vop_proof_token"] * 2
    assert payer.confirmed(BULKS, whole).status_code == 200


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        (PAYEE, True), ("GB82WEST12345698765432", True), ("DE91000000000000009002", False), ("DE9100000000", False), ("", False),
        ("de91000000000000009001", False), ("DE9100000000000000900١", False),
    ],
)  # fmt: skip
def test_check_digits(text: str, is_right: bool) -> None:
    assert payees.is_iban(text) is is_right
