"""Lists: windows, filters, order and pages, with the quirks that the reference names for each of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import ceil
from typing import Any

from werkzeug.datastructures import MultiDict

from portal.simulator.calls import Call
from portal.simulator.clock import moment_of
from portal.simulator.errors import ApiError, refuse, refuse_with_message
from portal.simulator.faults_rows import after_paging, before_filters, reshape_pages
from portal.simulator.names import Row

Query = MultiDict[str, str]
Key = Callable[[Row], Any]


def _moment(name: str) -> Key:
    return lambda row: moment_of(row[name]) if row.get(name) else None


def _word(name: str) -> Key:
    return lambda row: row.get(name)


def _amount(row: Row) -> Decimal | None:
    return Decimal(row["total_amount"]["value"]) if row.get("total_amount") else None


@dataclass(frozen=True, slots=True)
class ListKind:
    """What is particular about a list. `window`: how its time windows are spelled; `orders`: the first is the default."""

    key: str
    orders: dict[str, Key]
    default_order: str
    windows: tuple[str, ...]
    window: str = "{}"
    per_page: int = 100
    previous: str = "prev_page"
    matches: Callable[[Row, Query, date], bool] | None = None
    statuses: frozenset[str] = frozenset()


def _flag(query: Query, name: str) -> bool | None:
    return {"true": True, "false": False}.get(query.get(name, "").lower())


def _several(query: Query, name: str) -> set[str]:
    return {value for spelled in (name, f"{name}[]") for value in query.getlist(spelled)}


def _in_bucket(day: str | None, bucket: str, today: date) -> bool:
    """The relative buckets of issue and payment dates; weeks begin on Monday."""
    if not day:
        return False
    value, monday, first = date.fromisoformat(day), today - timedelta(days=today.weekday()), today.replace(day=1)
    last_month = (first - timedelta(days=1)).replace(day=1)
    ranges = {
        "today": (today, today),
        "yesterday": (today - timedelta(days=1), today - timedelta(days=1)),
        "this_week": (monday, monday + timedelta(days=6)),
        "past_week": (monday - timedelta(days=7), monday - timedelta(days=1)),
        "this_month": (first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)),
        "past_month": (last_month, first - timedelta(days=1)),
    }
    low, high = ranges.get(bucket, (date.max, date.min))
    return low <= value <= high


def _due_matches(row: Row, bucket: str | None, today: date) -> bool:
    due = row.get("due_date")
    match bucket:
        case "missing_date":
            return not due
        case "past_and_today":
            return due is not None and date.fromisoformat(due) <= today
        case "future":
            return due is not None and date.fromisoformat(due) > today
    return True


def _supplier_matches(row: Row, query: Query, today: date) -> bool:
    if (wanted := _several(query, "filter[attachment_id]")) and row["attachment_id"] not in wanted:
        return False
    if (linked := _flag(query, "filter[matched_transactions]")) is not None and bool(row["matched_transactions"]) != linked:
        return False
    if _flag(query, "filter[exclude_credit_notes]") and row["is_credit_note"]:
        return False
    if (missing := _flag(query, "filter[missing_data]")) is not None and missing != (
        None in (row["total_amount"], row["supplier_name"], row["invoice_number"])
    ):
        return False
    for name in ("payment_date", "issue_date"):
        if (bucket := query.get(f"filter[{name}]")) and not _in_bucket(row[name], bucket, today):
            return False
    if (first := query.get("filter[issue_date_from]")) and (row["issue_date"] or "") < first:
        return False
    kinds = {"duplicates": row["has_duplicates"], "non_financial_documents": row["is_attachment_non_financial"]}
    if (kind := query.get("filter[document_type]")) and not kinds.get(kind):
        return False
    return (
        _due_matches(row, query.get("filter[due_date]"), today)
        and _payable_matches(row, query.get("filter[payable_amount]"))
        and _is_found(row, query)
    )


def _payable_matches(row: Row, limit: str | None) -> bool:
    if not limit:
        return True
    comparison, _, rest = limit.partition(":")
    try:
        wanted = Decimal(rest.partition(":")[0])
    except InvalidOperation:
        raise refuse(400, "bad_request", "payable_amount is invalid", parameter="filter[payable_amount]") from None
    if not row["payable_amount"]:
        return False
    compare = operator.le if comparison == "lte" else operator.ge
    return bool(compare(Decimal(row["payable_amount"]["value"]), wanted))


def _is_found(row: Row, query: Query) -> bool:
    words = query.get("query", "").lower()
    fields = [field for value in _several(query, "query_fields") for field in value.split(",")]
    fields = fields or ["supplier_name", "file_name", "invoice_number"]
    values = [(row["total_amount"] or {}).get("value") if field == "amount" else row.get(field) for field in fields]
    return not words or any(words in str(value or "").lower() for value in values)


def _client_matches(row: Row, query: Query, today: date) -> bool:
    due = row["due_date"] or ""
    first, last = query.get("filter[due_date_from]"), query.get("filter[due_date_to]")
    if (first and due < first) or (last and (not due or due > last)):
        return False
    return _due_matches(row, query.get("filter[due_date]"), today)


def _transaction_matches(row: Row, query: Query, _today: date) -> bool:
    if (side := query.get("side")) and row["side"] != side:
        return False
    if (kinds := _several(query, "operation_type")) and row["operation_type"] not in kinds:
        return False
    attached = _flag(query, "with_attachments")
    return attached is None or bool(row["attachment_ids"]) == attached


def _beneficiary_matches(row: Row, query: Query, _today: date) -> bool:
    if (ibans := _several(query, "iban")) and row["iban"] not in ibans:
        return False
    trusted = _flag(query, "trusted")
    return trusted is None or row["trusted"] == trusted


def _transfer_matches(row: Row, query: Query, _today: date) -> bool:
    ids = _several(query, "ids")
    if len(ids) > 100:
        raise refuse(400, "bad_request", "ids holds more than 100", parameter="ids")
    if ids and row["id"] not in ids:
        return False
    if (payees := _several(query, "beneficiary_ids")) and row["beneficiary_id"] not in payees:
        return False
    first, last = query.get("scheduled_date_from"), query.get("scheduled_date_to")
    return not ((first and row["scheduled_date"] < first) or (last and row["scheduled_date"] > last))


def _request_matches(row: Row, query: Query, _today: date) -> bool:
    kinds = _several(query, "request_type")
    return not kinds or row["request_type"] in kinds


SUPPLIER_INVOICES = ListKind(
    "supplier_invoices",
    {
        **{name: _moment(name) for name in ("created_at", "updated_at")},
        **{name: _word(name) for name in ("file_name", "supplier_name", "payment_date", "due_date", "scheduled_date")},
        "total_amount": _amount,
    },
    "created_at:desc",
    ("created_at", "updated_at"),
    "filter[{}]",
    25,
    matches=_supplier_matches,
    statuses=frozenset(
        [
            "to_review",
            "to_approve",
            "to_pay",
            "awaiting_payment",
            "pending",
            "scheduled",
            "paid",
            "archived",
            "rejected",
            "discarded",
        ],
    ),
)
CLIENT_INVOICES = ListKind(
    "client_invoices",
    {name: _moment(name) for name in ("created_at", "updated_at")},
    "created_at:desc",
    ("created_at", "updated_at"),
    "filter[{}]",
    previous="previous_page",
    matches=_client_matches,
    statuses=frozenset({"draft", "unpaid", "paid", "canceled"}),
)
CREDIT_NOTES = ListKind(
    "credit_notes",
    {name: _moment(name) for name in ("created_at", "updated_at")},
    "created_at:desc",
    ("created_at", "updated_at"),
    "filter[{}]",
    previous="previous_page",
)
TRANSACTIONS = ListKind(
    "transactions",
    {name: _moment(name) for name in ("updated_at", "settled_at", "emitted_at")},
    "settled_at:desc",
    ("settled_at", "emitted_at", "updated_at", "created_at"),
    matches=_transaction_matches,
    statuses=frozenset({"pending", "declined", "completed", "reversed"}),
)
BENEFICIARIES = ListKind(
    "beneficiaries",
    {"updated_at": _moment("updated_at")},
    "updated_at:desc",
    ("updated_at",),
    per_page=25,
    matches=_beneficiary_matches,
    statuses=frozenset({"pending", "validated", "declined"}),
)
TRANSFERS = ListKind(
    "transfers",
    {**{name: _moment(name) for name in ("updated_at", "created_at")}, "scheduled_date": _word("scheduled_date")},
    "updated_at:desc",
    ("updated_at",),
    matches=_transfer_matches,
    statuses=frozenset({"pending", "processing", "canceled", "declined", "settled"}),
)
BULK_TRANSFERS = ListKind("bulk_transfers", {"updated_at": _moment("updated_at")}, "updated_at:desc", ())
REQUESTS = ListKind(
    "requests",
    {**{name: _moment(name) for name in ("created_at", "processed_at")}, "status": _word("status")},
    "created_at:asc",
    ("created_at", "processed_at"),
    matches=_request_matches,
    statuses=frozenset({"pending", "approved", "canceled", "declined"}),
)
SUBSCRIPTIONS = ListKind("subscriptions", {"created_at": _moment("created_at")}, "created_at:asc", ())
BANK_ACCOUNTS = ListKind("bank_accounts", {"order": _word("name")}, "", ())


def listing(kind: ListKind, rows: Iterable[Row], query: Query, call: Call, settings: dict[str, Any]) -> Row:
    """One page as the API sends it: the rows under the list's own key, and `meta`."""
    rows = before_filters(list(rows), call)
    rows = [row for row in rows if kind.matches is None or kind.matches(row, query, call.at.date())]
    rows = _ordered(kind, _within(kind, _of_status(kind, rows, query), query, call.at), query)
    page = _whole(query, "page", 1)
    per_page = min(100, _whole(query, "per_page", kind.per_page))
    total = len(rows)
    pages = max(1, ceil(total / per_page))
    if page > pages and settings["past_last_page"] == "422":
        raise refuse(422, "invalid", "page is out of range", parameter="page")
    meta: Row = {
        "current_page": page,
        "next_page": page + 1 if page < pages else None,
        kind.previous: page - 1 if page > 1 else None,
        "total_pages": pages,
        "total_count": total,
        "per_page": per_page,
    }
    shown, meta = reshape_pages(rows, page, per_page, meta, call)
    return {kind.key: after_paging(shown, page, call), "meta": meta}


