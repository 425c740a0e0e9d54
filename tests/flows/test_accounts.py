"""Finances → Accounts: from Add account to Connected, syncing what was ticked, confirming, disconnecting, deleting (L-01 … L-39)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, update

from jobs.runs import execute_run
from portal.domain.start_days import REACH
from portal.errors import Rejected
from portal.models import (
    Assignment,
    BankAccount,
    Candidate,
    Client,
    Consent,
    Membership,
    Receipt,
    Run,
    ScaSession,
    Transaction,
    User,
)
from portal.services import choosing, discarding, finding, running
from tests.factories import PASSWORD
from tests.flows.reading import Reader, says
from tests.story import Story
from tests.web.visitor import Visitor


def _accounts(story: Story) -> list[BankAccount]:
    return story.rows(select(BankAccount).where(BankAccount.client_id == story.client.id).order_by(BankAccount.name))


def _connect(story: Story, browser: Visitor, **form: str) -> str:
    """Through Add account to the bank and back; where one arrives."""
    begun = browser.post(f"/clients/{story.client.id}/connections/bank/connect", form)
    assert begun.status_code == 303
    back = story.bank.decide(begun.location)
    arrived = browser.get(f"/connections/qonto/callback?{urlencode(back)}")
    assert arrived.status_code == 303
    return str(arrived.location)


def _booked(story: Story, account: BankAccount | None = None) -> list[Transaction]:
    query = select(Transaction).where(Transaction.status == "booked")
    return story.rows(query.where(Transaction.bank_account_id == account.id) if account else query)


def _listed(story: Story, since: int) -> set[str]:
    """Accounts whose transactions the bank was asked for."""
    calls = [call for call in story.bank.log(since) if call["path"] == "/v2/transactions"]
    return {part.partition("=")[2] for call in calls for part in call["query"].split("&") if part.startswith("bank_account_id")}


# --- adding and choosing -------------------------------------------------------------------------------------------


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
    where = _connect(story, browser, start_on=chosen_from.isoformat())
    accounts = _accounts(story)
    assert len(accounts) > 2
    assert where == f"/connections/{story.connection('bank').id}/accounts"
    assert _listed(story, since) == set()
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
    by_id = {account.id: account for account in _accounts(story)}
    assert {account.id for account in by_id.values() if account.is_chosen} == {one.id, two.id}
    mine = by_id[one.id]
    assert (mine.title, mine.holder, mine.use, mine.ledger_number, mine.start_on) == (
        "Laufendes", "Brandt", "business", "1800", chosen_from,
    )  # fmt: skip
    assert (by_id[two.id].use, by_id[two.id].start_on) == ("private", later)
    assert _listed(story, since) == {one.qonto_id, two.qonto_id}
    assert all(line.booked_on >= by_id[line.bank_account_id].start_on for line in _booked(story))
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
    assert _booked(story)
    assert {call["path"] for call in story.bank.log(since) if call["path"].startswith("/v2/")} <= {
        "/v2/organization", "/v2/transactions", "/v2/webhook_subscriptions",
    }  # fmt: skip
    pending = story.bank.put_transaction(
        status="pending", side="debit", amount_cents=4711, settled_at=None, label="Kommt noch", currency="EUR"
    )
    story.sync("bank", hours=1)
    assert pending["id"] not in {line.qonto_id for line in _booked(story)}
    story.bank.put_transaction(id=pending["id"], status="completed", settled_at=story.clock.now().isoformat())
    story.sync("bank", hours=1)
    assert [line.amount_cents for line in _booked(story) if line.qonto_id == pending["id"]] == [4711]


@pytest.mark.parametrize(("days", "is_fine"), [(90, True), (91, False), (-1, False), (0, True)])
def test_the_start_lies_within_90_days(story: Story, reader: Reader, days: int, is_fine: bool) -> None:
    """L-25: refused before the journey and after it, with the way that remains."""
    browser, day = reader.browser(story.owner), (story.clock.today() - timedelta(days=days)).isoformat()
    begun = browser.post(f"/clients/{story.client.id}/connections/bank/connect", {"start_on": day})
    assert begun.status_code == (303 if is_fine else 422)
    where = _connect(story, browser)
    account = next(account for account in _accounts(story) if account.is_active and account.iban)
    answer = browser.post(where, {f"{account.id}-is_chosen": "y", f"{account.id}-use": "business", f"{account.id}-start_on": day})
    assert answer.status_code == (303 if is_fine else 422)
    if days == 91:
        hint = "Qonto hands out the last 90 days. What lies before comes as a file from your online banking."
        assert hint in answer.text
        assert hint in begun.text
    assert bool(story.rows(select(Run).where(Run.kind == "bank"))) is is_fine


def test_what_cannot_be_chosen(story: Story, reader: Reader) -> None:
    browser = reader.browser(story.owner)
    where = _connect(story, browser)
    account = next(account for account in _accounts(story) if account.is_active)
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
    account = max(accounts, key=lambda account: len(_booked(connected, account)))
    today = connected.clock.today()
    with connected.ports.database.write() as session:
        held = session.get_one(BankAccount, account.id)
        held.synced_until = None
        session.execute(
            update(Transaction).where(Transaction.bank_account_id == account.id).values(statement_id=connected.client.id)
        )
        first = min(line.booked_on for line in _booked(connected, account))
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
    (offline,) = _accounts(story)
    assert opened.location == f"/finances/accounts/{offline.id}/statements"
    says(reader.open(story.owner, "/finances/accounts"), "Offline")
    day = story.clock.today() - timedelta(days=200)
    with story.ports.database.write() as session:
        session.add(_line(offline, day))
    story.connect("bank")
    story.settle()
    same = next(account for account in _accounts(story) if account.iban == offline.iban)
    assert (same.id, same.connection_id, same.title) == (offline.id, story.connection("bank").id, "Alt")
    assert day in {line.booked_on for line in _booked(story, same)}
    assert len(_booked(story, same)) > 1


def _line(account: BankAccount, day: date) -> Transaction:
    at = datetime.combine(day, time(12), UTC)
    return Transaction(
        client_id=account.client_id, bank_account_id=account.id, qonto_id=f"csv:x:{day}", side="debit", amount_cents=1234,
        currency="EUR", status="booked", settled_at=at, booked_on=day, created_at=at, updated_at=at,
    )  # fmt: skip


# --- gates ---------------------------------------------------------------------------------------------------------


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
    account, bank = _accounts(connected)[0], connected.connection("bank").id
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
    assert row["id"] in {line.qonto_id for line in _booked(connected)}
    page = reader.open(connected.owner, "/finances/accounts")
    says(
        page,
        "No access",
        "Your Qonto user has no access to this account. Ask an administrator of your Qonto account for the right.",
    )
    connected.bank.heal()
    connected.sync("bank", hours=1)
    assert not connected.rows(select(BankAccount).where(BankAccount.refusal != ""))


# --- syncing -------------------------------------------------------------------------------------------------------


def test_sync_transactions_reads_what_is_ticked_and_remembers_it(connected: Story, reader: Reader) -> None:
    """L-29, L-30."""
    browser, bank = reader.browser(connected.owner), connected.connection("bank").id
    one, *others = connected.rows(select(BankAccount).where(BankAccount.is_chosen).order_by(BankAccount.id))
    assert others
    connected.bank.move(hours=1)
    since = len(connected.bank.log()) + 1
    assert browser.post(f"/connections/{bank}/runs", {"boxes": "1", "account": one.id}).status_code == 303
    connected.settle()
    assert _listed(connected, since) == {one.qonto_id}
    assert connected.newest("bank").state == "done"
    assert [a.id for a in connected.rows(select(BankAccount).where(BankAccount.is_chosen, BankAccount.is_ticked))] == [one.id]
    assert browser.post(f"/connections/{bank}/runs", {"boxes": "1"}).status_code == 422
    assert browser.post(f"/connections/{bank}/runs", {"boxes": "1", "account": connected.client.id}).status_code == 422
    since = len(connected.bank.log()) + 1
    connected.bank.move(days=1)
    connected.ask("bank", trigger="schedule")  # the daily run reads all of them
    connected.settle()
    assert _listed(connected, since) == {account.qonto_id for account in (one, *others)}


def test_two_wishes_at_once_are_read_together(connected: Story) -> None:
    one, two, *_ = connected.rows(select(BankAccount).where(BankAccount.is_chosen).order_by(BankAccount.id))
    connection = connected.connection("bank")

    def ask(*only: str) -> Run:
        with connected.ports.database.write() as session:
            return running.request(
                session, client_id=connected.client.id, connection_id=connection.id, kind="bank", trigger="client",
                now=connected.clock.now(), only=only,
            )  # fmt: skip

    assert ask(one.id).cursor == {"only": [one.id]}
    assert ask(two.id).cursor == {"only": sorted([one.id, two.id])}
    assert ask().cursor == {}
    assert ask(one.id).cursor == {}


# --- confirmations -------------------------------------------------------------------------------------------------


def _tell_phone(story: Story, decision: str) -> None:
    (waiting,) = [one for one in story.bank.ask("sca")["sessions"] if one["result"] == "waiting"]
    story.bank.tell(f"sca/{waiting['sca_session_token']}", decision=decision)


def _press_sync(story: Story, reader: Reader) -> None:
    reader.open(story.owner, "/finances/accounts")  # signs in again where days have passed
    assert reader.browser(story.owner).post(f"/connections/{story.connection('bank').id}/runs").status_code == 303
    story.work("bank")


def _session(story: Story) -> ScaSession:
    return story.rows(select(ScaSession).order_by(ScaSession.id.desc()))[0]


def test_a_confirmation_in_the_middle_of_a_sync(story: Story, reader: Reader) -> None:
    """L-31, L-32: paused, told, and gone on with after the yes; nothing lost, nothing doubled, no token anywhere in the clear."""
    story.bank.tell_all()
    where = _connect(story, reader.browser(story.owner))
    last = max((a for a in _accounts(story) if a.is_active), key=lambda a: a.id)
    story.bank.fault("sca_required", bank_account_id=last.qonto_id)
    form = {
        f"{a.id}-{name}": value
        for a in _accounts(story)
        if a.is_active
        for name, value in (("is_chosen", "y"), ("use", "business"))
    }
    assert reader.browser(story.owner).post(where, form).status_code == 303
    story.work("bank")
    run = story.newest("bank")
    assert (run.state, run.reason) == ("waiting", "sca_required")
    before = len(_booked(story))
    assert before
    page = reader.open(story.owner, "/finances/accounts")
    says(page, "Confirmation needed", "Confirm now")
    confirm = f"/connections/{run.connection_id}/confirmation"
    says(reader.open(story.owner, confirm), "Confirm in the Qonto app", "Ask again", "Cancel")
    story.bank.move(seconds=31)
    says(reader.open(story.owner, confirm), "Nothing has arrived?")
    story.work("bank")  # looks, and goes on waiting
    assert story.newest("bank").state == "waiting"
    assert len(story.bank.ask("sca")["sessions"]) == 1  # looking pushes nothing
    _tell_phone(story, "allow")
    story.bank.move(seconds=5)
    story.settle()
    assert (story.newest("bank").state, story.newest("bank").reason) == ("done", "")
    says(reader.open(story.owner, confirm), "Confirmed.", "The sync has come to its end.")
    lines = [line.qonto_id for line in _booked(story)]
    assert len(lines) == len(set(lines)) > before
    token = story.bank.ask("sca")["sessions"][0]["sca_session_token"]
    assert token not in str([vars(row) for row in story.rows(select(ScaSession))])
    story.check_books()


@pytest.mark.parametrize("how", ["deny", "expired", "cancel"])
def test_a_confirmation_that_does_not_come(connected: Story, reader: Reader, how: str) -> None:
    """Told; no sync asks again by itself; the client's own does."""
    connected.bank.fault("sca_required")
    connected.bank.move(hours=1)
    _press_sync(connected, reader)
    connection = connected.connection("bank")
    if how == "cancel":
        assert reader.browser(connected.owner).post(f"/connections/{connection.id}/confirmation/end").status_code == 303
    elif how == "deny":
        _tell_phone(connected, "deny")
    connected.bank.move(minutes=16 if how == "expired" else 1)
    connected.work("bank")
    run = connected.newest("bank")
    reason = "sca_expired" if how == "expired" else "sca_denied"
    assert (run.state, run.reason, _session(connected).state) == (
        "needs_person",
        reason,
        "expired" if how == "expired" else "deny",
    )
    says(reader.open(connected.owner, "/finances/accounts"), reader.words("connection_reason", reason))
    for trigger in ("schedule", "webhook", "staff", "admin"):  # L-75
        connected.bank.move(days=1)
        connected.ask("bank", trigger=trigger)
        assert connected.bank.calls_of(lambda: connected.work("bank")) == []
        assert (connected.newest("bank").state, connected.newest("bank").reason) == ("needs_person", "sca_required")
    _press_sync(connected, reader)
    assert len(connected.bank.ask("sca")["sessions"]) == 2
    _tell_phone(connected, "allow")
    connected.bank.move(seconds=5)
    connected.settle()
    assert connected.newest("bank").state == "done"
    connected.bank.move(days=1)
    connected.bank.heal()
    connected.ask("bank", trigger="schedule")
    connected.settle()
    assert connected.newest("bank").state == "done"


