"""Internal notes of the firm about a receipt. Clients learn neither their words nor that there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.errors import NotFound, Rejected
from portal.models import Note, Receipt, User
from portal.services.auditing import Tag, queue_up, record
from portal.services.finding import Actor

LONGEST = 2_000  #: characters
SHOWN = 20  #: beside the receipt at the desk, the newest
MOST = 500  #: on the receipt's own page
OF_RECEIPT = (
    select(Note, User.name)
    .join(User, User.id == Note.author_id)
    .where(Note.receipt_id == bindparam("receipt"), Note.withdrawn_at.is_(None))
    .order_by(Note.created_at.desc(), Note.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noted about a receipt, each note with its author's name, oldest first."""

    shown: Sequence[tuple[Note, str]] = ()
    has_older: bool = False  #: there are more than are shown


def notes(session: Session, receipt_id: str, *, most: int = SHOWN) -> Notes:
    """The newest notes about a receipt of the actor, without those that were taken back. For the firm's people only."""
    found = [(note, name) for note, name in session.execute(OF_RECEIPT, {"receipt": receipt_id, "most": most + 1})]
    return Notes(found[:most][::-1], len(found) > most)


def write(session: Session, actor: Actor, *, receipt: Receipt, text: str, now: datetime) -> Note:
    """Note something. The author's same words right after each other are one note: a button was pressed twice.

    Errors: Rejected for an empty or endless text.
    """
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Rejected("Write a few words first.")
    if len(text) > LONGEST:
        raise Rejected("The note is too long: 2,000 characters at most.")
    queue_up(session, receipt.client_id)
    last = session.scalar(
        _of(receipt).where(Note.withdrawn_at.is_(None)).order_by(Note.created_at.desc(), Note.id.desc()).limit(1)
    )
    if last is not None and (last.author_id, last.text) == (actor.user_id, text):
        return last
    note = Note(
        id=new_id(), client_id=receipt.client_id, receipt_id=receipt.id, author_id=actor.user_id, text=text, created_at=now
    )
    session.add(note)
    session.flush()
    record(session, Tag.NOTE_WRITTEN, subject=f"note:{note.id}", at=now, client_id=receipt.client_id, receipt=receipt.id)
    return note


def take_back(session: Session, actor: Actor, *, receipt: Receipt, note_id: str, now: datetime) -> None:
    """Its author does not want it shown any more; once more changes nothing. Errors: NotFound; Rejected for anybody else."""
    queue_up(session, receipt.client_id)
    note = session.scalar(_of(receipt).where(Note.id == note_id))
    if note is None:
        raise NotFound
    if note.author_id != actor.user_id:
        raise Rejected("Only its author can take a note back.")
    if note.withdrawn_at is None:
        note.withdrawn_at, note.withdrawn_by = now, actor.user_id
        record(session, Tag.NOTE_WITHDRAWN, subject=f"note:{note.id}", at=now, client_id=receipt.client_id, receipt=receipt.id)


def _of(receipt: Receipt) -> Select[Note]:
    return select(Note).where(Note.receipt_id == receipt.id)
