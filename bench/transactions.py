"""Measure the transactions beside their goals. One JSON object per line, then a table; exit code 1 when a goal is missed.

  bank    a first import over the bank connection (real HTTP, no latency, no request budget; then mapping, writing, the balance
          check) takes at most 3 times as long as a bare `executemany` upsert of the same rows into the same table, a thousand a
          transaction. Told with it: the share of fetching and mapping, and what a bare loop needs that only fetches the pages
          and decodes their JSON. The bank is a process of its own with ready pages (`bench/transactions_bank.py`).
  file    flat memory: a CSV file of 200,000 rows is brought, previewed and imported by fresh processes whose peaks (VmHWM) are at
          most 1.15 times those for 20,000 rows. Of PostgreSQL only our side of the connection counts.

Compare ratios: seconds depend on the machine. PostgreSQL is a throw-away server without fsync, SQLite a file with it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
import structlog
from sqlalchemy import Connection, text

from bench.import_site import PREFIX, Place, Site, expect
from jobs.runs import execute_run
from portal import build_ports
from portal.db import Database
from portal.launcher import ROOT, House, environment_for, free_port, python
from portal.ports import Ports
from portal.qonto.transport import Transport, new_client
from portal.services.auditing import Origin, acting
from portal.settings import Settings
from tests import factories, servers
from tests.bank_process import BankProcess
from tests.chaos import databases

PARTS = ("bank", "file")
AT_ONCE = 1000  #: rows of a transaction of the bare upsert
MOST_TIMES = 3.0
MOST_GROWTH = 1.15
KEY = ("bank_account_id", "qonto_id")


@dataclass
class Report:
    """What was measured, printed as it comes."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def add(self, name: str, database: str, *, goal: str = "", is_met: bool = True, **figures: Any) -> None:
        """One line; `goal` in words."""
        row = {"name": name, "database": database, **figures, **({"goal": goal, "ok": is_met} if goal else {})}
        self.missed += [] if is_met else [f"{name} ({database}): {goal}"]
        self.rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)

    def print_table(self) -> None:
        """All lines, then the missed goals."""
        print()
        for row in self.rows:
            figures = "  ".join(f"{name} {row[name]}" for name in row if name not in {"name", "database", "goal", "ok"})
            verdict = f"{'met' if row['ok'] else 'MISSED'}: {row['goal']}" if "ok" in row else ""
            print(f"{row['name']:<30}{row['database']:<12}{figures:<70}{verdict}".rstrip())
        for missed in self.missed:
            print(f"Missed: {missed}")


# --- over the bank connection --------------------------------------------------------------------------------------


@contextmanager
def bank_with(rows: int, folder: Path) -> Iterator[Site]:
    """A bank whose main account holds so many movements."""
    port, bank_port = free_port(), free_port()
    told = environment_for(folder, port, bank_port, is_alone=True)
    house = House(folder, told, lambda _line: None)
    house.open()
    try:
        callback = f"{told['PUBLIC_URL']}/connections/qonto/callback"
        options = ("--port", str(bank_port), "--client-redirect", callback, "--rows", str(rows))
        part = house.start("simulator", python("-m", "bench.transactions_bank", *options))
        while "Qonto simulator on" not in part.log.read_text():
            house.check_alive(part)
            time.sleep(0.1)
        bank = BankProcess(told["QONTO_API_URL"])
        bank.tell("settings", rate_limit_10s=None, rate_limit_10min=None)
        try:
            yield Site(bank, dict(house.environment))
        finally:
            bank.close()
    finally:
        house.close()


class Timed:
    """The gateway, and the seconds that pages of transactions took: waiting, decoding, mapping."""

    def __init__(self, inner: Any, spent: list[float] | None = None) -> None:
        self._inner, self.spent = inner, [] if spent is None else spent

    def __getattr__(self, name: str) -> Any:
        """Everything else is the gateway's."""
        return getattr(self._inner, name)

    def confirmed(self, token: str) -> Timed:
        """As the gateway's: the pages may be asked for over a copy of it."""
        return Timed(self._inner.confirmed(token), self.spent)

    def transactions(self, *args: Any, **kwargs: Any) -> Any:
        """One page."""
        started = time.perf_counter()
        try:
            return self._inner.transactions(*args, **kwargs)
        finally:
            self.spent.append(time.perf_counter() - started)


def bare_fetch(site: Site, place: Place, rows: int) -> float:
    """Seconds to ask for each page and decode it."""
    with place.story.ports.database.read() as session:
        account = session.execute(
            text("SELECT a.qonto_id FROM bank_account a JOIN bank_transaction t ON t.bank_account_id = a.id LIMIT 1")
        ).scalar_one()
    headers = {"Authorization": f"Bearer {site.bank.token()}"}
    count, page, started = 0, 0, time.perf_counter()
    with new_client(Transport(), base_url=site.bank.url, headers=headers, timeout=httpx2.Timeout(60)) as api:
        while count < rows:
            page += 1
            count += len(api.get("/v2/transactions", params={"bank_account_id": account, "page": page}).json()["transactions"])
    return time.perf_counter() - started


def bare_upsert(database: Database) -> float:
    """Seconds to write all transactions that are here once more into the emptied table, as the driver takes them."""
    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT * FROM bank_transaction ORDER BY id")
        names, rows = list(found.keys()), [tuple(row) for row in found]
    _empty(database)
    mark = "?" if database.is_sqlite else "%s"
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in {*KEY, "id"})
    upsert = (
        f"INSERT INTO bank_transaction ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}) "  # noqa: S608 -- names of our columns
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {changed}"
    )
    started = time.perf_counter()
    for start in range(0, len(rows), AT_ONCE):
        with database.engine.begin() as connection:
            connection.exec_driver_sql(upsert, rows[start : start + AT_ONCE])
    seconds = time.perf_counter() - started
    with database.engine.connect() as connection:
        expect(_count(connection), len(rows))
    return seconds


