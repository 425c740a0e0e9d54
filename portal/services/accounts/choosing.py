"""A client's bank accounts: which of them are read, since when, what they are called; and those that no bank tells of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.db import new_id
from portal.domain import start_days
from portal.domain.start_days import REACH, Window
from portal.errors import Conflict, NotFound, Rejected
from portal.models import BankAccount, Client, Connection, Consent, Run, Transaction
from portal.qonto.schema import BankAccount as BankAccountRow
from portal.services import finding, running
from portal.services.auditing import Tag, queue_up, record
from portal.services.connections import syncing
from portal.services.finding import Actor

USES = ("business", "private")


@dataclass(frozen=True, slots=True)
class Details:
    """What the client says about an account. None: as it is."""

    label: str | None = None
    holder: str | None = None
    use: str | None = None
    ledger_number: str | None = None
    start_on: date | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """An account that a connection opens, and the days its start may lie on."""

    account: BankAccount
    window: Window

    @property
    def start_on(self) -> date:
        """What stands, moved into the window where time has passed meanwhile."""
        return max(min(self.account.start_on, self.window.last), self.window.first)


@dataclass(frozen=True, slots=True)
class ChoicePage:
    """What there is to choose from."""

    client: Client
    connection: Connection
    choices: Sequence[Choice]


def keep(
    session: Session, connection: Connection, rows: Iterable[BankAccountRow], *, now: datetime, start_on: date | None = None
) -> None:
    """Upsert what the bank lists, by its id and else by the IBAN: ids may change when a client reconnects.

    Accounts that it does not list any more stay, inactive. New ones wait for the client's choice; `start_on`: his wish for them.
    """
    held = list(session.scalars(select(BankAccount).where(BankAccount.client_id == connection.client_id)))
    by_iban = {account.iban: account for account in held if account.iban}
    by_id = {account.qonto_id: account for account in held if account.connection_id == connection.id}
    listed, earliest = set(), berlin_day(now) - REACH
    wished = max(start_on or earliest, earliest)
    for row in rows:
        account = by_id.get(row.id)
        if row.iban and (account is None or account.iban not in {None, row.iban}):
            account = by_iban.get(row.iban)
        if account is None:
            account = BankAccount(
                id=new_id(), client_id=connection.client_id, iban=row.iban, connection_id=None, start_on=wished,
                synced_until=None, covered_until=None, deleted_at=None, is_chosen=False,
            )  # fmt: skip
            session.add(account)
        if account.connection_id is None:  # new, or offline until now
            account.start_on = wished
        account.connection_id, account.qonto_id, account.iban = connection.id, row.id, row.iban or account.iban
        account.name, account.currency, account.balance_cents = row.name, row.currency, row.balance_cents
        account.is_active = row.is_active
        listed.add(account.id)
    for account in by_id.values():
        if account.id not in listed:
            account.is_active = False
    session.flush()


def to_read(session: Session, connection_id: str) -> list[BankAccount]:
    """The accounts that a sync of this connection reads."""
    query = select(BankAccount).where(
        BankAccount.connection_id == connection_id, BankAccount.is_chosen, BankAccount.is_active, BankAccount.deleted_at.is_(None)
    )
    return list(session.scalars(query.order_by(BankAccount.id)))


def page(session: Session, actor: Actor, connection_id: str, *, today: date) -> ChoicePage:
    """The accounts that the consent opens, chosen ones first. Errors: NotFound for a connection that reads no accounts."""
    connection = finding.connection(session, actor, connection_id)
    if connection.kind != "bank":
        raise NotFound
    client = finding.books_of(session, actor, connection.client_id)
    query = select(BankAccount).where(BankAccount.connection_id == connection.id)
    accounts = session.scalars(query.order_by(BankAccount.is_chosen.desc(), BankAccount.is_active.desc(), BankAccount.name))
    return ChoicePage(client, connection, [Choice(account, window(session, account, today=today)) for account in accounts])


def window(session: Session, account: BankAccount, *, today: date) -> Window:
    """The days on which reading the account may start."""
    brought = select(func.min(Transaction.booked_on)).where(
        Transaction.bank_account_id == account.id, Transaction.statement_id.is_not(None), Transaction.status == "booked"
    )
    return start_days.window(
        today=today, brought_from=session.scalar(brought), read_from=account.start_on if account.synced_until else None
    )


def new_window(today: date) -> Window:
    """The days on which reading a new account may start."""
    return start_days.window(today=today)


def check_start(allowed: Window, day: date | None) -> None:
    """Errors: Rejected with the reason why reading cannot start on this day. None: nothing was said."""
    match start_days.fault(allowed, day) if day else None:
        case start_days.Fault.FUTURE:
            raise Rejected("The start date lies in the future.")
        case start_days.Fault.TOO_EARLY:
            raise Rejected("Qonto hands out the last 90 days. What lies before comes as a file from your online banking.")
        case start_days.Fault.BEFORE_FILES:
            raise Rejected("The start may not lie before the first transaction that a file has brought.")
        case start_days.Fault.READ_ALREADY:
            raise Rejected("Transactions before this day are here already. The start can only be moved back.")


def choose(session: Session, connection: Connection, chosen: Mapping[str, Details], *, now: datetime) -> Run:
    """Read exactly these accounts from now on (id → details), and begin at once; those that are left out keep their history.

    Errors: Rejected without a consent, for none, for an account that is closed, for a start that is not allowed.
    """
    queue_up(session, connection.client_id)
    if connection.state != "active":
        raise Rejected("This connection is not active. Connect it again first.")
    accounts = list(session.scalars(select(BankAccount).where(BankAccount.connection_id == connection.id)))
    picked = [account for account in accounts if account.id in chosen]
    if not picked:
        raise Rejected("Choose at least one account.")
    for account in accounts:
        account.is_chosen = account in picked
    for account in picked:
        if not account.is_active:
            raise Rejected("This account is closed at Qonto. It cannot be read.")
        _describe(session, account, chosen[account.id], today=berlin_day(now))
        account.is_ticked, account.deleted_at = True, None
    standing = select(Consent).where(Consent.connection_id == connection.id, Consent.revoked_at.is_(None))
    for consent in session.scalars(standing):
        consent.accounts = [account.id for account in picked]
    record(
        session, Tag.ACCOUNTS_CHOSEN, subject=f"connection:{connection.id}", at=now, client_id=connection.client_id,
        accounts={account.id: account.start_on.isoformat() for account in picked},
    )  # fmt: skip
    trigger = "client" if connection.last_success_at else "connect"
    return running.request(
        session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger=trigger, now=now
    )


def tick(session: Session, connection: Connection, account_ids: Sequence[str]) -> list[str]:
    """Remember which accounts were synced by hand last; those of them that are read. Errors: Rejected for none."""
    accounts = to_read(session, connection.id)
    for account in accounts:
        account.is_ticked = account.id in account_ids
    ticked = [account.id for account in accounts if account.is_ticked]
    if not ticked:
        raise Rejected("Choose at least one account.")
    return ticked


def describe(session: Session, account: BankAccount, details: Details, *, now: datetime) -> None:
    """Change what is known of an account. An earlier start means that everything since then is read again."""
    queue_up(session, account.client_id)
    _describe(session, account, details, today=berlin_day(now))
    record(
        session, Tag.ACCOUNT_CHANGED, subject=f"bank_account:{account.id}", at=now, client_id=account.client_id,
        start_on=account.start_on.isoformat(), use=account.use, ledger_number=account.ledger_number,
    )  # fmt: skip


def fetch_again(session: Session, account: BankAccount, *, since: date, trigger: str, now: datetime) -> Run:
    """Read an account anew from a day that is missing, as far as the bank reaches back. Errors: Rejected, TooOften."""
    if account.connection_id is None or not account.is_chosen:
        raise Rejected("No connection reads this account.")
    queue_up(session, account.client_id)
    earliest = window(session, account, today=berlin_day(now)).first
    _read_from(account, min(account.start_on, max(since, earliest)))
    record(
        session, Tag.ACCOUNT_CHANGED, subject=f"bank_account:{account.id}", at=now, client_id=account.client_id,
        start_on=account.start_on.isoformat(), use=account.use, ledger_number=account.ledger_number,
    )  # fmt: skip
    connection = session.get_one(Connection, account.connection_id)
    return syncing.request(session, connection, trigger=trigger, now=now, only=[account.id])


def open_offline(session: Session, client: Client, details: Details, *, iban: str, now: datetime) -> BankAccount:
    """An account that no connection reads; its transactions come as files. A connection with the same IBAN takes it up later.

    Errors: Rejected without a label or for an IBAN that cannot be one, Conflict for one that is here.
    """
    label = (details.label or "").strip()
    if not label:
        raise Rejected("Give the account a name.")
    written = _iban(iban)
    queue_up(session, client.id)
    if written and session.scalar(select(BankAccount.id).where(BankAccount.client_id == client.id, BankAccount.iban == written)):
        raise Conflict("There is already an account with this IBAN.")
    today = berlin_day(now)
    account = BankAccount(
        id=new_id(), client_id=client.id, connection_id=None, qonto_id=None, iban=written, name=label, label="", holder="",
        use="business", ledger_number="", currency="EUR", balance_cents=None, start_on=today, synced_until=None,
        covered_until=None, deleted_at=None,
    )  # fmt: skip
    session.add(account)
    _describe(session, account, details, today=today)
    session.flush()
    record(session, Tag.ACCOUNT_OPENED, subject=f"bank_account:{account.id}", at=now, client_id=client.id)
    return account


def _describe(session: Session, account: BankAccount, details: Details, *, today: date) -> None:
    if details.use not in {None, *USES}:
        raise Rejected("An account is for business or private use.")
    for name, longest in (("label", 80), ("holder", 80), ("use", 20), ("ledger_number", 20)):
        if (said := getattr(details, name)) is not None:
            setattr(account, name, said.strip()[:longest])
    if account.connection_id is None or details.start_on is None:
        return
    check_start(window(session, account, today=today), details.start_on)
    if details.start_on != account.start_on:
        _read_from(account, details.start_on)


def _read_from(account: BankAccount, day: date) -> None:
    """The whole period is listed again, and counts as here once it is."""
    account.start_on, account.synced_until, account.covered_until = day, None, None


def _iban(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        return str(IBAN(text))
    except SchwiftyException:
        raise Rejected("This is no IBAN: please check its digits.") from None
