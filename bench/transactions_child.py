"""One step of a bank file's way in a fresh process, which `bench.transactions` measures: bring, preview or import.

`python -m bench.transactions_child bring ACCOUNT PATH | preview STATEMENT | import STATEMENT`, as the user of the variable
BENCH_USER. Prints one JSON object: `told` (the statement's id, or how many rows are new), `wall` in seconds, `start_mib` and
`peak_mib`. Of PostgreSQL only our side is seen.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

import structlog

from bench.import_child import resident_mib
from jobs.worker import keep_memory_flat
from portal import build_ports
from portal.models import Role
from portal.ports import Ports
from portal.services.accounts import statements
from portal.services.auditing import Origin, acting
from portal.services.finding import Actor
from portal.settings import Settings


def step(ports: Ports, actor: Actor, name: str, subject: str, path: str) -> str | int:
    """Do it; what it told."""
    if name == "bring":
        with Path(path).open("rb") as file:
            return statements.bring(ports, actor, account_id=subject, file_name="umsatz.csv", file=file)
    if name == "preview":
        return statements.outlook(ports, actor, subject).counts["new"]
    statements.take_in(ports, actor, subject)
    return int(statements.outlook(ports, actor, subject).statement.counts["new"])


def main(name: str, subject: str, path: str = "") -> int:
    """Measure one step over the settings in the environment."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    keep_memory_flat()
    settings = Settings.from_env()
    ports, actor = build_ports(settings), Actor(os.environ["BENCH_USER"], Role.CLIENT)
    with ports.database.read() as session:
        session.connection()  # a web process has been connected for long
    start_mib, started = resident_mib("VmRSS"), time.perf_counter()
    with acting(Origin("system:bench"), key=settings.secret_key):
        told = step(ports, actor, name, subject, path)
    wall = time.perf_counter() - started
    print(json.dumps({"told": told, "wall": wall, "start_mib": start_mib, "peak_mib": resident_mib("VmHWM")}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
