"""The bank tells of changes: each event is checked and starts a run at most; without any the nights find everything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from jobs import ticker
from portal import create_app
from portal.clock import BERLIN, FixedClock
from portal.db import Database
from portal.models import AuditEvent, Run, Transaction, WebhookEvent, WebhookSubscription
from portal.qonto.oauth import OAuth
from portal.services.connections import connecting, hearing
from portal.settings import Settings
from portal.simulator.server import listen
from tests import factories
from tests.bank import BankOnSocket
from tests.story import Story

REMITTANCE = "Rechnung NEU-2026-001"
PATIENCE = 20.0  #: seconds until a test gives up; nothing is measured


@pytest.fixture
def told(settings: Settings, database: Database, clock: FixedClock, acts: None) -> Iterator[Story]:
    """Bank and portal reach each other over sockets; the client has connected both, and everything is here."""
    server = listen(lambda environ, start: site(environ, start), 0)
    here = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    with BankOnSocket.listening(clock) as bank:
        reached = replace(
            settings, public_url=here, webhook_url=here, qonto_api_url=bank.url, qonto_oauth_url=bank.url,
            qonto_file_origins=(bank.url.replace("127.0.0.1", "localhost"),),
        )  # fmt: skip
        ports = factories.make_ports(reached, database, clock, bank)
        site = create_app(ports=ports)
        thread.start()
        bank.tell("clients", client_id="belegfluss", client_secret="simulator-secret", redirect_uris=[reached.redirect_uri])
        bank.quieten()
        story = Story.begin(ports, bank, clock)
        story.connect("documents")
        story.connect("bank")
        story.settle()
        bank.move(hours=1)
        try:
            yield story
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            ports.qonto.close()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def events(story: Story) -> int:
    """How many were taken."""
    with story.ports.database.read() as session:
        return session.scalar(select(func.count(WebhookEvent.id))) or 0


def refused(story: Story) -> int:
    """How many deliveries were none of the bank's."""
    with story.ports.database.read() as session:
        return session.scalar(select(func.sum(WebhookSubscription.refused))) or 0


def queued(story: Story) -> list[tuple[str, str]]:
    """Kind and state of the runs that events have asked for and that are still to come."""
    asked = select(Run).where(Run.trigger == "webhook", Run.state.in_(("due", "waiting")))
    return [(run.kind, run.state) for run in story.rows(asked.order_by(Run.kind))]


def has_both(story: Story) -> bool:
    """Whether the new invoice and the new transaction are here, once each."""
    numbers = [receipt.number for receipt in story.receipts().values()]
    return (numbers.count("NEU-2026-001"), len(story.rows(select(Transaction).where(Transaction.remittance == REMITTANCE)))) == (
        1,
        1,
    )


BOTH = [("bank", "due"), ("documents", "due")]


def test_a_booked_transaction_is_here_without_waiting_for_the_night(told: Story) -> None:
    """P-112: the event starts both runs of the client, and they bring the rows; the event itself brings nothing."""
    before = len(told.receipts())
    told.bill()
    told.bank.put_transaction(amount_cents=4711, side="debit", label="Neuer Lieferant GmbH", reference=REMITTANCE)
    until(lambda: events(told) == 1)
    assert queued(told) == BOTH
    assert len(told.receipts()) == before
    told.settle()
    assert has_both(told)
    made = told.rows(select(AuditEvent).where(AuditEvent.tag == "run.requested", AuditEvent.actor == "system:webhook"))
    assert len(made) == 2


def test_the_bank_is_asked_once_and_never_where_it_cannot_reach_us(told: Story) -> None:
    """Two subscriptions, kept over further runs; a portal without a public address asks for neither scope nor events."""
    hooks = told.bank.app.extensions["simulator"].hooks
    organization = told.connection("bank").organization_id
    assert sorted(row["types"] for row in hooks.of(organization)) == [["v1/consent-revocations"], ["v1/transactions"]]
    calls = told.bank.calls_of(lambda: told.sync("bank"))
    assert not [call for call in calls if "webhook" in call["path"]]
    assert "webhook" in told.connection("bank").scopes.split()
    elsewhere = replace(told, ports=replace(told.ports, oauth=OAuth(replace(told.ports.settings, webhook_url=""))))
    assert ("webhook" in told.address("bank"), "webhook" in elsewhere.address("bank")) == (True, False)


