"""The Qonto simulator in this process: the bank that `ports` of a test talk to, with its control door."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from flask import Flask

from portal.browsing import Person
from portal.clock import Clock, FixedClock
from portal.crypto import KeyRing
from portal.db import Database
from portal.qonto.client import Qonto
from portal.qonto.oauth import OAuth
from portal.services.connections.budgeting import new_budget
from portal.services.connections.token_keeping import TokenKeeper
from portal.settings import Settings
from portal.simulator import create_simulator
from portal.simulator.server import listen


def as_file(content: bytes, name: str = "rechnung.pdf") -> dict[str, str]:
    """A file as the control door takes it."""
    return {"file_name": name, "file_content_type": "application/pdf", "content_base64": base64.b64encode(content).decode()}


class Bank:
    """The simulator as a WSGI application. Its story ends on the clock's day; `move` takes both clocks on."""

    def __init__(self, url: str, clock: FixedClock) -> None:
        self.url, self._clock = url, clock
        self.transport = httpx2.WSGITransport(app=lambda environ, start: self.app(environ, start))
        self._http = httpx2.Client(transport=self.transport, base_url=url)

    @cached_property
    def app(self) -> Flask:
        """Built when somebody first asks the bank: most pages never do."""
        redirect = "http://127.0.0.1:5050/connections/qonto/callback"
        return create_simulator(client_redirects=[redirect], start=self._clock.now())

    def gateway(self, settings: Settings, database: Database, clock: Clock, keyring: KeyRing) -> tuple[OAuth, Qonto]:
        """The product's own doors to the bank, opened onto this application."""
        oauth = OAuth(settings, transport=self.transport)
        keeper = TokenKeeper(database, keyring, oauth, clock, settings)
        return oauth, Qonto(settings, keeper, new_budget(settings, database), transport=self.transport)

    def call(self, address: str, *, token: str = "") -> httpx2.Response:
        """Ask the bank itself, past the product."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self._http.get(address, headers=headers)
        assert answer.is_success, answer.text
        return answer

    # --- the control door --------------------------------------------------------------------------------------

    def ask(self, path: str) -> Any:
        """GET of the control door."""
        answer = self._http.get(f"/_control/{path}")
        assert answer.is_success, answer.text
        return answer.json()

    def tell(self, path: str, **body: Any) -> Any:
        """POST to the control door."""
        answer = self._http.post(f"/_control/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def organizations(self) -> list[dict[str, Any]]:
        """The organisations of the story."""
        return list(self.ask("organizations")["organizations"])

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """The calls that came in, oldest first."""
        return list(self.ask(f"log?since={since}")["entries"])

    def calls_of(self, work: Callable[[], Any]) -> list[dict[str, Any]]:
        """The calls that come in while something is done."""
        since = self.ask("log")["next"]
        work()
        return self.log(since)

    def fault(self, name: str, *, times: int | None = None, match: dict[str, Any] | None = None, **args: Any) -> Any:
        """Arm a fault."""
        return self.tell("faults", fault=name, times=times, match=match or {}, args=args)

    def heal(self) -> None:
        """Disarm every fault."""
        assert self._http.delete("/_control/faults").is_success

    def quieten(self, keep: int = 20) -> None:
        """Hide all but the newest rows of the first company's lists: few tests need the whole story, and each pays for it."""
        known = self.app.extensions["simulator"].organizations[0]
        for name in ("supplier_invoices", "client_invoices", "credit_notes", "transactions"):
            # movements by booking: a balance is the sum of those that follow an earlier one
            rows = sorted(known.tables[name].values(), key=lambda row: (row.get("settled_at") or row["created_at"], row["id"]))
            known.hidden.update(row["id"] for row in rows[: max(len(rows) - keep, 0)])

    def tell_all(self) -> None:
        """Show what `quieten` hid."""
        self.app.extensions["simulator"].organizations[0].hidden.clear()

    def put_invoice(self, organization: str | None = None, file: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
        """Add a supplier invoice or (with a known `id`) change it; the whole row comes back."""
        body: dict[str, Any] = {"organization": organization, "supplier_invoice": values}
        if file:
            body["file"] = file
        row: dict[str, Any] = self.tell("supplier_invoices", **body)["supplier_invoice"]
        return row

    def put_transaction(self, organization: str | None = None, **values: Any) -> dict[str, Any]:
        """Add a transaction or (with a known `id`) change it."""
        row: dict[str, Any] = self.tell("transactions", organization=organization, transaction=values)["transaction"]
        return row

    def move(self, **kwargs: float) -> None:
        """Let time pass, here and at the bank."""
        before = self._clock.now()
        self._clock.move(**kwargs)
        self.tell("clock", advance_seconds=(self._clock.now() - before).total_seconds())

    # --- the person in front of the consent page ---------------------------------------------------------------

    def decide(
        self, address: str, *, organization: str | None = None, decision: str = "allow", without: str = ""
    ) -> dict[str, str]:
        """Open the consent page, untick the scopes `without`, press a button: the query that the browser comes back with."""
        browser = Person(address, self.transport)
        form = browser.get(address).form("/oauth2/auth")
        form.fields["scope"] = [scope for scope in form.fields["scope"] if scope not in without.split()]
        chosen = {"organization_id": organization} if organization else {}
        location = urlsplit(browser.leave(form, decision=decision, **chosen))
        return {name: values[0] for name, values in parse_qs(location.query).items()}


class BankOnSocket(Bank):
    """The same simulator behind a real socket of this machine: answers can hang, drip and break."""

    @classmethod
    @contextmanager
    def listening(cls, clock: FixedClock) -> Iterator[BankOnSocket]:
        """It serves while the block lasts; calls that hang then are left alone."""
        server = listen(lambda environ, start: bank.app(environ, start), 0)
        bank = cls(f"http://127.0.0.1:{server.server_address[1]}", clock)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield bank
        finally:
            bank.app.extensions["simulator"].hooks.close()  # else its letters still knock at doors in other tests
            server.shutdown()
            server.server_close()
            thread.join()

    def gateway(self, settings: Settings, database: Database, clock: Clock, keyring: KeyRing) -> tuple[OAuth, Qonto]:
        """The product's own doors with their own connections."""
        oauth = OAuth(settings)
        keeper = TokenKeeper(database, keyring, oauth, clock, settings)
        return oauth, Qonto(settings, keeper, new_budget(settings, database))