def test_asking_again_sends_another_message(connected: Story, reader: Reader) -> None:
    connected.bank.fault("sca_required")
    connected.bank.move(hours=1)
    _press_sync(connected, reader)
    path = f"/connections/{connected.connection('bank').id}/confirmation"
    assert reader.browser(connected.owner).post(path).status_code == 303
    connected.work("bank")
    assert len(connected.bank.ask("sca")["sessions"]) == 2
    assert connected.newest("bank").state == "waiting"


def test_a_user_without_a_phone_is_told_so(connected: Story, reader: Reader) -> None:
    """L-62's kind of 428."""
    connected.bank.fault("sca_required", kind="not_enrolled")
    connected.bank.move(hours=1)
    _press_sync(connected, reader)
    assert (connected.newest("bank").state, connected.newest("bank").reason) == ("needs_person", "sca_not_enrolled")
    says(reader.open(connected.owner, "/finances/accounts"), reader.words("connection_reason", "sca_not_enrolled"))
    assert not connected.rows(select(ScaSession))


def test_a_run_that_dies_while_it_waits_goes_on_waiting(connected: Story, reader: Reader) -> None:
    connected.bank.fault("sca_required")
    connected.bank.move(hours=1)
    _press_sync(connected, reader)
    connected.bank.move(seconds=5)
    run = connected.newest("bank")
    lease = running.claim(connected.ports.database, run.id, now=connected.clock.now(), timing=connected.ports.settings.timing)
    assert lease is not None  # … and its process dies
    _tell_phone(connected, "allow")
    connected.bank.move(minutes=5)
    assert execute_run(connected.ports, run.id) == "done"
    assert connected.run(run.id).state == "done"


