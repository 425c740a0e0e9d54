"""The clock: the one place that asks the machine for the time.

`CLOCK_OFFSET_FILE` holds a number of seconds that is added to the real time, so that several processes live through the same
simulated days. `Settings` only accepts it where the bank's address is loopback.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")


class Clock:
    """Real time plus the offset of a file (no file: real time)."""

    def __init__(self, offset_file: Path | None = None) -> None:
        self._offset_file = offset_file

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC) + self._offset()

    def today(self) -> date:
        """The day in Berlin, which is the day of everything in this product."""
        return berlin_day(self.now())

    def _offset(self) -> timedelta:
        if self._offset_file is None:
            return timedelta()
        try:
            return timedelta(seconds=float(self._offset_file.read_text() or 0))
        except FileNotFoundError:
            return timedelta()


class FixedClock(Clock):
    """A clock that stands until it is moved; for tests and replays."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.at

    def move(self, **kwargs: float) -> None:
        """Advance by the keywords of `timedelta`."""
        self.at += timedelta(**kwargs)


def berlin_day(moment: datetime) -> date:
    """The Berlin calendar day of an aware moment."""
    return moment.astimezone(BERLIN).date()


def aware(moment: datetime | None) -> datetime | None:
    """SQLite gives times back naive; they are UTC."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
