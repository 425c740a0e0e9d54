"""Measure the import beside its goals. One JSON object per line, then a table; exit code 1 when a goal is missed.

  first import       its rate is at least 0.7 of that of a bare download loop over the same invoices with as many threads,
                     the request budget lifted; a second line tells it with the budget (no goal: the bank's own limit sets it).
                     Bare loop and importer take turns; with several --rounds, medians. The importer needs more CPU: on a machine
                     that others use as well, take three rounds before believing that the goal is missed.
  nothing changed    the next run asks the bank at most 4 times and takes at most 1 s of CPU, measured in a fresh process that
                     executes it as a work horse does. (Once a week the lists are read as a whole: a second line, no goal.)
  many connections   a night in which nothing changed for 10, 100 and 1,000 connections costs a · N^k with k at most 1.05,
                     both in CPU time of the process that executes the runs and in wall time. The connections are copies of one
                     that was really imported, three documents each, which every run lists and compares.
  memory             flat: the peak (VmHWM) of a fresh process that imports 2,000 invoices is at most 1.15 times that of one that
                     imports 200. Ids of rows may pile up, rows and files may not: the files alone would fill over 100 MiB.

The bank is the simulator as a process of its own, each answer of the first part 50 ms late. Compare ratios: seconds depend on
the machine. PostgreSQL is a throw-away server without fsync. Everything takes four to five minutes on two idle cores; --only and
--database choose.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import structlog
from sqlalchemy import update

from bench import import_nights
from bench.import_site import PREFIX, Horse, Place, Site, expect
from jobs.runs import execute_run
from portal.models import Connection
from portal.qonto.transport import Transport, new_client
from portal.services.receipts.importing import DOWNLOADS
from portal.settings import Settings
from tests import servers
from tests.bank_process import BankProcess, installation
from tests.chaos import databases

PER_PAGE = 100
PARTS = ("rate", "unchanged", "nights", "memory")
FEW, MANY = 200, 2000  #: invoices of the two imports whose peaks are compared

LEAST_RATE = 0.7
MOST_REQUESTS = 4
MOST_CPU = 1.0  #: seconds
MOST_EXPONENT = 1.05
MOST_GROWTH = 1.15


@dataclass
class Report:
    """What was measured, printed as it comes."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def add(self, name: str, *, database: str = "", goals: Mapping[str, bool] | None = None, **figures: Any) -> None:
        """One line. `goals`: in words → whether it is met."""
        goals = goals or {}
        row = {"name": name, "database": database, **figures}
        if goals:
            row |= {"goal": ", ".join(goals), "ok": all(goals.values())}
        self.missed += [f"{name} ({database}): {goal}" for goal, is_met in goals.items() if not is_met]
        self.rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)

    def print_table(self) -> None:
        """All lines, then the missed goals."""
        print()
        for row in self.rows:
            figures = "  ".join(f"{name} {row[name]}" for name in row if name not in {"name", "database", "goal", "ok", "calls"})
            verdict = f"{'met' if row['ok'] else 'MISSED'}: {row['goal']}" if "ok" in row else ""
            print(f"{row['name']:<34}{row['database']:<12}{figures:<64}{verdict}".rstrip())
        for missed in self.missed:
            print(f"Missed: {missed}")


# --- first import ------------------------------------------------------------------------------------------------


def bare(site: Site, invoices: int) -> float:
    """Seconds to list every page, ask for each file's address and download it. Nothing is looked at or kept."""
    timing = Settings.from_env(site.environment).timing
    timeout = httpx2.Timeout(timing.read_timeout, connect=timing.connect_timeout)
    headers = {"Authorization": f"Bearer {site.bank.token()}"}
    api = new_client(Transport(), base_url=site.bank.url, headers=headers, timeout=timeout)
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
    expect(len(sizes), invoices)
    return seconds


def first_import(place: Place, invoices: int) -> float:
    """Seconds of it, in this process."""
    story = place.story
    run = story.newest("documents")
    started = time.perf_counter()
    outcome = execute_run(story.ports, run.id)
    seconds = time.perf_counter() - started
    expect((outcome, story.run(run.id).new), ("done", invoices))
    return seconds


