"""The whole way in a real browser, against a real portal and a real simulator: connect, import, match, decide, see.

Once in German on SQLite, once in English on PostgreSQL, by the labels that people read.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pyotp
import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.runs import execute_run
from portal.db import Database
from portal.models import BankAccount, Connection, Receipt, Role, Run, ScaSession, User
from portal.services import running
from portal.services.people import authenticating
from tests import factories
from tests.browser.sites import Site, opened, simulator
from tests.browser.windows import PATIENCE, Windows, close, keep_picture
from tests.factories import PASSWORD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize(("database", "language"), [("sqlite", "de"), ("postgresql", "en")], indirect=["database"]),
]

KINDS = {"documents", "bank", "matching"}  #: pictures take their time and have tests of their own
LABELS = {
    "Accounting connections": "Buchhaltungsverbindungen", "Accounts": "Konten", "Active": "Aktiv", "Add account": "Konto hinzufügen",
    "Assign": "Zuordnen", "Assigned by hand": "Von Hand zugeordnet", "Connect": "Verbinden", "Connect Bank": "Bank verbinden",
    "Connect new account": "Neues Konto verbinden", "Connected": "Verbunden", "Continue": "Weiter", "Disconnect": "Trennen",
    "Disconnected": "Getrennt", "Finances": "Finanzen", "In review": "In Prüfung", "Login to Bank": "Bei der Bank anmelden",
    "Matched": "Zugeordnet", "Nothing was connected": "Es wurde nichts verbunden",
    "Profile settings": "Profileinstellungen", "Receipts": "Belege", "Sign in": "Anmelden", "Undo": "Rückgängig",
    "Some rights are missing": "Einige Rechte fehlen", "Sync transactions": "Umsätze abrufen", "Try again": "Erneut versuchen",
    "Choose accounts": "Konten wählen", "Connect these accounts": "Diese Konten verbinden", "Search": "Suchen",
    "Ask again": "Erneut anfragen", "Confirmed.": "Bestätigt.",
    "Allow": "Erlauben", "Deny": "Ablehnen", "Confirm": "Bestätigen",
}  # fmt: skip
#: English → German; the last line is what the bank's page says
COMPANY = "Northlight Studio"


@dataclass
class Words:
    """Finds by what stands on the screen. The catalogue lets long words break (soft hyphens); some go on for screen readers."""

    page: Page
    language: str

    def __call__(self, english: str) -> re.Pattern[str]:
        said = LABELS[english] if self.language == "de" else english
        return re.compile(r"^\s*" + "\u00ad?".join(map(re.escape, said)) + r"(?!\w)")

    def link(self, english: str, inside: Locator | None = None) -> Locator:
        return (inside or self.page).get_by_role("link", name=self(english))

    def button(self, english: str, inside: Locator | None = None) -> Locator:
        return (inside or self.page).get_by_role("button", name=self(english))

    def heading(self, english: str) -> Locator:
        return self.page.get_by_role("heading", name=self(english))

    def badge(self, english: str, inside: Locator | None = None) -> Locator:
        return (inside or self.page).locator(".bf-badge").filter(has_text=self(english))


class Worker(threading.Thread):
    """Does what is due, as ticker and workers do, whenever it is let."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.site, self.may, self.stops = site, threading.Event(), threading.Event()
        self.broke: BaseException | None = None  #: what ended it

    def run(self) -> None:
        try:
            while not self.stops.wait(0.05):
                if self.may.is_set():
                    self._work()
        except BaseException as error:  # noqa: BLE001 -- told by whoever waits for it
            self.broke = error

    def _work(self) -> None:
        ports = self.site.ports
        with ports.database.read() as session:
            due = [run.id for run in running.startable(session, now=ports.clock.now()) if run.kind in KINDS]
        for run_id in due:
            execute_run(ports, run_id)

    @contextmanager
    def working(self) -> Iterator[None]:
        """It goes on until the end of the block."""
        self.may.set()
        try:
            yield
        finally:
            self.may.clear()

    def wait(self, is_so: Callable[[Session], bool]) -> None:
        """Until the work has got that far. What broke it, or how the runs stand if it never gets there, is told."""
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            if self.broke:
                raise self.broke
            with self.site.ports.database.read() as session:
                if is_so(session):
                    return
            self.stops.wait(0.05)
        with self.site.ports.database.read() as session:
            stand = [(run.kind, run.trigger, run.state, run.reason, run.next_attempt_at) for run in session.scalars(select(Run))]
        raise AssertionError(f"it never came: {stand}")


