"""Workers are killed while they import, and nothing is lost or doubled: `python -m tests.chaos.kill`.

A bank on a real socket holds invoices with files; two worker processes and a ticker import them; we are their supervisor and start
again what dies. At seeded points, told by the bank's call log and the database and not by a clock, whoever executes the run gets a
SIGKILL: its work horse, its worker (the horse then goes on alone; a plain supervisor does not see it), or both. When an import ends
before all points were struck, the bank has as many new invoices and the next one is asked for.

Prints one JSON line per point and one per database: exit code 0 when every invoice is one receipt with its bytes, each run that lost
its process was taken over in time, and one more run changes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rq import Queue, Worker
from sqlalchemy import func, select

from portal import build_ports, keeper
from portal.errors import StorageError
from portal.launcher import House, Part, python, start_redis
from portal.models import AuditEvent, Document, Receipt, Run, SkippedInvoice
from portal.queue import IMPORTS
from portal.services.auditing import Origin, acting
from portal.settings import Settings
from tests.bank_process import SKIPPED_EVERY, BankProcess, installation
from tests.chaos import databases
from tests.story import Story

SCALE = 20  #: all waits, and what may be asked of the bank in a second
LATENCY_MS = 50
LONGEST_RESUMPTION = 120.0  #: seconds, whatever the waits are (reliability.md C06)
STUCK_AFTER = 300.0
FAULTS = (
    "lost", "doubled", "doubled_documents", "unexpected", "wrong_events", "wrong_skips", "left_running", "books",
    "changed_by_one_more_run", "failed_attempts",
)  # fmt: skip
VICTIMS = ("horse", "worker", "both")


class Supervisor(House):
    """Starts again what died and looks at nothing else: unlike the launcher's, a dead worker's horse goes on (rq.md, fact 3)."""

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        """Its session stays ours until the end."""


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    points: int
    invoices: int
    seed: int
    is_scaled: bool = True


@dataclass(frozen=True)
class Look:
    """What the run's row and the books say at a moment."""

    state: str
    lease: str | None
    progress: tuple[Any, ...]
    receipts: int