# --- disconnecting, deleting, coming back --------------------------------------------------------------------------


def test_withdrawing_takes_effect_in_a_running_sync(story: Story, reader: Reader) -> None:
    """L-04: not one further call."""
    story.bank.tell_all()
    story.connect("bank")
    run, connection = story.newest("bank"), story.connection("bank")
    calls: list[str] = []
    real = story.ports.qonto.transactions

    def first_page_then_the_client_disconnects(*args: object, **kwargs: object) -> object:
        calls.append(str(kwargs["page"]))
        page = real(*args, **kwargs)  # type: ignore[arg-type]
        if len(calls) == 1:
            assert reader.browser(story.owner).post(f"/connections/{connection.id}/disconnection").status_code == 303
        return page

    story.ports.qonto.transactions = first_page_then_the_client_disconnects  # type: ignore[method-assign,assignment]
    execute_run(story.ports, run.id)
    assert (story.run(run.id).state, story.run(run.id).reason) == ("done", "disconnected")
    assert calls == ["1"]
    assert not _booked(story)
    assert all(consent.revoked_at for consent in story.rows(select(Consent)))


def test_disconnecting_keeps_everything_and_reconnecting_fills_the_gap(connected: Story, reader: Reader) -> None:
    """L-33, L-34, L-37, L-73, with new ids of the accounts: 0 doubles, assignments stand."""
    lines, assigned = {line.qonto_id for line in _booked(connected)}, len(_standing(connected))
    accounts = {account.iban: account.id for account in _accounts(connected)}
    assert lines
    assert assigned
    browser = reader.browser(connected.owner)
    assert browser.post(f"/connections/{connected.connection('bank').id}/disconnection").status_code == 303
    assert {line.qonto_id for line in _booked(connected)} == lines
    assert len(_standing(connected)) == assigned
    says(reader.open(connected.owner, "/finances/accounts"), "Disconnected", "Reconnect")
    connected.bank.move(days=5)
    late = connected.bank.put_transaction(
        side="debit", amount_cents=999, settled_at=(connected.clock.now() - timedelta(days=2)).isoformat()
    )
    connected.bank.fault("ids_changed")
    result = connected.connect("bank")
    assert result.run_id  # the accounts are chosen already
    connected.settle()
    assert {line.qonto_id for line in _booked(connected)} == lines | {late["id"]}
    assert {account.iban: account.id for account in _accounts(connected)} == accounts
    assert len(_standing(connected)) >= assigned
    connected.check_books()


