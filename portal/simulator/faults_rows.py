"""Faults of lists and rows. They change what is shown, never what is stored: rows are copied before they are touched."""

from __future__ import annotations

from typing import Any

from portal.simulator.calls import Call
from portal.simulator.clock import stamp
from portal.simulator.names import Row, money, uid

_TEXTS = (
    "Bäckerei 🥐🚀 Sonnenschein",
    "\u202eGmbH & Co. KG אבג\u202c",
    "Null\0byte Handel",
    "L" + "a" * 9998 + "ng",
    '=cmd("calc")',
    "<script>alert(1)</script>",
)
_NAMES = ("label", "clean_counterparty_name", "supplier_name", "issuer_name")


def before_filters(rows: list[Row], call: Call) -> list[Row]:
    """What happens to rows before a list looks at them, and to a single row."""
    if not call.faults:
        return rows
    late = call.fault("late_row")
    if late is not None and call.path.count("/") == 2:  # the lists; a single row has one more part
        rows = [row for row in rows if row["id"] != late.get("id")]
    if (flow := call.fault("status_flow")) is not None:
        rows = [_flowed(row, flow["to"], call) if row["id"] == flow["id"] else row for row in rows]
    if (change := call.fault("mutate_booked")) is not None:
        rows = [_changed(row, change) if row["id"] == change["id"] else row for row in rows]
    return rows


def _flowed(row: Row, status: str, call: Call) -> Row:
    settled = {"completed": row.get("settled_at") or stamp(call.at), "reversed": row.get("settled_at")}.get(status)
    return {**row, "status": status, "settled_at": settled}


def _changed(row: Row, change: dict[str, Any]) -> Row:
    row = {**row, **{name: value for name, value in change.items() if name in {"amount_cents", "label"}}}
    if "amount_cents" in change:
        if "amount" in row:
            row["amount"] = change["amount_cents"] / 100
        else:
            row["total_amount"] = row["payable_amount"] = money(change["amount_cents"])
            del row["amount_cents"]
    return row


def _sharing(rows: list[Row]) -> list[Row]:
    """The first five rows name the first file among them all."""
    named: list[str] = next((row["attachment_ids"][:1] for row in rows if row.get("attachment_ids")), [])
    return [{**row, "attachment_ids": named} for row in rows[:5]] + rows[5:]


def reshape_pages(rows: list[Row], page: int, per_page: int, meta: Row, call: Call) -> tuple[list[Row], Row]:
    """The rows of the page and its `meta`, as wrong as the armed faults want them."""
    if call.fault("empty_200") is not None:
        return [], {**meta, "total_count": 0, "total_pages": 1, "next_page": None}
    if call.fault("insert_during_paging") is not None and page > 1 and rows:  # it came while page 1 was read: first on page 2
        rows = [*rows[:per_page], _inserted(rows[0]), *rows[per_page:]]
        meta = {**meta, "total_count": meta["total_count"] + 1}
    start = 0 if call.fault("loop") is not None else (page - 1) * per_page
    shown = rows[start : start + per_page]
    if call.fault("dup_across_pages") is not None and page > 1 and shown:
        shown = [rows[start - 1], *shown]
    if call.fault("meta_wrong") is not None:
        meta = {**meta, "next_page": None, "total_pages": 1}
    return shown, meta


def _inserted(row: Row) -> Row:
    return {**row, "id": uid("inserted", row["id"])}


def after_paging(rows: list[Row], page: int, call: Call) -> list[Row]:
    """Odd values in the first rows of the first page."""
    if page > 1 or not rows or not call.faults:
        return rows
    rows = list(rows)
    if call.fault("shared_file") is not None:
        rows = _sharing(rows)
    if call.fault("schema_drift") is not None:
        rows[0] = {**rows[0], "status": "under_examination", "updated_at": None, "carbon_footprint": {"grams": 120}}
    if call.fault("amount_edge") is not None:
        rows = [_edged(row, n) for n, row in enumerate(rows)]
    if call.fault("text_edge") is not None:
        for n, text in enumerate(_TEXTS[: len(rows)]):
            rows[n] = {**rows[n], **{name: text for name in _NAMES if name in rows[n]}}
            if "client" in rows[n]:
                rows[n]["client"] = {**rows[n]["client"], "name": text}
    return rows


def _edged(row: Row, n: int) -> Row:
    """Zero, one cent, 10^12, negative, three decimals, dollars, cents that contradict the amount."""
    edges: list[tuple[float, int, str, str]] = [
        (0, 0, "EUR", "0.00"), (0.01, 1, "EUR", "0.01"), (10**10, 10**12, "EUR", "10000000000.00"),
        (-12.5, -1250, "EUR", "-12.50"), (12.345, 1235, "EUR", "12.345"), (80.0, 8000, "USD", "80.00"),
        (55.0, 5600, "EUR", "55.00"),
    ]  # fmt: skip
    if n >= len(edges):
        return row
    amount, cents, currency, text = edges[n]
    if "amount" in row:
        return {**row, "amount": amount, "amount_cents": cents, "currency": currency}
    row = {**row, "total_amount": {"value": text, "currency": currency}}
    if "total_amount_cents" in row:
        row["total_amount_cents"] = cents
    return row
