"""What the stories about payments share: an order in doubt, the form filled in, and what must be true in the end."""

from __future__ import annotations

from sqlalchemy import select

from portal.models import PaymentBatch
from portal.services.payments import preparing
from tests import payers
from tests.pages import Page
from tests.payers import PAYEE, Payer
from tests.web.visitor import Visitor

ORDERS = {"method": "POST", "path": "/v2/sepa/transfers"}


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


def created(payer: Payer, browser: Visitor, **typed: object) -> Page:
    """Fill in the form and send it; the page that comes."""
    path = f"/clients/{payer.story.client.id}/payments/new"
    given = {"creditor": "Werkzeug GmbH", "iban": PAYEE, "amount": "12,34", "remittance": "RE 2026-7", **typed}
    answer = browser.send(browser.page(path), path, **given)
    return browser.follow(answer) if answer.status_code == 303 else Page(answer.text)


def newest(payer: Payer) -> PaymentBatch:
    return payer.story.rows(select(PaymentBatch).order_by(PaymentBatch.created_at.desc(), PaymentBatch.id.desc()))[0]


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
