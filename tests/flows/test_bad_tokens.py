"""Tokens that are refused, lost or odd, and consents that end: renewed unseen, or a person is called, once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from jinja2 import BytecodeCache
from sqlalchemy import select

from jobs import ticker
from jobs.runs import execute_run
from portal.models import AuditEvent, Run, User
from portal.qonto.oauth import OAuth, TokenSet
from portal.services.connections.token_keeping import TokenKeeper
from tests.flows.reading import Reader, says
from tests.story import Story


def _token_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call for call in calls if call["path"] == "/oauth2/token"]


@pytest.mark.fault("F03")
@pytest.mark.parametrize("kind", ["documents", "bank"])
def test_a_consent_withdrawn_at_the_bank_needs_the_client_and_nobody_asks_again(
    connected: Story, admin: User, reader: Reader, kind: str
) -> None:
    """F03, B08, L-05: one call too many at most, no schedule, and the card tells what to do; reconnecting heals it."""
    story, receipts = connected, connected.receipts().keys()
    story.bank.tell("consent/revoke", organization=None)
    runs: list[Run] = []
    calls = story.bank.calls_of(lambda: runs.append(story.sync(kind, days=1)))
    assert (runs[0].state, runs[0].reason) == ("needs_person", "invalid_grant")
    assert [(call["path"], call["status"]) for call in calls] == [("/oauth2/token", 400)]
    connection = story.connection(kind)
    assert (connection.state, connection.reason, connection.access_token, connection.refresh_token) == (
        "action_needed", "invalid_grant", None, None,
    )  # fmt: skip
    page = reader.open(story.owner, "/profile/connections")
    says(
        page, "Action needed", reader.words("connection_reason", "invalid_grant"), "Reconnect",
        "The sync has stopped. Everything that came in before, and every assignment, stays.",
        "Reconnect and choose the same company at Qonto. We fetch the missing days.",
    )  # fmt: skip
    says(reader.open(admin, f"/connections/{connection.id}"), "Stopped", reader.words("connection_reason", "invalid_grant"))
    broken = story.rows(select(AuditEvent).where(AuditEvent.tag == "connection.broken"))
    assert [(event.subject, event.details["reason"]) for event in broken] == [(f"connection:{connection.id}", "invalid_grant")]

    def three_days() -> None:
        for _ in range(3 * 24):
            story.bank.move(hours=1)
            ticker.tick(story.ports, 0)
            story.work(kind)

    assert story.bank.calls_of(three_days) == []
    assert story.receipts().keys() == receipts
    story.check_rest()

    row = story.bill()
    for again in ("documents", "bank"):  # the bank ends all connections of a company at once
        story.connect(again)
    story.settle()
    assert story.receipts().keys() == receipts | {row["id"]}
    says(reader.open(story.owner, "/profile/connections"), "Active", "Connected")
    story.check_books()


@pytest.mark.fault("F01")
def test_an_access_token_that_is_refused_once_is_renewed_unseen(connected: Story) -> None:
    """F01."""
    connected.bank.move(minutes=10)
    run = connected.ask("documents")
    connected.bank.fault("401_expired", times=1)
    calls = connected.bank.calls_of(lambda: execute_run(connected.ports, run.id))
    assert connected.run(run.id).state == "done"
    assert [call["status"] for call in calls].count(401) == 1
    assert len(_token_calls(calls)) == 1


@pytest.mark.fault("F02")
def test_a_fresh_token_that_is_refused_too_ends_the_consent(connected: Story, reader: Reader) -> None:
    """F02, B09: two answers 401 for a connection and run, not one more."""
    connected.bank.move(minutes=10)
    run = connected.ask("documents")
    connected.bank.fault("401_always", match={"path": "/v2/*"})
    calls = connected.bank.calls_of(lambda: execute_run(connected.ports, run.id))
    assert (connected.run(run.id).state, connected.run(run.id).reason) == ("needs_person", "unauthorized_after_refresh")
    assert [call["status"] for call in calls].count(401) == 2
    assert (connected.connection("documents").state, connected.connection("bank").state) == ("action_needed", "active")
    says(
        reader.open(connected.owner, "/profile/connections"),
        "Action needed",
        reader.words("connection_reason", "unauthorized_after_refresh"),
    )
    connected.check_books()


@pytest.mark.fault("F08")
@pytest.mark.parametrize(
    ("fault", "arguments", "reason"),
    [("token_5xx", {}, "server_error"), ("token_5xx", {"html": True}, "server_error"), ("html_200", {}, "not_json")],
)
def test_a_token_endpoint_that_is_away_is_no_end_of_the_consent(
    connected: Story, fault: str, arguments: dict[str, Any], reason: str
) -> None:
    """F08."""
    connected.bank.fault(fault, match={"path": "/oauth2/token"}, **arguments)
    run = connected.sync("documents", hours=2)
    assert (run.state, run.reason, connected.connection("documents").state) == ("waiting", reason, "active")
    connected.bank.heal()
    connected.bank.move(minutes=6)
    connected.settle()
    assert connected.run(run.id).state == "done"


@pytest.mark.fault("F05")
def test_an_answer_with_the_new_token_that_is_lost_is_asked_for_again(wired: Story) -> None:
    """F05, on a real socket: the bank has turned the token over, and the line is cut before a byte of it."""
    wired.connect("documents")
    wired.work("documents")
    wired.bank.move(hours=2)
    run = wired.ask("documents")
    wired.bank.fault("drop_after_rotate", times=1)
    calls = wired.bank.calls_of(lambda: wired.work("documents"))
    assert [call["status"] for call in _token_calls(calls)] == [None, 200]
    assert (wired.run(run.id).state, wired.connection("documents").state) == ("done", "active")


@pytest.mark.fault("F07")
def test_a_renewal_that_a_dead_worker_left_is_repeated_by_the_ticker(connected: Story) -> None:
    """F07, B07: killed between the bank's answer and our commit, twenty seconds before the lease is over."""

    class Killed(BaseException):
        pass

    class Dying:
        def __init__(self, door: OAuth) -> None:
            self.door = door

        def refresh(self, token: str) -> TokenSet:
            self.door.refresh(token)
            raise Killed

    story = connected
    story.bank.move(hours=2)
    keeper = TokenKeeper(story.ports.database, story.ports.keyring, Dying(story.ports.oauth), story.clock, story.ports.settings)  # type: ignore[arg-type]
    connection_id, version = story.connection("documents").id, story.connection("documents").token_version
    with pytest.raises(Killed):
        keeper.access_token(connection_id)
    ticker.tick(story.ports, 0)
    _join_renewals()
    assert story.connection("documents").token_version == version  # its lease might still be alive
    story.bank.move(seconds=21)
    ticker.tick(story.ports, 0)
    _join_renewals()
    assert (story.connection("documents").token_version, story.connection("documents").state) == (version + 1, "active")
    assert story.sync("documents", minutes=10).state == "done"