def measure_rate(shelf: Shelf, report: Report, chosen: argparse.Namespace) -> None:
    """First imports in turn with the bare loop."""
    site, invoices, kinds = shelf.site, shelf.held, chosen.kinds
    usual: dict[str, list[float]] = {kind: [] for kind in kinds}
    ours: dict[str, list[float]] = {kind: [] for kind in kinds}
    with late(site.bank, chosen.latency):
        for _ in range(chosen.rounds):
            for kind in kinds:
                usual[kind].append(bare(site, invoices))
                with site.place(kind) as place:
                    ours[kind].append(first_import(place, invoices))
        for kind in kinds:
            seconds, standard = statistics.median(ours[kind]), statistics.median(usual[kind])
            goals = {f"rate ≥ {LEAST_RATE}": standard / seconds >= LEAST_RATE}
            figures: dict[str, Any] = {"seconds": round(seconds, 2), "rate": round(standard / seconds, 2)}
            report.add(f"bare download beside {kind}", seconds=round(standard, 2), invoices=invoices, latency_ms=chosen.latency)
            report.add("first import, no budget", database=kind, goals=goals, **figures)
        for kind in kinds:
            with site.place(kind, is_limited=True) as place:
                seconds = first_import(place, invoices)
            report.add(
                "first import, with budget",
                database=kind,
                seconds=round(seconds, 2),
                rate=round(statistics.median(usual[kind]) / seconds, 2),
            )


@contextmanager
def late(bank: BankProcess, latency: int) -> Iterator[None]:
    """Meanwhile each answer of the bank comes so many milliseconds late."""
    bank.tell("settings", latency_ms=latency)
    try:
        yield
    finally:
        bank.tell("settings", latency_ms=0)


# --- further runs ------------------------------------------------------------------------------------------------


def measure_unchanged(site: Site, report: Report, *, kind: str, invoices: int) -> None:
    """The run after the first import, and the one that lists everything once a week."""
    with site.place(kind) as place:
        first_import(place, invoices)
        horse, calls = _next_run(place, site.bank)
        goals = {
            f"requests ≤ {MOST_REQUESTS}": len(calls) <= MOST_REQUESTS,
            f"CPU ≤ {MOST_CPU:g} s": horse.cpu <= MOST_CPU,
        }
        figures: dict[str, Any] = {
            "invoices": invoices,
            "requests": len(calls),
            "cpu_s": round(horse.cpu, 3),
            "seconds": round(horse.wall, 2),
        }
        report.add("next run, nothing changed", database=kind, goals=goals, **figures, calls=calls)
        with place.story.ports.database.write() as session:
            session.execute(update(Connection).values(listed_fully_at=None))
        horse, calls = _next_run(place, site.bank)
        figures |= {"requests": len(calls), "cpu_s": round(horse.cpu, 3), "seconds": round(horse.wall, 2)}
        report.add("weekly run, nothing changed", database=kind, **figures)


def _next_run(place: Place, bank: BankProcess) -> tuple[Horse, list[str]]:
    run, horses = place.story.ask("documents"), list[Horse]()
    calls = bank.calls_of(lambda: horses.append(place.in_horse(run.id)))
    ended = place.story.run(run.id)
    expect((horses[0].outcome, ended.state, ended.new, ended.updated), ("done", "done", 0, 0))
    return horses[0], [f"{call['method']} {call['path']}" for call in calls]


def measure_nights(site: Site, report: Report, *, kind: str, organization: str) -> None:
    """What many unchanged connections cost."""
    costs = import_nights.measure(site, kind, organization)
    for cost in costs:
        each: dict[str, Any] = {
            "cpu_ms_each": round(cost.cpu / cost.connections * 1000, 1),
            "ms_each": round(cost.wall / cost.connections * 1000, 1),
        }
        report.add(
            f"night of {cost.connections} connections",
            database=kind,
            cpu_s=round(cost.cpu, 2),
            seconds=round(cost.wall, 2),
            **each,
        )
    cpu = import_nights.exponent([(cost.connections, cost.cpu) for cost in costs])
    wall = import_nights.exponent([(cost.connections, cost.wall) for cost in costs])
    goals = {f"CPU exponent ≤ {MOST_EXPONENT}": cpu <= MOST_EXPONENT, f"wall exponent ≤ {MOST_EXPONENT}": wall <= MOST_EXPONENT}
    report.add("nights, growth", database=kind, goals=goals, cpu_exponent=round(cpu, 3), wall_exponent=round(wall, 3))


