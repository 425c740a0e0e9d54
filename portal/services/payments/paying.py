"""Payment orders in our books: what a client allows, approvals, cancelling. Steps of `preparing` and `ordering` ask the bank.

What is approved is a digest of the very body that will be sent; a seal over it shows that nobody changed either behind our back.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import date, datetime, time, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from portal.clock import BERLIN, berlin_day
from portal.crypto import chain_hash
from portal.db import new_id
from portal.domain.payments import gates, life, orders
from portal.domain.payments.gates import Gate, Standing
from portal.domain.payments.life import BatchState, Event, PaymentEvent
from portal.domain.payments.orders import Bounds, Flaw, Item, Order, Way
from portal.errors import Conflict, NotAllowed, Rejected, Stale
from portal.models import (
    PLANS_WITH_BANK,
    Approval,
    Client,
    Connection,
    Membership,
    Payment,
    PaymentBatch,
    PaymentRules,
    Run,
    User,
)
from portal.services import running
from portal.services.auditing import Tag, queue_up, record
from portal.services.finding import Actor
from portal.services.messages import notifying

LIMIT_CENTS, DAY_LIMIT_CENTS = 500_000, 2_000_000  #: until an admin sets others (decisions.md)
PROOF_LIFE = timedelta(hours=22)  #: the bank's own lasts 23
NEEDS_CONSENT = frozenset(("close_match", "no_match", "not_possible"))  #: results that somebody has to take for right
CHECKED = NEEDS_CONSENT | {"match"}  #: what a payee's bank can say; anything else is no answer


class Refused(Rejected):
    """An order breaks rules: `flaws` names them, each with the mark of its payment ("" for the whole)."""

    def __init__(self, flaws: list[tuple[Flaw, str]]) -> None:
        super().__init__("This order cannot be made like that.")
        self.flaws = flaws
        self.kinds = list(dict.fromkeys(flaw for flaw, _mark in flaws))


class AlreadyPaid(Conflict):
    """An invoice is paid or on its way."""

    def __init__(self) -> None:
        super().__init__("One of these invoices is paid already, or its payment is on its way.")


# What a client allows


def rules(session: Session, client_id: str) -> PaymentRules | None:
    """What was switched on for a client; None: nothing ever was."""
    return session.scalar(select(PaymentRules).where(PaymentRules.client_id == client_id))


def change_rules(
    session: Session, client: Client, *, is_on: bool, limit_cents: int, day_limit_cents: int,
    four_eyes_above_cents: int | None, now: datetime,
) -> None:  # fmt: skip
    """Switch payments on or off for a client, and bound them. Errors: Rejected for bounds that allow nothing."""
    if limit_cents <= 0 or day_limit_cents < limit_cents or (four_eyes_above_cents or 0) < 0:
        raise Rejected("The limit of a day cannot be below that of one payment, and both are above zero.")
    wanted = {
        "is_on": is_on, "limit_cents": limit_cents, "day_limit_cents": day_limit_cents,
        "four_eyes_above_cents": four_eyes_above_cents,
    }  # fmt: skip
    held = rules(session, client.id)
    if held is None:
        held = PaymentRules(
            id=new_id(), client_id=client.id, is_on=False, limit_cents=LIMIT_CENTS, day_limit_cents=DAY_LIMIT_CENTS,
            four_eyes_above_cents=None, changed_at=now,
        )  # fmt: skip
        session.add(held)
    if any(getattr(held, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(held, name, value)
        held.changed_at = now
        record(session, Tag.PAYMENT_RULES_CHANGED, subject=f"client:{client.id}", at=now, client_id=client.id, **wanted)


def connection_of(session: Session, client_id: str) -> Connection | None:
    """The client's payments connection, whatever its state."""
    return session.scalar(select(Connection).where(Connection.client_id == client_id, Connection.kind == "payments"))


def standing(session: Session, client: Client, user_id: str) -> Standing:
    """What decides whether this person may pay for this client."""
    connection, held = connection_of(session, client.id), rules(session, client.id)
    has_second_factor = session.scalar(select(User.totp_sealed.is_not(None)).where(User.id == user_id))
    return Standing(
        client.plan in PLANS_WITH_BANK, connection.state if connection else None,
        connection.scopes.split() if connection else (), bool(connection and connection.connected_by == user_id),
        bool(has_second_factor), bool(held and held.is_on),
    )  # fmt: skip


def bounds(session: Session, client_id: str, *, today: date, balance_cents: int | None = None) -> Bounds:
    """What an order of this client has to stay within today."""
    held = rules(session, client_id)
    limit, day_limit = (held.limit_cents, held.day_limit_cents) if held else (0, 0)
    return Bounds(today, limit, day_limit - approved_cents(session, client_id, day=today), balance_cents)