def test_after_a_crash_and_a_reconnect_nothing_is_told_twice(told: Story) -> None:
    """What the bank made before we could note it is found by its address; what belongs to an earlier consent is ended."""
    hooks = told.bank.app.extensions["simulator"].hooks
    organization = told.connection("bank").organization_id
    with told.ports.database.write() as session:
        for row in session.scalars(select(WebhookSubscription)):
            row.qonto_id = None
    told.sync("bank")
    assert len(hooks.of(organization)) == 2
    told.connect("bank")
    told.settle()
    known = {row.qonto_id for row in told.rows(select(WebhookSubscription))}
    assert {row["id"] for row in hooks.of(organization)} == known
    assert len(known) == 2


def test_disconnecting_ends_the_subscriptions(told: Story) -> None:
    """Nothing of a client who has left is sent here any more."""
    hooks = told.bank.app.extensions["simulator"].hooks
    connection = told.connection("bank")
    connecting.disconnect(told.ports, actor=told.actor, connection_id=connection.id)
    assert hooks.of(connection.organization_id) == []
    assert told.rows(select(WebhookSubscription)) == []


def test_a_consent_taken_back_in_the_app_is_noticed_at_once(told: Story) -> None:
    """Each consent of the organisation is tried: that shows which of them stand."""
    told.bank.tell("consent/revoke", organization=None)
    until(lambda: events(told) == 1)
    assert queued(told) == BOTH
    told.work("documents", "bank")
    assert {told.connection(kind).state for kind in ("documents", "bank")} == {"action_needed"}


@pytest.mark.fault("F90")
@pytest.mark.fault("F91")
@pytest.mark.parametrize("fault", ["wh_bad_sig", "wh_replay"])
def test_a_wrong_or_old_signature_starts_nothing(told: Story, fault: str) -> None:
    """401, counted for the firm, nothing queued; the bank's next try is right and counts."""
    told.bank.fault(fault, times=1)
    told.bank.put_transaction(amount_cents=100)
    until(lambda: refused(told) == 1)
    assert (queued(told), events(told)) == ([], 0)
    told.bank.move(seconds=11)
    until(lambda: events(told) == 1)
    assert queued(told) == BOTH


@pytest.mark.fault("F91")
def test_the_same_event_twice_has_one_effect(told: Story) -> None:
    """The second delivery is answered well, so that it ends, and starts nothing."""
    told.bank.fault("wh_dup", times=1)
    told.bank.put_transaction(amount_cents=100)
    until(lambda: events(told) == 1)
    told.settle()
    told.bank.put_transaction(amount_cents=200)
    until(lambda: events(told) == 2)
    assert [kind for kind, _ in queued(told)] == ["bank", "documents"]
    runs = told.rows(select(Run).where(Run.trigger == "webhook"))
    assert len(runs) == 4


@pytest.mark.fault("F92")
def test_a_flood_makes_one_run_a_connection(told: Story) -> None:
    """However many events come: one pending sync each, and the next one not before a minute has passed."""
    told.bank.fault("wh_flood", times=1, count=150)
    told.bank.put_transaction(amount_cents=100)
    until(lambda: events(told) == 150)
    assert queued(told) == BOTH
    told.settle()
    told.bank.put_transaction(amount_cents=200)
    until(lambda: events(told) == 151)
    assert [state for _, state in queued(told)] == ["waiting", "waiting"]
    told.bank.move(seconds=61)
    assert set(told.work("bank", "documents").values()) == {"done"}


@pytest.mark.fault("F93")
def test_without_webhooks_the_night_finds_everything(story: Story) -> None:
    """The daily run asks for no event."""
    story.connect("documents")
    story.connect("bank")
    story.settle()
    story.bill()
    story.bank.put_transaction(amount_cents=4711, side="debit", label="Neuer Lieferant GmbH", reference=REMITTANCE)
    story.bank.move(hours=36 - story.clock.now().astimezone(BERLIN).hour)  # tomorrow at noon: the slot has come
    ticker.schedule(story.ports)
    story.settle()
    assert has_both(story)


def test_a_bank_that_refuses_costs_no_run(told: Story) -> None:
    """Webhooks are a help only."""
    with told.ports.database.write() as session:
        hearing.forget(session, told.connection("bank").id)
    told.bank.fault("403_scope", match={"path": "/v2/webhook_subscriptions*"})
    assert told.sync("bank").state == "done"
    told.bank.heal()
    told.sync("bank")
    assert all(row.qonto_id for row in told.rows(select(WebhookSubscription)))


def test_ids_of_events_are_forgotten_when_they_cannot_come_again(told: Story) -> None:
    """After three days."""
    told.bank.put_transaction(amount_cents=100)
    until(lambda: events(told) == 1)
    told.bank.move(days=2)
    ticker.forget_events(told.ports)
    assert events(told) == 1
    told.bank.move(days=2)
    ticker.forget_events(told.ports)
    assert events(told) == 0
