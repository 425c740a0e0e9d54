"""What was approved is what is sent: changes, the payee's name, the confirmation on the phone, cancelling."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.errors import Rejected, Stale
from portal.models import Approval, Payment, PaymentBatch, Role
from portal.services.payments import paying, preparing
from tests import factories, payers
from tests.flows.paying import never, once
from tests.payers import CLOSE, NO_MATCH, PAYEE, UNREACHABLE, Payer, bill


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Payment, {"amount_cents": 1}), (Payment, {"iban": payers.iban(1)}), (Payment, {"creditor": "X"}),
        (Payment, {"remittance": "X"}), (PaymentBatch, {"execute_on": "tomorrow"}), (PaymentBatch, {"account_id": "other"}),
        (PaymentBatch, {"proof": "other"}), (Approval, {"digest": "other"}), (Approval, {"seal": "other"}),
        (Approval, {"user_id": "other"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_confirmed", [False, True])
def test_a_change_after_the_approval_stops_it(payer: Payer, model: type, values: dict[str, object], is_confirmed: bool) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    if is_confirmed:
        payer.work()
        payer.decide()
    with payer.story.ports.database.write() as session:
        if values.get("user_id"):
            other = factories.user(session, "else@x.example", "Else", Role.CLIENT, now=payer.story.clock.now())
            values = {"user_id": other.id}
        if values.get("execute_on"):
            values = {"execute_on": payer.story.clock.today() + timedelta(days=1)}
        session.execute(update(model).values(**values))
    payer.settle((4, 4))
    never(payer, batch, *(("refused",) if is_confirmed else ("prepared",)), reason="changed")


def test_changing_an_order_takes_the_approval_back(payer: Payer) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    preparing.change(
        payer.story.ports, payer.actor, batch.id, account_id=payer.account(), execute_on=None, wanted=bill(77, NO_MATCH)
    )
    payer.work()
    changed = payer.batch(batch.id)
    assert (changed.state, changed.payments[0].amount_cents, changed.payments[0].payee_result) == ("prepared", 77, "no_match")
    assert payer.executions() == []
    with pytest.raises(Stale):
        payer.approve(changed, seen="what the page showed before")


def test_a_page_that_showed_something_else_approves_nothing(payer: Payer) -> None:
    with pytest.raises(Stale):
        payer.approve(payer.prepare(), seen="0" * 64)


@pytest.mark.fault("F83")
@pytest.mark.parametrize(
    ("payee", "result"), [(CLOSE, "close_match"), (NO_MATCH, "no_match"), (payers.NOT_POSSIBLE, "not_possible")]
)
def test_another_name_needs_a_tick_that_is_recorded(payer: Payer, payee: str, result: str) -> None:
    batch = payer.prepare(bill(100, payee))
    assert batch.payments[0].payee_result == result
    with pytest.raises(Rejected, match="each payee"):
        payer.approve(batch, accepted=())
    payer.approve(batch)
    assert payer.batch(batch.id).payments[0].payee_accepted_by == payer.actor.user_id
    payer.work()
    payer.decide()
    payer.settle()
    once(payer, batch)


@pytest.mark.fault("F83")
def test_without_an_answer_of_the_payees_bank_nothing_is_approved(payer: Payer) -> None:
    batch = payer.prepare(bill(100, UNREACHABLE))
    assert (batch.state, batch.payments[0].payee_result) == ("draft", "unavailable")
    with pytest.raises(Stale):
        payer.approve(batch)
    payer.bank.fault("vop_5xx", times=1)
    batch = payer.prepare(bill(100))
    assert batch.state == "draft"
    preparing.check_again(payer.story.ports, payer.actor, batch.id)
    assert payer.batch(batch.id).state == "prepared"


def test_a_check_of_yesterday_has_to_be_made_again(payer: Payer) -> None:
    batch = payer.prepare()
    payer.bank.move(hours=23)
    with pytest.raises(Rejected, match="too long ago"):
        payer.approve(batch)
    preparing.check_again(payer.story.ports, payer.actor, batch.id)
    payer.approve(payer.batch(batch.id))


@pytest.mark.fault("F82")
@pytest.mark.parametrize(
    ("fault", "seconds", "reason"),
    [
        ("sca_deny", 4, "sca_denied"),
        ("sca_wait", 16 * 60, "sca_expired"),
        ("sca_expired", 4, "sca_denied"),
        ("", 16 * 60, "sca_expired"),
    ],
)
def test_no_yes_on_the_phone(payer: Payer, fault: str, seconds: int, reason: str) -> None:
    if fault:
        payer.bank.fault(fault)
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    payer.bank.move(seconds=seconds)
    payer.settle((1, 4))
    never(payer, batch, "refused", reason=reason)


def test_a_no_on_the_phone(payer: Payer) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    payer.decide("deny")
    payer.settle((4,))
    never(payer, batch, "refused", reason="sca_denied")


def test_no_device(payer: Payer) -> None:
    payer.bank.fault("sca_not_enrolled", times=1)
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    never(payer, batch, "refused", reason="sca_not_enrolled")


@pytest.mark.parametrize("state", ["draft", "prepared", "approved", "confirming"])
def test_cancelling_before_the_bank_has_it(payer: Payer, state: str) -> None:
    batch = payer.prepare(bill(100, UNREACHABLE if state == "draft" else PAYEE))
    if state in {"approved", "confirming"}:
        payer.approve(batch)
    if state == "confirming":
        payer.work()
    assert payer.batch(batch.id).state == state
    with payer.story.ports.database.write() as session:
        paying.cancel(session, session.get_one(PaymentBatch, batch.id), now=payer.story.clock.now())
    payer.decide()
    payer.settle()
    never(payer, batch, "cancelled")


def test_too_late_to_cancel(payer: Payer) -> None:
    batch = payer.pay()
    with payer.story.ports.database.write() as session, pytest.raises(Stale):
        paying.cancel(session, session.get_one(PaymentBatch, batch.id), now=payer.story.clock.now())
