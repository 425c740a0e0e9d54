"""What of a client's bank history is here: per account and month, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain import coverage
from portal.domain.coverage import Month, Source, Span
from portal.models import BankAccount, Statement


@dataclass(frozen=True, slots=True)
class AccountCoverage:
    """An account's months by year, and the holes since the start of the earliest open tax year."""

    account: BankAccount
    years: Sequence[tuple[int, Sequence[Month]]]
    holes: Sequence[tuple[date, date]]


def of(session: Session, accounts: Sequence[BankAccount], *, first: date, today: date) -> list[AccountCoverage]:
    """From `first`, the start of the earliest open tax year, to yesterday."""
    files: defaultdict[str, list[Span]] = defaultdict(list)
    imported = select(Statement).where(
        Statement.bank_account_id.in_([account.id for account in accounts]), Statement.state == "imported"
    )
    for statement in session.scalars(imported):
        if statement.first_on and statement.last_on:
            files[statement.bank_account_id].append(Span(statement.first_on, statement.last_on, Source.FILE))
    return [_coverage(account, files[account.id], first, today) for account in accounts]


def _coverage(account: BankAccount, files: Sequence[Span], first: date, today: date) -> AccountCoverage:
    told = account.covered_until
    bank = [Span(account.start_on, told, Source.BANK)] if told and told >= account.start_on else []
    spans = [*bank, *files]
    closed_on = max((span.last for span in spans), default=account.start_on) if not account.is_active else None
    months = coverage.months(spans, first=first, today=today, closed_on=closed_on)
    years: dict[int, list[Month]] = {}
    for month in months:
        years.setdefault(month.first.year, []).append(month)
    last = min(today - timedelta(days=1), closed_on or today)
    return AccountCoverage(account, list(years.items()), coverage.holes(spans, first, last))
