"""The queue of the review desk: which receipts in review are shown, in what order, and where in it one stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.domain.matching import ReviewReason
from portal.models import Receipt, Role
from portal.services.finding import Actor
from portal.services.people.staffing import IS_ASKED
from portal.services.review import searching

QUEUE_SIZE = 25  #: rows that are shown at once; the window moves along with the receipt that one looks at
#: how far the queue of all clients is counted: receipts of each reason, and places in the usual order. Whole windows.
MOST_COUNTED = 20 * QUEUE_SIZE

# The desk's questions, put together once: for SQLAlchemy that is more work than asking.
OF_CLIENTS = Receipt.client_id.in_(bindparam("clients", expanding=True))
IN_REVIEW = Receipt.state == literal_column("'in_review'")  #: as the index of the desk says it: no plan uses that for a parameter
IS_PUT_OFF = func.coalesce(Receipt.put_off_until > bindparam("today"), false())
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
    def is_only_client(self) -> bool:
        """Whether they name a client and nothing else that leaves receipts out."""
        return set(self.asked) - {"sort"} == {"client"}

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
    position: int  #: of the receipt that one looks at; 0: it is not in the queue, or too far back in it
    is_far: bool = False  #: it stands behind MOST_COUNTED others, so that its place is not told

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


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is in review, whatever reason the address asks for."""

    reasons: dict[str, int]  #: what is open, by reason
    oldest: dict[str, datetime]  #: since when the oldest of them is in review
    put_off: int
    mine: int  #: of what is open: about which the actor was asked
    full: frozenset[str]  #: reasons of which there may be more: they were counted up to MOST_COUNTED


def _by_reason(of: FromClause, row: Any) -> Select[*tuple[Any, ...]]:
    is_put_off = func.coalesce(row.put_off_until > bindparam("today"), false())
    return (
        select(
            row.review_reason,
            func.sum(case((is_put_off, 0), else_=1)),
            func.sum(case((is_put_off, 1), else_=0)),
            func.min(case((not_(is_put_off), row.in_review_since))),
            func.sum(case((and_(not_(is_put_off), row.asked_id == bindparam("me")), 1), else_=0)),
        )
        .select_from(of)
        .group_by(row.review_reason)
    )


def _oldest_of_each_reason() -> FromClause:
    """Up to MOST_COUNTED receipts of each reason: so many entries of an index are read, however many there are."""
    columns = (Receipt.review_reason, Receipt.put_off_until, Receipt.in_review_since, Receipt.asked_id)
    each = [
        select(*columns)
        .where(IN_REVIEW, Receipt.review_reason == literal_column(f"'{reason}'"))
        .order_by(Receipt.in_review_since)
        .limit(literal_column(str(MOST_COUNTED), Integer))
        .subquery()
        for reason in ReviewReason
    ]
    return union_all(*(select(one) for one in each)).subquery()


EVERY_REASON = _by_reason(Receipt.__table__, Receipt).where(IN_REVIEW)
EVERY_REASON_OF_CLIENTS = EVERY_REASON.where(OF_CLIENTS)
_OLDEST = _oldest_of_each_reason()
FIRST_OF_EVERY_REASON = _by_reason(_OLDEST, _OLDEST.c)


def is_everyones(actor: Actor, filters: Filters) -> bool:
    """Whether the queue is that of all clients of the firm, so that none need be asked for."""
    return actor.role is Role.ADMIN and not filters.client_id


def counts(
    session: Session,
    actor: Actor,
    clients: Mapping[str, str],
    filters: Filters,
    extra: tuple[ColumnElement[bool], ...],
    today: date,
) -> Counts:
    """Exact for chosen clients, and for all of them where something else is asked for as well; else up to MOST_COUNTED."""
    is_all = is_everyones(actor, filters)
    is_limited = is_all and not extra
    query = FIRST_OF_EVERY_REASON if is_limited else EVERY_REASON if is_all else EVERY_REASON_OF_CLIENTS
    asked = {"clients": [] if is_all else list(clients), "today": today, "me": actor.user_id}
    rows = session.execute(query.where(*extra) if extra else query, asked).all()
    full = frozenset(reason for reason, open_, later, *_ in rows if is_limited and open_ + later >= MOST_COUNTED)
    return Counts(
        reasons={reason: open_ for reason, open_, *_ in rows if open_ or reason in full},
        oldest={reason: oldest for reason, _, _, oldest, _ in rows if oldest},
        put_off=sum(later for _, _, later, _, _ in rows), mine=sum(own for *_, own in rows),
        full=full,
    )  # fmt: skip


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
    session: Session,
    actor: Actor,
    clients: Mapping[str, str],
    filters: Filters,
    here: str,
    extra: tuple[ColumnElement[bool], ...],
    today: date,
) -> Queue:
    """The first rows; where the receipt `here` stands further back, the rows around it. Without one: the first is looked at.

    `clients`: names by id. In the usual order of all clients a receipt behind MOST_COUNTED others leaves the queue at its
    beginning.
    """
    is_all = is_everyones(actor, filters)
    asked = {"clients": [] if is_all else list(clients), "reason": filters.reason, "here": here, "today": today}
    kind = _Kind(filters.sort, filters.is_later, bool(filters.reason), is_all)
    top, around = _queries(kind, extra) if extra else _usual(kind)
    found = session.execute(around if here else top, asked).all()
    first = found[0].passed + 1 if found else 1
    is_far = kind.is_limited and first > MOST_COUNTED
    first = 1 if is_far else first
    before, rows = None, [_row(row[:-1], clients) for row in found]
    if first > 1:
        before, *rows = rows
    position = next((first + n for n, row in enumerate(rows[:QUEUE_SIZE]) if here in {"", row.id}), 0)
    return Queue(rows[:QUEUE_SIZE], first, before, rows[QUEUE_SIZE] if len(rows) > QUEUE_SIZE else None, position, is_far)


