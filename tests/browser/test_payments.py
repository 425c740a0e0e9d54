"""Both ways of paying in a real browser, against a real portal and a real simulator: one payment, and invoices together.

Once in German on a phone, once in English on a desk; the person's own phone is the simulator's.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from jobs.runs import execute_run
from portal.db import Database
from portal.models import Client, Membership, Payment, Role, User
from portal.services import running
from portal.services.payments import paying
from portal.services.people import authenticating
from tests import factories, payers
from tests.browser.sites import Site, opened, simulator
from tests.browser.test_pages import AXE, RUN_AXE
from tests.browser.windows import Windows, keep_picture
from tests.web.visitor import fresh_code

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize(("database", "language"), [("sqlite", "de"), ("postgresql", "en")], indirect=["database"]),
]
VIEWPORT = {"de": {"width": 390, "height": 844}, "en": {"width": 1280, "height": 900}}
GERMAN = {
    "Payments": "Zahlungen", "Create payment": "Zahlung anlegen", "Pay invoices": "Rechnungen bezahlen", "Continue": "Weiter",
    "Connect Qonto for payments": "Qonto für Zahlungen verbinden", "Connect": "Verbinden", "Name matches": "Name stimmt",
    "Check your payment": "Angaben prüfen", "Confirm in your Qonto app": "In Ihrer Qonto-App bestätigen", "Completed": "Abgeschlossen",
    "Continue with the ticked ones": "Mit den angekreuzten weiter", "Approve": "Freigeben", "Executed": "Ausgeführt",
}  # fmt: skip


@dataclass
class Till:
    """An installation whose client may pay, and a worker who does what is due."""

    site: Site
    owner: User
    language: str
    page: Page

    def said(self, english: str) -> re.Pattern[str]:
        return re.compile(r"^\s*" + "\u00ad?".join(map(re.escape, GERMAN[english] if self.language == "de" else english)))

    def press(self, english: str) -> None:
        self.page.get_by_role("button", name=self.said(english)).click()

    def follow(self, english: str) -> None:
        self.page.locator("main").get_by_role("link", name=self.said(english)).click()

    def see(self, english: str) -> None:
        """A heading; the page under it is without an axe violation, and nothing hangs over its side."""
        expect(self.page.get_by_role("heading", name=self.said(english))).to_be_visible()
        keep_picture(self.page)
        self.page.evaluate(AXE)
        assert self.page.evaluate(RUN_AXE) == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def phone(self) -> None:
        """Say yes, once something has arrived."""
        door = f"{self.site.ports.settings.qonto_api_url}/_control"
        for _ in range(200):
            waiting = [one for one in httpx2.get(f"{door}/sca").json()["sessions"] if one["result"] == "waiting"]
            if waiting:
                httpx2.post(f"{door}/sca/{waiting[0]['sca_session_token']}", json={"decision": "allow"}).raise_for_status()
                return
            time.sleep(0.1)
        raise AssertionError("nothing arrived on the phone")

    def approve(self) -> None:
        """From the check page to the end."""
        self.see("Check your payment")
        self.page.locator("input[name=code]").fill(fresh_code(self.site.ports, self.owner))
        self.press("Approve")
        self.see("Confirm in your Qonto app")
        self.phone()
        expect(self.page.get_by_role("heading", name=self.said("Completed"))).to_be_visible()
        self.see("Completed")
        assert self.page.locator("#payment").get_attribute("hx-trigger") is None  # it does not look at itself any more


@pytest.fixture
def till(database: Database, tmp_path: Path, language: str, windows: Windows) -> Iterator[Till]:
    now = datetime.now(UTC)
    with opened(tmp_path, database.engine.url.render_as_string(hide_password=False), simulator) as site:
        with site.writing() as session:
            company = factories.client(session, "10042", "Northlight Studio GmbH", now=now, years=(now.year,))
            owner = factories.user(session, "owner@client.example", "Jonas Brandt", Role.CLIENT, now=now, language=language)
            factories.member(session, owner, company, "client")
            paying.change_rules(
                session, session.get_one(Client, company.id), is_on=True, limit_cents=500_000, day_limit_cents=2_000_000,
                four_eyes_above_cents=None, now=now,
            )  # fmt: skip
            session.execute(update(Membership).values(may_pay=True))
            authenticating.demo_totp(session, owner, keyring=site.ports.keyring, now=now)
        stops = threading.Event()
        worker = threading.Thread(target=work, args=(site, stops))
        worker.start()
        options = {"viewport": VIEWPORT[language], "locale": language}
        try:
            with windows.at(site, owner, **options) as page:
                yield Till(site, owner, language, page)
        finally:
            stops.set()
            worker.join()


def work(site: Site, stops: threading.Event) -> None:
    ports = site.ports
    while not stops.wait(0.1):
        with ports.database.read() as session:
            due = [run.id for run in running.startable(session, now=ports.clock.now()) if run.kind == "payments"]
        for run_id in due:
            execute_run(ports, run_id)


def test_one_payment_and_two_invoices(till: Till) -> None:
    connect(till)
    one_payment(till)
    two_invoices(till)
    with till.site.ports.database.read() as session:
        assert [payment.state for payment in session.scalars(select(Payment))] == ["executed"] * 3
    door = f"{till.site.ports.settings.qonto_api_url}/_control"
    assert {one["created"] for one in httpx2.get(f"{door}/executions").json()["payments"]} == {1}


def connect(till: Till) -> None:
    page = till.page
    page.goto("/payments")
    till.see("Payments")
    till.follow("Connect Qonto for payments")
    keep_picture(page)
    till.press("Connect")
    page.get_by_role("button", name=re.compile("Erlauben|Allow")).click()
    expect(page.get_by_role("link", name=till.said("Create payment"))).to_be_visible()


def one_payment(till: Till) -> None:
    page = till.page
    till.follow("Create payment")
    till.see("Create payment")
    page.locator("input[name=iban]").fill("DE12")
    page.locator("input[name=amount]").fill("12,34")
    expect(page.locator("#iban-check.bf-text-error")).to_be_visible()
    page.locator("input[name=iban]").fill(payers.PAYEE)
    page.locator("input[name=creditor]").fill("Werkzeug GmbH")
    expect(page.locator("#iban-check.bf-text-ok")).to_be_visible()
    page.locator("input[name=remittance]").fill("RE 2026-7")
    till.press("Continue")
    expect(page.locator(".bf-badge").filter(has_text=till.said("Name matches"))).to_be_visible()
    till.approve()
    page.go_back()
    page.go_back()
    page.goto("/payments")


def two_invoices(till: Till) -> None:
    """The sum of what is ticked stands there while one ticks."""
    page = till.page
    till.follow("Pay invoices")
    till.see("Pay invoices")
    boxes = page.locator("input[name=invoice]")
    assert boxes.count() >= 2
    for number in range(2):
        boxes.nth(number).check()
    expect(page.locator("#chosen")).to_contain_text(re.compile(r" 2 · "))
    till.press("Continue with the ticked ones")
    till.see("Check your payment")
    for tick in page.locator("input[name=accepted]").all():
        tick.check()
    till.approve()
