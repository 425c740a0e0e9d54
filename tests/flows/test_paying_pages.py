"""Paying on the pages: what the client, his tax office and the admin see and press, without JavaScript."""

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
from portal.services import paying, preparing
from portal.services.finding import Actor
from tests import factories, payers
from tests.bank import as_file
from tests.factories import pdf
from tests.flows.reading import Reader, says, words_of
from tests.pages import Page
from tests.payers import CLOSE, INVALID, NO_MATCH, PAYEE, UNREACHABLE, Payer, bill
from tests.story import Story
from tests.web.visitor import HTMX, Visitor


@pytest.fixture
def payer(story: Story) -> Payer:
    return Payer.of(story)


@pytest.fixture
def browser(payer: Payer, reader: Reader) -> Visitor:
    """The owner's, with his second factor shown."""
    payer.story.owner.totp_sealed = "sealed"
    return reader.browser(payer.story.owner)


def created(payer: Payer, browser: Visitor, **typed: object) -> Page:
    """Fill in the form and send it; the page that comes."""
    path = f"/clients/{payer.story.client.id}/payments/new"
    given = {"creditor": "Werkzeug GmbH", "iban": PAYEE, "amount": "12,34", "remittance": "RE 2026-7", **typed}
    answer = browser.send(browser.page(path), path, **given)
    return browser.follow(answer) if answer.status_code == 303 else Page(answer.text)


def newest(payer: Payer) -> PaymentBatch:
    return payer.story.rows(select(PaymentBatch).order_by(PaymentBatch.created_at.desc(), PaymentBatch.id.desc()))[0]


def test_from_the_form_to_the_end(payer: Payer, browser: Visitor) -> None:
    """L-43, L-44, L-49, L-50."""
    says(browser.page("/payments").words, "Create payment", "Pay invoices")
    page = created(payer, browser)
    says(page.words, "Check your payment", "Name matches", "Approve: %(amount)s")
    batch = newest(payer)
    path = f"/payments/{batch.id}"
    page = browser.follow(browser.send(page, f"{path}/approval", code=payer.code()))
    says(
        page.words,
        "Confirm in your Qonto app",
        "You may close this page. The order stands under “Payments”, and nothing is transferred twice.",
    )
    assert page.polls == [f"{path}/progress"]
    payer.work()
    page = browser.page(path)
    says(page.words, "Qonto has sent a request to your phone. Open the app and compare the amount there with this page.")
    assert "No request in the app?" not in page.words
    payer.bank.move(seconds=31)
    fragment = browser.get(f"{path}/progress", headers=HTMX).text
    says(words_of(fragment), "No request in the app?", "%(elapsed)s of 15:00 minutes", "Cancel, transfer nothing")
    payer.work()
    payer.decide()
    payer.settle()
    page = browser.page(path)
    says(page.words, "Completed", "Executed")
    assert page.polls == []
    assert len(payer.executions()) == 1


def test_nothing_is_approved_without_a_fresh_code(payer: Payer, browser: Visitor) -> None:
    """E05, A19: each code works once, also across two orders."""
    page = created(payer, browser)
    path = f"/payments/{newest(payer).id}"
    for code in ("", "000000"):
        answer = browser.send(page, f"{path}/approval", code=code)
        assert answer.status_code == 422
    assert newest(payer).state == "prepared"
    (event,) = payer.story.rows(select(AuditEvent).where(AuditEvent.tag == "user.second_factor_failed"))
    assert event.actor == payer.story.owner.id
    code = payer.code()
    assert browser.send(page, f"{path}/approval", code=code).status_code == 303
    page = created(payer, browser, amount="56,78")
    answer = browser.send(page, f"/payments/{newest(payer).id}/approval", code=code)
    assert answer.status_code == 422
    says(words_of(answer.text), "This code is not right. Wait for the next one and try again.")
    assert newest(payer).state == "prepared"


