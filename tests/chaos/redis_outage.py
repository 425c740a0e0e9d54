"""Redis vanishes while imports run, and none of them notices for long: `./dev chaos redis` (C04).

As in `kill`, but nobody is killed except Redis: each import meets one fault at a seeded moment, while its run is still queued or in the
middle of it. FLUSHALL empties the server; a SIGKILL ends it, and its supervisor starts it again at once or, in an outage, a minute
later. The waits of the product are scaled, the outage and RQ's own waits are not.

Prints one JSON line per fault and one per database: exit code 0 when each import is done at most a minute after the end of its fault
plus the time that an undisturbed import takes, and the books are those of `kill`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.kill import Chaos, command

FAULTS = ("flushall", "kill", "outage")
OUTAGE = 60.0  #: seconds
PATIENCE = 60.0  #: seconds from the end of a fault, beside the work itself


@dataclass
class Outages(Chaos):
    """One installation whose Redis comes and goes."""

    work: float = 0.0  #: seconds of an undisturbed import, from asking to the end

    @property
    def limit(self) -> float:
        """Seconds from the end of a fault to the end of its import."""
        return PATIENCE + self.work

    def run(self) -> dict[str, Any]:
        """One import for measure, then one a fault, then one more, and compare."""
        started = time.monotonic()
        self._until(lambda look: look.state == "done")
        self.work = self._import(None)["resumed_s"]
        for number in range(self.plan.points):
            point = {"point": number + 1, **self._import(FAULTS[number % len(FAULTS)])}
            self.points.append(point)
            self.tell(point)
        return {**self._compared(), "work_s": round(self.work, 2), "seconds": round(time.monotonic() - started, 1)}

    def _import(self, fault: str | None) -> dict[str, Any]:
        self.fill(days=0)
        measure = self.rng.choice(("calls", "files", "receipts", "queued"))
        amount = self.rng.randint(1, max(self.plan.invoices // 2, 2))
        goal = self._count(measure) + amount if measure != "queued" else 0
        self.story.ask("documents")
        while fault and measure != "queued" and self._count(measure) < goal and self.look().state != "done":
            self.pause()
        state = self.look().state
        if fault:
            self._break(fault)
        ended_at = time.monotonic()
        self._until(lambda look: look.state == "done")
        seconds = time.monotonic() - ended_at
        return {
            "killed": fault, "after": f"{amount} {measure}" if measure != "queued" else "queued", "state": state,
            "resumed_s": round(seconds, 2), "in_time": fault is None or seconds <= self.limit,
        }  # fmt: skip

    def _break(self, fault: str) -> None:
        """Until the fault is over: the server answers again."""
        redis = Redis.from_url(self.house.environment["REDIS_URL"], socket_connect_timeout=1.0)
        if fault == "flushall":
            redis.flushall()
            return
        part = next(part for part in self.house.parts if part.name == "redis")
        assert part.process is not None
        if fault == "outage":
            part.due_at = time.monotonic() + OUTAGE
        part.process.kill()
        part.process.wait()
        while not _answers(redis):
            self.pause()


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


if __name__ == "__main__":
    sys.exit(command("redis", __doc__, Outages, points=20, invoices=200))
