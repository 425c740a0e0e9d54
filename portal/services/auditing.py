"""What happened is a row: append-only audit events, numbered and hash-chained per client.

Each tag names exactly the keys of its details; a call with other keys raises, so the vocabulary cannot drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from portal.crypto import chain_hash
from portal.db import new_id
from portal.models import AuditEvent, AuditHead

INSTALLATION = "installation"  #: the chain of events that belong to no client
FIRST = "0" * 64


class Tag(Enum):
    """`subject.action` and the exact keys of its details. Never a secret, a full IBAN or a document's content."""

    USER_SIGNED_IN = ("user.signed_in", {"has_second_factor"})
    USER_SIGN_IN_FAILED = ("user.sign_in_failed", {"reason"})
    USER_SIGNED_OUT = ("user.signed_out", set[str]())
    USER_SECOND_FACTOR_ENROLLED = ("user.second_factor_enrolled", set[str]())
    USER_SECOND_FACTOR_FAILED = ("user.second_factor_failed", set[str]())
    USER_CREATED = ("user.created", {"role"})
    USER_CHANGED = ("user.changed", {"fields"})
    USER_PASSWORD_CHANGED = ("user.password_changed", set[str]())
    CODE_ISSUED = ("code.issued", {"purpose"})
    CODE_USED = ("code.used", {"purpose"})
    CLIENT_CREATED = ("client.created", {"number"})
    MEMBERSHIP_GRANTED = ("membership.granted", {"user", "kind"})
    ENGAGEMENT_COMMISSIONED = ("engagement.commissioned", {"tax_year", "returns"})
    RETURN_COMPLETED = ("tax_return.completed", {"tax_year", "kind"})
    RETURN_REOPENED = ("tax_return.reopened", {"tax_year", "kind"})
    CONNECT_STARTED = ("connection.connect_started", {"kind"})
    CONNECT_REFUSED = ("connection.connect_refused", {"kind", "reason"})
    CONNECTION_ACTIVE = ("connection.active", {"kind", "scopes"})
    CONNECTION_BROKEN = ("connection.broken", {"kind", "reason"})
    CONNECTION_PAUSED = ("connection.paused", {"kind"})
    CONNECTION_RESUMED = ("connection.resumed", {"kind"})
    CONNECTION_ENDED = ("connection.ended", {"kind"})
    ACCOUNTS_CHOSEN = ("connection.accounts_chosen", {"accounts"})
    ACCOUNT_OPENED = ("bank_account.opened", set[str]())
    ACCOUNT_CHANGED = ("bank_account.changed", {"start_on", "use", "ledger_number"})
    ACCOUNT_DELETED = ("bank_account.deleted", {"transactions", "receipts", "statements"})
    SCA_DEMANDED = ("sca.demanded", {"run"})
    SCA_ENDED = ("sca.ended", {"run", "state"})
    PLAN_CHANGED = ("client.plan_changed", {"plan"})
    PERMISSION_CHANGED = ("membership.permission_changed", {"user", "has_financial_accounting"})
    RUN_REQUESTED = ("run.requested", {"kind", "trigger"})
    RESYNC_ASKED = ("resync.asked", {"reason", "runs"})
    RUN_FINISHED = ("run.finished", {"kind", "outcome", "new", "updated", "unchanged", "skipped", "failed"})
    RECEIPT_IMPORTED = ("receipt.imported", {"qonto_id", "eligibility"})
    RECEIPT_UPLOADED = ("receipt.uploaded", {"sha256", "duplicate_of"})
    RECEIPT_WRITTEN = ("receipt.written", {"sha256", "transaction"})
    RECEIPT_CHANGED = ("receipt.changed", {"fields"})
    RECEIPT_MISSING = ("receipt.missing_at_source", set[str]())
    RECEIPT_SET_ASIDE = ("receipt.set_aside", {"reason", "considered", "copy_of"})
    RECEIPTS_DISTINCT = ("receipt.distinct", {"other", "is_same_file"})
    RECEIPT_SPLIT = ("receipt.split", {"other"})
    RECEIPT_SPLIT_OFF = ("receipt.split_off", {"other", "sha256"})
    RECEIPT_SPLIT_UNDONE = ("receipt.split_undone", {"other"})
    RECEIPT_JOINED = ("receipt.joined", {"other", "differing"})
    RECEIPT_PARTED = ("receipt.parted", {"other"})
    RECEIPT_CORRECTED = ("receipt.corrected", {"fields"})
    RECEIPT_PUT_OFF = ("receipt.put_off", {"until", "before"})
    RECEIPT_BROUGHT_BACK = ("receipt.brought_back", {"until", "before"})
    RECEIPT_ASKED = ("receipt.asked", {"colleague"})
    RECEIPT_UNASKED = ("receipt.unasked", {"colleague"})
    NOTE_WRITTEN = ("note.written", {"receipt"})
    NOTE_WITHDRAWN = ("note.withdrawn", {"receipt"})
    RECEIPT_REOPENED = ("receipt.reopened", {"reason", "considered"})
    VIEW_SAVED = ("view.saved", set[str]())
    VIEW_DELETED = ("view.deleted", set[str]())
    DOCUMENT_STORED = ("document.stored", {"receipt", "version", "sha256", "size"})
    DOCUMENT_DAMAGED = ("document.damaged", {"receipt", "sha256"})
    DOCUMENT_VIEWED = ("document.viewed", {"receipt"})
    DOCUMENT_DOWNLOADED = ("document.downloaded", {"receipt"})
    TRANSACTIONS_IMPORTED = ("bank_account.transactions_imported", {"new", "updated"})
    TRANSACTION_CHANGED = ("transaction.changed", {"before", "after"})
    TRANSACTION_EXPLAINED = ("transaction.explained", {"explanation", "reason"})
    EXPLANATION_WITHDRAWN = ("transaction.explanation_withdrawn", {"explanation", "reason"})
    STATEMENT_BROUGHT = ("statement.brought", {"sha256", "size"})
    STATEMENT_IMPORTED = ("statement.imported", {"counts"})
    STATEMENT_UNDONE = ("statement.undone", set[str]())
    MESSAGE_WRITTEN = ("message.written", {"topic"})
    ACCESS_CHANGED = ("client.accountant_access", {"state"})
    PAYMENT_RULES_CHANGED = ("payment_rules.changed", {"is_on", "limit_cents", "day_limit_cents", "four_eyes_above_cents"})
    PAYER_CHANGED = ("membership.payer_changed", {"user", "may_pay"})
    PAYMENTS_PREPARED = ("payment_batch.prepared", {"way", "payments", "total_cents", "digest"})
    PAYMENTS_CHANGED = ("payment_batch.changed", {"digest"})
    PAYEES_CHECKED = ("payment_batch.payees_checked", {"results"})
    PAYEE_ACCEPTED = ("payment.payee_accepted", {"result"})
    PAYMENTS_APPROVED = ("payment_batch.approved", {"total_cents", "digest"})
    PAYMENTS_REQUESTED = ("payment_batch.requested", {"total_cents", "digest"})
    APPROVAL_VOIDED = ("payment_batch.approval_voided", {"reason"})
    PAYMENTS_SENT = ("payment_batch.sent", {"attempt", "digest"})
    PAYMENTS_MOVED = ("payment_batch.moved", {"state", "reason"})
    PAYMENTS_RECALLED = ("payment_batch.recalled", {"payments"})
    PAYMENT_ENDED = ("payment.ended", {"state", "reason"})
    ASSIGNMENT_MADE = (
        "assignment.made",
        {"receipt", "transactions", "is_automatic", "score", "matcher", "reasons", "difference", "considered", "together"},
    )
    PAIR_DECLINED = ("pair.declined", {"decision", "transactions", "score", "matcher", "considered"})
    PAIR_RESTORED = ("pair.restored", {"decision", "transactions"})
    ASSIGNMENT_CHECKED = ("assignment.checked", {"receipt"})
    ASSIGNMENT_WITHDRAWN = (
        "assignment.withdrawn",
        {"receipt", "transactions", "reason", "score", "matcher", "reasons", "considered"},
    )

    @property
    def text(self) -> str:
        """What is stored."""
        return self.value[0]

    @property
    def keys(self) -> set[str]:
        """The exact keys of `details`."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts and from where; set once at the edge (request or job)."""

    actor: str  #: user id or system:<job>
    request_id: str = ""
    address: str = ""


