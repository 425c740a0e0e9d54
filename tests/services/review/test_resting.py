"""Why the desk is empty: the first that is true, over all clients that are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from portal.db import Database
from portal.models import Connection
from portal.services import keeping
from portal.services.review import resting
from portal.services.review.resting import Rest, Why
from tests import factories
from tests.factories import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
AGO = NOW - timedelta(days=1)
NEVER: dict[str, Any] = {"last_success_at": None}


@pytest.mark.parametrize(
    ("ours", "theirs", "run", "beat", "expected"),
    [
        ({"state": "disconnected"}, {"state": "connecting"}, {}, NOW, Rest(Why.UNCONNECTED, 2)),
        ({"state": "disconnected"}, {"state": "action_needed"}, {}, NOW, Rest(Why.CONSENT_ENDED, 2)),
        ({"state": "disconnected"}, {"state": "disconnected"}, {}, None, Rest(Why.UNCONNECTED, 2)),
        ({}, {}, {}, None, Rest(Why.STANDING_STILL, 0)),
        ({}, {}, {}, NOW - timedelta(seconds=61), Rest(Why.STANDING_STILL, 0)),
        ({}, {}, {"state": "due", "started_at": None, "created_at": NOW - timedelta(minutes=6)}, NOW, Rest(Why.STANDING_STILL, 0)),
        ({}, {}, {"state": "due", "started_at": None, "created_at": NOW - timedelta(minutes=4)}, NOW, Rest(Why.DONE, 0)),
        ({}, {}, {"state": "leased", "created_at": NOW - timedelta(hours=1)}, NOW, Rest(Why.DONE, 0)),
        (NEVER, NEVER, {}, NOW, Rest(Why.NEVER_SYNCED, 0)),
        (NEVER, {"state": "disconnected"}, {"state": "waiting"}, NOW, Rest(Why.IMPORTING, 1)),
        (NEVER, NEVER, {"state": "leased"}, NOW, Rest(Why.IMPORTING, 0)),
        (NEVER, {}, {"state": "leased"}, NOW, Rest(Why.DONE, 0)),
        ({}, {"state": "disconnected"}, {}, NOW, Rest(Why.DONE, 1)),
    ],
)  # fmt: skip
def test_the_first_that_is_true(
    database: Database,
    world: World,
    ours: dict[str, Any],
    theirs: dict[str, Any],
    run: dict[str, Any],
    beat: datetime | None,
    expected: Rest,
) -> None:
    with database.write() as session:
        for books, values in ((world.ours, ours), (world.theirs, theirs)):
            standing = {"last_success_at": AGO, **values}
            session.execute(update(Connection).where(Connection.id == books.documents.id).values(**standing))
        if run:
            factories.run(session, world.ours.client, "documents", now=NOW, over=world.ours.documents, **run)
        if beat:
            keeping.beat(session, "ticker", now=beat)
    clients = [world.ours.client.id, world.theirs.client.id]
    with database.read() as session:
        assert resting.rest(session, clients, are_all=True, now=NOW) == expected
        assert resting.rest(session, clients, are_all=False, now=NOW) == expected


def test_only_the_clients_that_are_shown_count(database: Database, world: World) -> None:
    with database.write() as session:
        session.execute(update(Connection).where(Connection.id == world.theirs.documents.id).values(state="disconnected"))
        keeping.beat(session, "ticker", now=NOW)
    with database.read() as session:
        assert resting.rest(session, [world.theirs.client.id], are_all=False, now=NOW) == Rest(Why.UNCONNECTED, 1)