@dataclass
class Chaos:
    """One installation under attack."""

    house: Supervisor
    bank: BankProcess
    story: Story
    workers: list[Part]
    plan: Plan
    tell: Callable[[dict[str, Any]], None]
    expected: dict[str, str] = field(default_factory=dict)  #: invoice → SHA-256 of its file
    points: list[dict[str, Any]] = field(default_factory=list)
    imports: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed)
        self.calls: Counter[str] = Counter()
        self._next_call = 1
        self._sessions: set[int] = set()  #: of every worker that ever was

    @property
    def limit(self) -> float:
        """Seconds within which a lost run must be executed again."""
        timing = self.story.ports.settings.timing
        return min(2 * (timing.lease + timing.tick), LONGEST_RESUMPTION)

    def fill(self, *, days: int) -> None:
        """New invoices at the bank."""
        self.expected |= self.bank.fill(self.plan.invoices, rng=self.rng, now=datetime.now(UTC), days=days)
        self.imports += 1

    def run(self) -> dict[str, Any]:
        """Strike every point, let the last import end, ask for one more, compare."""
        started = time.monotonic()
        while len(self.points) < self.plan.points:
            if self._until(lambda look: look.state in {"done", "leased"}).state == "done":
                self.fill(days=0)
                self.story.ask("documents")
            elif point := self._strike():
                self.points.append(point)
                self.tell(point)
            self.pause()
        self._until(lambda look: look.state == "done")
        return {**self._compared(), "seconds": round(time.monotonic() - started, 1)}

    # --- looking -----------------------------------------------------------------------------------------------

    def look(self) -> Look:
        """At the newest run of the connection."""
        run = self.story.newest("documents")
        with self.story.ports.database.read() as session:
            receipts = session.scalar(select(func.count()).select_from(Receipt)) or 0
        return Look(run.state, run.lease_token, (run.id, run.state, run.lease_token, run.seen, str(run.cursor)), receipts)

    def pause(self) -> None:
        """Between two looks the supervisor does its work."""
        self.house.tend()
        self._sessions |= {part.process.pid for part in self.workers if part.process}
        time.sleep(0.02)

    def _until(self, is_so: Callable[[Look], bool]) -> Look:
        end, last = time.monotonic() + STUCK_AFTER, None
        while not is_so(look := self.look()):
            if look != last:
                end, last = time.monotonic() + STUCK_AFTER, look
            if time.monotonic() > end:
                raise RuntimeError(f"nothing happens any more: {look}")
            self.pause()
        return look

    def _count(self, measure: str) -> int:
        if measure == "receipts":
            return self.look().receipts
        heard = self.bank.ask(f"log?since={self._next_call}")
        self._next_call = heard["next"]
        self.calls["calls"] += len(heard["entries"])
        self.calls["files"] += sum(entry["path"].startswith("/files/") for entry in heard["entries"])
        return self.calls[measure]

    def _horses(self) -> dict[int, int]:
        """Who executes something: process → the session of its worker, which may be dead."""
        return {pid: os.getsid(pid) for pid in keeper.members(self._sessions) if pid not in self._sessions}

    def is_listened_to(self) -> bool:
        """Whether every worker has started."""
        queue = Queue(IMPORTS, connection=self.story.ports.queue.redis)
        return {part.process.pid for part in self.workers if part.process} <= {worker.pid for worker in Worker.all(queue=queue)}

    # --- striking ----------------------------------------------------------------------------------------------

    def _strike(self) -> dict[str, Any] | None:
        """Wait for the next point and kill; None when the run ended first."""
        victim = self.rng.choice(VICTIMS)
        if (moment := self.moment()) is None:
            return None
        before, horse, worker, after_what = moment
        pids = {"horse": [horse], "worker": [worker], "both": self.rng.sample([horse, worker], 2)}[victim]
        if worker not in keeper.members({worker}):  # killed by an earlier point; its horse is alone
            victim, pids = "horse", [horse]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        struck_at = time.monotonic()
        if self.look().lease != before.lease:  # it ended in this very moment
            return None
        if victim == "worker":
            after = self._until(lambda look: look.progress != before.progress)
        else:
            after = self._until(lambda look: look.lease != before.lease)
        seconds = time.monotonic() - struck_at
        return {
            "point": len(self.points) + 1, "killed": victim, "after": after_what, "receipts": before.receipts,
            "went_on_by": "its horse" if after.lease == before.lease else "a new lease" if after.lease else "its end",
            "resumed_s": round(seconds, 2), "in_time": seconds <= self.limit,
        }  # fmt: skip

    def moment(self) -> tuple[Look, int, int, str] | None:
        """Wait for a seeded moment of the run: what it is then, its horse, the horse's worker, and when that is.

        Both workers listen then: how long a program takes to start is not among the waits that are scaled. None: it ended first.
        """
        measure = self.rng.choice(("calls", "files", "receipts"))
        amount = self.rng.randint(1, max(self.plan.invoices // 4, 2))
        goal = self._count(measure) + amount
        while self._count(measure) < goal or not self.is_listened_to():
            if self.look().state != "leased":
                return None
            self.pause()
        before, horses = self.look(), self._horses()
        if before.state != "leased" or len(horses) != 1:
            return None
        ((horse, worker),) = horses.items()
        return before, horse, worker, f"{amount} {measure}"

    # --- comparing ---------------------------------------------------------------------------------------------

    def _compared(self) -> dict[str, Any]:
        runs = self.story.rows(select(Run).where(Run.kind == "documents").order_by(Run.id))
        before = self._inventory()
        one_more = self.story.ask("documents")
        self._until(lambda look: look.state == "done")
        again = self.story.run(one_more.id)
        changes = again.new + again.updated + again.failed + (self._inventory() != before)
        waits = sorted(point["resumed_s"] for point in self.points)
        found = {**self._differences(), "changed_by_one_more_run": changes, "failed_attempts": sum(run.failures for run in runs)}
        return {
            "database": self.story.ports.database.engine.dialect.name, "seed": self.plan.seed, "points": len(self.points),
            "killed": dict(Counter(point["killed"] for point in self.points)), "imports": self.imports,
            "invoices": len(self.expected), "takeovers": sum(run.recoveries for run in runs), **found,
            "resumed_median_s": waits[len(waits) // 2], "resumed_max_s": waits[-1], "limit_s": round(self.limit, 2),
            "late": sum(not point["in_time"] for point in self.points),
            "ok": not any(found[name] for name in FAULTS) and all(point["in_time"] for point in self.points),
        }  # fmt: skip

    def _differences(self) -> dict[str, Any]:
        """Between what the bank has and what is in the books; every figure should be 0."""
        receipts = {receipt.id: receipt.qonto_id for receipt in self.story.rows(select(Receipt))}
        documents = self.story.rows(select(Document))
        held = Counter((receipts[document.receipt_id], document.sha256) for document in documents)
        try:
            self.story.check_books()  # one state each, numbered without gaps, every document's bytes there, chain whole
        except (AssertionError, StorageError) as error:
            books = repr(error)
        else:
            books = 0
        return {
            "lost": len(self.expected.items() - held.keys()), "doubled": len(receipts) - len(set(receipts.values())),
            "doubled_documents": len(documents) - len(held), "unexpected": len(held.keys() - self.expected.items()),
            "wrong_events": abs(self._events("receipt.imported") - len(receipts))
            + abs(self._events("document.stored") - len(documents)),
            "wrong_skips": abs(
                len(self.story.rows(select(SkippedInvoice))) - self.imports * (self.plan.invoices // SKIPPED_EVERY)
            ),
            "left_running": len(self.story.rows(select(Run).where(Run.state == "leased"))), "books": books,
        }  # fmt: skip

    def _events(self, tag: str) -> int:
        with self.story.ports.database.read() as session:
            return session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == tag)) or 0

    def _inventory(self) -> tuple[int, ...]:
        folder = Path(self.story.ports.settings.data_dir) / "documents" / self.story.client.id
        rows = [len(self.story.rows(select(model))) for model in (Receipt, Document, SkippedInvoice)]
        return (*rows, sum(path.is_file() for path in folder.rglob("*")))


def strike(
    url: str, folder: Path, plan: Plan, tell: Callable[[dict[str, Any]], None], kind: type[Chaos] = Chaos
) -> dict[str, Any]:
    """Import into a migrated, empty database under an attack of this kind. Returns what is printed of it."""
    scaled = {"TIMING_SCALE": str(SCALE), "REQUEST_RATE": str(12 * SCALE)} if plan.is_scaled else {}
    with installation(folder, Supervisor, DATABASE_URL=url, **scaled) as (house, bank):
        start_redis(house)
        ports = build_ports(Settings.from_env(house.environment))
        with acting(Origin("system:chaos"), key=ports.settings.secret_key):
            workers = [house.start(f"worker-{number}", python("-m", "jobs.worker", "imports")) for number in (1, 2)]
            house.start("ticker", python("-m", "jobs.ticker"))
            chaos = kind(house, bank, Story.begin(ports, bank, ports.clock), workers, plan, tell)
            chaos.fill(days=200)
            while not chaos.is_listened_to():
                chaos.pause()
            bank.tell("settings", latency_ms=LATENCY_MS)
            ending = chaos.story.connect("documents", organization=bank.organization_id).ending
            if ending != "connected":
                raise RuntimeError(f"the connection could not be made: {ending}")
            try:
                return chaos.run()
            finally:
                ports.qonto.close()
                ports.queue.redis.close()
                ports.database.engine.dispose()


def command(name: str, told: str, kind: type[Chaos], *, points: int, invoices: int) -> int:
    """The command line of an attack of this kind, on every database unless told otherwise. `points`, `invoices`: its defaults."""
    parser = argparse.ArgumentParser(prog=f"./dev chaos {name}", description=told.splitlines()[0])
    parser.add_argument("--points", type=int, default=points)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--invoices", type=int, default=invoices)
    parser.add_argument("--unscaled", action="store_true", help="waits as in production, not a twentieth of them")
    databases.choose(parser)
    given = parser.parse_args()
    plan = Plan(given.points, given.invoices, given.seed, is_scaled=not given.unscaled)
    return databases.tell(given.database, lambda url, folder: strike(url, folder.resolve(), plan, _say, kind))


def _say(point: dict[str, Any]) -> None:
    """One line a point."""
    print(json.dumps(point), flush=True)


if __name__ == "__main__":
    sys.exit(command("kill", __doc__, Chaos, points=20, invoices=1000))
