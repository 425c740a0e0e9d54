"""Single transfers: what is refused, how one lives, and what it leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.simulator import payees
from tests.bank import Bank
from tests.simulator.payer import BENEFICIARIES, NAME, PAYEE, PDF, TRANSFERS, Payer, code_of

TODAY = "2026-11-27"


def _changed(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {name: value for name, value in {**body["transfer"], **fields}.items() if value is not ...}
    return {**body, "transfer": given}


@pytest.mark.parametrize(
    ("fields", "status", "code", "pointer"),
    [
        ({"amount": 12.34}, 400, "not_a_string", "/transfer/amount"), ({"amount": "0.00"}, 422, "invalid", "/transfer/amount"),
        ({"amount": "1,50"}, 422, "invalid", "/transfer/amount"), ({"amount": "1.505"}, 422, "invalid", "/transfer/amount"),
        ({"amount": ...}, 422, "missing", "/transfer/amount"), ({"reference": ...}, 422, "missing", "/transfer/reference"),
        ({"reference": "x" * 141}, 422, "invalid", "/transfer/reference"), ({"currency": "USD"}, 422, "invalid", "/transfer/currency"),
        ({"scheduled_date": "2026-11-26"}, 422, "invalid", "/transfer/scheduled_date"),
        ({"scheduled_date": "morgen"}, 422, "invalid", "/transfer/scheduled_date"),
        ({"attachment_ids": ["nobody's"]}, 422, "invalid", "/transfer/attachment_ids"),
        ({"beneficiary": ...}, 422, "invalid", "/transfer/beneficiary"),
        ({"beneficiary_id": "somebody"}, 422, "invalid", "/transfer/beneficiary"),
        ({"beneficiary": {"name": NAME, "iban": "DE1"}}, 422, "invalid", "/transfer/beneficiary/iban"),
        ({"beneficiary": ..., "beneficiary_id": "somebody"}, 404, "not_found", None),
        ({"bank_account_id": "somebody's"}, 404, "not_found", None),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(payer: Payer, fields: dict[str, Any], status: int, code: str, pointer: str | None) -> None:
    answer = payer.send(TRANSFERS, _changed(payer.order(), **fields))
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert answer.json()["errors"][0].get("source", {}).get("pointer") == pointer
    assert payer.transfers == []


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        ("4020.01", 422, "insufficient_funds"), ("4030.01", 403, "forbidden"), ("4030.02", 422, "spend_limit_exceeded"),
        ("4030.03", 422, "debit_blocked"), ("99999999.00", 422, "insufficient_funds"), ("30000.01", 400, "attachment_required"),
    ],
)  # fmt: skip
def test_the_bank_refuses_before_the_user_is_asked(payer: Payer, amount: str, status: int, code: str) -> None:
    answer = payer.send(TRANSFERS, payer.order(amount))
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert payer.bank.ask("sca")["sessions"] == []


def test_the_payee_of_no_bank_is_refused(payer: Payer) -> None:
    answer = payer.send(TRANSFERS, payer.order("1.00", payees.INVALID))
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (422, "Invalid IBAN")


def test_a_large_one_goes_with_its_file(payer: Payer) -> None:
    made = payer.send("/v2/attachments", files={"file": ("rechnung.pdf", PDF, "application/pdf")}).json()["attachment"]["id"]
    paid = payer.pay("30000.01", attachment_ids=[made])
    payer.wait(6)
    booked = payer.ask(f"/v2/transactions/{payer.transfer(paid['id'])['transaction_id']}")["transaction"]
    assert booked["attachment_ids"] == [made]


def test_an_account_of_another_bank_does_not_pay(payer: Payer) -> None:
    outside = next(
        account
        for account in payer.ask("/v2/organization", include_external_accounts="true")["organization"]["bank_accounts"]
        if account["is_external_account"]
    )
    answer = payer.send(TRANSFERS, _changed(payer.order(), bank_account_id=outside["id"]))
    assert (answer.status_code, code_of(answer)) == (422, "invalid")


def test_its_life(payer: Payer) -> None:
    before, seen = payer.account, []
    made = payer.pay("1190.00", note="für die Werkbank")
    for seconds in (0, 1.9, 0.1, 3.9, 0.1):
        payer.wait(seconds)
        seen.append(payer.transfer(made["id"])["status"])
    assert seen == ["pending", "pending", "processing", "processing", "settled"]
    done = payer.transfer(made["id"])
    start = datetime(2026, 11, 27, tzinfo=UTC)
    moments = [datetime.fromisoformat(done[name]) for name in ("created_at", "processed_at", "completed_at")]
    assert [round((moment - moments[0]).total_seconds(), 2) for moment in moments] == [0, 2, 6]
    assert moments[0] > start
    row = payer.ask(f"/v2/transactions/{done['transaction_id']}")["transaction"]
    assert (row["amount_cents"], row["side"], row["status"], row["operation_type"]) == (119000, "debit", "completed", "transfer")
    assert (row["label"], row["reference"], row["note"]) == (NAME, "RE 4711", "für die Werkbank")
    assert row["transfer"]["counterparty_account_number"] == PAYEE
    assert (row["settled_at"], row["emitted_at"]) == (done["completed_at"], done["processed_at"])
    after = payer.account
    assert after["balance_cents"] == before["balance_cents"] - 119000 == row["settled_balance_cents"]
    assert after["authorized_balance_cents"] == before["authorized_balance_cents"] - 119000


def test_what_nobody_watched_happened_at_its_own_time(payer: Payer) -> None:
    made = payer.pay()
    payer.wait(86400)
    later = Payer(payer.bank)
    done = later.transfer(made["id"])
    moments = [datetime.fromisoformat(done[name]) for name in ("created_at", "completed_at")]
    assert moments[1] - moments[0] == timedelta(seconds=6)


def test_a_later_day_begins_in_the_morning(payer: Payer) -> None:
    made = payer.pay("8.08", scheduled_date="2026-11-29")
    assert made["scheduled_date"] == "2026-11-29"
    midnight = datetime(2026, 11, 29, tzinfo=UTC) - datetime.fromisoformat(made["created_at"])
    payer.wait(midnight.total_seconds() + 1)
    assert Payer(payer.bank).transfer(made["id"])["status"] == "pending"
    payer.wait(6)
    done = Payer(payer.bank).transfer(made["id"])
    assert (done["status"], done["completed_at"]) == ("settled", "2026-11-29T00:00:06.000Z")


def test_a_canceled_one_never_leaves(payer: Payer) -> None:
    before, made = payer.account, payer.pay()
    path = f"{TRANSFERS}/{made['id']}/cancel"
    assert payer.send(path).status_code == 204
    payer.wait(60)
    assert (payer.transfer(made["id"])["status"], payer.account) == ("canceled", before)
    assert payer.send(path).status_code == 422


def test_one_on_its_way_is_not_stopped(payer: Payer) -> None:
    made = payer.pay()
    payer.wait(2)
    assert payer.send(f"{TRANSFERS}/{made['id']}/cancel").status_code == 422


def test_the_payee_s_bank_declines(payer: Payer) -> None:
    before, made = payer.account, payer.pay("9.05", payees.DECLINED)
    payer.wait(6)
    done = payer.transfer(made["id"])
    assert (done["status"], done["declined_reason"], done["transaction_id"]) == ("declined", "beneficiary_bic_invalid", None)
    assert payer.account == before


def test_an_account_is_never_overdrawn(payer: Payer) -> None:
    """What suffices for each of two does not for both: the second is declined when its turn comes."""
    balance = payer.account["authorized_balance_cents"]
    payer.bank.put_transaction(amount_cents=balance - 150_000, side="debit")
    first, second = (payer.pay("1000.00", reference=text) for text in ("eins", "zwei"))
    payer.wait(6)
    told = [payer.transfer(made["id"]) for made in (first, second)]
    assert [(row["status"], row["declined_reason"]) for row in told] == [("settled", None), ("declined", "insufficient_funds")]


def test_a_proof_exists_once_the_money_left(payer: Payer) -> None:
    made = payer.pay()
    path = f"{TRANSFERS}/{made['id']}/proof"
    with pytest.raises(AssertionError):
        payer.bank.call(path, token=payer.token)
    payer.wait(6)
    assert payer.bank.call(path, token=payer.token).content.startswith(b"%PDF-")


def test_lists(payer: Payer) -> None:
    a, b = payer.pay("1.00"), payer.pay("2.00", payer.trusted())
    payer.wait(6)
    c = payer.pay("3.00", scheduled_date="2026-12-01")

    def listed(**query: Any) -> set[str]:
        return {row["id"] for row in payer.ask(TRANSFERS, **query)["transfers"]}

    assert listed() == {a["id"], b["id"], c["id"]}
    assert listed(**{"ids[]": [a["id"], c["id"]]}) == {a["id"], c["id"]}
    assert listed(**{"status[]": "settled"}) == {a["id"], b["id"]}
    assert listed(**{"beneficiary_ids[]": payer.trusted()["id"]}) == {b["id"]}
    assert listed(scheduled_date_from="2026-11-28") == {c["id"]}
    assert listed(scheduled_date_to=TODAY) == {a["id"], b["id"]}
    assert listed(updated_at_from=c["updated_at"]) == {a["id"], b["id"], c["id"]}
    with pytest.raises(AssertionError, match="more than 100"):
        listed(**{"ids[]": list(range(101))})


def test_another_company_knows_nothing_of_it(payer: Payer, bank: Bank) -> None:
    made, stranger = payer.pay(), Payer(bank, organization=1)
    assert stranger.transfers == []
    assert stranger.send(f"{TRANSFERS}/{made['id']}/cancel").status_code == 404


@pytest.mark.parametrize(
    "path", [TRANSFERS, "/v2/sepa/bulk_transfers", BENEFICIARIES, "/v2/sepa/verify_payee", f"{TRANSFERS}/x/cancel"]
)
def test_paying_is_a_right_of_its_own(bank: Bank, path: str) -> None:
    answer = Payer(bank, scope="organization.read").send(path, {})
    assert (answer.status_code, code_of(answer)) == (403, "forbidden")
    assert "missing required oauth scope: payment.write" in answer.text


# --- beneficiaries -------------------------------------------------------------------------------------------------


def test_a_payee_becomes_a_beneficiary_once(payer: Payer) -> None:
    first, second = (
        payer.pay("1.00"),
        payer.pay("2.00", beneficiary={"name": "Neuer Name", "iban": PAYEE, "email": "a@b.example"}),
    )
    (row,) = payer.ask(BENEFICIARIES, **{"iban[]": PAYEE})["beneficiaries"]
    assert (row["name"], row["email"], row["trusted"], row["status"]) == ("Neuer Name", "a@b.example", False, "validated")
    assert {first["beneficiary_id"], second["beneficiary_id"]} == {row["id"]}


def test_one_that_is_added_waits_for_the_bank(payer: Payer) -> None:
    row = payer.confirmed(BENEFICIARIES, {"beneficiary": {"name": NAME, "iban": PAYEE}}).json()["beneficiary"]
    assert (row["status"], row["trusted"]) == ("pending", False)
    trusted = payer.bank.tell("beneficiaries", beneficiary={"id": row["id"], "status": "validated", "trusted": True})[
        "beneficiary"
    ]
    assert payer.send(TRANSFERS, payer.order("1.00", trusted)).status_code == 200


def test_the_control_door_makes_beneficiaries(payer: Payer) -> None:
    row = payer.bank.tell("beneficiaries", beneficiary={"name": NAME, "iban": PAYEE, "trusted": True})["beneficiary"]
    assert payer.send(TRANSFERS, payer.order("1.00", row)).status_code == 200
    with pytest.raises(AssertionError):
        payer.bank.tell("beneficiaries", beneficiary={"name": NAME, "iban": "DE1"})
