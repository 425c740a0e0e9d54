"""Rate limits: per address of the caller, which here is everybody together; they follow simulated time."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from math import ceil
from typing import Any

_WINDOWS = {
    "rate_limit_10s": timedelta(seconds=10),
    "rate_limit_10min": timedelta(minutes=10),
    "unauthorized_limit_1h": timedelta(hours=1),
}


class Limits:
    """Counts requests and refusals in sliding windows."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[datetime]] = {name: deque() for name in _WINDOWS}

    def wait(self, settings: dict[str, Any], now: datetime) -> int | None:
        """Seconds to wait when a limit is used up; else None, and this request counts."""
        for name, window in _WINDOWS.items():
            seen, limit = self._seen[name], settings[name]
            while seen and seen[0] <= now - window:
                seen.popleft()
            if limit is not None and len(seen) >= limit:
                oldest = seen[len(seen) - limit] if limit else now
                return max(1, ceil((oldest + window - now).total_seconds()))
        self._seen["rate_limit_10s"].append(now)
        self._seen["rate_limit_10min"].append(now)
        return None

    def refused(self, now: datetime) -> None:
        """One more answer was 401."""
        self._seen["unauthorized_limit_1h"].append(now)
