"""Which tax years are open, and from which day on documents are imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class EngagementFacts:
    """A commissioned tax year; `completed` holds one entry per return of the year."""

    tax_year: int
    completed: tuple[bool, ...]

    @property
    def is_open(self) -> bool:
        """Open until every return of the year is completed; a year without returns yet is open."""
        return not (self.completed and all(self.completed))


@dataclass(frozen=True, slots=True)
class Scope:
    """The period of documents that belong to the engagement."""

    open_years: tuple[int, ...]
    closed_between: tuple[int, ...]  #: closed years inside the period: included, and staff see a notice

    @property
    def start_on(self) -> date | None:
        """1 January of the earliest open year; None without an open year: nothing is imported."""
        return date(self.open_years[0], 1, 1) if self.open_years else None

    def includes(self, *days: date | None) -> bool:
        """Whether a document with these days (issue, payment) belongs to the period: one of them suffices.

        A document without any day cannot be told to be older, so it belongs.
        """
        start = self.start_on
        if start is None:
            return False
        known = [day for day in days if day is not None]
        return not known or any(day >= start for day in known)


def scope_of(engagements: Iterable[EngagementFacts]) -> Scope:
    """The scope that a client's engagements span."""
    by_year = {engagement.tax_year: engagement for engagement in engagements}
    open_years = tuple(sorted(year for year, engagement in by_year.items() if engagement.is_open))
    if not open_years:
        return Scope((), ())
    closed = tuple(sorted(year for year, engagement in by_year.items() if not engagement.is_open and year > open_years[0]))
    return Scope(open_years, closed)