@dataclass
class Stage:
    """An installation with one client who has not connected anything, and who looks after it."""

    site: Site
    worker: Worker
    owner: User
    staff: User
    secret: str


@pytest.fixture
def stage(database: Database, tmp_path: Path, language: str) -> Iterator[Stage]:
    now = datetime.now(UTC)
    with opened(tmp_path, database.engine.url.render_as_string(hide_password=False), simulator) as site:
        with site.writing() as session:
            company = factories.client(session, "10042", f"{COMPANY} GmbH", now=now, years=(now.year - 1, now.year))
            owner = factories.user(session, "owner@client.example", "Jonas Brandt", Role.CLIENT, now=now, language=language)
            staff = factories.user(session, "mara@kanzlei.example", "Mara Klein", Role.STAFF, now=now, language=language)
            factories.member(session, owner, company, "client")
            factories.member(session, staff, company, "staff")
            secret = authenticating.demo_totp(session, staff, keyring=site.ports.keyring, now=now)
        worker = Worker(site)
        worker.start()
        try:
            yield Stage(site, worker, owner, staff, secret)
        finally:
            worker.stops.set()
            worker.join(PATIENCE / 1000)
            assert not worker.is_alive()


@pytest.fixture
def client(stage: Stage, windows: Windows, language: str) -> Iterator[Words]:
    """The client, signed in."""
    with windows.at(stage.site, locale=language) as page:
        words = Words(page, language)
        sign_in(words, stage.owner)
        yield words


def sign_in(words: Words, person: User, secret: str = "") -> None:
    words.page.goto("/")
    expect(words.heading("Sign in")).to_be_visible()
    words.page.locator("input[name=email]").fill(person.email)
    words.page.locator("input[name=password]").fill(PASSWORD)
    words.button("Sign in").click()
    if secret:
        words.page.locator("input[name=code]").fill(pyotp.TOTP(secret).now())
        words.button("Continue").click()
    expect(words.page.locator(".bf-menu")).to_be_visible()


def consent(words: Words, decision: str, *, without: str = "") -> None:
    """At the bank: choose the company, tick off a right, decide."""
    words.page.get_by_label(COMPANY).check()
    if without:
        words.page.locator(f"input[value='{without}']").uncheck()
    keep_picture(words.page)
    words.button(decision).click()


def to_connections(words: Words) -> Locator:
    """Along the way that the anchors print. Gives the documents card."""
    words.link("Profile settings").click()
    words.link("Accounting connections").click()
    expect(words.heading("Accounting connections")).to_be_visible()
    return words.page.locator("#connection-documents")


def count(stage: Stage, *conditions: object) -> int:
    with stage.site.ports.database.read() as session:
        return session.scalar(select(func.count()).select_from(Receipt).where(*conditions))


# --- the way -------------------------------------------------------------------------------------------------------


def test_from_connect_to_an_assigned_receipt(stage: Stage, client: Words, windows: Windows, language: str) -> None:
    pay_through_a_notary(stage)
    connect_documents(stage, client)
    connect_bank(stage, client)
    with windows.at(stage.site, locale=language) as page:
        decided, undone = review(stage, Words(page, language))
    page = client.page
    page.goto(f"/receipts/{decided}")
    expect(client.badge("Matched")).to_be_visible()
    expect(page.get_by_text(client("Assigned by hand"))).to_be_visible()
    keep_picture(page)
    page.goto(f"/receipts/{undone}")
    expect(client.badge("In review")).to_be_visible()
    disconnect(stage, client)


