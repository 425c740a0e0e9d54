"""Payments from the form to the booked movement, over the simulator: each is made once, whatever is lost on the way."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from jobs.runs import execute_run
from portal.clock import BERLIN
from portal.domain.payments import orders
from portal.domain.payments.orders import Flaw
from portal.errors import Fenced, NotAllowed, NotFound, Rejected, Stale
from portal.models import Approval, Assignment, AuditEvent, Connection, Mail, Payment, PaymentBatch, PaymentRules, Role, Run, User
from portal.qonto import schema
from portal.qonto.client import Qonto
from portal.services import auditing, connecting, notifying, ordering, paying, preparing, running
from portal.services.finding import Actor
from tests import factories, payers
from tests.payers import CLOSE, DECLINED, INVALID, NO_MATCH, PAYEE, UNREACHABLE, Payer, bill
from tests.story import Story

ORDERS = {"method": "POST", "path": "/v2/sepa/transfers"}


@pytest.fixture
def payer(story: Story) -> Payer:
    return Payer.of(story)


def once(payer: Payer, batch: PaymentBatch, state: str = "executed") -> None:
    """Each of its payments was made exactly once, and that is what we know."""
    batch = payer.batch(batch.id)
    assert [payment.state for payment in batch.payments] == [state] * len(batch.payments), (batch.state, batch.reason)
    made = payer.bank.ask("executions")["payments"]
    expected = 1 if state == "executed" else 0
    assert [one["booked"] for one in made] == [expected] * len(made)
    assert len(made) == (len(batch.payments) if expected else 0)
    assert batch.next_look_at is None
    assert batch.doubt_since is None


def never(payer: Payer, batch: PaymentBatch, *states: str, reason: str = "") -> None:
    """The bank has made nothing of it."""
    batch = payer.batch(batch.id)
    assert (batch.state in states, batch.reason) == (True, reason), (batch.state, batch.reason)
    assert payer.executions() == []


def calls(payer: Payer) -> int:
    """How often a transfer was ordered."""
    return sum((one["method"], one["path"]) == ("POST", "/v2/sepa/transfers") for one in payer.bank.log())


def in_doubt(payer: Payer, fault: str = "drop_after_create", *wanted: preparing.Wanted) -> PaymentBatch:
    """A confirmed order whose answer is missing: the bank has executed it, or (`pay_5xx`) has nothing of it."""
    batch = payer.prepare(*wanted)
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.bank.fault(fault, times=1, match=ORDERS)
    payer.bank.move(seconds=4)
    payer.work()
    assert payer.batch(batch.id).state == "sending"
    return payer.batch(batch.id)


def test_one_payment(payer: Payer) -> None:
    batch = payer.prepare()
    assert (batch.state, batch.way, batch.payments[0].payee_result) == ("prepared", "transfer", "match")
    payer.work()
    assert payer.executions() == []
    payer.approve(batch)
    payer.work()
    assert payer.batch(batch.id).state == "confirming"
    assert payer.executions() == []
    assert payer.decide() == 1
    payer.settle()
    once(payer, batch)
    batch = payer.batch(batch.id)
    assert (batch.state, batch.sca_token) == ("ended", None)
    assert batch.payments[0].transaction_id
    with payer.story.ports.database.read() as session:
        assert auditing.broken_links(session, key=payer.story.ports.settings.secret_key) == []
        tags = list(session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.like("payment%")).order_by(AuditEvent.sequence)))
    assert [tag for tag in tags if not tag.endswith(".moved")] == [
        "payment_rules.changed", "payment_batch.payees_checked", "payment_batch.prepared", "payment_batch.approved",
        "payment_batch.sent", "payment_batch.sent", "payment.ended",
    ]  # fmt: skip


def test_several_with_one_confirmation_each_with_its_own_end(payer: Payer) -> None:
    """L-47, L-64: one fails at the start, one later, the others go through; only what failed can be tried again."""
    batch = payer.prepare(bill(100), bill(200, INVALID), bill(300, DECLINED), bill(400))
    payer.approve(batch)
    payer.work()
    assert payer.decide() == 1
    payer.settle()
    batch = payer.batch(batch.id)
    assert [(p.state, p.reason) for p in batch.payments] == [
        ("executed", ""), ("refused", "invalid"), ("refused", "beneficiary_bic_invalid"), ("executed", ""),
    ]  # fmt: skip
    assert batch.state == "ended"
    again = payer.batch(preparing.retry(payer.story.ports, payer.actor, batch.id, form_key=str(uuid.uuid4())))
    assert [p.amount_cents for p in again.payments] == [200, 300]
    assert again.idempotency_key != batch.idempotency_key


def test_invoices_are_paid_once_and_their_receipts_assigned(payer: Payer) -> None:
    """L-45, L-52, L-53: from the open invoice to the receipt that is assigned to the booked movement."""
    for kind in ("documents", "bank"):
        payer.story.connect(kind)
    row = payer.bank.put_invoice(
        status="awaiting_payment", invoice_number="WZ-7001", supplier_name="Werkzeug GmbH", iban=PAYEE,
        total_amount={"value": "47.11", "currency": "EUR"}, payable_amount={"value": "47.11", "currency": "EUR"},
    )  # fmt: skip
    batch = payer.prepare_invoices(row["id"])
    assert batch.payments[0].remittance == "WZ-7001"
    assert [o.obstacle for o in payer.offers() if o.invoice.id == row["id"]] == [preparing.Obstacle.ON_ITS_WAY]
    with pytest.raises(paying.AlreadyPaid):
        payer.prepare(batch_wanted(batch))
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.settle()
    once(payer, batch)
    payer.story.settle()
    receipt = payer.story.receipts()[row["id"]]
    (assignment,) = payer.story.rows(select(Assignment).where(Assignment.receipt_id == receipt.id))
    assert [reason["code"] for reason in assignment.reasons] == ["paid_here"]
    assert (assignment.amount_cents, assignment.score, receipt.state) == (4711, 1.0, "assigned")
    with pytest.raises(paying.AlreadyPaid):
        payer.prepare(batch_wanted(batch))
    payer.story.check_books()


def batch_wanted(batch: PaymentBatch) -> preparing.Wanted:
    one = batch.payments[0]
    return preparing.Wanted(one.creditor, one.iban, one.amount_cents, one.remittance, (), one.invoice_id, one.invoice_number)


@pytest.mark.parametrize(
    "changed", [{"total_amount": "48.00", "payable_amount": "48.00"}, {"iban": payers.iban(99)}, {"status": "paid"}, None]
)
def test_an_invoice_that_changes_between_choosing_and_approving(payer: Payer, changed: dict[str, str] | None) -> None:
    row = payer.bank.put_invoice(
        status="awaiting_payment", invoice_number="WZ-7001", supplier_name="Werkzeug GmbH", iban=PAYEE,
        total_amount={"value": "47.11", "currency": "EUR"}, payable_amount={"value": "47.11", "currency": "EUR"},
    )  # fmt: skip
    batch = payer.prepare_invoices(row["id"])
    if changed is None:
        payer.bank.tell("supplier_invoices", organization=None, supplier_invoice={"id": row["id"]}, hidden=True)
    else:
        values = {k: {"value": v, "currency": "EUR"} if "amount" in k else v for k, v in changed.items()}
        payer.bank.put_invoice(id=row["id"], **values)
    payer.approve(batch)
    payer.work()
    never(payer, batch, "prepared", reason="invoice_changed")
    assert payer.story.rows(select(Approval))[0].voided_at is not None


# --- nothing twice --------------------------------------------------------------------------------------------------


def test_a_form_that_is_sent_twice_makes_one_order(payer: Payer) -> None:
    key = str(uuid.uuid4())
    assert payer.prepare(form_key=key).id == payer.prepare(form_key=key).id
    with pytest.raises(preparing.UsedForm):
        payer.prepare(bill(999), form_key=key)
    assert len(payer.payments()) == 1


def test_two_approvals_are_one_transfer(payer: Payer) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    payer.approve(batch)
    payer.work()
    payer.approve(batch)
    payer.decide()
    payer.settle()
    payer.approve(batch)
    payer.settle((1, 1))
    once(payer, batch)
    assert len(payer.story.rows(select(Approval))) == 1


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
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.bank.fault(fault, times=1, match=ORDERS)
    payer.bank.move(seconds=4)
    payer.work()
    assert payer.batch(batch.id).state == "sending"
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
    read = schema.transfer
    monkeypatch.setattr(schema, "transfer", lambda row: read({**row, "status": None}))
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


# --- E09: what was approved is what is sent -------------------------------------------------------------------------


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


# --- the payee's name -----------------------------------------------------------------------------------------------


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


# --- the confirmation -----------------------------------------------------------------------------------------------


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


# --- refusals of the bank -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "reason"),
    [(402001, "insufficient_funds"), (403001, "forbidden"), (403002, "spend_limit_exceeded"), (403003, "debit_blocked")],
)
def test_why_the_bank_said_no(payer: Payer, cents: int, reason: str) -> None:
    batch = payer.prepare(bill(cents))
    payer.approve(batch)
    payer.work()
    never(payer, batch, "refused", reason=reason)
    assert payer.payments()[0].reason == reason


@pytest.mark.fault("F87")
def test_declined_later(payer: Payer) -> None:
    batch = payer.pay(bill(100, DECLINED))
    assert [(p.state, p.reason) for p in batch.payments] == [("refused", "beneficiary_bic_invalid")]
    assert batch.state == "ended"


def test_a_payment_of_another_day_is_followed_until_then(payer: Payer) -> None:
    day = payer.story.clock.today() + timedelta(days=4)
    batch = payer.prepare(execute_on=day)
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.settle()
    assert payer.batch(batch.id).payments[0].state == "ordered"
    for _ in range(5):
        payer.bank.move(days=1)
        payer.work()
    payer.settle()
    once(payer, batch)


@pytest.mark.parametrize("state", ["approved", "confirming", "sending"])
def test_a_consent_that_is_withdrawn_in_between(payer: Payer, state: str) -> None:
    """Nothing is called failed that may be at the bank: it is looked for once the client has connected again."""
    batch = payer.prepare()
    payer.approve(batch)
    if state != "approved":
        payer.work()
    if state == "sending":
        payer.decide()
        payer.bank.fault("drop_after_create", times=1, match=ORDERS)
        payer.bank.move(seconds=4)
        payer.work()
    assert payer.batch(batch.id).state == state
    payer.bank.tell("consent/revoke", organization=None)
    payer.bank.move(seconds=10)
    payer.work()
    if state != "sending":
        never(payer, batch, "refused", reason="consent_ended")
        return
    assert payer.batch(batch.id).state == "unknown"
    payer.story.connect("payments")
    payer.settle()
    once(payer, batch)


# --- who and how much -----------------------------------------------------------------------------------------------


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


# --- disconnecting --------------------------------------------------------------------------------------------------


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


# --- one among others -----------------------------------------------------------------------------------------------


def test_a_confirmation_that_cannot_be_opened_is_an_expired_one(payer: Payer, story: Story) -> None:
    broken, other = payer.prepare(bill(100)), payer.prepare(bill(200))
    payer.approve(broken)
    payer.work()
    payer.approve(other)
    with story.ports.database.write() as session:
        session.get_one(PaymentBatch, broken.id).sca_token = "broken"
    payer.settle((4,))
    never(payer, broken, "refused", reason="sca_expired")
    assert payer.batch(other.id).state == "confirming"


def test_an_order_that_breaks_lets_the_others_pass(payer: Payer, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, other = payer.prepare(bill(100)), payer.prepare(bill(200))
    real = orders.body

    def breaking(order: orders.Order) -> dict[str, object]:
        if order.mark == broken.id and payer.batch(broken.id).state == "sending":
            raise ValueError(order.mark)
        return real(order)

    payer.approve(broken)
    payer.approve(other)
    monkeypatch.setattr(ordering.orders, "body", breaking)
    payer.work()
    assert (payer.batch(broken.id).state, payer.batch(other.id).state) == ("sending", "confirming")
    monkeypatch.undo()
    payer.decide()
    payer.settle()
    assert payer.batch(other.id).state == "ended"
    assert [one["amount_cents"] for one in payer.bank.ask("executions")["payments"]] == [200]


# --- when it is looked after ----------------------------------------------------------------------------------------


def test_a_day_begins_at_six_and_its_movement_is_waited_for(payer: Payer, story: Story) -> None:
    """Before the day of execution nobody polls; after it the booked movement has a week, as always."""
    day = story.clock.today() + timedelta(days=20)
    batch = payer.prepare(execute_on=day)
    with story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, batch.id)
        row.state, row.accepted_at, row.payments[0].state = "accepted", story.clock.now(), "ordered"
        for hour, minute, wait in ((0, 30, timedelta(hours=5, minutes=30)), (6, 0, timedelta(seconds=3))):
            now = datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN)
            ordering._pace(session, row, now)
            assert row.next_look_at == now + wait
        row.payments[0].state = "executed"
        now = datetime(day.year, day.month, day.day, 9, tzinfo=BERLIN)
        ordering._pace(session, row, now + timedelta(days=6))
        assert row.state == "accepted"
        ordering._pace(session, row, now + timedelta(days=7))
        assert row.state == "ended"


# --- the request in the bank's app ----------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", ["approve", "decline"])
def test_a_request_is_released_in_the_app(payer: Payer, decision: str) -> None:
    batch = payer.prepare(bill(100, text="A 1"), bill(200, text="A 2"))
    with payer.story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, batch.id)
        paying.send_as_request(session, row, now=payer.story.clock.now())
    payer.work()
    batch = payer.batch(batch.id)
    assert batch.state == "requested"
    payer.bank.tell(f"requests/{batch.qonto_id}", decision=decision)
    payer.settle((20, 20, 20, 60))
    if decision == "approve":
        once(payer, batch)
        assert payer.batch(batch.id).state == "ended"
    else:
        never(payer, batch, "ended", reason="declined_in_app")


def test_a_request_whose_transfers_are_not_recognized_says_so(payer: Payer, story: Story) -> None:
    """Changed in the app: after some days somebody has to look there himself. It is still found should they turn up."""
    batch = payer.prepare(bill(100, text="A 1"))
    with story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, batch.id)
        paying.send_as_request(session, row, now=story.clock.now())
    payer.work()
    batch = payer.batch(batch.id)
    payer.settle((86_400 * 4,))
    assert payer.batch(batch.id).reason == ""  # nobody has released it yet
    payer.bank.tell(f"requests/{batch.qonto_id}", decision="approve")
    with story.ports.database.write() as session:
        session.execute(update(Payment).values(remittance="A  1"))
    payer.settle((86_400,))
    assert (payer.batch(batch.id).state, payer.batch(batch.id).reason) == ("requested", "check_in_qonto")
    with story.ports.database.write() as session:
        session.execute(update(Payment).values(remittance="A 1"))
    payer.settle((86_400, 60))
    once(payer, batch)


# --- two workers ----------------------------------------------------------------------------------------------------


def test_who_lost_the_lease_writes_nothing(payer: Payer) -> None:
    """E04: the second worker goes on, the first one's commits are refused."""
    ports = payer.story.ports
    batch = payer.prepare()
    payer.approve(batch)
    run = payer.story.newest("payments")
    first = running.claim(ports.database, run.id, now=ports.clock.now(), timing=ports.settings.timing)
    assert first is not None
    payer.bank.move(seconds=ports.settings.timing.lease + 1)
    payer.work()
    payer.decide()
    with pytest.raises(Fenced):
        ordering.pay(ports, first)
    payer.settle()
    once(payer, batch)
    assert {r.state for r in payer.story.rows(select(Run).where(Run.kind == "payments"))} == {"done"}
