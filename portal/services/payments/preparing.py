"""Preparing payments: what the bank has to be asked before anybody can approve. Nothing here moves money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.domain.payments import gates, life, orders, sepa
from portal.domain.payments.life import Event
from portal.domain.payments.orders import Item, Order, Way
from portal.errors import Conflict, ConsentEnded, NotAllowed, PortalError, QontoError, Rejected, ScopeMissing, Stale
from portal.models import Connection, Payment, PaymentBatch
from portal.ports import Ports
from portal.qonto.client import Qonto, all_pages
from portal.qonto.payment_schema import PayeeCheck, PayeeChecks
from portal.qonto.schema import BankAccount as BankAccountRow
from portal.qonto.schema import PayableInvoice
from portal.services import finding, running
from portal.services.auditing import Tag, queue_up, record
from portal.services.finding import Actor
from portal.services.payments import paying


@dataclass(frozen=True, slots=True)
class Wanted:
    """A payment that somebody wants to make."""

    creditor: str
    iban: str
    amount_cents: int
    remittance: str
    attachments: tuple[str, ...] = ()
    invoice_id: str | None = None
    invoice_number: str = ""


class UsedForm(Conflict):
    """The form made an order already, of something else: `batch_id`."""

    def __init__(self, batch_id: str) -> None:
        super().__init__("This form was used already. The order that was made with it stands under “Payments”.")
        self.batch_id = batch_id


class Obstacle(StrEnum):
    """Why an open invoice cannot be paid from here; templates word it."""

    ON_ITS_WAY = "on_its_way"
    NOT_RELEASED = "not_released"  #: Qonto wants somebody's approval of the invoice first
    CREDIT_NOTE = "credit_note"
    NO_INVOICE = "no_invoice"
    NO_IBAN = "no_iban"
    NO_AMOUNT = "no_amount"
    NO_NAME = "no_name"
    CURRENCY = "currency"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Offer:
    """An open supplier invoice and what keeps it from being paid; `wanted` is what a payment of it would be."""

    invoice: PayableInvoice
    wanted: Wanted | None
    obstacle: Obstacle | None


def connection(session: Session, actor: Actor, client_id: str) -> Connection:
    """The connection over which the client's payments are prepared. Errors: NotAllowed where something is in the way."""
    client = finding.payer(session, actor, client_id)
    found = paying.connection_of(session, client.id)
    if found is None or gates.to_prepare(paying.standing(session, client, actor.user_id)):
        raise NotAllowed("Payments cannot be prepared at the moment. The page “Payments” says what is in the way.")
    return found


def accounts(qonto: Qonto, connection_id: str) -> list[BankAccountRow]:
    """The accounts that can pay, with what they hold now. Those that the user's role hides are left out (L-08)."""
    held = qonto.organization(connection_id).bank_accounts
    return [account for account in held if account.is_active and account.iban and account.currency == "EUR"]


def invoices(qonto: Qonto, connection_id: str) -> list[PayableInvoice]:
    """The open supplier invoices as they are now, the most urgent first."""
    found = {row.id: row for page in all_pages(lambda n: qonto.payable_invoices(connection_id, page=n)) for row in page.rows}
    return sorted(found.values(), key=lambda row: (row.due_on is None, row.due_on or date.max, row.creditor or ""))


def offers(session: Session, client_id: str, found: Sequence[PayableInvoice]) -> list[Offer]:
    """What of it can be paid from here, and why the rest cannot."""
    query = select(Payment.invoice_id).where(
        Payment.client_id == client_id, Payment.invoice_id.in_([row.id for row in found]),
        Payment.state.not_in(list(life.FREE_AGAIN)),
    )  # fmt: skip
    taken, held = set(session.scalars(query)), paying.rules(session, client_id)
    limit = held.limit_cents if held else 0
    return [_offer(row, is_taken=row.id in taken, limit_cents=limit) for row in found if row.status in OPEN]


OPEN = ("to_review", "to_approve", "to_pay", "awaiting_payment")


def _offer(row: PayableInvoice, *, is_taken: bool, limit_cents: int) -> Offer:
    iban = sepa.plain_iban(row.iban or "")
    checks = (
        (not is_taken, Obstacle.ON_ITS_WAY),
        (not row.is_credit_note, Obstacle.CREDIT_NOTE),
        (row.is_invoice, Obstacle.NO_INVOICE),
        (row.currency == "EUR" or row.amount_cents is None, Obstacle.CURRENCY),
        ((row.amount_cents or 0) > 0, Obstacle.NO_AMOUNT),
        (sepa.is_iban(iban), Obstacle.NO_IBAN),
        (bool((row.creditor or "").strip()), Obstacle.NO_NAME),
        (row.is_payable is not False, Obstacle.NOT_RELEASED),
        ((row.amount_cents or 0) <= limit_cents, Obstacle.LIMIT),
    )
    obstacle = next((obstacle for is_fine, obstacle in checks if not is_fine), None)
    return Offer(row, None if obstacle else _wanted(row), obstacle)


