"""The place in the list of missing receipts that somebody comes from: it travels in the address, and leads back."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import request, url_for

from portal.services.receipts.missing import STATES, Filters

KEYS = ("client", "state", "month", "q", "page")


def filters(*, kept: str = "", client_id: str = "") -> Filters:
    """What the address asks for; what it cannot mean is left out. `client_id`: of the record that the page is about."""
    given = request.args
    state = given.get("state", "open")
    return Filters(
        client_id=client_id or given.get("client", ""),
        state=state if state in {*STATES, "all"} else "open",
        month=_month(given.get("month", "")),
        words=given.get("q", "")[:100],
        page=max(1, given.get("page", 1, type=int)),
        kept=kept or given.get("kept", ""),
    )


def place() -> dict[str, str]:
    """The parts of the list's address, for links and forms that lead back to it."""
    return {key: request.args[key] for key in KEYS if request.args.get(key)}


def back(client_id: str, *, kept: str = "") -> str:
    """The address of the list, at a transaction that stays in its place."""
    to: dict[str, Any] = {**place(), "client": client_id, **({"kept": kept, "_anchor": f"transaction-{kept}"} if kept else {})}
    return url_for("receipts.missing", **to)


def _month(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
