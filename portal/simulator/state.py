"""Everything the simulated bank remembers, in memory: organisations with their rows, grants, faults, clock, log."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal.simulator.bad_tls import BadTls
from portal.simulator.calls import CallLog
from portal.simulator.clock import Clock, moment_of
from portal.simulator.diary import Diary
from portal.simulator.errors import DoorError
from portal.simulator.faults import Faults
from portal.simulator.files import Files
from portal.simulator.grants import App, Grants
from portal.simulator.hooks import Hooks
from portal.simulator.limits import Limits
from portal.simulator.names import Row
from portal.simulator.rows import set_balance
from portal.simulator.sca import ScaSessions

DEFAULT_SETTINGS: dict[str, Any] = {
    "rate_limit_10s": 1000,
    "rate_limit_10min": 10000,
    "unauthorized_limit_1h": 200,
    "retry_after": True,
    "past_last_page": "422",
    "files_refuse_bearer": True,
    "staging_token": None,
    "latency_ms": 0,
    "transfers_pay_invoices": True,
}


@dataclass(slots=True)
class Organization:
    """One company at the bank. Each table maps an id to its row; `hidden` rows are there but nobody sees them."""

    id: str
    slug: str
    legal_name: str
    plan: str
    body: Row
    memberships: list[Row]
    accounts: dict[str, Row]
    tables: dict[str, dict[str, Row]]
    hidden: set[str] = field(default_factory=set)

    def rows(self, table: str) -> list[Row]:
        """The rows that can be seen."""
        return [row for row_id, row in self.tables[table].items() if row_id not in self.hidden]

    def row(self, table: str, row_id: str) -> Row | None:
        """One row that can be seen."""
        return None if row_id in self.hidden else self.tables[table].get(row_id)

    @property
    def main_account(self) -> Row:
        """Where money moves unless another account is named."""
        return next(account for account in self.accounts.values() if account["main"])

    def put_transaction(self, row: Row) -> None:
        """Add or replace a movement; what is booked moves the balance and every later one of its account."""
        before = self.tables["transactions"].get(row["id"])
        if before is not None:
            self._book(before, -1)
        self.tables["transactions"][row["id"]] = row
        self._book(row, 1)

    def _book(self, row: Row, sign: int) -> None:
        account = self.accounts[row["bank_account_id"]]
        if row["status"] != "completed" or account["is_external_account"]:
            row["settled_balance"] = row["settled_balance_cents"] = None
            return
        change = sign * (row["amount_cents"] if row["side"] == "credit" else -row["amount_cents"])
        place = (moment_of(row["settled_at"]), row["id"])
        later = 0
        for other in self.tables["transactions"].values():
            if (
                other["bank_account_id"] == account["id"]
                and other["status"] == "completed"
                and other is not row
                and (moment_of(other["settled_at"]), other["id"]) > place
            ):
                later += other["amount_cents"] if other["side"] == "credit" else -other["amount_cents"]
                other["settled_balance_cents"] += change
                other["settled_balance"] = other["settled_balance_cents"] / 100
        set_balance(account, account["balance_cents"] + change, account["authorized_balance_cents"] + change)
        row["settled_balance_cents"] = account["balance_cents"] - later
        row["settled_balance"] = row["settled_balance_cents"] / 100


class World:
    """The whole of it. One lock: a request is answered while nobody else changes anything."""

    def __init__(self, apps: tuple[App, ...], *, seed: int, files_base: str | None, start: datetime | None = None) -> None:
        self.lock = threading.RLock()
        self.files_base = files_base
        self._apps, self._start = apps, start
        self.hooks, self.bad_tls = Hooks(self), BadTls()
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Everything anew. The story of a seed and a day is told once and then copied."""
        # both build on the organisations of this module
        from portal.simulator.story import story_of  # noqa: PLC0415
        from portal.simulator.transfers import Payments  # noqa: PLC0415

        self.seed, self.clock, self.diary = seed, Clock(self._start), Diary()
        self.settings = dict(DEFAULT_SETTINGS)
        self.hooks.clear()
        self.bad_tls.close()
        self.sca, self.payments = ScaSessions(), Payments(self)
        self.grants, self.faults, self.limits, self.log, self.files = (
            Grants(self._apps), Faults(seed), Limits(), CallLog(), Files(),
        )  # fmt: skip
        self.grants.when_ended = self.hooks.ended
        story = story_of(seed, self.clock.now().date())
        self.organizations: list[Organization] = pickle.loads(story.frozen)  # noqa: S301 -- our own bytes, and the fastest deep copy
        self.files.fill(story.attachments, story.contents)

    def catch_up(self) -> None:
        """Whatever was due by now has happened after this. Asked before every look at the world."""
        self.diary.catch_up(self.clock.now())

    def organization(self, key: str | None) -> Organization:
        """By id or slug; None is the first. Unknown: the control door's 404."""
        if key is None:
            return self.organizations[0]
        for organization in self.organizations:
            if key in {organization.id, organization.slug}:
                return organization
        raise DoorError(404, f"unknown organization: {key}")
