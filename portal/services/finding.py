"""Finding records through the actor: what somebody may not see looks exactly like what does not exist.

Every page asks these questions. They are put together once: for SQLAlchemy that is more work than asking.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from sqlalchemy import BindParameter, Select, bindparam, select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.models import (
    BankAccount,
    Client,
    Connection,
    Document,
    Explanation,
    Membership,
    PaymentBatch,
    PaymentRules,
    Receipt,
    Role,
    Statement,
    Transaction,
)


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who asks, as far as visibility is concerned."""

    user_id: str
    role: Role


ACTOR: BindParameter[str] = bindparam("actor")
SWITCHED_ON = select(PaymentRules.client_id).where(PaymentRules.is_on)  #: clients with payments
UNDECIDED = ("draft", "prepared")  #: orders that nobody has let go yet
#: clients who have or had them: what was ordered stays readable after payments are switched off
WITH_ORDERS = SWITCHED_ON.union(select(PaymentBatch.client_id).where(PaymentBatch.state.not_in(UNDECIDED)))
_OfClient = TypeVar("_OfClient", Connection, Receipt, Document, Transaction, BankAccount, Statement, PaymentBatch, Explanation)


def visible_clients(actor: Actor) -> Select[Client]:
    """A query for the clients that the actor may see: all for an admin, the assigned ones for staff, his own for a client."""
    return _visible(actor.role, actor.user_id)


def seen_ids(role: Role) -> Select[str]:
    """The ids of visible clients, for a statement that is put together once; its parameter is `actor`."""
    return _visible(role, ACTOR).with_only_columns(Client.id)


def clients(session: Session, actor: Actor) -> list[Client]:
    """The clients that the actor may see, by name."""
    return list(session.scalars(_by_name(actor.role), {"actor": actor.user_id}))


def client_names(session: Session, actor: Actor) -> dict[str, str]:
    """As `clients`, ids and names alone, for the page that is opened most: a firm may have a thousand."""
    return {client_id: name for client_id, name in session.execute(_names(actor.role), {"actor": actor.user_id})}


def first_client(session: Session, actor: Actor) -> Client | None:
    """The first client that the actor may see, by name."""
    return session.scalars(_by_name(actor.role).limit(1), {"actor": actor.user_id}).first()


def client(session: Session, actor: Actor, client_id: str) -> Client:
    """A client the actor may see; NotFound for any other text."""
    found = session.scalar(_client(actor.role), {"actor": actor.user_id, "row": _checked(client_id)})
    if found is None:
        raise NotFound
    return found


def books_of(session: Session, actor: Actor, client_id: str) -> Client:
    """A client whose accounts and bank history the actor may see and change (L-07). Errors: NotFound; NotAllowed without that."""
    row = session.execute(_book_keeper(actor.role), {"actor": actor.user_id, "row": _checked(client_id)}).one_or_none()
    if row is None:
        raise NotFound
    found, keeps_books = row
    if not keeps_books:
        raise NotAllowed("This needs the permission “Financial Accounting”. Your tax office can give it to you.")
    return found


def books(session: Session, actor: Actor) -> list[Client]:
    """The clients whose accounts the actor may see, by name."""
    query = _visible(actor.role, ACTOR, keeps_books=True).order_by(Client.name)
    return list(session.scalars(query, {"actor": actor.user_id}))


def payer(session: Session, actor: Actor, client_id: str, *, is_reading: bool = False) -> Client:
    """A client whose payments the actor may see and prepare. Errors: NotFound, also where payments are off (E01); NotAllowed.

    `is_reading`: also one whose payments were switched off after something was ordered.
    """
    row = session.execute(
        _payer(actor.role, is_reading=is_reading), {"actor": actor.user_id, "row": _checked(client_id)}
    ).one_or_none()
    if row is None:
        raise NotFound
    found, may_pay = row
    if not may_pay:
        raise NotAllowed("This needs the permission “Payments”. Your tax office can give it to you.")
    return found


def payers(session: Session, actor: Actor) -> list[Client]:
    """The clients whose payments the actor may read, by name."""
    query = _visible(actor.role, ACTOR, may_pay=True).where(Client.id.in_(WITH_ORDERS)).order_by(Client.name)
    return list(session.scalars(query, {"actor": actor.user_id}))


def first_payer(session: Session, actor: Actor) -> Client:
    """The first client with payments that the actor may see. Errors: as `payer`; NotFound where there is none."""
    query = _visible(actor.role, ACTOR).where(Client.id.in_(WITH_ORDERS)).order_by(Client.name)
    found = next(iter(payers(session, actor)), None) or session.scalars(query.limit(1), {"actor": actor.user_id}).first()
    if found is None:
        raise NotFound
    return payer(session, actor, found.id, is_reading=True)


def has_payments(session: Session, client_id: str) -> bool:
    """Whether there is a page of payments for this client."""
    return session.scalar(select(Client.id).where(Client.id == client_id, Client.id.in_(WITH_ORDERS))) is not None


def batch(session: Session, actor: Actor, batch_id: str) -> PaymentBatch:
    """A payment order of a client whose payments the actor may see."""
    return _of_client(session, actor, PaymentBatch, batch_id)


