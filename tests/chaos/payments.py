"""Payments under attack, and each is executed at most once: `./dev chaos payments`.

A client orders hundreds of payments, one by one and in bulks, at a bank on a real socket. A worker process brings them forward; at
seeded points it gets a SIGKILL and another one takes over, or the bank drops its answer, refuses with 5xx, does not answer in time,
or both clocks jump ahead by up to two hours, or ours alone goes wrong by up to an hour, back or forth. The client says yes on his
phone, now and then no.

Prints one JSON line per database: exit code 0 when the bank executed each payment at most once, every payment that we call executed
was, every other was not, and none is left in the air.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, select

from jobs.runs import execute_run
from portal import build_ports
from portal.domain.payments import life
from portal.models import AuditEvent, Payment, PaymentBatch
from portal.ports import Ports
from portal.services import auditing, running
from portal.services.auditing import Origin, acting
from portal.services.payments import paying, preparing
from portal.settings import Settings, Timing
from tests import payers
from tests.bank_process import BankProcess, installation
from tests.chaos import databases
from tests.payers import Payer, bill
from tests.story import Story

QUICK = Timing(
    lease=3.0, lease_renewal=0.75, tick=0.25, retry_steps=(15.0, 45.0, 180.0, 720.0), call_retries=(0.05, 0.1, 0.2), read_timeout=1.0,
    connect_timeout=2.0, call_deadline=4.0, token_timeout=2.0,
)  # fmt: skip
ORDERS = {"method": "POST", "path": "/v2/sepa/*transfers"}
STRIKES = ("kill", "kill", "kill", "drop_after_create", "pay_5xx", "hang", "jump", "skew")
AT_ONCE = 12  #: batches on their way at the same time
WRONG_BY = 3600.0  #: seconds
REFUSES = 0.03  #: how often the client says no
STUCK_AFTER = 600  #: rounds without any change
FAULTS = ("twice", "executed_but_not_told", "told_but_not_executed", "left_open", "bodies", "chain")


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    points: int = 200
    single: int = 300
    bulks: int = 20
    seed: int = 1


@dataclass
class Attack:
    """One installation, its client and what happens to them."""

    payer: Payer
    plan: Plan
    settings: Settings
    worker: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    reconnected: int = 0
    skew: float = 0.0  #: seconds that our clock is ahead of the bank's

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed)

    @property
    def ports(self) -> Ports:
        return self.payer.story.ports

    # --- the client ------------------------------------------------------------------------------------------------

    def prepare(self) -> list[str]:
        """Every order, in a random succession; no two payments are alike."""
        orders = [[bill(1000 + n, payers.iban(10_000 + n), f"E {n}")] for n in range(self.plan.single)]
        orders += [
            [bill(50_000 + bulk * 10 + n, payers.iban(20_000 + bulk * 10 + n), f"S {bulk} {n}") for n in range(10)]
            for bulk in range(self.plan.bulks)
        ]
        self.rng.shuffle(orders)
        return [self.payer.prepare(*wanted).id for wanted in orders]

    def approve(self, batch_id: str) -> None:
        """As a person does; a check that is too old is made again first."""
        if not paying.is_checked(self.payer.batch(batch_id), now=self.ports.clock.now()):
            preparing.check_again(self.ports, self.payer.actor, batch_id)
        self.payer.approve(self.payer.batch(batch_id))

    def reconnect(self) -> None:
        """A worker that is killed while it renews the token, and two hours later: the consent has ended, as the bank sees it."""
        if self.payer.story.connection("payments").state != "active":
            self.payer.story.connect("payments")
            self.reconnected += 1

    def answer_phone(self) -> None:
        """Most of the time yes; sometimes the phone stays in the bag for a while."""
        for one in self.payer.bank.ask("sca")["sessions"]:
            if one["result"] == "waiting" and self.rng.random() < 0.8:
                decision = "deny" if self.rng.random() < REFUSES else "allow"
                self.payer.bank.tell(f"sca/{one['sca_session_token']}", decision=decision)

    # --- the machine -----------------------------------------------------------------------------------------------

    def work(self) -> None:
        """A worker process of its own, until it is killed."""
        self.worker = os.fork()
        if self.worker == 0:
            try:
                self.ports.database.forget_connections()
                _work(build_ports(self.settings))
            finally:
                os._exit(1)

    def kill(self) -> None:
        """Without a warning, wherever it stands."""
        os.kill(self.worker, signal.SIGKILL)
        os.waitpid(self.worker, 0)

    def pass_time(self, seconds: float) -> None:
        """Here first: who is late must notice it before the bank forgets his key."""
        self.shift(seconds)
        self.payer.bank.tell("clock", advance_seconds=seconds)

    def shift(self, seconds: float) -> None:
        """Our clock alone."""
        path = self.settings.clock_offset_file
        assert path is not None
        offset = float(path.read_text() or 0) + seconds
        fresh = path.with_suffix(".new")
        fresh.write_text(str(offset))
        fresh.replace(path)

    def strike(self) -> None:
        """One point."""
        what = self.rng.choice(STRIKES)
        self.struck[what] += 1
        if what == "kill":
            time.sleep(self.rng.uniform(0, 0.06))
            self.kill()
            self.work()
            self.pass_time(QUICK.lease)
        elif what == "jump":
            self.pass_time(self.rng.uniform(0, 7200))
        elif what == "skew":
            wrong = self.rng.uniform(-WRONG_BY, WRONG_BY)
            self.shift(wrong - self.skew)
            self.skew = wrong
        else:
            args = {"seconds": 1.5} if what == "hang" else {}
            self.payer.bank.fault(what, times=self.rng.randint(1, 3), match=ORDERS, **args)

    def run(self) -> dict[str, Any]:
        """All of it, to the end."""
        began, total = time.monotonic(), self.plan.single + self.plan.bulks
        waiting = self.prepare()
        prepared_s = time.monotonic() - began
        self.work()
        try:
            self.fight(waiting, total)
        finally:
            self.kill()
        return {**self.compared(), "prepared_s": round(prepared_s, 1), "seconds": round(time.monotonic() - began, 1)}

    def fight(self, waiting: list[str], total: int) -> None:
        """Approve, answer, strike, until nothing moves any more."""
        still, last = 0, None
        while waiting or (moving := self.moving()):
            moving = self.moving()
            self.reconnect()
            points = sum(self.struck.values())
            share = points / max(self.plan.points, 1)
            while waiting and moving < AT_ONCE and len(waiting) >= (1 - share) * total - AT_ONCE:
                self.approve(waiting.pop())
                moving += 1
            self.answer_phone()
            if points < self.plan.points:
                self.strike()
            elif not waiting:
                self.payer.bank.heal()
            self.pass_time(self.rng.uniform(1, 6) if still < 20 else 120)
            time.sleep(0.05)
            now = (len(waiting), moving, points)
            still, last = (still + 1, last) if now == last else (0, now)
            if still > STUCK_AFTER:
                break

    def moving(self) -> int:
        """Batches that a worker has to look after."""
        states = [state.value for state in life.MOVING]
        with self.ports.database.read() as session:
            return session.scalar(select(func.count()).where(PaymentBatch.state.in_(states))) or 0

    # --- comparing -------------------------------------------------------------------------------------------------

    def compared(self) -> dict[str, Any]:
        """Between what the bank did and what we say; every figure of `FAULTS` should be 0."""
        made = {(one["iban"], one["amount_cents"]): one for one in self.payer.bank.ask("executions")["payments"]}
        payments = self.payer.story.rows(select(Payment))
        booked = {key: one["booked"] for key, one in made.items()}
        told = {(p.iban, p.amount_cents): p.state for p in payments}
        batches = self.payer.story.rows(select(PaymentBatch))
        bodies: dict[str, set[str]] = {}
        for call in self.payer.bank.log():
            if call["method"] == "POST" and call["idempotency_key"]:
                bodies.setdefault(call["idempotency_key"], set()).add(call["body_sha256"])
        with self.ports.database.read() as session:
            unknown = session.scalar(
                select(func.count(func.distinct(AuditEvent.subject))).where(
                    AuditEvent.tag == "payment_batch.moved", AuditEvent.details["state"].as_string() == "unknown"
                )
            )
            chain = auditing.broken_links(session, key=self.settings.secret_key)
        found = {
            "twice": sum(one["created"] > 1 or one["booked"] > 1 for one in made.values()),
            "executed_but_not_told": sum(count > 0 and told.get(key) != "executed" for key, count in booked.items()),
            "told_but_not_executed": sum(state == "executed" and not booked.get(key) for key, state in told.items()),
            "left_open": sum(batch.state not in life.FINAL for batch in batches)
            + sum(p.state in {"open", "ordered"} for p in payments),
            "bodies": sum(len(one) > 1 for one in bodies.values()),
            "chain": len(chain),
        }
        return {
            "database": self.ports.database.engine.dialect.name, "seed": self.plan.seed, "points": sum(self.struck.values()),
            "struck": dict(self.struck), "payments": len(payments), "batches": len(batches),
            "states": dict(Counter(payment.state for payment in payments)),
            "reasons": dict(Counter(batch.reason for batch in batches if batch.reason)), "calls": sum(b.attempts for b in batches),
            "unknown": unknown, "reconnected": self.reconnected, **found, "ok": not any(found.values()),
        }  # fmt: skip


def _work(ports: Ports) -> None:
    """What ticker and worker do, as fast as they can."""
    while True:
        with ports.database.read() as session:
            due = [run.id for run in running.startable(session, now=ports.clock.now()) if run.kind == "payments"]
        for run_id in due:
            execute_run(ports, run_id)
        time.sleep(0.02)


def live(url: str, folder: Path, plan: Plan) -> dict[str, Any]:
    """Over a migrated, empty database. Returns what is printed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    (folder / "offset").write_text("0")
    with installation(folder, DATABASE_URL=url, CLOCK_OFFSET_FILE=str(folder / "offset"), REDIS_URL="") as (house, bank):
        given = {**house.environment, "CLOCK_OFFSET_FILE": str(folder / "offset")}
        settings = replace(Settings.from_env(given), timing=QUICK, request_rate=5000.0, request_burst=50_000.0, redis_url="")
        ports = build_ports(settings)
        with acting(Origin("system:chaos"), key=settings.secret_key):
            payer = _client(ports, bank)
            try:
                return Attack(payer, plan, settings).run()
            finally:
                ports.qonto.close()
                ports.database.engine.dispose()


def _client(ports: Ports, bank: BankProcess) -> Payer:
    """Whose payments these are; he has as much money as he needs."""
    story = Story.begin(ports, bank, ports.clock)  # type: ignore[arg-type]
    organization = bank.organizations()[0]["id"]
    bank.tell(
        "transactions", organization=organization, transaction={"amount_cents": 10**9, "side": "credit", "status": "completed"}
    )
    return Payer.of(story, day_limit_cents=10**12)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="./dev chaos payments", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=int, default=Plan.points)
    parser.add_argument("--single", type=int, default=Plan.single, help="orders of one payment")
    parser.add_argument("--bulks", type=int, default=Plan.bulks, help="orders of ten payments")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    databases.choose(parser)
    given = parser.parse_args()
    plan = Plan(given.points, given.single, given.bulks, given.seed)
    return databases.tell(given.database, lambda url, folder: live(url, folder.resolve(), plan))


if __name__ == "__main__":
    sys.exit(main())
