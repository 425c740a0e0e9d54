"""What the firm is commissioned to do for a client: tax years and their returns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.tax_years import EngagementFacts, Scope, scope_of
from portal.errors import Conflict, NotFound, Rejected
from portal.models import Connection, Engagement, Run, TaxReturn
from portal.services import running
from portal.services.auditing import Tag, record

ALL_RETURNS = ("income", "corporate", "trade", "vat")
RETURNS = ("income", "vat", "trade")  #: the returns of a year where nothing else was agreed
EARLIEST_YEAR = 2010  #: a year before this one is a slip of the keyboard


def scope(session: Session, client_id: str) -> Scope:
    """The period from which this client's documents are imported."""
    return scope_over(engagements(session, client_id))


def scope_over(commissioned: Sequence[Engagement]) -> Scope:
    """The scope that these engagements of a client span."""
    return scope_of(_facts(engagement) for engagement in commissioned)


def scopes(session: Session, client_ids: list[str]) -> dict[str, Scope]:
    """As `scope`, for many clients at once."""
    found: dict[str, list[EngagementFacts]] = {client_id: [] for client_id in client_ids}
    for e in session.scalars(select(Engagement).where(Engagement.client_id.in_(client_ids))):
        found[e.client_id].append(_facts(e))
    return {client_id: scope_of(facts) for client_id, facts in found.items()}


def engagements(session: Session, client_id: str) -> list[Engagement]:
    """All commissioned years, newest first."""
    query = select(Engagement).where(Engagement.client_id == client_id).order_by(Engagement.tax_year.desc())
    return list(session.scalars(query))


def commission(
    session: Session, *, client_id: str, tax_year: int, on: date, now: datetime, returns: tuple[str, ...] = RETURNS
) -> Engagement:
    """Commission a tax year; an earlier one than before makes the next run a backfill. Errors: Rejected, Conflict."""
    if not EARLIEST_YEAR <= tax_year <= on.year + 1:
        raise Rejected("Choose a tax year between 2010 and next year.")
    if not returns or not set(returns) <= set(ALL_RETURNS):
        raise Rejected("Choose at least one tax return of the year.")
    if session.scalar(select(Engagement.id).where(Engagement.client_id == client_id, Engagement.tax_year == tax_year)):
        raise Conflict("This tax year is already commissioned.")
    engagement = Engagement(client_id=client_id, tax_year=tax_year, commissioned_on=on)
    engagement.returns = [TaxReturn(client_id=client_id, kind=kind, completed_on=None) for kind in returns]
    session.add(engagement)
    session.flush()
    record(
        session, Tag.ENGAGEMENT_COMMISSIONED, subject=f"engagement:{engagement.id}", at=now, client_id=client_id,
        tax_year=tax_year, returns=list(returns),
    )  # fmt: skip
    return engagement


def complete_return(session: Session, *, client_id: str, tax_year: int, kind: str, on: date, now: datetime) -> None:
    """Complete one return; with the last one the year closes. Nothing that was imported is removed."""
    tax_return = _return(session, client_id, tax_year, kind)
    if tax_return.completed_on is not None:
        raise Conflict("This return is already completed.")
    tax_return.completed_on = on
    record(
        session, Tag.RETURN_COMPLETED, subject=f"tax_return:{tax_return.id}", at=now, client_id=client_id,
        tax_year=tax_year, kind=kind,
    )  # fmt: skip


def reopen_return(session: Session, *, client_id: str, tax_year: int, kind: str, now: datetime) -> None:
    """Take a completion back: the year is open again, and what changed meanwhile is fetched with the next run."""
    tax_return = _return(session, client_id, tax_year, kind)
    if tax_return.completed_on is None:
        raise Conflict("This return is not completed.")
    tax_return.completed_on = None
    record(
        session, Tag.RETURN_REOPENED, subject=f"tax_return:{tax_return.id}", at=now, client_id=client_id,
        tax_year=tax_year, kind=kind,
    )  # fmt: skip


def backfill(session: Session, client_id: str, *, was: Scope, now: datetime) -> Run | None:
    """A run of the documents connection, when the period now begins earlier than it `was`; None when nothing is to be had."""
    start_on = scope(session, client_id).start_on
    if start_on is None or (was.start_on is not None and start_on >= was.start_on):
        return None
    query = select(Connection).where(
        Connection.client_id == client_id, Connection.kind == "documents", Connection.state == "active"
    )
    connection = session.scalar(query)
    if connection is None:
        return None
    return running.request(
        session, client_id=client_id, connection_id=connection.id, kind=connection.kind, trigger="change", now=now
    )


def _facts(engagement: Engagement) -> EngagementFacts:
    return EngagementFacts(engagement.tax_year, tuple(one.completed_on is not None for one in engagement.returns))


def _return(session: Session, client_id: str, tax_year: int, kind: str) -> TaxReturn:
    tax_return = session.scalar(
        select(TaxReturn)
        .join(Engagement, Engagement.id == TaxReturn.engagement_id)
        .where(Engagement.client_id == client_id, Engagement.tax_year == tax_year, TaxReturn.kind == kind)
    )
    if tax_return is None:
        raise NotFound
    return tax_return
