"""Faults: what can be armed, which calls it strikes, and how often. What a strike looks like is told beside the part it hits."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from portal.simulator.calls import Call
from portal.simulator.errors import DoorError
from portal.simulator.names import Row

_TOKEN = ("/oauth2/token",)
_API = ("/v2/*",)
_FILES = ("/files/*",)
_ROWS = ("/v2/transactions*", "/v2/supplier_invoices*", "/v2/client_invoices*", "/v2/credit_notes*")
_SEPA = ("/v2/sepa/*",)
_MADE = ("/v2/sepa/transfers", "/v2/sepa/bulk_transfers", "/v2/sepa/beneficiaries")
_VERIFIED = ("/v2/sepa/verify_payee", "/v2/sepa/bulk_verify_payee")
_POLLED = ("/v2/sca_sessions/*", "/v2/mocked_sca_sessions/*")
_ATTACHMENTS = ("/v2/attachments/*", "/v2/transactions/*/attachments")

#: name → where it strikes unless `match` names a path
KNOWN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("invalid_grant", "rotate_strict", "token_5xx", "token_malformed", "drop_after_rotate"), _TOKEN),
    "org_switched": ("/oauth2/auth",),
    **dict.fromkeys(("401_expired", "401_always", "403_scope", "403_org", "404_account", "ids_changed", "balance_off"), _API),
    **dict.fromkeys(("5xx", "429", "hang", "drip", "truncate", "bad_json", "html_200", "gzip_bomb"), _API),
    **dict.fromkeys(("302_foreign", "date_skew"), _API),
    **dict.fromkeys(("dup_across_pages", "insert_during_paging", "late_row", "meta_wrong", "loop", "empty_200"), _ROWS),
    **dict.fromkeys(("status_flow", "mutate_booked", "schema_drift", "amount_edge", "text_edge"), _ROWS),
    "shared_file": ("/v2/transactions*",),
    **dict.fromkeys(("sca_required", "403_account"), ("/v2/transactions",)),
    **dict.fromkeys(("url_expired", "short_file", "changed_file", "type_lie", "pdf_bomb", "pdf_crash"), _FILES),
    **dict.fromkeys(("xml_bomb", "xxe", "zip_bomb", "huge"), _FILES),
    **dict.fromkeys(("evil_url", "gone"), _ATTACHMENTS),
    "pay_5xx": _SEPA,
    **dict.fromkeys(("drop_after_create", "key_expired", "sca_not_enrolled"), _MADE),
    **dict.fromkeys(("sca_wait", "sca_deny", "sca_expired"), _POLLED),
    **dict.fromkeys(("vop_close_match", "vop_no_match", "vop_not_possible", "vop_5xx"), _VERIFIED),
    "tls_bad": (),  # strikes no call: its service has an address of its own
    **dict.fromkeys(("wh_bad_sig", "wh_replay", "wh_dup", "wh_flood"), ("/deliveries/*",)),
}
#: faults of writes: they never strike the list at the same address
_OF_WRITES = frozenset({"pay_5xx", "drop_after_create", "key_expired", "sca_not_enrolled"})
_MATCHES: dict[str, type | tuple[type, ...]] = {
    "method": str, "path": str, "connection": str, "nth": int, "probability": (int, float), "page": (int, str),
}  # fmt: skip


@dataclass(slots=True)
class Armed:
    """A fault that waits for its calls."""

    id: str
    name: str
    match: Row
    args: Row
    remaining: int | None
    times: int | None
    chance: random.Random
    seen: int = field(default=0)

    def strikes(self, call: Call, page: str | None) -> bool:
        """Whether this call is struck; counts it when it matches."""
        match = self.match
        paths = (match["path"],) if match.get("path") else KNOWN[self.name]
        connection = match.get("connection")
        if (
            self.remaining == 0
            or not any(fnmatchcase(call.path, path) for path in paths)
            or (match.get("method") and match["method"].upper() != call.method)
            or (self.name in _OF_WRITES and call.method != "POST")
            or (connection and connection not in {call.connection_id, call.organization_id, call.organization_slug})
            or (match.get("page") is not None and str(match["page"]) != page)
        ):
            return False
        self.seen += 1
        if match.get("nth") and self.seen != match["nth"]:
            return False
        if match.get("probability") is not None and self.chance.random() >= match["probability"]:
            return False
        if self.remaining is not None:
            self.remaining -= 1
        return True

    @property
    def shown(self) -> Row:
        """As the control door tells it."""
        return {
            "id": self.id, "fault": self.name, "match": self.match, "args": self.args, "times": self.times,
            "remaining": self.remaining,
        }  # fmt: skip


class Faults:
    """What is armed. Chance is seeded: the same calls after a reset are struck in the same way."""

    def __init__(self, seed: int) -> None:
        self._seed, self._count = seed, 0
        self._armed: list[Armed] = []

    def arm(self, name: str, match: Row, args: Row, times: int | None) -> Armed:
        """Arm one; nonsense is refused with the names that are known."""
        if name not in KNOWN:
            raise DoorError(400, f"unknown fault: {name}", known=sorted(KNOWN))
        for key, value in match.items():
            if key not in _MATCHES or not (value is None or isinstance(value, _MATCHES[key])):
                raise DoorError(400, f"match.{key} is not understood")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise DoorError(400, "times is a positive number or null")
        self._count += 1
        chance = random.Random(f"{self._seed} {self._count}")
        armed = Armed(f"fault-{self._count}", name, match, args, times, times, chance)
        self._armed.append(armed)
        return armed

    def disarm(self) -> None:
        """Nothing is armed any more."""
        self._armed.clear()

    def struck(self, call: Call, page: str | None) -> list[tuple[str, dict[str, Any]]]:
        """Names and arguments of the faults that strike this call, in the order of arming."""
        return [(armed.name, armed.args) for armed in self._armed if armed.strikes(call, page)]

    def spare(self, call: Call, name: str) -> None:
        """The call turned out to be none that this fault is about: it has not struck, and will strike another."""
        for armed in self._armed:
            if armed.name == name and any(args is armed.args for _, args in call.faults):
                armed.seen -= 1
                armed.remaining = None if armed.remaining is None else armed.remaining + 1
        call.faults = [(struck, args) for struck, args in call.faults if struck != name]

    @property
    def shown(self) -> Row:
        """As the control door lists them."""
        return {"faults": [armed.shown for armed in self._armed], "known": sorted(KNOWN)}
