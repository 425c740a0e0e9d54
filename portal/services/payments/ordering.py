"""Ordering what was approved, and following it to its end: the runs of kind `payments`.

Each step of a batch is a commit of its own, behind the fence of the run. What may cost money twice is noted before it is tried:
a call whose answer is missing is repeated under the same key while the bank remembers that, and looked for in the bank's lists
afterwards. Nothing is taken for lost that was not looked for, and nothing is ever sent under a key that may be forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.clock import BERLIN
from portal.crypto import CannotOpen, place_of
from portal.domain.payments import life, orders, sepa
from portal.domain.payments.life import BatchState, Event, PaymentEvent, PaymentState
from portal.domain.payments.orders import Order, Way
from portal.errors import ConsentEnded, OutcomeUnknown, QontoError, RateLimited, ScaRequired, Unavailable
from portal.models import Connection, Payment, PaymentBatch, Run
from portal.ports import Ports
from portal.qonto.client import Page, all_pages
from portal.qonto.errors import Code
from portal.qonto.payment_schema import Transfer
from portal.services import running
from portal.services.auditing import Tag, queue_up, record
from portal.services.connections import connecting
from portal.services.payments import paying, preparing, stopping
from portal.services.running import Lease

log = structlog.get_logger()
Row = TypeVar("Row")

OFF = "payments_off"
KEY_LIFE = timedelta(minutes=25)  #: the bank remembers a key for 30 minutes
PROMPTLY = timedelta(seconds=90)  #: between noting that a call is made and making it
AGAIN_AFTER = (2.0, 10.0, 60.0, 300.0)  #: seconds until a call without an answer is repeated (faults.md F80)
ABSENT_AFTER = timedelta(minutes=10)  #: what the bank's lists do not show so long after the last call has never arrived
LOOKS = 2  #: … and not before it was looked for so often: our clock may have jumped
SLACK = timedelta(minutes=5)  #: between the bank's clock and ours
MARKED_SINCE = timedelta(days=1)  #: marks are unique, so they are looked for from well before an order was made
SCA_LIFE = timedelta(minutes=15)
SCA_BETWEEN, SCA_SLOWER = timedelta(seconds=3), timedelta(seconds=5)
HINT_AFTER = timedelta(seconds=30)
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


#: what a single order can be broken by; anything else is the machine's or the bank's and concerns all of them
BROKEN = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, CannotOpen, IntegrityError,
    life.Forbidden,
)  # fmt: skip
MEANWHILE, BROKEN_FOR = timedelta(seconds=30), timedelta(minutes=15)


class _Changed(Exception):
    """Somebody else has changed the batch since we looked."""


class _TooLate(Exception):
    """The call was not made: too much time has passed since it was noted."""


def pay(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `payments`: bring each order of the connection that is due one step further."""
    assert lease.connection_id is not None
    began = time.monotonic()
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        running.advance(session, lease)
        if not connecting.is_usable(session, lease.connection_id):
            stopping.without_consent(session, lease.connection_id, now=ports.clock.now())
            running.finish(session, lease, now=ports.clock.now(), reason="disconnected")
            return
    try:
        for batch_id in _due(ports, lease):
            _step(ports, lease, batch_id)
            if time.monotonic() - began > running.HAND_OVER_AFTER.total_seconds():
                break
    except ConsentEnded:
        with ports.database.write() as session:
            queue_up(session, lease.client_id)
            running.advance(session, lease)
            stopping.without_consent(session, lease.connection_id, now=ports.clock.now())
        raise
    now = ports.clock.now()
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        until = session.scalar(stopping.moving(lease.connection_id).with_only_columns(PaymentBatch.next_look_at).limit(1))
        if until is None:
            running.finish(session, lease, now=now)
            return
        cursor = dict(session.get_one(Run, lease.run_id).cursor)
        waits = running.hand_over(session, lease, now=now, cursor=cursor, until=until if until > now else None)
        successor = session.get_one(Run, waits, populate_existing=True)
    if successor.state == "due":
        ports.queue.push(running.ticket(successor, now=now))


def _due(ports: Ports, lease: Lease) -> list[str]:
    with ports.database.read() as session:
        query = (
            stopping.moving(lease.connection_id)
            .where(PaymentBatch.next_look_at <= ports.clock.now())
            .with_only_columns(PaymentBatch.id)
        )
        return list(session.scalars(query))


