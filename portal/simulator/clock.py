"""Simulated time: real time plus an offset, or standing still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache


class Clock:
    """What time the bank thinks it is. Everything that expires follows it."""

    def __init__(self, start: datetime | None = None) -> None:
        """It begins at `start`, or now."""
        self._offset = start - datetime.now(UTC) if start else timedelta()
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        """Aware, UTC."""
        return self._frozen or datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Go forward, also while standing still."""
        if self._frozen:
            self._frozen += timedelta(seconds=seconds)
        else:
            self._offset += timedelta(seconds=seconds)

    @property
    def is_frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen is not None

    def freeze(self, stand: bool) -> None:
        """Stand still, or go on from where it stood."""
        if stand and not self._frozen:
            self._frozen = self.now()
        elif not stand and self._frozen:
            self._offset = self._frozen - datetime.now(UTC)
            self._frozen = None


def stamp(moment: datetime) -> str:
    """As the API writes most timestamps: `2026-11-02T10:20:31.000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@lru_cache(maxsize=65536)  # lists parse the same timestamps again and again
def moment_of(text: str) -> datetime:
    """Read a timestamp; one without an offset, or something else, is a ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no offset: {text}")
    return moment