def _wanted(row: PayableInvoice) -> Wanted:
    """Pay the whole invoice, with its number as the text and its file where the bank wants one."""
    amount, name = row.amount_cents or 0, (row.creditor or "").strip()
    files = (row.attachment_id,) if row.attachment_id and amount > orders.NEEDS_FILE_ABOVE else ()
    text = sepa.fitting(row.number or "") or sepa.fitting(f"Rechnung {name}") or "Rechnung"
    return Wanted(
        name[: sepa.LONGEST_NAME], sepa.plain_iban(row.iban or ""), amount, text, files, row.id, (row.number or "")[:100]
    )


def prepare(
    ports: Ports, actor: Actor, client_id: str, *, form_key: str, account_id: str, execute_on: date | None,
    wanted: Sequence[Wanted], retry_of: PaymentBatch | None = None,
) -> str:  # fmt: skip
    """Put an order together and have its payees checked. Returns its id; the same form sent again gives the same one.

    Errors: NotFound, NotAllowed, Refused, UsedForm, AlreadyPaid, QontoError.
    """
    day = execute_on if execute_on and execute_on > ports.clock.today() else None
    with ports.database.read() as session:
        held = connection(session, actor, client_id)
        if known := _known(session, client_id, form_key, account_id, day, wanted):
            return known
        _refuse_taken_up(session, retry_of)
    qonto = ports.qonto.over()
    account = next((one for one in accounts(qonto, held.id) if one.id == account_id), None)
    if account is None:
        raise Rejected("Choose the account that pays.")
    payments = [
        Payment(
            id=new_id(), client_id=client_id, position=position, creditor=one.creditor, iban=one.iban,
            amount_cents=one.amount_cents, remittance=one.remittance, attachments=list(one.attachments),
            invoice_id=one.invoice_id, invoice_number=one.invoice_number,
        )
        for position, one in enumerate(wanted, start=1)
    ]  # fmt: skip
    batch = PaymentBatch(
        id=new_id(), client_id=client_id, connection_id=held.id, form_key=form_key,
        way=_way(payments).value, state=life.BatchState.DRAFT.value,
        account_id=account.id, account_name=account.name, account_iban=account.iban or "", balance_cents=account.balance_cents,
        execute_on=day, prepared_by=actor.user_id,
        changed_by=[], requested_at=None, created_at=ports.clock.now(), idempotency_key=new_id(), proof="",
        retry_of=retry_of.id if retry_of else None, was_lost=bool(retry_of and retry_of.was_lost),
    )  # fmt: skip
    batch.payments = payments
    _refuse_flaws(ports, client_id, paying.order_of(batch), execute_on=execute_on, balance_cents=account.balance_cents)
    checks = _asked(qonto, held.id, payments)
    try:
        with ports.database.write() as session:
            now = ports.clock.now()
            queue_up(session, client_id)
            if known := _known(session, client_id, form_key, account_id, day, wanted):
                return known
            _refuse_taken_up(session, retry_of)
            if paying.was_lost(session, client_id, [one.invoice_id for one in wanted if one.invoice_id]):
                batch.was_lost = True
            session.add(batch)
            session.flush()
            _note_checks(session, batch, checks, now)
            record(
                session, Tag.PAYMENTS_PREPARED, subject=f"payment_batch:{batch.id}", at=now, client_id=client_id, way=batch.way,
                payments=len(payments), total_cents=batch.total_cents, digest=orders.digest(paying.order_of(batch)),
            )  # fmt: skip
    except IntegrityError as error:
        raise paying.AlreadyPaid from error
    return batch.id