@contextmanager
def _writing(ports: Ports, lease: Lease, batch: PaymentBatch) -> Iterator[tuple[Session, PaymentBatch, datetime]]:
    """A commit of one step: behind the fence, and only on the batch that we looked at.

    All who change a client's orders meet at the head of its chain first, so that none holds rows that another waits for.
    """
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        running.advance(session, lease)
        row = session.get_one(PaymentBatch, batch.id, with_for_update=not ports.database.is_sqlite)
        if row.version != batch.version:
            raise _Changed
        yield session, row, ports.clock.now()


def _step(ports: Ports, lease: Lease, batch_id: str) -> None:
    """One step of one batch; what the bank does not answer now is asked later, and what breaks here lets the others pass."""
    with ports.database.read() as session:
        batch = session.get_one(PaymentBatch, batch_id)
    step = STEPS.get(BatchState(batch.state))
    if step is None:
        return
    try:
        with _writing(ports, lease, batch) as (_, row, now):
            row.next_look_at = now + MEANWHILE  # whatever happens, the others come first then
        step(ports, lease, batch)
    except _Changed:
        log.info("batch_changed", batch=batch_id)
    except ConsentEnded:
        raise
    except QontoError as problem:
        log.info("batch_waits", batch=batch_id, state=batch.state, code=problem.code)
        wait = timedelta(seconds=problem.retry_after) if isinstance(problem, RateLimited) and problem.retry_after else MEANWHILE
        _later(ports, lease, batch_id, wait, request_id=problem.request_id)
    except BROKEN as problem:
        log.exception("batch_broke", batch=batch_id, state=batch.state, error=type(problem).__name__)
        _later(ports, lease, batch_id, BROKEN_FOR)


def _later(ports: Ports, lease: Lease, batch_id: str, wait: timedelta, *, request_id: str = "") -> None:
    with ports.database.write() as session:
        queue_up(session, lease.client_id)
        running.advance(session, lease)
        row = session.get_one(PaymentBatch, batch_id)
        if row.state in life.MOVING:
            row.next_look_at, row.request_id = ports.clock.now() + wait, request_id


# --- sending --------------------------------------------------------------------------------------------------------


