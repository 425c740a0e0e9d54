"""The site over real ports; the bank and Redis are away, no web test needs them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from portal import build_ports, create_app
from portal.clock import FixedClock
from portal.db import Database
from portal.models import User
from portal.ports import Ports
from portal.settings import Settings
from tests.factories import World
from tests.web.visitor import Visit, Visitor


@pytest.fixture
def ports(settings: Settings, database: Database, clock: FixedClock) -> Ports:
    return replace(build_ports(settings), database=database, clock=clock)


@pytest.fixture
def site(ports: Ports) -> Flask:  # not called `app`: pytest-flask would share one `g` between all requests of a test
    made = create_app(ports=ports)
    made.testing = True
    return made


@pytest.fixture
def visit(site: Flask, world: World) -> Visit:
    """A new browser, signed in completely as the given user."""

    def start(user: User | None) -> Visitor:
        visitor = Visitor(site)
        return visitor.sign_in_fully(user) if user else visitor

    assert world
    return start
