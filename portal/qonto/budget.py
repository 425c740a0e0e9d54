"""The budget of calls that all workers of an installation share; kept by the services, drawn from by the client."""

from __future__ import annotations

from typing import Protocol


class Budget(Protocol):
    """One purse for everybody: the bank counts calls per IP address, not per client (qonto-api.md §5)."""

    def take(self, *, patience: float) -> None:
        """Wait for one call's turn. RateLimited at once where that would take longer than `patience` seconds."""

    def pause(self, seconds: float) -> None:
        """The bank said 429: nobody calls it for so long."""

    def note_unauthorized(self) -> None:
        """The bank said 401. More than 200 of them an hour and it would throttle everybody."""


class Unlimited:
    """No limit: for benchmarks and for tests of other things."""

    def take(self, *, patience: float) -> None:
        """Never waits."""

    def pause(self, seconds: float) -> None:
        """Only the caller itself waits."""

    def note_unauthorized(self) -> None:
        """Not counted."""