def _standing(story: Story) -> list[Assignment]:
    return story.rows(select(Assignment).where(Assignment.withdrawn_at.is_(None)))


def test_deleting_an_account(connected: Story, reader: Reader) -> None:
    """L-34, L-35: named, counted, confirmed; receipts go back to review, nothing is lost, and a new choice brings it back."""
    used = {assignment.transaction_id for assignment in _standing(connected)}
    account = connected.rows(
        select(BankAccount).join(Transaction, Transaction.bank_account_id == BankAccount.id).where(Transaction.id.in_(used))
    )[0]
    mine = {line.id for line in _booked(connected, account)}
    receipts = {a.receipt_id for a in _standing(connected) if a.transaction_id in mine}
    everything = len(connected.rows(select(Receipt)))
    path, browser = f"/finances/accounts/{account.id}/deletion", reader.browser(connected.owner)
    says(reader.open(connected.owner, path), "Disconnect instead", "What is lost", "What stays")
    counted = browser.get(path).text
    assert f"{len(mine)} transactions leave the books" in counted
    assert f"{len(receipts)} receipt" in counted
    for form in ({"title": account.title, "password": "falsch"}, {"title": "anders", "password": PASSWORD}, {}):
        assert browser.post(path, form).status_code == 422
    assert {line.id for line in _booked(connected, account)} == mine
    assert browser.post(path, {"title": account.title, "password": PASSWORD}).status_code == 303
    assert not _booked(connected, account)
    assert mine <= {line.id for line in connected.rows(select(Transaction).where(Transaction.status == "discarded"))}
    assert len(connected.rows(select(Receipt))) == everything
    back = connected.rows(select(Receipt).where(Receipt.id.in_(receipts)))
    assert {receipt.state for receipt in back} == {"in_review"}
    assert browser.get(path).status_code == 404
    connected.settle()
    connected.check_books()
    since = len(connected.bank.log()) + 1
    connected.sync("bank")
    assert account.qonto_id not in _listed(connected, since)
    assert "Deleted on" in reader.open(connected.owner, f"/connections/{connected.connection('bank').id}/accounts")
    with connected.ports.database.write() as session:
        connection = finding.own_connection(session, connected.actor, connected.connection("bank").id)
        chosen = {a.id: choosing.Details() for a in _accounts(connected) if a.is_active}
        choosing.choose(session, connection, chosen, now=connected.clock.now())
    connected.settle()
    assert {line.id for line in _booked(connected, account)} == mine
    # the pair was taken apart once: the machine proposes it, a person makes it
    candidates = connected.rows(select(Candidate).where(Candidate.receipt_id.in_(receipts)))
    assert mine & {part["transaction"] for candidate in candidates for part in candidate.allocations}
    connected.check_books()


