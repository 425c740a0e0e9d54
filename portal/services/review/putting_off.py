"""Putting a receipt of the queue off: it stays in review, and comes back by itself on its day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.errors import Rejected, Stale
from portal.models import Receipt
from portal.services.assignments import assigning
from portal.services.auditing import Tag, record

LONGEST = timedelta(days=366)
USUAL = timedelta(days=7)  #: what the form proposes


def put_off(session: Session, *, receipt: Receipt, until: date, note: str, seen_version: int, now: datetime) -> None:
    """Out of the queue until a Berlin day; `note` is for colleagues only. Errors: Stale, AlreadyAssigned, Rejected."""
    if not berlin_day(now) < until <= berlin_day(now) + LONGEST:
        raise Rejected("Please choose a day after today, within a year.")
    assigning.take_open(session, receipt, seen_version)
    before = assigning.put_off_of(receipt)
    assigning.keep_put_off_before(receipt, [*assigning.put_off_before(receipt), before])
    receipt.put_off_until, receipt.put_off_note, receipt.updated_at = until, note, now
    record(
        session,
        Tag.RECEIPT_PUT_OFF,
        subject=f"receipt:{receipt.id}",
        at=now,
        client_id=receipt.client_id,
        until=until.isoformat(),
        before=before and before[0],
    )


def bring_back(session: Session, *, receipt: Receipt, seen_version: int, now: datetime) -> None:
    """Into the queue at once. Errors: Stale."""
    _take(session, receipt, seen_version)
    _restore(session, receipt, None, [], now)


def undo(session: Session, *, receipt: Receipt, seen_version: int, now: datetime) -> None:
    """Take the last putting off back: an earlier day and its note, if there was one, count again. Errors: Stale."""
    _take(session, receipt, seen_version)
    *earlier, was = assigning.put_off_before(receipt) or [None]
    _restore(session, receipt, was, earlier, now)


def _take(session: Session, receipt: Receipt, seen_version: int) -> None:
    assigning.take(session, receipt, seen_version)
    if receipt.put_off_until is None:
        raise Stale("This receipt is not put off any more.")


def _restore(
    session: Session, receipt: Receipt, was: Sequence[str] | None, earlier: Sequence[Sequence[str] | None], now: datetime
) -> None:
    before = receipt.put_off_until
    assigning.restore_put_off(receipt, was)
    assigning.keep_put_off_before(receipt, earlier)
    receipt.updated_at = now
    record(
        session, Tag.RECEIPT_BROUGHT_BACK, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id,
        until=was and was[0], before=before and before.isoformat(),
    )  # fmt: skip
