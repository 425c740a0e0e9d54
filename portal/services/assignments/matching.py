"""Matching: facts of one client into the domain, decisions with reasons out of it, applied in small commits."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, delete, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.matching import (
    MATCHER_VERSION,
    Allocation,
    Decision,
    Reason,
    ReasonCode,
    ReviewReason,
    match,
)  # fmt: skip
from portal.domain.matching import (
    Candidate as CandidateFacts,
)
from portal.errors import AlreadyAssigned, Stale
from portal.models import Assignment, BankAccount, Candidate, Receipt, Refusal, Transaction
from portal.ports import Ports
from portal.services import running
from portal.services.assignments import assigning, learning, measuring, reaching
from portal.services.assignments.facts import receipt_facts
from portal.services.auditing import queue_up
from portal.services.payments import paying
from portal.services.running import Lease

UNDONE = and_(
    Assignment.is_automatic.is_(False), Assignment.withdrawn_at.is_not(None), Assignment.withdrawn_by.not_like("system:%")
)
"""A person's own decision, taken back by a person: no word against the pair."""
CHUNK = 200  #: receipts a commit; other writers get their turn in between
HELD_REASONS = {ReviewReason.MANUAL_UNLINK.value, ReviewReason.SOURCE_CHANGED.value}
#: a person decided against the machine, or has to look first: such receipts get candidates, never an assignment


