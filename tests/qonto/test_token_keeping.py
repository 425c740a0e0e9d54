"""Renewing tokens: who does it, what the others get, what a crash costs, when a consent is over. On both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from portal.clock import FixedClock
from portal.crypto import KeyRing
from portal.db import Database
from portal.errors import ConsentEnded, QontoError, Unavailable
from portal.models import AuditEvent, Connection
from portal.qonto.oauth import OAuth, TokenSet
from portal.services.connections import token_keeping
from portal.services.connections.token_keeping import TokenKeeper
from portal.settings import Settings
from tests import factories
from tests.qonto.wire import QUICK, Answer, Call, Scripted

pytestmark = pytest.mark.usefixtures("acts")


@dataclass
class Vault:
    """A connection whose tokens are `at_1` and `rt_1`, good for an hour."""

    database: Database
    clock: FixedClock
    keyring: KeyRing
    settings: Settings
    connection_id: str

    def keeper(self, bank: Scripted) -> TokenKeeper:
        return TokenKeeper(self.database, self.keyring, OAuth(self.settings, transport=bank.transport), self.clock, self.settings)

    @property
    def row(self) -> Connection:
        with self.database.read() as session:
            return session.get_one(Connection, self.connection_id)

    def store(self, number: int) -> None:
        """As a peer does that was faster."""
        with self.database.write() as session:
            row = session.get_one(Connection, self.connection_id)
            tokens = TokenSet(f"at_{number}", f"rt_{number}", 3600, ())
            token_keeping.store(session, row, tokens, keyring=self.keyring, now=self.clock.now())

    def wipe(self) -> str:
        with self.database.write() as session:
            row = session.get_one(Connection, self.connection_id)
            row.state = "disconnected"
            return token_keeping.wipe(session, row, keyring=self.keyring)

    def change(self, **values: Any) -> None:
        with self.database.write() as session:
            row = session.get_one(Connection, self.connection_id)
            for name, value in values.items():
                setattr(row, name, value)


@pytest.fixture
def vault(database: Database, settings: Settings, clock: FixedClock) -> Vault:
    with database.write() as session:
        client = factories.client(session, "10042", "Tischlerei Brandt GmbH", now=clock.now())
        connection = factories.connection(session, client, "documents", now=clock.now(), token_version=0)
        connection_id = connection.id
    settings = replace(settings, timing=replace(QUICK, refresh_wait=3.0, refresh_lease=2.0))
    vault = Vault(database, clock, KeyRing(settings.token_keys), settings, connection_id)
    vault.store(1)
    return vault


def renewal(number: int = 2) -> Answer:
    return Answer({"access_token": f"at_{number}", "refresh_token": f"rt_{number}", "token_type": "bearer", "expires_in": 3600})


INVALID_GRANT = Answer({"error": "invalid_grant"}, 400)


def broken_events(database: Database) -> list[str]:
    with database.read() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.tag == "connection.broken"))
        return [event.details["reason"] for event in events]


def test_a_fresh_token_costs_no_call(vault: Vault) -> None:
    bank = Scripted(renewal())
    vault.clock.move(minutes=54)
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_1"
    assert bank.calls == []


def test_five_minutes_before_its_end_it_is_renewed(vault: Vault) -> None:
    bank = Scripted(renewal())
    vault.clock.move(minutes=56)
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_2"
    assert bank.calls[0].form["refresh_token"] == "rt_1"
    row = vault.row
    assert (row.token_version, row.refresh_lease, row.refresh_lease_until, row.refresh_started_at) == (2, None, None, None)
    assert row.access_expires_at == vault.clock.now() + timedelta(hours=1)
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_2"
    assert len(bank.calls) == 1


def test_a_refused_token_is_renewed_once_for_all(vault: Vault) -> None:
    bank = Scripted(renewal())
    keeper = vault.keeper(bank)
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: keeper.renewed(vault.connection_id, refused="at_1"), range(8)))
    assert (tokens, len(bank.calls)) == ({"at_2"}, 1)


def test_the_new_tokens_are_sealed_and_bound_to_their_place(vault: Vault) -> None:
    vault.clock.move(hours=1)
    vault.keeper(Scripted(renewal())).access_token(vault.connection_id)
    row = vault.row
    assert row.access_token is not None
    assert row.refresh_token is not None
    assert "at_2" not in row.access_token
    assert "rt_2" not in row.refresh_token
    vault.change(access_token=row.refresh_token)
    with pytest.raises(ConsentEnded):
        vault.keeper(Scripted(renewal())).access_token(vault.connection_id)


def test_a_waiter_takes_what_the_holder_stores(vault: Vault) -> None:
    now = vault.clock.now()
    vault.clock.move(hours=1)
    vault.change(refresh_lease="somebody", refresh_lease_until=now + timedelta(hours=1, seconds=2), refresh_started_at=now)
    bank = Scripted(renewal(9))
    timer = threading.Timer(0.3, vault.store, (2,))
    timer.start()
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_2"
    timer.join()
    assert bank.calls == []


def test_a_waiter_gives_up_after_its_time(vault: Vault) -> None:
    vault.settings = replace(vault.settings, timing=replace(vault.settings.timing, refresh_wait=0.3))
    vault.clock.move(hours=1)
    vault.change(refresh_lease="somebody", refresh_lease_until=vault.clock.now() + timedelta(seconds=2))
    with pytest.raises(Unavailable) as caught:
        vault.keeper(Scripted(renewal())).access_token(vault.connection_id)
    assert caught.value.code == "refresh_wait"


def test_a_dead_holders_lease_is_taken_over_inside_the_grace(vault: Vault) -> None:
    """F07: killed between the bank's answer and our commit; the old refresh token still works for a minute."""
    vault.clock.move(hours=1)
    started = vault.clock.now()
    vault.change(refresh_lease="dead", refresh_lease_until=started + timedelta(seconds=2), refresh_started_at=started)
    vault.clock.move(seconds=3)
    bank = Scripted(renewal())
    assert vault.keeper(bank).repeat_interrupted() == 1
    assert bank.calls[0].form["refresh_token"] == "rt_1"
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_2"
    assert vault.keeper(bank).repeat_interrupted() == 0
    assert len(bank.calls) == 1


