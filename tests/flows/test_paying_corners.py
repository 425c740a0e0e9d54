"""Paying where two things meet: a colleague's change, another tab, a check that breaks, a request that comes back."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.domain.payments.orders import Flaw
from portal.errors import NotAllowed, Rejected, Stale
from portal.models import AuditEvent, PaymentBatch, PaymentRules, Role, User
from portal.services.finding import Actor
from portal.services.payments import paying, preparing
from tests import factories, payers
from tests.flows.paying import created, newest, open_invoices
from tests.flows.reading import Reader, says
from tests.payers import NO_MATCH, PAYEE, UNREACHABLE, Payer, bill
from tests.story import Story
from tests.web.visitor import HTMX, Visitor


def colleague(story: Story, *, may_pay: bool = True) -> Actor:
    """Somebody else of the same client."""
    with story.ports.database.write() as session:
        person = factories.user(session, "b@brandt.example", "B", Role.CLIENT, now=story.clock.now())
        factories.member(session, person, story.client, "client").may_pay = may_pay
        return Actor(person.id, Role.CLIENT)


def test_who_changed_an_order_does_not_approve_it_alone(story: Story, reader: Reader, staff: User) -> None:
    """The tax office prepares 1 EUR; what the client makes of it is not approved by the tax office's name on it."""
    payer = Payer.of(story, four_eyes_above_cents=10_000)
    story.owner.totp_sealed = "sealed"
    second, browser = colleague(story), reader.browser(story.owner)
    batch = payer.prepare(bill(100), actor=Actor(staff.id, Role.STAFF))
    path = f"/payments/{batch.id}"
    page = browser.page(path)
    late = browser.send(
        browser.page(f"{path}/details"), f"{path}/details", amount="4800,00", iban=payers.iban(42), remittance="anders"
    )  # fmt: skip
    assert browser.send(page, f"{path}/approval", code=payer.code()).status_code == 409  # what the page showed is gone
    says(
        browser.follow(late).words,
        "You have prepared or changed this payment yourself. Let somebody else prepare it, for example your tax office.",
        "Changed by",
    )
    with pytest.raises(Rejected, match="second person"):
        payer.approve(payer.batch(batch.id))
    assert payer.batch(batch.id).makers == [staff.id, story.owner.id]
    other = payer.prepare(bill(20_000), actor=Actor(staff.id, Role.STAFF))
    preparing.change(
        story.ports, second, other.id, account_id=payer.account(), execute_on=None, wanted=bill(30_000, payers.iban(43))
    )  # fmt: skip
    payer.approve(payer.batch(other.id))
    assert payer.batch(other.id).state == "approved"


def test_checking_again_while_nobody_answers_takes_no_tick_away(payer: Payer, browser: Visitor) -> None:
    """What the payee's bank said stands; without its tick nothing is approved."""
    page = created(payer, browser, iban=NO_MATCH)
    batch = newest(payer)
    path = f"/payments/{batch.id}"
    payer.bank.fault("vop_5xx", times=1)
    page = browser.follow(browser.post(f"{path}/payees"))
    says(page.words, "The payees' banks cannot be asked at the moment. Please try again in a few minutes.", "Name does not match")
    assert browser.send(page, f"{path}/approval", code=payer.code()).status_code == 422
    assert newest(payer).state == "prepared"
    assert browser.send(page, f"{path}/approval", code=payer.code(), accepted=batch.payments[0].id).status_code == 303


def test_some_payees_that_cannot_be_checked_any_more_make_it_a_draft(payer: Payer, browser: Visitor) -> None:
    batch = payer.prepare(bill(100), bill(200, NO_MATCH))
    with payer.story.ports.database.write() as session:  # as if that bank had answered before
        row = session.get_one(PaymentBatch, batch.id)
        row.payments[0].iban, row.payments[1].iban = UNREACHABLE, PAYEE
    browser.post(f"/payments/{batch.id}/payees")
    found = payer.batch(batch.id)
    assert (found.state, found.proof, found.checked_at) == ("draft", "", None)
    assert found.payments[0].payee_result == "unavailable"


