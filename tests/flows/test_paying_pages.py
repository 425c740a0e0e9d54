"""Paying on the pages: what the client, his tax office and the admin see and press, without JavaScript."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal.models import AuditEvent, PaymentBatch, User
from tests import payers
from tests.bank import as_file
from tests.factories import pdf
from tests.flows.paying import created, newest
from tests.flows.reading import Reader, says, words_of
from tests.payers import CLOSE, NO_MATCH, PAYEE, UNREACHABLE, Payer, bill
from tests.story import Story
from tests.web.visitor import HTMX, Visitor


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
