"""What is here of an account's history, and what is missing."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from portal.domain.coverage import DAY, Source, Span, State, holes, months

FIRST, TODAY = date(2026, 1, 1), date(2026, 11, 27)


def bank(first: date, last: date) -> Span:
    return Span(first, last, Source.BANK)


def file(first: date, last: date) -> Span:
    return Span(first, last, Source.FILE)


def test_without_anything_everything_is_missing() -> None:
    assert holes([], FIRST, TODAY) == [(FIRST, TODAY)]


def test_holes_lie_between_what_overlaps() -> None:
    spans = [file(date(2026, 2, 1), date(2026, 3, 10)), bank(date(2026, 3, 5), date(2026, 4, 30)), file(date(2026, 6, 1), TODAY)]
    assert holes(spans, FIRST, TODAY) == [(FIRST, date(2026, 1, 31)), (date(2026, 5, 1), date(2026, 5, 31))]


DAYS = st.dates(date(2025, 11, 1), date(2026, 12, 31))
SPANS = st.lists(st.builds(lambda a, b: bank(min(a, b), max(a, b)), DAYS, DAYS), max_size=6)


@given(SPANS)
def test_each_day_is_in_a_span_or_in_a_hole(spans: list[Span]) -> None:
    found = holes(spans, FIRST, TODAY)
    day = FIRST
    while day <= TODAY:
        is_covered = any(span.first <= day <= span.last for span in spans)
        assert is_covered is not any(first <= day <= last for first, last in found)
        day += timedelta(days=1)
    assert all(last + DAY < first for (_, last), (first, _) in pairwise(found))


def test_a_year_in_months() -> None:
    spans = [file(date(2026, 3, 1), date(2026, 5, 15)), bank(date(2026, 8, 29), date(2026, 11, 26))]
    found = months(spans, first=FIRST, today=TODAY)
    assert [month.state for month in found] == [
        State.MISSING, State.MISSING, State.FILE, State.FILE, State.PART, State.MISSING, State.MISSING, State.PART, State.BANK,
        State.BANK, State.BANK, State.LATER,
    ]  # fmt: skip
    assert found[4].until == date(2026, 5, 15)
    assert found[7].until is None
    assert found[10].until == date(2026, 11, 26)


def test_a_closed_account_misses_nothing_afterwards() -> None:
    spans = [file(FIRST, date(2026, 3, 31))]
    found = months(spans, first=FIRST, today=TODAY, closed_on=date(2026, 3, 31))
    assert [month.state for month in found[:5]] == [State.FILE] * 3 + [State.CLOSED] * 2
