"""Admitting clients to the portal, and people to clients."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.errors import Conflict, NotFound, Rejected
from portal.models import Client, Membership, User
from portal.services.auditing import Tag, record
from portal.services.connections.connecting import PLANS


def add_client(session: Session, *, number: str, name: str, now: datetime) -> Client:
    """Take a company into the portal. Errors: Conflict when the firm uses this client number already."""
    if session.scalar(select(Client.id).where(Client.number == number)):
        raise Conflict("There is already a client with this number.")
    client = Client(id=new_id(), number=number, name=name, created_at=now)
    session.add(client)
    session.flush()
    record(session, Tag.CLIENT_CREATED, subject=f"client:{client.id}", at=now, client_id=client.id, number=number)
    return client


def client_by_number(session: Session, number: str) -> Client:
    """The client of the firm's own number, for an operator at the command line. Errors: NotFound."""
    client = session.scalar(select(Client).where(Client.number == number))
    if client is None:
        raise NotFound("There is no client with this number.")
    return client


def change_plan(session: Session, client: Client, plan: str, *, now: datetime) -> None:
    """What a client has booked with the firm. A smaller plan ends nothing that is connected. Errors: Rejected."""
    if plan not in PLANS:
        raise Rejected("There is no such plan.")
    if plan != client.plan:
        client.plan = plan
        record(session, Tag.PLAN_CHANGED, subject=f"client:{client.id}", at=now, client_id=client.id, plan=plan)


def change_permission(session: Session, client: Client, user_id: str, *, keeps_books: bool, now: datetime) -> None:
    """Whether somebody may see and change a client's accounts and bank history (L-07). Errors: NotFound."""
    query = select(Membership).where(Membership.client_id == client.id, Membership.user_id == user_id)
    membership = session.scalar(query)
    if membership is None:
        raise NotFound
    if membership.has_financial_accounting != keeps_books:
        membership.has_financial_accounting = keeps_books
        record(
            session, Tag.PERMISSION_CHANGED, subject=f"client:{client.id}", at=now, client_id=client.id, user=user_id,
            has_financial_accounting=keeps_books,
        )  # fmt: skip


def change_payer(session: Session, client: Client, user_id: str, *, may_pay: bool, now: datetime) -> None:
    """Whether somebody of a client's own people may pay. Errors: NotFound, also for the firm's people."""
    held = Membership.client_id == client.id, Membership.user_id == user_id, Membership.kind == "client"
    membership = session.scalar(select(Membership).where(*held))
    if membership is None:
        raise NotFound
    if membership.may_pay != may_pay:
        membership.may_pay = may_pay
        record(
            session, Tag.PAYER_CHANGED, subject=f"client:{client.id}", at=now, client_id=client.id, user=user_id, may_pay=may_pay
        )


def people(session: Session, client_id: str) -> list[tuple[Membership, User]]:
    """Who belongs to a client, its own people first."""
    query = select(Membership, User).join(User, User.id == Membership.user_id).where(Membership.client_id == client_id)
    return [(membership, user) for membership, user in session.execute(query.order_by(Membership.kind, User.name))]


def grant(session: Session, *, user: User, client: Client, kind: str, now: datetime) -> Membership:
    """Let a user see a client, as its own (`client`) or as the firm's (`staff`); asking again changes nothing."""
    held = session.scalar(select(Membership).where(Membership.user_id == user.id, Membership.client_id == client.id))
    if held is not None:
        return held
    membership = Membership(
        id=new_id(), user_id=user.id, client_id=client.id, kind=kind, has_financial_accounting=True, may_pay=False
    )
    session.add(membership)
    record(session, Tag.MEMBERSHIP_GRANTED, subject=f"client:{client.id}", at=now, client_id=client.id, user=user.id, kind=kind)
    return membership
