"""The site over the common ports: the bank is the simulator in this process, Redis is away."""

from __future__ import annotations

import pytest
from flask import Flask
from jinja2 import BytecodeCache

from portal import create_app
from portal.models import User
from portal.ports import Ports
from tests.factories import World
from tests.web.visitor import Visit, Visitor


@pytest.fixture
def site(ports: Ports, compiled: BytecodeCache) -> Flask:
    """Not called `app`: pytest-flask would share one `g` between all requests of a test."""
    made = create_app(ports=ports)
    made.testing = True
    made.jinja_env.bytecode_cache = compiled
    return made


@pytest.fixture
def visit(site: Flask, world: World) -> Visit:
    """A new browser, signed in completely as the given user."""

    def start(user: User | None) -> Visitor:
        visitor = Visitor(site)
        return visitor.sign_in_fully(user) if user else visitor

    assert world
    return start
