"""Which invoices become receipts (decisions.md 3; S-07, S-08, S-12, S-18)."""

from __future__ import annotations

from datetime import date

import pytest

from portal.domain.eligibility import Eligibility, InvoiceFacts, SkipReason, decide
from portal.domain.tax_years import Scope

SCOPE = Scope((2026,), ())
DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("status", "is_invoice", "is_linked", "issued_on", "scope", "expected"),
    [
        pytest.param("paid", True, False, DAY, SCOPE, Eligibility.PAID, id="paid"),
        pytest.param("paid", True, True, DAY, SCOPE, Eligibility.PAID, id="paid and linked"),
        pytest.param("to_pay", True, True, DAY, SCOPE, Eligibility.LINKED, id="linked, not paid"),
        pytest.param("to_review", True, True, DAY, SCOPE, Eligibility.LINKED, id="linked, still in review at the bank"),
        pytest.param("to_pay", True, False, DAY, SCOPE, SkipReason.NOT_PAID, id="neither"),
        pytest.param("unpaid", True, False, DAY, SCOPE, SkipReason.NOT_PAID, id="a customer has not paid"),
        pytest.param("draft", True, False, DAY, SCOPE, SkipReason.DRAFT, id="draft"),
        pytest.param("canceled", True, False, DAY, SCOPE, SkipReason.CANCELED, id="canceled"),
        pytest.param("rejected", True, True, DAY, SCOPE, Eligibility.LINKED, id="rejected, yet money moved"),
        pytest.param("paid", False, True, DAY, SCOPE, SkipReason.NO_INVOICE, id="a loose document"),
        pytest.param("paid", True, False, date(2025, 12, 31), SCOPE, SkipReason.BEFORE_PERIOD, id="older than the period"),
        pytest.param("paid", True, False, DAY, Scope((), ()), SkipReason.NO_OPEN_YEAR, id="no open year"),
        pytest.param("brand_new_status", True, False, DAY, SCOPE, SkipReason.NOT_PAID, id="a status we do not know"),
    ],
)
def test_decide(
    status: str,
    is_invoice: bool,
    is_linked: bool,
    issued_on: date,
    scope: Scope,
    expected: Eligibility | SkipReason,
) -> None:
    assert decide(InvoiceFacts(status, is_invoice, is_linked, issued_on, None), scope) is expected
