"""Looking for a receipt's transactions by hand: all of its client's that have something left, and what the chosen come to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.domain.matching import Allocation, Side
from portal.domain.money import parse_cents
from portal.errors import Rejected
from portal.models import Assignment, BankAccount, Receipt, Transaction
from portal.services import finding
from portal.services.assignments.assigning import Difference

MOST_FOUND = 30
MOST_CHOSEN = 40
MOST_LETTERS = 100  #: of a search; what is longer is cut

_USED = (
    select(func.coalesce(cast(func.sum(Assignment.amount_cents), BigInteger), 0))
    .where(Assignment.transaction_id == Transaction.id, Assignment.withdrawn_at.is_(None))
    .correlate(Transaction)
    .scalar_subquery()
)
OPEN = (Transaction.amount_cents - _USED).label("open_cents")


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A transaction with what of it is still to be had."""

    transaction: Transaction
    account: BankAccount
    open_cents: int
    is_chosen: bool

    @property
    def seen_cents(self) -> int:
        """What is open, signed as the account feels it."""
        return self.open_cents if self.transaction.side == "credit" else -self.open_cents


@dataclass(frozen=True, slots=True)
class Sum:
    """The chosen transactions beside the receipt. Cents; None where the two cannot be compared."""

    count: int
    open_cents: int
    currency: str
    difference_cents: int | None
    """Transactions less receipt."""
    choices: tuple[Difference, ...]
    """What the difference may be, the likeliest first; () if there is none."""


@dataclass(frozen=True, slots=True)
class Search:
    """What stands in the pane: the chosen ones first, then what was found, the nearest amount first."""

    query: str
    lines: Sequence[FoundLine]
    has_more: bool
    sum: Sum | None


def side_of(receipt: Receipt) -> Side:
    """Where the money of a receipt is booked: an expense leaves the account, a credit note turns it round."""
    is_credit_note = (receipt.amount_cents or 0) < 0
    return "debit" if (receipt.direction == "expense") != is_credit_note else "credit"


def search(session: Session, receipt: Receipt, query: str, chosen: Sequence[str]) -> Search:
    """Look among the client's booked transactions on the receipt's side that are not used up.

    `query`: part of a name, text or IBAN, an amount, or a day; "": the nearest amounts. `chosen`: ids; unknown ones are dropped.
    """
    query = " ".join(query.split())[:MOST_LETTERS]
    lines = chosen_lines(session, receipt, chosen)
    nearest = (func.abs(OPEN - abs(receipt.amount_cents or 0)), Transaction.booked_on.desc(), Transaction.id)
    others = _to_be_had(receipt).where(Transaction.id.not_in([line.transaction.id for line in lines]))
    if query:
        others = others.where(or_(*_meant(query)))
    rows = session.execute(others.order_by(*nearest).limit(MOST_FOUND + 1)).all()
    found = [FoundLine(line, account, cents, is_chosen=False) for line, account, cents in rows[:MOST_FOUND]]
    return Search(query, [*lines, *found], len(rows) > MOST_FOUND, sum_of(receipt, lines))


def chosen_lines(session: Session, receipt: Receipt, chosen: Sequence[str]) -> list[FoundLine]:
    """Those of the chosen transactions (ids) that can be had, oldest first."""
    ids = [one for one in chosen[:MOST_CHOSEN] if finding.is_id(one)]
    if not ids:
        return []
    query = _to_be_had(receipt).where(Transaction.id.in_(ids))
    rows = session.execute(query.order_by(Transaction.booked_on, Transaction.id))
    return [FoundLine(line, account, cents, is_chosen=True) for line, account, cents in rows]


def _to_be_had(receipt: Receipt) -> Select[Transaction, BankAccount, int]:
    """The client's booked transactions on the receipt's side that are not used up."""
    return (
        select(Transaction, BankAccount, OPEN)
        .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
        .where(
            Transaction.client_id == receipt.client_id, Transaction.status == "booked",
            Transaction.side == side_of(receipt), OPEN > 0,
        )
    )  # fmt: skip