def change(ports: Ports, actor: Actor, batch_id: str, *, account_id: str, execute_on: date | None, wanted: Wanted | None) -> None:
    """Change who pays and when, and of a single payment everything else; no approval holds any more (E09).

    Errors: as `prepare`; Stale where it is too late.
    """
    with ports.database.read() as session:
        batch = finding.batch(session, actor, batch_id)
        held = connection(session, actor, batch.client_id)
    _refuse_unchangeable(batch)
    qonto, today = ports.qonto.over(), ports.clock.today()
    account = next((one for one in accounts(qonto, held.id) if one.id == account_id), None)
    if account is None:
        raise Rejected("Choose the account that pays.")
    order = paying.order_of(batch)
    if wanted is not None and len(batch.payments) == 1 and batch.payments[0].invoice_id is None:
        item = Item(batch.payments[0].id, wanted.creditor, wanted.iban, wanted.amount_cents, wanted.remittance)
        order = replace(order, items=(item,))
    day = execute_on if execute_on and execute_on > today else None
    order = replace(order, account_id=account.id, account_iban=account.iban or "", execute_on=day)
    _refuse_flaws(ports, batch.client_id, order, execute_on=execute_on, balance_cents=account.balance_cents)
    checks = _check(qonto, held.id, [(item.creditor, item.iban) for item in order.items])
    with ports.database.write() as session:
        now = ports.clock.now()
        queue_up(session, batch.client_id)
        seen, batch = batch, finding.batch(session, actor, batch_id)
        _refuse_unchangeable(batch)
        _refuse_changed(batch, since=seen)
        paying.move(
            session, batch, Event.CHANGE, now=now, account_id=account.id, account_name=account.name,
            account_iban=account.iban or "", balance_cents=account.balance_cents, execute_on=day, proof="", checked_at=None,
            next_look_at=None, way=_way(batch.payments).value, changed_by=list(dict.fromkeys((*batch.changed_by, actor.user_id))),
        )  # fmt: skip
        paying.void(session, batch, now=now, reason="changed")
        for payment, item in zip(batch.payments, order.items, strict=True):
            payment.creditor, payment.iban = item.creditor, item.iban
            payment.amount_cents, payment.remittance = item.amount_cents, item.remittance
        _note_checks(session, batch, checks, now)
        record(
            session, Tag.PAYMENTS_CHANGED, subject=f"payment_batch:{batch.id}", at=now, client_id=batch.client_id,
            digest=orders.digest(paying.order_of(batch)),
        )  # fmt: skip


def check_again(ports: Ports, actor: Actor, batch_id: str) -> bool:
    """Ask the payees' banks once more. False: nobody could tell, and what they said before stands as long as it is valid.

    Errors: Stale where the order is approved already, or was changed while they were asked.
    """
    with ports.database.read() as session:
        batch = finding.batch(session, actor, batch_id)
        held = connection(session, actor, batch.client_id)
    _refuse_approved(batch)
    checks = _asked(ports.qonto.over(), held.id, batch.payments)
    with ports.database.write() as session:
        queue_up(session, batch.client_id)
        row = finding.batch(session, actor, batch_id)
        _refuse_approved(row)
        _refuse_changed(row, since=batch)
        return _note_checks(session, row, checks, ports.clock.now())


def retry(ports: Ports, actor: Actor, batch_id: str, *, form_key: str) -> str:
    """A new order of what did not come through.

    Errors: as `prepare`; Rejected where everything did; Stale where another order has taken it up already.
    """
    with ports.database.read() as session:
        batch = finding.batch(session, actor, batch_id)
        failed = [payment for payment in batch.payments if payment.state in life.FREE_AGAIN]
    if not failed or batch.state not in life.FINAL:
        raise Rejected("There is nothing in this order that could be tried again.")
    wanted = [
        Wanted(
            one.creditor, one.iban, one.amount_cents, one.remittance, tuple(one.attachments), one.invoice_id, one.invoice_number
        )
        for one in failed
    ]
    return prepare(
        ports, actor, batch.client_id, form_key=form_key, account_id=batch.account_id, execute_on=None, wanted=wanted,
        retry_of=batch,
    )  # fmt: skip


def recall(ports: Ports, actor: Actor, batch_id: str) -> int:
    """Stop what the bank has and has not carried out yet. Returns how many payments; the next look tells what became of each.

    Errors: Stale where the bank has carried out everything already; QontoError where it cannot be asked.
    """
    with ports.database.read() as session:
        batch = finding.batch(session, actor, batch_id)
        client = finding.payer(session, actor, batch.client_id, is_reading=True)
        if gates.to_prepare(replace(paying.standing(session, client, actor.user_id), is_on=True)):
            raise NotAllowed("Payments cannot be stopped at the moment. The page “Payments” says what is in the way.")
    waiting = [payment for payment in batch.payments if payment.state == life.PaymentState.ORDERED and payment.transfer_id]
    if batch.state != life.BatchState.ACCEPTED or not waiting:
        raise Stale("It is too late to cancel: the order is with the bank.")
    qonto, stopped = ports.qonto.over(), 0
    try:
        for payment in waiting:
            try:
                qonto.cancel_transfer(batch.connection_id, payment.transfer_id or "")
            except QontoError as problem:
                if problem.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:  # that one has left already
                    raise
            else:
                stopped += 1
    finally:  # what was stopped before the line broke is stopped
        _note_recall(ports, batch, stopped)
    if not stopped:
        raise Stale("It is too late to cancel: the order is with the bank.")
    return stopped


