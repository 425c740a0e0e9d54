"""Messages between a client and the firm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.errors import NotFound, Rejected
from portal.models import Assignment, Client, Message, Receipt, Role, Transaction, User
from portal.services import finding
from portal.services.auditing import Tag, record
from portal.services.finding import Actor
from portal.services.messages import notifying

LONGEST = 5_000  #: characters
SHOWN = 200  #: messages of a conversation, the newest


class Topic(StrEnum):
    """What a message is about."""

    GENERAL = "general"
    RECEIPT = "receipt"
    TRANSACTION = "transaction"  #: whose receipt is asked for
    BETA = "beta"  #: feedback on the beta of the document sync


@dataclass(frozen=True, slots=True)
class Written:
    """A message as a page shows it."""

    message: Message
    author: str
    receipt: Receipt | None
    transaction: Transaction | None
    is_answered: bool  #: the transaction has its receipt by now


@dataclass(frozen=True, slots=True)
class Conversation:
    """A line of the firm's inbox. `unread`: messages of the client that nobody of the firm has opened."""

    client: Client
    last: Message
    unread: int


def write(
    session: Session, actor: Actor, *, client_id: str, text: str, topic: Topic, receipt_id: str | None, now: datetime,
    transaction_id: str | None = None,
) -> Message:  # fmt: skip
    """Write to the other side, about a receipt or a transaction if one is named.

    Errors: Rejected for an empty or endless text, NotFound for a foreign client, receipt or transaction.
    """
    client = finding.client(session, actor, client_id)
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Rejected("Write a few words first.")
    if len(text) > LONGEST:
        raise Rejected("The message is too long: 5,000 characters at most.")
    if receipt_id and finding.receipt(session, actor, receipt_id).client_id != client.id:
        raise NotFound
    if transaction_id and finding.transaction(session, actor, transaction_id).client_id != client.id:
        raise NotFound
    message = Message(
        id=new_id(), client_id=client.id, receipt_id=receipt_id or None, transaction_id=transaction_id or None,
        author_id=actor.user_id,
        is_from_client=actor.role is Role.CLIENT, topic=topic.value, text=text, created_at=now, read_at=None,
    )  # fmt: skip
    session.add(message)
    session.flush()
    oldest = select(Message.id).where(
        Message.client_id == client.id, Message.is_from_client.is_(message.is_from_client), Message.read_at.is_(None)
    )
    unread_since = session.scalars(oldest.order_by(Message.created_at, Message.id).limit(1)).one()
    notifying.new_message(session, message, unread_since=unread_since, now=now)
    record(session, Tag.MESSAGE_WRITTEN, subject=f"message:{message.id}", at=now, client_id=client.id, topic=topic.value)
    return message


def conversation(session: Session, actor: Actor, client_id: str) -> list[Written]:
    """What a client and the firm wrote to each other, oldest first."""
    client = finding.client(session, actor, client_id)
    has_receipt = exists().where(Assignment.transaction_id == Message.transaction_id, Assignment.withdrawn_at.is_(None))
    query = (
        select(Message, User.name, Receipt, Transaction, has_receipt)
        .join(User, User.id == Message.author_id)
        .outerjoin(Receipt, Receipt.id == Message.receipt_id)
        .outerjoin(Transaction, Transaction.id == Message.transaction_id)
        .where(Message.client_id == client.id)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(SHOWN)
    )
    return [Written(*row) for row in session.execute(query)][::-1]


def asked_for(session: Session, transaction_ids: Sequence[str]) -> dict[str, Message]:
    """The firm's newest request for the receipt of each of these transactions, where there is one."""
    query = select(Message).where(Message.transaction_id.in_(transaction_ids), Message.is_from_client.is_(False))
    found = session.scalars(query.order_by(Message.created_at, Message.id))
    return {message.transaction_id: message for message in found if message.transaction_id}


def mark_read(session: Session, actor: Actor, client_id: str, *, now: datetime) -> None:
    """The actor's side has opened the conversation."""
    session.execute(
        update(Message)
        .where(
            Message.client_id == finding.client(session, actor, client_id).id, Message.read_at.is_(None),
            Message.is_from_client.is_(actor.role is not Role.CLIENT),
        )
        .values(read_at=now)
    )  # fmt: skip


def unread(session: Session, actor: Actor) -> int:
    """Messages that wait for the actor's side."""
    clients = finding.visible_clients(actor).with_only_columns(Client.id)
    waiting = select(func.count()).where(
        Message.client_id.in_(clients), Message.read_at.is_(None), Message.is_from_client.is_(actor.role is not Role.CLIENT)
    )
    return session.scalar(waiting) or 0


def inbox(session: Session, actor: Actor, *, topic: str = "") -> Sequence[Conversation]:
    """The conversations an actor of the firm may see: those that wait first, then the newest."""
    clients = finding.visible_clients(actor).with_only_columns(Client.id)
    is_wanted = and_(Message.client_id.in_(clients), Message.topic.in_([topic] if topic else list(Topic)))
    place = func.row_number().over(partition_by=Message.client_id, order_by=(Message.created_at.desc(), Message.id.desc()))
    newest = select(Message.id, place.label("place")).where(is_wanted).subquery()
    waiting = (
        select(Message.client_id, func.count().label("unread"))
        .where(is_wanted, Message.is_from_client, Message.read_at.is_(None))
        .group_by(Message.client_id)
        .subquery()
    )
    count = func.coalesce(waiting.c.unread, 0)
    query = (
        select(Client, Message, count)
        .join(Message, Message.client_id == Client.id)
        .join(newest, and_(newest.c.id == Message.id, newest.c.place == 1))
        .outerjoin(waiting, waiting.c.client_id == Client.id)
        .order_by((count == 0), Message.created_at.desc())
    )
    return [Conversation(client, message, number) for client, message, number in session.execute(query)]
