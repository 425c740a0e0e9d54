"""Sending what was approved until it is certain whether the bank has it: the call, its confirmation, a missing answer."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from portal.crypto import CannotOpen, place_of
from portal.domain.payments import orders, sepa
from portal.domain.payments.life import Event
from portal.errors import ConsentEnded, OutcomeUnknown, QontoError, RateLimited, ScaRequired
from portal.models import Connection, PaymentBatch
from portal.ports import Ports
from portal.qonto.errors import Code
from portal.services.auditing import Tag, record
from portal.services.payments import paying, preparing, stopping
from portal.services.payments.following import PACE, accept
from portal.services.payments.looking_up import SLACK, look_up, sees_as_much
from portal.services.payments.stepping import writing
from portal.services.running import Lease

log = structlog.get_logger()

OFF = "payments_off"
KEY_LIFE = timedelta(minutes=25)  #: the bank remembers a key for 30 minutes
PROMPTLY = timedelta(seconds=90)  #: between noting that a call is made and making it
AGAIN_AFTER = (2.0, 10.0, 60.0, 300.0)  #: seconds until a call without an answer is repeated (faults.md F80)
ABSENT_AFTER = timedelta(minutes=10)  #: what the bank's lists do not show so long after the last call has never arrived
LOOKS = 2  #: … and not before it was looked for so often: our clock may have jumped
SCA_LIFE = timedelta(minutes=15)
SCA_BETWEEN, SCA_SLOWER = timedelta(seconds=3), timedelta(seconds=5)
HINT_AFTER = timedelta(seconds=30)


class _TooLate(Exception):
    """The call was not made: too much time has passed since it was noted."""


def begin(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """The first call: only if everything is still as it was approved, and the bank has not got it already."""
    if (obstacle := _obstacle(ports, batch)) is not None:
        with writing(ports, lease, batch) as (session, row, now):
            if obstacle == OFF:
                stopping.refuse(session, row, obstacle, now)
            else:
                paying.void(session, row, now=now, reason=obstacle)
                paying.move(session, row, Event.VOID, now=now, reason=obstacle, next_look_at=None)
        return
    # A database that came back from a backup does not know what was ordered after it was made: the bank does.
    if (found := look_up(ports, batch)) is not None:
        with writing(ports, lease, batch) as (session, row, now):
            paying.move(session, row, Event.SEND, now=now)
            accept(session, row, found, now)
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


def send_again(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """A call whose answer is missing: the same again while the bank remembers its key, else it has to be looked for."""
    obstacle = _revoked(ports, batch)
    token = _sca_token(ports, batch) if batch.sca_allowed_at else ""
    if token is None:
        obstacle = obstacle or Code.SCA_EXPIRED
    is_remembered = batch.doubt_since is None or batch.doubt_since <= ports.clock.now() < batch.doubt_since + KEY_LIFE
    if obstacle is None and is_remembered:
        if batch.doubt_since is not None and (found := look_up(ports, batch)) is not None:
            with writing(ports, lease, batch) as (session, row, now):
                accept(session, row, found, now)
            return
        _send(ports, lease, batch, sca_token=token or "")
        return
    with writing(ports, lease, batch) as (session, row, now):
        if row.doubt_since is None:
            stopping.refuse(session, row, obstacle or "changed", now)
        else:
            stopping.lose(session, row, now)


def _send(ports: Ports, lease: Lease, batch: PaymentBatch, *, sca_token: str = "") -> None:
    """Note that the bank may have it from now on, then make the call, then note what it said."""
    order, was_in_doubt = paying.order_of(batch), batch.doubt_since is not None
    digest = orders.digest(order)
    with writing(ports, lease, batch) as (session, row, now):
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
        with writing(ports, lease, row) as (session, row, now):
            row.request_id = problem.request_id
            if isinstance(problem, ScaRequired):
                _ask(ports, session, row, problem, now)
            else:
                _unheard(session, row, problem, now, was_in_doubt=was_in_doubt, is_confirmed=bool(sca_token))
        if isinstance(problem, ConsentEnded):
            raise
    else:
        with writing(ports, lease, row) as (session, row, now):
            accept(session, row, made.id, now)


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


def await_confirmation(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """How far the confirmation is. Until the call is made again nothing has happened, so every no is certain."""
    now = ports.clock.now()
    if (obstacle := _revoked(ports, batch)) is not None or batch.sca_token is None:  # he wants another request on his phone
        _confirmed(ports, lease, batch, obstacle, "")
        return
    if (token := _sca_token(ports, batch)) is None:
        with writing(ports, lease, batch) as (session, row, now):
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
        with writing(ports, lease, batch) as (_, row, now):
            row.sca_allowed_at = row.sca_allowed_at or now
        _confirmed(ports, lease, row, _revoked(ports, row), token)
        return
    with writing(ports, lease, batch) as (session, row, now):
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
    with writing(ports, lease, batch) as (session, row, now):
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


def look_for(ports: Ports, lease: Lease, batch: PaymentBatch) -> None:
    """Its answer is missing and its key forgotten: the bank's lists decide, once they were read whole, late and often enough."""
    asked_at = batch.asked_at or batch.created_at
    since, until = (batch.doubt_since or asked_at) - SLACK, asked_at + ABSENT_AFTER
    is_absent_at = max(asked_at, batch.lost_at or asked_at) + ABSENT_AFTER
    found = look_up(ports, batch, alike=(since, until))
    is_late = ports.clock.now() >= is_absent_at and batch.looks + 1 >= LOOKS
    is_blind = found is None and is_late and not sees_as_much(ports, batch)
    with writing(ports, lease, batch) as (session, row, now):
        row.looks += 1
        if found is not None:
            accept(session, row, found, now)
        elif is_blind:
            row.reason, row.next_look_at = "other_consent", now + PACE[-1][1]
        elif is_late:
            stopping.refuse(session, row, "not_arrived", now)
        else:
            row.reason, row.next_look_at = "", min(now + timedelta(minutes=1), max(is_absent_at, now + SCA_BETWEEN))
