"""What the firm is commissioned to do for a client: tax years and their returns."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.tax_years import EngagementFacts, Scope, scope_of
from portal.errors import Conflict, NotFound
from portal.models import Engagement, TaxReturn
from portal.services.auditing import Tag, record

RETURNS = ("income", "vat", "trade")  #: the returns of a year where nothing else was agreed


def scope(session: Session, client_id: str) -> Scope:
    """The period from which this client's documents are imported."""
    engagements = session.scalars(select(Engagement).where(Engagement.client_id == client_id))
    return scope_of(EngagementFacts(e.tax_year, tuple(r.completed_on is not None for r in e.returns)) for e in engagements)


def scopes(session: Session, client_ids: list[str]) -> dict[str, Scope]:
    """As `scope`, for many clients at once."""
    found: dict[str, list[EngagementFacts]] = {client_id: [] for client_id in client_ids}
    for e in session.scalars(select(Engagement).where(Engagement.client_id.in_(client_ids))):
        found[e.client_id].append(EngagementFacts(e.tax_year, tuple(r.completed_on is not None for r in e.returns)))
    return {client_id: scope_of(facts) for client_id, facts in found.items()}


def engagements(session: Session, client_id: str) -> list[Engagement]:
    """All commissioned years, newest first."""
    query = select(Engagement).where(Engagement.client_id == client_id).order_by(Engagement.tax_year.desc())
    return list(session.scalars(query))


def commission(
    session: Session, *, client_id: str, tax_year: int, on: date, now: datetime, returns: tuple[str, ...] = RETURNS
) -> Engagement:
    """Commission a tax year; an earlier one than before makes the next run a backfill."""
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
    tax_return = session.scalar(
        select(TaxReturn)
        .join(Engagement, Engagement.id == TaxReturn.engagement_id)
        .where(Engagement.client_id == client_id, Engagement.tax_year == tax_year, TaxReturn.kind == kind)
    )
    if tax_return is None:
        raise NotFound
    tax_return.completed_on = on
    record(
        session, Tag.RETURN_COMPLETED, subject=f"tax_return:{tax_return.id}", at=now, client_id=client_id,
        tax_year=tax_year, kind=kind,
    )  # fmt: skip
