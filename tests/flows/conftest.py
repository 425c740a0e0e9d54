"""Stories over the whole product: services, jobs, ticker and pages, with the bank in this process or behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from jinja2 import BytecodeCache

from portal.clock import FixedClock
from portal.db import Database
from portal.models import Role, User
from portal.ports import Ports
from portal.settings import Settings, Timing
from tests import factories
from tests.bank import Bank, BankOnSocket
from tests.flows.reading import Reader
from tests.payers import Payer
from tests.story import Story
from tests.web.visitor import Visitor

QUICK = Timing(call_retries=(0.01, 0.02, 0.03), read_timeout=2.0, connect_timeout=2.0, call_deadline=3.0, token_timeout=2.0)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same waits between calls, a hundred times shorter; waits between starts of a run go by the fixed clock."""
    return replace(settings, timing=QUICK)


@pytest.fixture
def story(ports: Ports, bank: Bank, clock: FixedClock, acts: None) -> Story:
    """A client who has not connected anything yet."""
    bank.quieten()
    return Story.begin(ports, bank, clock)


@pytest.fixture
def wired(settings: Settings, database: Database, clock: FixedClock, acts: None) -> Iterator[Story]:
    """The same, with every byte between product and bank on a real socket."""
    with BankOnSocket.listening(clock) as bank:
        files = bank.url.replace("127.0.0.1", "localhost")
        reached = replace(settings, qonto_api_url=bank.url, qonto_oauth_url=bank.url, qonto_file_origins=(files,))
        ports = factories.make_ports(reached, database, clock, bank)
        bank.quieten()
        yield Story.begin(ports, bank, clock)
        ports.qonto.close()


@pytest.fixture
def staff(ports: Ports, story: Story) -> User:
    """Who reviews the client's receipts."""
    with ports.database.write() as session:
        person = factories.user(session, "mara@kanzlei.example", "Mara Klein", Role.STAFF, now=story.clock.now())
        factories.member(session, person, story.client, "staff")
    return person


@pytest.fixture
def admin(ports: Ports, story: Story) -> User:
    """Who runs the installation."""
    with ports.database.write() as session:
        return factories.user(session, "admin@kanzlei.example", "Katrin Elbtor", Role.ADMIN, now=story.clock.now())


@pytest.fixture
def reader(ports: Ports, compiled: BytecodeCache) -> Reader:
    """Pages over the same doors."""
    return Reader(ports, compiled)


@pytest.fixture
def connected(story: Story) -> Story:
    """Both connections stand, and everything that the story tells is here."""
    for kind in ("documents", "bank"):
        story.connect(kind)
    story.settle()
    return story


@pytest.fixture
def payer(story: Story) -> Payer:
    """The client's owner, who may pay."""
    return Payer.of(story)


@pytest.fixture
def browser(payer: Payer, reader: Reader) -> Visitor:
    """The owner's, with his second factor shown."""
    payer.story.owner.totp_sealed = "sealed"
    return reader.browser(payer.story.owner)