def pay_through_a_notary(stage: Stage) -> None:
    """Invoices that nobody may assign by machine: the money went to somebody else, who names the supplier in the text."""
    door = f"{stage.site.ports.settings.qonto_api_url}/_control"
    known = httpx2.get(f"{door}/organizations").raise_for_status().json()["organizations"]
    company = next(one["id"] for one in known if COMPANY in one["legal_name"])
    day = (stage.site.ports.clock.today() - timedelta(days=2)).isoformat()
    for n in range(3):
        supplier, amount = f"Werkstatt {('Ahorn', 'Birke', 'Eiche')[n]} GmbH", f"{81 + n}.37"
        invoice = {
            "status": "paid", "invoice_number": f"WST-{n}7", "supplier_name": supplier, "issue_date": day, "payment_date": day,
            "total_amount": {"value": amount, "currency": "EUR"},
        }  # fmt: skip
        line = {"amount_cents": int(amount.replace(".", "")), "label": "Notariat Elbufer", "reference": f"Anderkonto {supplier}"}
        httpx2.post(f"{door}/supplier_invoices", json={"organization": company, "supplier_invoice": invoice}).raise_for_status()
        httpx2.post(f"{door}/transactions", json={"organization": company, "transaction": line}).raise_for_status()


def connect_documents(stage: Stage, words: Words) -> None:
    """Active, and the first import shows how far it is until it ends by itself."""
    page, card = words.page, to_connections(words)
    words.link("Connect", card).click()
    words.button("Connect").click()
    consent(words, "Allow")
    expect(words.badge("Active", card)).to_be_visible()
    expect(card.locator("progress")).to_be_visible()
    page.evaluate("window.isSame = true")
    with page.expect_response(re.compile("/progress$")):
        keep_picture(page)
    expect(card.locator("progress")).to_be_visible()
    with stage.worker.working():
        expect(card.locator(".bf-counts")).to_be_visible()
    expect(card.locator("progress")).to_have_count(0)
    assert card.get_attribute("hx-trigger") is None  # it does not look at itself any more
    assert page.evaluate("window.isSame")
    with stage.site.ports.database.read() as session:
        run = session.scalars(select(Run).where(Run.kind == "documents")).one()
    told = [int(number) for number in card.locator(".bf-counts strong").all_inner_texts()]
    assert told == [run.new, run.updated, sum(run.skipped.values())]
    assert run.new > 0
    keep_picture(page)
    words.link("Receipts").first.click()
    expect(page.locator("tbody tr")).to_have_count(min(run.new, 25))
    assert count(stage, Receipt.state == "assigned") == 0


def connect_bank(stage: Stage, words: Words) -> None:
    """Connected; the receipts find their transactions."""
    page = words.page
    words.link("Finances").click()
    expect(words.heading("Accounts")).to_be_visible()
    words.link("Add account").first.click()
    expect(words.heading("Connect new account")).to_be_visible()
    page.get_by_role("searchbox").fill("qon")
    words.button("Search").click()
    keep_picture(page)
    words.link("Connect Bank").click()
    words.button("Login to Bank").click()
    consent(words, "Allow")
    expect(words.heading("Choose accounts")).to_be_visible()
    keep_picture(page)
    boxes = page.locator("input[name$=is_chosen]")
    assert boxes.count() > 1
    boxes.last.uncheck()
    words.button("Connect these accounts").click()
    expect(words.heading("Accounts")).to_be_visible()
    with stage.worker.working():
        wait_until_nothing_is_due(stage)
        words.link("Finances").click()
        expect(words.badge("Connected").first).to_be_visible()
        keep_picture(page)
        expect(page.locator("tbody input[name=account]")).to_have_count(boxes_of(stage))
        confirm(stage, words)
        wait_until_nothing_is_due(stage)
    words.link("Receipts").first.click()
    expect(words.badge("Matched").first).to_be_visible()
    keep_picture(page)
    assert count(stage, Receipt.state == "assigned") > 0


def boxes_of(stage: Stage) -> int:
    """As many as accounts are read."""
    with stage.site.ports.database.read() as session:
        return session.scalar(select(func.count()).select_from(BankAccount).where(BankAccount.is_chosen)) or 0


