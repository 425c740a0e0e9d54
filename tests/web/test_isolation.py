"""Nobody sees, changes or guesses what belongs to somebody else (A10, A13).

`world.ours` and `world.theirs` hold the same things. Whatever somebody of ours does with an id of theirs must answer exactly as
with an id that nobody has, and change nothing.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_wtf import FlaskForm
from sqlalchemy import delete
from werkzeug.test import TestResponse

from portal.clock import FixedClock
from portal.domain.payments import orders
from portal.models import Membership, User
from portal.ports import Ports
from portal.services.connections import connecting
from portal.services.payments import paying
from tests.bank import Bank
from tests.factories import Books, World
from tests.web.routes import ADMIN, CLIENTS, STAFF, Call, calls, with_arguments
from tests.web.visitor import HTMX, Visit, Visitor, comparable, fingerprint

IDS = {
    "client",
    "item",
    "candidate",
    "receipt",
    "transaction",
    "line",
    "pair",
    "guess",
    "account",
    "kept",
    "invoice",
    "accepted",
    "state",
    "code",
    "who",
    "colleague",
}  #: what an address or a form may name besides the path: checked below
PLAIN = {
    "reason", "until", "queue_reason", "sort", "pane", "direction", "q", "page", "next", "error", "language", "seen_version", "email",
    "password", "name", "theme", "has_shortcuts", "goes_on", "has_digest", "old", "new", "csrf_token", "tax_year", "returns",
    "booked", "debit", "credit", "currency", "counterparty_iban", "remittance", "id", "status", "account_iban", "anyway",
    "label", "holder", "use", "ledger_number", "start_on", "is_chosen", "iban", "title", "plan", "keeps_books", "since",
    "execute_on", "form_key", "seen", "is_on", "limit", "day_limit", "four_eyes_above", "may_pay",
    "text", "topic", "entry", "is_helpful", "file", "amount", "issued_on", "number", "counterparty", "difference", "find", "age", "amount_cents",
    "other_version", "ticked", "month", "note", "payee", "paid_on", "purpose", "why_none", "confirmed", "looks",
}  # fmt: skip
READ = re.compile(r"(?:(?:args|form|values|given)\.|(?<![\w.]))get(?:list)?\(\s*\"(\w+)\"")

ROOT = Path(__file__).resolve().parents[2]
WHO = ["owner", "staff"]


def nobodys() -> str:
    return str(uuid.uuid4())


def person(world: World, who: str) -> User:
    """Somebody of ours, who knows nothing of theirs."""
    return world.ours.owner if who == "owner" else world.staff


def call_of(visitor: Visitor, call: Call, path: str, *, fragment: bool) -> TestResponse:
    return visitor.open(
        call.method, path, {**call.form, "csrf_token": visitor.token} if call.method == "POST" else None,
        headers=HTMX if fragment else None,
    )  # fmt: skip


def same(foreign: TestResponse, unknown: TestResponse, *ids: str) -> bool:
    """Equal but for what differs between any two answers and for the ids that were asked for."""

    def seen(answer: TestResponse) -> tuple[object, ...]:
        location = answer.location or ""
        for one in ids:
            location = location.replace(one, "")
        return (*comparable(answer, *ids), location, answer.mimetype, answer.headers.get("HX-Redirect"))

    return seen(foreign) == seen(unknown)


def ids_in(path: str) -> list[str]:
    return re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", path)


@pytest.mark.usefixtures("payable")
@pytest.mark.parametrize("who", WHO)
def test_an_id_in_the_address(site: Flask, world: World, visit: Visit, ports: Ports, who: str) -> None:
    visitor = visit(person(world, who))
    before, tried = fingerprint(ports.database), set()
    for call in calls(site, world.theirs):
        for theirs in ids_in(call.path):
            mine = nobodys()
            for fragment in (False, True):
                foreign = call_of(visitor, call, call.path, fragment=fragment)
                unknown = call_of(visitor, call, call.path.replace(theirs, mine), fragment=fragment)
                is_forbidden = call.permission in {ADMIN, STAFF if who == "owner" else CLIENTS}
                assert foreign.status_code == (403 if is_forbidden else 404), call
                assert same(foreign, unknown, theirs, mine), call
            tried.add((call.endpoint, call.method))
    assert tried == with_arguments(site)
    assert fingerprint(ports.database) == before


def test_every_name_that_a_view_reads_is_known_here(site: Flask) -> None:
    """A new one is either no id, or belongs into the tests below."""
    assert site.blueprints  # it has imported all forms
    sources = [
        *(ROOT / "portal" / "web").rglob("views.py"),
        ROOT / "portal/web/missing/place.py",
        ROOT / "portal/web/review/collective.py",
        ROOT / "portal/web/review/parts.py",
        *(ROOT / "templates").rglob("*.html"),
    ]
    read = {name for path in sources for name in READ.findall(path.read_text())}
    fields = {name for form in FlaskForm.__subclasses__() for name in vars(form) if hasattr(getattr(form, name), "field_class")}
    assert read & IDS
    assert fields & IDS
    assert read | fields <= IDS | PLAIN


@pytest.mark.parametrize("who", WHO)
def test_an_id_in_the_query(world: World, visit: Visit, ports: Ports, who: str) -> None:
    visitor = visit(person(world, who))
    before = fingerprint(ports.database)
    for path, theirs in queries(world.theirs, world.ours, is_staff=who == "staff"):
        mine = nobodys()
        for headers in (None, HTMX):
            foreign = visitor.get(path.format(theirs), headers=headers)
            unknown = visitor.get(path.format(mine), headers=headers)
            assert foreign.status_code == 404, path
            assert same(foreign, unknown, theirs, mine), path
        assert visitor.get(path.format("no-id")).status_code == 404
    assert fingerprint(ports.database) == before


@pytest.mark.usefixtures("payable")
def test_what_a_payment_names_of_somebody_else(world: World, visit: Visit, ports: Ports) -> None:
    """Their account, their invoice, their payment: each answers as one that nobody has, and nothing is made of it."""
    visitor, ours, theirs, mine = visit(world.ours.owner), world.ours, world.theirs, nobodys()
    without = frozenset({"user_session", "request_budget"})
    seen = orders.digest(paying.order_of(ours.batches["prepared"]))
    before = fingerprint(ports.database, without=without)
    for path, name, foreign in (
        (f"/clients/{ours.client.id}/payments/new", "account", theirs.qonto_account),
        (f"/clients/{ours.client.id}/payments/invoices", "invoice", theirs.client.id),
        (f"/payments/{ours.batches['prepared'].id}/approval", "accepted", theirs.batches["prepared"].payments[0].id),
    ):
        form = {
            "account": ours.qonto_account, "creditor": "W", "iban": "DE06000000007700012345", "amount": "1,00", "remittance": "R",
            "form_key": nobodys(), "seen": seen,
        }  # fmt: skip
        answers = [visitor.post(path, {**form, name: one}) for one in (foreign, mine)]
        assert [answer.status_code for answer in answers] == [422, 422], path
        assert same(*answers, foreign, mine), path
    assert fingerprint(ports.database, without=without) == before


@pytest.mark.parametrize("who", WHO)
def test_a_message_about_a_receipt_of_somebody_else(world: World, visit: Visit, ports: Ports, who: str) -> None:
    visitor = visit(person(world, who))
    path, before, mine = f"/clients/{world.ours.client.id}/messages", fingerprint(ports.database), nobodys()
    for name, theirs in (("receipt", world.theirs.receipts["open"].id), ("transaction", world.theirs.transactions[0].id)):
        foreign, unknown = (visitor.post(path, {"text": "Hallo", name: one}) for one in (theirs, mine))
        assert foreign.status_code == 404
        assert same(foreign, unknown, theirs, mine)
    assert fingerprint(ports.database) == before


def queries(theirs: Books, ours: Books, *, is_staff: bool) -> Iterator[tuple[str, str]]:
    """(address, an id of theirs)."""
    yield f"/clients/{ours.client.id}/messages?receipt={{}}", theirs.receipts["open"].id
    yield f"/clients/{ours.client.id}/messages?transaction={{}}", theirs.transactions[0].id
    for path in (
        "/receipts?client={}",
        "/receipts?state=assigned&client={}",
        "/profile/connections?client={}",
        "/finances/accounts?client={}",
        "/receipts/missing?client={}",
        "/payments?client={}",
        "/receipts/missing/print?client={}",
        "/receipts/missing?state=all&month=2026-11&client={}",
    ):
        yield path, theirs.client.id
    yield "/receipts/missing?kept={}", theirs.transactions[0].id
    yield "/receipts/upload?transaction={}", theirs.transactions[0].id
    if is_staff:
        yield "/review?client={}", theirs.client.id
        yield "/review/together?client={}", theirs.client.id
        for receipt in theirs.receipts.values():
            yield "/review?item={}", receipt.id
        yield "/review?sort=amount&item={}", theirs.receipts["open"].id
        yield "/review?q=&item={}", theirs.receipts["open"].id
        yield f"/review/transactions/{ours.transactions[0].id}?item={{}}", theirs.receipts["open"].id
        yield "/review?who={}", theirs.staff.id
        yield "/review?who={}", theirs.owner.id


def test_a_candidate_of_somebody_else(world: World, visit: Visit, ports: Ports) -> None:
    visitor, before = visit(world.staff), fingerprint(ports.database)
    path, theirs, mine = f"/receipts/{world.ours.receipts['open'].id}/assignment", world.theirs.candidate.id, nobodys()
    for headers in (None, HTMX):
        foreign = visitor.post(path, {"candidate": theirs, "seen_version": 1}, headers=headers)
        unknown = visitor.post(path, {"candidate": mine, "seen_version": 1}, headers=headers)
        assert foreign.status_code == 409
        assert same(foreign, unknown, theirs, mine)
    assert fingerprint(ports.database) == before


def test_a_candidate_of_another_receipt_of_ours(world: World, visit: Visit, ports: Ports) -> None:
    visitor, before = visit(world.staff), fingerprint(ports.database)
    form = {"candidate": world.ours.candidate.id, "seen_version": 1}
    assert visitor.post(f"/receipts/{world.ours.receipts['no_transaction'].id}/assignment", form).status_code == 409
    assert fingerprint(ports.database) == before


@pytest.mark.parametrize("name", ["client", "item"])
def test_where_to_go_on_after_a_decision(world: World, visit: Visit, name: str) -> None:
    """The decision about our receipt stands; the page that follows tells nothing about theirs."""
    visitor = visit(world.staff)
    theirs, mine = {"client": world.theirs.client.id, "item": world.theirs.receipts["open"].id}[name], nobodys()
    for headers, receipts in ((None, ["waiting", "fetching"]), (HTMX, ["failed", "changed"])):
        foreign, unknown = (
            visitor.post(
                f"/receipts/{world.ours.receipts[receipt].id}/set-aside",
                {"reason": "duplicate", "seen_version": 1, name: one}, headers=headers,
            )
            for receipt, one in zip(receipts, (theirs, mine), strict=True)
        )  # fmt: skip
        assert same(foreign, unknown, theirs, mine)
        assert foreign.status_code == (404 if headers else 303)
        assert visitor.get(foreign.location or f"/review?{name}={theirs}").status_code == 404


def test_the_state_of_somebody_elses_journey(world: World, visit: Visit, ports: Ports, bank: Bank, acts: None) -> None:
    with ports.database.write() as session:
        address = connecting.begin(ports, session, user_id=world.theirs.owner.id, client=world.theirs.client, kind="documents")
    given = bank.decide(address)
    visitor = visit(world.ours.owner)
    before = fingerprint(ports.database, without=frozenset({"user_session", "audit_event", "audit_head"}))
    calls_before = bank.ask("log")["next"]
    foreign = visitor.get("/connections/qonto/callback", query_string=given)
    unknown = visitor.get("/connections/qonto/callback", query_string={**given, "state": "x" * 43})
    assert foreign.status_code == 400
    assert same(foreign, unknown)
    assert bank.log(calls_before) == []
    assert fingerprint(ports.database, without=frozenset({"user_session", "audit_event", "audit_head"})) == before


@pytest.mark.parametrize("who", WHO)
def test_lists_hold_nothing_of_theirs(world: World, visit: Visit, who: str) -> None:
    visitor = visit(person(world, who))
    for path in (
        "/receipts",
        "/profile/connections",
        "/finances/accounts",
        "/payments",
        *(("/review", "/review/done", "/clients") if who == "staff" else ()),
    ):
        page = visitor.get(path).text
        assert world.theirs.client.name not in page
        assert not [one for one in everything(world.theirs) if one in page]
        assert [one for one in everything(world.ours) if one in page] or path == "/review/done"


def everything(books: Books) -> list[str]:
    """The ids of all that belongs to a client."""
    return [
        books.client.id, books.documents.id, books.bank.id, books.account.id, books.document.id, books.candidate.id,
        books.payments.id, *(batch.id for batch in books.batches.values()),
        *(receipt.id for receipt in books.receipts.values()),
    ]  # fmt: skip


@pytest.mark.usefixtures("payable")
def test_an_admin_sees_both(site: Flask, world: World, visit: Visit) -> None:
    visitor = visit(world.admin)
    for books in (world.ours, world.theirs):
        for call in calls(site, books, "GET"):
            if ids_in(call.path) and call.permission is not CLIENTS:
                assert visitor.get(call.path, headers=HTMX).status_code == 200, call
        assert books.client.name in visitor.get("/admin").text
        assert visitor.get(f"/review?client={books.client.id}").status_code == 200


@pytest.mark.usefixtures("payable")
@pytest.mark.parametrize("who", WHO)
def test_removing_a_membership_works_on_the_next_request(site: Flask, world: World, visit: Visit, ports: Ports, who: str) -> None:
    visitor, user = visit(person(world, who)), person(world, who)
    mine = [
        call for call in calls(site, world.ours, "GET")
        if ids_in(call.path) and call.permission not in ({STAFF, ADMIN} if who == "owner" else {CLIENTS, ADMIN})
    ]  # fmt: skip
    assert {visitor.get(call.path, headers=HTMX).status_code for call in mine} == {200}
    with ports.database.write() as session:
        session.execute(delete(Membership).where(Membership.user_id == user.id))
    assert {visitor.get(call.path, headers=HTMX).status_code for call in mine} == {404}
    assert world.ours.client.name not in visitor.get("/receipts").text


def test_a_membership_of_the_other_kind_opens_nothing(world: World, visit: Visit, ports: Ports) -> None:
    """A staff member who is also somebody's client sees that company only as its client, never from the desk."""
    from tests import factories

    with ports.database.write() as session:
        factories.member(session, world.staff, world.theirs.client, "client")
        factories.member(session, world.ours.owner, world.theirs.client, "staff")
    for user in (world.staff, world.ours.owner):
        assert visit(user).get(f"/receipts?client={world.theirs.client.id}").status_code == 404


def test_the_same_document_is_kept_once_per_client(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    """Equal bytes of two clients: each downloads his own, and the address of one does not open the other."""
    assert world.ours.document.sha256 == world.theirs.document.sha256
    visitor = visit(world.ours.owner)
    assert visitor.get(f"/documents/{world.ours.document.id}").status_code == 200
    assert visitor.get(f"/documents/{world.theirs.document.id}").status_code == 404