def connection(session: Session, actor: Actor, connection_id: str) -> Connection:
    """A connection of a client the actor may see."""
    return _of_client(session, actor, Connection, connection_id)


def own_connection(session: Session, actor: Actor, connection_id: str) -> Connection:
    """A connection that the actor may change. Errors: as `connection`; NotAllowed.

    A bank's only by who may see the client's books, that of payments by who may pay, also once they are switched off.
    """
    found = connection(session, actor, connection_id)
    if found.kind == "bank":
        books_of(session, actor, found.client_id)
    if found.kind == "payments":
        is_payers = _visible(actor.role, actor.user_id, may_pay=True).where(Client.id == found.client_id)
        if session.scalar(is_payers) is None:
            raise NotAllowed("This needs the permission “Payments”. Your tax office can give it to you.")
    return found


def receipt(session: Session, actor: Actor, receipt_id: str) -> Receipt:
    """A receipt of a client the actor may see."""
    return _of_client(session, actor, Receipt, receipt_id)


def document(session: Session, actor: Actor, document_id: str) -> Document:
    """A document of a client the actor may see."""
    return _of_client(session, actor, Document, document_id)


def transaction(session: Session, actor: Actor, transaction_id: str) -> Transaction:
    """A transaction of a client the actor may see."""
    return _of_client(session, actor, Transaction, transaction_id)


def explanation(session: Session, actor: Actor, explanation_id: str) -> Explanation:
    """What was said about a transaction of a client the actor may see."""
    return _of_client(session, actor, Explanation, explanation_id)


def account(session: Session, actor: Actor, account_id: str) -> BankAccount:
    """A bank account of a client the actor may see."""
    return _of_client(session, actor, BankAccount, account_id)


def statement(session: Session, actor: Actor, statement_id: str) -> Statement:
    """A statement of a client the actor may see."""
    return _of_client(session, actor, Statement, statement_id)


def _of_client(session: Session, actor: Actor, model: type[_OfClient], row_id: str) -> _OfClient:
    found: _OfClient | None = session.scalar(_row(model, actor.role), {"actor": actor.user_id, "row": _checked(row_id)})
    if found is None:
        raise NotFound
    return found


def _visible(
    role: Role, user_id: str | BindParameter[str], *, keeps_books: bool = False, may_pay: bool = False
) -> Select[Client]:
    query = select(Client)
    if role is Role.ADMIN:
        return query
    kind = "staff" if role is Role.STAFF else "client"
    mine = select(Membership.client_id).where(Membership.user_id == user_id, Membership.kind == kind)
    if keeps_books:
        mine = mine.where(Membership.has_financial_accounting)
    if may_pay and role is Role.CLIENT:  # the firm's people only prepare
        mine = mine.where(Membership.may_pay)
    return query.where(Client.id.in_(mine))


@cache
def _by_name(role: Role) -> Select[Client]:
    return _visible(role, ACTOR).order_by(Client.name)


@cache
def _names(role: Role) -> Select[str, str]:
    return _by_name(role).with_only_columns(Client.id, Client.name)


@cache
def _client(role: Role) -> Select[Client]:
    return _visible(role, ACTOR).where(Client.id == bindparam("row"))


@cache
def _book_keeper(role: Role) -> Select[Client, bool]:
    """A visible client, and whether its books may be seen."""
    theirs = _visible(role, ACTOR, keeps_books=True).with_only_columns(Client.id)
    return _visible(role, ACTOR).add_columns(Client.id.in_(theirs)).where(Client.id == bindparam("row"))


@cache
def _payer(role: Role, *, is_reading: bool) -> Select[Client, bool]:
    """A visible client with payments, and whether the actor may see them."""
    theirs = _visible(role, ACTOR, may_pay=True).with_only_columns(Client.id)
    query = _visible(role, ACTOR).add_columns(Client.id.in_(theirs))
    return query.where(Client.id == bindparam("row"), Client.id.in_(WITH_ORDERS if is_reading else SWITCHED_ON))


@cache
def _row(model: type[_OfClient], role: Role) -> Select[_OfClient]:
    """Accounts and their files only for those who may see the client's books, and while they are not deleted.

    Payments only for those who may pay; what nobody has let go yet only while the client has them.
    """
    keeps_books = model is BankAccount or model is Statement
    seen = _visible(role, ACTOR, keeps_books=keeps_books, may_pay=model is PaymentBatch).with_only_columns(Client.id)
    query = select(model).where(model.id == bindparam("row"), model.client_id.in_(seen))
    if model is PaymentBatch:
        query = query.where(PaymentBatch.client_id.in_(SWITCHED_ON) | PaymentBatch.state.not_in(UNDECIDED))
    return query.where(BankAccount.deleted_at.is_(None)) if model is BankAccount else query


def _checked(row_id: str) -> str:
    if not is_id(row_id):
        raise NotFound
    return str(uuid.UUID(row_id))


def is_id(text: str) -> bool:
    """Ids also come from queries and forms, where anything can stand; PostgreSQL raises for what is not a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