def allocations(receipt: Receipt, lines: Sequence[FoundLine], difference: Difference | None) -> list[Allocation]:
    """What a person's choice takes of each transaction.

    Without a named difference exactly the receipt's amount: of a larger payment the rest stays open for other receipts. With one,
    or where the receipt's amount could not be read, all that is open.

    Errors: Rejected where the sum does not fit and nothing says why.
    """
    told = sum_of(receipt, lines)
    if told is None or (difference is None and (told.difference_cents == 0 or receipt.amount_cents is None)):
        return [Allocation(line.transaction.id, line.open_cents) for line in lines]
    if difference is not None:
        if difference not in told.choices:
            raise Rejected("This does not explain the difference. Please choose another reason.")
        return [Allocation(line.transaction.id, line.open_cents) for line in lines]
    missing = abs(receipt.amount_cents or 0)
    if told.difference_cents is None or told.difference_cents < 0:
        raise Rejected("The amounts differ. Please say what the difference is.")
    parts = []
    for line in lines:
        parts.append(Allocation(line.transaction.id, min(missing, line.open_cents)))
        missing -= parts[-1].amount_cents
    if not all(part.amount_cents for part in parts):
        raise Rejected("The receipt is paid without the last of these transactions. Please leave it out.")
    return parts


def sum_of(receipt: Receipt, lines: Sequence[FoundLine]) -> Sum | None:
    """What the chosen ones come to; None without any."""
    if not lines:
        return None
    currencies = {line.transaction.currency for line in lines}
    total, currency = sum(line.open_cents for line in lines), min(currencies)
    if receipt.amount_cents is None:
        return Sum(len(lines), total, currency, None, ())
    if currencies != {receipt.currency}:
        return Sum(len(lines), total, currency, None, (Difference.EXCHANGE,))
    difference = total - abs(receipt.amount_cents)
    return Sum(len(lines), total, currency, difference, choices_of(difference))


def choices_of(difference_cents: int) -> tuple[Difference, ...]:
    """What a difference (transactions less receipts) may be, the likeliest first; () if there is none."""
    if difference_cents < 0:
        return (Difference.DISCOUNT, Difference.PART_PAYMENT, Difference.FEE, Difference.EXCHANGE, Difference.OTHER)
    return (Difference.FEE, Difference.TIP, Difference.EXCHANGE, Difference.OTHER) if difference_cents else ()


def contains(word: str, *columns: InstrumentedAttribute[str] | InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
    """Whether one of the columns holds this part of a text, in whatever case."""
    return or_(*(column.ilike(pattern, escape="\\") for column in columns for pattern in _patterns(word)))


def _patterns(word: str) -> set[str]:
    """ILIKE patterns for a part of a text. SQLite, and PostgreSQL without a locale, know the two cases of A-Z only."""
    written = {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}
    return {"%" + one.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for one in written}


def receipts_meant(query: str) -> list[ColumnElement[bool]]:
    """What a search among receipts may mean: each of its words in a name or number, the receipt's own number, or its amount."""
    meant = and_(*(contains(word, Receipt.counterparty, Receipt.number) for word in query.split()[:5]))
    own = query.strip().upper().removeprefix("R-")
    if own.isascii() and own.isdecimal() and len(own) < 10:  # noqa: PLR2004
        meant = or_(meant, Receipt.sequence == int(own))
    with suppress(ValueError):
        meant = or_(meant, func.abs(Receipt.amount_cents) == abs(parse_cents(query)))
    return [meant]


def _meant(query: str) -> list[ColumnElement[bool]]:
    """What a search may mean."""
    compact = "".join(query.split())
    meant: list[ColumnElement[bool]] = [
        contains(query, Transaction.counterparty, Transaction.remittance),
        contains(compact, Transaction.counterparty_iban),
    ]
    with suppress(ValueError):
        meant.append(Transaction.amount_cents == abs(parse_cents(query)))
    for parse in (date.fromisoformat, _german_day):
        with suppress(ValueError):
            meant.append(Transaction.booked_on == parse(query))
    return meant


def _german_day(text: str) -> date:
    """`12.11.2026`. Errors: ValueError."""
    day, month, year = text.split(".")
    return date(int(year), int(month), int(day))