def match_client(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `matching`: every open receipt of the client against the booked transactions that it can ask for.

    What is decided is not looked at again, and of the transactions only what is in reach is read (`reaching`): a day's matching
    costs what is open, not what the client's books hold. Where its own assignments teach it a name or an account, it looks
    again; a service's fee that they show counts from the next run on.
    """
    paid, outcomes = _assign_paid(ports, lease), dict[str, str]()
    while True:
        reaching.index(ports, lease)
        with ports.database.read() as session:
            receipts = _open_receipts(session, lease.client_id)
            versions = {receipt.id: receipt.version for receipt in receipts}
            facts = receipt_facts(session, lease.client_id, receipts)
            transactions, counts_of_words = reaching.in_reach(session, lease.client_id, facts)
            declined = _declined(session, lease.client_id)
            covered = _covered_until(session, lease.client_id)
            known = learning.learned(session, lease.client_id, facts, transactions)
            caution = measuring.caution(session, lease.client_id, now=ports.clock.now())
        decisions = match(
            facts, transactions, declined=declined, covered_until=covered, aliases=known.aliases, accounts=known.accounts,
            sales=known.sales, lags=known.lags, caution=float(caution), party_counts=counts_of_words,
        )  # fmt: skip
        found = _apply_all(ports, lease, decisions, versions, outcomes, paid)
        named = [one for one in facts if found.get(one.id) == "new"]
        with ports.database.read() as session:
            now_known = learning.learned(session, lease.client_id, named, ()) if named else known
        if now_known.aliases <= known.aliases and now_known.accounts <= known.accounts:
            break
    with ports.database.write() as session:
        running.finish(
            session, lease, now=ports.clock.now(), **_told(Counter(outcomes.values()), paid, len(outcomes), len(outcomes))
        )


def _apply_all(
    ports: Ports, lease: Lease, decisions: list[Decision], versions: dict[str, int], outcomes: dict[str, str], paid: int
) -> dict[str, str]:  # fmt: skip
    """Write the decisions, a commit two hundred; adds to the run's `outcomes` by receipt, and returns those of these."""
    found, counts = dict[str, str](), Counter(outcomes.values())
    decisions.sort(key=_gives_room, reverse=True)  # a netted credit note makes the room that the invoices beside it need
    total = len(outcomes.keys() | {decision.receipt for decision in decisions})
    for start in range(0, len(decisions), CHUNK):
        chunk = decisions[start : start + CHUNK]
        with ports.database.write() as session:
            now = ports.clock.now()
            queue_up(session, lease.client_id)
            held = _candidates(session, [decision.receipt for decision in chunk])
            unchanged = _receipts(session, versions, [decision.receipt for decision in chunk])
            for decision in chunk:
                outcome = _apply(session, decision, unchanged.get(decision.receipt), held[decision.receipt], now)
                found[decision.receipt] = outcome
                if outcome != "unchanged" or decision.receipt not in outcomes:
                    counts[outcomes.get(decision.receipt, "")] -= 1
                    counts[outcome] += 1
                    outcomes[decision.receipt] = outcome
            running.advance(session, lease, **_told(counts, paid, len(outcomes), total))
    return found


def _told(counts: Mapping[str, int], paid: int, seen: int, total: int) -> dict[str, Any]:
    return {
        "total": total, "seen": seen, "new": paid + counts["new"], "updated": counts["updated"],
        "unchanged": counts["unchanged"],
    }  # fmt: skip


def _assign_paid(ports: Ports, lease: Lease) -> int:
    """What was paid from the portal is certain: the payment knows its invoice and its booked movement (L-52)."""
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        running.advance(session, lease)
        links, now = paying.links(session, lease.client_id), ports.clock.now()
        declined = _declined(session, lease.client_id) if links else set()
        return sum(_assign_link(session, lease.client_id, *link, declined, now) for link in links)


def _assign_link(
    session: Session, client_id: str, invoice_id: str, transaction_id: str, declined: set[tuple[str, str]], now: datetime
) -> bool:  # fmt: skip
    """One of them, if both are here and nobody has decided otherwise."""
    receipt = session.scalar(
        select(Receipt).where(
            Receipt.client_id == client_id, Receipt.qonto_id == invoice_id, Receipt.state == "in_review"
        )
    )  # fmt: skip
    booked = Transaction.client_id == client_id, Transaction.qonto_id == transaction_id, Transaction.status == "booked"
    transaction = session.scalar(select(Transaction).where(*booked)) if receipt else None
    if receipt is None or _is_held(session, receipt) or transaction is None or (receipt.id, transaction.id) in declined:
        return False
    try:
        with session.begin_nested():
            assigning.assign(
                session, receipt=receipt, allocations=[Allocation(transaction.id, transaction.amount_cents)],
                seen_version=receipt.version, now=now, is_automatic=True, score=1.0,
                reasons=[Reason(ReasonCode.PAID_HERE, is_for=True).as_json()], matcher=MATCHER_VERSION,
            )  # fmt: skip
    except (AlreadyAssigned, Stale):
        return False
    session.execute(delete(Candidate).where(Candidate.receipt_id == receipt.id))
    return True


def _gives_room(decision: Decision) -> bool:
    return any(allocation.amount_cents < 0 for allocation in decision.allocations)


def _is_held(session: Session, receipt: Receipt) -> bool:
    """Whether the machine only proposes: a person's turn, or the documents are not all here."""
    return (
        receipt.is_left_to_people
        or receipt.review_reason in HELD_REASONS
        or receipt.document_state != "complete"
        or _is_same_file(session, receipt)
    )


def _is_same_file(session: Session, receipt: Receipt) -> bool:
    """Whether another receipt has the same bytes and counts, or may count."""
    first = session.get(Receipt, receipt.duplicate_of) if receipt.duplicate_of else None
    if first is not None and first.merged_into is not None:  # the one that it is a part of counts
        first = session.get(Receipt, first.merged_into)
    return first is not None and first is not receipt and first.set_aside_reason not in assigning.COUNTED_ELSEWHERE


def _apply(session: Session, decision: Decision, receipt: Receipt | None, held: list[Candidate], now: datetime) -> str:
    """One decision. `receipt`: None when it changed since we looked, `held`: its candidates until now."""
    if receipt is None:
        return "unchanged"
    if decision.status == "assigned" and not _is_held(session, receipt):
        best = decision.candidates[0] if decision.candidates else None
        try:
            with session.begin_nested():
                assigning.assign(
                    session, receipt=receipt, allocations=decision.allocations, seen_version=receipt.version, now=now,
                    is_automatic=True, score=best.score if best else None,
                    reasons=[reason.as_json() for reason in best.reasons] if best else [], matcher=MATCHER_VERSION,
                    considered=[_considered(one) for one in decision.candidates],
                )  # fmt: skip
        except (AlreadyAssigned, Stale):
            session.refresh(receipt)
        else:
            session.execute(delete(Candidate).where(Candidate.receipt_id == receipt.id))
            return "new"
    is_changed = _propose(session, receipt, held, decision.candidates)
    reason = (decision.reason or ReviewReason.COUNTERPARTY_UNCLEAR).value
    if _is_same_file(session, receipt):  # the same bytes twice: a person says which of them counts
        reason = ReviewReason.DUPLICATE_SUSPECTED.value
    if receipt.review_reason not in HELD_REASONS and receipt.review_reason != reason:
        receipt.review_reason, is_changed = reason, True
    return "updated" if is_changed else "unchanged"


def _considered(found: CandidateFacts) -> assigning.Considered:
    lines = [part.transaction for part in found.allocations]
    return assigning.as_considered(found.score, lines, [reason.as_json() for reason in found.reasons], MATCHER_VERSION)


def _propose(session: Session, receipt: Receipt, held: list[Candidate], found: Iterable[CandidateFacts]) -> bool:
    """Bring the receipt's candidates to what was found; tells whether that changed any.

    One that is proposed again keeps its row: the page that a person is looking at names it.
    """
    found = list(found)
    receipt.best_score = found[0].score if found else None
    known = {json.dumps(candidate.allocations, sort_keys=True): candidate for candidate in held}
    is_changed = False
    for rank, facts in enumerate(found, start=1):
        allocations = [{"transaction": a.transaction, "amount_cents": a.amount_cents} for a in facts.allocations]
        candidate = known.pop(json.dumps(allocations, sort_keys=True), None)
        if candidate is None:
            candidate = Candidate(id=new_id(), client_id=receipt.client_id, receipt_id=receipt.id, allocations=allocations)
            session.add(candidate)
        candidate.rank, candidate.score, candidate.grade = rank, facts.score, facts.grade
        candidate.reasons, candidate.matcher = [reason.as_json() for reason in facts.reasons], MATCHER_VERSION
        is_changed |= session.is_modified(candidate)
    for candidate in known.values():
        session.delete(candidate)
    return is_changed or bool(known)


def _receipts(session: Session, versions: dict[str, int], receipt_ids: list[str]) -> dict[str, Receipt]:
    """The receipts that are still as we saw them: whatever a person did meanwhile stands."""
    query = select(Receipt).where(Receipt.id.in_(receipt_ids), Receipt.state == "in_review")
    return {receipt.id: receipt for receipt in session.scalars(query) if receipt.version == versions[receipt.id]}


def _candidates(session: Session, receipt_ids: Iterable[str]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in session.scalars(select(Candidate).where(Candidate.receipt_id.in_(list(receipt_ids)))):
        found[candidate.receipt_id].append(candidate)
    return found


def _open_receipts(session: Session, client_id: str) -> list[Receipt]:
    query = select(Receipt).where(Receipt.client_id == client_id, Receipt.state == "in_review")
    # sorted here: asked for in this order, SQLite walks through all receipts of the client
    return sorted(session.scalars(query), key=lambda receipt: receipt.sequence)


def _declined(session: Session, client_id: str) -> set[tuple[str, str]]:
    """Pairs that somebody declined or whose assignment was withdrawn: never made by the machine, and shown last."""
    withdrawn = select(Assignment.receipt_id, Assignment.transaction_id).where(
        Assignment.client_id == client_id, Assignment.withdrawn_at.is_not(None), ~UNDONE
    )
    refused = select(Refusal.receipt_id, Refusal.transaction_id).where(
        Refusal.client_id == client_id, Refusal.withdrawn_at.is_(None)
    )
    return {(receipt_id, transaction_id) for receipt_id, transaction_id in session.execute(withdrawn.union_all(refused))}


def _covered_until(session: Session, client_id: str) -> date | None:
    """The day until which every account that is read is complete; None when one of them never was."""
    read = select(BankAccount.covered_until).where(
        BankAccount.client_id == client_id, BankAccount.is_active, BankAccount.is_chosen, BankAccount.deleted_at.is_(None)
    )
    days = list(session.scalars(read))
    known = [day for day in days if day is not None]
    return min(known) if known and len(known) == len(days) else None
