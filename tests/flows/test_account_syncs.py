"""Sync transactions: what is ticked, two wishes at once, and confirmations in the middle of it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.runs import execute_run
from portal.models import (
    BankAccount,
    Run,
    ScaSession,
)
from portal.services import running
from tests.flows.accounts import accounts_of, booked, connect, listed
from tests.flows.reading import Reader, says
from tests.story import Story


def test_sync_transactions_reads_what_is_ticked_and_remembers_it(connected: Story, reader: Reader) -> None:
    """L-29, L-30."""
    browser, bank = reader.browser(connected.owner), connected.connection("bank").id
    one, *others = connected.rows(select(BankAccount).where(BankAccount.is_chosen).order_by(BankAccount.id))
    assert others
    connected.bank.move(hours=1)
    since = len(connected.bank.log()) + 1
    assert browser.post(f"/connections/{bank}/runs", {"boxes": "1", "account": one.id}).status_code == 303
    connected.settle()
    assert listed(connected, since) == {one.qonto_id}
    assert connected.newest("bank").state == "done"
    assert [a.id for a in connected.rows(select(BankAccount).where(BankAccount.is_chosen, BankAccount.is_ticked))] == [one.id]
    assert browser.post(f"/connections/{bank}/runs", {"boxes": "1"}).status_code == 422
    assert browser.post(f"/connections/{bank}/runs", {"boxes": "1", "account": connected.client.id}).status_code == 422
    since = len(connected.bank.log()) + 1
    connected.bank.move(days=1)
    connected.ask("bank", trigger="schedule")  # the daily run reads all of them
    connected.settle()
    assert listed(connected, since) == {account.qonto_id for account in (one, *others)}


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
    where = connect(story, reader.browser(story.owner))
    last = max((a for a in accounts_of(story) if a.is_active), key=lambda a: a.id)
    story.bank.fault("sca_required", bank_account_id=last.qonto_id)
    form = {
        f"{a.id}-{name}": value
        for a in accounts_of(story)
        if a.is_active
        for name, value in (("is_chosen", "y"), ("use", "business"))
    }
    assert reader.browser(story.owner).post(where, form).status_code == 303
    story.work("bank")
    run = story.newest("bank")
    assert (run.state, run.reason) == ("waiting", "sca_required")
    before = len(booked(story))
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
    lines = [line.qonto_id for line in booked(story)]
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
