"""Saying why a transaction has no receipt, changing that, and taking it back. Only people say it, never the machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.explanations import LONGEST_NOTE, Reason
from portal.errors import AlreadyAssigned, Conflict, NotFound, Rejected, Stale
from portal.models import Assignment, Explanation, Transaction
from portal.services import finding
from portal.services.auditing import Tag, current_actor, queue_up, record
from portal.services.finding import Actor


def explain(
    session: Session, transaction: Transaction, *, reason: Reason, note: str = "", seen: str = "", now: datetime
) -> Explanation:
    """Say it, or say something else than before. `seen`: the id of what the page said was said already, empty for nothing.

    Saying the same again changes nothing, so that a second click is harmless. Errors: Rejected; AlreadyAssigned when a receipt
    has come meanwhile; Stale when somebody else has said something.
    """
    note = note.strip()
    if reason is Reason.OTHER and not note:
        raise Rejected("Please say in a few words why no receipt is needed.")
    if len(note) > LONGEST_NOTE:
        raise Rejected("This is too long: 500 characters at most.")
    queue_up(session, transaction.client_id)
    session.refresh(transaction)
    if transaction.status != "booked":
        raise Stale("The bank has taken this transaction back. Nothing needs to be said about it.")
    if has_receipt(session, transaction):
        raise AlreadyAssigned("This transaction has a receipt meanwhile. Nothing needs to be said about it.")
    standing = session.scalar(standing_of(transaction.id))
    if standing and (standing.reason, standing.note, standing.actor) == (reason.value, note, current_actor()):
        return standing
    if (standing.id if standing else "") != seen:
        raise Stale("Somebody else has said something about this transaction meanwhile. Please look at it again.")
    if standing:
        _end(session, standing, now)
    said = Explanation(
        id=new_id(), client_id=transaction.client_id, transaction_id=transaction.id, reason=reason.value, note=note,
        actor=current_actor(), created_at=now, withdrawn_at=None, withdrawn_by=None,
    )  # fmt: skip
    session.add(said)
    try:
        session.flush()
    except IntegrityError as error:
        raise Stale("Somebody else has said something about this transaction meanwhile. Please look at it again.") from error
    record(
        session, Tag.TRANSACTION_EXPLAINED, subject=f"transaction:{transaction.id}", at=now, client_id=transaction.client_id,
        explanation=said.id, reason=said.reason,
    )  # fmt: skip
    return said


def explain_several(
    session: Session, actor: Actor, client_id: str, said: Sequence[tuple[str, Reason]], *, now: datetime
) -> tuple[int, list[Transaction]]:
    """Say something about (transaction id, reason) of one client of which nothing was said, each by itself.

    How many were explained, and those that had changed: somebody has said something, or a receipt has come.
    Errors: NotFound when one of them is not the client's, or not the actor's to see; then nothing is said about any.
    """
    client = finding.client(session, actor, client_id)
    transactions = [(finding.transaction(session, actor, transaction_id), reason) for transaction_id, reason in said]
    if any(transaction.client_id != client.id for transaction, _ in transactions):
        raise NotFound
    changed = []
    for transaction, reason in sorted(transactions, key=lambda one: one[0].id):  # as all lock
        try:
            with session.begin_nested():
                explain(session, transaction, reason=reason, now=now)
        except Conflict:
            changed.append(transaction)
    return len(transactions) - len(changed), changed


def withdraw(session: Session, said: Explanation, *, now: datetime) -> None:
    """Take it back: the transaction is open again. Errors: Stale when that has happened already."""
    queue_up(session, said.client_id)
    session.refresh(said)
    if said.withdrawn_at is not None:
        raise Stale("This has been taken back or changed already.")
    _end(session, said, now)


def standing_of(transaction_id: str) -> Select[Explanation]:
    """What holds now about a transaction."""
    return select(Explanation).where(Explanation.transaction_id == transaction_id, Explanation.withdrawn_at.is_(None))


def has_receipt(session: Session, transaction: Transaction) -> bool:
    """Whether any receipt is assigned to (a part of) it."""
    standing = select(Assignment.id).where(Assignment.transaction_id == transaction.id, Assignment.withdrawn_at.is_(None))
    return session.scalar(standing.limit(1)) is not None


def _end(session: Session, said: Explanation, now: datetime) -> None:
    said.withdrawn_at, said.withdrawn_by = now, current_actor()
    session.flush()
    record(
        session, Tag.EXPLANATION_WITHDRAWN, subject=f"transaction:{said.transaction_id}", at=now, client_id=said.client_id,
        explanation=said.id, reason=said.reason,
    )  # fmt: skip
