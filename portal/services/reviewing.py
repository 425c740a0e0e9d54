"""The review desk: what needs a person, with the receipt, its candidates and what was decided lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.domain.matching import found_spans
from portal.models import (
    Assignment,
    BankAccount,
    Candidate,
    Client,
    Document,
    Preview,
    Receipt,
    Transaction,
)
from portal.services import finding, listing, matching, naming
from portal.services.finding import Actor

QUEUE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Filters:
    """What the desk's address may ask for."""

    client_id: str = ""
    reason: str = ""
    sort: str = "oldest"  #: oldest, newest, amount
    receipt_id: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A transaction as a candidate card shows it."""

    transaction: Transaction
    account: BankAccount
    amount_cents: int
    marks: tuple[tuple[int, int], ...]  #: spans of the remittance text that hold the receipt's number
    used_by: str | None  #: label of another receipt this transaction is assigned to


@dataclass(frozen=True, slots=True)
class CandidateCard:
    """A proposal with what speaks for and against it."""

    candidate: Candidate
    lines: tuple[Line, ...]

    @property
    def value(self) -> str:
        """What the Assign form sends."""
        return self.candidate.id


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything the review page shows."""

    filters: Filters
    clients: Sequence[Client]
    queue: Sequence[tuple[Receipt, Client]]
    total: int
    oldest_at: datetime | None
    done_today: int
    reasons: dict[str, int]
    receipt: Receipt | None
    client: Client | None
    position: int
    documents: Sequence[Document]
    preview: Preview | None
    cards: Sequence[CandidateCard]
    last_done: Done | None


@dataclass(frozen=True, slots=True)
class Done:
    """A decision of the past hours, with its undo."""

    assignment: Assignment
    receipt: Receipt
    client: Client
    transaction: Transaction
    actor_name: str


def desk(session: Session, actor: Actor, filters: Filters, *, now: datetime) -> Desk:
    """The queue and its current receipt. Statements do not grow with the length of either."""
    clients = list(session.scalars(finding.visible_clients(actor).order_by(Client.name)))
    ids = [client.id for client in clients if filters.client_id in {"", client.id}]
    by_reason = {
        (reason or ""): (count, oldest)
        for reason, count, oldest in session.execute(
            select(Receipt.review_reason, func.count(), func.min(Receipt.in_review_since))
            .where(Receipt.client_id.in_(ids), Receipt.state == "in_review")
            .group_by(Receipt.review_reason)
        )
    }
    wanted = [value for reason, value in by_reason.items() if filters.reason in {"", reason}]
    query = _queue(ids, filters)
    queue = [(receipt, client) for receipt, client in session.execute(query.limit(QUEUE_SIZE))]
    receipt, client, position = _current(session, actor, filters, queue)
    documents = listing.documents(session, receipt.id) if receipt else []
    return Desk(
        filters=filters, clients=clients, queue=queue, total=sum(count for count, _ in wanted),
        oldest_at=min((oldest for _, oldest in wanted if oldest), default=None),
        done_today=_done_count(session, ids, since=now - timedelta(hours=now.hour, minutes=now.minute)),
        reasons={reason: count for reason, (count, _) in by_reason.items() if reason}, receipt=receipt, client=client,
        position=position, documents=documents, preview=preview_of(session, documents),
        cards=cards(session, receipt) if receipt and receipt.state == "in_review" else [],
        last_done=next(iter(done(session, actor, limit=1)), None),
    )  # fmt: skip


def _queue(client_ids: list[str], filters: Filters) -> Select[tuple[Receipt, Client]]:
    query = (
        select(Receipt, Client)
        .join(Client, Client.id == Receipt.client_id)
        .where(Receipt.client_id.in_(client_ids), Receipt.state == "in_review")
    )
    if filters.reason:
        query = query.where(Receipt.review_reason == filters.reason)
    order = {
        "newest": (Receipt.in_review_since.desc(), Receipt.sequence.desc()),
        "amount": (func.abs(Receipt.amount_cents).desc().nulls_last(), Receipt.sequence),
    }.get(filters.sort, (Receipt.in_review_since, Receipt.sequence))
    return query.order_by(*order, Receipt.id)


