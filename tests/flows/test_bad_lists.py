"""Accounts, lists and rows that change, move, shrink or are odd: kept exactly, set aside, or shown to a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.models import AuditEvent, BankAccount, Transaction, User
from tests.flows.reading import Reader, says
from tests.story import Story

WEEK = timedelta(days=8)


def _pay(story: Story, **values: Any) -> dict[str, Any]:
    """A booked payment on the first account."""
    account = story.rows(select(BankAccount).where(BankAccount.is_active).order_by(BankAccount.id))[0].qonto_id
    given = {"amount_cents": 4711, "label": "Neuer Lieferant GmbH", "reference": "NEU-2026-001", "bank_account_id": account}
    return story.bank.put_transaction(**{**given, **values})


def _transaction(story: Story, row: dict[str, Any]) -> Transaction:
    return story.rows(select(Transaction).where(Transaction.qonto_id == row["id"]))[0]


def _matched(story: Story) -> tuple[dict[str, Any], dict[str, Any]]:
    """An invoice and its payment, assigned by the system."""
    payment, invoice = _pay(story), story.bill()
    story.sync("bank", hours=1)
    story.sync("documents", hours=1)
    story.settle()
    assert story.receipts()[invoice["id"]].state == "assigned"
    return payment, invoice


@pytest.mark.fault("F11")
def test_an_account_that_is_closed_keeps_its_rows_and_the_others_go_on(connected: Story) -> None:
    accounts = connected.rows(select(BankAccount).where(BankAccount.is_active).order_by(BankAccount.id))
    kept = len(connected.rows(select(Transaction)))
    row = _pay(connected, bank_account_id=accounts[0].qonto_id)
    connected.bank.fault("404_account", bank_account_id=accounts[-1].qonto_id)
    assert connected.sync("bank", hours=1).state == "done"
    assert _transaction(connected, row).bank_account_id == accounts[0].id
    assert len(connected.rows(select(Transaction))) == kept + 1
    closed = connected.rows(select(BankAccount).where(BankAccount.id == accounts[-1].id))[0]
    assert not closed.is_active
    connected.check_books()


@pytest.mark.fault("F14")
def test_new_ids_of_the_same_accounts_double_nothing(connected: Story) -> None:
    accounts = {account.iban: account.id for account in connected.rows(select(BankAccount))}
    kept = len(connected.rows(select(Transaction)))
    connected.bank.fault("ids_changed")
    connected.connect("bank")
    connected.settle()
    assert connected.newest("bank").state == "done"
    assert {account.iban: account.id for account in connected.rows(select(BankAccount))} == accounts
    assert len(connected.rows(select(Transaction))) == kept
    connected.check_books()


@pytest.mark.fault("F29")
@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_of_the_bank_that_is_wrong_changes_nothing(connected: Story, seconds: int) -> None:
    connected.bank.fault("date_skew", match={"path": "*"}, seconds=seconds)
    row = connected.bill()
    assert connected.sync("documents", hours=2).state == "done"
    assert row["id"] in connected.receipts()
    connected.check_rest()


# --- lists ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("F32")
def test_a_row_that_turns_up_late_with_an_old_date_comes_within_the_week(connected: Story) -> None:
    late = connected.bill()
    connected.bank.fault("late_row", id=late["id"])
    for _ in range(5):  # longer than the overlap of the daily listing
        assert connected.sync("documents", days=1).state == "done"
    connected.bank.heal()
    assert connected.sync("documents", hours=1).state == "done"
    assert late["id"] not in connected.receipts()
    connected.sync("documents", days=3)
    assert late["id"] in connected.receipts()


@pytest.mark.fault("F34")
@pytest.mark.parametrize("kind", ["documents", "bank"])
def test_a_list_that_is_suddenly_empty_deletes_nothing_and_calls_a_person(
    connected: Story, admin: User, reader: Reader, kind: str
) -> None:
    receipts, rows = connected.receipts().keys(), len(connected.rows(select(Transaction)))
    connected.bank.fault("empty_200")
    run = connected.sync(kind, days=WEEK.days)
    assert (run.state, run.reason) == ("needs_person", "shrunk")
    assert (connected.receipts().keys(), len(connected.rows(select(Transaction)))) == (receipts, rows)
    sentence = reader.words("connection_reason", "shrunk")
    says(reader.open(connected.owner, "/profile/connections"), "Error", sentence)
    says(reader.open(admin, f"/connections/{run.connection_id}"), sentence)
    connected.check_rest()
    again = connected.ask(kind, trigger="admin")  # the firm has looked: this is how it is now
    connected.work(kind)
    assert connected.run(again.id).state == "done"
    connected.bank.heal()
    assert connected.sync(kind, days=WEEK.days).state == "done"
    connected.check_books()


@pytest.mark.fault("F34")
def test_nobody_accepts_what_nobody_has_been_told(connected: Story) -> None:
    """Resync for all clients at once must not wave a shrunken list through."""
    connected.bank.move(days=WEEK.days)
    connected.bank.fault("empty_200")
    runs = []
    for _ in range(2):
        asked = connected.ask("documents", trigger="admin")
        connected.work("documents")
        runs.append(connected.run(asked.id).state)
    assert runs == ["needs_person", "done"]


@pytest.mark.fault("F34")
def test_a_run_that_began_with_changes_goes_on_with_changes_when_the_week_is_over(connected: Story) -> None:
    """Else the lists that it has not read from their first row would look as if they had shrunk."""
    connected.bank.move(days=6)
    run = connected.ask("documents")
    connected.bank.fault("5xx", match={"path": "/v2/client_invoices"})
    connected.work("documents")
    assert connected.run(run.id).state == "waiting"
    connected.bank.heal()
    connected.bank.move(days=2)
    connected.work("documents")
    assert (connected.run(run.id).state, connected.run(run.id).cursor["is_full"]) == ("done", False)
    assert connected.sync("documents", hours=1).total >= len(connected.receipts())


@pytest.mark.fault("F35")
@pytest.mark.parametrize("status", ["reversed", "declined"])
def test_a_booked_payment_that_is_taken_back_is_looked_at_by_a_person(connected: Story, reader: Reader, status: str) -> None:
    payment, invoice = _matched(connected)
    connected.bank.put_transaction(id=payment["id"], status=status)
    assert connected.sync("bank", hours=1).state == "done"
    receipt = connected.receipts()[invoice["id"]]
    assert (_transaction(connected, payment).status, receipt.state, receipt.review_reason) == (
        status, "in_review", "source_changed",
    )  # fmt: skip
    says(reader.open(connected.owner, f"/receipts/{receipt.id}"), "In review")
    connected.settle()
    assert connected.receipts()[invoice["id"]].state == "in_review"
    connected.check_books()


@pytest.mark.fault("F35")
def test_a_pending_payment_comes_when_it_is_booked(connected: Story) -> None:
    payment = _pay(connected, status="pending")
    assert connected.sync("bank", hours=1).new == 0
    connected.bank.put_transaction(id=payment["id"], status="completed")
    assert connected.sync("bank", hours=1).new == 1
    assert _transaction(connected, payment).status == "booked"


@pytest.mark.fault("F36")
@pytest.mark.parametrize("change", [{"amount_cents": 4811}, {"label": "Ganz Anderer"}])
def test_a_booked_row_that_changes_keeps_what_it_was_and_unlocks_its_match(connected: Story, change: dict[str, Any]) -> None:
    payment, invoice = _matched(connected)
    connected.bank.put_transaction(id=payment["id"], **change)
    assert connected.sync("bank", hours=1).updated == 1
    receipt = connected.receipts()[invoice["id"]]
    assert (receipt.state, receipt.review_reason) == ("in_review", "source_changed")
    (event,) = connected.rows(select(AuditEvent).where(AuditEvent.tag == "transaction.changed"))
    assert set(event.details["before"]) == set(event.details["after"])
    assert event.details["before"] != event.details["after"]
    connected.check_books()


@pytest.mark.fault("F37")
def test_unknown_words_and_further_fields_are_taken_as_they_come(connected: Story) -> None:
    row = connected.bill()
    connected.bank.fault("schema_drift", match={"path": "/v2/supplier_invoices"})
    run = connected.sync("documents", hours=1)
    assert run.state == "done"
    connected.bank.heal()
    connected.sync("documents", days=WEEK.days)
    assert row["id"] in connected.receipts()
    connected.check_books()


@pytest.mark.fault("F38")
@pytest.mark.parametrize(("kind", "path"), [("documents", "/v2/supplier_invoices"), ("bank", "/v2/transactions")])
def test_strange_amounts_are_kept_exactly_or_set_aside(connected: Story, kind: str, path: str) -> None:
    connected.bank.fault("amount_edge", match={"path": path})
    run = connected.sync(kind, days=WEEK.days)
    assert (run.state, run.reason) == (("done", "") if kind == "documents" else ("needs_person", "unreconciled"))
    assert run.skipped["unreadable"] >= 1
    assert connected.is_conserved(run)
    connected.bank.heal()
    assert connected.sync(kind, days=WEEK.days).skipped.get("unreadable", 0) == 0
    connected.check_books()


@pytest.mark.fault("F40")
def test_a_balance_that_does_not_fit_is_looked_at_twice_and_then_calls_a_person(
    connected: Story, admin: User, reader: Reader
) -> None:
    """Once more from the first row on; what came in is kept and matched, and the firm sees the cents."""
    connected.bill()
    connected.bank.put_transaction(amount_cents=4711, label="Neuer Lieferant GmbH", reference="Rechnung NEU-2026-001")
    connected.bank.fault("balance_off", cents=7)
    calls = connected.bank.calls_of(lambda: connected.sync("bank", hours=1))
    assert [call["path"] for call in calls].count("/v2/organization") == 2
    run = connected.newest("bank")
    assert (run.state, run.reason, run.new) == ("needs_person", "unreconciled", 1)
    assert connected.is_conserved(run)
    assert {account.difference_cents for account in connected.rows(select(BankAccount))} == {7}
    assert reader.words("connection_reason", "unreconciled").startswith("The balance is being checked")
    says(reader.browser(connected.owner).get("/finances/accounts").text, "is being checked")
    says(reader.browser(admin).get(f"/finances/accounts?client={connected.client.id}").text, "differs by")
    connected.bank.heal()
    assert connected.sync("bank", hours=1).state == "done"
    assert {account.difference_cents for account in connected.rows(select(BankAccount))} == {0}
    connected.check_books()


@pytest.mark.fault("F40")
def test_a_balance_that_fits_at_the_second_look_calls_nobody(connected: Story) -> None:
    """A movement was booked between our two questions."""
    connected.bank.fault("balance_off", times=1)
    assert connected.sync("bank", hours=1).state == "done"
    assert {account.difference_cents for account in connected.rows(select(BankAccount))} == {0}


@pytest.mark.fault("F39")
@pytest.mark.parametrize(("kind", "path"), [("documents", "/v2/supplier_invoices"), ("bank", "/v2/transactions")])
def test_strange_texts_are_text(connected: Story, reader: Reader, kind: str, path: str) -> None:
    connected.bank.fault("text_edge", match={"path": path})
    assert connected.sync(kind, days=WEEK.days).state == "done"
    connected.settle()
    answer = reader.browser(connected.owner).get("/receipts" if kind == "documents" else "/finances/accounts")
    assert answer.status_code == 200
    assert "<script>alert(1)" not in answer.text
    if kind == "documents":
        assert "&lt;script&gt;alert(1)" in answer.text
        assert not any("\0" in (receipt.counterparty or "") for receipt in connected.receipts().values())
    connected.check_books()
