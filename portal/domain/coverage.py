"""Which days of an account are here, told in months and in holes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

DAY = timedelta(days=1)


class Source(StrEnum):
    """Who told the movements of a day."""

    BANK = "bank"
    FILE = "file"


class State(StrEnum):
    """Of a month: all its days so far are here (from the bank alone, or also from files), some, or none."""

    BANK = "bank"
    FILE = "file"
    PART = "part"
    MISSING = "missing"
    CLOSED = "closed"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Span:
    """Days, both ends included, of which every movement is here."""

    first: date
    last: date
    source: Source


@dataclass(frozen=True, slots=True)
class Month:
    """A month of an account. `until`: the last day that is here, where the month is not over or not whole."""

    first: date
    state: State
    until: date | None = None


def holes(spans: Iterable[Span], first: date, last: date) -> list[tuple[date, date]]:
    """Days between first and last (included) that no span covers, joined where they touch; oldest first."""
    found, day = [], first
    for span in sorted(spans, key=lambda span: (span.first, span.last)):
        if span.last < day:
            continue
        if span.first > last:
            break
        if span.first > day:
            found.append((day, span.first - DAY))
        day = span.last + DAY
    if day <= last:
        found.append((day, last))
    return found


def months(spans: Sequence[Span], *, first: date, today: date, closed_on: date | None = None) -> list[Month]:
    """From the month of `first` to December of this year. `closed_on`: the last day of an account that is closed."""
    return [_month(spans, start, today, closed_on) for start in _starts(first, date(today.year, 12, 1))]


def _starts(first: date, last: date) -> Iterator[date]:
    start = first.replace(day=1)
    while start <= last:
        yield start
        start = (start + timedelta(days=32)).replace(day=1)


def _month(spans: Sequence[Span], start: date, today: date, closed_on: date | None) -> Month:
    end = (start + timedelta(days=32)).replace(day=1) - DAY
    last = min(end, today - DAY)
    if last < start:
        return Month(start, State.LATER)
    if closed_on is not None and start > closed_on:
        return Month(start, State.CLOSED)
    missing = holes(spans, start, last)
    until = last if last < end else None
    if not missing:
        told_by_bank = not holes([span for span in spans if span.source is Source.BANK], start, last)
        return Month(start, State.BANK if told_by_bank else State.FILE, until)
    if missing == [(start, last)]:
        return Month(start, State.MISSING)
    return Month(start, State.PART, missing[0][0] - DAY if missing[0][0] > start else None)
