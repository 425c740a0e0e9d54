"""The bank connection: accounts and their booked transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import String, cast, insert, select, text
from sqlalchemy.orm import Session

from portal.clock import berlin_day
from portal.db import new_id
from portal.domain.matching import ReasonCode, ReviewReason
from portal.errors import QontoError, ScaRequired
from portal.models import Assignment, BankAccount, Candidate, Connection, Receipt, Run, Statement, Transaction
from portal.ports import Ports
from portal.qonto.client import Page, all_pages
from portal.qonto.errors import Code
from portal.qonto.schema import Transaction as TransactionRow
from portal.services import running
from portal.services.accounts import choosing, reconciling
from portal.services.assignments import assigning
from portal.services.auditing import Tag, queue_up, record
from portal.services.connections import confirming, connecting, hearing
from portal.services.running import Lease

log = structlog.get_logger()

OVERLAP = timedelta(days=3)
PAGES_AT_ONCE = 10  #: in one commit
REFUSALS = (Code.FORBIDDEN, Code.NOT_FOUND)  #: of one account, while the organisation is told
FOLLOWED = ("side", "amount_cents", "currency", "local_amount_cents", "local_currency", "status", "settled_at", "booked_on",
            "counterparty", "counterparty_iban", "remittance", "operation_type")  # fmt: skip
MATERIAL = ("side", "amount_cents", "currency", "status", "counterparty", "remittance")


def import_transactions(ports: Ports, lease: Lease) -> None:
    """Execute a run of kind `bank`: accounts first, then the changes of each chosen one; its end asks for matching.

    Nobody is bothered by a run that he did not start: while the bank waits for a confirmation, only people's runs ask it again.
    Errors beside the bank's own: QontoError(unreconciled) when a balance does not fit even after everything was listed anew; what
    came in is kept and counts as fetched.
    """
    assert lease.connection_id is not None
    started_at = ports.clock.now()
    with ports.database.write() as session:
        if not connecting.is_usable(session, lease.connection_id):
            running.finish(session, lease, now=started_at, reason="disconnected")
            return
        running.advance(session, lease)
        connecting.note_attempt(session, lease.connection_id, now=started_at)
        run = session.get_one(Run, lease.run_id)
        run_started_at, cursor = run.started_at or started_at, dict(run.cursor)
        connection = session.get_one(Connection, lease.connection_id)
    if (obstacle := confirming.stands(ports, lease, trigger=run.trigger)) is not None:
        _stop(ports, lease, obstacle, cursor)
        return
    progress = _Progress.of({"is_full": connecting.is_full_listing_due(connection, now=started_at), **cursor})
    try:
        is_differing = _read_all(ports, lease, connection, progress, started_at=started_at, run_started_at=run_started_at)
    except ScaRequired as problem:
        if not problem.token:
            raise
        confirming.note(ports, lease, problem.token)
        _stop(ports, lease, Code.SCA_REQUIRED, progress.as_cursor())
        return
    if is_differing is None:
        return
    hearing.subscribe(ports, lease.connection_id)
    counts, is_whole = progress.counts, progress.is_full and not progress.only
    if is_whole:
        with ports.database.read() as session:
            connecting.refuse_shrunk(session, connection, listed=counts["total"], trigger=run.trigger)
    now = ports.clock.now()
    with ports.database.write() as session:
        connecting.note_success(
            session, lease.connection_id, now=now, synced_until=started_at, scope_start_on=None,
            listed=counts["total"] if is_whole else None,
        )  # fmt: skip
        confirming.settle(session, lease.connection_id)
        followers = [] if is_differing else running.finish(session, lease, now=now, skipped=progress.skipped, **counts)
        if not followers and not is_differing and _somebody_waits(session, lease.client_id):
            followers = running.ask_followers(session, lease, now=now)
    if is_differing:
        raise QontoError("An account's balance is not the sum of its movements.", code=Code.UNRECONCILED)
    for run in followers:
        ports.queue.push(running.ticket(run, now=now))


def _somebody_waits(session: Session, client_id: str) -> bool:
    """Whether a receipt waits for nothing but a further night without a second transaction: then no news is news."""
    waits = select(Candidate.id).join(Receipt, Receipt.id == Candidate.receipt_id).where(
        Candidate.client_id == client_id, Candidate.rank == 1, Receipt.state == "in_review",
        cast(Candidate.reasons, String).contains(f'"{ReasonCode.WAITING}"'),
    )  # fmt: skip
    return session.scalar(waits.limit(1)) is not None


def _read_all(
    ports: Ports, lease: Lease, connection: Connection, progress: _Progress, *, started_at: datetime, run_started_at: datetime
) -> bool | None:
    """Read the accounts; where a balance does not fit, once more from the first row on (F40).

    Whether one is off all the same; None: the connection ended meanwhile.
    """
    while True:
        accounts = _import_accounts(ports, lease, connection, progress, started_at=started_at, run_started_at=run_started_at)
        if accounts is None:
            return None
        if not (is_differing := _is_differing(ports, lease, accounts)) or progress.is_repeated:
            return is_differing
        progress.begin_anew()


def _stop(ports: Ports, lease: Lease, obstacle: Code, cursor: dict[str, Any]) -> None:
    """Nothing can be read before the user has confirmed at the bank: look again soon while his answer can come, else end."""
    now = ports.clock.now()
    with ports.database.write() as session:
        awaited = confirming.newest(session, lease.connection_id or "")
        if awaited and awaited.state == "waiting" and awaited.run_id == lease.run_id:
            confirming.wait(session, lease, now=now, cursor=cursor)
        else:
            running.needs_person(session, lease, now=now, reason=obstacle)


@dataclass(slots=True)
class _Progress:
    """Counts of the run, and the accounts that an earlier start has finished already."""

    counts: dict[str, Any]
    skipped: dict[str, int]
    done: list[str]
    is_full: bool  #: a later start goes on as the first one began
    is_repeated: bool  #: the balances did not fit, and everything is listed a second time
    only: list[str]  #: accounts that somebody has ticked; empty: all

    @classmethod
    def of(cls, cursor: dict[str, Any]) -> _Progress:
        nothing = dict.fromkeys(("total", "seen", "new", "updated", "unchanged", "failed"), 0)
        return cls(
            {**nothing, **cursor.get("counts", {})},
            dict(cursor.get("skipped", {})),
            list(cursor.get("done", [])),
            cursor["is_full"],
            cursor.get("is_repeated", False),
            list(cursor.get("only", [])),
        )

    def begin_anew(self) -> None:
        """Everything is listed a second time."""
        self.counts = dict.fromkeys(self.counts, 0)
        self.skipped, self.done, self.is_full, self.is_repeated = {}, [], True, True

    def as_cursor(self) -> dict[str, Any]:
        return {
            "counts": self.counts, "skipped": self.skipped, "done": self.done, "is_full": self.is_full,
            "is_repeated": self.is_repeated, "only": self.only,
        }  # fmt: skip


def _import_accounts(
    ports: Ports, lease: Lease, connection: Connection, progress: _Progress, *, started_at: datetime, run_started_at: datetime
) -> list[BankAccount] | None:  # fmt: skip
    """The accounts as they are now, each with its changed transactions. None: the connection ended meanwhile."""
    organization = ports.qonto.organization(connection.id)
    if connection.organization_id not in {None, organization.id}:
        connecting.refuse_organization(ports, connection.id)
    with ports.database.write() as session:
        connecting.learn_organization(session, connection.id, organization.id, name=organization.name)
        choosing.keep(session, session.get_one(Connection, connection.id), organization.bank_accounts, now=started_at)
        chosen = choosing.to_read(session, connection.id)
        accounts = [account for account in chosen if not progress.only or account.id in progress.only]
        running.advance(session, lease, cursor=progress.as_cursor(), reason="")
    for account in accounts:
        if account.id in progress.done:
            continue
        try:
            if not _import_account(ports, lease, account, progress, started_at=started_at, run_started_at=run_started_at):
                return None
        except QontoError as problem:
            if problem.code not in REFUSALS or len(accounts) == 1:
                raise
            _note_refusal(ports, lease, account, problem.code, progress)
    return accounts


def _note_refusal(ports: Ports, lease: Lease, account: BankAccount, code: str, progress: _Progress) -> None:
    """The bank does not hand out this account (to this user, or any more); the others are read all the same (L-08)."""
    progress.done.append(account.id)
    with ports.database.write() as session:
        session.get_one(BankAccount, account.id).refusal = code
        running.advance(session, lease, cursor=progress.as_cursor())


def _is_differing(ports: Ports, lease: Lease, accounts: list[BankAccount]) -> bool:
    """Note by how much each account's balance is off; whether one is."""
    with ports.database.write() as session:
        held = [session.get_one(BankAccount, account.id) for account in accounts]
        for account in held:
            account.difference_cents = reconciling.difference(session, account)
        running.advance(session, lease)
        return any(account.difference_cents for account in held)


