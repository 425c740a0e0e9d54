"""Following what the bank has accepted to its end, payment by payment, and a request until its release."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import BERLIN
from portal.domain.payments import life
from portal.domain.payments.life import Event, PaymentEvent, PaymentState
from portal.domain.payments.orders import Way
from portal.models import Connection, Payment, PaymentBatch, Run
from portal.ports import Ports
from portal.qonto.client import Page
from portal.qonto.payment_schema import Transfer
from portal.services import running
from portal.services.payments import paying
from portal.services.payments.looking_up import SLACK, all_rows
from portal.services.payments.stepping import writing
from portal.services.running import Lease

PACE = (
    (timedelta(minutes=1), timedelta(seconds=3)),
    (timedelta(minutes=10), timedelta(seconds=15)),
    (timedelta(hours=1), timedelta(minutes=5)),
    (timedelta(days=1), timedelta(hours=1)),
)  #: how long after its acceptance a batch is looked at how often; later four times a day
RARELY = timedelta(hours=6)
TRANSACTION_WITHIN = timedelta(days=7)  #: a settled transfer whose booked movement the bank has not named by then stays without
UNMATCHED_FOR = timedelta(days=3)  #: a released request whose transfers are not recognized by then is shown as such
CHUNK = 100  #: ids in one question


def accept(session: Session, batch: PaymentBatch, qonto_id: str, now: datetime) -> None:
    """The bank has it: from here on each payment has a life of its own; those of a request begin with their release."""
    way = Way(batch.way)
    paying.move(
        session, batch, life.acceptance(way), now=now, doubt_since=None, sca_token=None, accepted_at=now,
        qonto_id=None if way is Way.TRANSFER else qonto_id, next_look_at=now + PACE[0][1],
    )  # fmt: skip
    if way is Way.REQUEST:
        return
    for payment in batch.payments:
        payment.transfer_id = qonto_id if way is Way.TRANSFER else None
        paying.move_payment(session, payment, PaymentEvent.ORDER, now=now)


def follow(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """What became of each payment that the bank has."""
    bulk = None
    if batch.qonto_id and batch.way == Way.BULK and any(_is_unnamed(payment) for payment in batch.payments):
        bulk = ports.qonto.bulk_transfer(batch.connection_id, batch.qonto_id)
    entries = {entry.mark: entry for entry in bulk.entries} if bulk else {}
    named = {p.id: p.transfer_id or (entries[p.id].transfer_id if p.id in entries else None) for p in batch.payments}
    told = _told(ports, batch.connection_id, [one for one in named.values() if one])
    with writing(ports, lease, batch) as (session, row, now):
        before = sum(payment.state == PaymentState.EXECUTED for payment in row.payments)
        for payment in row.payments:
            payment.transfer_id = payment.transfer_id or named[payment.id]
            entry, transfer = entries.get(payment.id), told.get(payment.transfer_id or "")
            if entry and entry.status == "failed" and payment.state == PaymentState.ORDERED:
                paying.move_payment(session, payment, PaymentEvent.REFUSE, now=now, reason=entry.code or "other")
            if transfer is not None:
                payment.transaction_id = payment.transaction_id or transfer.transaction_id
                if (event := life.outcome(PaymentState(payment.state), transfer.status)) is not None:
                    paying.move_payment(session, payment, event, now=now, reason=transfer.declined_reason or "")
        runs = []
        if sum(payment.state == PaymentState.EXECUTED for payment in row.payments) > before:
            runs = _look_for_transactions(session, row, now)
        _pace(session, row, now)
    for run in runs:
        ports.queue.push(running.ticket(run, now=now))


def _is_unnamed(payment: Payment) -> bool:
    return payment.state == PaymentState.ORDERED and payment.transfer_id is None


def _told(ports: Ports, connection_id: str, ids: list[str]) -> dict[str, Transfer]:
    """What the bank says about these transfers."""
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    return {row.id: row for chunk in chunks for row in all_rows(partial(_page_of, ports, connection_id, chunk), is_whole=False)}


def _page_of(ports: Ports, connection_id: str, ids: list[str], number: int) -> Page[Transfer]:
    return ports.qonto.transfers(connection_id, ids=ids, page=number)


def _pace(session: Session, batch: PaymentBatch, now: datetime) -> None:
    """When to look again; never, once everything is known."""
    accepted_at, day_start = batch.accepted_at or now, _day_start(batch)
    begins_at = max(accepted_at, day_start or accepted_at)
    if life.is_over(payment.state for payment in batch.payments):
        is_named = all(p.transaction_id for p in batch.payments if p.state == PaymentState.EXECUTED)
        if is_named or now >= begins_at + TRANSACTION_WITHIN:
            paying.move(session, batch, Event.END, now=now, next_look_at=None)
            return
    if day_start is not None and now < day_start:
        batch.next_look_at = min(now + timedelta(days=1), day_start)
        return
    since = now - begins_at
    batch.next_look_at = now + next((pause for age, pause in PACE if since < age), RARELY)


def _day_start(batch: PaymentBatch) -> datetime | None:
    day = batch.execute_on
    return datetime(day.year, day.month, day.day, 6, tzinfo=BERLIN) if day else None


def _look_for_transactions(session: Session, batch: PaymentBatch, now: datetime) -> list[Run]:
    """The booked movement and the paid invoice are there now: both connections shall fetch them (L-52)."""
    query = select(Connection).where(
        Connection.client_id == batch.client_id, Connection.kind.in_(running.SCHEDULED_KINDS), Connection.state == "active",
        Connection.paused_at.is_(None),
    )  # fmt: skip
    return [
        running.request(session, client_id=batch.client_id, connection_id=one.id, kind=one.kind, trigger="change", now=now)
        for one in session.scalars(query)
    ]


def follow_request(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """Whether the client has released the request in the bank's app, and which transfers came of it."""
    since = (batch.accepted_at or batch.created_at) - SLACK
    asked = all_rows(lambda n: ports.qonto.transfer_requests(batch.connection_id, created_from=since, page=n))
    status = next((row.status for row in asked if row.id == batch.qonto_id), "")
    made: list[Transfer] = []
    if status == "approved":
        made = list(all_rows(lambda n: ports.qonto.transfers(batch.connection_id, updated_from=since, page=n), is_whole=False))
    with writing(ports, lease, batch) as (session, row, now):
        if status in {"declined", "canceled"}:
            paying.end_payments(session, row, PaymentEvent.REFUSE, now=now, reason="declined_in_app")
            paying.move(session, row, Event.END, now=now, reason="declined_in_app", next_look_at=None)
        elif status == "approved" and (pairs := _pairs(session, row, made, since)) is not None:
            for payment in row.payments:
                payment.transfer_id = pairs[payment.id]
                paying.move_payment(session, payment, PaymentEvent.ORDER, now=now)
            paying.move(session, row, Event.ACCEPT, now=now, accepted_at=now, next_look_at=now)
        else:
            waited = now - (row.accepted_at or now)
            if waited >= UNMATCHED_FOR and status != "pending":
                row.reason = "check_in_qonto"
            row.next_look_at = now + next((pause for age, pause in PACE[1:] if waited < age), RARELY)


def _pairs(session: Session, batch: PaymentBatch, made: list[Transfer], since: datetime) -> dict[str, str] | None:
    """Payment → transfer of a released request, which carries no marks; None while not all of them are there."""
    ids = [row.id for row in made]
    taken = set(session.scalars(select(Payment.transfer_id).where(Payment.transfer_id.in_(ids))))
    free = [row for row in made if row.id not in taken and row.created_at is not None and row.created_at >= since]
    pairs: dict[str, str] = {}
    for payment in batch.payments:
        wanted = (batch.account_id, payment.amount_cents, payment.remittance)
        fitting = next((row for row in free if (row.account_id, row.amount_cents, row.remittance) == wanted), None)
        if fitting is None:
            return None
        free.remove(fitting)
        pairs[payment.id] = fitting.id
    return pairs
