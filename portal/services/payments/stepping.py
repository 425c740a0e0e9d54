"""The commit of one step of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.orm import Session

from portal.models import PaymentBatch
from portal.ports import Ports
from portal.services import running
from portal.services.auditing import queue_up
from portal.services.running import Lease


class Changed(Exception):
    """Somebody else has changed the batch since we looked."""


@contextmanager
def writing(ports: Ports, lease: Lease, batch: PaymentBatch) -> Iterator[tuple[Session, PaymentBatch, datetime]]:
    """A commit of one step: behind the fence, and only on the batch that we looked at.

    All who change a client's orders meet at the head of its chain first, so that none holds rows that another waits for.
    """
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        running.advance(session, lease)
        row = session.get_one(PaymentBatch, batch.id, with_for_update=not ports.database.is_sqlite)
        if row.version != batch.version:
            raise Changed
        yield session, row, ports.clock.now()
