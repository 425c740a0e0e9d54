"""What was done at the review desk lately, by whom, and what of it still stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, literal_column, select
from sqlalchemy.orm import Session

from portal.clock import BERLIN
from portal.models import Assignment, AuditEvent, Client, Receipt, Refusal, Role, Transaction
from portal.services import finding, naming
from portal.services.auditing import Tag
from portal.services.finding import Actor
from portal.services.review import saving
from portal.services.review.queueing import OF_CLIENTS

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
UNDO_LIFE = timedelta(days=14)  #: how far back "recently done" reaches

DECISIONS = tuple(
    tag.text
    for tag in (Tag.ASSIGNMENT_MADE, Tag.RECEIPT_SET_ASIDE, Tag.RECEIPT_PUT_OFF, Tag.RECEIPT_SPLIT_OFF, Tag.PAIR_DECLINED)
)
DECIDED = (
    select(Receipt, Client, Assignment.decision_id, Transaction, Refusal.decision_id)
    .join(Client, Client.id == Receipt.client_id)
    .outerjoin(Assignment, and_(Assignment.receipt_id == Receipt.id, Assignment.withdrawn_at.is_(None)))
    .outerjoin(Transaction, Transaction.id == Assignment.transaction_id)
    .outerjoin(Refusal, and_(Refusal.receipt_id == Receipt.id, Refusal.withdrawn_at.is_(None)))
    .where(Receipt.id.in_(bindparam("receipts", expanding=True)))
    .order_by(Transaction.booked_on)
)
ASSIGNED_SINCE = select(func.count(func.distinct(Assignment.receipt_id))).where(
    Assignment.is_automatic.is_(False), Assignment.withdrawn_at.is_(None), Assignment.created_at >= bindparam("since")
)
SET_ASIDE_SINCE = select(func.count(Receipt.id)).where(
    Receipt.state == literal_column("'set_aside'"), Receipt.updated_at >= bindparam("since")
)


@dataclass(frozen=True, slots=True)
class Done:
    """A decision a person made lately, with its undo while it stands."""

    event: AuditEvent
    receipt: Receipt
    client: Client
    transactions: Sequence[Transaction]  #: of a standing assignment
    is_standing: bool
    actor_name: str

    @property
    def is_set_aside(self) -> bool:
        """Whether that was it."""
        return self.event.tag == Tag.RECEIPT_SET_ASIDE.text

    @property
    def together(self) -> Sequence[str]:
        """Labels of the other receipts that were assigned in the same step."""
        return [label for label in self.event.details.get("together", ()) if label != self.receipt.label]

    @property
    def is_declined(self) -> bool:
        """Whether a proposal was declined."""
        return self.event.tag == Tag.PAIR_DECLINED.text

    @property
    def is_put_off(self) -> bool:
        """Whether that was it."""
        return self.event.tag == Tag.RECEIPT_PUT_OFF.text

    @property
    def is_split_off(self) -> bool:
        """Whether that was it: it was made from the file of another; else it was assigned."""
        return self.event.tag == Tag.RECEIPT_SPLIT_OFF.text


def to_check(session: Session, actor: Actor) -> list[str]:
    """Decisions of clients that nobody of the firm has looked at yet."""
    return list(session.scalars(_to_check(actor.role).distinct(), {"actor": actor.user_id}))


@cache
def _to_check(role: Role) -> Select[str]:
    return select(Assignment.decision_id).where(
        Assignment.client_id.in_(finding.seen_ids(role)), Assignment.is_to_check, Assignment.withdrawn_at.is_(None)
    )


def last_change(session: Session, actor: Actor, receipt_id: str) -> tuple[AuditEvent, str] | None:
    """What somebody did last about a receipt, and who. Errors: NotFound."""
    receipt = finding.receipt(session, actor, receipt_id)
    decisions = select(Assignment.decision_id).where(Assignment.receipt_id == receipt.id).distinct()
    about = [f"receipt:{receipt.id}", *(f"assignment:{decision_id}" for decision_id in session.scalars(decisions))]
    events = select(AuditEvent).where(AuditEvent.client_id == receipt.client_id, AuditEvent.subject.in_(about))
    event = session.scalars(events.order_by(AuditEvent.sequence.desc()).limit(1)).first()
    return (event, naming.names(session, [event.actor])[event.actor]) if event else None


def done(
    session: Session, actor: Actor, *, limit: int = 30, since: datetime | None = None, is_own: bool = False,
    only: Sequence[str] | None = None,
) -> list[Done]:  # fmt: skip
    """Decisions of people, newest first; `is_own`: only the actor's; `only`: these decisions.

    Undone ones stay listed, they happened.
    """
    query = _decisions(actor.role, is_own=is_own).limit(limit)
    if only is not None:
        query = query.where(AuditEvent.subject.in_([f"assignment:{decision_id}" for decision_id in only]))
    asked = {"actor": actor.user_id, "person": actor.user_id, "since": since or LONG_AGO}
    events = {event: _receipt_of(event) for event in session.scalars(query, asked)}
    if not events:
        return []
    receipts: dict[str, tuple[Receipt, Client]] = {}
    assigned: dict[str, dict[str, Transaction]] = {}
    refused = set[str | None]()
    for receipt, client, decision_id, transaction, refusal_id in session.execute(
        DECIDED, {"receipts": list(set(events.values()))}
    ):
        receipts[receipt.id] = (receipt, client)
        refused.add(refusal_id)
        if transaction is not None:
            assigned.setdefault(f"assignment:{decision_id}", {})[transaction.id] = transaction
    people = {actor.user_id: ""} if is_own else naming.names(session, (event.actor for event in events))
    rows, settled = [], set[tuple[str, bool]]()
    for event, receipt_id in events.items():
        receipt, client = receipts[receipt_id]
        about = receipt_id, event.tag == Tag.PAIR_DECLINED.text
        is_kept = about not in settled and (
            (event.tag == Tag.RECEIPT_SET_ASIDE.text and receipt.state == "set_aside")
            or (event.tag == Tag.PAIR_DECLINED.text and event.details["decision"] in refused)
            or (event.tag == Tag.RECEIPT_PUT_OFF.text and event.details["until"] == _day(receipt.put_off_until))
            or (event.tag == Tag.RECEIPT_SPLIT_OFF.text and receipt.state == "in_review")
        )
        if is_kept:
            settled.add(about)  # of several that would fit only the newest stands
        transactions = list(assigned.get(event.subject, {}).values())
        rows.append(Done(event, receipt, client, transactions, is_kept or bool(transactions), people[event.actor]))
    return rows


@cache
def _decisions(role: Role, *, is_own: bool) -> Select[AuditEvent]:
    return (
        select(AuditEvent)
        .where(
            AuditEvent.client_id.in_(finding.seen_ids(role)),
            AuditEvent.tag.in_(DECISIONS),
            AuditEvent.actor == bindparam("person") if is_own else AuditEvent.actor.not_like("system:%"),
            AuditEvent.at >= bindparam("since"),
        )
        .order_by(AuditEvent.at.desc(), AuditEvent.sequence.desc())
    )


def last_done(session: Session, actor: Actor, *, since: datetime) -> Done | None:
    """The actor's newest decision that still stands, not older than that; None without one."""
    return next((row for row in done(session, actor, limit=5, since=since, is_own=True) if row.is_standing), None)


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _receipt_of(event: AuditEvent) -> str:
    return str(event.details.get("receipt") or event.subject.removeprefix("receipt:"))


