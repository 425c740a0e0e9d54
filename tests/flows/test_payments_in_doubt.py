"""Answers that are lost, clocks that jump, lists that lag: what is not known is never paid again, and is cleared up."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from jobs.runs import execute_run
from portal.errors import Rejected
from portal.models import Connection, Mail, PaymentBatch, Role, User
from portal.qonto import payment_schema
from portal.qonto.client import Qonto
from portal.services.connections import connecting
from portal.services.finding import Actor
from portal.services.messages import notifying
from portal.services.payments import paying, preparing
from tests import factories
from tests.flows.paying import ORDERS, calls, in_doubt, never, once
from tests.payers import Payer, bill
from tests.story import Story


@pytest.mark.fault("F80", "F84")
@pytest.mark.parametrize(
    ("fault", "times"), [("drop_after_create", 1), ("pay_5xx", 1), ("pay_5xx", 3), ("5xx", 2), ("html_200", 1)]
)
@pytest.mark.parametrize("is_confirmed", [False, True])
def test_a_lost_answer_is_repeated_under_the_same_key(payer: Payer, fault: str, times: int, is_confirmed: bool) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    if is_confirmed:
        payer.work()
        payer.decide()
    payer.bank.fault(fault, times=times, match=ORDERS)
    payer.settle()
    assert payer.batch(batch.id).state in {"confirming", "ended", "accepted", "sending"}
    payer.settle((60, 300))
    payer.decide()
    payer.settle((4, 4, 4, 4, 30, 300))
    once(payer, batch)
    calls = [one for one in payer.bank.log() if one["method"] == "POST" and one["path"] == "/v2/sepa/transfers"]
    assert len({one["idempotency_key"] for one in calls}) == 1
    assert len({one["body_sha256"] for one in calls}) == 1


@pytest.mark.fault("F81")
@pytest.mark.parametrize("minutes", [24, 26, 31, 120])
@pytest.mark.parametrize("fault", ["drop_after_create", "pay_5xx"])
def test_a_key_that_may_be_forgotten_is_never_used(payer: Payer, fault: str, minutes: int) -> None:
    """Whether the lost call had got through or not: nothing is paid twice, nothing is called failed that was paid."""
    batch = in_doubt(payer, fault)
    payer.bank.fault("key_expired", match=ORDERS)
    payer.bank.move(minutes=minutes)
    payer.work()
    payer.settle((60, 60, 600, 600))
    found = payer.batch(batch.id)
    if fault == "drop_after_create":  # its mark is found before anything is repeated, whatever the key is worth
        assert calls(payer) == 2
        once(payer, batch)
    elif minutes > 25:
        assert calls(payer) == 2
        never(payer, found, "refused", reason="not_arrived")
    else:  # repeated, and refused because the confirmation is old: that says nothing of the first call, the lists do
        assert calls(payer) == 3
        never(payer, found, "refused", reason="not_arrived")


@pytest.mark.parametrize("minutes", [-60, -5, 60, 600])
def test_our_clock_jumps_after_the_call(payer: Payer, story: Story, minutes: int) -> None:
    """Back or forth, ours alone: the executed order is found by its mark, and no second call is made."""
    story.clock.move(minutes=120)  # at the bank time goes on by itself, so there is room to go back
    batch = in_doubt(payer)
    story.clock.move(minutes=minutes)
    payer.bank.fault("key_expired", match=ORDERS)
    for pause in (1, 10, 60, 600, 3600, 60, 60):
        payer.bank.move(seconds=pause)
        payer.work()
    once(payer, batch)
    assert calls(payer) == 2


def test_a_key_from_the_future_is_not_used(payer: Payer, story: Story) -> None:
    """Whatever our clock says now, nobody knows how old the key is: the order is looked for instead."""
    batch = in_doubt(payer, "pay_5xx")
    with story.ports.database.write() as session:
        session.get_one(PaymentBatch, batch.id).doubt_since = story.clock.now() + timedelta(minutes=5)
    payer.settle((11,))
    assert (payer.batch(batch.id).state, calls(payer)) == ("unknown", 2)


@pytest.mark.parametrize("way", ["transfer", "request"])
def test_a_fast_clock_of_ours_hides_nothing(payer: Payer, story: Story, way: str) -> None:
    """Ten minutes ahead all the time: what the bank has is found in its lists all the same."""
    story.clock.move(minutes=10)
    if way == "request":
        batch = payer.prepare()
        with story.ports.database.write() as session:
            paying.send_as_request(session, session.get_one(PaymentBatch, batch.id), now=story.clock.now())
        payer.bank.fault("drop_after_create", times=1, match={"method": "POST", "path": "/v2/requests/multi_transfers"})
        payer.work()
    else:
        batch = in_doubt(payer)
    assert payer.batch(batch.id).state == "sending"
    payer.bank.move(minutes=31)
    payer.settle((1, 60, 600))
    if way == "request":
        assert payer.batch(batch.id).state == "requested"
    else:
        once(payer, batch)


def test_a_jump_of_our_clock_proves_no_absence(payer: Payer, story: Story) -> None:
    """At the bank not a second has passed: it may still be working on the call."""
    batch = in_doubt(payer, "pay_5xx")
    story.clock.move(hours=2)
    payer.work()
    assert payer.batch(batch.id).state == "unknown"
    payer.settle((60, 60))
    assert payer.batch(batch.id).state == "unknown"
    payer.settle((600,))
    never(payer, payer.batch(batch.id), "refused", reason="not_arrived")


@pytest.mark.parametrize("fault", ["drop_after_create", "pay_5xx"])
def test_rows_that_cannot_be_read_prove_no_absence(payer: Payer, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    payer.pay(bill(77))  # some row has to be there
    batch = in_doubt(payer, fault)
    read = payment_schema.transfer
    monkeypatch.setattr(payment_schema, "transfer", lambda row: read({**row, "status": None}))
    payer.bank.move(minutes=31)
    payer.settle((1, 60, 600, 600))
    assert payer.batch(batch.id).state == "unknown"
    monkeypatch.undo()
    payer.settle((60, 600, 60))
    found = payer.batch(batch.id)
    assert (found.state, found.reason) == (("ended", "") if fault == "drop_after_create" else ("refused", "not_arrived"))


@pytest.mark.parametrize("changed", ["person", "account"])
def test_a_narrower_consent_proves_no_absence(payer: Payer, story: Story, changed: str) -> None:
    """Who does not see the account does not see its transfers either."""
    batch = in_doubt(payer, "pay_5xx")
    before = payer.batch(batch.id).account_id
    with story.ports.database.write() as session:
        if changed == "person":
            other = factories.user(session, "else@x.example", "Else", Role.CLIENT, now=story.clock.now())
            session.execute(update(Connection).where(Connection.kind == "payments").values(connected_by=other.id))
        else:
            session.get_one(PaymentBatch, batch.id).account_id = "hidden from this consent"
    payer.bank.move(minutes=31)
    payer.settle((1, 60, 600, 3600))
    found = payer.batch(batch.id)
    assert (found.state, found.reason) == ("unknown", "other_consent")
    with story.ports.database.write() as session:
        session.execute(update(Connection).where(Connection.kind == "payments").values(connected_by=story.owner.id))
        session.get_one(PaymentBatch, batch.id).account_id = before
    payer.settle((3600, 3600))
    never(payer, found, "refused", reason="not_arrived")


def test_a_doubt_that_lasts_is_told_once_and_cleared_once(payer: Payer, story: Story, staff: User) -> None:
    """E46: whoever may pay hears of it, and the firm; nobody else, and nobody who was not told is told that it is over."""
    with story.ports.database.write() as session:
        other = factories.user(session, "else@x.example", "Else", Role.CLIENT, now=story.clock.now())
        factories.member(session, other, story.client, "client")

    def told(*kinds: str) -> list[tuple[str, str]]:
        with story.ports.database.write() as session:
            notifying.remind(session, now=story.clock.now())
        return sorted((mail.kind, mail.user_id) for mail in story.rows(select(Mail)) if mail.kind in kinds)

    batch = in_doubt(payer, "pay_5xx")
    payer.bank.tell("consent/revoke", organization=None)
    payer.settle((11, 1500))
    assert payer.batch(batch.id).state == "unknown"
    assert told("doubt", "doubt_over") == []
    payer.settle((600,))
    told("doubt")
    asked = sorted(("doubt", person.id) for person in (story.owner, staff))
    assert told("doubt", "doubt_over") == asked
    story.connect("payments")
    payer.settle((1, 60, 600))
    never(payer, batch, "refused", reason="not_arrived")
    told("doubt")
    assert told("doubt_over") == [("doubt_over", user_id) for _, user_id in asked]
    assert told("doubt") == asked
    quick = in_doubt(payer, "drop_after_create")
    payer.settle()
    assert payer.batch(quick.id).state == "ended"
    assert len(told("doubt", "doubt_over")) == 4


def test_lost_over_an_ended_consent_is_lost_as_well(payer: Payer, story: Story) -> None:
    """E03 holds whatever the last word of the bank was, and for the retry of a retry."""
    batch = in_doubt(payer, "pay_5xx")
    payer.bank.tell("consent/revoke", organization=None)
    payer.settle((11,))
    found = payer.batch(batch.id)
    assert (found.state, found.reason, found.was_lost) == ("unknown", "consent_ended", True)
    story.connect("payments")
    payer.settle((1, 60, 600))
    never(payer, batch, "refused", reason="not_arrived")
    for _ in range(2):
        batch = payer.batch(preparing.retry(story.ports, payer.actor, batch.id, form_key=str(uuid.uuid4())))
        with pytest.raises(Rejected, match="second person"):
            payer.approve(batch)
        with story.ports.database.write() as session:
            paying.cancel(session, session.get_one(PaymentBatch, batch.id), now=story.clock.now())


def test_an_old_approval_does_not_outlive_its_consent(payer: Payer, story: Story) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    connecting.disconnect(story.ports, actor=payer.actor, connection_id=story.connection("payments").id)
    payer.bank.move(hours=3)
    story.connect("payments")
    payer.settle((4, 60))
    assert payer.batch(batch.id).state in {"prepared", "refused"}
    assert payer.executions() == []


def test_what_was_lost_is_released_again_by_two(payer: Payer, story: Story) -> None:
    """E03: a new attempt needs another pair of eyes, even in a company of one."""
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.bank.fault("pay_5xx", times=1, match=ORDERS)
    payer.bank.move(seconds=4)
    payer.work()
    payer.bank.move(minutes=40)
    payer.settle((1, 60, 600))
    assert payer.batch(batch.id).reason == "not_arrived"
    own = payer.batch(preparing.retry(story.ports, payer.actor, batch.id, form_key=str(uuid.uuid4())))
    with pytest.raises(Rejected, match="second person"):
        payer.approve(own)
    with story.ports.database.write() as session:
        staff = factories.user(session, "mara@kanzlei.example", "Mara Klein", Role.STAFF, now=story.clock.now())
        factories.member(session, staff, story.client, "staff")
        paying.cancel(session, session.get_one(PaymentBatch, own.id), now=story.clock.now())
    theirs = preparing.retry(story.ports, Actor(staff.id, Role.STAFF), batch.id, form_key=str(uuid.uuid4()))
    payer.approve(payer.batch(theirs))
    payer.work()
    payer.decide()
    payer.settle()
    once(payer, payer.batch(theirs))


def test_the_amount_whose_answer_is_always_lost(story: Story) -> None:
    """The simulator makes the transfer and cuts the line; its list then gives the answer, without another call."""
    payer = Payer.of(story, limit_cents=1_000_000)
    batch = payer.prepare(bill(504001))
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.settle()
    once(payer, batch)
    assert payer.batch(batch.id).attempts == 2


def test_a_list_that_lags_behind(payer: Payer) -> None:
    """The transfer is made and not listed yet: the call repeated under the same key is answered with it."""
    batch = in_doubt(payer)
    bank = payer.bank.app.extensions["simulator"].organizations[0]
    bank.hidden.update(bank.tables["transfers"])
    payer.settle((11,))
    assert (payer.batch(batch.id).state, calls(payer)) == ("accepted", 3)
    payer.bank.tell_all()
    payer.settle()
    once(payer, batch)


def test_a_backup_does_not_pay_again(payer: Payer) -> None:
    """E41: the database is set back to just after the approval; the bank has the transfer already."""
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.settle()
    once(payer, batch)
    with payer.story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, batch.id)
        row.state, row.next_look_at, row.attempts, row.body_sha256 = "approved", payer.story.clock.now(), 0, ""
        row.payments[0].state, row.payments[0].transfer_id, row.payments[0].transaction_id = "open", None, None
        paying.request_run(session, row, now=payer.story.clock.now())
    payer.bank.move(hours=3)
    payer.settle()
    once(payer, batch)


def test_a_worker_that_slept_sends_nothing(payer: Payer) -> None:
    """The call was noted, then the process stood still for two minutes: the check before sending stops it, and it is made anew."""
    batch = payer.prepare()
    payer.approve(batch)
    qonto = payer.story.ports.qonto
    slow = qonto.guarded(lambda: payer.bank.move(minutes=2))
    sleeping = replace(payer.story.ports, qonto=_Sleeping(slow, qonto))
    execute_run(sleeping, payer.story.newest("payments").id)
    assert payer.batch(batch.id).state == "sending"
    assert not [one for one in payer.bank.log() if one["path"] == "/v2/sepa/transfers" and one["method"] == "POST"]
    payer.work()
    payer.decide()
    payer.settle()
    once(payer, batch)


class _Sleeping:
    """The gateway of a process that is stopped between taking its turn and sending."""

    def __init__(self, slow: Qonto, real: Qonto) -> None:
        self._slow, self._real = slow, real

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def guarded(self, check: Callable[[], None]) -> Qonto:
        def both() -> None:
            self._slow._before_sending()
            check()

        return self._real.guarded(both)
