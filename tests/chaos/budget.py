"""One budget for all workers: `./dev chaos budget`.

Worker processes with several threads each ask the simulator as fast as they are let, over real HTTP and one database. Afterwards
the simulator's own log tells how many calls came in any ten seconds and how often it had to answer 429. Prints one JSON line per
database; exit code 0 when the budget held and the bank never asked to slow down.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from portal.db import Database
from portal.services.connections.budgeting import SharedBudget
from portal.settings import Settings
from tests import bank_process
from tests.chaos import databases

RATE, BURST = (next(one.default for one in fields(Settings) if one.name == name) for name in ("request_rate", "request_burst"))
IN_TEN_SECONDS, IN_TEN_MINUTES = 920, 8000


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    workers: int = 8
    threads: int = 8
    seconds: float = 60.0


def live(url: str, folder: Path, plan: Plan) -> dict[str, Any]:
    """A minute on a migrated, empty database. Returns what is printed."""
    with bank_process.installation(folder) as (_, bank):
        bank.tell("settings", rate_limit_10s=1000, rate_limit_10min=10000)  # what the bank's own documentation names
        token = bank.tell("tokens", organization=None, scope="offline_access organization.read")["access_token"]
        before = bank.ask("log")["next"]
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=_work, args=(url, bank.url, token, plan), daemon=True) for _ in range(plan.workers)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        entries = bank.log(before)
    calls = sorted(datetime.fromisoformat(entry["time"]) for entry in entries)
    statuses = {entry["status"] for entry in entries}
    most = _most(calls, timedelta(seconds=10))
    return {
        "database": "sqlite" if url.startswith("sqlite") else "postgresql", "workers": plan.workers, "threads": plan.threads,
        "seconds": plan.seconds, "calls": len(calls), "most_in_10_s": most, "most_in_10_min": _most(calls, timedelta(minutes=10)),
        "answers_429": sum(entry["status"] == 429 for entry in entries), "statuses": sorted(map(str, statuses)),
        "ok": bool(calls) and most <= IN_TEN_SECONDS and len(calls) <= IN_TEN_MINUTES and statuses == {200},
    }  # fmt: skip


def _most(calls: Sequence[datetime], within: timedelta) -> int:
    return max((bisect_right(calls, at + within) - place for place, at in enumerate(calls)), default=0)


def _work(url: str, bank: str, token: str, plan: Plan) -> None:
    """One worker: each of its threads asks again as soon as it is let."""
    database = Database(url)
    budget = SharedBudget(database, rate=RATE, burst=BURST)
    end = time.monotonic() + plan.seconds

    def ask() -> None:
        with httpx2.Client(base_url=bank, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
            while time.monotonic() < end:
                budget.take(patience=plan.seconds)  # as many threads as there are wait their turn: a few seconds each
                http.get("/v2/organization")

    threads = [threading.Thread(target=ask) for _ in range(plan.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.engine.dispose()


def main(arguments: Sequence[str] | None = None) -> int:
    """Both databases unless told otherwise."""
    parser = argparse.ArgumentParser(prog="chaos budget", description=__doc__)
    parser.add_argument("--workers", type=int, default=Plan.workers)
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    databases.choose(parser)
    chosen = parser.parse_args(arguments)
    return databases.tell(
        chosen.database, lambda url, folder: live(url, folder, Plan(workers=chosen.workers, seconds=chosen.seconds))
    )


if __name__ == "__main__":
    sys.exit(main())