def _import_account(
    ports: Ports, lease: Lease, account: BankAccount, progress: _Progress, *, started_at: datetime, run_started_at: datetime
) -> bool:
    """All changed transactions of one account, page by page. False: the connection ended meanwhile."""
    counts, skipped = progress.counts, progress.skipped
    since = account.synced_until - OVERLAP if account.synced_until and not progress.is_full else None
    start = datetime.combine(account.start_on, datetime.min.time(), tzinfo=started_at.tzinfo) - timedelta(days=1)

    qonto = ports.qonto.confirmed(confirming.token(ports, lease.connection_id or ""))

    def fetch(page: int) -> Page[TransactionRow]:
        return qonto.transactions(
            lease.connection_id or "", bank_account_id=account.qonto_id or "", updated_from=since,
            settled_from=None if since else start, page=page,
        )  # fmt: skip

    for pages in _together(all_pages(fetch)):
        counts["total"] += sum(page.total_count for page in pages if page.page == 1)
        now = ports.clock.now()
        with ports.database.write() as session:
            if not connecting.is_usable(session, lease.connection_id or ""):
                running.finish(session, lease, now=now, reason="disconnected", **counts)
                return False
            queue_up(session, lease.client_id)
            _apply(session, account, pages, counts, skipped, now=now, run_started_at=run_started_at)
            running.advance(session, lease, skipped=skipped, **counts)
    progress.done.append(account.id)
    with ports.database.write() as session:
        kept = session.get_one(BankAccount, account.id)
        kept.synced_until, kept.refusal = started_at, ""
        kept.covered_until = berlin_day(started_at) - timedelta(days=1)
        running.advance(session, lease, cursor=progress.as_cursor())
    return True


