"""Exactly one refresh per expiry, whoever asks: `python -m tests.chaos.refresh`.

Many processes with several threads each want the token of one connection at the same moment, again and again. Between two rounds
the token ends: in odd rounds by our own clock (all processes read the same simulated one), in even rounds at the bank, which we
only learn from its 401. The bank is the strictest possible: a refresh token that is used twice ends the consent.
Beside it another writer measures how long the database makes others wait (B06).

Prints one JSON line per database; exit code 0 when each had as many refreshes as expiries and no `invalid_grant`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import select

from portal.clock import Clock
from portal.crypto import KeyRing
from portal.db import Database, new_id
from portal.models import Client, Connection
from portal.qonto.oauth import OAuth, TokenSet
from portal.services.auditing import Origin, acting
from portal.services.connections import token_keeping
from portal.services.connections.token_keeping import TokenKeeper
from portal.settings import Settings
from tests.chaos import databases
from tests.chaos.strict_bank import FIRST

HOUR = 3600.0
STUCK_AFTER = 60.0


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    processes: int
    threads: int
    expiries: int
    seed: int


def race(settings: Settings, plan: Plan) -> dict[str, Any]:
    """Run the race on a migrated, empty database. Returns what is printed."""
    database, offset = Database(settings.database_url), settings.clock_offset_file
    assert offset is not None
    offset.write_text("0")
    with _strict_bank() as url:
        settings = replace(settings, qonto_api_url=url, qonto_oauth_url=url)
        connection_id = _connect(database, settings)
        context = multiprocessing.get_context("spawn")
        barrier, stop = context.Barrier(plan.processes * plan.threads + 1), context.Event()
        results = context.Queue()
        workers = [
            context.Process(target=_want, args=(settings, connection_id, plan, number, barrier, results), daemon=True)
            for number in range(plan.processes)
        ]
        writer = context.Process(target=_write_beside, args=(settings, connection_id, stop, results), daemon=True)
        for process in (*workers, writer):
            process.start()
        barrier.wait(STUCK_AFTER)
        started = time.monotonic()
        try:
            _expire_again_and_again(url, offset, plan, barrier)
        finally:
            stop.set()
        seconds = time.monotonic() - started
        outcomes = [results.get(timeout=STUCK_AFTER) for _ in range(plan.processes + 1)]
        for process in (*workers, writer):
            process.join(STUCK_AFTER)
        counts = httpx2.get(f"{url}/_/counts").json()
    with database.read() as session:
        row = session.scalars(select(Connection)).one()
        is_well = row.state == "active" and row.refresh_lease is None and row.token_version == plan.expiries + 1
    database.engine.dispose()
    waits = sorted(wait for outcome in outcomes for wait in outcome.get("waits", ()))
    wishes = sum(outcome.get("wishes", 0) for outcome in outcomes)
    failures = [failure for outcome in outcomes for failure in outcome.get("failures", ())]
    return {
        "database": database.engine.dialect.name, "processes": plan.processes, "threads": plan.threads,
        "expiries": plan.expiries, "seed": plan.seed, "wishes": wishes, "refreshes": counts["refreshes"],
        "invalid_grant": counts["invalid_grant"], "unauthorized": counts["unauthorized"], "failures": len(failures),
        "first_failure": failures[0] if failures else None, "other_writers": len(waits),
        "other_writers_p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1) if waits else None,
        "seconds": round(seconds, 1),
        "ok": counts["refreshes"] == plan.expiries and not counts["invalid_grant"] and not failures and is_well
        and wishes == plan.processes * plan.threads * plan.expiries,
    }  # fmt: skip


def _expire_again_and_again(url: str, offset: Path, plan: Plan, barrier: Barrier) -> None:
    for number in range(1, plan.expiries + 1):
        if number % 2:
            offset.write_text(str(HOUR * (number + 1)))
        else:
            httpx2.post(f"{url}/_/expire").raise_for_status()
        barrier.wait(STUCK_AFTER)  # go
        barrier.wait(STUCK_AFTER)  # all have it


def _want(settings: Settings, connection_id: str, plan: Plan, number: int, barrier: Barrier, results: Any) -> None:
    """One process: its threads want the token in each round and use it."""
    database = Database(settings.database_url)
    keeper = TokenKeeper(database, KeyRing(settings.token_keys), OAuth(settings), Clock(settings.clock_offset_file), settings)
    failures: list[str] = []
    wishes: list[int] = []

    def thread(index: int) -> None:
        rng = random.Random(f"{plan.seed}-{number}-{index}")
        with acting(Origin("system:chaos"), key=settings.secret_key), httpx2.Client(base_url=settings.qonto_api_url) as http:
            barrier.wait(STUCK_AFTER)
            for _ in range(plan.expiries):
                barrier.wait(STUCK_AFTER)
                time.sleep(rng.choice((0.0, 0.0, rng.uniform(0, 0.02))))
                try:
                    _use(keeper, http, connection_id)
                except Exception as error:  # noqa: BLE001 -- each failure is counted, whatever it is
                    failures.append(f"{type(error).__name__} {getattr(error, 'code', '')} {error}")
                wishes.append(1)
                barrier.wait(STUCK_AFTER)

    threads = [threading.Thread(target=thread, args=(index,)) for index in range(plan.threads)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    database.engine.dispose()
    results.put({"wishes": len(wishes), "failures": failures})


def _use(keeper: TokenKeeper, http: httpx2.Client, connection_id: str) -> None:
    """As the gateway does: a 401 is answered with another token, once."""
    token = keeper.access_token(connection_id)
    if http.get("/v2/ping", headers={"Authorization": f"Bearer {token}"}).status_code == 200:
        return
    token = keeper.renewed(connection_id, refused=token)
    http.get("/v2/ping", headers={"Authorization": f"Bearer {token}"}).raise_for_status()


def _write_beside(settings: Settings, connection_id: str, stop: Event, results: Any) -> None:
    """Somebody else's short transactions."""
    database, waits = Database(settings.database_url), []
    while not stop.wait(0.05):
        started = time.monotonic()
        with database.write() as session:
            session.get_one(Client, session.get_one(Connection, connection_id).client_id).name = f"Muster {len(waits)} GmbH"
        waits.append(time.monotonic() - started)
    database.engine.dispose()
    results.put({"waits": waits})


