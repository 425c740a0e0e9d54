"""Payments from the form to the booked movement, over the simulator: each is made once, whatever is lost on the way."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from portal.clock import BERLIN
from portal.domain.payments import orders
from portal.errors import Fenced
from portal.models import Approval, Assignment, AuditEvent, Payment, PaymentBatch, Run
from portal.services import auditing, running
from portal.services.payments import following, ordering, paying, preparing
from tests import payers
from tests.flows.paying import ORDERS, never, once
from tests.payers import DECLINED, INVALID, PAYEE, Payer, bill
from tests.story import Story


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
    monkeypatch.setattr(orders, "body", breaking)
    payer.work()
    assert (payer.batch(broken.id).state, payer.batch(other.id).state) == ("sending", "confirming")
    monkeypatch.undo()
    payer.decide()
    payer.settle()
    assert payer.batch(other.id).state == "ended"
    assert [one["amount_cents"] for one in payer.bank.ask("executions")["payments"]] == [200]


def test_a_day_begins_at_six_and_its_movement_is_waited_for(payer: Payer, story: Story) -> None:
    """Before the day of execution nobody polls; after it the booked movement has a week, as always."""
    day = story.clock.today() + timedelta(days=20)
    batch = payer.prepare(execute_on=day)
    with story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, batch.id)
        row.state, row.accepted_at, row.payments[0].state = "accepted", story.clock.now(), "ordered"
        for hour, minute, wait in ((0, 30, timedelta(hours=5, minutes=30)), (6, 0, timedelta(seconds=3))):
            now = datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN)
            following._pace(session, row, now)
            assert row.next_look_at == now + wait
        row.payments[0].state = "executed"
        now = datetime(day.year, day.month, day.day, 9, tzinfo=BERLIN)
        following._pace(session, row, now + timedelta(days=6))
        assert row.state == "accepted"
        following._pace(session, row, now + timedelta(days=7))
        assert row.state == "ended"


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