def approved_cents(session: Session, client_id: str, *, day: date) -> int:
    """What was let go on a Berlin day, by an approval or as a request, but for what came to nothing."""
    start, end = (datetime.combine(one, time(), BERLIN) for one in (day, day + timedelta(days=1)))
    approved = select(Approval.batch_id).where(
        Approval.client_id == client_id, Approval.approved_at >= start, Approval.approved_at < end, Approval.voided_at.is_(None)
    )
    requested = select(PaymentBatch.id).where(
        PaymentBatch.client_id == client_id, PaymentBatch.requested_at >= start, PaymentBatch.requested_at < end,
        PaymentBatch.state.not_in((BatchState.DRAFT, BatchState.PREPARED)),
    )  # fmt: skip
    query = select(func.coalesce(func.sum(Payment.amount_cents), 0)).where(
        Payment.client_id == client_id, Payment.batch_id.in_(approved.union(requested)),
        Payment.state.not_in(list(life.FREE_AGAIN)),
    )  # fmt: skip
    return int(session.scalar(query) or 0)


# What is ordered


def order_of(batch: PaymentBatch) -> Order:
    """The batch as the domain knows it: its body and digest are made of this."""
    items = tuple(
        Item(payment.id, payment.creditor, payment.iban, payment.amount_cents, payment.remittance, tuple(payment.attachments))
        for payment in batch.payments
    )
    return Order(batch.id, Way(batch.way), batch.account_id, batch.account_iban, batch.execute_on, batch.proof, items)


def move(session: Session, batch: PaymentBatch, event: Event, *, now: datetime, reason: str = "", **values: object) -> None:
    """One step of a batch's life, with its event in the audit trail. Errors: `life.Forbidden`."""
    was_unknown = batch.state == BatchState.UNKNOWN
    batch.state, batch.reason = life.after(batch.state, event).value, reason
    batch.version += 1
    for name, value in values.items():
        setattr(batch, name, value)
    if was_unknown and batch.state != BatchState.UNKNOWN:
        notifying.doubt_over(session, batch, now=now)
    record(
        session, Tag.PAYMENTS_MOVED, subject=f"payment_batch:{batch.id}", at=now, client_id=batch.client_id, state=batch.state,
        reason=reason,
    )  # fmt: skip


def move_payment(session: Session, payment: Payment, event: PaymentEvent, *, now: datetime, reason: str = "") -> None:
    """One step of a payment's life. An end is an event of its own."""
    payment.state, payment.reason = life.payment_after(payment.state, event).value, reason
    if payment.state in life.PAYMENT_FINAL:
        payment.ended_at = now
        record(
            session, Tag.PAYMENT_ENDED, subject=f"payment:{payment.id}", at=now, client_id=payment.client_id,
            state=payment.state, reason=reason,
        )  # fmt: skip


def end_payments(session: Session, batch: PaymentBatch, event: PaymentEvent, *, now: datetime, reason: str = "") -> None:
    """What becomes of each payment that still went with its batch."""
    for payment in batch.payments:
        if payment.state not in life.PAYMENT_FINAL:
            move_payment(session, payment, event, now=now, reason=reason)


# Approving


def obstacles(session: Session, client: Client, user_id: str) -> list[Gate]:
    """What keeps this person from approving, but for what the order itself lacks."""
    return gates.to_approve(standing(session, client, user_id))


def needs_second_person(session: Session, batch: PaymentBatch) -> bool:
    """Whether who prepared or changed it may not approve it."""
    held = rules(session, batch.client_id)
    return gates.needs_second_person(
        total_cents=batch.total_cents, above_cents=held.four_eyes_above_cents if held else None,
        is_one_person=is_one_person(session, batch.client_id), was_lost=batch.was_lost,
    )  # fmt: skip


def is_one_person(session: Session, client_id: str) -> bool:
    """Whether nobody but one belongs to the client, whoever of them may pay (decisions.md)."""
    members = select(func.count()).where(Membership.client_id == client_id, Membership.kind == "client")
    return (session.scalar(members) or 0) <= 1


def is_checked(batch: PaymentBatch, *, now: datetime) -> bool:
    """Whether the payees' banks have been asked, not too long ago."""
    return bool(batch.proof) and batch.checked_at is not None and now - batch.checked_at < PROOF_LIFE