_origin: ContextVar[Origin] = ContextVar("origin")
_key: ContextVar[str] = ContextVar("audit_key")


@contextmanager
def acting(origin: Origin, *, key: str) -> Iterator[None]:
    """Everything recorded inside is this actor's. `key` seals the chain (the installation's secret key)."""
    origin_token, key_token = _origin.set(origin), _key.set(key)
    try:
        yield
    finally:
        _origin.reset(origin_token)
        _key.reset(key_token)


@contextmanager
def becoming(actor: str) -> Iterator[None]:
    """Inside, the same request or job acts as somebody else: a visitor who has just shown who he is."""
    token = _origin.set(replace(_origin.get(), actor=actor))
    try:
        yield
    finally:
        _origin.reset(token)


def current_actor() -> str:
    """The actor of the surrounding `acting`; LookupError outside of one: nobody changes anything namelessly."""
    return _origin.get().actor


def record(session: Session, tag: Tag, *, subject: str, at: datetime, client_id: str | None = None, **details: object) -> None:
    """Append one event to the chain of the client, in the caller's transaction."""
    record_all(session, [(tag, subject, details)], at=at, client_id=client_id)


def record_all(
    session: Session, events: list[tuple[Tag, str, dict[str, object]]], *, at: datetime, client_id: str | None
) -> None:
    """Append several events of one client at once: the head of its chain is read and moved only once."""
    if not events:
        return
    origin, key = _origin.get(), _key.get()
    chain = client_id or INSTALLATION
    sequence, previous = _locked_head(session, chain)
    rows = []
    for tag, subject, details in events:
        if set(details) != tag.keys:
            raise ValueError(f"{tag.text} takes exactly {sorted(tag.keys)}, not {sorted(details)}")
        sequence += 1
        body = canonical(
            chain=chain, sequence=sequence, at=at, tag=tag.text, actor=origin.actor, subject=subject, details=details,
            request_id=origin.request_id, address=origin.address,
        )  # fmt: skip
        link = chain_hash(key, previous, body)
        rows.append(
            {
                "id": new_id(), "chain": chain, "sequence": sequence, "client_id": client_id, "at": at, "tag": tag.text,
                "actor": origin.actor, "subject": subject, "details": details, "request_id": origin.request_id,
                "address": origin.address, "previous_hash": previous, "hash": link,
            }
        )  # fmt: skip
        previous = link
    session.execute(AuditEvent.__table__.insert(), rows)  # type: ignore[attr-defined]
    session.execute(
        update(AuditHead).where(AuditHead.chain == chain).values(sequence=sequence, hash=previous),
        execution_options={"synchronize_session": False},
    )