def _whole(query: Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise refuse(400, "bad_request", f"{name} is invalid", parameter=name)
    return int(text)


def _of_status(kind: ListKind, rows: list[Row], query: Query) -> list[Row]:
    if not kind.statuses:
        return rows
    spelled = "status" if kind.window == "{}" else "filter[status]"
    wanted = _several(query, spelled)
    if kind is TRANSACTIONS:
        wanted = wanted or {"completed"}
        if not wanted <= kind.statuses:
            raise refuse_with_message("status_invalid", "status is invalid")
    elif not wanted <= kind.statuses:
        raise refuse(400, "bad_request", "status is invalid", parameter=spelled)
    return [row for row in rows if row["status"] in wanted] if wanted else rows


def _within(kind: ListKind, rows: list[Row], query: Query, now: datetime) -> list[Row]:
    """Windows hold both their ends. A window of invoices that begins in the future is refused."""
    for name in kind.windows:
        for end, compare in (("from", operator.ge), ("to", operator.le)):
            parameter = kind.window.format(f"{name}_{end}")
            if not (text := query.get(parameter)):
                continue
            try:
                limit = moment_of(text)
            except ValueError:
                raise _bad_time(kind, parameter) from None
            if end == "from" and limit > now and kind.window != "{}":
                raise refuse(400, "invalid_datetime_range", "from must be in the past", parameter=parameter)
            rows = [row for row in rows if row.get(name) and compare(moment_of(row[name]), limit)]
    return rows


def _bad_time(kind: ListKind, parameter: str) -> ApiError:
    if kind is TRANSACTIONS:
        return refuse_with_message("date_invalid", f"{parameter} is invalid")
    return refuse(400, "invalid_time", "time is invalid", parameter=parameter)


def _ordered(kind: ListKind, rows: list[Row], query: Query) -> list[Row]:
    """In the order asked for; rows without the key last, equal ones by id."""
    order = query.get("sort_by", kind.default_order)
    if not order:
        return rows
    by, _, direction = order.partition(":")
    key = kind.orders.get(by)
    if key is None or direction not in {"", "asc", "desc"}:
        if kind is TRANSACTIONS:
            raise refuse_with_message("sort_invalid", "sort_by is invalid")
        raise refuse(400, "bad_request", "sort_by is invalid", parameter="sort_by")
    keyed = sorted(((key(row), row["id"], row) for row in rows), key=operator.itemgetter(1))
    filled = [entry for entry in keyed if entry[0] is not None]
    filled.sort(key=operator.itemgetter(0), reverse=direction == "desc")
    return [row for *_, row in filled] + [row for value, _, row in keyed if value is None]
