"""Ordering what was approved, and following it to its end: the runs of kind `payments`.

Each step of a batch is a commit of its own, behind the fence of the run. What may cost money twice is noted before it is tried:
a call whose answer is missing is repeated under the same key while the bank remembers that, and looked for in the bank's lists
afterwards. Nothing is taken for lost that was not looked for, and nothing is ever sent under a key that may be forgotten.

The steps are in `sending` and `following`; `looking_up` reads the bank's lists, `stepping` is the commit of a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.exc import IntegrityError

from portal.crypto import CannotOpen
from portal.domain.payments import life
from portal.domain.payments.life import BatchState
from portal.errors import ConsentEnded, QontoError, RateLimited
from portal.models import PaymentBatch, Run
from portal.ports import Ports
from portal.services import running
from portal.services.auditing import queue_up
from portal.services.connections import connecting
from portal.services.payments import stopping
from portal.services.payments.following import follow, follow_request
from portal.services.payments.sending import await_confirmation, begin, look_for, send_again
from portal.services.payments.stepping import Changed, writing
from portal.services.running import Lease

log = structlog.get_logger()

#: what a single order can be broken by; anything else is the machine's or the bank's and concerns all of them
BROKEN = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, CannotOpen, IntegrityError,
    life.Forbidden,
)  # fmt: skip
MEANWHILE, BROKEN_FOR = timedelta(seconds=30), timedelta(minutes=15)


def pay(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `payments`: bring each order of the connection that is due one step further."""
    assert lease.connection_id is not None
    began = time.monotonic()
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        running.advance(session, lease)
        if not connecting.is_usable(session, lease.connection_id):
            stopping.without_consent(session, lease.connection_id, now=ports.clock.now())
            running.finish(session, lease, now=ports.clock.now(), reason="disconnected")
            return
    try:
        for batch_id in _due(ports, lease):
            _step(ports, lease, batch_id)
            if time.monotonic() - began > running.HAND_OVER_AFTER.total_seconds():
                break
    except ConsentEnded:
        with ports.database.write() as session:
            queue_up(session, lease.client_id)
            running.advance(session, lease)
            stopping.without_consent(session, lease.connection_id, now=ports.clock.now())
        raise
    now = ports.clock.now()
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        until = session.scalar(stopping.moving(lease.connection_id).with_only_columns(PaymentBatch.next_look_at).limit(1))
        if until is None:
            running.finish(session, lease, now=now)
            return
        cursor = dict(session.get_one(Run, lease.run_id).cursor)
        waits = running.hand_over(session, lease, now=now, cursor=cursor, until=until if until > now else None)
        successor = session.get_one(Run, waits, populate_existing=True)
    if successor.state == "due":
        ports.queue.push(running.ticket(successor, now=now))


def _due(ports: Ports, lease: Lease) -> list[str]:
    with ports.database.read() as session:
        query = (
            stopping.moving(lease.connection_id)
            .where(PaymentBatch.next_look_at <= ports.clock.now())
            .with_only_columns(PaymentBatch.id)
        )
        return list(session.scalars(query))


def _step(ports: Ports, lease: Lease, batch_id: str) -> None:
    """One step of one batch; what the bank does not answer now is asked later, and what breaks here lets the others pass."""
    with ports.database.read() as session:
        batch = session.get_one(PaymentBatch, batch_id)
    step = STEPS.get(BatchState(batch.state))
    if step is None:
        return
    try:
        with writing(ports, lease, batch) as (_, row, now):
            row.next_look_at = now + MEANWHILE  # whatever happens, the others come first then
        step(ports, lease, batch)
    except Changed:
        log.info("batch_changed", batch=batch_id)
    except ConsentEnded:
        raise
    except QontoError as problem:
        log.info("batch_waits", batch=batch_id, state=batch.state, code=problem.code)
        wait = timedelta(seconds=problem.retry_after) if isinstance(problem, RateLimited) and problem.retry_after else MEANWHILE
        _later(ports, lease, batch_id, wait, request_id=problem.request_id)
    except BROKEN as problem:
        log.exception("batch_broke", batch=batch_id, state=batch.state, error=type(problem).__name__)
        _later(ports, lease, batch_id, BROKEN_FOR)


def _later(ports: Ports, lease: Lease, batch_id: str, wait: timedelta, *, request_id: str = "") -> None:
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        running.advance(session, lease)
        row = session.get_one(PaymentBatch, batch_id)
        if row.state in life.MOVING:
            row.next_look_at, row.request_id = ports.clock.now() + wait, request_id


STEPS: dict[BatchState, Callable[[Ports, Lease, PaymentBatch], None]] = {
    BatchState.APPROVED: begin,
    BatchState.SENDING: send_again,
    BatchState.CONFIRMING: await_confirmation,
    BatchState.UNKNOWN: look_for,
    BatchState.ACCEPTED: follow,
    BatchState.REQUESTED: follow_request,
}
