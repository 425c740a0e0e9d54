"""The ticker: `python -m jobs.ticker`. Makes what is due and hands it to the workers. Any number of copies may run.

It decides nothing that the database does not guard: a second ticker finds the same rows and changes nothing.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError
from rq import Queue as RqQueue
from rq.executions import ExecutionRegistry
from rq.registry import StartedJobRegistry
from rq.utils import current_timestamp
from rq.worker_registration import clean_worker_registry
from sqlalchemy.exc import SQLAlchemyError

from portal import build_ports
from portal.log import configure
from portal.ports import Ports
from portal.queue import QUEUES
from portal.services import keeping, running
from portal.services.auditing import Origin, acting
from portal.services.connections import hearing
from portal.services.connections.token_keeping import TokenKeeper
from portal.services.messages import digesting, notifying
from portal.services.people import authenticating
from portal.services.review import looking_on
from portal.settings import Settings

log = structlog.get_logger()


def schedule(ports: Ports) -> None:
    """Make today's runs whose slot has come."""
    with ports.database.write() as session:
        running.make_scheduled(session, now=ports.clock.now())


def dispatch(ports: Ports) -> None:
    """Hand every startable run to its queue; the ones that Redis lost or a dead worker left included."""
    now = ports.clock.now()
    with ports.database.read() as session:
        tickets = [running.ticket(run, now=now) for run in running.startable(session, now=now)]
    for ticket in tickets:
        ports.queue.push(ticket)


def beat(ports: Ports) -> None:
    """Show that the ticker lives."""
    with ports.database.write() as session:
        keeping.beat(session, "ticker", now=ports.clock.now())


def tidy_redis(ports: Ports) -> None:
    """Let RQ forget jobs of workers that died; the workers leave that to us. Their runs start again from the row."""
    if ports.queue.redis is None:
        return
    for name in QUEUES:
        forget_dead(RqQueue(name, connection=ports.queue.redis, serializer="json"))


def forget_dead(queue: RqQueue) -> None:
    """Remove what workers of this queue left that died: jobs they executed, jobs they had only taken, their own names.

    RQ (2.12) looks for the executions of a forgotten job by a list that outlives them by a minute, and what it does not find ends
    the process: so the list goes first.
    """
    redis, now, started = queue.connection, current_timestamp(), StartedJobRegistry(queue=queue)
    for job_id in started.get_expired_job_ids(now):
        redis.delete(ExecutionRegistry(job_id, redis).key)
    started.cleanup(now)
    clean_worker_registry(queue)
    between = queue.intermediate_queue
    for job_id in set(between.get_job_ids()) - set(started.get_job_ids(cleanup=False)):
        between.set_first_seen(job_id)
        if between.should_be_cleaned_up(job_id):  # taken from the queue a minute ago and never started
            between.remove(job_id)
            if job := queue.fetch_job(job_id):
                redis.delete(ExecutionRegistry(job_id, redis).key)
                job.delete()


def rescue_renewals(ports: Ports) -> None:
    """Renew tokens whose renewal was cut short, in a thread: a bank that hangs must not keep the other duties waiting."""
    keeper = TokenKeeper(ports.database, ports.keyring, ports.oauth, ports.clock, ports.settings)
    if keeper.interrupted():  # whoever renews holds the row's lease, so the next tick finds nothing here
        threading.Thread(target=copy_context().run, args=(_talk, keeper.repeat_interrupted), name="renewals", daemon=True).start()


def keep_alive(ports: Ports) -> None:
    """Use consents that would end because nothing uses them, in a thread as well."""
    keeper = TokenKeeper(ports.database, ports.keyring, ports.oauth, ports.clock, ports.settings)
    if keeper.idle():
        threading.Thread(target=copy_context().run, args=(_talk, keeper.keep_alive), name="idle consents", daemon=True).start()


def _talk(work: Callable[[], int]) -> None:
    try:
        work()
    except SQLAlchemyError as error:
        log.warning("duty_failed", duty=work.__name__, error=type(error).__name__)


def forget_sessions(ports: Ports) -> None:
    """Remove sessions that ended by themselves."""
    with ports.database.write() as session:
        authenticating.forget_expired_sessions(session, now=ports.clock.now())


def forget_events(ports: Ports) -> None:
    """Remove ids of webhook events that cannot come again."""
    with ports.database.write() as session:
        hearing.forget_events(session, now=ports.clock.now())


def forget_looks(ports: Ports) -> None:
    """Remove who looked at a receipt long ago."""
    with ports.database.write() as session:
        looking_on.forget(session, now=ports.clock.now())


def remind(ports: Ports) -> None:
    """Tell people again what still needs them, and that a consent is about to end."""
    with ports.database.write() as session:
        notifying.remind(session, now=ports.clock.now())


def digest(ports: Ports) -> None:
    """In the morning: tell people what is open, those for whom something has changed."""
    with ports.database.read() as session:
        due = digesting.due(session, now=ports.clock.now())
    if due:
        with ports.database.write() as session:
            digesting.write(session, due, now=ports.clock.now())


@dataclass(frozen=True, slots=True)
class Duty:
    """One line of the timetable. `every` counts ticks."""

    what: Callable[[Ports], None]
    every: int
    why: str


TIMETABLE = (
    Duty(schedule, 1, "one run per connection and Berlin day"),
    Duty(dispatch, 1, "the database knows what must run, Redis only carries it"),
    Duty(rescue_renewals, 1, "a worker that died while renewing a token must not cost the client his consent"),
    Duty(beat, 1, "health checks see a silent ticker"),
    Duty(keep_alive, 720, "a consent that nobody uses for 90 days ends, also that of a paused connection"),
    Duty(tidy_redis, 3, "a dead worker's job must not wait for RQ's own maintenance"),
    Duty(remind, 120, "a consent that ended or is about to end needs a person"),
    Duty(digest, 60, "what is open is told once in the morning, not by a mail for each receipt"),
    Duty(forget_sessions, 720, "expired sessions are not kept"),
    Duty(forget_looks, 720, "who looked at a receipt is told for two minutes and kept no longer than needed"),
    Duty(forget_events, 720, "the bank repeats an event for two days"),
)


def tick(ports: Ports, count: int) -> None:
    """One round. A duty that fails is logged and comes again; the others go on."""
    with acting(Origin("system:ticker"), key=ports.settings.secret_key):
        for duty in TIMETABLE:
            if count % duty.every == 0:
                try:
                    duty.what(ports)
                except (SQLAlchemyError, RedisError, OSError) as error:
                    log.warning("duty_failed", duty=duty.what.__name__, error=type(error).__name__)


def main() -> int:
    """Tick until told to stop."""
    configure()
    ports = build_ports(Settings.from_env())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    count = 0
    while not stop.is_set():
        tick(ports, count)
        count += 1
        stop.wait(ports.settings.timing.tick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
