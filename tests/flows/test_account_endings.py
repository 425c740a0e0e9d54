"""The bank connection ends: withdrawn in the middle of a sync, disconnected, deleted, connected again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from jobs.runs import execute_run
from portal.errors import Rejected
from portal.models import (
    Assignment,
    BankAccount,
    Candidate,
    Consent,
    Receipt,
    Transaction,
)
from portal.services import finding
from portal.services.accounts import choosing, discarding
from tests.factories import PASSWORD
from tests.flows.accounts import accounts_of, booked, listed
from tests.flows.reading import Reader, says
from tests.story import Story


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
    assert not booked(story)
    assert all(consent.revoked_at for consent in story.rows(select(Consent)))


def test_disconnecting_keeps_everything_and_reconnecting_fills_the_gap(connected: Story, reader: Reader) -> None:
    """L-33, L-34, L-37, L-73, with new ids of the accounts: 0 doubles, assignments stand."""
    lines, assigned = {line.qonto_id for line in booked(connected)}, len(_standing(connected))
    accounts = {account.iban: account.id for account in accounts_of(connected)}
    assert lines
    assert assigned
    browser = reader.browser(connected.owner)
    assert browser.post(f"/connections/{connected.connection('bank').id}/disconnection").status_code == 303
    assert {line.qonto_id for line in booked(connected)} == lines
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
    assert {line.qonto_id for line in booked(connected)} == lines | {late["id"]}
    assert {account.iban: account.id for account in accounts_of(connected)} == accounts
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
    mine = {line.id for line in booked(connected, account)}
    receipts = {a.receipt_id for a in _standing(connected) if a.transaction_id in mine}
    everything = len(connected.rows(select(Receipt)))
    path, browser = f"/finances/accounts/{account.id}/deletion", reader.browser(connected.owner)
    says(reader.open(connected.owner, path), "Disconnect instead", "What is lost", "What stays")
    counted = browser.get(path).text
    assert f"{len(mine)} transactions leave the books" in counted
    assert f"{len(receipts)} receipt" in counted
    for form in ({"title": account.title, "password": "falsch"}, {"title": "anders", "password": PASSWORD}, {}):
        assert browser.post(path, form).status_code == 422
    assert {line.id for line in booked(connected, account)} == mine
    assert browser.post(path, {"title": account.title, "password": PASSWORD}).status_code == 303
    assert not booked(connected, account)
    assert mine <= {line.id for line in connected.rows(select(Transaction).where(Transaction.status == "discarded"))}
    assert len(connected.rows(select(Receipt))) == everything
    back = connected.rows(select(Receipt).where(Receipt.id.in_(receipts)))
    assert {receipt.state for receipt in back} == {"in_review"}
    assert browser.get(path).status_code == 404
    connected.settle()
    connected.check_books()
    since = len(connected.bank.log()) + 1
    connected.sync("bank")
    assert account.qonto_id not in listed(connected, since)
    assert "Deleted on" in reader.open(connected.owner, f"/connections/{connected.connection('bank').id}/accounts")
    with connected.ports.database.write() as session:
        connection = finding.own_connection(session, connected.actor, connected.connection("bank").id)
        chosen = {a.id: choosing.Details() for a in accounts_of(connected) if a.is_active}
        choosing.choose(session, connection, chosen, now=connected.clock.now())
    connected.settle()
    assert {line.id for line in booked(connected, account)} == mine
    # the pair was taken apart once: the machine proposes it, a person makes it
    candidates = connected.rows(select(Candidate).where(Candidate.receipt_id.in_(receipts)))
    assert mine & {part["transaction"] for candidate in candidates for part in candidate.allocations}
    connected.check_books()


def test_deleting_with_another_name_is_refused_by_the_service_too(connected: Story) -> None:
    account = accounts_of(connected)[0]
    with pytest.raises(Rejected), connected.ports.database.write() as session:
        discarding.delete(session, session.get_one(BankAccount, account.id), typed="etwas", now=connected.clock.now())
    assert accounts_of(connected)[0].deleted_at is None
