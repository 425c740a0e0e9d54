"""Who may pay how much: limits, four eyes, rights, switched off, disconnected."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import update

from portal.domain.payments.orders import Flaw
from portal.errors import NotAllowed, NotFound, Rejected
from portal.models import PaymentBatch, PaymentRules, Role, User
from portal.services.connections import connecting
from portal.services.finding import Actor
from portal.services.payments import paying, preparing
from tests import factories
from tests.flows.paying import ORDERS, in_doubt, never, once
from tests.payers import Payer, bill
from tests.story import Story


def test_limits(payer: Payer) -> None:
    with pytest.raises(paying.Refused) as caught:
        payer.prepare(bill(500_001))
    assert caught.value.flaws[0][0] is Flaw.LIMIT
    for _ in range(4):  # 19,200 of 20,000 EUR
        payer.approve(payer.prepare(bill(480_000)))
    late = [payer.prepare(bill(50_000)) for _ in range(2)]
    payer.approve(late[0])
    with pytest.raises(paying.Refused) as caught:
        payer.approve(late[1])
    assert caught.value.flaws[0][0] is Flaw.DAY_LIMIT
    payer.bank.move(hours=15)
    payer.approve(late[1])


def test_above_the_balance(story: Story) -> None:
    payer = Payer.of(story, limit_cents=10**10, day_limit_cents=10**10)
    balance = preparing.accounts(story.ports.qonto, story.connection("payments").id)[0].balance_cents or 0
    with pytest.raises(paying.Refused) as caught:
        payer.prepare(bill(balance + 1))
    assert {flaw for flaw, _ in caught.value.flaws} >= {Flaw.BALANCE, Flaw.NEEDS_FILE}


def test_four_eyes(story: Story) -> None:
    payer = Payer.of(story, four_eyes_above_cents=10_000)
    with story.ports.database.write() as session:
        second = factories.user(session, "b@brandt.example", "B", Role.CLIENT, now=story.clock.now())
        factories.member(session, second, story.client, "client").may_pay = True
    payer.approve(payer.prepare(bill(10_000)))
    with pytest.raises(Rejected, match="second person"):
        payer.approve(payer.prepare(bill(10_001)))
    payer.approve(payer.prepare(bill(10_001), actor=Actor(second.id, Role.CLIENT)))


def test_only_who_has_connected_approves(payer: Payer, story: Story) -> None:
    batch = payer.prepare()
    with story.ports.database.write() as session:
        second = factories.user(session, "b@brandt.example", "B", Role.CLIENT, now=story.clock.now())
        factories.member(session, second, story.client, "client").may_pay = True
        session.execute(update(User).where(User.id == second.id).values(totp_sealed="x"))
    with story.ports.database.write() as session, pytest.raises(NotAllowed):
        paying.approve(
            session, Actor(second.id, Role.CLIENT), session.get_one(PaymentBatch, batch.id), seen="", accepted=(), key="k" * 32,
            now=story.clock.now(),
        )  # fmt: skip


def test_without_a_second_factor_nothing_is_approved(payer: Payer, story: Story) -> None:
    """A02."""
    batch = payer.prepare()
    with story.ports.database.write() as session:
        session.execute(update(User).where(User.id == story.owner.id).values(totp_sealed=None))
    with pytest.raises(NotAllowed):
        payer.approve(batch)


def test_off_is_off(story: Story) -> None:
    """E01: nothing is there before an admin switches it on, and nothing goes out after he switched it off."""
    with pytest.raises(NotFound):
        preparing.prepare(
            story.ports, story.actor, story.client.id, form_key=str(uuid.uuid4()), account_id="", execute_on=None, wanted=[]
        )
    payer = Payer.of(story)
    batch = payer.prepare()
    payer.approve(batch)
    with story.ports.database.write() as session:
        session.get_one(type(payer.rules()), payer.rules().id).is_on = False
    payer.work()
    never(payer, batch, "refused", reason="payments_off")


@pytest.mark.parametrize("is_allowed", [False, True])
def test_off_stops_what_waits_for_a_confirmation(payer: Payer, story: Story, is_allowed: bool) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    with story.ports.database.write() as session:
        session.get_one(PaymentRules, payer.rules().id).is_on = False
    if is_allowed:
        payer.decide()
    payer.settle((4, 4))
    never(payer, batch, "refused", reason="payments_off")


def test_off_stops_a_call_that_the_bank_has_put_off(payer: Payer, story: Story) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    payer.bank.fault("429", times=1, match=ORDERS)
    payer.work()
    assert (payer.batch(batch.id).state, payer.batch(batch.id).doubt_since) == ("sending", None)
    with story.ports.database.write() as session:
        session.get_one(PaymentRules, payer.rules().id).is_on = False
    payer.settle((60, 60))
    never(payer, batch, "refused", reason="payments_off")


@pytest.mark.parametrize("state", ["approved", "confirming", "sending", "unknown"])
def test_disconnecting_stops_what_was_approved(payer: Payer, story: Story, state: str) -> None:
    """Connected again, nothing old goes out; what may be at the bank is looked for."""
    if state in {"sending", "unknown"}:
        batch = in_doubt(payer)
    else:
        batch = payer.prepare()
        payer.approve(batch)
    if state == "confirming":
        payer.work()
    if state == "unknown":
        payer.bank.fault("5xx", match={"method": "GET", "path": "/v2/sepa/transfers"})
        payer.settle((1800,))
        payer.bank.heal()
    assert payer.batch(batch.id).state == state
    connecting.disconnect(story.ports, actor=payer.actor, connection_id=story.connection("payments").id)
    found = payer.batch(batch.id)
    assert (found.state, found.reason) == ("unknown" if state in {"sending", "unknown"} else "refused", "consent_ended")
    payer.settle((3600,))
    story.connect("payments")
    payer.decide()
    payer.settle()
    if state in {"sending", "unknown"}:
        once(payer, batch)
    else:
        never(payer, batch, "refused", reason="consent_ended")


def test_only_a_payer_disconnects_payments(payer: Payer, story: Story) -> None:
    with story.ports.database.write() as session:
        other = factories.user(session, "b@brandt.example", "B", Role.CLIENT, now=story.clock.now())
        factories.member(session, other, story.client, "client")
    with pytest.raises(NotAllowed, match="Payments"):
        connecting.disconnect(story.ports, actor=Actor(other.id, Role.CLIENT), connection_id=story.connection("payments").id)
    assert story.connection("payments").state == "active"
    with story.ports.database.write() as session:  # a payer also when the office has switched payments off
        session.get_one(PaymentRules, payer.rules().id).is_on = False
    connecting.disconnect(story.ports, actor=payer.actor, connection_id=story.connection("payments").id)
    assert story.connection("payments").state == "disconnected"
