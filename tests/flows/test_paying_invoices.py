"""Paying from the list of open supplier invoices: some or all, once, and again only what failed."""

from __future__ import annotations

import uuid

from tests.flows.paying import newest, open_invoices
from tests.flows.reading import says, words_of
from tests.payers import INVALID, PAYEE, Payer, bill
from tests.web.visitor import Visitor


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