@pytest.mark.fault("F85")
def test_double_click_two_tabs_back_and_a_replayed_form(payer: Payer, browser: Visitor) -> None:
    """L-51, F85: one transfer, whatever is pressed how often."""
    path = f"/clients/{payer.story.client.id}/payments/new"
    form = browser.page(path)
    typed = {"creditor": "Werkzeug GmbH", "iban": PAYEE, "amount": "12,34", "remittance": "RE 2026-7"}
    first, second = (browser.send(form, path, **typed) for _ in range(2))  # pressed twice
    third = browser.send(form, path, **{**typed, "amount": "99,00"})  # back, changed, sent again
    assert first.location == second.location
    assert third.status_code == 409
    says(words_of(third.text), "This form was used already.")
    assert str(first.location) in third.text
    assert [payment.amount_cents for payment in payer.payments()] == [12_34]
    check, tab = (browser.follow(first) for _ in range(2))
    address = f"{first.location}/approval"
    code = payer.code()
    answers = [browser.send(page, address, code=code) for page in (check, check, tab)]
    payer.work()
    payer.decide()
    answers.append(browser.send(tab, address, code=code))
    payer.settle()
    answers.append(browser.send(check, address, code=code))
    payer.settle()
    assert {answer.status_code for answer in answers} == {303}
    assert [one["created"] for one in payer.bank.ask("executions")["payments"]] == [1]


@pytest.mark.parametrize(
    ("typed", "says_so"),
    [
        ({"iban": "DE02120300000000202052"}, "This is not a valid IBAN of the SEPA area. Please compare it with the invoice."),
        ({"iban": ""}, "This is not a valid IBAN of the SEPA area. Please compare it with the invoice."),
        ({"amount": "0"}, "Enter an amount above zero with at most two decimals, for example 119,00."),
        ({"amount": "-5"}, "Enter an amount above zero with at most two decimals, for example 119,00."),
        ({"amount": "1,2345"}, "Enter an amount above zero with at most two decimals, for example 119,00."),
        ({"amount": "1.234"}, "Please write the cents too, for example 1.234,00: like this it is not clear what is meant."),
        ({"amount": "5000,01"}, "This is above the limit for one payment. Your tax office can change it."),
        (
            {"amount": "30000,01"},
            "Above 30,000 EUR Qonto wants the invoice as a file: pay it from the list of invoices, or in Qonto.",
        ),
        ({"remittance": "Nr. #7"}, "These signs cannot travel with a payment: %(signs)s"),
        (
            {"remittance": ""},
            "Enter 1 to 140 characters: letters, digits, spaces and / - ? : ( ) . , ' +, and no slash at either end.",
        ),
        ({"creditor": ""}, "Enter the name of the account holder, at most 140 characters."),
        ({"execute_on": "2026-11-26"}, "This day has passed. Choose today or a later day."),
        ({"execute_on": "2029-01-01"}, "This day is too far ahead: at most the end of next year."),
    ],
)
def test_bad_input_is_said_beside_its_field(payer: Payer, browser: Visitor, typed: dict[str, str], says_so: str) -> None:
    says(created(payer, browser, **typed).words, says_so, "Please check what you entered")
    assert payer.payments() == []


@pytest.mark.fault("F86")
def test_above_30000_only_with_a_file(story: Story, reader: Reader) -> None:
    payer = Payer.of(story, limit_cents=10**7, day_limit_cents=10**8)
    story.owner.totp_sealed = "sealed"
    browser = reader.browser(story.owner)
    words = created(payer, browser, amount="30000,01").words
    says(words, "Above 30,000 EUR Qonto wants the invoice as a file: pay it from the list of invoices, or in Qonto.")
    amount = {"value": "30000.01", "currency": "EUR"}
    row = payer.bank.put_invoice(
        file=as_file(pdf("Rechnung")), status="awaiting_payment", invoice_number="G-1", supplier_name="Groß GmbH",
        iban=PAYEE, total_amount=amount, payable_amount=amount,
    )  # fmt: skip
    batch = payer.prepare_invoices(row["id"])
    assert batch.payments[0].attachments == [row["attachment_id"]]
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.settle()
    assert payer.batch(batch.id).payments[0].state == "executed"