# --- memory ------------------------------------------------------------------------------------------------------


def peak(site: Site, report: Report, *, kind: str, invoices: int) -> float:
    """MiB that a fresh process needed at most for a first import."""
    with site.place(kind) as place:
        run = place.story.newest("documents")
        horse = place.in_horse(run.id)
        expect((horse.outcome, place.story.run(run.id).new), ("done", invoices))
    figures: dict[str, Any] = {
        "peak_mib": round(horse.peak_mib, 1),
        "start_mib": round(horse.start_mib, 1),
        "seconds": round(horse.wall, 2),
    }
    report.add(f"memory, {invoices} invoices", database=kind, **figures)
    return horse.peak_mib


@dataclass
class Shelf:
    """The bank with its one list of invoices, which grows from part to part."""

    site: Site
    held: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def hold(self, invoices: int) -> None:
        """Have at least so many paid ones."""
        if invoices > self.held:
            self.site.bank.fill(invoices - self.held, rng=self.rng, now=datetime.now(UTC), days=200)
            self.held = invoices


def measure_memory(shelf: Shelf, report: Report, kinds: Sequence[str]) -> Iterator[None]:
    """Peaks of a small import, then (the other parts come between: the list only grows) of a large one."""
    shelf.hold(FEW)
    few = {kind: peak(shelf.site, report, kind=kind, invoices=shelf.held) for kind in kinds}
    yield
    shelf.hold(MANY)
    for kind in kinds:
        growth = peak(shelf.site, report, kind=kind, invoices=shelf.held) / few[kind]
        goals = {f"growth ≤ {MOST_GROWTH}": growth <= MOST_GROWTH}
        report.add(f"memory, {FEW} → {shelf.held} invoices", database=kind, goals=goals, growth=round(growth, 3))


def measure(site: Site, report: Report, chosen: argparse.Namespace) -> None:
    """The chosen parts."""
    shelf = Shelf(site)
    memory = measure_memory(shelf, report, chosen.kinds) if "memory" in chosen.only else iter([None])
    next(memory)
    if "unchanged" in chosen.only:
        shelf.hold(FEW)
        for kind in chosen.kinds:
            measure_unchanged(site, report, kind=kind, invoices=shelf.held)
    if "rate" in chosen.only:
        shelf.hold(chosen.invoices)
        measure_rate(shelf, report, chosen)
    next(memory, None)
    if "nights" in chosen.only:
        organization = import_nights.prepare(site.bank)
        for kind in chosen.kinds:
            measure_nights(site, report, kind=kind, organization=organization)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements. 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="./dev bench import", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--invoices", type=int, default=1000, help="of the first import (1000)")
    parser.add_argument("--latency", type=int, default=50, help="milliseconds of each answer during the first imports (50)")
    parser.add_argument("--rounds", type=int, default=1, help="of bare loop and first import (1)")
    parser.add_argument("--database", choices=[*databases.KINDS, "both"], default="both")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    chosen = parser.parse_args(arguments)
    if "memory" in chosen.only and not FEW <= chosen.invoices <= MANY:
        parser.error(f"with the memory part, --invoices is between {FEW} and {MANY}")
    chosen.kinds = databases.KINDS if chosen.database == "both" else (chosen.database,)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    report = Report()
    with (
        one_server(chosen.database),
        tempfile.TemporaryDirectory(prefix=PREFIX) as folder,
        installation(Path(folder)) as (house, bank),
    ):
        measure(Site(bank, dict(house.environment)), report, chosen)
    report.print_table()
    return 1 if report.missed else 0


@contextmanager
def one_server(database: str) -> Iterator[None]:
    """All installations on PostgreSQL share a server: to start one for each would take longer than to measure."""
    if database == "sqlite":
        yield
        return
    with servers.postgres() as url:
        before, os.environ["TEST_POSTGRES_URL"] = os.environ.get("TEST_POSTGRES_URL"), url
        try:
            yield
        finally:
            if before is None:
                del os.environ["TEST_POSTGRES_URL"]


if __name__ == "__main__":
    sys.exit(main())
