"""The queue of the review desk: which receipts in review are shown, in what order, and where in it one stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, false, func, not_, select
from sqlalchemy.orm import Session

from portal.models import Receipt
from portal.services import searching
from portal.services.staffing import IS_ASKED

QUEUE_SIZE = 25  #: rows that are shown at once; the window moves along with the receipt that one looks at

# The desk's questions, put together once: for SQLAlchemy that is more work than asking.
OF_CLIENTS = Receipt.client_id.in_(bindparam("clients", expanding=True))
IS_PUT_OFF = func.coalesce(Receipt.put_off_until > bindparam("today"), false())
BY_REASON = (
    select(
        Receipt.review_reason,
        func.sum(case((IS_PUT_OFF, 0), else_=1)),
        func.sum(case((IS_PUT_OFF, 1), else_=0)),
        func.min(case((not_(IS_PUT_OFF), Receipt.in_review_since))),
        func.sum(case((and_(not_(IS_PUT_OFF), Receipt.asked_id == bindparam("me")), 1), else_=0)),
    )
    .where(OF_CLIENTS, Receipt.state == "in_review")
    .group_by(Receipt.review_reason)
)
LATER = "later"  #: in an address, in place of a reason: what somebody has put off
MINE, NOBODYS = "mine", "nobody"  #: in an address, in place of a colleague's id
AGES = (3, 7, 30)  #: days in review that a queue can be asked for
SORTS = ("ready", "oldest", "newest", "amount")  #: ready: what can be decided first, of it the surest
QUEUE_COLUMNS = (
    Receipt.id, Receipt.client_id, Receipt.sequence, Receipt.number, Receipt.counterparty, Receipt.amount_cents,
    Receipt.currency, Receipt.issued_on, Receipt.review_reason, Receipt.in_review_since, Receipt.put_off_until,
    Receipt.asked_id,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """What the desk's address may ask for."""

    client_id: str = ""
    reason: str = ""  #: of review
    is_later: bool = False  #: what somebody has put off, in place of what is open
    sort: str = SORTS[0]
    receipt_id: str = ""
    words: str = ""  #: parts of a name or number, a receipt's number, or an amount
    age: int = 0  #: at least so many days in review; 0: all
    who: str = ""  #: who is asked about it: a colleague's id, MINE or NOBODYS
    search: str | None = None  #: what transactions are looked for by hand; None: the candidates are shown
    lines: tuple[str, ...] = ()  #: transactions that are chosen for it

    @property
    def is_narrow(self) -> bool:
        """Whether some receipts in review are not shown."""
        return any(name != "sort" for name in self.asked)

    @property
    def asked(self) -> dict[str, str]:
        """The queue as its address says it: parameters and values, without those that say nothing."""
        given = {
            "client": self.client_id, "reason": LATER if self.is_later else self.reason, "find": self.words,
            "age": str(self.age or ""), "sort": self.sort if self.sort != SORTS[0] else "", "who": self.who,
        }  # fmt: skip
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A receipt in review, as far as its row shows it."""

    id: str
    client_id: str
    sequence: int
    number: str | None
    counterparty: str | None
    amount_cents: int | None
    currency: str | None
    issued_on: date | None
    review_reason: str | None
    in_review_since: datetime | None
    put_off_until: date | None
    asked_id: str | None
    client_name: str

    @property
    def label(self) -> str:
        """What people call it."""
        return f"R-{self.sequence}"


@dataclass(frozen=True, slots=True)
class Queue:
    """The part of the queue that is shown, with the rows just outside of it, and where in all of it the receipt stands."""

    rows: Sequence[QueueRow]
    first: int  #: place of the first row, from 1
    before: QueueRow | None
    after: QueueRow | None
    position: int  #: of the receipt that one looks at; 0: it is not in the queue

    @property
    def following(self) -> QueueRow | None:
        """The next one; at the end of the queue none."""
        return self._at(self.position + 1) if self.position else next(iter(self.rows), None)

    @property
    def previous(self) -> QueueRow | None:
        """The one before."""
        return self._at(self.position - 1) if self.position else None

    def _at(self, place: int) -> QueueRow | None:
        if place < self.first:
            return self.before
        return self.rows[place - self.first] if place < self.first + len(self.rows) else self.after


def narrowed(filters: Filters, me: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """What a receipt must be like besides its client and reason; `me`: whose MINE are."""
    asked = searching.receipts_meant(filters.words) if filters.words else []
    if filters.age:
        asked.append(Receipt.in_review_since < now - timedelta(days=filters.age))
    if filters.who == NOBODYS:
        asked.append(not_(IS_ASKED))
    elif filters.who:
        asked += [Receipt.asked_id == (me if filters.who == MINE else filters.who), IS_ASKED]
    return tuple(asked)


def queue_of(
    session: Session, clients: Mapping[str, str], filters: Filters, here: str, extra: tuple[ColumnElement[bool], ...], today: date
) -> Queue:
    """The first rows; where the receipt `here` stands further back, the rows around it. Without one: the first is looked at."""
    asked = {"clients": list(clients), "reason": filters.reason, "here": here, "today": today}
    kind = (filters.sort, filters.is_later, bool(filters.reason))
    top, around = _queries(*kind, extra) if extra else _usual(*kind)
    rows = [_row(row, clients) for row in session.execute(top, asked)]
    first, before = 1, None
    if here and here not in {row.id for row in rows[:QUEUE_SIZE]}:
        found = session.execute(around, asked).all()
        if found:
            first, (before, *rows) = found[0].place + 1, [_row(row[:-1], clients) for row in found]
    position = next((first + n for n, row in enumerate(rows[:QUEUE_SIZE]) if here in {"", row.id}), 0)
    return Queue(rows[:QUEUE_SIZE], first, before, rows[QUEUE_SIZE] if len(rows) > QUEUE_SIZE else None, position)


def _row(columns: Iterable[Any], clients: Mapping[str, str]) -> QueueRow:
    fields = [*columns]
    fields.append(clients[fields[1]])
    return QueueRow(*fields)


_Queries = tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]


@cache
def _usual(sort: str, is_later: bool, has_reason: bool) -> _Queries:  # noqa: FBT001
    return _queries(sort, is_later, has_reason, ())


def _queries(sort: str, is_later: bool, has_reason: bool, extra: tuple[ColumnElement[bool], ...]) -> _Queries:  # noqa: FBT001
    """The first rows of a queue and one more; the rows of the window that the receipt `here` stands in and one on each side."""
    is_waiting = case((Receipt.review_reason == "no_transaction_yet", 1), else_=0)  # nothing can be decided there yet
    surest = Receipt.best_score.desc().nulls_last()
    orders: dict[str, tuple[Any, ...]] = {
        "newest": (Receipt.in_review_since.desc(), Receipt.sequence.desc()),
        "amount": (func.abs(Receipt.amount_cents).desc().nulls_last(), Receipt.sequence),
        "oldest": (Receipt.in_review_since, Receipt.sequence),
        "ready": (is_waiting, surest, Receipt.in_review_since, Receipt.sequence),
    }
    order = (*((Receipt.put_off_until, Receipt.sequence) if is_later else orders[sort]), Receipt.id)
    is_shown = IS_PUT_OFF if is_later else not_(IS_PUT_OFF)
    query = select(*QUEUE_COLUMNS).where(OF_CLIENTS, Receipt.state == "in_review", is_shown, *extra)
    if has_reason:
        query = query.where(Receipt.review_reason == bindparam("reason"))
    ranked = query.add_columns(func.row_number().over(order_by=order).label("place")).cte()
    start = ranked.c.place - 1 - (ranked.c.place - 1) % QUEUE_SIZE
    window = select(start.label("start")).where(ranked.c.id == bindparam("here")).cte()
    is_inside = ranked.c.place.between(window.c.start, window.c.start + QUEUE_SIZE + 1)
    return query.order_by(*order).limit(QUEUE_SIZE + 1), select(ranked).join(window, is_inside).order_by(ranked.c.place)