def _connect(database: Database, settings: Settings) -> str:
    """A client and an active connection with the bank's first tokens."""
    now = Clock(settings.clock_offset_file).now()
    client_id, connection_id = new_id(), new_id()
    with database.write() as session:
        session.add(Client(id=client_id, number="1", name="Muster GmbH", created_at=now))
        session.flush()
        connection = Connection(
            id=connection_id, client_id=client_id, kind="documents", state="active", created_at=now, token_version=0
        )
        session.add(connection)
        session.flush()
        tokens = TokenSet(*FIRST, expires_in=int(HOUR), scopes=())
        token_keeping.store(session, connection, tokens, keyring=KeyRing(settings.token_keys), now=now)
    return connection_id


@contextmanager
def _strict_bank() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "tests.chaos.strict_bank"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def installation(folder: Path, database_url: str) -> Settings:
    """An installation over a database; the bank's address is filled in later."""
    url = "http://127.0.0.1:5051"
    return Settings(
        public_url="http://127.0.0.1:5050", data_dir=folder, database_url=database_url, redis_url="", documents_url="",
        mail_url="", secret_key=secrets.token_urlsafe(48), token_keys=(secrets.token_urlsafe(32),), qonto_api_url=url,
        qonto_oauth_url=url, qonto_file_origins=(url,), qonto_client_id="belegfluss", qonto_client_secret="secret",
        clock_offset_file=folder / "offset", request_rate=0,
    )  # fmt: skip


def _databases(given: str | None, folder: Path) -> Iterator[str]:
    """The given address, else a fresh SQLite file and then a fresh PostgreSQL; migrated."""
    if given:
        yield databases.migrated(given)
        return
    for kind in databases.KINDS:
        with databases.fresh(kind, folder) as url:
            yield url


def main() -> int:
    """Race on every database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--expiries", "--points", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="an address; without one SQLite and a throw-away PostgreSQL")
    given = parser.parse_args()
    plan = Plan(given.processes, given.threads, given.expiries, given.seed)
    is_well = True
    with tempfile.TemporaryDirectory(prefix="belegfluss-refresh-") as folder:
        for url in _databases(given.database, Path(folder)):
            result = race(installation(Path(folder), url), plan)
            print(json.dumps(result), flush=True)
            is_well &= result["ok"]
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
