"""Webhooks: who wants to be told, and the letters on their way. Addresses off this machine are remembered and never called."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from portal.simulator.calls import Call
from portal.simulator.clock import stamp
from portal.simulator.errors import missing_scope, not_found, refuse
from portal.simulator.names import Row
from portal.simulator.server import LOOPBACK

if TYPE_CHECKING:
    from portal.simulator.grants import Connection
    from portal.simulator.state import World

#: type → the scope that its events need beside `webhook`
TYPES: dict[str, str] = {
    "v1/transactions": "organization.read",
    "v1/client-invoices": "client_invoices.read",
    "v1/consent-revocations": "webhook",
}
#: table → type; tables without one tell nobody
TYPE_OF = {"transactions": "v1/transactions", "client_invoices": "v1/client-invoices"}
PATIENCE = 1.0  #: seconds within which a 2xx must come
STEPS = (10.0, 60.0)  #: until the next try; then four times the one before
GIVEN_UP_AFTER = timedelta(days=2)
LOOK_EVERY = 0.1  #: seconds
HIDDEN = {"labels", "note"}


@dataclass(frozen=True, slots=True)
class Letter:
    """One event for one subscription: the same id and bytes at every try."""

    address: str
    secret: str
    body: bytes
    written_at: datetime
    due_at: datetime
    tries: int = 0
    bad_signature: bool = False
    is_old: bool = False

    def header(self, now: datetime) -> str:
        """`X-Qonto-Signature` of this try."""
        at = int((now - timedelta(minutes=10) if self.is_old else now).timestamp())
        key = self.secret + ("-wrong" if self.bad_signature else "")
        return f"t={at},v1={hmac.new(key.encode(), f'{at}.'.encode() + self.body, hashlib.sha256).hexdigest()}"

    def again(self, now: datetime) -> Letter | None:
        """The next try after a failed one; None after two days. A fault strikes the first try only."""
        step = STEPS[self.tries] if self.tries < len(STEPS) else STEPS[-1] * 4 ** (self.tries - len(STEPS) + 1)
        if now - self.written_at > GIVEN_UP_AFTER:
            return None
        return replace(self, due_at=now + timedelta(seconds=step), tries=self.tries + 1, bad_signature=False, is_old=False)


class Hooks:
    """Subscriptions and the post. The world's lock guards both; sending happens without it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._subscriptions: dict[str, tuple[Row, Connection]] = {}
        self._letters: list[Letter] = []
        self._postman: threading.Thread | None = None
        self._ends = threading.Event()

    def close(self) -> None:
        """The post ends: whatever is on its way is given up, and nothing is called any more once this returns."""
        self._ends.set()
        if self._postman:
            self._postman.join()

    def clear(self) -> None:
        """Nobody wants to be told, and nothing is on its way."""
        self._subscriptions.clear()
        self._letters.clear()

    # --- subscriptions -------------------------------------------------------------------------------------------

    def of(self, organization_id: str) -> list[Row]:
        """Subscriptions of an organisation, oldest first."""
        return [row for row, _ in self._subscriptions.values() if row["organization_id"] == organization_id]

    def one(self, organization_id: str, row_id: str) -> Row:
        """One of them, or 404."""
        found = next((row for row in self.of(organization_id) if row["id"] == row_id), None)
        if found is None:
            raise not_found()
        return found

    def put(self, connection: Connection, row_id: str, body: Row, now: datetime, before: Row | None = None) -> Row:
        """Keep a subscription; what an earlier version said and this one does not is gone."""
        if not isinstance(body.get("callback_url"), str) or not body["callback_url"]:
            raise refuse(400, "bad_request", "CallbackURL is missing")
        types = body.get("types")
        if not isinstance(types, list) or not types or any(kind not in TYPES for kind in types):
            raise refuse(400, "bad_request", "Types are missing or unknown")
        for kind in types:
            if TYPES[kind] not in connection.scopes:
                raise missing_scope(TYPES[kind])
        row = {
            "id": row_id, "organization_id": connection.organization_id, "membership_id": connection.membership_id,
            "callback_url": body["callback_url"], "types": types,
            "secret": body.get("secret") or (before or {}).get("secret") or secrets.token_urlsafe(24),
            "created_at": before["created_at"] if before else stamp(now), "updated_at": stamp(now),
        }  # fmt: skip
        if isinstance(body.get("description"), str):
            row["description"] = body["description"]
        self._subscriptions[row_id] = (row, connection)
        if self._postman is None:  # from now on somebody wants to hear what happens while nobody asks
            self._postman = threading.Thread(target=self._carry, name="postman", daemon=True)
            self._postman.start()
        return row

    def drop(self, organization_id: str, row_id: str) -> None:
        """End one, and what was on its way to it."""
        address = self.one(organization_id, row_id)["callback_url"]
        del self._subscriptions[row_id]
        self._letters = [letter for letter in self._letters if letter.address != address]

    # --- the post ------------------------------------------------------------------------------------------------

    def changed(self, organization_id: str, table: str, row: Row) -> None:
        """A row is new or has changed."""
        if table in TYPE_OF:
            shown = {name: value for name, value in row.items() if name not in HIDDEN}
            self._tell(organization_id, TYPE_OF[table], shown)

    def ended(self, connections: list[Connection]) -> None:
        """Consents were taken back."""
        now = stamp(self._world.clock.now())
        for organization_id, client_id in {(ended.organization_id, ended.client_id) for ended in connections}:
            ids = {ended.id for ended in connections}
            self._tell(
                organization_id, "v1/consent-revocations", {"client_id": client_id, "revoked_at": now}, ids=ids, app=client_id
            )

    def _tell(
        self, organization_id: str, kind: str, data: Row, *, ids: set[str] | frozenset[str] = frozenset(), app: str | None = None
    ) -> None:
        """Write to everybody who may still know: connections that ended just now hear of their end, and nothing after it."""
        for row, connection in list(self._subscriptions.values()):
            if row["organization_id"] != organization_id or kind not in row["types"]:
                continue
            if (connection.is_revoked and connection.id not in ids) or app not in {None, connection.client_id}:
                continue
            self._write(row, kind, data)

    def _write(self, row: Row, kind: str, data: Row) -> None:
        now = self._world.clock.now()
        struck = Call("POST", "/deliveries/" + kind, "", now, organization_id=row["organization_id"])
        struck.organization_slug = self._world.organization(row["organization_id"]).slug
        struck.faults = self._world.faults.struck(struck, None)
        flood = struck.fault("wh_flood")
        for _ in range(1 if flood is None else int(flood.get("count", 1000))):
            event: dict[str, Any] = {
                "id": secrets.token_hex(16), "subscription_id": row["id"], "organization_id": row["organization_id"],
                "membership_id": row["membership_id"], "type": kind, "created_at": stamp(now), "data": data,
            }  # fmt: skip
            letter = Letter(
                row["callback_url"], row["secret"], json.dumps(event, ensure_ascii=False).encode(), now, now,
                bad_signature=struck.fault("wh_bad_sig") is not None, is_old=struck.fault("wh_replay") is not None,
            )  # fmt: skip
            self._letters += [letter] * (2 if struck.fault("wh_dup") is not None else 1)

    def _carry(self) -> None:
        """Send what is due, until the post ends."""
        with ThreadPoolExecutor(32, thread_name_prefix="letter") as pool:
            while not self._ends.wait(LOOK_EVERY):
                with self._world.lock:
                    self._world.catch_up()
                    now = self._world.clock.now()
                    due = [letter for letter in self._letters if letter.due_at <= now]
                    self._letters = [letter for letter in self._letters if letter.due_at > now]
                for letter in due:
                    pool.submit(self._send, letter)
            pool.shutdown(cancel_futures=True)

    def _send(self, letter: Letter) -> None:
        with self._world.lock:
            header = letter.header(self._world.clock.now())
        if urlsplit(letter.address).hostname not in LOOPBACK or _is_taken(letter, header):
            return
        with self._world.lock:
            is_wanted = any(row["callback_url"] == letter.address for row, _ in self._subscriptions.values())
            if is_wanted and (later := letter.again(self._world.clock.now())):
                self._letters.append(later)


def _is_taken(letter: Letter, header: str) -> bool:
    """Whether a 2xx came in time."""
    address = urlsplit(letter.address)
    line = HTTPConnection(address.hostname or "", address.port or 80, timeout=PATIENCE)
    try:
        line.request(
            "POST", address.path or "/", letter.body,
            {"Content-Type": "application/json", "X-Qonto-Signature": header, "User-Agent": "Qonto"},
        )  # fmt: skip
        return line.getresponse().status // 100 == 2
    except (OSError, HTTPException):
        return False
    finally:
        line.close()
