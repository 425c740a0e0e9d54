"""Places sorted by key and day, and questions about them in columns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
SPAN = 1 << 22
"""More days than the calendar has (`date.max` is day 3,652,059): key and day share one integer."""


class Calendar:
    """Places sorted by key and day; answers many ranges of days at once."""

    def __init__(self, keys: Places, days: Places, places: Places) -> None:
        """Sort entries of three columns, each once."""
        at = keys * SPAN + days
        order = np.lexsort((places, at))
        at, places = at[order], places[order]
        if len(at):
            is_first = np.concatenate(([True], (np.diff(at) != 0) | (np.diff(places) != 0)))
            at, places = at[is_first], places[is_first]
        self._at: Places = at
        self._days: Places = at % SPAN
        self.places: Places = places

    @cached_property
    def _lists(self) -> tuple[list[int], list[int]]:
        return self._at.tolist(), self.places.tolist()

    def between(self, key: int, first_day: int, last_day: int) -> list[int]:
        """Return the places of one key in the days, both included."""
        at, places = self._lists
        return places[bisect_left(at, key * SPAN + max(0, first_day)) : bisect_right(at, key * SPAN + max(0, last_day))]

    def count(self, key: int, first_day: int, last_day: int) -> int:
        """Count what lies in the days, both included."""
        at, _ = self._lists
        return bisect_right(at, key * SPAN + max(0, last_day)) - bisect_left(at, key * SPAN + max(0, first_day))

    def nearest(self, asked: Places, windows: npt.NDArray[np.int64]) -> tuple[Places, Places]:
        """Answer questions, three columns of (key, receipt, most): the receipts and, beside each, a place.

        `windows`: for each receipt the first and last day and the centre; of more than `most`, those nearest to it are kept.
        """
        if not asked.size:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys, receipts, most = asked
        first, last, centre = windows[receipts].T
        low = np.searchsorted(self._at, keys * SPAN + first, "left")
        high = np.searchsorted(self._at, keys * SPAN + last, "right")
        for limit in np.unique(most):
            full = np.flatnonzero((high - low > limit) & (most == limit))
            if len(full):
                at = np.searchsorted(self._at, keys[full] * SPAN + centre[full], "left")
                low[full] = self._window(low[full], high[full], np.clip(at, low[full], high[full]), centre[full], int(limit))
                high[full] = low[full] + limit
        counts = high - low
        return np.repeat(receipts, counts), self.places[spread(low, counts)]

    def _window(self, low: Places, high: Places, at: Places, centre: Places, most: int) -> Places:
        """Where the `most` entries begin that are nearest to the centre; of two equally near the earlier one."""
        steps = np.arange(most)
        left, right = at[:, None] - 1 - steps, at[:, None] + steps
        last = len(self._days) - 1
        far = 2 * SPAN
        lefts = np.where(left >= low[:, None], 2 * (centre[:, None] - self._days[np.clip(left, 0, last)]), far)
        rights = np.where(right < high[:, None], 2 * (self._days[np.clip(right, 0, last)] - centre[:, None]) + 1, far)
        order = np.argsort(np.concatenate((lefts, rights), axis=1), axis=1, kind="stable")[:, :most]
        begins: Places = at - (order < most).sum(axis=1)
        return begins


def distinct(values: Places) -> Places:
    """Return each value once, sorted, by sorting: `np.unique` hashes them first, which took longer in large clients."""
    found: Places = np.sort(values)
    return found[np.concatenate(([True], found[1:] != found[:-1]))] if len(found) else found


def spread(starts: Places, counts: Places) -> Places:
    """Return the indices start, start + 1, … of each run, one run after the other."""
    ends = np.cumsum(counts)
    indices: Places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return indices
