"""From when an account may be read (L-25, L-74)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

REACH = timedelta(days=90)  #: how far back a bank connection may fetch


class Fault(StrEnum):
    """Why a start is not allowed."""

    FUTURE = "future"
    TOO_EARLY = "too_early"
    BEFORE_FILES = "before_files"
    READ_ALREADY = "read_already"


@dataclass(frozen=True, slots=True)
class Window:
    """First and last day on which reading may start. `brought_from`: the earliest movement that a file has told.

    `read_from`: where reading has started already; this day stays allowed, however long ago it is.
    """

    first: date
    last: date
    brought_from: date | None = None
    read_from: date | None = None


def window(*, today: date, brought_from: date | None = None, read_from: date | None = None) -> Window:
    """90 days, not before what files have brought, and never later than what has been read already."""
    first = max(today - REACH, brought_from or date.min)
    return Window(min(first, read_from or first), read_from or today, brought_from, read_from)


def fault(allowed: Window, day: date) -> Fault | None:
    """What is wrong with a start on this day; None: nothing."""
    if day == allowed.read_from:
        return None
    if day > allowed.last:
        return Fault.FUTURE if allowed.read_from is None else Fault.READ_ALREADY
    if allowed.brought_from and day < allowed.brought_from:
        return Fault.BEFORE_FILES
    return Fault.TOO_EARLY if day < allowed.first else None
