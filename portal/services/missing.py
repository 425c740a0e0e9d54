"""Transactions that have no receipt yet: what the client is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, exists, func, select
from sqlalchemy.orm import Session

from portal.models import Assignment, BankAccount, Client, Transaction
from portal.services import engaging, finding
from portal.services.finding import Actor
from portal.services.listing import PAGE_SIZE, Page


@dataclass(frozen=True, slots=True)
class MissingPage:
    """One client's part of the list, newest first. `sum_cents`: of all of them, signed, in the accounts' euros."""

    clients: Sequence[Client]
    client: Client | None
    page: Page[tuple[Transaction, BankAccount]]
    sum_cents: int


def index(session: Session, actor: Actor, *, client_id: str = "", number: int = 1) -> MissingPage:
    """Of the named client, else of the actor's first one; from the start of the earliest open tax year on."""
    clients = finding.clients(session, actor)
    client = finding.client(session, actor, client_id) if client_id else next(iter(clients), None)
    start_on = engaging.scope(session, client.id).start_on if client else None
    if client is None or start_on is None:
        return MissingPage(clients, client, Page([], 1, 0), 0)
    has_receipt = exists().where(Assignment.transaction_id == Transaction.id, Assignment.withdrawn_at.is_(None))
    wanted = (Transaction.client_id == client.id, Transaction.status == "booked", Transaction.booked_on >= start_on, ~has_receipt)
    signed = case((Transaction.side == "credit", Transaction.amount_cents), else_=-Transaction.amount_cents)
    total, cents = session.execute(
        select(func.count(), func.sum(signed).filter(Transaction.currency == "EUR")).select_from(Transaction).where(*wanted)
    ).one()
    number = min(number, max(1, -(-total // PAGE_SIZE)))
    rows = session.execute(
        select(Transaction, BankAccount)
        .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
        .where(*wanted)
        .order_by(Transaction.booked_on.desc(), Transaction.id)
        .limit(PAGE_SIZE)
        .offset((number - 1) * PAGE_SIZE)
    )
    found = [(transaction, account) for transaction, account in rows]
    return MissingPage(clients, client, Page(found, number, total), int(cents or 0))
