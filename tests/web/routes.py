"""Every route of the site: who may call it, and what a call needs. `test_access.py` fails for a route that is missing here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask

from portal.db import new_id
from portal.domain.payments import orders
from portal.models import PaymentBatch, User
from portal.services.payments import paying
from portal.web.access import Permission
from tests.factories import PASSWORD, Books, World
from tests.web.visitor import Visit, Visitor

PUBLIC, HALF, ALL = Permission.PUBLIC, Permission.HALF_SIGNED_IN, Permission.SIGNED_IN
STAFF, ADMIN, CLIENTS = Permission.STAFF, Permission.ADMIN, Permission.FOR_CLIENTS

PERMISSIONS = {
    ("static", "GET"): PUBLIC,
    ("firm.show_logo", "GET"): PUBLIC,
    ("health.healthz", "GET"): PUBLIC,
    ("health.readyz", "GET"): PUBLIC,
    ("webhooks.hear", "POST"): PUBLIC,
    ("auth.sign_in", "GET"): PUBLIC,
    ("auth.enter", "POST"): PUBLIC,
    ("auth.first_admin", "GET"): PUBLIC,
    ("auth.sign_up_first_admin", "POST"): PUBLIC,
    ("profile.language", "POST"): PUBLIC,
    ("auth.second_factor", "GET"): HALF,
    ("auth.show_second_factor", "POST"): HALF,
    ("auth.enrolment", "GET"): HALF,
    ("auth.enrol", "POST"): HALF,
    ("auth.sign_out", "POST"): HALF,
    ("auth.look", "GET"): HALF,
    ("auth.stay", "POST"): HALF,
    ("auth.home", "GET"): ALL,
    ("help.index", "GET"): ALL,
    ("help.vote", "POST"): ALL,
    ("profile.show", "GET"): ALL,
    ("profile.change", "POST"): ALL,
    ("profile.change_password", "POST"): ALL,
    ("receipts.index", "GET"): ALL,
    ("receipts.show", "GET"): ALL,
    ("receipts.missing", "GET"): ALL,
    ("missing.printed", "GET"): ALL,
    ("missing.before_explaining", "GET"): ALL,
    ("missing.explain", "POST"): ALL,
    ("missing.before_explaining_together", "GET"): ALL,
    ("missing.explain_together", "POST"): ALL,
    ("missing.withdraw", "POST"): ALL,
    ("missing.before_writing", "GET"): ALL,
    ("missing.write", "POST"): ALL,
    ("receipts.before_uploading", "GET"): ALL,
    ("receipts.upload", "POST"): ALL,
    ("documents.download", "GET"): ALL,
    ("documents.page", "GET"): ALL,
    ("documents.preview", "GET"): ALL,
    ("finances.accounts", "GET"): ALL,
    ("finances.history", "GET"): ALL,
    ("finances.bring", "POST"): ALL,
    ("finances.statement", "GET"): ALL,
    ("finances.assign_columns", "POST"): ALL,
    ("finances.take_in", "POST"): ALL,
    ("finances.undo", "POST"): ALL,
    ("finances.fetch_again", "POST"): ALL,
    ("accounts.add", "GET"): ALL,
    ("accounts.before_opening", "GET"): ALL,
    ("accounts.open_offline", "POST"): ALL,
    ("accounts.choice", "GET"): CLIENTS,
    ("accounts.choose", "POST"): CLIENTS,
    ("accounts.show", "GET"): ALL,
    ("accounts.describe", "POST"): ALL,
    ("accounts.before_deleting", "GET"): CLIENTS,
    ("accounts.delete", "POST"): CLIENTS,
    ("connections.confirmation", "GET"): CLIENTS,
    ("connections.ask_again", "POST"): CLIENTS,
    ("connections.cancel_confirmation", "POST"): CLIENTS,
    ("connections.index", "GET"): ALL,
    ("connections.show", "GET"): ALL,
    ("connections.progress", "GET"): ALL,
    ("connections.sync", "POST"): ALL,
    ("connections.pause", "POST"): ALL,
    ("connections.resume", "POST"): ALL,
    ("payments.index", "GET"): ALL,
    ("payments.before_preparing", "GET"): ALL,
    ("payments.prepare", "POST"): ALL,
    ("payments.invoices", "GET"): ALL,
    ("payments.choose", "POST"): ALL,
    ("payments.check_iban", "POST"): ALL,
    ("payments.show", "GET"): ALL,
    ("payments.progress", "GET"): ALL,
    ("payments.approve", "POST"): CLIENTS,
    ("payments.before_changing", "GET"): ALL,
    ("payments.change", "POST"): ALL,
    ("payments.check_payees", "POST"): ALL,
    ("payments.send_as_request", "POST"): STAFF,
    ("payments.cancel", "POST"): ALL,
    ("payments.ask_again", "POST"): CLIENTS,
    ("payments.recall", "POST"): ALL,
    ("payments.retry", "POST"): ALL,
    ("payments.change_rules", "POST"): ADMIN,
    ("payments.change_payer", "POST"): ADMIN,
    ("messages.index", "GET"): ALL,
    ("messages.show", "GET"): ALL,
    ("messages.write", "POST"): ALL,
    ("messages.read", "POST"): ALL,
    ("connections.scope", "GET"): CLIENTS,
    ("connections.connect", "POST"): CLIENTS,
    ("connections.callback", "GET"): CLIENTS,
    ("connections.before_disconnecting", "GET"): CLIENTS,
    ("connections.disconnect", "POST"): CLIENTS,
    ("clients.index", "GET"): STAFF,
    ("clients.show", "GET"): STAFF,
    ("clients.commission", "POST"): STAFF,
    ("clients.complete", "POST"): STAFF,
    ("clients.change_access", "POST"): ALL,
    ("clients.reopen", "POST"): STAFF,
    ("receipts.resync", "POST"): STAFF,
    ("review.desk", "GET"): STAFF,
    ("review.done", "GET"): STAFF,
    ("review.quality", "GET"): STAFF,
    ("review.before_assigning_together", "GET"): STAFF,
    ("review.assign_together", "POST"): STAFF,
    ("review.decline_together", "POST"): STAFF,
    ("review.restore", "POST"): STAFF,
    ("review.assign", "POST"): STAFF,
    ("review.assign_lines", "POST"): STAFF,
    ("review.confirm", "POST"): STAFF,
    ("review.correct", "POST"): STAFF,
    ("review.withdraw", "POST"): STAFF,
    ("review.set_aside", "POST"): STAFF,
    ("review.reopen", "POST"): STAFF,
    ("review.put_off", "POST"): STAFF,
    ("review.bring_back", "POST"): STAFF,
    ("collective.show", "GET"): STAFF,
    ("collective.assign", "POST"): STAFF,
    ("colleagues.ask", "POST"): STAFF,
    ("colleagues.take_back", "POST"): STAFF,
    ("colleagues.write", "POST"): STAFF,
    ("colleagues.take_note_back", "POST"): STAFF,
    ("saved_views.save", "POST"): STAFF,
    ("saved_views.delete", "POST"): STAFF,
    ("copies.show", "GET"): STAFF,
    ("copies.keep_both", "POST"): STAFF,
    ("copies.set_aside", "POST"): STAFF,
    ("copies.merge", "POST"): STAFF,
    ("parts.show", "GET"): STAFF,
    ("parts.split", "POST"): STAFF,
    ("parts.undo", "POST"): STAFF,
    ("clients.change_plan", "POST"): ADMIN,
    ("clients.change_permission", "POST"): ADMIN,
    ("admin.cockpit", "GET"): ADMIN,
    ("admin.audit", "GET"): ADMIN,
    ("admin.before_resync", "GET"): ADMIN,
    ("admin.before_resync_all", "GET"): ADMIN,
    ("admin.resync", "POST"): ADMIN,
    ("admin.resync_all", "POST"): ADMIN,
}
SIGNED = {"webhooks.hear"}  #: no browser calls it: the bank's signature is the proof (`flows/test_webhooks.py`)
LAST = {
    "review.decline_together": -2,  # the second proposal of a receipt whose first is assigned afterwards
    "review.restore": -1,
    "collective.assign": 2,
    "review.assign_lines": 1,  # what the withdrawal sets free
    "clients.reopen": 1,
    "review.bring_back": 1,
    "parts.split": 2,  # the same receipt once more
    "colleagues.ask": 2,
    "colleagues.take_back": 3,
    "finances.take_in": 1,
    "finances.undo": 2,
    "accounts.delete": 3,
    "connections.cancel_confirmation": 1,
    "connections.ask_again": 2,
    "connections.pause": 1,
    "connections.resume": 2,
    "connections.disconnect": 3,
    "clients.change_permission": 4,
    "clients.change_plan": 4,
    "payments.change_rules": 4,
    "payments.change_payer": 4,
    "profile.change_password": 4,
    "auth.sign_out": 5,
}  #: what ends something comes last, what the rest builds on first


@dataclass(frozen=True, slots=True)
class Call:
    """A route with everything that a successful call of it needs."""

    endpoint: str
    method: str
    path: str
    form: dict[str, str]

    @property
    def permission(self) -> Permission:
        return PERMISSIONS[self.endpoint, self.method]


def routes(site: Flask) -> set[tuple[str, str]]:
    """(endpoint, method) of the whole map."""
    return {(rule.endpoint, method) for rule in site.url_map.iter_rules() for method in rule.methods or () if _is_ours(method)}


def with_arguments(site: Flask) -> set[tuple[str, str]]:
    """Those with an id in their address."""
    named = {rule.endpoint for rule in site.url_map.iter_rules() if any(one.endswith("_id") for one in rule.arguments)}
    return {(endpoint, method) for endpoint, method in routes(site) if endpoint in named}


def calls(site: Flask, books: Books, *methods: str) -> Iterator[Call]:
    """Every route of the map, about these books."""
    adapter = site.url_map.bind("127.0.0.1")
    arguments = {rule.endpoint: rule.arguments for rule in site.url_map.iter_rules()}
    for endpoint, method in sorted(routes(site), key=lambda route: (LAST.get(route[0], 0), route)):
        if not methods or method in methods:
            known = {
                **_arguments(books), "receipt_id": _receipt(endpoint, books).id, "batch_id": _batch(endpoint, books).id,
                "transaction_id": books.transactions[{"missing.write": 1, "collective.assign": 2}.get(endpoint, 0)].id,
            }  # fmt: skip
            path = adapter.build(endpoint, {name: known[name] for name in arguments[endpoint]})
            yield Call(endpoint, method, path, form_of(endpoint, books) if method == "POST" else {})


def allowed(world: World, permission: Permission) -> User:
    """Somebody who may, and who sees `world.ours`."""
    return {STAFF: world.staff, ADMIN: world.admin}.get(permission, world.ours.owner)


def browsers(world: World, visit: Visit) -> dict[Permission, Visitor]:
    """For each permission somebody who is signed in and may; the same person has one browser."""
    people = {permission: allowed(world, permission) for permission in set(PERMISSIONS.values())}
    opened = {user.id: visit(user) for user in people.values()}
    for browser in opened.values():
        browser.get("/help")
    return {permission: opened[user.id] for permission, user in people.items()}


def form_of(endpoint: str, books: Books) -> dict[str, str]:
    """What a person would send, so that it works."""
    version = str(_receipt(endpoint, books).version)
    return {
        "auth.enter": {"email": books.owner.email, "password": PASSWORD},
        "auth.show_second_factor": {"code": "000000"},
        "auth.enrol": {"code": "000000"},
        "auth.sign_up_first_admin": {"code": "x", "name": "A", "email": "a@b.example", "password": "a very long password"},
        "profile.language": {"language": "de"},
        "profile.change": {"name": "Anders", "language": "en", "theme": "dark"},
        "profile.change_password": {"old": PASSWORD, "new": "eine ganz neue Losung"},
        "help.vote": {"entry": "period", "is_helpful": "1"},
        "clients.change_access": {"state": "claimed"},
        "messages.write": {"text": "Guten Tag", "receipt": books.receipts["open"].id},
        "clients.commission": {"tax_year": "2020", "returns": "vat"},
        "receipts.upload": {"client": books.client.id, "direction": "expense"},  # and a file
        "missing.explain": {"reason": "tax", "seen": ""},
        "missing.explain_together": {"guess": f"{books.transactions[1].id} tax"},
        "missing.write": {
            "payee": "Stadt Hamburg",
            "amount": "119,00",
            "paid_on": "2026-11-03",
            "purpose": "Parken",
            "why_none": "Automat",
        },
        "receipts.resync": {"reason": "document_wrong"},
        "admin.resync": {"reason": "check"},
        "admin.resync_all": {"reason": "check"},
        "finances.fetch_again": {"since": "2026-11-01"},
        "accounts.open_offline": {"label": "Sparbuch", "use": "business"},
        "accounts.choose": {f"{books.account.id}-is_chosen": "y", f"{books.account.id}-use": "business"},
        "accounts.describe": {"label": "Anders", "use": "private"},
        "accounts.delete": {"title": "Anders", "password": PASSWORD},
        "clients.change_plan": {"plan": "start"},
        "payments.prepare": {
            "account": books.qonto_account,
            "creditor": "Werkzeug GmbH",
            "iban": "DE06000000007700012345",
            "amount": "1,23",
            "remittance": "RE 1",
            "form_key": new_id(),
        },
        "payments.choose": {"account": books.qonto_account, "invoice": books.client.id, "form_key": new_id()},
        "payments.change": {
            "account": books.qonto_account,
            "creditor": "Werkzeug GmbH",
            "iban": "DE06000000007700012345",
            "amount": "4,56",
            "remittance": "RE 2",
            "form_key": new_id(),
        },
        "payments.approve": {"code": "000000", "seen": orders.digest(paying.order_of(books.batches["prepared"]))},
        "payments.retry": {"form_key": new_id()},
        "payments.change_rules": {"is_on": "y", "limit": "4000,00", "day_limit": "9000,00"},
        "payments.change_payer": {"may_pay": "0"},
        "clients.change_permission": {"keeps_books": "0"},
        "finances.assign_columns": {"booked": "0", "amount": "1", "counterparty": "2"},
        "review.decline_together": {"pair": f"{books.receipts['open'].id} {books.second.id} {version}", "confirmed": "1"},
        "review.restore": {"seen_version": str(int(version) + 1)},
        "review.assign": {"candidate": books.candidate.id, "seen_version": str(int(version) + 2)},
        "review.assign_together": {"pair": f"{books.receipts['income'].id} {books.sure.id} {books.receipts['income'].version}"},
        "review.correct": {"number": "RE-7", "seen_version": version},
        "review.assign_lines": {"line": books.transactions[2].id, "seen_version": version},
        "review.withdraw": {"seen_version": version},
        "review.set_aside": {"reason": "paid_in_cash", "seen_version": version},
        "review.reopen": {"seen_version": version},
        "review.put_off": {"until": (books.client.created_at.date() + timedelta(days=9)).isoformat(), "seen_version": version},
        "review.bring_back": {"seen_version": str(int(version) + 1)},
        "collective.assign": {  # what was withdrawn before, with less than it is worth
            "receipt": f"{books.receipts['assigned'].id} {books.receipts['assigned'].version + 1}",
            "difference": "discount",
        },
        "colleagues.ask": {"colleague": books.staff.id, "note": "bitte", "seen_version": str(int(version) + 2)},
        "colleagues.take_back": {"seen_version": str(int(version) + 3)},
        "colleagues.write": {"text": "Rückruf am Montag"},
        "saved_views.save": {"name": "Nur Angeforderte", "sort": "amount"},
        "copies.keep_both": {"seen_version": version},
        "copies.set_aside": {"seen_version": version},
        "copies.merge": {"seen_version": str(int(version) + 1), "other_version": str(books.receipts["income"].version)},
        "parts.split": {"number": "RE-12", "amount_cents": "12,00", "seen_version": str(int(version) + 2)},
        "parts.undo": {"seen_version": version},
    }.get(endpoint, {})


def _receipt(endpoint: str, books: Books) -> object:
    """Each decision about a receipt of its own, in the state that it needs."""
    name = {
        "review.assign_lines": "changed",
        "review.confirm": "assigned",
        "review.correct": "waiting",
        "review.withdraw": "assigned",
        "review.reopen": "set_aside",
        "review.put_off": "unreadable_amount",
        "review.bring_back": "unreadable_amount",
        "colleagues.ask": "unreadable_amount",
        "colleagues.take_back": "unreadable_amount",
        "colleagues.take_note_back": "set_aside",
        "review.set_aside": "no_transaction",
        "copies.keep_both": "fetching",
        "copies.set_aside": "failed",
        "copies.merge": "fetching",  # after it was kept
        "parts.split": "assigned",
        "parts.undo": "split_off",
    }
    return books.receipts.get(name.get(endpoint, "open"), books.receipts["open"])


def _batch(endpoint: str, books: Books) -> PaymentBatch:
    """Each decision about an order of its own, in the state that it needs."""
    name = {
        "payments.check_payees": "draft", "payments.change": "to_change", "payments.before_changing": "to_change",
        "payments.cancel": "to_cancel", "payments.send_as_request": "to_request", "payments.retry": "refused",
        "payments.ask_again": "confirming",
        "payments.recall": "accepted",
    }  # fmt: skip
    return books.batches[name.get(endpoint, "prepared")]


def _arguments(books: Books) -> dict[str, str]:
    return {
        "client_id": books.client.id, "other_id": books.receipts["income"].id, "connection_id": books.documents.id, "document_id": books.document.id,
        "account_id": books.account.id, "bank_id": books.bank.id, "user_id": books.owner.id, "statement_id": books.statement.id, "subscription_id": books.client.id, "explanation_id": books.explanation.id, "note_id": books.note.id, "view_id": books.view.id, "kind": "documents", "number": "1", "digest": "unknown", "filename": "css/app.css",
        "tax_year": str(books.client.created_at.year), "tax_return": "income",
    }  # fmt: skip


def _is_ours(method: str) -> bool:
    return method not in {"HEAD", "OPTIONS"}
