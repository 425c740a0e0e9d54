"""A work horse sleeps until another has done its work, wakes, and writes nothing: `./dev chaos orphan` (C03).

As in `kill`, but the horse is stopped (SIGSTOP) at each seeded moment. Its lease lapses, the other worker executes the run to its end,
then the horse goes on: at its next commit the fence turns it away. All tables and stored files are compared around that.

A horse that is stopped in the middle of a commit holds the database's lock, and nobody can go on before it does: such a moment is told
and another one taken. Prints one JSON line per moment and one per database: exit code 0 when nothing was written after waking, every
horse said `fenced`, and the books are those of `kill`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal import keeper
from tests.chaos.kill import Chaos, command
from tests.web.visitor import fingerprint

LIVING = frozenset({"heartbeat", "request_budget"})  #: what changes while nobody imports anything
ENDS_WITHIN = 60.0  #: seconds for a horse to end once it goes on


@dataclass
class Orphans(Chaos):
    """One installation whose horses sleep."""

    held: int = 0  #: moments at which the horse held a lock

    def run(self) -> dict[str, Any]:
        """As in `kill`; what was written after waking counts too."""
        result = super().run()
        written = sum(point["written"] for point in self.points)
        fenced = sum(point["fenced"] for point in self.points)
        is_well = not written and all(point["fenced"] and point["has_ended"] for point in self.points)
        return {
            **result,
            "held_a_lock": self.held,
            "written_after_waking": written,
            "fenced": fenced,
            "ok": result["ok"] and is_well,
        }

    def _strike(self) -> dict[str, Any] | None:
        if (found := self.moment()) is None:
            return None
        before, horse, worker, when = found
        os.kill(horse, signal.SIGSTOP)
        stopped_at = time.monotonic()
        try:
            while (after := self.look()).lease == before.lease and time.monotonic() - stopped_at < 2 * self.limit:
                self.pause()
            seconds = time.monotonic() - stopped_at
            if after.lease == before.lease:
                self.held += 1
                return None
            self._until(lambda look: look.state == "done")
            books, fenced = self._everything(), self._fenced()
        finally:
            os.kill(horse, signal.SIGCONT)
        end = time.monotonic() + ENDS_WITHIN
        while horse in keeper.members({worker}) and time.monotonic() < end:
            self.pause()
        return {
            "point": len(self.points) + 1, "killed": "sleeps", "after": when, "receipts": before.receipts,
            "slept_s": round(time.monotonic() - stopped_at, 1), "resumed_s": round(seconds, 2), "in_time": seconds <= self.limit,
            "has_ended": horse not in keeper.members({worker}), "written": int(self._everything() != books),
            "fenced": self._fenced() - fenced,
        }  # fmt: skip

    def _everything(self) -> tuple[str, int]:
        store = Path(
            self.story.ports.settings.data_dir, "documents", self.story.client.id
        )  # what is still arriving lies elsewhere
        return fingerprint(self.story.ports.database, without=LIVING), sum(path.is_file() for path in store.rglob("*"))

    def _fenced(self) -> int:
        return sum(part.log.read_text().count('"event": "fenced"') for part in self.workers)


if __name__ == "__main__":
    sys.exit(command("orphan", __doc__, Orphans, points=10, invoices=400))
