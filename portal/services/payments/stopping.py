"""Stopping payment orders: what was not ordered yet will not be; what may be at the bank waits until it can be looked for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.domain.payments import life
from portal.domain.payments.life import BatchState, Event, PaymentEvent
from portal.models import PaymentBatch
from portal.services.payments import paying

CONSENT_ENDED = "consent_ended"


def moving(connection_id: str | None) -> Select[PaymentBatch]:
    """The orders of a connection that somebody has to look after, the most urgent first."""
    return (
        select(PaymentBatch)
        .where(
            PaymentBatch.connection_id == connection_id, PaymentBatch.next_look_at.is_not(None),
            PaymentBatch.state.in_([state.value for state in life.MOVING]),
        )
        .order_by(PaymentBatch.next_look_at)
    )  # fmt: skip


def without_consent(session: Session, connection_id: str | None, *, now: datetime) -> None:
    """The consent has ended: a later one must not send what was approved under this one."""
    for batch in session.scalars(moving(connection_id)):
        match BatchState(batch.state):
            case BatchState.SENDING if batch.doubt_since is not None:
                lose(session, batch, now, reason=CONSENT_ENDED)
            case BatchState.APPROVED | BatchState.CONFIRMING | BatchState.SENDING:
                refuse(session, batch, CONSENT_ENDED, now)
            case BatchState.UNKNOWN:
                batch.reason = CONSENT_ENDED


def lose(session: Session, batch: PaymentBatch, now: datetime, *, reason: str = "") -> None:
    """Only the bank's lists can tell now; from here on no single person releases it again."""
    paying.move(session, batch, Event.LOSE, now=now, reason=reason, was_lost=True, lost_at=now, looks=0, next_look_at=now)


def refuse(session: Session, batch: PaymentBatch, reason: str, now: datetime) -> None:
    """The bank does not have it and will not get it: another attempt is another order."""
    paying.move(session, batch, Event.REFUSE, now=now, reason=reason, doubt_since=None, sca_token=None, next_look_at=None)
    paying.end_payments(session, batch, PaymentEvent.REFUSE, now=now, reason=reason)