def _together(pages: Iterator[Page[TransactionRow]]) -> Iterator[list[Page[TransactionRow]]]:
    """Pages as they are committed: a commit each would take most of a long import. What came before an error comes too."""
    held: list[Page[TransactionRow]] = []
    try:
        for page in pages:
            held.append(page)
            if len(held) == PAGES_AT_ONCE:
                yield held
                held = []
    except QontoError:
        if held:
            yield held
        raise
    if held:
        yield held


def _apply(
    session: Session, account: BankAccount, pages: Sequence[Page[TransactionRow]], counts: dict[str, int],
    skipped: dict[str, int], *, now: datetime, run_started_at: datetime,
) -> None:  # fmt: skip
    """Upsert rows by the bank's id; what is new goes in as one statement."""
    rows = [row for page in pages for row in page.rows]
    query = select(Transaction).where(
        Transaction.bank_account_id == account.id, Transaction.qonto_id.in_([row.id for row in rows])
    )
    known = {transaction.qonto_id: transaction for transaction in session.scalars(query)}
    files = _from_files(session, account, [row for row in rows if row.id not in known])
    fresh: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row.status != "completed"):  # what stands comes first to what files have brought
        counts["seen"] += 1
        transaction, values = known.get(row.id), _values(row)
        if transaction is None and (same := files.get(_key(row))):
            transaction = known[row.id] = same.pop(0)
            transaction.qonto_id = row.id
        if transaction is not None:
            counts[_fate(session, transaction, values, row, now, run_started_at)] += 1
        elif row.id in fresh:  # the list moved while it was read
            fresh[row.id].update(_followed(values))
            counts["new"] += 1
        elif row.status != "completed" or row.settled_at is None:
            skipped["not_booked"] = skipped.get("not_booked", 0) + 1
        elif values["booked_on"] < account.start_on:
            skipped["before_start"] = skipped.get("before_start", 0) + 1
        else:
            fresh[row.id] = {
                "id": new_id(), "client_id": account.client_id, "bank_account_id": account.id, "qonto_id": row.id,
                "statement_id": None, "created_at": now, "updated_at": now, "qonto_updated_at": row.updated_at, **values,
            }  # fmt: skip
            counts["new"] += 1
    if fresh:
        session.execute(insert(Transaction.__table__), list(fresh.values()))  # type: ignore[arg-type]  # past the ORM: half the time
    for qonto_id, name in (unreadable for page in pages for unreadable in page.unreadable):
        counts["seen"] += 1
        skipped["unreadable"] = skipped.get("unreadable", 0) + 1
        log.warning("row_unreadable", bank_account=account.id, row=qonto_id, field=name)
    session.flush()
    _learn_sizes(session, before=counts["new"] - len(fresh), after=counts["new"])


def _fate(
    session: Session, transaction: Transaction, values: dict[str, Any], row: TransactionRow, now: datetime,
    run_started_at: datetime,
) -> str:  # fmt: skip
    """Bring a known row up to date; how it counts. A start after a crash sees its own rows again: they were new by this run."""
    is_changed = _update(session, transaction, values, row, now)
    if transaction.created_at >= run_started_at:
        return "new"
    return "updated" if is_changed or transaction.updated_at >= run_started_at else "unchanged"


def _learn_sizes(session: Session, *, before: int, after: int) -> None:
    """PostgreSQL plans by what it knew of the table before: after the first thousands it has to look again."""
    if session.get_bind().dialect.name == "postgresql" and any(before < size <= after for size in (1000, 10_000, 100_000)):
        session.execute(text("ANALYZE bank_transaction"))


