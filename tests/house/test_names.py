"""Names that stand for code in another room lead somewhere."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from jobs import runs, ticker
from portal import queue
from portal.domain.connection_state import ConsentState
from portal.launcher import WORKERS

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_job_that_is_queued_exists() -> None:
    module, _, name = queue.RUN_JOB.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_every_kind_of_run_has_work_and_a_queue() -> None:
    assert set(runs.WORK) == set(queue.QUEUE_OF_KIND)
    assert set(queue.QUEUE_OF_KIND.values()) == set(queue.QUEUES)


def test_every_queue_has_a_worker_of_its_own() -> None:
    """A worker on two queues can lose a job for ever (rq.md, fact 1)."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    served = [match[1].split() for line in lines if (match := re.search(r"jobs\.worker (.*)$", line))]
    assert all(len(queues) == 1 for queues in served)
    assert {queues[0] for queues in served} == set(queue.QUEUES) == set(WORKERS)


def test_the_timetable_says_why() -> None:
    assert all(duty.why and duty.every >= 1 for duty in ticker.TIMETABLE)


def test_states_of_a_consent_are_what_the_services_write() -> None:
    written = set(re.findall(r"\.state = \"(\w+)\"", (ROOT / "portal/services/connections/connecting.py").read_text()))
    assert written <= {state.value for state in ConsentState}
