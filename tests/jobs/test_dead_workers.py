"""What RQ keeps of a worker that was killed must not stop those who live."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue as RqQueue
from rq.executions import Execution
from rq.job import JobStatus
from rq.registry import StartedJobRegistry

from jobs.ticker import forget_dead
from jobs.worker import QueueWorker
from portal.queue import IMPORTS, Queue, Ticket


@pytest.fixture
def queue(valkey_url: str) -> Iterator[RqQueue]:
    with Redis.from_url(valkey_url) as redis:
        redis.flushdb()
        yield RqQueue(IMPORTS, connection=redis, serializer="json")


@pytest.fixture
def left(queue: RqQueue, valkey_url: str) -> Ticket:
    """A job whose worker and horse were killed 71 seconds ago: its heartbeat is over, and one of its two traces has expired."""
    ticket = Ticket(secrets.token_hex(8), "documents", "1")
    assert Queue(valkey_url).push(ticket)
    job = queue.fetch_job(queue.pop_job_id())
    with queue.connection.pipeline() as pipeline:
        job.set_status(JobStatus.STARTED, pipeline=pipeline)
        execution = Execution.create(job, 70, pipeline)
        pipeline.execute()
    queue.connection.delete(execution.key)
    queue.connection.zadd(StartedJobRegistry(queue=queue).key, {execution.composite_key: 1})
    return ticket


def test_the_ticker_forgets_a_dead_workers_job(queue: RqQueue, left: Ticket, valkey_url: str) -> None:
    forget_dead(queue)
    assert StartedJobRegistry(queue=queue).get_job_ids(cleanup=False) == []
    assert not [key for key in queue.connection.scan_iter("*") if left.run_id.encode() in key]
    assert Queue(valkey_url).push(left)  # nothing of it stands in the way of the same start


def test_a_worker_is_not_ended_by_it(queue: RqQueue, left: Ticket) -> None:
    QueueWorker([queue], connection=queue.connection, serializer="json").run_maintenance_tasks()
    assert StartedJobRegistry(queue=queue).get_job_ids(cleanup=False)  # that is the ticker's
