"""The queue: RQ carries run ids to workers. What must run is told by the `run` table; losing Redis loses nothing.

Web and services name jobs by the strings here; `jobs/` implements them (a test proves that each name resolves).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue as RqQueue
from rq.exceptions import DuplicateJobError

log = structlog.get_logger()

IMPORTS, MATCHING, LIGHT, PAYMENTS = "imports", "matching", "light", "payments"
#: one worker process (or more) each; never two queues in one process (rq.md, fact 1)
QUEUES = (IMPORTS, MATCHING, LIGHT, PAYMENTS)
RUN_JOB = "jobs.runs.execute"
QUEUE_OF_KIND = {
    "documents": IMPORTS, "bank": IMPORTS, "matching": MATCHING, "previews": LIGHT, "mail": LIGHT, "payments": PAYMENTS,
}  # fmt: skip
JOB_TIMEOUT = 900  #: seconds


@dataclass(frozen=True, slots=True)
class Ticket:
    """What travels: which run, and which of its starts (a start is queued once)."""

    run_id: str
    kind: str
    start: str


class Queue:
    """The way to the workers. Without a Redis address nothing is carried: the ticker of another process will."""

    def __init__(self, redis_url: str) -> None:
        self.redis: Redis | None = (
            Redis.from_url(redis_url, socket_connect_timeout=1.0, socket_timeout=60.0) if redis_url else None
        )

    def push(self, ticket: Ticket) -> bool:
        """Hand the run to a worker. False when Redis is away or already has it; the ticker tries again either way."""
        if self.redis is None:
            return False
        try:
            RqQueue(QUEUE_OF_KIND[ticket.kind], connection=self.redis, serializer="json").enqueue(
                RUN_JOB,
                ticket.run_id,
                job_id=f"run-{ticket.run_id}-{ticket.start}",
                unique=True,
                job_timeout=JOB_TIMEOUT,
                result_ttl=0,
                failure_ttl=0,
            )
        except DuplicateJobError:  # no retry by RQ either: the ticker starts again whatever a dead worker left
            return False
        except RedisError as error:
            log.warning("queue_away", error=type(error).__name__)
            return False
        return True

    def is_reachable(self) -> bool:
        """Whether Redis answers."""
        with contextlib.suppress(RedisError):
            return self.redis is not None and bool(self.redis.ping())
        return False
