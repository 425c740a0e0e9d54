"""The site over the common ports: the bank is the simulator in this process, Redis is away."""

from __future__ import annotations

import pytest
from flask import Flask
from jinja2 import BytecodeCache

from portal import create_app
from portal.clock import FixedClock
from portal.models import Connection, PaymentBatch, User
from portal.ports import Ports
from portal.qonto.oauth import SCOPES, TokenSet
from portal.services.connections import token_keeping
from tests.bank import Bank
from tests.factories import World
from tests.web.visitor import Visit, Visitor, totp_of


@pytest.fixture(autouse=True)
def _readiness_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine a check would outlive its test, with a connection in its hands."""
    monkeypatch.setattr("portal.web.health.views.PATIENCE", 60.0)


@pytest.fixture
def site(ports: Ports, compiled: BytecodeCache) -> Flask:
    """Not called `app`: pytest-flask would share one `g` between all requests of a test."""
    made = create_app(ports=ports)
    made.testing = True
    made.jinja_env.bytecode_cache = compiled
    return made


@pytest.fixture
def payable(world: World, ports: Ports, bank: Bank, clock: FixedClock, acts: None) -> None:
    """The payments connections of both clients work: each with its own organisation, and an invoice that can be paid."""
    for number, books in enumerate((world.ours, world.theirs)):
        organization = bank.organizations()[number]
        given = bank.tell("tokens", organization=organization["id"], scope=" ".join(SCOPES["payments"]))
        tokens = TokenSet(given["access_token"], given["refresh_token"], given["expires_in"], SCOPES["payments"])
        totp_of(ports, books.owner)
        books.owner.totp_sealed = "as stored"
        with ports.database.write() as session:
            row = session.get_one(Connection, books.payments.id)
            token_keeping.store(session, row, tokens, keyring=ports.keyring, now=clock.now())
            books.qonto_account = organization["bank_accounts"][0]["id"]
            session.get_one(PaymentBatch, books.batches["refused"].id).account_id = books.qonto_account
        amount = {"value": "5.00", "currency": "EUR"}
        bank.put_invoice(
            organization["id"], id=books.client.id, status="awaiting_payment", supplier_name="Werkzeug GmbH", invoice_number="W-1",
            iban="DE06000000007700012345", total_amount=amount, payable_amount=amount,
        )  # fmt: skip


@pytest.fixture
def visit(site: Flask, world: World) -> Visit:
    """A new browser, signed in completely as the given user."""

    def start(user: User | None) -> Visitor:
        visitor = Visitor(site)
        return visitor.sign_in_fully(user) if user else visitor

    assert world
    return start