def counts(
    session: Session, actor: Actor, client_ids: Sequence[str] | None, *, now: datetime
) -> tuple[int, int, list[saving.Row]]:
    """How much was done today, how much is to check; and the actor's saved views.

    Receipts of these clients (None: of all that there are) that people assigned or set aside since midnight in Berlin, and that
    still are; decisions of all clients that nobody of the firm has looked at yet.
    """
    midnight = now.astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
    asked = {"clients": list(client_ids or ()), "since": midnight, "actor": actor.user_id}
    rows = session.execute(_counts(actor.role, are_all=client_ids is None), asked).all()
    done_today, unchecked, *_ = rows[0]
    return done_today, unchecked, [(known, name, query) for _, _, known, name, query in rows if known]


@cache
def _counts(role: Role, *, are_all: bool) -> Select[*tuple[Any, ...]]:
    unchecked = _to_check(role).with_only_columns(func.count(func.distinct(Assignment.decision_id)))
    assigned, set_aside = ASSIGNED_SINCE, SET_ASIDE_SINCE
    if not are_all:
        assigned = assigned.where(Assignment.client_id.in_(bindparam("clients", expanding=True)))
        set_aside = set_aside.where(OF_CLIENTS)
    done = assigned.scalar_subquery() + set_aside.scalar_subquery()
    return saving.beside(select(done.label("done"), unchecked.scalar_subquery().label("to_check")))
