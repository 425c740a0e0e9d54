"""Open tax years and the period of documents (decisions.md 4)."""

from __future__ import annotations

from datetime import date

import pytest

from portal.domain.tax_years import EngagementFacts, Scope, scope_of

OPEN, DONE, HALF = (False, False), (True, True), (True, False)


@pytest.mark.parametrize(
    ("engagements", "start", "closed_between"),
    [
        pytest.param([], None, (), id="nothing commissioned"),
        pytest.param([(2026, OPEN)], date(2026, 1, 1), (), id="one open year"),
        pytest.param([(2025, OPEN), (2026, OPEN)], date(2025, 1, 1), (), id="the earliest open year counts"),
        pytest.param([(2025, DONE), (2026, OPEN)], date(2026, 1, 1), (), id="a completed year is closed"),
        pytest.param([(2025, HALF), (2026, OPEN)], date(2025, 1, 1), (), id="one of two returns open: the year is open"),
        pytest.param([(2024, OPEN), (2025, DONE), (2026, OPEN)], date(2024, 1, 1), (2025,), id="a closed year in between"),
        pytest.param([(2025, DONE)], None, (), id="everything completed"),
        pytest.param([(2026, ())], date(2026, 1, 1), (), id="a year without returns yet is open"),
    ],
)
def test_scope(engagements: list[tuple[int, tuple[bool, ...]]], start: date | None, closed_between: tuple[int, ...]) -> None:
    scope = scope_of(EngagementFacts(year, completed) for year, completed in engagements)
    assert (scope.start_on, scope.closed_between) == (start, closed_between)


@pytest.mark.parametrize(
    ("issued_on", "paid_on", "is_inside"),
    [
        pytest.param(date(2025, 1, 1), None, True, id="issued on the first day"),
        pytest.param(date(2024, 12, 31), None, False, id="issued the day before"),
        pytest.param(date(2024, 12, 28), date(2025, 1, 5), True, id="issued before, paid inside"),
        pytest.param(date(2024, 12, 28), date(2024, 12, 31), False, id="issued and paid before"),
        pytest.param(None, date(2024, 12, 31), False, id="only the payment is known"),
        pytest.param(None, None, True, id="no day at all cannot be told to be older"),
    ],
)
def test_a_document_belongs_by_issue_or_payment(issued_on: date | None, paid_on: date | None, is_inside: bool) -> None:
    assert Scope((2025, 2026), ()).includes(issued_on, paid_on) is is_inside


def test_no_open_year_includes_nothing() -> None:
    assert not Scope((), ()).includes(date(2026, 1, 1))