def _key(row: TransactionRow) -> tuple[date | None, str, int, str]:
    """By what a movement is known that a file has brought (`services/accounts/statements.py`)."""
    return berlin_day(row.settled_at) if row.settled_at else None, row.side, row.amount_cents, row.currency


def _from_files(
    session: Session, account: BankAccount, unknown: list[TransactionRow]
) -> dict[tuple[date | None, str, int, str], list[Transaction]]:  # fmt: skip
    """Movements of these days that files have brought and the bank has not told yet."""
    days = {day for row in unknown if (day := _key(row)[0])}
    found: dict[tuple[date | None, str, int, str], list[Transaction]] = {}
    imported = select(Statement.id).where(Statement.bank_account_id == account.id, Statement.state == "imported")
    if not days or session.scalar(imported.limit(1)) is None:
        return found
    query = select(Transaction).where(
        Transaction.client_id == account.client_id, Transaction.bank_account_id == account.id,
        Transaction.statement_id.is_not(None), Transaction.booked_on.in_(days),
        Transaction.status == "booked", Transaction.qonto_id.not_in([row.id for row in unknown]),
    )  # fmt: skip
    for transaction in session.scalars(query.order_by(Transaction.id)):
        key = (transaction.booked_on, transaction.side, transaction.amount_cents, transaction.currency)
        found.setdefault(key, []).append(transaction)
    return found


def _values(row: TransactionRow) -> dict[str, Any]:
    settled_at = row.settled_at
    return {
        "side": row.side, "amount_cents": row.amount_cents, "currency": row.currency,
        "local_amount_cents": row.local_amount_cents, "local_currency": row.local_currency,
        "status": "booked" if row.status == "completed" else row.status, "emitted_at": row.emitted_at,
        "settled_at": settled_at, "booked_on": berlin_day(settled_at) if settled_at else None,
        "counterparty": row.counterparty, "counterparty_iban": row.counterparty_iban, "remittance": row.remittance,
        "operation_type": row.operation_type, "balance_after_cents": row.balance_after_cents,
    }  # fmt: skip


def _followed(values: dict[str, Any]) -> dict[str, Any]:
    """What a later word about a booked row changes: the day of its booking only where a new one is told."""
    return {name: value for name, value in values.items() if name not in {"settled_at", "booked_on"} or value is not None}


def _update(session: Session, transaction: Transaction, values: dict[str, Any], row: TransactionRow, now: datetime) -> bool:
    """A booked row that changed keeps its history in the audit trail and unlocks its assignments (F35, F36)."""
    values = _followed(values)
    differing = [name for name in FOLLOWED if name in values and getattr(transaction, name) != values[name]]
    transaction.qonto_updated_at, transaction.balance_after_cents = row.updated_at, row.balance_after_cents
    transaction.statement_id = None  # the bank has told it itself: it does not go with a file
    if not differing:
        return False
    before = {name: _plain(getattr(transaction, name)) for name in differing if name != "counterparty_iban"}
    for name in differing:
        setattr(transaction, name, values[name])
    transaction.updated_at, transaction.is_indexed = now, False
    if set(differing) & {"side", "amount_cents", "currency", "booked_on"}:
        _absorb(session, transaction, now)
    after = {name: _plain(values[name]) for name in before}
    record(
        session, Tag.TRANSACTION_CHANGED, subject=f"transaction:{transaction.id}", at=now, client_id=transaction.client_id,
        before=before, after=after,
    )  # fmt: skip
    if set(differing) & set(MATERIAL):
        _unlock(session, transaction, now)
    return True


def _unlock(session: Session, transaction: Transaction, now: datetime) -> None:
    """The receipts of a transaction go back to review: it is not what they were assigned to any more."""
    standing = (
        select(Receipt)
        .join(Assignment, Assignment.receipt_id == Receipt.id)
        .where(Assignment.transaction_id == transaction.id, Assignment.withdrawn_at.is_(None))
    )
    for receipt in session.scalars(standing).unique():
        assigning.withdraw(session, receipt=receipt, now=now, reason=ReviewReason.SOURCE_CHANGED)


def _absorb(session: Session, transaction: Transaction, now: datetime) -> None:
    """A file may have told the change before the bank itself did: then its movement was this one."""
    same = select(Transaction).where(
        Transaction.client_id == transaction.client_id, Transaction.bank_account_id == transaction.bank_account_id,
        Transaction.statement_id.is_not(None),
        Transaction.status == "booked", Transaction.booked_on == transaction.booked_on, Transaction.side == transaction.side,
        Transaction.amount_cents == transaction.amount_cents, Transaction.currency == transaction.currency,
        Transaction.id != transaction.id,
    )  # fmt: skip
    if (told := session.scalars(same.order_by(Transaction.id).limit(1)).first()) is not None:
        told.status, told.updated_at = "undone", now
        _unlock(session, told, now)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, str)) or value is None else value.isoformat()
