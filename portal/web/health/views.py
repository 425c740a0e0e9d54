"""For whoever watches the installation: machines, mostly."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

import structlog
from alembic.migration import MigrationContext
from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from portal import db, migrating
from portal.ports import Ports
from portal.services import keeping
from portal.web.access import ports, public

log = structlog.get_logger()

blueprint = Blueprint("health", __name__)

PATIENCE = 0.5  #: seconds for all parts together; they are asked at the same time
_askers = ThreadPoolExecutor(max_workers=10, thread_name_prefix="readiness")


@blueprint.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """The process answers. Asks nobody else."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """Whether everything that work needs is there; 503 with the part that is not. Reasons go to the log only."""
    doors = ports()
    asked = {name: _askers.submit(_is_well, name, check, doors) for name, check in CHECKS.items()}
    wait(asked.values(), timeout=PATIENCE)
    parts = {name: answer.done() and answer.result() for name, answer in asked.items()}
    for answer in asked.values():
        answer.cancel()
    words = {name: "ok" if is_well else "failed" for name, is_well in parts.items()}
    return jsonify(status="ok" if all(parts.values()) else "failed", parts=words), 200 if all(parts.values()) else 503


def _is_well(name: str, check: Callable[[Ports], bool], doors: Ports) -> bool:
    try:
        return check(doors)
    except Exception as error:  # noqa: BLE001 -- whatever a broken part raises means that it is broken
        log.warning("not_ready", part=name, error=type(error).__name__)
        return False


def _is_ticking(doors: Ports) -> bool:
    with doors.database.read() as session:
        beat = keeping.last_beat(session, "ticker")
    return beat is not None and (doors.clock.now() - beat).total_seconds() < keeping.SILENT_AFTER


def _is_migrated(doors: Ports) -> bool:
    with doors.database.read() as session:  # not `migrating.current`: that would wait behind a writer
        return MigrationContext.configure(session.connection()).get_current_revision() == _newest_revision()


@cache
def _newest_revision() -> str | None:
    return migrating.head()


CHECKS: dict[str, Callable[[Ports], bool]] = {
    "database": lambda doors: db.is_reachable(doors.database),
    "schema": _is_migrated,
    "storage": lambda doors: doors.storage.is_writable(),
    "queue": lambda doors: doors.queue.is_reachable(),
    "ticker": _is_ticking,
}
