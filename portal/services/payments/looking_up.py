"""What the bank's lists tell of an order: whether they hold it. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import select

from portal.domain.payments import orders
from portal.domain.payments.orders import Order, Way
from portal.errors import Unavailable
from portal.models import Connection, Payment, PaymentBatch
from portal.ports import Ports
from portal.qonto.client import Page, all_pages
from portal.qonto.errors import Code
from portal.qonto.payment_schema import Transfer
from portal.services.payments import paying

log = structlog.get_logger()
Row = TypeVar("Row")

SLACK = timedelta(minutes=5)  #: between the bank's clock and ours
MARKED_SINCE = timedelta(days=1)  #: marks are unique, so they are looked for from well before an order was made


def look_up(ports: Ports, batch: PaymentBatch, *, alike: tuple[datetime, datetime] | None = None) -> str | None:
    """The bank's id of this order, by the marks that it carries; None: the bank does not have it.

    A transfer of the same account, amount and text from the minutes in doubt (`alike`) is ours as well, should the bank not keep
    the marks: to take it for another's would mean paying a second time. Errors: also Unavailable where rows cannot be read and
    the order was not found among the others.
    """
    connection_id, order, since = batch.connection_id, paying.order_of(batch), batch.created_at - MARKED_SINCE
    marks = {item.mark for item in order.items}
    match order.way:
        case Way.BULK:
            bulks = all_rows(lambda n: ports.qonto.bulk_transfers(connection_id, page=n))
            return next((bulk.id for bulk in bulks if marks & {entry.mark for entry in bulk.entries}), None)
        case Way.REQUEST:
            asked = all_rows(lambda n: ports.qonto.transfer_requests(connection_id, created_from=since, page=n))
            return next((row.id for row in asked if row.note == orders.note(order.mark)), None)
    made = []
    for row in all_rows(lambda n: ports.qonto.transfers(connection_id, updated_from=since, page=n)):
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


def sees_as_much(ports: Ports, batch: PaymentBatch) -> bool:
    """Whether the consent still shows what it showed when the order was sent: that of the same person, with the same account.

    What another person may not see looks as if it were not there.
    """
    with ports.database.read() as session:
        connected_by = session.get_one(Connection, batch.connection_id).connected_by
    if batch.sent_by is None or batch.sent_by != connected_by:
        return False
    return any(account.id == batch.account_id for account in ports.qonto.organization(batch.connection_id).bank_accounts)


def all_rows(fetch: Callable[[int], Page[Row]], *, is_whole: bool = True) -> Iterator[Row]:
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