def queue_up(session: Session, client_id: str) -> None:
    """Wait until nobody else changes this client's books: called before the first row of a larger change is touched.

    Every change ends with an event, so all writers of a client meet at the head of its chain; meeting there first means that
    none of them holds rows that another is waiting for.
    """
    _locked_head(session, client_id)


def canonical(
    *, chain: str, sequence: int, at: datetime, tag: str, actor: str, subject: str, details: object, request_id: str,
    address: str,
) -> str:  # fmt: skip
    """The one spelling of an event that its hash is made of."""
    return json.dumps(
        [chain, sequence, at.astimezone(UTC).isoformat(), tag, actor, subject, details, request_id, address],
        ensure_ascii=False, sort_keys=True, separators=(",", ":"),
    )  # fmt: skip


def broken_links(session: Session, *, key: str) -> list[str]:
    """Verify every chain; one sentence per fault (`<chain> <sequence>: …`). Empty: all is well."""
    faults = []
    last: dict[str, tuple[int, str]] = {}
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.chain, AuditEvent.sequence).execution_options(yield_per=1000))
    for event in events:
        sequence, previous = last.get(event.chain, (0, FIRST))
        body = canonical(
            chain=event.chain, sequence=event.sequence, at=event.at, tag=event.tag, actor=event.actor, subject=event.subject,
            details=event.details, request_id=event.request_id, address=event.address,
        )  # fmt: skip
        if event.sequence != sequence + 1:
            faults.append(f"{event.chain} {event.sequence}: {sequence + 1} is missing")
        if event.previous_hash != previous or event.hash != chain_hash(key, event.previous_hash, body):
            faults.append(f"{event.chain} {event.sequence}: the hash does not fit")
        last[event.chain] = (event.sequence, event.hash)
    for head in session.scalars(select(AuditHead)):
        if last.get(head.chain, (0, FIRST)) != (head.sequence, head.hash):
            faults.append(f"{head.chain} {head.sequence}: the end of the chain is missing")
        last.pop(head.chain, None)
    faults.extend(f"{chain}: the head of the chain is missing" for chain in last)
    return faults


def _locked_head(session: Session, chain: str) -> tuple[int, str]:
    """The head of the chain, locked until the transaction ends (SQLite locks everything anyway)."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = sqlite_insert if is_sqlite else postgres_insert
    session.execute(insert(AuditHead).values(chain=chain, sequence=0, hash=FIRST).on_conflict_do_nothing())
    query = select(AuditHead.sequence, AuditHead.hash).where(AuditHead.chain == chain)
    row = session.execute(query if is_sqlite else query.with_for_update()).one()
    return row.sequence, row.hash
