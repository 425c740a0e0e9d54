"""The demo's people wait for the first import, but not for ever."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal import demo
from portal.models import Note
from portal.ports import Ports


def test_it_gives_up_waiting_and_says_where_to_look(ports: Ports) -> None:
    """No worker runs here, so the first client is never matched."""
    list(demo.seed(ports, is_connected=False))
    with pytest.raises(demo.Unfinished, match=r"After 0 seconds Tischlerei Brandt & Söhne GmbH .* The logs of the workers"):
        next(demo.work_at_desk(ports, patience=0))
    with ports.database.read() as session:
        assert session.scalar(select(Note.id)) is None