def test_an_account_that_is_not_offered(payer: Payer, browser: Visitor) -> None:
    path = f"/clients/{payer.story.client.id}/payments/new"
    theirs = payer.bank.organizations()[1]["bank_accounts"][0]["id"]
    answers = []
    for account in (theirs, str(uuid.uuid4())):
        given = {"account": account, "creditor": "W", "iban": PAYEE, "amount": "1,00", "remittance": "R"}
        answers.append(browser.send(browser.page(path), path, **given))
    assert [answer.status_code for answer in answers] == [422, 422]
    assert payer.payments() == []


def test_umlauts_are_shown_as_they_travel(payer: Payer, browser: Visitor) -> None:
    assert "Moebel fuer das Buero" in created(payer, browser, remittance="Möbel für das Büro").words


def test_the_day_is_told_on_which_banks_work(payer: Payer, browser: Visitor) -> None:
    says(created(payer, browser, execute_on="2026-12-25").words, "Banks rest on that day and work on it on %(day)s.")


def test_the_iban_while_it_is_typed(payer: Payer, browser: Visitor) -> None:
    says(words_of(browser.post("/payments/iban", {"iban": PAYEE}, headers=HTMX).text), "Valid: %(iban)s")
    says(
        words_of(browser.post("/payments/iban", {"iban": "DE12"}, headers=HTMX).text),
        "Not valid: a digit is wrong, or one is missing.",
    )


@pytest.mark.parametrize(
    ("payee", "says_so"),
    [
        (CLOSE, "The bank knows the holder as “%(name)s”."),
        (NO_MATCH, "The name does not fit the holder of the account. Ask the payee on a known number before you pay."),
        (payers.NOT_POSSIBLE, "The payee's bank does not take part in the check."),
    ],
)
def test_another_name_is_shown_and_needs_a_tick(payer: Payer, browser: Visitor, payee: str, says_so: str) -> None:
    """L-54."""
    page = created(payer, browser, iban=payee)
    batch = newest(payer)
    says(page.words, says_so, "This is the right payee", "First tick each payee whose name differs or could not be checked.")
    answer = browser.send(page, f"/payments/{batch.id}/approval", code=payer.code())
    assert answer.status_code == 422
    says(words_of(answer.text), "Please confirm each payee whose name differs, or could not be checked.")
    answer = browser.send(page, f"/payments/{batch.id}/approval", code=payer.code(), accepted=batch.payments[0].id)
    assert answer.status_code == 303


def test_a_payees_bank_that_does_not_answer(payer: Payer, browser: Visitor) -> None:
    page = created(payer, browser, iban=UNREACHABLE)
    says(page.words, "The payees have to be checked", "Not checked yet")
    assert not [form for form in page.forms if form.action.endswith("/approval")]
    path = f"/payments/{newest(payer).id}"
    says(browser.follow(browser.send(page, f"{path}/payees")).words, "The payees have to be checked")
    says(browser.follow(browser.send(page, f"{path}/cancellation")).words, "Cancelled. Nothing is transferred.")


def open_invoices(payer: Payer, count: int = 3) -> list[str]:
    """So many invoices that can be paid, and no others."""
    payer.bank.app.extensions["simulator"].organizations[0].hidden.update(
        row["id"] for row in payer.bank.app.extensions["simulator"].organizations[0].tables["supplier_invoices"].values()
    )
    rows = []
    for number in range(count):
        amount = {"value": f"{10 + number}.50", "currency": "EUR"}
        rows.append(
            payer.bank.put_invoice(
                status="awaiting_payment", invoice_number=f"WZ-{number}", supplier_name=f"Lieferant {number}",
                iban=payers.iban(500 + number), total_amount=amount, payable_amount=amount,
            )["id"]
        )  # fmt: skip
    return rows


