"""Of a client's transactions only those that its open receipts can ask for, found by their keys: what a day's matching reads.

The keys are rows (`TransactionKey`), made by the first matching that meets a booked transaction, and made anew after it changed
or a part of it was used (`is_indexed`). What they are, and why nothing else can matter, is for the domain to say
(`domain.matching.reach`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.domain.matching import (
    NEAREST,
    Asked,
    ReceiptFacts,
    TransactionFacts,
    asked_by,
    asked_next,
    counted_by,
    keys_of,
    named_counts,
)
from portal.models import Assignment, Transaction, TransactionKey
from portal.ports import Ports
from portal.services import running
from portal.services.running import Lease

INDEXED_AT_ONCE = 1000
MOST_ASKING = 1000  #: open receipts; for more of them reading all transactions is the shorter way to the same decisions
_MOST_TOLD = 500  #: values in one statement

Counts = Mapping[tuple[str, str], int]
_Told = TypeVar("_Told", str, int)


def index(ports: Ports, lease: Lease) -> None:
    """Make the keys of what is new or changed, a commit a thousand."""
    while True:
        with ports.database.write() as session:
            waiting = select(Transaction).where(Transaction.client_id == lease.client_id, Transaction.is_indexed.is_(False))
            found = list(session.scalars(waiting.order_by(Transaction.id).limit(INDEXED_AT_ONCE).with_for_update()))
            if not found:
                return
            running.advance(session, lease)
            write_keys(session, found)


def write_keys(session: Session, transactions: Collection[Transaction]) -> None:
    """Make the keys of some transactions anew."""
    used = _used(session, [transaction.id for transaction in transactions])
    rows = [
        {"client_id": one.client_id, "key": key, "booked_on": one.booked_on, "transaction_id": one.id}
        for one in transactions
        if one.status == "booked"
        for key in sorted(keys_of(as_facts(one, one.amount_cents - used.get(one.id, 0))))
    ]
    for ids in parts(one.id for one in transactions):
        session.execute(delete(TransactionKey).where(TransactionKey.transaction_id.in_(ids)))
        session.execute(update(Transaction).where(Transaction.id.in_(ids)).values(is_indexed=True))
    if rows:
        session.execute(insert(TransactionKey), rows)


def everything(session: Session, client_id: str) -> list[TransactionFacts]:
    """All booked transactions of the client with what of them is still open."""
    standing = (
        select(Assignment.transaction_id, func.sum(Assignment.amount_cents))
        .where(Assignment.client_id == client_id, Assignment.withdrawn_at.is_(None))
        .group_by(Assignment.transaction_id)
    )
    used = {transaction_id: int(cents) for transaction_id, cents in session.execute(standing)}
    query = select(Transaction).where(Transaction.client_id == client_id, Transaction.status == "booked")
    return [as_facts(one, one.amount_cents - used.get(one.id, 0)) for one in session.scalars(query)]


def in_reach(
    session: Session, client_id: str, receipts: Collection[ReceiptFacts]
) -> tuple[list[TransactionFacts], Counts | None]:  # fmt: skip
    """The booked transactions that these open receipts ask for, and the counts that `match` takes beside them.

    Whatever is to be asked for is indexed. Of very many receipts: all transactions, without counts.
    """
    if len(receipts) > MOST_ASKING:
        return everything(session, client_id), None
    counts = _counts(session, client_id, counted_by(receipts))
    asked = asked_by(receipts, counts)
    found = _facts(session, client_id, _found(session, client_id, asked))
    known = {facts.id for facts in found}
    more = _found(session, client_id, asked_next(found, asked.span)) - known
    return [*found, *_facts(session, client_id, more)], named_counts(counts, receipts)


def _counts(session: Session, client_id: str, keys: Collection[str]) -> dict[str, int]:
    """How many booked transactions have each key; without those that none has."""
    counts: dict[str, int] = {}
    for told in parts(sorted(keys)):
        held = select(TransactionKey.key, func.count()).where(_keys(client_id, told)).group_by(TransactionKey.key)
        counts.update((key, count) for key, count in session.execute(held))
    return counts


def _found(session: Session, client_id: str, asked: Asked) -> set[str]:
    ids = set(asked.transactions)
    transaction_id = select(TransactionKey.transaction_id)
    for told in parts(sorted(asked.always)):
        ids.update(session.scalars(transaction_id.where(_keys(client_id, told))))
    for told in parts(sorted(asked.within)):
        ids.update(session.scalars(transaction_id.where(_keys(client_id, told), TransactionKey.booked_on.between(*asked.span))))
    for cents in parts(sorted(asked.cents)):
        equal = select(Transaction.id).where(
            Transaction.client_id == client_id, Transaction.amount_cents.in_(cents), Transaction.booked_on.between(*asked.span)
        )
        ids.update(session.scalars(equal))
    ids.update(_near(session, client_id, asked))
    return ids


def _near(session: Session, client_id: str, asked: Asked) -> Iterator[str]:
    """Of each key the nearest to its day, on both sides."""
    day, order = TransactionKey.booked_on, (TransactionKey.booked_on, TransactionKey.transaction_id)
    for key, (first, last), centre in sorted(asked.near):
        held = select(TransactionKey.transaction_id).where(_keys(client_id, [key])).limit(NEAREST)
        before = held.where(day >= first, day < centre).order_by(*(column.desc() for column in order))
        yield from session.scalars(before)
        yield from session.scalars(held.where(day >= centre, day <= last).order_by(*order))


def _keys(client_id: str, told: list[str]) -> ColumnElement[bool]:
    return and_(TransactionKey.client_id == client_id, TransactionKey.key.in_(told))


def _facts(session: Session, client_id: str, ids: Iterable[str]) -> list[TransactionFacts]:
    wanted = sorted(ids)
    used = _used(session, wanted)
    found: list[TransactionFacts] = []
    for told in parts(wanted):
        # by the ids alone: told the client too, SQLite reads all of his
        rows = session.scalars(select(Transaction).where(Transaction.id.in_(told)))
        found += [
            as_facts(one, one.amount_cents - used.get(one.id, 0))
            for one in rows
            if one.client_id == client_id and one.status == "booked"
        ]
    return found


def _used(session: Session, ids: Iterable[str]) -> dict[str, int]:
    """What standing assignments take of each transaction."""
    used: dict[str, int] = {}
    for told in parts(ids):
        standing = (
            select(Assignment.transaction_id, func.sum(Assignment.amount_cents))
            .where(Assignment.transaction_id.in_(told), Assignment.withdrawn_at.is_(None))
            .group_by(Assignment.transaction_id)
        )
        used.update((transaction_id, int(cents)) for transaction_id, cents in session.execute(standing))
    return used


def parts(values: Iterable[_Told]) -> Iterator[list[_Told]]:
    """In parts that fit into one statement."""
    rest = iter(values)
    while part := list(islice(rest, _MOST_TOLD)):
        yield part


def as_facts(transaction: Transaction, open_cents: int) -> TransactionFacts:
    """One transaction for the domain."""
    return TransactionFacts(
        id=transaction.id, account=transaction.bank_account_id, side="credit" if transaction.side == "credit" else "debit",
        amount_cents=transaction.amount_cents, open_cents=open_cents, currency=transaction.currency,
        local_amount_cents=transaction.local_amount_cents, local_currency=transaction.local_currency,
        booked_on=transaction.booked_on, emitted_on=berlin_day(transaction.emitted_at) if transaction.emitted_at else None,
        counterparty=transaction.counterparty, iban=transaction.counterparty_iban, remittance=transaction.remittance or "",
        operation_type=transaction.operation_type,
    )  # fmt: skip
