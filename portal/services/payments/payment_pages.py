"""What the pages of payments show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.domain.payments import gates, life, orders, sepa
from portal.domain.payments.gates import Gate
from portal.domain.payments.life import BatchState
from portal.errors import RateLimited, Unavailable
from portal.models import Approval, Client, Connection, PaymentBatch, PaymentRules, Role, User
from portal.ports import Ports
from portal.qonto.schema import BankAccount as BankAccountRow
from portal.services import finding, naming
from portal.services.finding import Actor
from portal.services.payments import paying, preparing, sending
from portal.services.payments.preparing import Offer

MOST_SHOWN = 100
UNANSWERED_AFTER = timedelta(seconds=sum(sending.AGAIN_AFTER[:2]))  #: by then the same was asked three times
ALIKE_WITHIN = timedelta(days=14)  #: the same amount to the same IBAN may be a second payment (reliability.md E08)
#: a page in this state looks again by itself
RESTLESS = frozenset((BatchState.APPROVED, BatchState.SENDING, BatchState.CONFIRMING, BatchState.UNKNOWN))


@dataclass(frozen=True, slots=True)
class PaymentsPage:
    """A client's orders, and what keeps the actor from making one. `connected_by`: whose phone confirms."""

    clients: Sequence[Client]
    client: Client
    connection: Connection | None
    connected_by: str
    gates: Sequence[Gate]
    approval_gates: Sequence[Gate]
    batches: Sequence[PaymentBatch]
    rules: PaymentRules
    left_cents: int
    is_one_person: bool  #: the client has nobody for four eyes


@dataclass(frozen=True, slots=True)
class FormPage:
    """What a payment may be made from."""

    client: Client
    accounts: Sequence[BankAccountRow]
    rules: PaymentRules
    today: date
    is_bank_away: bool = False