def test_nothing_is_approved_whose_payee_was_not_checked(payer: Payer) -> None:
    batch = payer.prepare()
    with payer.story.ports.database.write() as session:
        session.get_one(PaymentBatch, batch.id).payments[0].payee_result = "unavailable"
    with pytest.raises(Rejected, match="have not all been checked"):
        payer.approve(batch)


class Slow:
    """The bank, which answers the check of payees only after something else has happened."""

    def __init__(self, bank: Any, meanwhile: Callable[[], object]) -> None:
        self._bank, self._meanwhile = bank, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bank, name)

    def over(self, *given: Any) -> Slow:
        return Slow(self._bank.over(*given), self._meanwhile)

    def check_payees(self, *asked: Any) -> Any:
        answer = self._bank.check_payees(*asked)
        self._meanwhile()
        return answer


@pytest.mark.parametrize("is_change", [False, True])
def test_a_check_is_written_only_on_what_was_checked(payer: Payer, *, is_change: bool) -> None:
    """Somebody changes the payee while his bank is asked about the one before."""
    story, batch = payer.story, payer.prepare()

    def change(ports: Any, wanted: preparing.Wanted) -> None:
        preparing.change(ports, payer.actor, batch.id, account_id=payer.account(), execute_on=None, wanted=wanted)

    slow = replace(story.ports, qonto=Slow(story.ports.qonto, lambda: change(story.ports, bill(77, NO_MATCH))))  # type: ignore[arg-type]
    with pytest.raises(Stale):
        _ = change(slow, bill(88)) if is_change else preparing.check_again(slow, payer.actor, batch.id)  # type: ignore[func-returns-value]
    (payment,) = payer.batch(batch.id).payments
    assert (payment.amount_cents, payment.iban, payment.payee_result) == (77, NO_MATCH, "no_match")


def test_two_tabs_try_again_once(payer: Payer, browser: Visitor) -> None:
    """What was taken up again is not taken up a second time, not even from the order before that."""
    batch = payer.prepare(bill(100))
    payer.approve(batch)
    payer.work()
    payer.decide("deny")
    payer.settle((4,))
    path = f"/payments/{batch.id}"
    tabs = [browser.page(path), browser.page(path)]
    first, again = (browser.send(tabs[0], f"{path}/retry") for _ in range(2))
    assert first.location == again.location
    assert browser.send(tabs[1], f"{path}/retry").status_code == 409
    page = browser.page(path)
    says(page.words, "This was prepared again already.")
    assert not [form for form in page.forms if form.action.endswith("/retry")]
    browser.send(browser.follow(first), f"{first.location}/cancellation")  # given up: free again
    page = browser.page(first.location)
    third = browser.send(page, f"{first.location}/retry")
    assert third.status_code == 303
    assert browser.send(tabs[1], f"{path}/retry").status_code == 409
    assert browser.send(browser.follow(third), f"{third.location}/approval", code=payer.code()).status_code == 303
    payer.work()
    payer.decide()
    payer.settle()
    assert browser.send(tabs[1], f"{path}/retry").status_code == 409
    assert len(payer.executions()) == 1


def test_what_was_lost_once_is_released_by_two_whatever_became_of_it_since(payer: Payer, browser: Visitor) -> None:
    """E03: neither a second retry nor choosing the invoice anew makes one person enough."""
    (invoice,) = open_invoices(payer, 1)
    lost = payer.prepare_invoices(invoice)
    with payer.story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, lost.id)
        row.state, row.reason = "refused", "not_arrived"
        row.payments[0].state = "refused"
    path = f"/payments/{lost.id}"
    again = browser.send(browser.page(path), f"{path}/retry").location
    browser.send(browser.page(again), f"{again}/cancellation")
    third = browser.send(browser.page(again), f"{again}/retry").location
    browser.send(browser.page(third), f"{third}/cancellation")
    chosen = payer.prepare_invoices(invoice)
    for batch in (payer.batch(third.rsplit("/", 1)[1]), chosen):
        assert batch.was_lost
    with pytest.raises(Rejected, match="second person"):
        payer.approve(chosen)


def switch_off(payer: Payer) -> None:
    with payer.story.ports.database.write() as session:
        session.execute(update(PaymentRules).values(is_on=False))


