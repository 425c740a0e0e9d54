"""A person's decisions at the desk, each with what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.domain.matching import Allocation
from portal.errors import AlreadyAssigned, Conflict, Rejected, Stale
from portal.models import Candidate, Receipt, Run, Transaction, User
from portal.ports import Ports
from portal.services import finding, running
from portal.services.assignments import assigning
from portal.services.assignments.assigning import Difference
from portal.services.auditing import queue_up
from portal.services.finding import Actor
from portal.services.review import collecting, declining, searching


def assign_candidate(session: Session, receipt: Receipt, *, candidate_id: str, seen_version: int, now: datetime) -> None:
    """Assign what a proposal says.

    Errors: AlreadyAssigned when somebody was faster, Stale when a newer matching has replaced the proposal.
    """
    query = select(Candidate).where(Candidate.id == candidate_id, Candidate.receipt_id == receipt.id)
    candidate = session.scalar(query) if finding.is_id(candidate_id) else None
    assigning.check_open(receipt)
    if candidate is None:
        raise Stale("The proposals for this receipt have changed. Please look at them again.")
    assigning.assign(
        session, receipt=receipt, allocations=[Allocation(p["transaction"], p["amount_cents"]) for p in candidate.allocations],
        seen_version=seen_version, now=now, score=candidate.score, reasons=candidate.reasons, matcher=candidate.matcher,
        rank=candidate.rank,
    )  # fmt: skip


def assign_several(
    session: Session, actor: Actor, pairs: Sequence[tuple[str, str, int]], *, now: datetime
) -> tuple[int, list[Receipt]]:
    """Assign (receipt id, candidate id, seen version) each by itself; how many were, and the receipts that had changed.

    Errors: NotFound when one of the receipts is not the actor's to see; then none is assigned.
    """

    def one(receipt: Receipt, candidate_id: str, seen_version: int) -> None:
        assign_candidate(session, receipt, candidate_id=candidate_id, seen_version=seen_version, now=now)

    done, changed = _several(session, actor, pairs, one)
    return len(done), changed


def decline_several(
    session: Session, actor: Actor, pairs: Sequence[tuple[str, str, int]], *, now: datetime
) -> tuple[int, list[Receipt], list[Run]]:
    """The same for declining them; with a run for each client that looks for candidates again. Errors: NotFound as above."""

    def one(receipt: Receipt, candidate_id: str, seen_version: int) -> None:
        declining.decline(session, receipt, candidate_id=candidate_id, seen_version=seen_version, now=now)

    done, changed = _several(session, actor, pairs, one)
    return len(done), changed, [_match_again(session, client_id, now) for client_id in sorted({one.client_id for one in done})]


def _several(
    session: Session, actor: Actor, pairs: Sequence[tuple[str, str, int]], decide: Callable[[Receipt, str, int], None]
) -> tuple[list[Receipt], list[Receipt]]:
    """Each in a savepoint of its own: the receipts that were decided, and those that had changed."""
    receipts = [(finding.receipt(session, actor, receipt_id), candidate_id, seen) for receipt_id, candidate_id, seen in pairs]
    done, changed = [], []
    for receipt, candidate_id, seen_version in sorted(receipts, key=lambda one: (one[0].client_id, one[0].id)):  # as all lock
        try:
            with session.begin_nested():
                decide(receipt, candidate_id, seen_version)
        except Conflict:
            session.refresh(receipt)
            changed.append(receipt)
        else:
            done.append(receipt)
    return done, changed


def assign_lines(
    session: Session, receipt: Receipt, *, lines: Sequence[str], difference: Difference | None, seen_version: int, now: datetime
) -> None:
    """Assign transactions that a person found. Errors: Rejected, AlreadyAssigned, Stale."""
    assigning.check_open(receipt)
    found = searching.chosen_lines(session, receipt, lines)
    if not found or len(found) < len(set(lines)):
        raise AlreadyAssigned("One of these transactions is not to be had any more. Please choose again.")
    told = searching.sum_of(receipt, found)
    taken = searching.allocations(receipt, found, difference)
    proposal = _proposal(session, receipt, taken)  # its rank would say that nothing had to be looked for
    assigning.assign(
        session, receipt=receipt, allocations=taken, seen_version=seen_version, now=now,
        score=proposal.score if proposal else None, reasons=proposal.reasons if proposal else (),
        matcher=proposal.matcher if proposal else None,
        difference=difference, difference_cents=told.difference_cents if told and difference else None,
    )  # fmt: skip


def assign_receipts(
    session: Session, transaction: Transaction, chosen: Sequence[tuple[Receipt, int]], *, difference: Difference | None,
    now: datetime,
) -> None:  # fmt: skip
    """Assign (receipt, seen version) to the one transaction that paid them all: every one of them, or none.

    Each can be undone by itself. Errors: NotFound for receipts of another client; Rejected; AlreadyAssigned, Stale.
    """
    if len({receipt.id for receipt, _ in chosen}) < len(chosen):
        raise Rejected("Each receipt can be chosen once.")
    if len(chosen) > searching.MOST_CHOSEN:
        raise Rejected("At most 40 receipts can be assigned in one step.")
    queue_up(session, transaction.client_id)
    session.refresh(transaction)
    for receipt, seen_version in chosen:
        session.refresh(receipt)
        assigning.check_open(receipt)
        if receipt.version != seen_version:
            raise Stale("Somebody changed one of these receipts in the meantime. Please look at them again.")
    worth = [collecting.share_of(transaction, receipt) for receipt, _ in chosen]
    given = collecting.parts_of(assigning.open_cents(session, transaction), worth, difference)
    labels = [receipt.label for receipt, _ in chosen]
    parts = sorted(zip(chosen, worth, given, strict=True), key=lambda part: part[2])  # first the credit notes, which make room
    for (receipt, seen_version), cents, part in parts:
        taken = [Allocation(transaction.id, part)]
        proposal = _proposal(session, receipt, taken)
        assigning.assign(
            session, receipt=receipt, allocations=taken, seen_version=seen_version, now=now,
            score=proposal.score if proposal else None, reasons=proposal.reasons if proposal else (),
            matcher=proposal.matcher if proposal else None, rank=proposal.rank if proposal else None,
            difference=difference if part != cents else None, difference_cents=part - cents if part != cents else None,
            together=labels if len(labels) > 1 else (),
        )  # fmt: skip


def _proposal(session: Session, receipt: Receipt, taken: Sequence[Allocation]) -> Candidate | None:
    """What the matcher proposed, if that is what was chosen."""
    wanted = {(part.transaction, part.amount_cents) for part in taken}
    proposals = session.scalars(assigning.candidates_of(receipt.id))
    return next((one for one in proposals if {(p["transaction"], p["amount_cents"]) for p in one.allocations} == wanted), None)


def learns_now(session: Session, actor: Actor) -> bool:
    """Whether this is the moment to tell a person what assigning by hand teaches: after the first time, and never again.

    Two requests at once: one of them tells it. It is no event: nobody could ever ask about it.
    """
    told = update(User).where(User.id == actor.user_id, User.knows_learning.is_(False)).values(knows_learning=True)
    return session.scalar(told.returning(User.id), execution_options={"synchronize_session": False}) is not None


def withdraw(session: Session, receipt: Receipt, *, seen_version: int, now: datetime) -> Run:
    """Undo an assignment and look for candidates again."""
    assigning.withdraw(session, receipt=receipt, seen_version=seen_version, now=now)
    return _match_again(session, receipt.client_id, now)


def reopen(session: Session, receipt: Receipt, *, seen_version: int, now: datetime) -> Run:
    """Undo a set-aside and look for candidates again."""
    assigning.reopen(session, receipt=receipt, seen_version=seen_version, now=now)
    return _match_again(session, receipt.client_id, now)


def restore(session: Session, receipt: Receipt, *, seen_version: int, now: datetime) -> Run:
    """Take back that a pair was declined, and look for candidates again."""
    declining.take_back(session, receipt, seen_version=seen_version, now=now)
    return _match_again(session, receipt.client_id, now)


def _match_again(session: Session, client_id: str, now: datetime) -> Run:
    return running.request(session, client_id=client_id, kind="matching", trigger="change", now=now)


def start(ports: Ports, run: Run) -> None:
    """After the commit: hand the run to a worker."""
    ports.queue.push(running.ticket(run, now=ports.clock.now()))