def test_a_live_lease_is_not_interrupted(vault: Vault) -> None:
    now = vault.clock.now()
    vault.change(refresh_lease="alive", refresh_lease_until=now + timedelta(seconds=2), refresh_started_at=now)
    bank = Scripted(renewal())
    assert vault.keeper(bank).repeat_interrupted() == 0
    assert bank.calls == []


@pytest.mark.parametrize("was_used", [False, True])
def test_invalid_grant_ends_the_consent(vault: Vault, was_used: bool) -> None:
    vault.clock.move(hours=1)
    if was_used:
        vault.change(refresh_started_at=vault.clock.now() - timedelta(minutes=2))
    bank = Scripted(INVALID_GRANT)
    code = "rotation_lost" if was_used else "invalid_grant"
    for _ in range(2):
        with pytest.raises(ConsentEnded) as caught:
            vault.keeper(bank).access_token(vault.connection_id)
    row = vault.row
    assert (row.state, row.reason, row.access_token, row.refresh_token) == ("action_needed", code, None, None)
    assert (len(bank.calls), broken_events(vault.database)) == (1, [code])
    assert caught.value.permanent


def test_invalid_grant_after_a_peer_was_faster_is_nothing(vault: Vault) -> None:
    """F03: between our question and the bank's answer a peer stored newer tokens."""
    vault.clock.move(hours=1)

    def answer(_: Call) -> Answer:
        vault.store(7)
        return INVALID_GRANT

    bank = Scripted(answer)
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_7"
    assert (len(bank.calls), vault.row.state, broken_events(vault.database)) == (1, "active", [])


