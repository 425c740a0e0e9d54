"""Finances → Accounts: from Add account to Connected, syncing what was ticked, confirming, disconnecting, deleting (L-01 … L-39)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import select, update

from portal.domain.start_days import REACH
from portal.errors import Rejected
from portal.models import (
    BankAccount,
    Client,
    Consent,
    Membership,
    Run,
    Transaction,
    User,
)
from portal.services import finding
from portal.services.accounts import choosing
from tests.flows.accounts import accounts_of, booked, connect, listed
from tests.flows.reading import Reader, says
from tests.story import Story


def test_from_add_account_to_connected(story: Story, reader: Reader) -> None:
    """L-11 … L-28: the way that Lexware users know, each step with its words."""
    browser, client = reader.browser(story.owner), story.client.id
    says(reader.open(story.owner, "/finances/accounts"), "Accounts", "Add account", "No account is connected yet")
    page = reader.open(story.owner, f"/clients/{client}/accounts/new")
    says(page, "Add account", "Bank account", "Connect new account", "Offline account", "Search for your bank")
    assert "Connect Bank" not in page
    says(reader.open(story.owner, f"/clients/{client}/accounts/new?q=qon"), "Connect Bank")
    nothing = reader.open(story.owner, f"/clients/{client}/accounts/new?q=xyz")
    says(nothing, "No bank of this name can be connected", "Offline account")
    consent = browser.get(f"/clients/{client}/connections/bank/connect").text
    says(reader.open(story.owner, f"/clients/{client}/connections/bank/connect"), "Login to Bank", "What you agree to")
    assert 'type="password"' not in consent
    since = len(story.bank.log()) + 1
    chosen_from = story.clock.today() - timedelta(days=30)
    where = connect(story, browser, start_on=chosen_from.isoformat())
    accounts = accounts_of(story)
    assert len(accounts) > 2
    assert where == f"/connections/{story.connection('bank').id}/accounts"
    assert listed(story, since) == set()
    assert not story.rows(select(Run).where(Run.kind == "bank"))
    page = reader.open(story.owner, where)
    says(page, "Choose accounts", "Not connected", "Read this account", "Connect these accounts", "Ledger account number")
    assert all(account.start_on == chosen_from for account in accounts)  # kept through the journey
    one, two = [account for account in accounts if account.is_active and account.iban][:2]
    later = story.clock.today() - timedelta(days=10)
    form = {
        f"{one.id}-is_chosen": "y", f"{one.id}-label": "Laufendes", f"{one.id}-holder": "Brandt", f"{one.id}-use": "business",
        f"{one.id}-ledger_number": "1800", f"{one.id}-start_on": chosen_from.isoformat(),
        f"{two.id}-is_chosen": "y", f"{two.id}-use": "private", f"{two.id}-start_on": later.isoformat(),
    }  # fmt: skip
    assert browser.post(where, form).status_code == 303
    story.settle()
    by_id = {account.id: account for account in accounts_of(story)}
    assert {account.id for account in by_id.values() if account.is_chosen} == {one.id, two.id}
    mine = by_id[one.id]
    assert (mine.title, mine.holder, mine.use, mine.ledger_number, mine.start_on) == (
        "Laufendes", "Brandt", "business", "1800", chosen_from,
    )  # fmt: skip
    assert (by_id[two.id].use, by_id[two.id].start_on) == ("private", later)
    assert listed(story, since) == {one.qonto_id, two.qonto_id}
    assert all(line.booked_on >= by_id[line.bank_account_id].start_on for line in booked(story))
    page = reader.open(story.owner, "/finances/accounts")
    says(page, "Connected", "Sync transactions")
    assert "Laufendes" in page
    (consent_row,) = story.rows(select(Consent).where(Consent.revoked_at.is_(None)))
    assert (consent_row.granted_by, set(consent_row.accounts)) == (story.owner.id, {one.id, two.id})
    told = reader.open(story.owner, f"/connections/{story.connection('bank').id}")
    says(told, "Consents", "By whom", "Until")
    assert "Laufendes" in told
    story.check_books()


def test_only_booked_transactions_come_and_no_document_is_asked_for(story: Story) -> None:
    """L-01, L-26, L-38: the call log knows neither invoices nor files."""
    since = len(story.bank.log()) + 1
    story.connect("bank")
    story.settle()
    assert booked(story)
    assert {call["path"] for call in story.bank.log(since) if call["path"].startswith("/v2/")} <= {
        "/v2/organization", "/v2/transactions", "/v2/webhook_subscriptions",
    }  # fmt: skip
    pending = story.bank.put_transaction(
        status="pending", side="debit", amount_cents=4711, settled_at=None, label="Kommt noch", currency="EUR"
    )
    story.sync("bank", hours=1)
    assert pending["id"] not in {line.qonto_id for line in booked(story)}
    story.bank.put_transaction(id=pending["id"], status="completed", settled_at=story.clock.now().isoformat())
    story.sync("bank", hours=1)
    assert [line.amount_cents for line in booked(story) if line.qonto_id == pending["id"]] == [4711]


@pytest.mark.parametrize(("days", "is_fine"), [(90, True), (91, False), (-1, False), (0, True)])
def test_the_start_lies_within_90_days(story: Story, reader: Reader, days: int, is_fine: bool) -> None:
    """L-25: refused before the journey and after it, with the way that remains."""
    browser, day = reader.browser(story.owner), (story.clock.today() - timedelta(days=days)).isoformat()
    begun = browser.post(f"/clients/{story.client.id}/connections/bank/connect", {"start_on": day})
    assert begun.status_code == (303 if is_fine else 422)
    where = connect(story, browser)
    account = next(account for account in accounts_of(story) if account.is_active and account.iban)
    answer = browser.post(where, {f"{account.id}-is_chosen": "y", f"{account.id}-use": "business", f"{account.id}-start_on": day})
    assert answer.status_code == (303 if is_fine else 422)
    if days == 91:
        hint = "Qonto hands out the last 90 days. What lies before comes as a file from your online banking."
        assert hint in answer.text
        assert hint in begun.text
    assert bool(story.rows(select(Run).where(Run.kind == "bank"))) is is_fine


def test_what_cannot_be_chosen(story: Story, reader: Reader) -> None:
    browser = reader.browser(story.owner)
    where = connect(story, browser)
    account = next(account for account in accounts_of(story) if account.is_active)
    assert browser.post(where, {}).status_code == 422  # none
    with story.ports.database.write() as session:
        session.execute(update(BankAccount).where(BankAccount.id == account.id).values(is_active=False, iban=None))
    page = reader.open(story.owner, where)
    says(page, "Closed at Qonto", "Without an IBAN")
    assert f"{account.id}-is_chosen" not in browser.get(where).text
    with pytest.raises(Rejected), story.ports.database.write() as session:  # not even past the page
        connection = finding.own_connection(session, story.actor, story.connection("bank").id)
        choosing.choose(session, connection, {account.id: choosing.Details()}, now=story.clock.now())
    assert not story.rows(select(Run).where(Run.kind == "bank"))


def test_a_start_before_what_a_file_has_brought_is_refused(connected: Story) -> None:
    """L-74."""
    accounts = connected.rows(select(BankAccount).where(BankAccount.is_chosen))
    account = max(accounts, key=lambda account: len(booked(connected, account)))
    today = connected.clock.today()
    with connected.ports.database.write() as session:
        held = session.get_one(BankAccount, account.id)
        held.synced_until = None
        session.execute(
            update(Transaction).where(Transaction.bank_account_id == account.id).values(statement_id=connected.client.id)
        )
        first = min(line.booked_on for line in booked(connected, account))
        window = choosing.window(session, held, today=today)
        assert (window.first, window.last) == (max(first, today - REACH), today)
        with pytest.raises(Rejected, match="a file has brought"):
            choosing.check_start(window, window.first - timedelta(days=1))
        choosing.check_start(window, window.first)


def test_an_offline_account_is_taken_up_by_its_iban(story: Story, reader: Reader) -> None:
    """L-14, L-73: what was brought stays, the connection only adds."""
    browser = reader.browser(story.owner)
    iban = next(a["iban"] for a in story.bank.organizations()[0]["bank_accounts"] if not a["is_external_account"])
    path = f"/clients/{story.client.id}/accounts/offline"
    assert browser.post(path, {"label": "", "use": "business"}).status_code == 422
    assert browser.post(path, {"label": "Alt", "iban": "DE00 1234", "use": "business"}).status_code == 422
    opened = browser.post(path, {"label": "Alt", "iban": iban, "use": "business", "ledger_number": "1810"})
    assert opened.status_code == 303
    assert browser.post(path, {"label": "Nochmal", "iban": iban, "use": "business"}).status_code == 422
    (offline,) = accounts_of(story)
    assert opened.location == f"/finances/accounts/{offline.id}/statements"
    says(reader.open(story.owner, "/finances/accounts"), "Offline")
    day = story.clock.today() - timedelta(days=200)
    with story.ports.database.write() as session:
        session.add(_line(offline, day))
    story.connect("bank")
    story.settle()
    same = next(account for account in accounts_of(story) if account.iban == offline.iban)
    assert (same.id, same.connection_id, same.title) == (offline.id, story.connection("bank").id, "Alt")
    assert day in {line.booked_on for line in booked(story, same)}
    assert len(booked(story, same)) > 1


def _line(account: BankAccount, day: date) -> Transaction:
    at = datetime.combine(day, time(12), UTC)
    return Transaction(
        client_id=account.client_id, bank_account_id=account.id, qonto_id=f"csv:x:{day}", side="debit", amount_cents=1234,
        currency="EUR", status="booked", settled_at=at, booked_on=day, created_at=at, updated_at=at,
    )  # fmt: skip


def test_a_plan_without_bank_connections(story: Story, reader: Reader) -> None:
    """L-06: the card is locked with its reason, and the route refuses."""
    with story.ports.database.write() as session:
        session.execute(update(Client).values(plan="start"))
    page = reader.open(story.owner, f"/clients/{story.client.id}/connections/bank/connect")
    says(page, "Not in your plan", "Bank connections are part of the Basic plan. Ask your tax office to change the plan.")
    assert "Login to Bank" not in page
    browser = reader.browser(story.owner)
    assert browser.post(f"/clients/{story.client.id}/connections/bank/connect").status_code == 403
    assert browser.post(f"/clients/{story.client.id}/connections/documents/connect").status_code == 303


def test_without_the_permission_financial_accounting(connected: Story, reader: Reader) -> None:
    """L-07: the menu hides it, each address refuses; documents go on."""
    account, bank = accounts_of(connected)[0], connected.connection("bank").id
    assert "Finances" in reader.open(connected.owner, "/receipts")
    with connected.ports.database.write() as session:
        session.execute(update(Membership).values(has_financial_accounting=False))
    assert "Finances" not in reader.open(connected.owner, "/receipts")
    refusal = "This needs the permission “Financial Accounting”. Your tax office can give it to you."
    browser, client = reader.browser(connected.owner), connected.client.id
    says(reader.open(connected.owner, "/finances/accounts", status=403), refusal)
    for path in (
        f"/clients/{client}/accounts/new",
        f"/clients/{client}/connections/bank/connect",
        f"/connections/{bank}/accounts",
    ):
        assert browser.get(path).status_code == 403, path
    for path in (f"/connections/{bank}/runs", f"/connections/{bank}/pause", f"/connections/{bank}/disconnection"):
        assert browser.post(path).status_code == 403, path
    assert browser.get(f"/finances/accounts/{account.id}").status_code == 404
    assert browser.get(f"/finances/accounts/{account.id}/statements").status_code == 404
    assert browser.post(f"/connections/{connected.connection('documents').id}/runs").status_code == 303


def test_an_account_that_the_qonto_user_may_not_read(connected: Story, reader: Reader) -> None:
    """L-08: explained per account; the others go on."""
    locked, *others = connected.rows(select(BankAccount).where(BankAccount.is_chosen).order_by(BankAccount.id))
    connected.bank.fault("403_account", bank_account_id=locked.qonto_id)
    row = connected.bank.put_transaction(
        bank_account_id=others[0].qonto_id, side="debit", amount_cents=815, settled_at=connected.clock.now().isoformat()
    )
    assert connected.sync("bank", hours=1).state == "done"
    assert row["id"] in {line.qonto_id for line in booked(connected)}
    page = reader.open(connected.owner, "/finances/accounts")
    says(
        page,
        "No access",
        "Your Qonto user has no access to this account. Ask an administrator of your Qonto account for the right.",
    )
    connected.bank.heal()
    connected.sync("bank", hours=1)
    assert not connected.rows(select(BankAccount).where(BankAccount.refusal != ""))


def test_the_helper_finds_holes_and_says_how_each_is_filled(connected: Story, reader: Reader) -> None:
    """L-55, L-56: within the bank's reach it is fetched or reconnected for, beyond it a file is asked for."""
    account = connected.rows(select(BankAccount).where(BankAccount.is_chosen).order_by(BankAccount.id))[0]
    today = connected.clock.today()
    kept = {line.id for line in booked(connected, account)}
    late = today - timedelta(days=40)
    with connected.ports.database.write() as session:
        held = session.get_one(BankAccount, account.id)
        held.start_on = late
    path = f"/finances/accounts/{account.id}/statements"
    page = reader.open(connected.owner, path)
    says(page, "Transactions missing?", "Fetch these days", "Further back than the bank connection reaches: bring a file.")
    browser = reader.browser(connected.owner)
    since = (today - timedelta(days=60)).isoformat()
    assert browser.post(f"/finances/accounts/{account.id}/fetching", {"since": since}).status_code == 303
    assert browser.post(f"/finances/accounts/{account.id}/fetching", {"since": "gestern"}).status_code == 422
    connected.settle()
    held = connected.rows(select(BankAccount).where(BankAccount.id == account.id))[0]
    assert held.start_on == today - timedelta(days=60)
    assert held.covered_until == today - timedelta(days=1)
    assert {line.id for line in booked(connected, account)} == kept
    assert browser.post(f"/connections/{connected.connection('bank').id}/disconnection").status_code == 303
    says(reader.open(connected.owner, path), "A new connection reaches these days; what is here stays, without doubles.")


def test_the_firm_sees_and_names_accounts_but_gives_no_consent(connected: Story, reader: Reader, staff: User) -> None:
    account = accounts_of(connected)[0]
    browser = reader.browser(staff)
    answer = browser.post(f"/finances/accounts/{account.id}", {"label": "Bank 1", "use": "business", "ledger_number": "1800"})
    assert answer.status_code == 303
    assert _named(connected, account.id).ledger_number == "1800"
    bank = connected.connection("bank").id
    for path in (
        f"/connections/{bank}/accounts",
        f"/finances/accounts/{account.id}/deletion",
        f"/connections/{bank}/confirmation",
    ):
        assert browser.get(path).status_code == 403


def _named(story: Story, account_id: str) -> BankAccount:
    return story.rows(select(BankAccount).where(BankAccount.id == account_id))[0]


def test_the_other_connection_is_pointed_to(story: Story, reader: Reader) -> None:
    """L-39."""
    story.connect("bank")
    story.settle()
    says(
        reader.open(story.owner, "/finances/accounts"),
        "The bank connection brings transactions, no receipts or invoices. Those come over a connection of their own.",
        "Connect documents too",
    )