def _join_renewals() -> None:
    for thread in threading.enumerate():
        if thread.name == "renewals":
            thread.join()


@pytest.mark.fault("F06")
def test_a_new_token_that_is_lost_where_the_bank_knows_no_grace_needs_the_client(wired: Story, compiled: BytecodeCache) -> None:
    wired.connect("documents")
    wired.work("documents")
    wired.bank.move(hours=2)
    run = wired.ask("documents")
    wired.bank.fault("drop_after_rotate", times=1, grace=0)
    wired.work("documents")
    assert (wired.run(run.id).state, wired.run(run.id).reason) == ("needs_person", "rotation_lost")
    assert wired.connection("documents").state == "action_needed"
    reader = Reader(wired.ports, compiled)
    says(reader.open(wired.owner, "/profile/connections"), reader.words("connection_reason", "rotation_lost"), "Reconnect")
    wired.check_rest()
    wired.bank.heal()
    wired.connect("documents")
    wired.work("documents")
    assert wired.connection("documents").state == "active"


@pytest.mark.fault("F09")
@pytest.mark.parametrize("kind", ["missing", "wrong_type"])
def test_an_odd_answer_of_the_token_endpoint_is_no_end_of_the_consent(connected: Story, kind: str) -> None:
    connected.bank.fault("token_malformed", times=1, kind=kind)
    run = connected.sync("documents", hours=2)
    connected.bank.heal()
    connected.bank.move(minutes=6)
    connected.settle()
    assert connected.run(run.id).state == "done"
    assert connected.connection("documents").state == "active"
    later = connected.sync("documents", hours=2)  # without a new refresh token nobody can go on for longer than this
    assert (later.state, later.reason) == (("done", "") if kind == "wrong_type" else ("needs_person", "invalid_grant"))
    connected.check_rest()
