"""What the bank hands out may be wrong in every way: it ends healed, waiting with a date, or with a person; never in silence.

Conservation in each case: whatever was listed is a receipt or stands under "Not synced" with its reason.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import BytecodeCache
from sqlalchemy import select

from jobs import ticker
from jobs.runs import execute_run
from portal.models import SkippedInvoice, User
from portal.qonto.budget import Unlimited
from portal.qonto.client import Qonto
from portal.services.connections.token_keeping import TokenKeeper
from portal.settings import Settings
from tests import factories, servers
from tests.bank import as_file
from tests.flows.reading import Reader, says
from tests.story import Story

# --- invoices that lack something ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lack", "reason", "why"),
    [
        ({"total_amount": None}, "amount_missing", "data_missing"),
        ({"total_amount": {"value": "", "currency": "EUR"}}, "amount_missing", "data_missing"),
        ({"issue_date": None, "payment_date": None}, "date_missing", "data_missing"),
        ({"supplier_name": None, "invoice_number": None, "issuer_name": None}, "no_transaction_yet", "no_transaction_yet"),
    ],
)
def test_an_invoice_that_lacks_something_comes_and_says_what(
    connected: Story, staff: User, reader: Reader, lack: dict[str, Any], reason: str, why: str
) -> None:
    story, row = connected, connected.bill(**lack)
    run = story.sync("documents", hours=1)
    assert (run.state, run.new) == ("done", 1)
    story.settle()
    receipt = story.receipts()[row["id"]]
    assert (receipt.state, receipt.review_reason) == ("in_review", reason)
    says(reader.open(story.owner, f"/receipts/{receipt.id}"), reader.words("why", SimpleNamespace(why=why)))
    says(reader.open(staff, f"/review?item={receipt.id}"), reader.words("review", reason))
    story.bank.put_invoice(
        id=row["id"], total_amount={"value": "47.11", "currency": "EUR"}, issue_date=story.clock.today().isoformat(),
        supplier_name="Neuer Lieferant GmbH", invoice_number="NEU-2026-001",
    )  # fmt: skip
    story.sync("documents", hours=1)
    story.settle()
    healed = story.receipts()[row["id"]]
    assert (healed.review_reason, healed.amount_cents, healed.counterparty) == (
        "no_transaction_yet",
        4711,
        "Neuer Lieferant GmbH",
    )
    story.check_books()


def test_an_invoice_without_a_file_waits_for_it(connected: Story, reader: Reader) -> None:
    """S-14. Only invoices to customers come without one; its payment is booked already."""
    story, day = connected, connected.clock.today().isoformat()
    given = {
        "status": "paid", "number": "AR-2026-771", "issue_date": day, "paid_at": f"{day}T08:00:00Z", "currency": "EUR",
        "total_amount": {"value": "815.00", "currency": "EUR"}, "client": {"type": "company", "name": "Möbelhaus Ost GmbH"},
    }  # fmt: skip
    row = story.bank.tell("client_invoices", organization=None, client_invoice=given)["client_invoice"]
    story.bank.put_transaction(amount_cents=81500, side="credit", label="Möbelhaus Ost GmbH", reference="Rechnung AR-2026-771")
    story.sync("bank", hours=1)
    assert story.sync("documents", hours=1).state == "done"
    story.settle()
    receipt = story.receipts()[row["id"]]
    assert (receipt.state, receipt.document_state) == ("in_review", "waiting")
    says(
        reader.open(story.owner, f"/receipts/{receipt.id}"),
        "There is no file yet",
        reader.words("why", SimpleNamespace(why="no_file_yet")),
    )
    story.bank.tell(
        "client_invoices", organization=None, client_invoice={"id": row["id"]}, file=as_file(factories.pdf("AR-2026-771"))
    )
    story.sync("documents", hours=1)
    story.settle()
    healed = story.receipts()[row["id"]]
    assert (healed.state, healed.document_state) == ("assigned", "complete")
    story.check_books()


@pytest.mark.fault("F37")
@pytest.mark.parametrize(
    "broken", [{"status": None}, {"total_amount": {"value": "12.345", "currency": "EUR"}}, {"issue_date": "gestern"}]
)
def test_a_row_that_cannot_be_read_is_listed_and_comes_when_it_can(
    connected: Story, reader: Reader, broken: dict[str, Any]
) -> None:
    """F37, F38: the others go on; it is looked at again."""
    story, bad, good = connected, connected.bill(invoice_number="KAPUTT", **broken), connected.bill()
    run = story.sync("documents", hours=1)
    assert (run.state, run.new, run.skipped["unreadable"]) == ("done", 1, 1)
    assert story.is_conserved(run)
    assert good["id"] in story.receipts()
    (left_out,) = story.rows(select(SkippedInvoice).where(SkippedInvoice.qonto_id == bad["id"]))
    assert left_out.reason == "unreadable"
    history = reader.open(story.owner, f"/connections/{story.connection('documents').id}")
    says(history, reader.words("skip", "unreadable"), reader.words("skip_next", "unreadable"))
    day = story.clock.today().isoformat()
    story.bank.put_invoice(id=bad["id"], status="paid", total_amount={"value": "12.34", "currency": "EUR"}, issue_date=day)
    assert story.sync("documents", hours=1).new == 1
    assert story.receipts()[bad["id"]].number == "KAPUTT"
    assert story.rows(select(SkippedInvoice).where(SkippedInvoice.qonto_id == bad["id"])) == []
    story.check_books()


# --- answers that are none -----------------------------------------------------------------------------------------

ANSWERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "malformed JSON": ("bad_json", {}, "bad_json"),
    "HTML with status 200": ("html_200", {}, "not_json"),
    "500": ("5xx", {"status": 500}, "server_error"),
    "502 as HTML": ("5xx", {"status": 502, "html": True}, "server_error"),
    "503": ("5xx", {"status": 503}, "server_error"),
    "429 for ten minutes": ("429", {"retry_after": 600}, "rate_limited"),
    "429 that does not say how long": ("429", {}, "rate_limited"),
    "more than an answer may have": ("gzip_bomb", {}, "too_large"),
}
ON_A_SOCKET: dict[str, tuple[str, dict[str, Any], str]] = {
    "no answer": ("hang", {"seconds": 8}, "timeout"),
    "a byte a second": ("drip", {}, "deadline"),
    "a cut answer": ("truncate", {}, "truncated"),
}


@pytest.mark.fault("F21", "F22", "F23", "F27")
@pytest.mark.parametrize(
    ("kind", "what"), [*(("documents", what) for what in ANSWERS), *(("bank", what) for what in ("malformed JSON", "500"))]
)
def test_an_answer_that_is_none_makes_the_run_wait_with_a_date(
    connected: Story, admin: User, reader: Reader, what: str, kind: str
) -> None:
    _waits_and_heals(connected, admin, reader, kind, *ANSWERS[what])


@pytest.mark.fault("F24", "F25", "F26")
@pytest.mark.parametrize("what", ON_A_SOCKET)
def test_a_line_that_breaks_makes_the_run_wait_with_a_date(wired: Story, compiled: BytecodeCache, what: str) -> None:
    """The same, where only a real socket can show it: in the middle of the first import."""
    fault, arguments, reason = ON_A_SOCKET[what]
    wired.connect("documents")
    wired.bank.fault(fault, match={"path": "/v2/client_invoices"}, **arguments)
    reader = Reader(wired.ports, compiled)
    wired.work("documents")
    run = wired.newest("documents")
    assert (run.state, run.reason, run.failures) == ("waiting", reason, 1)
    kept = len(wired.receipts())
    assert kept > 0  # what came before the break is not fetched again
    wired.check_rest()
    says(reader.open(wired.owner, f"/connections/{run.connection_id}"), "Will be tried again", reader.words("problem", reason))
    wired.bank.heal()
    wired.bank.move(minutes=6)
    files = [call for call in wired.bank.calls_of(lambda: wired.work("documents")) if call["path"].startswith("/files/")]
    ended = wired.run(run.id)
    assert (ended.state, ended.new, len(files)) == (
        "done",
        len(wired.receipts()),
        len(wired.receipts()) - kept - _without_file(wired),
    )
    assert wired.is_conserved(ended)
    wired.check_books()


def _without_file(story: Story) -> int:
    return sum(not receipt.attachments for receipt in story.receipts().values())


def _waits_and_heals(
    story: Story, admin: User, reader: Reader, kind: str, fault: str, arguments: dict[str, Any], reason: str
) -> None:
    row = story.bill()
    story.bank.put_transaction(amount_cents=4711, label="Neuer Lieferant GmbH", reference="NEU-2026-001")
    before = story.receipts().keys()
    story.bank.fault(fault, match={"path": "/v2/*"}, **arguments)
    cards, history = "/profile/connections", f"/connections/{story.connection(kind).id}"

    run = story.sync(kind, hours=1)
    assert (run.state, run.reason, run.failures) == ("waiting", reason, 1)
    assert run.next_attempt_at is not None
    assert run.next_attempt_at >= story.clock.now() + timedelta(seconds=arguments.get("retry_after", 300))
    assert story.connection(kind).state == "active"
    page = reader.open(story.owner, cards)
    says(page, "Active" if kind == "documents" else "Connected")
    assert "delayed" not in page  # R5: nothing to see while the first wait may heal it
    says(reader.open(admin, history), "Will be tried again", reader.words("problem", reason))

    story.bank.move(minutes=11)
    story.pass_the_pause()
    story.settle()
    assert story.run(run.id).failures == 2
    says(reader.open(story.owner, cards), "The sync is delayed. Next attempt: %(time)s. Nothing to do.")
    assert story.receipts().keys() == before
    story.check_rest()

    story.bank.heal()
    story.pass_the_pause()
    story.bank.move(minutes=30)
    story.settle()
    assert story.run(run.id).state == "done"
    assert "delayed" not in reader.open(story.owner, cards)
    story.sync("documents", hours=1)
    story.sync("bank", hours=1)
    story.settle()
    assert story.receipts()[row["id"]].state == "assigned"
    story.check_books()


@pytest.mark.fault("F20")
def test_a_bank_that_nobody_reaches_makes_the_run_wait(story: Story, settings: Settings, reader: Reader) -> None:
    """A closed port on this machine: what a real connection that is refused looks like (F20)."""
    story.connect("documents")
    story.settle()
    keeper = TokenKeeper(story.ports.database, story.ports.keyring, story.ports.oauth, story.clock, settings)
    away = replace(settings, qonto_api_url=f"http://127.0.0.1:{servers.free_port()}")
    story.bank.move(minutes=10)
    run = story.ask("documents")
    execute_run(replace(story.ports, qonto=Qonto(away, keeper, Unlimited())), run.id)
    assert (story.run(run.id).state, story.run(run.id).reason) == ("waiting", "network")
    says(reader.open(story.owner, f"/connections/{run.connection_id}"), reader.words("problem", "network"))
    story.bank.move(minutes=6)
    story.settle()
    assert story.run(run.id).state == "done"


@pytest.mark.fault("F11", "F28")
@pytest.mark.parametrize(
    ("fault", "reason"), [("403_org", "forbidden"), ("403_scope", "scope_missing"), ("302_foreign", "redirect")]
)
def test_a_refusal_stops_the_run_and_the_card_says_so_until_the_next_day(
    connected: Story, admin: User, reader: Reader, fault: str, reason: str
) -> None:
    """F10, F11, F28: trying again at once would not help, and the consent still stands."""
    story, row = connected, connected.bill()
    story.bank.fault(fault, match={"path": "/v2/*"})
    run = story.sync("documents", hours=1)
    assert (run.state, run.reason, story.connection("documents").state) == ("needs_person", reason, "active")
    sentence = reader.words("connection_reason", reason)
    says(
        reader.open(story.owner, "/profile/connections"),
        "Error",
        sentence,
        "The consent still stands. If this stays, write to your tax office.",
    )
    says(reader.open(admin, f"/clients/{story.client.id}"), "Error", sentence)
    story.check_rest()
    story.bank.heal()
    story.bank.move(days=1)
    ticker.tick(story.ports, 0)
    story.settle()
    assert row["id"] in story.receipts()
    says(reader.open(story.owner, "/profile/connections"), "Active")
    story.check_books()


@pytest.mark.fault("F10")
def test_a_list_that_is_refused_does_not_stop_the_others(connected: Story, reader: Reader) -> None:
    """F10: a plan or a role may keep one list from us."""
    story, row = connected, connected.bill()
    day = story.clock.today().isoformat()
    note = story.bank.tell(
        "client_invoices", organization=None, client_invoice={
            "status": "paid", "number": "AR-403", "issue_date": day, "paid_at": f"{day}T08:00:00Z", "currency": "EUR",
            "total_amount": {"value": "1.00", "currency": "EUR"}, "client": {"type": "company", "name": "Möbelhaus Ost GmbH"},
        },
    )["client_invoice"]  # fmt: skip
    story.bank.fault("403_scope", match={"path": "/v2/client_invoices"})
    run = story.sync("documents", hours=1)
    assert (run.state, run.reason) == ("needs_person", "scope_missing")
    assert row["id"] in story.receipts()
    says(reader.open(story.owner, "/profile/connections"), "Error", reader.words("connection_reason", "scope_missing"))
    story.bank.heal()
    assert story.sync("documents").state == "done"
    assert note["id"] in story.receipts()
    story.check_books()


@pytest.mark.fault("F10")
def test_a_refused_list_is_not_taken_for_done_by_a_later_start(connected: Story) -> None:
    """The first start ends in the middle; the next one goes on behind the refused list, and still says what is missing."""
    story, row = connected, connected.bill()
    story.bank.fault("403_scope", match={"path": "/v2/client_invoices"})
    story.bank.fault("5xx", match={"path": "/v2/credit_notes"})
    run = story.sync("documents", hours=1)
    assert (run.state, run.reason) == ("waiting", "server_error")
    story.bank.heal()
    story.bank.move(minutes=6)
    story.work("documents")
    assert (story.run(run.id).state, story.run(run.id).reason) == ("needs_person", "scope_missing")
    assert story.sync("documents").state == "done"
    assert row["id"] in story.receipts()
    story.check_books()


# --- for how long --------------------------------------------------------------------------------------------------


def test_a_bank_that_always_fails_is_not_asked_over_and_over(connected: Story, reader: Reader) -> None:
    """C16: a day of answers 500, a ticker that looks every ten minutes, a client who presses the button now and then."""
    story = connected
    story.bank.move(hours=12)
    story.bank.fault("5xx", match={"path": "/v2/*"})
    attempts: list[str] = []

    def a_day() -> None:
        for step in range(24 * 6):
            story.bank.move(minutes=10)
            ticker.tick(story.ports, 0)
            if step % 48 == 20:
                story.ask("documents")
            attempts.extend(story.work("documents"))

    calls = [call for call in story.bank.calls_of(a_day) if call["path"].startswith("/v2/")]
    assert 4 <= len(attempts) <= 12
    assert len(calls) <= 4 * len(attempts)
    run = story.newest("documents")
    assert (run.state, run.reason) == ("waiting", "server_error")
    page = reader.open(story.owner, "/profile/connections")
    says(page, "Error", "The sync has not come through for more than a day.", "Nothing. The consent still stands.")
    story.bank.heal()
    story.bank.move(days=1)
    ticker.tick(story.ports, 0)
    story.settle()
    says(reader.open(story.owner, "/profile/connections"), "Active", "Connected")
    story.check_books()


def test_one_broken_file_among_many_is_set_aside_and_the_others_go_on(story: Story) -> None:
    """C16: poison is no reason to stop; after three tries it no longer holds the run up."""
    rows = [story.bill(invoice_number=f"VIEL-{number}") for number in range(120)]
    poison = rows[60]
    story.bank.fault("short_file", match={"path": f"/files/{poison['attachment_id']}/*"}, size=0)
    story.connect("documents")
    for _ in range(3):
        story.work("documents")
        story.bank.move(hours=2)
    receipts = story.receipts()
    assert [receipts[row["id"]].document_state for row in rows].count("complete") == 119
    assert (receipts[poison["id"]].document_state, receipts[poison["id"]].document_tries) == ("fetching", 3)
    assert story.newest("documents").state == "done"
    story.check_books()
