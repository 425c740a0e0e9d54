"""A worker process: `python -m jobs.worker QUEUE`. Exactly one queue: a worker on two can lose a job for ever (rq.md, fact 1)."""

from __future__ import annotations

import contextlib
import ctypes
import sys

from redis import Redis
from rq import Queue, Worker

import jobs.runs  # noqa: F401 -- loaded once here, inherited by each work horse
from portal.log import configure
from portal.queue import MATCHING, QUEUES
from portal.settings import BadSetting, Settings

M_MMAP_THRESHOLD = -3  #: of glibc's `mallopt`
MONITORING_SECONDS, WORKER_TTL_SECONDS = 10, 45


class QueueWorker(Worker):
    """RQ's worker without its maintenance: what a dead worker left could end it (`jobs.ticker.forget_dead` cleans up instead)."""

    def run_maintenance_tasks(self) -> None:
        """Nothing is left to do."""


def main(argv: list[str]) -> int:
    """Serve one queue until told to stop. Refuses a Redis that may drop jobs."""
    if len(argv) != 1 or argv[0] not in QUEUES:
        print(f"usage: python -m jobs.worker {{{'|'.join(QUEUES)}}}", file=sys.stderr)
        return 2
    settings = Settings.from_env()
    configure()
    if not settings.redis_url:
        print("REDIS_URL is not set: a worker needs a Redis or Valkey server.", file=sys.stderr)
        return 2
    keep_memory_flat()
    redis = Redis.from_url(settings.redis_url)
    check_policy(redis)
    if argv[0] == MATCHING:
        import scipy.optimize  # noqa: F401, PLC0415 -- as above: else each of its work horses would load it anew
    worker = QueueWorker(
        [Queue(argv[0], connection=redis, serializer="json")],
        connection=redis,
        serializer="json",
        worker_ttl=WORKER_TTL_SECONDS,
        job_monitoring_interval=MONITORING_SECONDS,
    )
    worker.work(logging_level="WARNING", with_scheduler=False)
    return 0


def keep_memory_flat() -> None:
    """Give freed file buffers back to the system. Work horses inherit it.

    glibc stops doing so by itself once it has seen large ones, and they fragment the arenas of the download threads: a worker
    then needs more memory the more it imports (`./dev bench import --only memory`).
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 128 * 1024)


def check_policy(redis: Redis) -> None:
    """A server that evicts keys would lose queued jobs silently (rq.md, fact 10)."""
    policy = redis.info("memory").get("maxmemory_policy")
    if policy != "noeviction":
        raise BadSetting(f"The Redis server evicts keys (maxmemory-policy {policy}): set it to noeviction.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
