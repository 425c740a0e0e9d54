"""The bank's diary: what is going to happen, and when. Each step happens once, in order, at its own moment."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime

Step = Callable[[datetime], None]


class Diary:
    """Steps that wait for their moment. Steps of one moment happen in the order in which they were noted."""

    def __init__(self) -> None:
        self._steps: list[tuple[datetime, int, Step]] = []
        self._count = 0

    def note(self, due: datetime, step: Step) -> None:
        """Have something happen; the step is told the moment at which it was due, however late anybody looks."""
        self._count += 1
        heapq.heappush(self._steps, (due, self._count, step))

    def catch_up(self, now: datetime) -> None:
        """Everything due by now happens, and what follows from it."""
        while self._steps and self._steps[0][0] <= now:
            due, _, step = heapq.heappop(self._steps)
            step(due)