def test_two_of_five_invoices(payer: Payer, browser: Visitor) -> None:
    """L-46, L-47: two are ticked, the sum is theirs, one approval and one confirmation pay both."""
    ids = open_invoices(payer, 5)
    path = f"/clients/{payer.story.client.id}/payments/invoices"
    page = browser.page(path)
    fields = {**page.form(path).fields, "invoice": [ids[1], ids[3]]}
    fields.pop("all", None)
    answer = browser.post(path, fields, token=fields.pop("csrf_token"))
    page = browser.follow(answer)
    assert "€25.00" in page.words
    batch = newest(payer)
    assert [payment.invoice_id for payment in batch.payments] == [ids[1], ids[3]]
    browser.send(page, f"/payments/{batch.id}/approval", code=payer.code())
    payer.work()
    assert payer.decide() == 1
    payer.settle()
    assert len(payer.executions()) == 2
    words = browser.page(path).words
    assert ("Lieferant 1" in words, "Lieferant 2" in words) == (False, True)


def test_all_invoices_and_none(payer: Payer, browser: Visitor) -> None:
    open_invoices(payer)
    path = f"/clients/{payer.story.client.id}/payments/invoices"
    page = browser.page(path)
    answer = browser.send(page, path)
    assert answer.status_code == 422
    says(words_of(answer.text), "Choose at least one invoice, and at most 400.")
    browser.follow(browser.send(page, path, all="1"))
    assert len(newest(payer).payments) == 3


def test_bulk_is_made_from_invoices_only(payer: Payer, browser: Visitor) -> None:
    """L-45: whatever else a form names is no invoice."""
    open_invoices(payer, 1)
    path = f"/clients/{payer.story.client.id}/payments/invoices"
    theirs = payer.bank.put_invoice(payer.bank.organizations()[1]["id"], status="awaiting_payment", iban=PAYEE)["id"]
    for invoice in (theirs, str(uuid.uuid4()), "x"):
        assert browser.send(browser.page(path), path, invoice=invoice).status_code == 422
    assert payer.payments() == []


def test_what_failed_is_tried_again_and_nothing_else(payer: Payer, browser: Visitor) -> None:
    """L-64."""
    batch = payer.pay(bill(100), bill(200, INVALID))
    page = browser.page(f"/payments/{batch.id}")
    says(page.words, "Completed in part", "Qonto does not accept the payee's IBAN.", "Prepare again")
    browser.follow(browser.send(page, f"/payments/{batch.id}/retry"))
    assert [payment.amount_cents for payment in newest(payer).payments] == [200]


@pytest.mark.parametrize(
    ("cents", "what", "who"),
    [
        (402001, "The account does not hold enough.", "you"),
        (403001, "Your Qonto user may not make this payment from this account.", "Qonto, or your administrator there"),
        (403002, "Your Qonto user has a spend limit, and this payment is above it.", "Qonto, or your administrator there"),
        (403003, "Qonto has blocked debits of this account, for example after a seizure.", "Qonto, or your administrator there"),
    ],
)
def test_why_not_and_who_can_help(payer: Payer, browser: Visitor, cents: int, what: str, who: str) -> None:
    """L-08, L-10, L-48, L-59 … L-61, L-63."""
    batch = payer.prepare(bill(cents))
    payer.approve(batch)
    payer.work()
    page = browser.page(f"/payments/{batch.id}")
    says(page.words, what, "Who can help", "Not executed")
    assert who in page.words


def test_changing_before_and_after_the_approval(payer: Payer, browser: Visitor) -> None:
    created(payer, browser)
    batch = newest(payer)
    path = f"/payments/{batch.id}"
    page = browser.page(f"{path}/details")
    assert page.form(f"{path}/details").fields["amount"] == "12,34"
    page = browser.follow(browser.send(page, f"{path}/details", amount="23,45"))
    assert "€23.45" in page.words
    browser.send(page, f"{path}/approval", code=payer.code())
    late = browser.page(f"{path}/details")
    payer.work()
    assert browser.send(late, f"{path}/details", amount="99,99").status_code == 409
    assert newest(payer).payments[0].amount_cents == 2345


def test_a_second_payment_of_the_same_is_pointed_out(payer: Payer, browser: Visitor) -> None:
    payer.approve(payer.prepare(bill(1234)))
    says(created(payer, browser).words, "Is this a second payment?")