def test_what_the_bank_has_stays_readable_after_switching_off(
    payer: Payer, browser: Visitor, reader: Reader, staff: User, admin: User
) -> None:
    """B11: nobody loses sight of money on its way; nothing new can be made."""
    story, waiting = payer.story, payer.prepare(bill(200, payers.iban(9)))
    scheduled = payer.prepare(bill(100), execute_on=story.clock.today() + timedelta(days=3))
    payer.approve(scheduled)
    payer.work()
    payer.decide()
    payer.settle()
    ended = payer.pay(bill(300, payers.iban(8)))
    switch_off(payer)
    new = f"/clients/{story.client.id}/payments/new"
    for visitor in (browser, reader.browser(staff), reader.browser(admin)):
        says(visitor.page(f"/payments/{scheduled.id}").words, "With the bank")
        says(visitor.page(f"/payments/{ended.id}").words, "Completed")
        assert visitor.get(f"/payments/{scheduled.id}/progress", headers=HTMX).status_code == 200
        page = visitor.page("/payments")
        says(page.words, "Your tax office has switched payments off. What is with the bank already goes on.")
        assert "€3.00" in page.words
        assert "€2.00" not in page.words
        assert "Create payment" not in page.words
        for path in (new, new.replace("new", "invoices"), f"/payments/{waiting.id}"):
            assert visitor.get(path).status_code == 404
        assert visitor.post(f"/payments/{waiting.id}/cancellation").status_code == 404
    assert re.search(r"\bPayments\b", browser.page("/receipts").words)
    assert "Payments" in reader.browser(staff).page(f"/clients/{story.client.id}").words
    assert browser.send(browser.page(f"/payments/{scheduled.id}"), f"/payments/{scheduled.id}/recall").status_code == 303
    payer.work()
    page = browser.page(f"/payments/{scheduled.id}")
    says(page.words, "Cancelled")
    assert not [form for form in page.forms if form.action.endswith("/retry")]
    assert browser.post(f"/payments/{scheduled.id}/retry", {"form_key": str(uuid.uuid4())}).status_code == 404


def test_a_recall_that_breaks_half_way_is_remembered(payer: Payer, browser: Visitor) -> None:
    batch = payer.prepare(
        bill(100), bill(200, payers.iban(5)), execute_on=payer.story.clock.today() + timedelta(days=4)
    )  # fmt: skip
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.settle()
    payer.bank.fault("5xx", times=9, match={"method": "POST", "path": "/v2/sepa/transfers/*/cancel", "nth": 2})
    path = f"/payments/{batch.id}"
    assert browser.send(browser.page(path), f"{path}/recall").status_code == 502
    (event,) = payer.story.rows(select(AuditEvent).where(AuditEvent.tag == "payment_batch.recalled"))
    assert event.details == {"payments": 1}
    payer.bank.heal()
    payer.work()
    assert sorted(payment.state for payment in payer.batch(batch.id).payments) == ["cancelled", "ordered"]


@pytest.mark.parametrize(("days", "is_told"), [(0, True), (13, True), (15, False)])
def test_the_same_within_two_weeks_is_pointed_out(payer: Payer, browser: Visitor, days: int, *, is_told: bool) -> None:
    """E08: also of an order that nobody has approved yet."""
    payer.prepare(bill(1234))
    with payer.story.ports.database.write() as session:
        session.execute(update(PaymentBatch).values(created_at=payer.story.clock.now() - timedelta(days=days)))
    assert ("Is this a second payment?" in created(payer, browser).words) is is_told


def request(payer: Payer, batch: PaymentBatch) -> None:
    with payer.story.ports.database.write() as session:
        paying.send_as_request(session, session.get_one(PaymentBatch, batch.id), now=payer.story.clock.now())


def test_requests_count_for_the_day_and_leave_their_event(payer: Payer) -> None:
    for number in range(4):
        request(payer, payer.prepare(bill(480_000, payers.iban(number + 1))))
    waiting = payer.prepare(bill(80_000))
    request(payer, waiting)
    with pytest.raises(paying.Refused) as caught:
        payer.prepare(bill(1, payers.iban(6)))
    assert caught.value.kinds == [Flaw.DAY_LIMIT]
    events = payer.story.rows(select(AuditEvent).where(AuditEvent.tag == "payment_batch.requested"))
    assert sum(event.details["total_cents"] for event in events) == 2_000_000
    with payer.story.ports.database.write() as session:
        paying.cancel(session, session.get_one(PaymentBatch, waiting.id), now=payer.story.clock.now())
    request(payer, payer.prepare(bill(80_000)))