def test_a_disconnection_meanwhile_wins(vault: Vault) -> None:
    """The new tokens are discarded: a wiped consent does not come back to life."""
    vault.clock.move(hours=1)

    def answer(_: Call) -> Answer:
        assert vault.wipe() == "rt_1"
        return renewal()

    with pytest.raises(ConsentEnded) as caught:
        vault.keeper(Scripted(answer)).access_token(vault.connection_id)
    row = vault.row
    assert (caught.value.code, row.state, row.access_token, row.refresh_token) == ("not_connected", "disconnected", None, None)


def test_a_holder_that_overslept_stores_if_nobody_else_has(vault: Vault) -> None:
    vault.clock.move(hours=1)

    def answer(_: Call) -> Answer:
        vault.change(refresh_lease="another", refresh_lease_until=vault.clock.now() + timedelta(seconds=2))
        return renewal()

    assert vault.keeper(Scripted(answer)).access_token(vault.connection_id) == "at_2"
    assert vault.row.token_version == 2


@pytest.mark.parametrize("trouble", [Answer(b"", 503), Answer(b"<html>"), Answer(b"", 429, {"Retry-After": "0"})])
def test_trouble_is_no_end(vault: Vault, trouble: Answer) -> None:
    """F08: only `invalid_grant` ends a consent."""
    vault.clock.move(hours=1)
    bank = Scripted(trouble)
    with pytest.raises(QontoError) as caught:
        vault.keeper(bank).access_token(vault.connection_id)
    row = vault.row
    assert not caught.value.permanent
    assert (row.state, row.refresh_lease, row.token_version) == ("active", None, 1)
    assert len(bank.calls) <= 4


def test_trouble_that_passes_is_not_noticed(vault: Vault) -> None:
    vault.clock.move(hours=1)
    bank = Scripted(Answer(b"", 503), Answer(b"", 502), renewal())
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_2"
    assert [call.form["refresh_token"] for call in bank.calls] == ["rt_1", "rt_1", "rt_1"]


def test_an_answer_without_a_refresh_token_keeps_the_old_one(vault: Vault) -> None:
    vault.clock.move(hours=1)
    bank = Scripted(Answer({"access_token": "at_2", "token_type": "bearer", "expires_in": 3600}), renewal(3))
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_2"
    vault.clock.move(hours=1)
    assert vault.keeper(bank).access_token(vault.connection_id) == "at_3"
    assert bank.calls[1].form["refresh_token"] == "rt_1"


def test_giving_up_is_recorded_once(vault: Vault) -> None:
    keeper = vault.keeper(Scripted(renewal()))
    for _ in range(2):
        with pytest.raises(ConsentEnded):
            keeper.give_up(vault.connection_id, code="unauthorized_after_refresh")
    assert broken_events(vault.database) == ["unauthorized_after_refresh"]


@pytest.mark.parametrize("prepare", [lambda v: v.wipe(), lambda v: v.change(state="action_needed")])
def test_an_ended_connection_has_no_token(vault: Vault, prepare: Callable[[Vault], object]) -> None:
    prepare(vault)
    bank = Scripted(renewal())
    for ask in (vault.keeper(bank).access_token, lambda c: vault.keeper(bank).renewed(c, refused="at_1")):
        with pytest.raises(ConsentEnded) as caught:
            ask(vault.connection_id)
        assert caught.value.code == "not_connected"
    assert bank.calls == []


def test_wiped_tokens_are_nowhere_in_the_row(vault: Vault) -> None:
    assert vault.wipe() == "rt_1"
    assert vault.wipe() == ""
    with vault.database.read() as session:
        row = session.execute(text("SELECT access_token, refresh_token, refresh_lease FROM connection")).one()
    assert tuple(row) == (None, None, None)


def test_no_plain_token_reaches_the_database_file(tmp_path: Path, vault: Vault) -> None:
    vault.clock.move(hours=1)
    secret = Answer({"access_token": "at_verysecret", "refresh_token": "rt_verysecret", "expires_in": 3600})
    vault.keeper(Scripted(secret)).access_token(vault.connection_id)
    vault.database.engine.dispose()
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"verysecret" not in file.read_bytes(), file
