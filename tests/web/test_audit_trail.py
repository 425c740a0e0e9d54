"""Whatever somebody changes leaves an event that says who, from where and in which request (E20).

A route that changes something and is missing here fails the test.
"""

from __future__ import annotations

import io
import uuid

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.models import AuditEvent, Connection, Run
from portal.ports import Ports
from portal.services import auditing
from tests import factories
from tests.factories import World, pdf
from tests.web.routes import PERMISSIONS, SIGNED, allowed, browsers, calls
from tests.web.visitor import Visit, Visitor, fresh_code

#: (endpoint) → the event that a successful call leaves. None: it changes nothing that anybody else could ever ask about
EVENTS = {
    "auth.enter": None,  # with a second factor due nobody is in yet; without one see test_signing_in.py
    "auth.show_second_factor": "user.signed_in",
    "auth.enrol": "user.second_factor_enrolled",
    "auth.sign_out": "user.signed_out",
    "auth.stay": None,  # like opening any page
    "auth.sign_up_first_admin": "user.created",
    "profile.language": "user.changed",
    "profile.change": "user.changed",
    "profile.change_password": "user.password_changed",
    "help.vote": None,
    "clients.commission": "engagement.commissioned",
    "clients.complete": "tax_return.completed",
    "clients.reopen": "tax_return.reopened",
    "clients.change_access": "client.accountant_access",
    "connections.connect": "connection.connect_started",
    "connections.sync": "run.requested",
    "connections.pause": "connection.paused",
    "connections.resume": "connection.resumed",
    "connections.disconnect": "connection.ended",
    "connections.ask_again": "run.requested",
    "connections.cancel_confirmation": "sca.ended",
    "accounts.open_offline": "bank_account.opened",
    "accounts.choose": "connection.accounts_chosen",
    "accounts.describe": "bank_account.changed",
    "accounts.delete": "bank_account.deleted",
    "clients.change_plan": "client.plan_changed",
    "clients.change_permission": "membership.permission_changed",
    "finances.fetch_again": "bank_account.changed",
    "finances.bring": "statement.brought",
    "finances.assign_columns": None,
    "finances.take_in": "statement.imported",
    "finances.undo": "statement.undone",
    "payments.prepare": "payment_batch.prepared",
    "payments.choose": "payment_batch.prepared",
    "payments.check_iban": None,
    "payments.approve": "payment_batch.approved",
    "payments.change": "payment_batch.changed",
    "payments.check_payees": "payment_batch.payees_checked",
    "payments.send_as_request": "payment_batch.requested",
    "payments.cancel": "payment_batch.moved",
    "payments.ask_again": "payment_batch.moved",
    "payments.recall": "payment_batch.recalled",
    "payments.retry": "payment_batch.prepared",
    "payments.change_rules": "payment_rules.changed",
    "payments.change_payer": "membership.payer_changed",
    "messages.write": "message.written",
    "messages.read": None,
    "receipts.upload": "receipt.uploaded",
    "missing.explain": "transaction.explained",
    "missing.explain_together": "transaction.explained",
    "missing.withdraw": "transaction.explanation_withdrawn",
    "missing.write": "receipt.written",
    "review.assign": "assignment.made",
    "review.assign_lines": "assignment.made",
    "review.assign_together": "assignment.made",
    "review.decline_together": "pair.declined",
    "review.restore": "pair.restored",
    "review.confirm": "assignment.checked",
    "review.correct": "receipt.corrected",
    "review.withdraw": "assignment.withdrawn",
    "review.set_aside": "receipt.set_aside",
    "review.reopen": "receipt.reopened",
    "review.put_off": "receipt.put_off",
    "review.bring_back": "receipt.brought_back",
    "collective.assign": "assignment.made",
    "colleagues.ask": "receipt.asked",
    "colleagues.take_back": "receipt.unasked",
    "colleagues.write": "note.written",
    "colleagues.take_note_back": "note.withdrawn",
    "saved_views.save": "view.saved",
    "saved_views.delete": "view.deleted",
    "copies.keep_both": "receipt.distinct",
    "copies.set_aside": "receipt.set_aside",
    "copies.merge": "receipt.joined",
    "parts.split": "receipt.split_off",
    "parts.undo": "receipt.split_undone",
    "receipts.resync": "resync.asked",
    "admin.resync": "resync.asked",
    "admin.resync_all": "resync.asked",
    "webhooks.hear": "run.requested",
}
FILES = {"receipts.upload": pdf("Beleg"), "finances.bring": b"Buchungstag;Betrag\n01.10.2026;-1,00\n"}
AT_THE_BANK = {"payments.recall"}  #: needs a transfer there (`flows/test_paying_pages.py`)
DOORS = {endpoint for endpoint in EVENTS if endpoint.startswith("auth.") and endpoint != "auth.sign_out"}


def newest(ports: Ports, after: str = str(uuid.UUID(int=0))) -> list[AuditEvent]:
    with ports.database.read() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.id > after).order_by(AuditEvent.id)))


def test_every_route_that_changes_something_is_known_here() -> None:
    assert set(EVENTS) == {endpoint for endpoint, method in PERMISSIONS if method == "POST"}
    assert {tag for tag in EVENTS.values() if tag} <= {tag.text for tag in auditing.Tag}


@pytest.mark.usefixtures("payable")
def test_each_change_leaves_its_event(site: Flask, world: World, visit: Visit, ports: Ports) -> None:
    people = browsers(world, visit)
    with ports.database.write() as session:
        documents = session.get_one(Connection, world.ours.documents.id)
        made = factories.receipt(session, documents, 90, now=ports.clock.now(), split_from=world.ours.receipts["open"].id)
        made.connection_id = made.qonto_id = None
        world.ours.receipts["split_off"] = made
    seen = newest(ports)[-1].id
    for call in calls(site, world.ours, "POST"):
        if call.endpoint in DOORS | SIGNED | AT_THE_BANK:
            continue
        browser, actor = people[call.permission], allowed(world, call.permission)
        with ports.database.write() as session:  # a queued run is not asked for twice
            session.execute(update(Run).where(Run.state == "due").values(state="done"))
        file = {"file": (io.BytesIO(FILES[call.endpoint]), "Beleg.pdf")} if call.endpoint in FILES else {}
        code = {"code": fresh_code(ports, actor)} if call.endpoint == "payments.approve" else {}
        answer = browser.post(call.path, {**call.form, **file, **code})
        assert answer.status_code == 303, (call, answer.text[:300])
        events = newest(ports, seen)
        seen = events[-1].id if events else seen
        tag = EVENTS[call.endpoint]
        assert (tag in [event.tag for event in events]) is (tag is not None), call
        for event in events:
            assert event.actor == actor.id, call
            assert event.address == "127.0.0.1", call
            assert event.request_id == answer.headers["X-Request-Id"], call
        if call.endpoint == "profile.change_password":
            browser.get("/help")
    with ports.database.read() as session:
        assert auditing.broken_links(session, key=ports.settings.secret_key) == []


@pytest.mark.parametrize("is_right", [True, False])
def test_the_doors_leave_their_events(site: Flask, world: World, ports: Ports, is_right: bool) -> None:
    visitor, code = Visitor(site), fresh_code(ports, world.staff)
    visitor.sign_in(world.staff)
    visitor.post("/sign-in/second-factor", {"code": code if is_right else "000000"})
    event = newest(ports)[-1]
    assert event.tag == ("user.signed_in" if is_right else "user.second_factor_failed")
    assert (event.actor, event.subject, event.address) == (world.staff.id, f"user:{world.staff.id}", "127.0.0.1")
