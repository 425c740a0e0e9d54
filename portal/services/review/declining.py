"""Declining a proposed pair, and taking that back: the receipt stays in review, the machine never assigns the pair."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.errors import Stale
from portal.models import Candidate, Receipt, Refusal
from portal.services import finding
from portal.services.assignments import assigning
from portal.services.auditing import Tag, current_actor, record


def decline(session: Session, receipt: Receipt, *, candidate_id: str, seen_version: int, now: datetime) -> None:
    """This proposal is wrong: it goes, and the next matching shows its pairs last.

    Errors: AlreadyAssigned when somebody has decided about the receipt; Stale when it or its proposals changed, or when the
    pair is declined already.
    """
    assigning.take_open(session, receipt, seen_version)
    query = select(Candidate).where(Candidate.id == candidate_id, Candidate.receipt_id == receipt.id)
    candidate = session.scalar(query) if finding.is_id(candidate_id) else None
    if candidate is None:
        raise Stale("The proposals for this receipt have changed. Please look at them again.")
    lines = [part["transaction"] for part in candidate.allocations]
    known = {refusal.transaction_id for refusal in session.scalars(standing_of(receipt.id))}
    if known.issuperset(lines):
        raise Stale("Somebody has declined this pair already.")
    considered, decision_id = assigning.considered_of(session, receipt), new_id()
    session.add_all(
        Refusal(
            client_id=receipt.client_id, receipt_id=receipt.id, transaction_id=line, decision_id=decision_id,
            actor=current_actor(), created_at=now,
        )
        for line in lines
        if line not in known
    )  # fmt: skip
    record(
        session, Tag.PAIR_DECLINED, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id, decision=decision_id,
        transactions=lines, score=candidate.score, matcher=candidate.matcher, considered=considered,
    )  # fmt: skip
    session.delete(candidate)
    session.flush()
    receipt.best_score = max(
        session.scalars(assigning.candidates_of(receipt.id).with_only_columns(Candidate.score)), default=None
    )
    receipt.updated_at = now


def take_back(session: Session, receipt: Receipt, *, seen_version: int, now: datetime) -> None:
    """The pair that was declined last may be proposed again, and is by the next matching. Errors: Stale."""
    assigning.take(session, receipt, seen_version)
    standing = list(session.scalars(standing_of(receipt.id).order_by(Refusal.created_at.desc(), Refusal.id.desc())))
    last = [refusal for refusal in standing if refusal.decision_id == standing[0].decision_id]
    if not last:
        raise Stale("No pair of this receipt is declined any more.")
    for refusal in last:
        refusal.withdrawn_at, refusal.withdrawn_by = now, current_actor()
    receipt.updated_at = now
    record(
        session, Tag.PAIR_RESTORED, subject=f"receipt:{receipt.id}", at=now, client_id=receipt.client_id,
        decision=last[0].decision_id, transactions=[refusal.transaction_id for refusal in last],
    )  # fmt: skip


def standing_of(receipt_id: str) -> Select[Refusal]:
    """What is declined of a receipt."""
    return select(Refusal).where(Refusal.receipt_id == receipt_id, Refusal.withdrawn_at.is_(None))
