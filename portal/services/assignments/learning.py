"""What a client's books and his firm's people have taught the matcher: names, accounts and fees that no receipt tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from sqlalchemy import Select, Subquery, bindparam, case, func, select
from sqlalchemy.orm import Session

from portal.domain.matching import ReceiptFacts, Sale, TransactionFacts, services_among
from portal.domain.matching.kinship import FEWEST, FEWEST_OF_ONE_AMOUNT, FEWEST_PAID
from portal.models import Assignment, Receipt, Transaction, TransactionKey

_CONFIRMED = 2  #: times that people bring two names together before the matcher believes it
_LAST = 50  #: assigned receipts of a name that are looked at: a large supplier's day costs no more than a small one's


class Learned(NamedTuple):
    """`aliases`: (name on receipts, name at the bank); `accounts`: (name on receipts, IBAN); `sales`: those that show a fee.

    `lags`: by name on receipts the days from invoice to payment.
    """

    aliases: set[tuple[str, str]]
    accounts: set[tuple[str, str]]
    sales: list[Sale]
    lags: dict[str, list[int]]


def learned(
    session: Session, client_id: str, receipts: Iterable[ReceiptFacts], transactions: Iterable[TransactionFacts]
) -> Learned:  # fmt: skip
    """Return what is known about the parties and services of a client's receipts and transactions."""
    names = {receipt.counterparty for receipt in receipts if receipt.counterparty}
    return Learned(
        aliases(session, client_id, names), accounts(session, client_id, names),
        sales(session, client_id, services_among(transactions)), lags(session, client_id, names),
    )  # fmt: skip


def aliases(session: Session, client_id: str, names: Collection[str]) -> set[tuple[str, str]]:
    """Return parties' other names: a supplier's on receipts, one of `names`, and the one that the bank writes.

    Those that people have brought together, and those that the books brought together often enough (`kinship`).
    """
    return _of_names(session, _BANK_NAMES, client_id, names)


def accounts(session: Session, client_id: str, names: Collection[str]) -> set[tuple[str, str]]:
    """Return where suppliers are paid though their invoices print another IBAN: of each name those used often."""
    return _of_names(session, _OTHER_IBANS, client_id, names)


def _of_names(session: Session, query: Select[str | None], client_id: str, names: Collection[str]) -> set[tuple[str, str]]:
    return {
        (name, known or "") for name in sorted(names) for known in session.scalars(query, {"client": client_id, "name": name})
    }


def lags(session: Session, client_id: str, names: Collection[str]) -> dict[str, list[int]]:
    """Return how many days after its date each of a name's last receipts was paid first."""
    found: dict[str, list[int]] = {}
    for name in sorted(names):
        rows = session.execute(_PAID, {"client": client_id, "name": name})
        if days := sorted((booked_on - issued_on).days for issued_on, booked_on in rows):
            found[name] = days
    return found


def sales(session: Session, client_id: str, services: Mapping[str, str]) -> list[Sale]:
    """Return the last sales assigned to payouts of their own, which show the fee. `services`: each with its payouts' key."""
    return [
        Sale(service, payout, cents or 0, paid_cents)
        for service, key in sorted(services.items())
        for payout, cents, paid_cents in session.execute(_SOLD, {"client": client_id, "key": key})
    ]


def _sold() -> Select[str, int | None, int]:
    return (
        select(Transaction.id, Receipt.amount_cents, Transaction.amount_cents)
        .join(TransactionKey, TransactionKey.transaction_id == Transaction.id)
        .join(Assignment, Assignment.transaction_id == Transaction.id)
        .join(Receipt, Receipt.id == Assignment.receipt_id)
        .where(
            TransactionKey.client_id == bindparam("client"), TransactionKey.key == bindparam("key"),
            Assignment.withdrawn_at.is_(None), Assignment.amount_cents == Transaction.amount_cents,
            Receipt.amount_cents > Transaction.amount_cents, Receipt.currency == Transaction.currency,
        )
        .order_by(TransactionKey.booked_on.desc(), Transaction.id)
        .limit(_LAST)
    )  # fmt: skip


_SOLD = _sold()


def _last_receipts() -> Subquery:
    """The last assigned receipts of a name."""
    return (
        select(Receipt.id, Receipt.amount_cents, Receipt.iban, Receipt.issued_on)
        .where(
            Receipt.client_id == bindparam("client"), Receipt.counterparty == bindparam("name"), Receipt.state == "assigned"
        )
        .order_by(Receipt.sequence.desc())
        .limit(_LAST)
        .subquery()
    )  # fmt: skip


_RECEIPTS = func.count(func.distinct(Assignment.receipt_id))
_BY_PEOPLE = func.count(func.distinct(case((Assignment.is_automatic.is_(False), Assignment.receipt_id))))


def _other_ibans() -> Select[str | None]:
    last = _last_receipts()
    return (
        select(Transaction.counterparty_iban)
        .join(Assignment, Assignment.transaction_id == Transaction.id)
        .join(last, last.c.id == Assignment.receipt_id)
        .where(
            Assignment.withdrawn_at.is_(None), Transaction.side == "debit",
            last.c.iban.is_not(None), Transaction.counterparty_iban != last.c.iban,
        )
        .group_by(Transaction.counterparty_iban)
        .having((_BY_PEOPLE >= _CONFIRMED) | (_RECEIPTS >= FEWEST_PAID))
    )  # fmt: skip


_OTHER_IBANS = _other_ibans()


def _paid() -> Select[date, date]:
    last = _last_receipts()
    return (
        select(last.c.issued_on, func.min(Transaction.booked_on))
        .join(Assignment, Assignment.transaction_id == Transaction.id)
        .join(last, last.c.id == Assignment.receipt_id)
        .where(Assignment.withdrawn_at.is_(None), last.c.issued_on.is_not(None))
        .group_by(last.c.id, last.c.issued_on)
    )


_PAID = _paid()


def _bank_names() -> Select[str | None]:
    last = _last_receipts()
    amounts = func.count(func.distinct(last.c.amount_cents))
    is_known = (_BY_PEOPLE >= _CONFIRMED) | (_RECEIPTS >= FEWEST_OF_ONE_AMOUNT) | ((_RECEIPTS >= FEWEST) & (amounts > 1))
    return (
        select(Transaction.counterparty)
        .join(Assignment, Assignment.transaction_id == Transaction.id)
        .join(last, last.c.id == Assignment.receipt_id)
        .where(Assignment.withdrawn_at.is_(None), Transaction.counterparty != bindparam("name"))
        .group_by(Transaction.counterparty)
        .having(is_known)
    )


_BANK_NAMES = _bank_names()
