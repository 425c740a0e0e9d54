"""One run in a process of its own, as RQ's work horse executes it: `python -m bench.import_child RUN_ID`.

Prints one JSON object: `outcome`, the run's `cpu` and `wall` in seconds (the doors to the outside are built within them, as in
each work horse; loading the modules is not, a worker has done so before it forks), `start_mib` and `peak_mib`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import structlog

from jobs.runs import execute
from jobs.worker import keep_memory_flat


def resident_mib(name: str) -> float:
    """A line of /proc/self/status in MiB: VmRSS (now) or VmHWM (the most so far).

    getrusage would not do: its peak outlives exec, so a child would report the size of the process that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kibibytes) / 1024


def main(run_id: str) -> int:
    """Execute the run over the settings in the environment."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    keep_memory_flat()
    start_mib, started, started_cpu = resident_mib("VmRSS"), time.perf_counter(), time.process_time()
    outcome = execute(run_id)
    cpu, wall = time.process_time() - started_cpu, time.perf_counter() - started
    print(json.dumps({"outcome": outcome, "cpu": cpu, "wall": wall, "start_mib": start_mib, "peak_mib": resident_mib("VmHWM")}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
