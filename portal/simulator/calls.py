"""A call as faults and the log see it, and the log. Nothing here holds a secret."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from portal.simulator.clock import stamp
from portal.simulator.names import Row

_SECRET = {
    "code", "client_secret", "token", "access_token", "refresh_token", "code_verifier", "code_challenge", "X-Amz-Signature",
}  # fmt: skip


@dataclass(slots=True)
class Call:
    """One request to the bank."""

    method: str
    path: str
    query: str
    at: datetime
    token: str | None = None  #: the bearer or refresh token itself; only its fingerprint is kept
    connection_id: str | None = None
    organization_id: str | None = None
    organization_slug: str | None = None
    idempotency_key: str | None = None
    body_sha256: str | None = None
    faults: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  #: name and arguments of those that strike
    request_id: str | None = None

    def fault(self, name: str) -> dict[str, Any] | None:
        """The arguments of a fault that strikes this call."""
        return next((args for struck, args in self.faults if struck == name), None)


class CallLog:
    """Every call but those of the control door, oldest first."""

    def __init__(self) -> None:
        self._entries: list[Row] = []

    def add(self, call: Call, status: int | None) -> None:
        """Note a call with its outcome; `status` None when no answer was sent."""
        self._entries.append(
            {
                "seq": len(self._entries) + 1,
                "time": stamp(call.at),
                "method": call.method,
                "path": call.path,
                "query": _harmless(call.query),
                "status": status,
                "token": fingerprint(call.token),
                "connection_id": call.connection_id,
                "organization_id": call.organization_id,
                "idempotency_key": call.idempotency_key,
                "body_sha256": call.body_sha256,
                "request_id": call.request_id,
                "fault": call.faults[0][0] if call.faults else None,
            }
        )

    def since(self, seq: int) -> Row:
        """Entries from this number on, and the number to ask for next."""
        return {"entries": self._entries[max(0, seq - 1) :], "next": len(self._entries) + 1}

    def newest(self, count: int) -> list[Row]:
        """For the page for people."""
        return self._entries[: -count - 1 : -1]


def fingerprint(token: str | None) -> str | None:
    """The first 12 hex digits of the token's SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()[:12] if token else None


def _harmless(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True, errors="replace")
    return urlencode([(name, "…" if name in _SECRET else value) for name, value in pairs], safe="[]:…")
