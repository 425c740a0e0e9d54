"""Broken connections must not cost the others their night: `./dev chaos refusals`.

Hundreds of connections whose every call is answered 401 come due together with more that are in order, over one shared budget. A
bank throttles everybody after two hundred answers 401 in an hour; we stop at a hundred. Simulated hours, the bank in this process.
Prints one JSON line per database; exit code 0 when no hour had more than a hundred and all good ones were done in time.
"""

from __future__ import annotations

import argparse
import logging
import random
import secrets
import sys
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, select

from jobs.runs import execute_run
from portal.clock import FixedClock, aware
from portal.db import Database
from portal.models import Connection, Run
from portal.ports import Ports
from portal.qonto.client import Qonto
from portal.qonto.oauth import TokenSet
from portal.services import running
from portal.services.auditing import Origin, acting
from portal.services.connections import token_keeping
from portal.services.connections.budgeting import SharedBudget
from portal.services.connections.token_keeping import TokenKeeper
from portal.settings import Settings, Timing
from tests import factories
from tests.bank import Bank
from tests.chaos import databases

SCOPE = "offline_access client_invoices.read supplier_invoice.read attachment.read"
MOST_AN_HOUR, STEP = 100, timedelta(minutes=5)


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    broken: int = 300
    good: int = 700
    hours: float = 8.0
    seed: int = 1


def live(url: str, folder: Path, plan: Plan) -> dict[str, Any]:
    """One night on a migrated, empty database. Returns what is printed."""
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
    database, bank = Database(url), Bank("http://127.0.0.1:5051", clock)
    settings = _settings(url, folder)
    bank.quieten(keep=0)
    ports = _ports(settings, database, clock, bank)
    began, start = time.monotonic(), clock.now()
    with acting(Origin("system:chaos"), key=settings.secret_key):
        good = _connect(ports, bank, plan)
        while clock.now() - start < timedelta(hours=plan.hours) and not _are_done(database, good):
            with database.read() as session:
                due = [run.id for run in running.startable(session, now=clock.now())]
            for run_id in due:
                execute_run(ports, run_id)
            if not due:
                bank.move(seconds=STEP.total_seconds())
    refused = sorted(datetime.fromisoformat(call["time"]) for call in bank.log() if call["status"] == 401)
    most = max((bisect_right(refused, at + timedelta(hours=1)) - place for place, at in enumerate(refused)), default=0)
    with database.read() as session:
        done, last = session.execute(
            select(func.count(), func.max(Run.finished_at)).where(Run.subject_id.in_(good), Run.state == "done")
        ).one()
        ended = session.scalar(select(func.count()).select_from(Connection).where(Connection.state == "action_needed")) or 0
    database.engine.dispose()
    hours = (aware(last) - start).total_seconds() / 3600 if last else None
    return {
        "database": database.engine.dialect.name, "broken": plan.broken, "good": plan.good, "answers_401": len(refused),
        "most_in_an_hour": most, "good_done": done, "broken_ended": ended,
        "good_done_after_hours": hours and round(hours, 2), "seconds": round(time.monotonic() - began, 1),
        "ok": most <= MOST_AN_HOUR and done == plan.good and hours is not None and hours <= plan.hours,
    }  # fmt: skip


def _settings(url: str, folder: Path) -> Settings:
    return Settings(
        public_url="http://127.0.0.1:5050", data_dir=folder, database_url=url, redis_url="",
        documents_url=f"file://{folder / 'documents'}", mail_url=f"file://{folder / 'mail'}", secret_key=secrets.token_urlsafe(48),
        token_keys=(secrets.token_urlsafe(32),), qonto_api_url="http://127.0.0.1:5051", qonto_oauth_url="http://127.0.0.1:5051",
        qonto_file_origins=("http://localhost:5051",), qonto_client_id="belegfluss", qonto_client_secret="simulator-secret",
        timing=Timing(call_retries=(0.01, 0.02, 0.03)),
    )  # fmt: skip


def _ports(settings: Settings, database: Database, clock: FixedClock, bank: Bank) -> Ports:
    """As in tests, but with the shared budget, whose waits pass simulated time."""
    ports = factories.make_ports(settings, database, clock, bank)
    keeper = TokenKeeper(database, ports.keyring, ports.oauth, clock, settings)
    budget = SharedBudget(
        database, rate=settings.request_rate, burst=settings.request_burst, clock=clock,
        sleep=lambda seconds: bank.move(seconds=seconds),
    )  # fmt: skip
    return replace(ports, qonto=Qonto(settings, keeper, budget, transport=bank.transport))


def _connect(ports: Ports, bank: Bank, plan: Plan) -> list[str]:
    """The connections, all due at once, in any order. Returns the good ones."""
    first, second = bank.organizations()[:2]
    bank.fault("401_always", match={"path": "/v2/*", "connection": second["slug"]})
    kinds = [True] * plan.good + [False] * plan.broken
    random.Random(plan.seed).shuffle(kinds)
    good, now = [], ports.clock.now()
    for number, is_good in enumerate(kinds):
        organization = first if is_good else second
        issued = bank.tell("tokens", organization=organization["slug"], scope=SCOPE)
        tokens = TokenSet(issued["access_token"], issued["refresh_token"], issued["expires_in"], tuple(SCOPE.split()))
        with ports.database.write() as session:
            client = factories.client(session, str(number), f"Mandant {number}", now=now, years=(now.year,))
            link = factories.connection(session, client, "documents", now=now, organization_id=organization["id"])
            token_keeping.store(session, link, tokens, keyring=ports.keyring, now=now)
            running.request(
                session, client_id=client.id, connection_id=link.id, kind="documents", trigger="schedule", now=now,
                day=ports.clock.today(),
            )  # fmt: skip
        if is_good:
            good.append(link.id)
    return good


def _are_done(database: Database, good: Sequence[str]) -> bool:
    with database.read() as session:
        return session.scalar(select(func.count()).where(Run.subject_id.in_(good), Run.state == "done")) == len(good)


def main(arguments: Sequence[str] | None = None) -> int:
    """Both databases unless told otherwise."""
    parser = argparse.ArgumentParser(prog="chaos refusals", description=__doc__)
    parser.add_argument("--broken", type=int, default=Plan.broken)
    parser.add_argument("--good", type=int, default=Plan.good)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    databases.choose(parser)
    chosen = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return databases.tell(
        chosen.database, lambda url, folder: live(url, folder, Plan(chosen.broken, chosen.good, seed=chosen.seed))
    )


if __name__ == "__main__":
    sys.exit(main())