def is_to_be_approved(
    session: Session, actor: Actor, batch: PaymentBatch, *, seen: str, accepted: Collection[str], now: datetime
) -> bool:
    """Whether this person may let the batch go as it stands; False: it was approved already, by a second click or in another tab.

    `seen`: the digest that the page showed, `accepted`: ids of payments whose payee the person takes for right although the name
    differs. Errors: NotAllowed, Stale, Rejected, Refused.
    """
    if obstacles(session, session.get_one(Client, batch.client_id), actor.user_id):
        raise NotAllowed("You cannot approve this payment. The page says what is in the way.")
    if batch.state in life.MOVING or batch.state == BatchState.ENDED:
        return False
    order = order_of(batch)
    if batch.state != BatchState.PREPARED or not hmac.compare_digest(seen.encode(), orders.digest(order).encode()):
        raise Stale("This order has changed in the meantime. Please look at it again.")
    if not is_checked(batch, now=now):
        raise Rejected("The payees were checked too long ago. Have them checked again.")
    if needs_second_person(session, batch) and actor.user_id in batch.makers:
        raise Rejected("A second person has to approve this: you have prepared or changed it yourself.")
    if any(payment.payee_result not in CHECKED for payment in batch.payments):
        raise Rejected("The payees have not all been checked. Have them checked again.")
    if any(payment.id not in accepted for payment in _differing(batch)):
        raise Rejected("Please confirm each payee whose name differs, or could not be checked.")
    if found := orders.flaws(order, bounds(session, batch.client_id, today=berlin_day(now))):
        raise Refused(found)
    return True


def approve(
    session: Session, actor: Actor, batch: PaymentBatch, *, seen: str, accepted: Collection[str], key: str, now: datetime
) -> Run | None:
    """Let the batch go, if it is to be; `key` seals the approval. None, errors and the rest: as `is_to_be_approved`."""
    client = session.get_one(Client, batch.client_id)
    queue_up(session, client.id)  # two approvals of a client come one after the other: both count for the day's limit
    session.refresh(batch)
    if not is_to_be_approved(session, actor, batch, seen=seen, accepted=accepted, now=now):
        return None
    for payment in _differing(batch):  # each needs a tick of its own (F83)
        payment.payee_accepted_by, payment.payee_accepted_at = actor.user_id, now
        record(
            session, Tag.PAYEE_ACCEPTED, subject=f"payment:{payment.id}", at=now, client_id=client.id,
            result=payment.payee_result,
        )  # fmt: skip
    digest = orders.digest(order_of(batch))
    move(session, batch, Event.APPROVE, now=now, next_look_at=now)
    session.add(
        Approval(
            id=new_id(), client_id=client.id, batch_id=batch.id, user_id=actor.user_id, approved_at=now, digest=digest,
            seal=_seal(key, batch.id, actor.user_id, now, digest), voided_at=None,
        )
    )  # fmt: skip
    record(
        session, Tag.PAYMENTS_APPROVED, subject=f"payment_batch:{batch.id}", at=now, client_id=client.id,
        total_cents=batch.total_cents, digest=digest,
    )  # fmt: skip
    return request_run(session, batch, now=now)


def _differing(batch: PaymentBatch) -> list[Payment]:
    """Whose payee's name is not the account holder's, or could not be compared."""
    return [payment for payment in batch.payments if payment.payee_result in NEEDS_CONSENT]


def approval_of(session: Session, batch_id: str) -> Approval | None:
    """The approval that stands."""
    return session.scalar(select(Approval).where(Approval.batch_id == batch_id, Approval.voided_at.is_(None)))


def is_approved(session: Session, batch: PaymentBatch, order: Order, *, key: str) -> bool:
    """Whether exactly this order was approved (E09), by whom the payments connection still belongs to, over the same consent.

    A request is released in the bank's app: who prepared it needs nobody's approval here.
    """
    if Way(batch.way) is Way.REQUEST:
        return True
    held, connection = approval_of(session, batch.id), session.get_one(Connection, batch.connection_id)
    if held is None or held.user_id != connection.connected_by:
        return False
    if connection.connected_at is not None and connection.connected_at > held.approved_at:
        return False  # connected anew since: nobody expects an old order to go out with that
    digest = orders.digest(order)
    seal = _seal(key, batch.id, held.user_id, held.approved_at, digest)
    return hmac.compare_digest(held.digest, digest) and hmac.compare_digest(held.seal, seal)


def void(session: Session, batch: PaymentBatch, *, now: datetime, reason: str) -> None:
    """No approval of this batch holds any more; who approved has to look at it again."""
    ended = session.execute(
        update(Approval).where(Approval.batch_id == batch.id, Approval.voided_at.is_(None)).values(voided_at=now)
    )
    if ended.rowcount:  # type: ignore[attr-defined]
        record(
            session, Tag.APPROVAL_VOIDED, subject=f"payment_batch:{batch.id}", at=now, client_id=batch.client_id, reason=reason
        )


def _seal(key: str, batch_id: str, user_id: str, approved_at: datetime, digest: str) -> str:
    return chain_hash(key, digest, f"{batch_id} {user_id} {approved_at.timestamp()}")


# Other decisions


