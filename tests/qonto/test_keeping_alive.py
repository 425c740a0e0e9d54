"""Consents that nothing uses do not end (B11)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.clock import FixedClock
from portal.models import Mail
from portal.ports import Ports
from portal.services.connections import syncing
from portal.services.connections.token_keeping import TokenKeeper
from portal.services.messages import notifying
from tests.bank import Bank
from tests.story import Story

pytestmark = pytest.mark.usefixtures("acts")


def keeper(story: Story) -> TokenKeeper:
    ports = story.ports
    return TokenKeeper(ports.database, ports.keyring, ports.oauth, ports.clock, ports.settings)


@pytest.fixture
def story(ports: Ports, bank: Bank, clock: FixedClock) -> Story:
    """A client with a connected bank."""
    bank.quieten()
    told = Story.begin(ports, bank, clock)
    told.connect("bank")
    told.settle()
    return told


def test_a_paused_connection_lives_for_two_hundred_days(story: Story) -> None:
    with story.ports.database.write() as session:
        syncing.pause(session, session.merge(story.connection("bank")), now=story.clock.now())
    calls = []
    for _ in range(40):
        story.bank.move(days=5)
        calls += story.bank.calls_of(keeper(story).keep_alive)
        with story.ports.database.write() as session:
            notifying.remind(session, now=story.clock.now())
    assert {(call["path"], call["status"]) for call in calls} == {("/oauth2/token", 200)}
    assert 5 <= len(calls) <= 7
    assert story.rows(select(Mail)) == []
    with story.ports.database.write() as session:
        syncing.resume(session, session.merge(story.connection("bank")), trigger="client", now=story.clock.now())
    assert story.work("bank") == {"bank": "done"}


def test_a_bank_that_is_away_for_eighty_days_is_told_of_in_time(story: Story) -> None:
    """Nothing that we can do: people hear of it at 60 and at 75 days, and once it is back the consent lives on."""
    since = story.clock.now()
    story.bank.fault("token_5xx")
    told: list[int] = []
    for _ in range(80):
        story.bank.move(days=1)
        keeper(story).keep_alive()
        with story.ports.database.write() as session:
            notifying.remind(session, now=story.clock.now())
        mails = len(story.rows(select(Mail)))
        if mails > len(told):
            told.append((story.clock.now() - since).days)
    assert told == [60, 75]
    story.bank.heal()
    assert keeper(story).keep_alive() == 1
    expires_at = story.connection("bank").consent_expires_at
    assert expires_at is not None
    assert expires_at - story.clock.now() == timedelta(days=90)
