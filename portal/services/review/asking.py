"""Giving a receipt of the queue to a colleague, who is to look at it. It stays where it is, and anybody may decide it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.errors import Stale
from portal.models import Receipt
from portal.services.assignments import assigning
from portal.services.auditing import Tag, record
from portal.services.finding import Actor
from portal.services.messages import notifying
from portal.services.people import staffing
from portal.services.people.staffing import Colleague

LONGEST = 200  #: characters of the word that goes with it


def ask(
    session: Session, actor: Actor, *, receipt: Receipt, colleague_id: str, note: str, seen_version: int, now: datetime
) -> Colleague:
    """Somebody who looks after the client is to look at an open receipt; that may be the actor. He hears of it by mail.

    `note`: a word for him. Errors: NotFound for anybody else, Stale, AlreadyAssigned.
    """
    colleague = staffing.colleague(session, receipt.client_id, colleague_id)
    assigning.take_open(session, receipt, seen_version)
    receipt.asked_id, receipt.asked_by, receipt.asked_at, receipt.asked_note = colleague.id, actor.user_id, now, note
    receipt.updated_at = now
    record(
        session, Tag.RECEIPT_ASKED, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id, colleague=colleague.id
    )
    if colleague.id != actor.user_id:
        notifying.asked(session, receipt.client_id, colleague.id, now=now)
    return colleague


def take_back(session: Session, *, receipt: Receipt, seen_version: int, now: datetime) -> None:
    """Nobody in particular is to look at it any more. Errors: Stale, AlreadyAssigned."""
    assigning.take_open(session, receipt, seen_version)
    if receipt.asked_id is None:
        raise Stale("Nobody is asked about this receipt any more.")
    record(
        session, Tag.RECEIPT_UNASKED, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id,
        colleague=receipt.asked_id,
    )  # fmt: skip
    receipt.asked_id, receipt.asked_by, receipt.asked_at, receipt.asked_note = None, None, None, ""
    receipt.updated_at = now
