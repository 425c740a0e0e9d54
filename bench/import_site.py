"""What the measurements of the import share: a bank as a process of its own, and fresh installations beside it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal import build_ports
from portal.launcher import ROOT, python
from portal.services.auditing import Origin, acting
from portal.settings import Settings
from tests.bank_process import BankProcess
from tests.chaos import databases
from tests.story import Story

PREFIX = "belegfluss-bench-"


@dataclass(frozen=True, slots=True)
class Horse:
    """What `bench.import_child` tells of one run: seconds and MiB."""

    outcome: str
    cpu: float
    wall: float
    start_mib: float
    peak_mib: float


@dataclass(frozen=True)
class Place:
    """A client of a new installation who has just connected, and what other processes must be told to work there too."""

    story: Story
    environment: dict[str, str]

    def in_horse(self, run_id: str) -> Horse:
        """Execute a run in a fresh process. Raises CalledProcessError when that fails."""
        ended = subprocess.run(  # noqa: S603 -- our own module
            python("-m", "bench.import_child", run_id), env=self.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
        return Horse(**json.loads(ended.stdout))


@dataclass(frozen=True)
class Site:
    """The bank and the settings that lead to it. `environment`: as the launcher tells it to its programs."""

    bank: BankProcess
    environment: dict[str, str]

    @contextmanager
    def place(self, database: str, *, is_limited: bool = False, organization: str = "") -> Iterator[Place]:
        """A new installation whose client has consented. `is_limited`: by the request budget; `organization`: its id there."""
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, databases.fresh(database, Path(folder)) as url:
            told = {**self.environment, "DATA_DIR": folder, "DATABASE_URL": url}
            if not is_limited:
                told["REQUEST_RATE"] = "0"
            settings = Settings.from_env(told)
            ports = build_ports(settings)
            with acting(Origin("system:bench"), key=settings.secret_key):
                story = Story.begin(ports, self.bank, ports.clock)
                result = story.connect("documents", organization=organization or self.bank.organization_id)
                expect(result.ending, "connected")
                yield Place(story, told)
            ports.qonto.close()
            ports.database.engine.dispose()


def expect(found: Any, wanted: Any) -> None:
    """Refuse a figure that speaks of something else. Raises RuntimeError."""
    if found != wanted:
        raise RuntimeError(f"measured something else: {found} instead of {wanted}")
