"""What of a client's bank history is here: per account and month, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain import coverage
from portal.domain.coverage import Month, Source, Span
from portal.domain.start_days import REACH
from portal.models import BankAccount, Connection, Statement


@dataclass(frozen=True, slots=True)
class AccountCoverage:
    """An account's months by year, and the holes since the start of the earliest open tax year."""

    account: BankAccount
    years: Sequence[tuple[int, Sequence[Month]]]
    holes: Sequence[tuple[date, date]]


class Remedy(StrEnum):
    """How a hole is filled."""

    FETCH = "fetch"  #: the connection reaches it
    RECONNECT = "reconnect"  #: it would, if it stood
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Gap:
    """Days of which nothing is here, both ends included."""

    first: date
    last: date
    remedy: Remedy


def gaps(session: Session, account: BankAccount, *, first: date, today: date) -> list[Gap]:
    """An account's holes since `first`, oldest first; one that only partly lies within the bank's reach is told in two."""
    reach = today - REACH
    is_active = session.scalar(select(Connection.state).where(Connection.id == account.connection_id)) == "active"
    near = Remedy.FILE
    if account.connection_id is not None and account.is_active:
        near = Remedy.FETCH if is_active and account.is_chosen else Remedy.RECONNECT
    found = []
    for hole in of(session, [account], first=first, today=today)[0].holes:
        if near is Remedy.FILE or hole[1] < reach:
            found.append(Gap(*hole, Remedy.FILE))
            continue
        if hole[0] < reach:
            found.append(Gap(hole[0], reach - timedelta(days=1), Remedy.FILE))
        found.append(Gap(max(hole[0], reach), hole[1], near))
    return found


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