@dataclass(frozen=True, slots=True)
class InvoicesPage:
    """What can be paid, and what cannot and why."""

    form: FormPage
    offers: Sequence[Offer]

    @property
    def payable(self) -> list[Offer]:
        """Those without an obstacle."""
        return [offer for offer in self.offers if offer.wanted is not None]


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One order. `digest` is what an approval of this page approves."""

    batch: PaymentBatch
    client: Client
    prepared_by: str
    changed_by: Sequence[str]
    approved_by: str
    approval: Approval | None
    connected_by: str
    gates: Sequence[Gate]
    is_clients: bool  #: the actor belongs to the client: he approves, the firm prepares
    needs_second_person: bool
    is_own: bool  #: the actor has prepared or changed it
    is_checked: bool
    digest: str
    day: date | None  #: on which banks will work on it
    is_moved: bool  #: they rest on the day that was asked for
    earlier: Sequence[PaymentBatch]  #: the same was ordered before: the same IBAN and amount within the last two weeks
    elapsed: timedelta  #: since the bank asked for its confirmation
    is_hinted: bool
    is_unanswered: bool  #: the bank was asked more than once without an answer
    is_on: bool  #: payments are switched on
    again: str | None  #: the order that has taken up what did not come through

    @property
    def is_restless(self) -> bool:
        """Whether the page looks again by itself."""
        moves = any(payment.state == life.PaymentState.ORDERED for payment in self.batch.payments)
        is_near = self.batch.execute_on is None or self.day is None or self.elapsed < timedelta(minutes=5)
        return self.batch.state in RESTLESS or (self.batch.state == BatchState.ACCEPTED and moves and is_near)

    @property
    def is_recallable(self) -> bool:
        """Whether the bank may still be able to stop some of it: only what waits for its day."""
        return self.batch.execute_on is not None and any(p.state == life.PaymentState.ORDERED for p in self.batch.payments)

    @staticmethod
    def cause(code: str) -> str:
        """Why something came to nothing, as the pages word it."""
        return gates.cause(code)

    @staticmethod
    def owner(code: str) -> str:
        """Whom to turn to about it."""
        return gates.owner(gates.cause(code)).value

    @property
    def failed(self) -> int:
        """How many could be tried again."""
        return sum(payment.state in life.FREE_AGAIN for payment in self.batch.payments)


def index(session: Session, actor: Actor, *, now: datetime, client_id: str = "") -> PaymentsPage:
    """The orders of the named client, else of the actor's first one with payments. Errors: as `finding.payer`.

    Where payments were switched off: only what had been let go before.
    """
    client = finding.payer(session, actor, client_id, is_reading=True) if client_id else finding.first_payer(session, actor)
    connection, rules = paying.connection_of(session, client.id), paying.rules(session, client.id)
    assert rules is not None
    query = select(PaymentBatch).where(PaymentBatch.client_id == client.id).order_by(PaymentBatch.created_at.desc())
    if not rules.is_on:
        query = query.where(PaymentBatch.state.not_in(finding.UNDECIDED))
    standing = paying.standing(session, client, actor.user_id)
    left = rules.day_limit_cents - paying.approved_cents(session, client.id, day=berlin_day(now))
    return PaymentsPage(
        finding.payers(session, actor), client, connection, _name(session, connection.connected_by if connection else None),
        gates.to_prepare(standing), gates.to_approve(standing) if actor.role is Role.CLIENT else (),
        list(session.scalars(query.limit(MOST_SHOWN))), rules, left, paying.is_one_person(session, client.id),
    )  # fmt: skip


def form(ports: Ports, actor: Actor, client_id: str) -> FormPage:
    """The accounts with what they hold now. Errors: NotFound, NotAllowed, and what a bank says that is not only away."""
    with ports.database.read() as session:
        connection = preparing.connection(session, actor, client_id)
        client, rules = finding.payer(session, actor, client_id), paying.rules(session, client_id)
    assert rules is not None
    today = ports.clock.today()
    try:
        return FormPage(client, preparing.accounts(ports.qonto.over(), connection.id), rules, today)
    except (Unavailable, RateLimited):
        return FormPage(client, (), rules, today, is_bank_away=True)


def invoices(ports: Ports, actor: Actor, client_id: str) -> InvoicesPage:
    """The open supplier invoices as the bank has them now. Errors: as `form`."""
    page = form(ports, actor, client_id)
    if page.is_bank_away:
        return InvoicesPage(page, ())
    with ports.database.read() as session:
        connection = preparing.connection(session, actor, client_id)
    rows = preparing.invoices(ports.qonto.over(), connection.id)
    with ports.database.read() as session:
        return InvoicesPage(page, preparing.offers(session, client_id, rows))


def one(session: Session, actor: Actor, batch_id: str, *, now: datetime) -> BatchPage:
    """An order and what the actor can do with it."""
    batch = finding.batch(session, actor, batch_id)
    client, today = session.get_one(Client, batch.client_id), berlin_day(now)
    approval = session.scalars(
        select(Approval).where(Approval.batch_id == batch.id).order_by(Approval.approved_at.desc()).limit(1)
    ).first()
    is_clients, rules = actor.role is Role.CLIENT, paying.rules(session, client.id)
    day = batch.execute_on or (today if batch.state in {BatchState.DRAFT, BatchState.PREPARED} else None)
    connection = session.get_one(Connection, batch.connection_id)
    people = naming.names(session, [*batch.makers, *([approval.user_id] if approval else [])])
    elapsed = now - (batch.sca_asked_at or (approval.approved_at if approval else now))
    return BatchPage(
        batch, client, people[batch.prepared_by], [people[user_id] for user_id in batch.changed_by],
        people[approval.user_id] if approval else "", approval,
        _name(session, connection.connected_by), paying.obstacles(session, client, actor.user_id) if is_clients else (),
        is_clients, paying.needs_second_person(session, batch), actor.user_id in batch.makers,
        paying.is_checked(batch, now=now), orders.digest(paying.order_of(batch)),
        sepa.next_banking_day(day) if day else None, bool(day and not sepa.is_banking_day(day)), _earlier(session, batch, now),
        elapsed, batch.state == BatchState.CONFIRMING and elapsed >= sending.HINT_AFTER,
        batch.state == BatchState.SENDING and batch.doubt_since is not None and now - batch.doubt_since >= UNANSWERED_AFTER,
        bool(rules and rules.is_on), paying.taken_up_by(session, batch.id) if batch.state in life.FINAL else None,
    )  # fmt: skip


def _earlier(session: Session, batch: PaymentBatch, now: datetime) -> list[PaymentBatch]:
    """Orders of the last days that pay, or would pay, one of the same payees the same amount (E08)."""
    if batch.state not in {BatchState.DRAFT, BatchState.PREPARED}:
        return []
    same = {(payment.iban, payment.amount_cents) for payment in batch.payments}
    query = select(PaymentBatch).where(
        PaymentBatch.client_id == batch.client_id, PaymentBatch.id != batch.id,
        PaymentBatch.created_at > now - ALIKE_WITHIN, PaymentBatch.state.not_in(("refused", "cancelled")),
    )  # fmt: skip
    return [
        other
        for other in session.scalars(query.order_by(PaymentBatch.created_at.desc()))
        if any((p.iban, p.amount_cents) in same and p.state not in life.FREE_AGAIN for p in other.payments)
    ]


def _name(session: Session, user_id: str | None) -> str:
    return str(session.scalar(select(User.name).where(User.id == user_id)) or "") if user_id else ""
