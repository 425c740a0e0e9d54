"""Idempotency keys: an answer that was given is given again for half an hour, whatever the body says then."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta

from portal.simulator.names import Row

LIFE = timedelta(minutes=30)


class KeptAnswers:
    """Successful answers by organisation, address and key. Refusals are never kept: the same key may then try again."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], tuple[datetime, Row]] = {}

    def find(self, organization_id: str, path: str, key: str, now: datetime) -> Row | None:
        """The body that was sent for this key, as it was then."""
        kept_at, body = self._kept.get((organization_id, path, key), (None, None))
        return body if kept_at is not None and now - kept_at < LIFE else None

    def keep(self, organization_id: str, path: str, key: str, body: Row, now: datetime) -> None:
        """Remember a body; the rows in it live on, so it is copied."""
        self._kept[organization_id, path, key] = (now, deepcopy(body))
