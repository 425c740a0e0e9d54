"""Strong customer authentication of writes: asked once, bound to the request, used up by it; and the phone that shows it."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2
import pytest

from portal.browsing import Person
from tests.bank import Bank
from tests.simulator.payer import BENEFICIARIES, BULKS, NAME, PAYEE, REQUESTS, TRANSFERS, Payer, iban

STAGING = {"X-Qonto-Staging-Token": "letmein"}
NEW = {"beneficiary": {"name": NAME, "iban": PAYEE}}


def _demanded(payer: Payer, path: str, body: Any, **sent: Any) -> str:
    answer = payer.send(path, body, **sent)
    assert (answer.status_code, answer.json()["code"]) == (428, "sca_required")
    return str(answer.json()["sca_session_token"])


def _result(payer: Payer, session: str) -> str:
    return str(payer.ask(f"/v2/sca_sessions/{session}")["result"])


def _is_unbound(answer: httpx2.Response) -> bool:
    return answer.status_code == 422 and answer.json()["errors"] == {"message": "Not found"}


def test_a_yes_opens_the_same_request_once(payer: Payer) -> None:
    body, key = payer.order("21.00"), str(uuid.uuid4())
    session = _demanded(payer, TRANSFERS, body, key=key)
    assert _result(payer, session) == "waiting"
    assert _is_unbound(payer.send(TRANSFERS, body, key=key, sca=session))
    payer.bank.tell(f"sca/{session}", decision="allow")
    assert _result(payer, session) == "allow"
    changed = {**body, "transfer": {**body["transfer"], "amount": "21.01"}}
    assert _is_unbound(payer.send(TRANSFERS, changed, key=key, sca=session))
    assert payer.send(TRANSFERS, body, key=key, sca=session).status_code == 200
    assert _is_unbound(payer.send(TRANSFERS, body, sca=session))
    assert [row["amount_cents"] for row in payer.transfers] == [2100]


@pytest.mark.parametrize("how", ["deny", "late", "late yes"])
def test_without_a_yes_in_time_nothing_happens(payer: Payer, how: str) -> None:
    body = payer.order()
    session = _demanded(payer, TRANSFERS, body)
    if how != "late":
        payer.bank.tell(f"sca/{session}", decision="deny" if how == "deny" else "allow")
    payer.wait(0 if how == "deny" else 15 * 60 + 1)
    assert _result(payer, session) == "deny"
    assert _is_unbound(payer.send(TRANSFERS, body, sca=session))
    assert payer.transfers == []


def test_it_belongs_to_the_connection_that_asked(payer: Payer, bank: Bank) -> None:
    session, peer = _demanded(payer, BENEFICIARIES, NEW), Payer(bank)
    bank.tell(f"sca/{session}", decision="allow")
    assert _is_unbound(peer.send(BENEFICIARIES, NEW, sca=session))
    with pytest.raises(AssertionError, match="not_found"):
        _result(peer, session)


@pytest.mark.parametrize(
    ("organization", "preference", "status", "code"),
    [
        (0, None, 428, "sca_required"), (0, "paired-device", 428, "sca_required"), (0, "passkey", 428, "sca_not_enrolled"),
        (1, None, 428, "sca_not_enrolled"), (1, "passkey", 428, "sca_required"), (0, "sms-otp", 428, "sca_not_enrolled"),
        (0, "mock", 400, None), (0, "smoke", 400, None),
    ],
)  # fmt: skip
def test_a_user_confirms_in_the_way_he_has(
    bank: Bank, organization: int, preference: str | None, status: int, code: str | None
) -> None:
    payer = Payer(bank, organization=organization)
    answer = payer.send(BENEFICIARIES, NEW, headers={"X-Qonto-2fa-Preference": preference} if preference else {})
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_a_user_without_a_device_is_told_so(bank: Bank) -> None:
    body = Payer(bank, role="manager").send(BENEFICIARIES, NEW).json()
    assert (body["code"], "sca_session_token" in body) == ("sca_not_enrolled", False)


def test_trusted_payees_are_paid_without_asking(payer: Payer) -> None:
    known = payer.trusted()
    assert payer.send(TRANSFERS, payer.order("1.00", known)).status_code == 200
    assert payer.send(BULKS, payer.bulk_order(("1.01", known), ("1.02", known))).status_code == 200
    assert payer.bank.ask("sca")["sessions"] == []
    _demanded(payer, BULKS, payer.bulk_order(("1.03", known), ("1.04", PAYEE)))


def test_the_sandbox_has_a_mock_for_a_phone(payer: Payer) -> None:
    payer.bank.tell("settings", staging_token="letmein")
    mocked = {**STAGING, "X-Qonto-2fa-Preference": "mock"}
    assert payer.send(BENEFICIARIES, NEW, headers=STAGING).json()["code"] == "sca_not_enrolled"
    key = str(uuid.uuid4())
    session = _demanded(payer, BENEFICIARIES, NEW, key=key, headers=mocked)
    assert payer.send(f"/v2/mocked_sca_sessions/{session}/allow", headers=STAGING).json() == {"message": "Success"}
    assert payer.send(BENEFICIARIES, NEW, key=key, sca=session, headers=mocked).status_code == 200


@pytest.mark.parametrize(("fault", "told"), [("sca_wait", "waiting"), ("sca_deny", "deny")])
def test_a_fault_changes_what_is_told_and_not_what_was_decided(payer: Payer, fault: str, told: str) -> None:
    body = payer.order()
    session = _demanded(payer, TRANSFERS, body)
    payer.bank.tell(f"sca/{session}", decision="allow")
    payer.bank.fault(fault)
    assert _result(payer, session) == told
    payer.bank.heal()
    assert _result(payer, session) == "allow"
    assert payer.send(TRANSFERS, body, sca=session).status_code == 200


def test_an_expired_session_is_412(payer: Payer) -> None:
    session = _demanded(payer, TRANSFERS, payer.order())
    payer.bank.fault("sca_expired")
    with pytest.raises(AssertionError, match="precondition_failed"):
        _result(payer, session)


def test_a_fault_takes_the_device_away(payer: Payer) -> None:
    """And waits for a call that would have asked."""
    payer.bank.fault("sca_not_enrolled", times=1)
    assert payer.send(TRANSFERS, payer.order("1.00", payer.trusted())).status_code == 200
    body = payer.order()
    assert payer.send(TRANSFERS, body).json()["code"] == "sca_not_enrolled"
    _demanded(payer, TRANSFERS, body)


# --- the phone -----------------------------------------------------------------------------------------------------


def _phone(payer: Payer) -> Person:
    return Person(f"{payer.bank.url}/phone", payer.bank.transport)


def _press(payer: Payer, decision: str) -> None:
    phone = _phone(payer)
    phone.send(phone.get("/phone").forms[0], decision=decision)


def test_the_phone_shows_what_is_confirmed(payer: Payer) -> None:
    session = _demanded(payer, BULKS, payer.bulk_order(*((f"{n}.50", iban(n)) for n in range(1, 8))))
    words = _phone(payer).get("/phone").words
    assert f"{NAME} · 1,50 EUR {iban(1)}" in words
    assert "and 2 more" in words
    assert "Together: 31,50 EUR" in words
    _press(payer, "allow")
    assert _result(payer, session) == "allow"
    assert "Nothing waits for your approval." in _phone(payer).get("/phone").words


def test_the_phone_denies(payer: Payer) -> None:
    session = _demanded(payer, BENEFICIARIES, NEW)
    assert "asks to add this payee" in _phone(payer).get("/phone").words
    _press(payer, "deny")
    assert _result(payer, session) == "deny"


@pytest.mark.parametrize(("decision", "status", "count"), [("allow", "approved", 1), ("deny", "declined", 0)])
def test_the_phone_releases_requests(payer: Payer, decision: str, status: str, count: int) -> None:
    entry = {
        "amount": "9.99", "currency": "EUR", "credit_iban": PAYEE, "credit_account_name": NAME, "credit_account_currency": "EUR",
        "reference": "Auftrag",
    }  # fmt: skip
    payer.send(REQUESTS, {"request_multi_transfer": {"note": "Bitte freigeben", "transfers": [entry]}})
    assert "to be released: Bitte freigeben" in _phone(payer).get("/phone").words
    _press(payer, decision)
    assert payer.ask("/v2/requests")["requests"][0]["status"] == status
    assert len(payer.transfers) == count