def _note_recall(ports: Ports, batch: PaymentBatch, stopped: int) -> None:
    """Keep how many were stopped, and have a worker look what became of each."""
    now = ports.clock.now()
    with ports.database.write() as session:
        queue_up(session, batch.client_id)
        row = session.get_one(PaymentBatch, batch.id)
        row.next_look_at = now
        record(
            session, Tag.PAYMENTS_RECALLED, subject=f"payment_batch:{row.id}", at=now, client_id=row.client_id, payments=stopped
        )
        run = paying.request_run(session, row, now=now)
    ports.queue.push(running.ticket(run, now=now))


def _way(payments: Sequence[Payment]) -> Way:
    return Way.TRANSFER if len(payments) == 1 else Way.BULK


def _known(
    session: Session, client_id: str, form_key: str, account_id: str, day: date | None, wanted: Sequence[Wanted]
) -> str | None:  # fmt: skip
    """The order that this form has made. Errors: UsedForm where that is not what it asks for now (an old page, sent again).

    Invoices that are on their way are not offered any more, so the same form sent again may ask for fewer of them.
    """
    query = select(PaymentBatch).where(PaymentBatch.client_id == client_id, PaymentBatch.form_key == form_key)
    found = session.scalar(query)
    if found is None:
        return None
    made = {(one.creditor, one.iban, one.amount_cents, one.remittance, one.invoice_id) for one in found.payments}
    asked = {(one.creditor, one.iban, one.amount_cents, one.remittance, one.invoice_id) for one in wanted}
    if (found.account_id, found.execute_on) != (account_id, day) or not asked <= made:
        raise UsedForm(found.id)
    return found.id


def _refuse_flaws(
    ports: Ports, client_id: str, order: Order, *, execute_on: date | None, balance_cents: int | None
) -> None:  # fmt: skip
    """The day as it was typed: one that has passed is a flaw, though today's needs no date at all."""
    today = ports.clock.today()
    with ports.database.read() as session:
        allowed = paying.bounds(session, client_id, today=today, balance_cents=balance_cents)
    if found := orders.flaws(replace(order, execute_on=execute_on), allowed):
        raise paying.Refused(found)


def _refuse_unchangeable(batch: PaymentBatch) -> None:
    if batch.state not in life.CHANGEABLE:
        raise Stale("It is too late to change this order.")


def _refuse_approved(batch: PaymentBatch) -> None:
    if batch.state not in {life.BatchState.DRAFT, life.BatchState.PREPARED}:
        raise Stale("It is too late to change this order.")


def _refuse_taken_up(session: Session, retry_of: PaymentBatch | None) -> None:
    if retry_of is not None and paying.taken_up_by(session, retry_of.id):
        raise Stale("This was prepared again already. The page of the order says where.")


def _refuse_changed(batch: PaymentBatch, *, since: PaymentBatch) -> None:
    """What the bank was asked is about the order as it was then."""
    if batch.version != since.version:
        raise Stale("This order has changed in the meantime. Please look at it again.")


def _asked(qonto: Qonto, connection_id: str, payments: Sequence[Payment]) -> PayeeChecks:
    return _check(qonto, connection_id, [(payment.creditor, payment.iban) for payment in payments])


def _check(qonto: Qonto, connection_id: str, payees: list[tuple[str, str]]) -> PayeeChecks:
    """What the payees' banks say. Where nobody can tell, the order waits as a draft: without a check no payment (F83)."""
    try:
        return qonto.check_payees(connection_id, payees)
    except (ConsentEnded, ScopeMissing):  # asking again would not help
        raise
    except PortalError:
        return PayeeChecks(tuple(PayeeCheck("unavailable") for _ in payees), "")


def _note_checks(session: Session, batch: PaymentBatch, checks: PayeeChecks, now: datetime) -> bool:
    """Keep what the payees' banks say. False: none of them could be asked.

    An order that was checked before stays as it is then. Where only some answer it is a draft again: no result stands beside a
    proof that is not its own.
    """
    results = [check.result for check in checks.checks]
    is_whole = bool(checks.proof) and set(results) <= paying.CHECKED
    is_any = any(result in paying.CHECKED for result in results)
    batch.version += 1
    record(session, Tag.PAYEES_CHECKED, subject=f"payment_batch:{batch.id}", at=now, client_id=batch.client_id, results=results)
    if not is_any and batch.state == life.BatchState.PREPARED:
        return False
    for payment, check in zip(batch.payments, checks.checks, strict=True):
        payment.payee_result, payment.payee_name = check.result, check.name or ""
        payment.payee_accepted_by = payment.payee_accepted_at = None
    if is_whole:
        way = _way(batch.payments).value  # one that could not become a request is an order again
        paying.move(session, batch, Event.CHECK, now=now, proof=checks.proof, checked_at=now, way=way)
    elif batch.state == life.BatchState.PREPARED:
        paying.move(session, batch, Event.CHANGE, now=now, proof="", checked_at=None)
    return is_any