def _row(columns: Iterable[Any], clients: Mapping[str, str]) -> QueueRow:
    fields = [*columns]
    fields.append(clients[fields[1]])
    return QueueRow(*fields)


class _Kind(NamedTuple):
    """What the statements of a queue differ in."""

    sort: str
    is_later: bool
    has_reason: bool
    is_everyones: bool

    @property
    def is_limited(self) -> bool:
        """Whether its order is that of an index, so that no more of it is read than is shown and counted."""
        return self.is_everyones and self.sort == SORTS[0] and not self.is_later


_ONE, _NONE = literal_column("1", Integer), literal_column("0", Integer)
_Order = tuple[tuple[ColumnElement[Any] | InstrumentedAttribute[Any], bool], ...]  #: columns, and whether from the largest down
_Queries = tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]


@cache
def _usual(kind: _Kind) -> _Queries:
    return _queries(kind, ())


def _queries(kind: _Kind, extra: tuple[ColumnElement[bool], ...]) -> _Queries:
    """The first rows of a queue and one more; the rows of the window that the receipt `here` stands in and one on each side.

    Where `here` is not in the queue, that window is the first. Each row says at its end how many rows passed before the window.
    """
    # Nothing can be decided yet where a transaction is waited for. Both as the index of this order says them.
    is_waiting = case((Receipt.review_reason == literal_column("'no_transaction_yet'"), _ONE), else_=_NONE)
    surest = func.coalesce(Receipt.best_score, literal_column("-1.0"))
    largest = func.coalesce(func.abs(Receipt.amount_cents), -1)
    orders: dict[str, _Order] = {
        "newest": ((Receipt.in_review_since, True), (Receipt.sequence, True)),
        "amount": ((largest, True), (Receipt.sequence, False)),
        "oldest": ((Receipt.in_review_since, False), (Receipt.sequence, False)),
        "ready": ((is_waiting, False), (surest, True), (Receipt.in_review_since, False), (Receipt.sequence, False)),
    }
    later: _Order = ((Receipt.put_off_until, False), (Receipt.sequence, False))
    order: _Order = (*(later if kind.is_later else orders[kind.sort]), (Receipt.id, False))
    by = [column.desc() if is_falling else column.asc() for column, is_falling in order]
    is_shown = IS_PUT_OFF if kind.is_later else not_(IS_PUT_OFF)
    # Put in order are ids alone, which the index of the desk knows by itself; only of the rows that are shown the rest is read.
    ids = select(Receipt.id).where(IN_REVIEW, is_shown, *extra)
    if not kind.is_everyones:
        ids = ids.where(OF_CLIENTS)
    if kind.has_reason:
        ids = ids.where(Receipt.review_reason == bindparam("reason"))
    own = ids.with_only_columns(*(column.label(f"own_{place}") for place, (column, _) in enumerate(order)))
    own_row = own.where(Receipt.id == bindparam("here")).cte()
    if kind.is_limited:
        first = own.order_by(*by).limit(MOST_COUNTED).subquery()
        places = [(first.c[f"own_{place}"], is_falling) for place, (_, is_falling) in enumerate(order)]
        counted = select(func.count().label("count")).select_from(first.join(own_row, _precedes(places, own_row.c)))
    else:
        counted = ids.with_only_columns(func.count().label("count")).join_from(Receipt, own_row, _precedes(order, own_row.c))
    ahead = counted.subquery()
    passed = select((ahead.c.count - ahead.c.count % QUEUE_SIZE).label("passed")).cte()
    has_skipped = and_(passed.c.passed > 0, passed.c.passed < MOST_COUNTED) if kind.is_limited else passed.c.passed > 0
    skipped = select(case((has_skipped, passed.c.passed - 1), else_=0)).scalar_subquery()

    def shown(of: Select[str], said: ColumnElement[int]) -> Select[*tuple[Any, ...]]:
        window = of.subquery()
        return select(*QUEUE_COLUMNS, said.label("passed")).join(window, window.c.id == Receipt.id).order_by(*by)

    ordered = ids.order_by(*by)
    return (
        shown(ordered.limit(QUEUE_SIZE + 1), literal_column("0", Integer)),
        shown(ordered.limit(QUEUE_SIZE + 2).offset(skipped), select(passed.c.passed).scalar_subquery()),
    )


def _precedes(
    order: Iterable[tuple[ColumnElement[Any] | InstrumentedAttribute[Any], bool]], other: Iterable[ColumnElement[Any]]
) -> ColumnElement[bool]:
    """Whether a receipt stands before another, of which the same columns are given: the first that differs decides."""
    is_before: ColumnElement[bool] = false()
    for (column, is_falling), its in reversed(list(zip(order, other, strict=True))):
        is_before = or_(column > its if is_falling else column < its, and_(column == its, is_before))
    return is_before
