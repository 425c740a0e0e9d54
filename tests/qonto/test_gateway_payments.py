"""The gateway's payment calls over the simulator: checks of payees, orders, confirmations, what became of them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portal.clock import FixedClock
from portal.domain.payments import orders
from portal.domain.payments.orders import Item, Order, Way
from portal.errors import OutcomeUnknown, QontoError, ScaRequired, ScopeMissing
from portal.qonto.budget import Unlimited
from portal.qonto.client import OneToken, Qonto, all_pages
from portal.qonto.oauth import SCOPES
from portal.settings import Settings
from tests.bank import Bank
from tests.conftest import SIMULATOR_URL
from tests.qonto import wire

CLOSE, NO_MATCH, UNREACHABLE, INVALID = (
    "DE91000000000000009001", "DE64000000000000009002", "DE10000000000000009004", "DE53000000000000009006",
)  # fmt: skip
PAYEE = "DE61000000007700012345"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return wire.settings(tmp_path, SIMULATOR_URL, qonto_client_secret="simulator-secret")


@pytest.fixture
def api(settings: Settings, bank: Bank) -> Qonto:
    token = bank.tell("tokens", organization=None, scope=" ".join(SCOPES["payments"]))["access_token"]
    return Qonto(settings, OneToken(token), Unlimited(), transport=bank.transport)


def payee() -> str:
    tail = "000000007700012345"
    return f"DE{98 - int(tail + '131400') % 97:02d}{tail}"


def order(api: Qonto, *cents: int, way: Way = Way.TRANSFER, iban: str = "", mark: str = "") -> Order:
    account = api.organization("c").bank_accounts[0]
    items = tuple(Item(mark or str(uuid.uuid4()), "Werkzeug GmbH", iban or payee(), one, "Pruefung") for one in cents)
    proof = api.check_payees("c", [(item.creditor, item.iban) for item in items]).proof if way is not Way.REQUEST else ""
    return Order(str(uuid.uuid4()), way, account.id, account.iban or "", None, proof, items)


def send(api: Qonto, bank: Bank, wanted: Order, key: str = "") -> str:
    """As a user does who allows it on his phone."""
    key = key or str(uuid.uuid4())
    with pytest.raises(ScaRequired) as asked:
        api.order("c", wanted.way, orders.body(wanted), key=key)
    assert api.sca_result("c", asked.value.token) == "waiting"
    bank.tell(f"sca/{asked.value.token}", decision="allow")
    assert api.sca_result("c", asked.value.token) == "allow"
    return api.order("c", wanted.way, orders.body(wanted), key=key, sca_token=asked.value.token).id


def listed(api: Qonto, **query: Any) -> list[Any]:
    return [row for page in all_pages(lambda n: api.transfers("c", page=n, **query)) for row in page.rows]


def test_what_the_payees_banks_say(api: Qonto) -> None:
    def one(iban: str) -> Any:
        return api.check_payees("c", [("Holzhandel", iban)]).checks[0]

    assert (one(payee()).result, one(NO_MATCH).result) == ("match", "no_match")
    assert (one(CLOSE).result, one(CLOSE).name) == ("close_match", "Holzhandel Beispiel GmbH & Co. KG")
    with pytest.raises(QontoError):
        one(UNREACHABLE)
    several = api.check_payees("c", [("A", payee()), ("B", UNREACHABLE), ("C", CLOSE)])
    assert [check.result for check in several.checks] == ["match", "unavailable", "close_match"]


def test_a_transfer_with_its_mark(api: Qonto, bank: Bank) -> None:
    wanted = order(api, 1234, mark="m-1")
    made = send(api, bank, wanted)
    (row,) = listed(api, ids=[made])
    assert (row.status, row.amount_cents, row.note, row.transaction_id) == ("pending", 1234, "Belegfluss m-1", None)
    bank.move(seconds=7)
    (row,) = listed(api, ids=[made])
    assert row.status == "settled"
    assert row.transaction_id


def test_a_lost_answer_is_told_and_the_key_gives_it(api: Qonto, bank: Bank, clock: FixedClock) -> None:
    wanted, key = order(api, 504001, mark="m-2"), str(uuid.uuid4())
    with pytest.raises(OutcomeUnknown):
        send(api, bank, wanted, key)
    again = api.order("c", wanted.way, orders.body(wanted), key=key)
    found = listed(api, updated_from=clock.now() - timedelta(minutes=5))
    assert [row.id for row in found if row.note == "Belegfluss m-2"] == [again.id]


@pytest.mark.parametrize(
    ("cents", "code"),
    [
        (402001, "insufficient_funds"),
        (403002, "spend_limit_exceeded"),
        (403003, "debit_blocked"),
        (3_000_001, "attachment_required"),
    ],
)
def test_clear_refusals(api: Qonto, cents: int, code: str) -> None:
    wanted = order(api, cents)
    with pytest.raises(QontoError) as caught:
        api.order("c", wanted.way, orders.body(wanted), key=str(uuid.uuid4()))
    assert caught.value.code == code
    assert not isinstance(caught.value, OutcomeUnknown)


def test_no_right_and_no_device(api: Qonto, bank: Bank) -> None:
    with pytest.raises(ScopeMissing) as caught:
        wanted = order(api, 403001)
        api.order("c", wanted.way, orders.body(wanted), key=str(uuid.uuid4()))
    assert caught.value.code == "forbidden"
    bank.fault("sca_not_enrolled", times=1)
    wanted = order(api, 100)
    with pytest.raises(ScaRequired) as asked:
        api.order("c", wanted.way, orders.body(wanted), key=str(uuid.uuid4()))
    assert (asked.value.token, asked.value.code) == ("", "sca_not_enrolled")


@pytest.mark.parametrize("fault", ["pay_5xx", "drop_after_create", "html_200"])
def test_what_may_have_happened_is_unknown(api: Qonto, bank: Bank, fault: str) -> None:
    wanted = order(api, 100)
    bank.fault(fault, times=1, match={"method": "POST", "path": "/v2/sepa/transfers"})
    with pytest.raises((OutcomeUnknown, ScaRequired)) as caught:
        api.order("c", wanted.way, orders.body(wanted), key=str(uuid.uuid4()))
    assert isinstance(caught.value, OutcomeUnknown) or fault == "drop_after_create"  # nothing is created before the confirmation


def test_a_bulk_entry_by_entry(api: Qonto, bank: Bank) -> None:
    wanted = order(api, 100, 200, way=Way.BULK)
    wanted = replace(wanted, items=(wanted.items[0], replace(wanted.items[1], iban=INVALID)))
    wanted = replace(wanted, proof=api.check_payees("c", [(item.creditor, item.iban) for item in wanted.items]).proof)
    made = send(api, bank, wanted)
    assert [entry.status for entry in api.bulk_transfer("c", made).entries] == ["pending", "pending"]
    bank.move(seconds=3)
    good, bad = api.bulk_transfer("c", made).entries
    assert (good.mark, good.status, bad.status, bad.code) == (wanted.items[0].mark, "completed", "failed", "invalid")
    assert good.transfer_id
    assert made in [row.id for row in api.bulk_transfers("c", page=1).rows]


def test_a_request_waits_in_the_app(api: Qonto, bank: Bank, clock: FixedClock) -> None:
    wanted = order(api, 100, 200, way=Way.REQUEST)
    made = api.order("c", wanted.way, orders.body(wanted), key=str(uuid.uuid4())).id

    def row() -> Any:
        rows = api.transfer_requests("c", created_from=clock.now() - timedelta(minutes=5), page=1).rows
        return next(one for one in rows if one.id == made)

    assert (row().status, row().note) == ("pending", f"Belegfluss {wanted.mark}")
    bank.tell(f"requests/{made}", decision="approve")
    assert row().status == "approved"


def test_a_transfer_that_has_not_left_can_be_stopped(api: Qonto, bank: Bank) -> None:
    made = send(api, bank, order(api, 100))
    api.cancel_transfer("c", made)
    assert listed(api, ids=[made])[0].status == "canceled"
    with pytest.raises(QontoError) as caught:
        api.cancel_transfer("c", made)
    assert caught.value.status_code == 422


def test_invoices_that_may_be_paid(api: Qonto) -> None:
    rows = [row for page in all_pages(lambda n: api.payable_invoices("c", page=n)) for row in page.rows]
    assert {row.status for row in rows} <= {"to_review", "to_approve", "to_pay", "awaiting_payment"}
    assert any(row.is_payable and row.iban and row.amount_cents for row in rows)
