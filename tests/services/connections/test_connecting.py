"""Connecting: Active only after a verified call, and every other way a journey to the bank can end."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.models import AuditEvent, ConnectAttempt, Connection, Consent, Role
from portal.services.connections import connecting
from portal.services.connections.connecting import Ending
from portal.services.finding import Actor
from tests import factories
from tests.story import Story


def _tags(story: Story) -> list[str]:
    return [event.tag for event in story.rows(select(AuditEvent).order_by(AuditEvent.id))]


def _refusals(story: Story) -> list[str]:
    found = story.rows(select(AuditEvent).where(AuditEvent.tag == "connection.connect_refused"))
    return [event.details["reason"] for event in found]


def _nothing_is_stored(story: Story) -> bool:
    return story.rows(select(Connection)) == [] and story.rows(select(Consent)) == []


@pytest.mark.parametrize("kind", ["documents", "bank"])
def test_allow_makes_it_active_after_a_real_call(story: Story, kind: str) -> None:
    calls = story.bank.calls_of(lambda: story.connect(kind))
    connection = story.connection(kind)
    assert (connection.state, connection.connected_by, connection.connected_at) == ("active", story.owner.id, story.clock.now())
    assert connection.organization_id == story.bank.organizations()[0]["id"]
    verified = [call for call in calls if call["path"].startswith("/v2/")]
    assert verified
    assert all((call["method"], call["status"]) == ("GET", 200) for call in verified)
    assert (story.newest(kind).trigger, story.newest(kind).state) == ("connect", "due")
    assert [consent.revoked_at for consent in story.rows(select(Consent))] == [None]
    assert "connection.active" in _tags(story)


def test_only_the_scopes_of_the_kind_are_asked_for(story: Story) -> None:
    story.connect("documents")
    assert story.connection("documents").scopes.split() == [
        "attachment.read", "client_invoices.read", "offline_access", "supplier_invoice.read",
    ]  # fmt: skip
    story.connect("bank")
    assert story.connection("bank").scopes.split() == ["offline_access", "organization.read"]


def test_tokens_are_sealed(story: Story) -> None:
    story.connect("documents")
    connection = story.connection("documents")
    for sealed in (connection.access_token, connection.refresh_token):
        assert sealed
        assert sealed.partition(".")[0] in story.ports.keyring._keys


def test_deny(story: Story) -> None:
    assert story.connect("documents", decision="deny").ending is Ending.DENIED
    assert _nothing_is_stored(story)
    assert _refusals(story) == ["access_denied"]


def test_a_state_works_once(story: Story) -> None:
    query = story.bank.decide(story.address("documents"))
    assert story.come_back(query).ending is Ending.CONNECTED
    calls = story.bank.calls_of(lambda: story.come_back(query))
    assert calls == []
    assert story.come_back(query).ending is Ending.INVALID


@pytest.mark.parametrize("state", ["", "x" * 43])
def test_an_unknown_state(story: Story, state: str) -> None:
    query = story.bank.decide(story.address("documents"))
    assert story.bank.calls_of(lambda: story.come_back({**query, "state": state})) == []
    assert story.come_back({**query, "state": state}).ending is Ending.INVALID
    assert _nothing_is_stored(story)


def test_a_state_of_somebody_else(story: Story) -> None:
    query = story.bank.decide(story.address("documents"))
    with story.ports.database.write() as session:
        stranger = factories.user(session, "stranger@example.org", "Fremd", Role.CLIENT, now=story.clock.now())
    result = connecting.complete(
        story.ports, actor=Actor(stranger.id, Role.CLIENT), state=query["state"], code=query["code"], error=""
    )
    assert result.ending is Ending.INVALID
    assert story.come_back(query).ending is Ending.CONNECTED  # and it did not use the state up


def test_a_state_lives_ten_minutes(story: Story) -> None:
    early, late = story.bank.decide(story.address("documents")), story.bank.decide(story.address("bank"))
    story.clock.move(minutes=9, seconds=59)
    assert story.come_back(early).ending is Ending.CONNECTED
    story.clock.move(seconds=2)
    assert story.come_back(late).ending is Ending.INVALID


def test_an_expired_code(story: Story) -> None:
    query = story.bank.decide(story.address("documents"))
    story.bank.tell("clock", advance_seconds=11 * 60)
    assert story.come_back(query).ending is Ending.EXPIRED_CODE
    assert _nothing_is_stored(story)


def test_a_code_of_another_journey(story: Story) -> None:
    """The verifier does not fit (PKCE)."""
    one, other = story.bank.decide(story.address("documents")), story.bank.decide(story.address("documents"))
    assert story.come_back({**one, "code": other["code"]}).ending is Ending.EXPIRED_CODE
    assert _nothing_is_stored(story)


@pytest.mark.parametrize("scope", ["attachment.read", "supplier_invoice.read", "client_invoices.read", "offline_access"])
def test_a_right_that_was_not_granted_is_named_and_the_consent_discarded(story: Story, scope: str) -> None:
    query = story.bank.decide(story.address("documents"), without=scope)
    calls = story.bank.calls_of(lambda: _kept(story, query))
    result = RESULTS.pop()
    assert (result.ending, result.missing) == (Ending.SCOPE_MISSING, (scope,))
    assert _nothing_is_stored(story)
    assert [call["path"] for call in calls] == ["/oauth2/token", "/oauth2/revoke"]


RESULTS: list[connecting.Result] = []


def _kept(story: Story, query: dict[str, str]) -> None:
    RESULTS.append(story.come_back(query))


def test_the_bank_is_away_while_verifying(story: Story) -> None:
    story.bank.fault("5xx", match={"path": "/v2/*"})
    assert story.connect("documents").ending is Ending.BANK_AWAY
    assert _nothing_is_stored(story)


def test_the_other_connection_of_a_client_must_be_of_the_same_organisation(story: Story) -> None:
    story.connect("documents")
    second = story.bank.organizations()[1]
    assert story.connect("bank", organization=second["id"]).ending is Ending.OTHER_ORGANIZATION
    assert len(story.rows(select(Connection))) == 1


def test_reconnecting_with_another_organisation_leaves_the_old_consent(story: Story) -> None:
    story.connect("documents")
    before = story.connection("documents")
    assert story.connect("documents", organization=story.bank.organizations()[1]["id"]).ending is Ending.OTHER_ORGANIZATION
    after = story.connection("documents")
    assert (after.state, after.access_token, after.organization_id) == ("active", before.access_token, before.organization_id)


def test_an_organisation_belongs_to_one_client(story: Story) -> None:
    story.connect("documents")
    other = Story.begin(story.ports, story.bank, story.clock, number="10043")
    assert other.connect("documents").ending is Ending.OTHER_ORGANIZATION
    assert other.connect("bank").ending is Ending.OTHER_ORGANIZATION
    assert other.connect("bank", organization=story.bank.organizations()[1]["id"]).ending is Ending.CONNECTED


def test_reconnecting_renews_tokens_and_ends_the_older_consent(story: Story) -> None:
    story.connect("documents")
    before = story.connection("documents")
    story.work("documents")
    receipts = story.receipts()
    story.bank.move(minutes=5)
    assert story.connect("documents").ending is Ending.CONNECTED
    after = story.connection("documents")
    assert (after.id, after.state) == (before.id, "active")
    assert after.access_token != before.access_token
    standing = [consent.revoked_at for consent in story.rows(select(Consent).order_by(Consent.id))]
    assert standing == [story.clock.now(), None]
    story.work("documents")
    assert story.receipts().keys() == receipts.keys()


def test_disconnecting_stops_everything_and_keeps_the_documents(story: Story) -> None:
    story.connect("documents")
    story.work("documents")
    receipts = story.receipts()
    assert receipts
    story.ask("documents")
    calls = story.bank.calls_of(
        lambda: connecting.disconnect(story.ports, actor=story.actor, connection_id=story.connection("documents").id)
    )
    connection = story.connection("documents")
    assert (connection.state, connection.access_token, connection.refresh_token) == ("disconnected", None, None)
    assert [(call["method"], call["path"]) for call in calls] == [("POST", "/oauth2/revoke")]
    assert (story.newest("documents").state, story.newest("documents").reason) == ("done", "disconnected")
    assert story.rows(select(Consent))[0].revoked_at == story.clock.now()
    assert story.receipts().keys() == receipts.keys()
    story.check_books()


def test_disconnecting_works_while_the_bank_is_away(story: Story) -> None:
    story.connect("documents")
    story.bank.fault("5xx", match={"path": "/oauth2/*"})
    connecting.disconnect(story.ports, actor=story.actor, connection_id=story.connection("documents").id)
    assert story.connection("documents").state == "disconnected"


def test_a_consent_revoked_at_the_bank_ends_the_run_with_a_person(story: Story) -> None:
    story.connect("documents")
    story.work("documents")
    story.bank.tell("consent/revoke", organization=None)
    run = story.sync("documents")
    assert run.state == "needs_person"
    assert (story.connection("documents").state, story.connection("documents").reason) == ("action_needed", "invalid_grant")
    assert story.receipts()
    story.check_books()


def test_attempts_hold_no_state_or_verifier_in_clear(story: Story) -> None:
    address = story.address("documents")
    attempt = story.rows(select(ConnectAttempt))[0]
    state = address.partition("state=")[2].partition("&")[0]
    assert state not in {attempt.state_hash, attempt.verifier}
    assert "." in attempt.verifier