def _current(
    session: Session, actor: Actor, filters: Filters, queue: Sequence[tuple[Receipt, Client]]
) -> tuple[Receipt | None, Client | None, int]:
    """The receipt that the address names, else the first of the queue; 0 as position: not in the shown queue."""
    for number, (receipt, client) in enumerate(queue, start=1):
        if filters.receipt_id in {"", receipt.id}:
            return receipt, client, number
    if not filters.receipt_id:
        return None, None, 0
    receipt = finding.receipt(session, actor, filters.receipt_id)
    return receipt, session.get_one(Client, receipt.client_id), 0


def cards(session: Session, receipt: Receipt) -> list[CandidateCard]:
    """The receipt's candidates, best first, each with its transactions."""
    candidates = list(session.scalars(select(Candidate).where(Candidate.receipt_id == receipt.id).order_by(Candidate.rank)))
    wanted = {part["transaction"] for candidate in candidates for part in candidate.allocations}
    found = {
        transaction.id: (transaction, account)
        for transaction, account in session.execute(
            select(Transaction, BankAccount)
            .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
            .where(Transaction.id.in_(wanted), Transaction.client_id == receipt.client_id)
        )
    }
    users = {
        transaction_id: f"R-{sequence}"
        for transaction_id, sequence in session.execute(
            select(Assignment.transaction_id, Receipt.sequence)
            .join(Receipt, Receipt.id == Assignment.receipt_id)
            .where(Assignment.transaction_id.in_(wanted), Assignment.withdrawn_at.is_(None))
        )
    }
    facts = matching.receipt_facts(session, receipt.client_id, [receipt])[0]
    return [
        CandidateCard(
            candidate,
            tuple(
                Line(
                    found[part["transaction"]][0], found[part["transaction"]][1], part["amount_cents"],
                    found_spans(facts, matching.as_facts(found[part["transaction"]][0], part["amount_cents"])),
                    users.get(part["transaction"]),
                )
                for part in candidate.allocations
            ),
        )
        for candidate in candidates
        if all(part["transaction"] in found for part in candidate.allocations)
    ]  # fmt: skip


def preview_of(session: Session, documents: Sequence[Document]) -> Preview | None:
    """The preview of what a person looks at first."""
    if not documents:
        return None
    shown = documents[0]
    return session.scalar(select(Preview).where(Preview.client_id == shown.client_id, Preview.sha256 == shown.sha256))


def done(session: Session, actor: Actor, *, limit: int = 30) -> list[Done]:
    """Assignments made by people, newest first; the standing ones can be undone."""
    query = (
        select(Assignment, Receipt, Client, Transaction)
        .join(Receipt, Receipt.id == Assignment.receipt_id)
        .join(Client, Client.id == Assignment.client_id)
        .join(Transaction, Transaction.id == Assignment.transaction_id)
        .where(
            Assignment.is_automatic.is_(False), Assignment.withdrawn_at.is_(None),
            Assignment.client_id.in_(finding.visible_clients(actor).with_only_columns(Client.id)),
        )
        .order_by(Assignment.created_at.desc())
        .limit(limit)
    )  # fmt: skip
    found = session.execute(query).all()
    people = naming.names(session, (assignment.actor for assignment, *_ in found))
    return [Done(*row, people[row[0].actor]) for row in found]


def _done_count(session: Session, client_ids: Sequence[str], *, since: datetime) -> int:
    query = select(func.count(func.distinct(Assignment.decision_id))).where(
        Assignment.client_id.in_(client_ids), Assignment.is_automatic.is_(False), Assignment.created_at >= since
    )
    return session.scalar(query) or 0