def test_a_request_needs_what_the_bank_wants_for_it(payer: Payer) -> None:
    batch = payer.prepare()
    with payer.story.ports.database.write() as session:
        row = session.get_one(type(payer.story.connection("payments")), payer.story.connection("payments").id)
        row.scopes = "organization.read payment.write"
    with pytest.raises(NotAllowed):
        request(payer, batch)
    assert payer.batch(batch.id).state == "prepared"


def test_a_request_that_went_back_is_approved_as_an_order(payer: Payer) -> None:
    batch = payer.prepare(execute_on=payer.story.clock.today() + timedelta(days=1))
    request(payer, batch)
    payer.bank.move(days=2)
    payer.work()
    assert payer.batch(batch.id).reason == "past"
    with payer.story.ports.database.write() as session:
        session.get_one(PaymentBatch, batch.id).execute_on = None
    with pytest.raises(Rejected, match="too long ago"):
        payer.approve(payer.batch(batch.id))
    preparing.check_again(payer.story.ports, payer.actor, batch.id)
    payer.approve(payer.batch(batch.id))
    payer.work()
    assert (payer.batch(batch.id).way, payer.batch(batch.id).state) == ("transfer", "confirming")


def test_four_eyes_count_all_members_and_may_always_be_wanted(story: Story, reader: Reader, admin: User) -> None:
    """Who may not pay himself can still prepare with the tax office: the company is not one of one person."""
    payer = Payer.of(story)
    story.owner.totp_sealed = "sealed"
    desk, browser = reader.browser(admin), reader.browser(story.owner)
    path = f"/clients/{story.client.id}"
    desk.send(
        desk.page(path), f"{path}/payments/rules", is_on="y", limit="5000", day_limit="20000", four_eyes_above="0"
    )  # fmt: skip
    assert payer.rules().four_eyes_above_cents == 0
    says(browser.page("/payments").words, "not needed in a company of one")
    colleague(story, may_pay=False)
    assert "Two persons always" in browser.page("/payments").words
    with pytest.raises(Rejected, match="second person"):
        payer.approve(payer.prepare(bill(1)))


def test_a_check_that_is_not_allowed_is_not_an_outage(payer: Payer, browser: Visitor) -> None:
    path = f"/clients/{payer.story.client.id}/payments/new"
    page = browser.page(path)
    payer.bank.fault("403_scope", match={"method": "POST", "path": "/v2/sepa/verify_payee"})
    answer = browser.send(page, path, creditor="W", iban=PAYEE, amount="1,00", remittance="R")
    assert answer.status_code == 502
    assert payer.payments() == []


def test_headlines_tell_who_has_to_do_what(payer: Payer, browser: Visitor, reader: Reader, staff: User) -> None:
    desk = reader.browser(staff)
    batch, asked = payer.prepare(), payer.prepare(bill(200, payers.iban(5)))
    payer.approve(batch)
    request(payer, asked)
    mine, theirs = browser.page(f"/payments/{batch.id}").words, desk.page(f"/payments/{batch.id}").words
    says(mine, "Confirm in your Qonto app")
    assert "Confirm in your Qonto app" not in theirs + browser.page(f"/payments/{asked.id}").words


def test_asking_again_is_not_silence(payer: Payer, browser: Visitor) -> None:
    """Only calls without an answer let the page say that Qonto does not answer."""
    silent = "Qonto does not answer. We keep asking under the same number, so that nothing is transferred twice."
    batch = payer.prepare()
    payer.approve(batch)
    with payer.story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, batch.id)
        row.state, row.attempts, row.doubt_since = "sending", 4, payer.story.clock.now()
    assert silent not in browser.page(f"/payments/{batch.id}").words
    payer.bank.move(seconds=13)
    says(browser.page(f"/payments/{batch.id}").words, silent)