def send_as_request(session: Session, batch: PaymentBatch, *, now: datetime) -> Run | None:
    """Have the batch laid into the bank's app, where the client releases it. None: it is on its way already.

    Errors: NotAllowed where the connection does not allow it, Stale, Refused.
    """
    client = session.get_one(Client, batch.client_id)
    queue_up(session, client.id)
    session.refresh(batch)
    if batch.state in life.MOVING or batch.state == BatchState.ENDED:
        return None
    if gates.to_request(standing(session, client, batch.prepared_by)):  # no gate of these is about the person
        raise NotAllowed("This cannot be sent as a request. The page “Payments” says what is in the way; else reconnect Qonto.")
    if batch.state not in {BatchState.DRAFT, BatchState.PREPARED}:
        raise Stale("This order has changed in the meantime. Please look at it again.")
    batch.way, batch.proof = Way.REQUEST.value, ""
    order = order_of(batch)
    if found := orders.flaws(order, bounds(session, client.id, today=berlin_day(now))):
        raise Refused(found)
    if batch.state == BatchState.DRAFT:
        move(session, batch, Event.CHECK, now=now)  # the bank's app checks the payees itself
    move(session, batch, Event.APPROVE, now=now, next_look_at=now, requested_at=now)
    record(
        session, Tag.PAYMENTS_REQUESTED, subject=f"payment_batch:{batch.id}", at=now, client_id=client.id,
        total_cents=batch.total_cents, digest=orders.digest(order),
    )  # fmt: skip
    return request_run(session, batch, now=now)


def cancel(session: Session, batch: PaymentBatch, *, now: datetime) -> None:
    """Give the batch up. Errors: Stale where the bank has it already, or may."""
    queue_up(session, batch.client_id)
    session.refresh(batch)
    if batch.state == BatchState.CANCELLED:
        return
    if batch.state not in life.CANCELLABLE:
        raise Stale("It is too late to cancel: the order is with the bank.")
    move(session, batch, Event.CANCEL, now=now, next_look_at=None)
    void(session, batch, now=now, reason="cancelled")
    end_payments(session, batch, PaymentEvent.CANCEL, now=now)


def ask_again(session: Session, batch: PaymentBatch, *, now: datetime) -> Run:
    """Another request on the phone: the same call is made once more, and the earlier request opens nothing any more (L-62).

    Errors: Stale where nothing waits for a confirmation.
    """
    queue_up(session, batch.client_id)
    session.refresh(batch)
    if batch.state != BatchState.CONFIRMING:
        raise Stale("Nothing waits for your confirmation any more.")
    batch.sca_token, batch.sca_allowed_at, batch.next_look_at = None, None, now
    batch.version += 1
    record(
        session, Tag.PAYMENTS_MOVED, subject=f"payment_batch:{batch.id}", at=now, client_id=batch.client_id, state=batch.state,
        reason="asked_again",
    )  # fmt: skip
    return request_run(session, batch, now=now)


def request_run(session: Session, batch: PaymentBatch, *, now: datetime) -> Run:
    """A worker shall look after the client's orders now."""
    return running.request(
        session, client_id=batch.client_id, connection_id=batch.connection_id, kind="payments", trigger="client", now=now
    )


def taken_up_by(session: Session, batch_id: str) -> str | None:
    """The later order in which what did not come through of this one is on its way, paid or waits; None: it may be retried."""
    ids = [batch_id]
    while ids:
        later = list(session.scalars(select(PaymentBatch).where(PaymentBatch.retry_of.in_(ids))))
        for order in later:
            if any(payment.state not in life.FREE_AGAIN for payment in order.payments):
                return order.id
        ids = [order.id for order in later]
    return None


def was_lost(session: Session, client_id: str, invoice_ids: Collection[str]) -> bool:
    """Whether one of these invoices was in an order whose outcome was unknown for a time (E03)."""
    query = select(PaymentBatch.id).join(Payment, Payment.batch_id == PaymentBatch.id).where(
        PaymentBatch.client_id == client_id, Payment.invoice_id.in_(list(invoice_ids)),
        or_(PaymentBatch.was_lost, PaymentBatch.reason == "not_arrived"),
    )  # fmt: skip
    return bool(invoice_ids) and session.scalar(query.limit(1)) is not None


def links(session: Session, client_id: str) -> list[tuple[str, str]]:
    """(invoice, transaction), both by the bank's ids, of everything that was paid from here and is booked."""
    query = select(Payment.invoice_id, Payment.transaction_id).where(
        Payment.client_id == client_id, Payment.state == life.PaymentState.EXECUTED.value, Payment.invoice_id.is_not(None),
        Payment.transaction_id.is_not(None),
    )  # fmt: skip
    return [(str(invoice), str(transaction)) for invoice, transaction in session.execute(query)]