def _begin(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """The first call: only if everything is still as it was approved, and the bank has not got it already."""
    if (obstacle := _obstacle(ports, batch)) is not None:
        with _writing(ports, lease, batch) as (session, row, now):
            if obstacle == OFF:
                stopping.refuse(session, row, obstacle, now)
            else:
                paying.void(session, row, now=now, reason=obstacle)
                paying.move(session, row, Event.VOID, now=now, reason=obstacle, next_look_at=None)
        return
    # A database that came back from a backup does not know what was ordered after it was made: the bank does.
    if (found := _look_up(ports, batch)) is not None:
        with _writing(ports, lease, batch) as (session, row, now):
            paying.move(session, row, Event.SEND, now=now)
            _accept(session, row, found, now)
        return
    _send(ports, lease, batch)


def _obstacle(ports: Ports, batch: PaymentBatch) -> str | None:
    """Why an approved batch may not go: a code; None: nothing is in the way."""
    if (obstacle := _revoked(ports, batch)) is not None:
        return obstacle
    if orders.day_flaw(batch.execute_on, today=ports.clock.today()) is not None:
        return "past"
    return "invoice_changed" if _has_changed_invoices(ports, batch) else None


def _revoked(ports: Ports, batch: PaymentBatch) -> str | None:
    """Whether somebody took back what lets a batch go: a code; None: exactly this was approved, and payments are on."""
    order = paying.order_of(batch)
    with ports.database.read() as session:
        rules = paying.rules(session, batch.client_id)
        if rules is None or not rules.is_on:
            return OFF
        return None if paying.is_approved(session, batch, order, key=ports.settings.secret_key) else "changed"


def _has_changed_invoices(ports: Ports, batch: PaymentBatch) -> bool:
    """Whether an invoice is not any more what was approved: paid elsewhere, gone, of another amount or another IBAN."""
    wanted = {payment.invoice_id: (payment.amount_cents, payment.iban) for payment in batch.payments if payment.invoice_id}
    if not wanted:
        return False
    open_ones = {
        row.id: (row.amount_cents, sepa.plain_iban(row.iban or ""))
        for row in preparing.invoices(ports.qonto, batch.connection_id)
        if row.is_payable is not False and row.status in preparing.OPEN
    }
    return any(open_ones.get(invoice_id) != expected for invoice_id, expected in wanted.items())


def _send_again(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """A call whose answer is missing: the same again while the bank remembers its key, else it has to be looked for."""
    obstacle = _revoked(ports, batch)
    token = _sca_token(ports, batch) if batch.sca_allowed_at else ""
    if token is None:
        obstacle = obstacle or Code.SCA_EXPIRED
    is_remembered = batch.doubt_since is None or batch.doubt_since <= ports.clock.now() < batch.doubt_since + KEY_LIFE
    if obstacle is None and is_remembered:
        if batch.doubt_since is not None and (found := _look_up(ports, batch)) is not None:
            with _writing(ports, lease, batch) as (session, row, now):
                _accept(session, row, found, now)
            return
        _send(ports, lease, batch, sca_token=token or "")
        return
    with _writing(ports, lease, batch) as (session, row, now):
        if row.doubt_since is None:
            stopping.refuse(session, row, obstacle or "changed", now)
        else:
            stopping.lose(session, row, now)


def _send(ports: Ports, lease: Lease, batch: PaymentBatch, *, sca_token: str = "") -> None:
    """Note that the bank may have it from now on, then make the call, then note what it said."""
    order, was_in_doubt = paying.order_of(batch), batch.doubt_since is not None
    digest = orders.digest(order)
    with _writing(ports, lease, batch) as (session, row, now):
        sent, doubt_since = now, row.doubt_since or now
        sent_by = session.get_one(Connection, row.connection_id).connected_by
        paying.move(
            session, row, Event.SEND, now=now, body_sha256=digest, asked_at=now, attempts=row.attempts + 1,
            doubt_since=doubt_since, sent_by=sent_by, next_look_at=now,
        )  # fmt: skip
        record(
            session, Tag.PAYMENTS_SENT, subject=f"payment_batch:{row.id}", at=now, client_id=row.client_id,
            attempt=row.attempts, digest=digest,
        )  # fmt: skip

    def refuse_late() -> None:
        if not max(sent, doubt_since) <= ports.clock.now() < min(sent + PROMPTLY, doubt_since + KEY_LIFE):
            raise _TooLate

    try:
        made = ports.qonto.guarded(refuse_late).order(
            row.connection_id, row.way, orders.body(order), key=row.idempotency_key, sca_token=sca_token
        )
    except _TooLate:
        return  # due at once: the next look decides by the clock
    except QontoError as problem:
        with _writing(ports, lease, row) as (session, row, now):
            row.request_id = problem.request_id
            if isinstance(problem, ScaRequired):
                _ask(ports, session, row, problem, now)
            else:
                _unheard(session, row, problem, now, was_in_doubt=was_in_doubt, is_confirmed=bool(sca_token))
        if isinstance(problem, ConsentEnded):
            raise
    else:
        with _writing(ports, lease, row) as (session, row, now):
            _accept(session, row, made.id, now)


def _unheard(
    session: Session, batch: PaymentBatch, problem: QontoError, now: datetime, *, was_in_doubt: bool, is_confirmed: bool
) -> None:
    """A call that was not accepted. `was_in_doubt`: an earlier one has no answer either, and may still be on its way."""
    if isinstance(problem, OutcomeUnknown):
        pause = AGAIN_AFTER[min(batch.attempts, len(AGAIN_AFTER)) - 1]
        batch.next_look_at = now + timedelta(seconds=pause)
    elif isinstance(problem, RateLimited):
        batch.doubt_since = batch.doubt_since if was_in_doubt else None
        batch.next_look_at = now + timedelta(seconds=problem.retry_after or 30.0)
    else:
        code = "consent_ended" if isinstance(problem, ConsentEnded) else problem.code
        if was_in_doubt:  # only the bank's lists can tell
            stopping.lose(session, batch, now, reason=code)
        else:
            stopping.refuse(session, batch, _as_confirmed(code, problem, is_confirmed=is_confirmed), now)


def _as_confirmed(code: str, problem: QontoError, *, is_confirmed: bool) -> str:
    """A confirmation that the bank does not take any more is refused without a word of its own (qonto-api.md §12)."""
    return Code.SCA_EXPIRED if is_confirmed and problem.status_code == 422 and code == Code.REFUSED else code  # noqa: PLR2004


def _accept(session: Session, batch: PaymentBatch, qonto_id: str, now: datetime) -> None:
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


# --- the confirmation -----------------------------------------------------------------------------------------------


def _ask(ports: Ports, session: Session, batch: PaymentBatch, problem: ScaRequired, now: datetime) -> None:
    """The bank has done nothing yet: its user has to say yes on his phone."""
    if not problem.token:
        stopping.refuse(session, batch, Code.SCA_NOT_ENROLLED, now)
        return
    sealed = ports.keyring.seal(problem.token, place=_place(batch))
    paying.move(
        session, batch, Event.ASK, now=now, doubt_since=None, sca_token=sealed, sca_asked_at=now, sca_allowed_at=None,
        next_look_at=now + SCA_BETWEEN,
    )  # fmt: skip


def _await_confirmation(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """How far the confirmation is. Until the call is made again nothing has happened, so every no is certain."""
    now = ports.clock.now()
    if (obstacle := _revoked(ports, batch)) is not None or batch.sca_token is None:  # he wants another request on his phone
        _confirmed(ports, lease, batch, obstacle, "")
        return
    if (token := _sca_token(ports, batch)) is None:
        with _writing(ports, lease, batch) as (session, row, now):
            stopping.refuse(session, row, Code.SCA_EXPIRED, now)
        return
    asked_at = batch.sca_asked_at or now
    is_over = now >= asked_at + SCA_LIFE
    try:
        result = ports.qonto.sca_result(batch.connection_id, token)
    except ConsentEnded:
        raise
    except QontoError:
        if not is_over:
            raise
        result = "deny"
    if result == "allow":
        with _writing(ports, lease, batch) as (_, row, now):
            row.sca_allowed_at = row.sca_allowed_at or now
        _confirmed(ports, lease, row, _revoked(ports, row), token)
        return
    with _writing(ports, lease, batch) as (session, row, now):
        if is_over:  # the bank calls a confirmation that ran out of time refused as well
            stopping.refuse(session, row, Code.SCA_EXPIRED, now)
        elif result == "deny":
            stopping.refuse(session, row, Code.SCA_DENIED, now)
        else:
            row.next_look_at = now + (SCA_BETWEEN if now - asked_at < HINT_AFTER else SCA_SLOWER)


def _confirmed(ports: Ports, lease: Lease, batch: PaymentBatch, obstacle: str | None, token: str) -> None:
    """Allowed on the phone: the identical call, with the confirmation. What was changed behind our back is not sent."""
    if obstacle is None and orders.digest(paying.order_of(batch)) == batch.body_sha256:
        _send(ports, lease, batch, sca_token=token)
        return
    with _writing(ports, lease, batch) as (session, row, now):
        stopping.refuse(session, row, obstacle or "changed", now)


def _sca_token(ports: Ports, batch: PaymentBatch) -> str | None:
    """Of the confirmation; empty: there is none; None: ours cannot be opened any more, so a new one has to be asked for."""
    try:
        return ports.keyring.open(batch.sca_token, place=_place(batch)) if batch.sca_token else ""
    except CannotOpen:
        log.warning("sca_token_unreadable", batch=batch.id)
        return None


def _place(batch: PaymentBatch) -> str:
    return place_of("payment_batch", "sca_token", batch.client_id, batch.id)


# --- looking for what may be at the bank ----------------------------------------------------------------------------


def _look_for(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """Its answer is missing and its key forgotten: the bank's lists decide, once they were read whole, late and often enough."""
    asked_at = batch.asked_at or batch.created_at
    since, until = (batch.doubt_since or asked_at) - SLACK, asked_at + ABSENT_AFTER
    is_absent_at = max(asked_at, batch.lost_at or asked_at) + ABSENT_AFTER
    found = _look_up(ports, batch, alike=(since, until))
    is_late = ports.clock.now() >= is_absent_at and batch.looks + 1 >= LOOKS
    is_blind = found is None and is_late and not _sees_as_much(ports, batch)
    with _writing(ports, lease, batch) as (session, row, now):
        row.looks += 1
        if found is not None:
            _accept(session, row, found, now)
        elif is_blind:
            row.reason, row.next_look_at = "other_consent", now + PACE[-1][1]
        elif is_late:
            stopping.refuse(session, row, "not_arrived", now)
        else:
            row.reason, row.next_look_at = "", min(now + timedelta(minutes=1), max(is_absent_at, now + SCA_BETWEEN))


def _sees_as_much(ports: Ports, batch: PaymentBatch) -> bool:
    """Whether the consent still shows what it showed when the order was sent: that of the same person, with the same account.

    What another person may not see looks as if it were not there.
    """
    with ports.database.read() as session:
        connected_by = session.get_one(Connection, batch.connection_id).connected_by
    if batch.sent_by is None or batch.sent_by != connected_by:
        return False
    return any(account.id == batch.account_id for account in ports.qonto.organization(batch.connection_id).bank_accounts)


def _look_up(ports: Ports, batch: PaymentBatch, *, alike: tuple[datetime, datetime] | None = None) -> str | None:
    """The bank's id of this order, by the marks that it carries; None: the bank does not have it.

    A transfer of the same account, amount and text from the minutes in doubt (`alike`) is ours as well, should the bank not keep
    the marks: to take it for another's would mean paying a second time. Errors: also Unavailable where rows cannot be read and
    the order was not found among the others.
    """
    connection_id, order, since = batch.connection_id, paying.order_of(batch), batch.created_at - MARKED_SINCE
    marks = {item.mark for item in order.items}
    match order.way:
        case Way.BULK:
            bulks = _rows(lambda n: ports.qonto.bulk_transfers(connection_id, page=n))
            return next((bulk.id for bulk in bulks if marks & {entry.mark for entry in bulk.entries}), None)
        case Way.REQUEST:
            asked = _rows(lambda n: ports.qonto.transfer_requests(connection_id, created_from=since, page=n))
            return next((row.id for row in asked if row.note == orders.note(order.mark)), None)
    made = []
    for row in _rows(lambda n: ports.qonto.transfers(connection_id, updated_from=since, page=n)):
        if row.note == orders.note(order.items[0].mark):
            return row.id
        made.append(row)
    return _lookalike(ports, order, made, *alike) if alike else None


def _lookalike(ports: Ports, order: Order, made: Sequence[Transfer], since: datetime, until: datetime) -> str | None:
    (item,) = order.items
    alike = [
        row.id
        for row in made
        if (row.account_id, row.amount_cents, row.remittance) == (order.account_id, item.amount_cents, item.remittance)
        and row.created_at is not None
        and since <= row.created_at <= until
        and not (row.note or "").startswith("Belegfluss ")
    ]
    with ports.database.read() as session:
        taken = set(session.scalars(select(Payment.transfer_id).where(Payment.transfer_id.in_(alike))))
    return next((one for one in alike if one not in taken), None)


def _rows(fetch: Callable[[int], Page[Row]], *, is_whole: bool = True) -> Iterator[Row]:
    """Every row of a list of the bank.

    Errors: Unavailable after the last one where some could not be read: what was not found may be among these. With `is_whole`
    False they are left out.
    """
    unreadable = 0
    for page in all_pages(fetch):
        unreadable += len(page.unreadable)
        yield from page.rows
    if unreadable and is_whole:
        log.warning("rows_unreadable", rows=unreadable)
        raise Unavailable(Code.SCHEMA)


# --- following it to its end ----------------------------------------------------------------------------------------


def _follow(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """What became of each payment that the bank has."""
    bulk = None
    if batch.qonto_id and batch.way == Way.BULK and any(_is_unnamed(payment) for payment in batch.payments):
        bulk = ports.qonto.bulk_transfer(batch.connection_id, batch.qonto_id)
    entries = {entry.mark: entry for entry in bulk.entries} if bulk else {}
    named = {p.id: p.transfer_id or (entries[p.id].transfer_id if p.id in entries else None) for p in batch.payments}
    told = _told(ports, batch.connection_id, [one for one in named.values() if one])
    with _writing(ports, lease, batch) as (session, row, now):
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
    return {row.id: row for chunk in chunks for row in _rows(partial(_page_of, ports, connection_id, chunk), is_whole=False)}


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


def _follow_request(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """Whether the client has released the request in the bank's app, and which transfers came of it."""
    since = (batch.accepted_at or batch.created_at) - SLACK
    asked = _rows(lambda n: ports.qonto.transfer_requests(batch.connection_id, created_from=since, page=n))
    status = next((row.status for row in asked if row.id == batch.qonto_id), "")
    made: list[Transfer] = []
    if status == "approved":
        made = list(_rows(lambda n: ports.qonto.transfers(batch.connection_id, updated_from=since, page=n), is_whole=False))
    with _writing(ports, lease, batch) as (session, row, now):
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


STEPS: dict[BatchState, Callable[[Ports, Lease, PaymentBatch], None]] = {
    BatchState.APPROVED: _begin,
    BatchState.SENDING: _send_again,
    BatchState.CONFIRMING: _await_confirmation,
    BatchState.UNKNOWN: _look_for,
    BatchState.ACCEPTED: _follow,
    BatchState.REQUESTED: _follow_request,
}