def _empty(database: Database) -> None:
    with database.engine.begin() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("DELETE FROM bank_transaction")
        else:
            connection.exec_driver_sql("TRUNCATE bank_transaction CASCADE")


def _count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM bank_transaction")).scalar_one())


def measure_bank(site: Site, report: Report, kind: str, rows: int) -> None:
    """The first import, then the bare upsert of what it brought."""
    with site.place(kind) as place:
        story = place.story
        expect(story.connect("bank", organization=site.bank.organization_id).ending, "connected")
        timed = Timed(story.ports.qonto)
        ports: Ports = replace(story.ports, qonto=timed)
        started = time.perf_counter()
        outcome = execute_run(ports, story.newest("bank").id)
        seconds = time.perf_counter() - started
        expect((outcome, story.newest("bank").new), ("done", rows))
        fetch, bare = bare_fetch(site, place, rows), bare_upsert(ports.database)
        ratio = seconds / bare
        spent = sum(timed.spent)
        figures = {"fetch_s": round(spent, 2), "write_s": round(seconds - spent, 2)}
        bares = {"bare_fetch_s": round(fetch, 2), "bare_upsert_s": round(bare, 2)}
        report.add(
            "first import over the bank", kind, goal=f"≤ {MOST_TIMES:g} × bare upsert", is_met=ratio <= MOST_TIMES, rows=rows,
            seconds=round(seconds, 2), **figures, **bares, ratio=round(ratio, 2),
        )  # fmt: skip


# --- from files ----------------------------------------------------------------------------------------------------


def write_csv(path: Path, rows: int) -> None:
    """A German bank's export."""
    rng, first = random.Random(2), date.today() - timedelta(days=700)
    with path.open("w") as file:
        file.write("Buchungstag;Betrag;Empfänger;Verwendungszweck\n")
        for number in range(rows):
            day = first + timedelta(days=number * 690 // rows)
            cents = rng.randint(1, 10**6)
            file.write(
                f"{day:%d.%m.%Y};-{cents // 100},{cents % 100:02};Lieferant {rng.randrange(500)} GmbH;Rechnung RE-{number:07}\n"
            )


def in_child(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """One step in a fresh process."""
    command = python("-m", "bench.transactions_child", *arguments)
    ended = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603 -- our own module
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def peaks(report: Report, kind: str, rows: int) -> dict[str, float]:
    """Step → peak in MiB for a file of so many rows, on a new installation."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, databases.fresh(kind, Path(name)) as url:
        folder = Path(name)
        house = House(folder, environment_for(folder, free_port(), free_port(), is_alone=True), lambda _line: None)
        told = {**house.environment, "DATABASE_URL": url}
        settings = Settings.from_env(told)
        ports = build_ports(settings)
        with acting(Origin("system:bench"), key=settings.secret_key), ports.database.write() as session:
            now = ports.clock.now()
            client = factories.client(session, "10042", "Mandant 10042 GmbH", now=now, years=(now.year, now.year - 1))
            owner = factories.user(session, "owner@10042.example", "Jonas Brandt", factories.Role.CLIENT, now=now)
            factories.member(session, owner, client, "client")
            account = factories.bank_account(session, client, factories.connection(session, client, "bank", now=now), now=now)
        write_csv(folder / "umsatz.csv", rows)
        environment = {**told, "BENCH_USER": owner.id}
        brought = in_child(environment, "bring", account.id, str(folder / "umsatz.csv"))
        steps = {"bring": brought} | {step: in_child(environment, step, brought["told"]) for step in ("preview", "import")}
        expect([steps["preview"]["told"], steps["import"]["told"]], [rows, rows])
        ports.qonto.close()
        ports.database.engine.dispose()
    for step, cost in steps.items():
        figures = {name: round(cost[name], 1) for name in ("start_mib", "peak_mib")}
        report.add(f"{step} of a file", kind, rows=rows, **figures, seconds=round(cost["wall"], 2))
    return {step: cost["peak_mib"] for step, cost in steps.items()}


def measure_file(report: Report, kind: str, rows: int) -> None:
    """Peaks for a tenth of the rows, and for all."""
    few, many = peaks(report, kind, rows // 10), peaks(report, kind, rows)
    for step in few:
        growth = many[step] / few[step]
        goal = f"growth ≤ {MOST_GROWTH}"
        report.add(f"{step}, {rows // 10} → {rows} rows", kind, goal=goal, is_met=growth <= MOST_GROWTH, growth=round(growth, 3))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements. 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="./dev bench transactions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="of the bank (100000)")
    parser.add_argument("--lines", type=int, default=200_000, help="of the larger file (200000)")
    parser.add_argument("--database", choices=[*databases.KINDS, "both"], default="both")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    chosen = parser.parse_args(arguments)
    kinds = databases.KINDS if chosen.database == "both" else (chosen.database,)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    report = Report()
    with ExitStack() as stack:
        if "postgresql" in kinds and "TEST_POSTGRES_URL" not in os.environ:
            os.environ["TEST_POSTGRES_URL"] = stack.enter_context(servers.postgres())
            stack.callback(os.environ.pop, "TEST_POSTGRES_URL")
        if "bank" in chosen.only:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX))
            site = stack.enter_context(bank_with(chosen.rows, Path(folder)))
            for kind in kinds:
                measure_bank(site, report, kind, chosen.rows)
        for kind in kinds if "file" in chosen.only else ():
            measure_file(report, kind, chosen.lines)
    report.print_table()
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