def test_deleting_with_another_name_is_refused_by_the_service_too(connected: Story) -> None:
    account = _accounts(connected)[0]
    with pytest.raises(Rejected), connected.ports.database.write() as session:
        discarding.delete(session, session.get_one(BankAccount, account.id), typed="etwas", now=connected.clock.now())
    assert _accounts(connected)[0].deleted_at is None


# --- what is missing -----------------------------------------------------------------------------------------------


def test_the_helper_finds_holes_and_says_how_each_is_filled(connected: Story, reader: Reader) -> None:
    """L-55, L-56: within the bank's reach it is fetched or reconnected for, beyond it a file is asked for."""
    account = connected.rows(select(BankAccount).where(BankAccount.is_chosen).order_by(BankAccount.id))[0]
    today = connected.clock.today()
    kept = {line.id for line in _booked(connected, account)}
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
    assert {line.id for line in _booked(connected, account)} == kept
    assert browser.post(f"/connections/{connected.connection('bank').id}/disconnection").status_code == 303
    says(reader.open(connected.owner, path), "A new connection reaches these days; what is here stays, without doubles.")


def test_the_firm_sees_and_names_accounts_but_gives_no_consent(connected: Story, reader: Reader, staff: User) -> None:
    account = _accounts(connected)[0]
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