def confirm(stage: Stage, words: Words) -> None:
    """The bank wants a yes on the phone; the page tells it and goes on by itself."""
    page, bank = words.page, stage.site.ports.settings.qonto_api_url
    httpx2.post(f"{bank}/_control/faults", json={"fault": "sca_required"}).raise_for_status()
    words.button("Sync transactions").click()
    with stage.site.ports.database.read() as session:
        connection = session.scalars(select(Connection.id).where(Connection.kind == "bank")).one()
    wait_for_question(stage)
    page.goto(f"/connections/{connection}/confirmation")
    expect(words.button("Ask again")).to_be_visible()
    keep_picture(page)
    phone = page.context.new_page()
    phone.goto(f"{bank}/phone")
    Words(phone, words.language).button("Confirm").click()
    expect(page.get_by_text(words("Confirmed."))).to_be_visible()
    close(phone)
    httpx2.delete(f"{bank}/_control/faults").raise_for_status()


def wait_for_question(stage: Stage) -> None:
    """Until the bank has asked."""
    stage.worker.wait(lambda session: session.scalar(select(ScaSession.id).where(ScaSession.state == "waiting")) is not None)


def review(stage: Stage, words: Words) -> tuple[str, str]:
    """Staff decides by key and by mouse, and takes one back. Gives the one that stands and the one that does not."""
    page = words.page
    sign_in(words, stage.staff, stage.secret)
    chosen = page.locator(".bf-queue-row[aria-current]")
    page.goto("/review?reason=counterparty_unclear")
    before = page.locator(".bf-review-count strong").first.inner_text()
    by_key = chosen.get_attribute("id")
    assert page.locator("#assign-1").get_attribute("data-grade") != "possible"
    keep_picture(page)
    page.keyboard.press("Enter")
    expect(chosen).not_to_have_id(by_key)
    expect(page.locator("#receipt-title")).to_be_focused()
    expect(page.locator(".bf-review-count strong").first).to_have_text(str(int(before) - 1))
    by_mouse = chosen.get_attribute("id")
    page.goto(f"/review?item={by_mouse.removeprefix('queue-')}")
    words.button("Assign", page.locator("#candidate-1")).click()
    expect(chosen).not_to_have_id(by_mouse)
    words.button("Undo").click()
    expect(chosen).to_have_id(by_mouse)
    with stage.worker.working():
        wait_until_nothing_is_due(stage)
    expect(words.button("Assign", page.locator("#candidate-1"))).to_be_visible()
    return by_key.removeprefix("queue-"), by_mouse.removeprefix("queue-")


def disconnect(stage: Stage, words: Words) -> None:
    """The consent ends; what came in stays."""
    receipts, card = count(stage), to_connections(words)
    words.link("Disconnect", card).click()
    keep_picture(words.page)
    words.button("Disconnect").click()
    expect(words.badge("Disconnected", card)).to_be_visible()
    assert count(stage) == receipts


def wait_until_nothing_is_due(stage: Stage) -> None:
    """Work in the background that no page tells of."""

    def nothing_is_due(session: Session) -> bool:
        open_runs = session.scalars(select(Run).where(Run.kind.in_(KINDS), Run.state != "done")).all()
        stuck = [run.reason for run in open_runs if run.state in {"waiting", "needs_person"} and run.reason != "sca_required"]
        assert not stuck
        return not open_runs

    stage.worker.wait(nothing_is_due)


# --- the ways that end badly ---------------------------------------------------------------------------------------


def test_whoever_says_no_is_told_what_that_means(stage: Stage, client: Words) -> None:
    page, card = client.page, to_connections(client)
    client.link("Connect", card).click()
    client.button("Connect").click()
    consent(client, "Deny")
    expect(client.heading("Nothing was connected")).to_be_visible()
    keep_picture(page)
    client.link("Try again").click()
    client.button("Connect").click()
    consent(client, "Allow", without="attachment.read")
    expect(client.heading("Some rights are missing")).to_be_visible()
    expect(page.get_by_text("attachment.read")).to_be_visible()
    keep_picture(page)
    client.link("Try again").click()
    client.button("Connect").click()
    consent(client, "Allow")
    expect(client.badge("Active", card)).to_be_visible()
