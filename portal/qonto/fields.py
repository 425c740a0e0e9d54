"""Single fields of the bank's JSON: texts, days, moments and exact amounts.

`""` means null. A field that is missing where it must be there, or contradicts another, raises `UnexpectedPayload(field)`. JSON
is parsed with `parse_float=Decimal`, so no amount has been a float.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from portal.errors import UnexpectedPayload

Json = Mapping[str, Any]

MOST_CENTS = 10**15  #: ten trillion; more is a mistake, and twice as much would no longer be exact in a spreadsheet


def parse(body: bytes) -> Any:
    """JSON with exact numbers. Raises ValueError."""
    return json.loads(body, parse_float=Decimal)


def required(row: Json, field: str) -> str:
    """A text that must be there."""
    value = text(row, field)
    if value is None:
        raise UnexpectedPayload(field)
    return value


def text(row: Json, field: str) -> str | None:
    """A text or None; NUL and lone surrogates, which no database takes, are removed."""
    value = row.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnexpectedPayload(field)
    if "\x00" in value:
        value = value.replace("\x00", "")
    if not value.isascii():
        value = value.encode("utf-8", "ignore").decode()
    return value or None


def day(row: Json, field: str) -> date | None:
    """A date, also where the bank sends a moment."""
    value = text(row, field)
    if value is None:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise UnexpectedPayload(field) from None


def moment(row: Json, field: str) -> datetime | None:
    """An aware moment in UTC; one without an offset is UTC."""
    value = text(row, field)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnexpectedPayload(field) from None


def cents_of(value: object, field: str) -> int:
    """A decimal text or an exact number as cents; three decimals are refused, not rounded."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise UnexpectedPayload(field)
    try:
        cents = Decimal(value) * 100
    except InvalidOperation:
        raise UnexpectedPayload(field) from None
    if not cents.is_finite() or abs(cents) > MOST_CENTS or cents != cents.to_integral_value():
        raise UnexpectedPayload(field)
    return int(cents)


def whole_cents(row: Json, field: str, *, beside: str) -> int | None:
    """Integer cents, which must agree with the decimal amount beside them."""
    cents, amount = row.get(field), row.get(beside)
    if cents is None:
        return None if amount is None else cents_of(amount, beside)
    if isinstance(cents, bool) or not isinstance(cents, int) or abs(cents) > MOST_CENTS:
        raise UnexpectedPayload(field)
    if amount is not None and cents_of(amount, beside) != cents:
        raise UnexpectedPayload(field)
    return cents


def money_of(row: Json, field: str) -> tuple[int | None, str | None]:
    """`{"value": "12.30", "currency": "EUR"}` as (cents, currency); invoices to customers carry cents beside it."""
    money = row.get(field)
    if money is None:
        return None, None
    if not isinstance(money, dict):
        raise UnexpectedPayload(field)
    if money.get("value") in (None, ""):
        return None, text(money, "currency")
    cents, currency = cents_of(money["value"], field), required(money, "currency")
    beside = row.get(f"{field}whole_cents")
    if beside is not None and beside != cents:
        raise UnexpectedPayload(f"{field}whole_cents")
    return cents, currency