def test_gates(payer: Payer, browser: Visitor, reader: Reader, admin: User) -> None:
    """L-09: what is in the way is said, with the way out."""
    story = payer.story
    batch = payer.prepare()
    with story.ports.database.write() as session:
        session.execute(update(User).where(User.id == story.owner.id).values(totp_sealed=None))
    says(browser.page("/payments").words, "Whoever approves payments needs a second factor. Set it up once, it takes a minute.")
    page = browser.page(f"/payments/{batch.id}")
    assert not [form for form in page.forms if form.action.endswith("/approval")]
    assert browser.post(f"/payments/{batch.id}/approval", {"code": "123456", "seen": "x"}).status_code == 403
    with story.ports.database.write() as session:
        session.get_one(type(story.connection("payments")), story.connection("payments").id).scopes = "organization.read"
    says(
        browser.page("/payments").words,
        "The consent at Qonto does not cover payments. Reconnect and leave all rights ticked; your Qonto user needs the permission to approve payments.",
    )  # fmt: skip
    assert browser.get(f"/clients/{story.client.id}/payments/new").status_code == 403


def test_an_admin_switches_on_and_admits(story: Story, reader: Reader, admin: User) -> None:
    """E01: before that every page of payments is not there."""
    browser, desk = reader.browser(story.owner), reader.browser(admin)
    for path in (
        "/payments",
        f"/clients/{story.client.id}/payments/new",
        f"/clients/{story.client.id}/connections/payments/connect",
    ):
        assert browser.get(path).status_code == 404
    page = desk.page(f"/clients/{story.client.id}")
    path = f"/clients/{story.client.id}/payments/rules"
    assert desk.send(page, path, is_on="y", limit="abc").status_code == 422
    page = desk.follow(desk.send(page, path, is_on="y", limit="5.000,00", day_limit="20000"))
    says(page.words, "Switched on", "May pay: %(answer)s")
    assert browser.get("/payments").status_code == 403
    assert "Payments" not in browser.page("/receipts").words
    desk.send(page, f"/clients/{story.client.id}/people/{story.owner.id}/payments", may_pay="1")
    says(
        browser.page("/payments").words,
        "Connect Qonto for payments first. This is a consent of its own, which you can withdraw at any time.",
    )
    assert re.search(r"\bPayments\b", browser.page("/receipts").words)
    page = browser.page(f"/clients/{story.client.id}/connections/payments/connect")
    assert "payment.write" in page.words


def test_staff_prepare_and_the_client_approves(payer: Payer, browser: Visitor, reader: Reader, staff: User) -> None:
    desk = reader.browser(staff)
    page = created(payer, desk)
    batch = newest(payer)
    says(page.words, "Send to the Qonto app as a request", "%(client)s finds it under “Payments” and approves it there.")
    assert not [form for form in page.forms if form.action.endswith("/approval")]
    assert desk.post(f"/payments/{batch.id}/approval", {"code": "123456"}).status_code == 403
    page = browser.page(f"/payments/{batch.id}")
    assert "Mara Klein" in page.words
    assert browser.send(page, f"/payments/{batch.id}/approval", code=payer.code()).status_code == 303


def test_staff_send_a_request(payer: Payer, reader: Reader, staff: User) -> None:
    desk = reader.browser(staff)
    page = created(payer, desk)
    batch = newest(payer)
    desk.send(page, f"/payments/{batch.id}/request")
    payer.work()
    says(desk.page(f"/payments/{batch.id}").words, "Waits in the Qonto app")
    assert payer.executions() == []


def test_a_bank_that_is_away(payer: Payer, browser: Visitor) -> None:
    path = f"/clients/{payer.story.client.id}/payments/new"
    payer.bank.fault("5xx")
    for address in (path, path.replace("new", "invoices")):
        says(browser.page(address).words, "Qonto cannot be reached at the moment.")


