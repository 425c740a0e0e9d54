"""The one job: execute a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import OperationalError

from portal import build_ports
from portal.errors import ConsentEnded, Fenced, PortalError, QontoError, RateLimited
from portal.ports import Ports
from portal.services import running
from portal.services.accounts import banking
from portal.services.assignments import matching
from portal.services.auditing import Origin, acting
from portal.services.connections import connecting
from portal.services.documents import previewing
from portal.services.messages import notifying
from portal.services.payments import ordering
from portal.services.receipts import importing
from portal.services.running import Lease
from portal.settings import Settings

log = structlog.get_logger()

WORK: dict[str, Callable[[Ports, Lease], None]] = {
    "documents": importing.import_documents,
    "bank": banking.import_transactions,
    "matching": matching.match_client,
    "previews": previewing.make_previews,
    "mail": notifying.send_mails,
    "payments": ordering.pay,
}


@cache
def _ports() -> Ports:
    """Built once in each work horse; the parent's connections are not shared with it."""
    return build_ports(Settings.from_env())


def execute(run_id: str) -> str:
    """RQ's entry: take the lease, do the work, record how it ended. Returns the outcome for RQ's log."""
    return execute_run(_ports(), run_id)


def execute_run(ports: Ports, run_id: str) -> str:  # noqa: PLR0911 -- one outcome each
    """Execute a run with these ports (tests bring their own)."""
    timing = ports.settings.timing
    lease = running.claim(ports.database, run_id, now=ports.clock.now(), timing=timing)
    if lease is None:
        return "not mine"
    bound = log.bind(run=run_id, kind=lease.kind, client=lease.client_id)
    with acting(Origin(f"system:{lease.kind}", request_id=f"run-{run_id}"), key=ports.settings.secret_key):
        try:
            with _kept(ports, lease):
                WORK[lease.kind](ports, lease)
        except Fenced:
            bound.warning("fenced")
            return "fenced"
        except ConsentEnded as error:
            return _close(ports, lease, error, is_waiting=False)
        except RateLimited as error:
            return _close(ports, lease, error, is_waiting=True, retry_after=error.retry_after)
        except PortalError as error:
            return _close(ports, lease, error, is_waiting=not error.permanent)
        except (OSError, OperationalError) as error:
            bound.exception("run_disturbed", error=type(error).__name__)
            return _close(ports, lease, error, is_waiting=True)
        except BaseTimeoutException:
            _close(ports, lease, None, is_waiting=True)
            raise
        except Exception as error:
            bound.exception("run_broke", error=type(error).__name__)
            _close(ports, lease, error, is_waiting=True)
            raise
    bound.info("run_ended")
    return "done"


def _close(ports: Ports, lease: Lease, error: BaseException | None, *, is_waiting: bool, retry_after: float | None = None) -> str:
    """Record a run that did not reach its end: waiting with a date, or needing a person."""
    reason = error.code if isinstance(error, QontoError) and error.code else ("timeout" if error is None else "internal")
    request_id = error.request_id if isinstance(error, QontoError) else ""
    now = ports.clock.now()
    try:
        with ports.database.write() as session:
            if connecting.is_disconnected(session, lease.connection_id):  # meanwhile, by the client: no call can succeed
                running.finish(session, lease, now=now, reason="disconnected")
            elif is_waiting:
                running.postpone(
                    session, lease, now=now, timing=ports.settings.timing, reason=reason, request_id=request_id,
                    retry_after=retry_after,
                )  # fmt: skip
            else:
                running.needs_person(session, lease, now=now, reason=reason, request_id=request_id)
    except Fenced:
        log.warning("fenced", run=lease.run_id, kind=lease.kind)
        return "fenced"
    log.warning("run_not_finished", run=lease.run_id, kind=lease.kind, reason=reason, is_waiting=is_waiting)
    return reason


@contextmanager
def _kept(ports: Ports, lease: Lease) -> Iterator[None]:
    """Renew the lease from a thread: one call to the bank may take longer than the lease lasts."""
    timing, stop = ports.settings.timing, threading.Event()

    def renew() -> None:
        while not stop.wait(timing.lease_renewal):
            try:
                if not running.renew(ports.database, lease, now=ports.clock.now(), timing=timing):
                    return  # lost: the fence stops the work at its next commit
            except OperationalError:
                continue  # the database is busy or away; the lease outlasts several missed renewals

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
