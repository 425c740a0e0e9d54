"""Measure the import: its time beside a bare download of the same invoices with the same threads, and what a further run asks.

`./dev bench import` prints one JSON object per line, then a table. The bank is the simulator as a process of its own, each of its
answers 50 ms late. The importer runs as in a worker, each time into a fresh installation; bare download and import take turns, so
that a busy machine slows both, and their medians are compared. Compare ratios: seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import structlog

from jobs.runs import execute_run
from portal import build_ports
from portal.qonto.transport import Transport, new_client
from portal.services.auditing import Origin, acting
from portal.services.importing import DOWNLOADS
from portal.settings import Settings
from tests.bank_process import BankProcess, installation
from tests.chaos import databases
from tests.story import Story

PER_PAGE = 100
PREFIX = "belegfluss-bench-"


@dataclass(frozen=True)
class Bench:
    """A bank and what comes new with each measurement."""

    bank: BankProcess
    settings: Settings
    database: str
    invoices: int

    def bare(self) -> float:
        """Seconds to list every page, ask for each file's address and download it. Nothing is looked at or kept."""
        timing = self.settings.timing
        timeout = httpx2.Timeout(timing.read_timeout, connect=timing.connect_timeout)
        headers = {"Authorization": f"Bearer {self.bank.token()}"}
        api = new_client(Transport(), base_url=self.bank.url, headers=headers, timeout=timeout)
        files = new_client(Transport(), timeout=timeout)

        def download(attachment_id: str) -> int:
            attachment = api.get(f"/v2/attachments/{attachment_id}").json()["attachment"]
            return len(files.get(attachment["url"]).content)

        started = time.perf_counter()
        with api, files, ThreadPoolExecutor(DOWNLOADS) as pool:
            downloads, page, is_last = [], 0, False
            while not is_last:
                page += 1
                answer = api.get("/v2/supplier_invoices", params={"page": page, "per_page": PER_PAGE})
                rows = answer.json()["supplier_invoices"]
                downloads += [pool.submit(download, row["attachment_id"]) for row in rows if row["status"] == "paid"]
                is_last = len(rows) < PER_PAGE
            sizes = [download.result() for download in downloads]
        seconds = time.perf_counter() - started
        self._expect(len(sizes), self.invoices)
        return seconds

    def importer(self, *, rate: float) -> tuple[float, list[str]]:
        """Seconds of the first import of a new installation, and the calls of the run after it. `rate` 0 lifts the budget."""
        with self._story(rate) as story:
            run = story.newest("documents")
            started = time.perf_counter()
            outcome = execute_run(story.ports, run.id)
            seconds = time.perf_counter() - started
            self._expect((outcome, story.run(run.id).new), ("done", self.invoices))
            next_run = story.ask("documents")
            calls = self.bank.calls_of(lambda: execute_run(story.ports, next_run.id))
            again = story.run(next_run.id)
            self._expect((again.state, again.new, again.updated), ("done", 0, 0))
        return seconds, [f"{call['method']} {call['path']}" for call in calls]

    @contextmanager
    def _story(self, rate: float) -> Iterator[Story]:
        """A client of a new installation who has just connected."""
        with (
            tempfile.TemporaryDirectory(prefix="belegfluss-bench-") as folder,
            databases.fresh(self.database, Path(folder)) as url,
        ):
            ports = build_ports(
                replace(
                    self.settings, data_dir=Path(folder), database_url=url, documents_url=f"file://{folder}/documents",
                    request_rate=rate,
                )
            )  # fmt: skip
            with acting(Origin("system:bench"), key=self.settings.secret_key):
                story = Story.begin(ports, self.bank, ports.clock)
                self._expect(story.connect("documents", organization=self.bank.organization_id).ending, "connected")
                yield story
            ports.qonto.close()
            ports.database.engine.dispose()

    @staticmethod
    def _expect(found: object, wanted: object) -> None:
        if found != wanted:
            raise RuntimeError(f"measured something else: {found} instead of {wanted}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="./dev bench import", description=__doc__)
    parser.add_argument("--invoices", type=int, default=1000)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=databases.KINDS, default="sqlite")
    chosen = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rows: list[Mapping[str, object]] = []
    common = {"database": chosen.database, "invoices": chosen.invoices, "latency_ms": chosen.latency}

    def report(name: str, **row: object) -> None:
        rows.append({"name": name, **row})
        print(json.dumps({**common, **rows[-1]}), flush=True)

    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, installation(Path(folder)) as (house, bank):
        bank.fill(chosen.invoices, rng=random.Random(1), now=datetime.now(UTC), days=200)
        bank.tell("settings", latency_ms=chosen.latency)
        bench = Bench(bank, Settings.from_env(house.environment), chosen.database, chosen.invoices)
        bare, imported = [], []
        for number in range(1, chosen.rounds + 1):
            bare.append(bench.bare())
            report(f"bare download, round {number}", seconds=round(bare[-1], 2))
            seconds, calls = bench.importer(rate=0)
            imported.append(seconds)
            report(f"importer, no budget, round {number}", seconds=round(seconds, 2), ratio=round(seconds / bare[-1], 2))
        usual, ours = statistics.median(bare), statistics.median(imported)
        report("bare download", seconds=round(usual, 2), ratio=1.0)
        report("importer, no budget", seconds=round(ours, 2), ratio=round(ours / usual, 2))
        report("next run, nothing changed", requests=len(calls), calls=calls)
        seconds, _ = bench.importer(rate=bench.settings.request_rate)
        report("importer, with budget", seconds=round(seconds, 2), ratio=round(seconds / usual, 2))
    _print_table(rows)
    return 0


def _print_table(rows: Sequence[Mapping[str, object]]) -> None:
    print()
    print(f"{'':34}{'seconds':>10}{'ratio':>8}{'requests':>10}")
    for row in rows:
        print(f"{row['name']!s:34}{row.get('seconds', '')!s:>10}{row.get('ratio', '')!s:>8}{row.get('requests', '')!s:>10}")


if __name__ == "__main__":
    sys.exit(main())