def test_another_request_on_the_phone(payer: Payer, browser: Visitor) -> None:
    """L-62: it is sent again; the first one, allowed late, opens nothing, and one transfer is made."""
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    first = payer.bank.ask("sca")["sessions"][-1]["sca_session_token"]
    payer.bank.move(seconds=31)
    page = browser.page(f"/payments/{batch.id}")
    browser.follow(browser.send(page, f"/payments/{batch.id}/confirmation"))
    payer.work()
    waiting = [one["sca_session_token"] for one in payer.bank.ask("sca")["sessions"]]
    assert len(waiting) == 2
    payer.bank.tell(f"sca/{first}", decision="allow")
    payer.settle((4, 4))
    assert payer.executions() == []
    payer.decide()
    payer.settle()
    assert [one["created"] for one in payer.bank.ask("executions")["payments"]] == [1]
    assert browser.post(f"/payments/{batch.id}/confirmation").status_code == 409


def test_what_waits_for_its_day_can_be_stopped(payer: Payer, browser: Visitor) -> None:
    day = payer.story.clock.today() + timedelta(days=3)
    batch = payer.prepare(bill(100), execute_on=day)
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.settle()
    path = f"/payments/{batch.id}"
    page = browser.page(path)
    says(browser.follow(browser.send(page, f"{path}/recall")).words, "%(num)d payment is stopped.")
    payer.work()
    says(browser.page(path).words, "Cancelled", "Prepare again")
    assert [one["status"] for one in payer.executions()] == ["canceled"]
    tags = [event.tag for event in payer.story.rows(select(AuditEvent).where(AuditEvent.actor == payer.story.owner.id))]
    assert "payment_batch.recalled" in tags
    assert browser.send(page, f"{path}/recall").status_code == 409


@pytest.mark.parametrize(
    ("state", "reason", "text"),
    [
        ("unknown", "consent_ended", "Please reconnect payments: without the consent we cannot see whether the order has arrived."),
        (
            "unknown", "other_consent",
            (
                "Payments are connected over another person or without this account now, so we may not see the order. Whoever"
                " approved it has to reconnect payments; or look for it in Qonto."
            ),
        ),
        (
            "requested", "check_in_qonto",
            "We do not recognize its transfers in Qonto's lists. Please check in Qonto what became of it.",
        ),
    ],
)  # fmt: skip
def test_what_keeps_us_from_knowing_is_said(payer: Payer, browser: Visitor, state: str, reason: str, text: str) -> None:
    batch = payer.prepare()
    with payer.story.ports.database.write() as session:
        row = session.get_one(PaymentBatch, batch.id)
        row.state, row.reason = state, reason
    says(browser.page(f"/payments/{batch.id}").words, text)


def test_unknown_is_said(payer: Payer, browser: Visitor) -> None:
    batch = payer.prepare()
    payer.approve(batch)
    payer.work()
    payer.decide()
    payer.bank.move(seconds=4)
    payer.bank.fault("drop_after_create", times=1, match={"method": "POST", "path": "/v2/sepa/transfers"})
    payer.work()
    payer.bank.fault("5xx", match={"method": "GET"})
    payer.bank.move(minutes=40)
    payer.work()
    page = browser.page(f"/payments/{batch.id}")
    says(page.words, "Being checked: please do not send again")
    assert page.polls
    payer.bank.heal()
    payer.settle((60, 60))
    says(browser.page(f"/payments/{batch.id}").words, "Completed")
    assert len(payer.executions()) == 1


# --- what a reviewer proved -----------------------------------------------------------------------------------------


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


def test_a_used_form_of_invoices(payer: Payer, browser: Visitor) -> None:
    """Pressed twice it makes one order; with another invoice it is another wish, and says so."""
    ids = open_invoices(payer)
    path = f"/clients/{payer.story.client.id}/payments/invoices"
    page = browser.page(path)
    first, second = (browser.send(page, path, invoice=ids[0]) for _ in range(2))
    assert first.location == second.location
    other = browser.send(page, path, invoice=ids[1])
    assert other.status_code == 409
    says(words_of(other.text), "Look at the order that was made with it")
    assert len(payer.payments()) == 1


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
