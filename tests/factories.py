"""Rows for tests: a firm with two clients whose content is identical, so that a leak between them cannot hide.

Everything is written through models and services in one transaction; documents are really stored.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from PIL import Image
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.clock import Clock
from portal.crypto import KeyRing
from portal.db import Database, new_id
from portal.domain import csv_rows
from portal.domain.matching import Allocation
from portal.models import (
    BankAccount,
    Candidate,
    Client,
    Connection,
    Consent,
    Document,
    Explanation,
    Membership,
    Note,
    Payment,
    PaymentBatch,
    PaymentRules,
    Preview,
    Receipt,
    Role,
    Run,
    SavedView,
    ScaSession,
    SkippedInvoice,
    Statement,
    Transaction,
    User,
)
from portal.qonto.oauth import SCOPES
from portal.services.assignments import assigning
from portal.services.clients import engaging
from portal.services.people import hashing
from portal.settings import Settings
from portal.storage import Storage

if TYPE_CHECKING:
    from portal.ports import Ports
    from tests.bank import Bank

PASSWORD = "correct-horse-battery-staple-42"


@dataclass
class Books:
    """One client with everything that belongs to it. `receipts`: by what they stand for."""

    client: Client
    owner: User
    documents: Connection
    bank: Connection
    account: BankAccount
    payments: Connection
    transactions: list[Transaction] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    document: Document = field(init=False)
    statement: Statement = field(init=False)
    preview: Preview = field(init=False)
    candidate: Candidate = field(init=False)
    second: Candidate = field(init=False)  #: of the same receipt
    sure: Candidate = field(init=False)  #: of the receipt "income"
    explanation: Explanation = field(init=False)
    staff: User = field(init=False)  #: who of the firm looks after it
    note: Note = field(init=False)  #: his, about the receipt "set_aside"
    view: SavedView = field(init=False)  #: his: the oldest first
    runs: dict[str, Run] = field(default_factory=dict)
    batches: dict[str, PaymentBatch] = field(default_factory=dict)  #: by their state, or what they are there for
    qonto_account: str = "account-1"  #: the bank's id of the account that pays; `payable` knows a true one


@dataclass
class World:
    """The firm. `staff` is assigned to `ours`, `other_staff` to `theirs`; the admin sees both."""

    admin: User
    staff: User
    other_staff: User
    ours: Books
    theirs: Books
    password: str = PASSWORD


def make_ports(settings: Settings, database: Database, clock: Clock, bank: Bank) -> Ports:
    """Ports whose bank is the simulator in this process; without Redis."""
    from portal.mailing import Mailer
    from portal.ports import Ports
    from portal.queue import Queue

    keyring = KeyRing(settings.token_keys)
    oauth, qonto = bank.gateway(settings, database, clock, keyring)
    return Ports(
        settings=settings, clock=clock, database=database, keyring=keyring, oauth=oauth, qonto=qonto,
        storage=Storage(settings.documents_url), queue=Queue(settings.redis_url),
        mailer=Mailer(settings.mail_url, sender=settings.firm.contact_email),
    )  # fmt: skip


def make_world(database: Database, storage: Storage, *, now: datetime) -> World:
    """Write the whole firm; asks for an `acting` around it."""
    with database.write() as session:
        admin = user(session, "admin@kanzlei.example", "Katrin Elbtor", Role.ADMIN, now=now)
        staff = user(session, "mara@kanzlei.example", "Mara Klein", Role.STAFF, now=now)
        other_staff = user(session, "ole@kanzlei.example", "Ole Harms", Role.STAFF, now=now)
        ours = _books(session, storage, "10042", "Tischlerei Brandt GmbH", "jonas@brandt.example", staff, now)
        theirs = _books(session, storage, "10043", "Tischlerei Nordlicht GmbH", "amelia@nordlicht.example", other_staff, now)
    return World(admin, staff, other_staff, ours, theirs)


@cache
def _password_hash() -> str:
    return hashing.hashed(PASSWORD)


def user(session: Session, email: str, name: str, role: Role, *, now: datetime, language: str = "en") -> User:
    """A person with `PASSWORD` and no second factor yet."""
    made = User(
        id=new_id(), email=email, name=name, role=role.value, password_hash=_password_hash(), language=language, created_at=now
    )
    session.add(made)
    session.flush()
    return made


def client(session: Session, number: str, name: str, *, now: datetime, years: tuple[int, ...] = ()) -> Client:
    """A client; `years` are commissioned tax years."""
    made = Client(id=new_id(), number=number, name=name, created_at=now)
    session.add(made)
    session.flush()
    for year in years:
        engaging.commission(session, client_id=made.id, tax_year=year, on=date(year, 1, 1), now=now)
    return made


def member(session: Session, person: User, of: Client, kind: str) -> Membership:
    """Let a person see a client."""
    made = Membership(id=new_id(), user_id=person.id, client_id=of.id, kind=kind, has_financial_accounting=True, may_pay=False)
    session.add(made)
    session.flush()
    return made


def connection(session: Session, of: Client, kind: str, *, now: datetime, by: User | None = None, **values: Any) -> Connection:
    """An active connection without tokens."""
    made = Connection(
        id=new_id(), client_id=of.id, kind=kind,
        **{
            "state": "active", "created_at": now, "connected_at": now - timedelta(days=30), "last_success_at": now,
            "synced_until": now, "organization_id": f"org-{of.number}", "organization_name": of.name,
            "scopes": "offline_access", "connected_by": by.id if by else None, **values,
        },
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def bank_account(session: Session, of: Client, over: Connection, *, now: datetime, number: int = 1, **values: Any) -> BankAccount:
    """One IBAN (of the client's own number, so that two clients' accounts differ)."""
    made = BankAccount(
        id=new_id(), client_id=of.id,
        **{
            "connection_id": over.id, "qonto_id": f"account-{number}",
            "iban": f"DE00000000000000{of.number}{number}", "name": "Hauptkonto", "is_chosen": True, "currency": "EUR", "balance_cents": 1234567,
            "start_on": now.date() - timedelta(days=90), "synced_until": now, "covered_until": now.date() - timedelta(days=1),
            **values,
        },
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def transaction(session: Session, on: BankAccount, qonto_id: str, cents: int, *, now: datetime, **values: Any) -> Transaction:
    """A booked debit of three days ago."""
    settled_at = values.pop("settled_at", now - timedelta(days=3))
    made = Transaction(
        id=new_id(), client_id=on.client_id, bank_account_id=on.id, qonto_id=qonto_id, amount_cents=cents,
        **{
            "side": "debit", "currency": "EUR", "status": "booked", "emitted_at": settled_at, "settled_at": settled_at,
            "booked_on": settled_at.date(), "counterparty": "Holzhandel Weber GmbH", "counterparty_iban": None,
            "remittance": "", "operation_type": "transfer", "created_at": now, "updated_at": now, **values,
        },
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def receipt(session: Session, over: Connection, sequence: int, *, now: datetime, **values: Any) -> Receipt:
    """A supplier invoice in review with its document complete; without any stored bytes."""
    made = Receipt(
        id=new_id(), client_id=over.client_id, connection_id=over.id, sequence=sequence, qonto_id=f"invoice-{sequence}",
        **{
            "kind": "supplier_invoice", "direction": "expense", "number": f"RE-2026-{1000 + sequence}",
            "counterparty": "Holzhandel Weber GmbH", "amount_cents": 11900, "currency": "EUR",
            "issued_on": now.date() - timedelta(days=10), "due_on": now.date() + timedelta(days=4), "paid_on": None, "iban": None,
            "source_status": "paid", "eligibility": "paid", "linked_transactions": [], "attachments": [],
            "qonto_updated_at": now, "state": "in_review", "review_reason": "no_transaction_yet", "in_review_since": now,
            "document_state": "complete", "document_tries": 0, "version": 1, "is_changed_at_source": False, "created_at": now,
            "updated_at": now, **values,
        },
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def document(session: Session, storage: Storage, of: Receipt, content: bytes, *, now: datetime, **values: Any) -> Document:
    """Store bytes as a document of a receipt."""
    sha256 = storage.put(of.client_id, content)
    made = Document(
        id=new_id(), client_id=of.client_id, receipt_id=of.id, sha256=sha256, size=len(content), fetched_at=now,
        **{
            "attachment_id": f"attachment-{of.sequence}", "version": 1, "media_type": "application/pdf",
            "file_name": f"Rechnung {of.number}.pdf", **values,
        },
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def preview(session: Session, storage: Storage, of: Document, *, now: datetime) -> Preview:
    """A ready preview of one page."""
    picture = io.BytesIO()
    Image.new("RGB", (124, 175), "white").save(picture, "WEBP")
    made = Preview(
        id=new_id(), client_id=of.client_id, sha256=of.sha256, media_type=of.media_type, state="ready", page_count=1, width=124,
        height=175, page_keys=[storage.put(of.client_id, picture.getvalue())], words=[["Rechnung", 0.1, 0.1, 0.3, 0.12]],
        made_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


HISTORY = b"Buchungstag;Betrag;Empf\xc3\xa4nger;Verwendungszweck\n05.01.2026;-17,40;Wochenmarkt;Kaffee\n05.01.2026;-17,40;Wochenmarkt;Kaffee\n"


def statement(
    session: Session, storage: Storage, of: BankAccount, by: User, *, now: datetime, content: bytes = HISTORY
) -> Statement:
    """A file that nobody has imported yet: two equal coffees."""
    made = Statement(
        id=new_id(), client_id=of.client_id, bank_account_id=of.id, file_name="umsaetze.csv",
        sha256=storage.put(of.client_id, content), size=len(content), layout=csv_rows.guess(content).as_json(), state="brought",
        counts={}, brought_by=by.id, created_at=now, first_on=None, last_on=None, imported_at=None, undone_at=None,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def explanation(
    session: Session, of: Transaction, by: User, *, now: datetime, reason: str = "private", note: str = ""
) -> Explanation:
    """What somebody said about a transaction an hour ago."""
    made = Explanation(
        id=new_id(), client_id=of.client_id, transaction_id=of.id, reason=reason, note=note, actor=by.id,
        created_at=now - timedelta(hours=1), withdrawn_at=None, withdrawn_by=None,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def note(session: Session, of: Receipt, by: User, *, now: datetime, text: str = "Nur für uns: Kasse geprüft") -> Note:
    """An internal note."""
    made = Note(id=new_id(), client_id=of.client_id, receipt_id=of.id, author_id=by.id, text=text, created_at=now)
    session.add(made)
    session.flush()
    return made


def saved_view(session: Session, of: User, name: str = "Älteste zuerst", *, now: datetime, **query: str) -> SavedView:
    """Somebody's name for a queue of the desk."""
    made = SavedView(id=new_id(), user_id=of.id, name=name, query=query or {"sort": "oldest"}, created_at=now)
    session.add(made)
    session.flush()
    return made


def candidate(session: Session, of: Receipt, *parts: tuple[Transaction, int], rank: int = 1, score: float = 0.9) -> Candidate:
    """A proposal for a receipt in review."""
    found, cents = parts[0]
    made = Candidate(
        id=new_id(), client_id=of.client_id, receipt_id=of.id, rank=rank, score=score, matcher="test",
        grade="sure" if score > 0.95 else "likely",
        allocations=[{"transaction": line.id, "amount_cents": part} for line, part in parts],
        reasons=[
            {"code": "amount_equal", "is_for": True, "weight": 4.0, "values": {"amount_cents": cents, "currency": found.currency}},
            {"code": "name_equal", "is_for": True, "weight": 3.0, "values": {"name": found.counterparty or ""}},
        ],
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def run(session: Session, of: Client, kind: str, *, now: datetime, over: Connection | None = None, **values: Any) -> Run:
    """A finished run."""
    made = Run(
        id=new_id(), client_id=of.id, connection_id=over.id if over else None, subject_id=over.id if over else of.id, kind=kind,
        **{
            "trigger": "schedule", "requested_by": "system:ticker", "state": "done", "created_at": now - timedelta(minutes=2),
            "started_at": now - timedelta(minutes=1), "finished_at": now, "total": 9, "seen": 9, "new": 9, "skipped": {}, **values,
        },
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def pdf(text: str) -> bytes:
    """A small valid PDF of one page that says `text` (Latin-1)."""
    written = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    content = f"BT /F1 12 Tf 60 780 Td ({written}) Tj ET".encode("latin-1")
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    made, offsets = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + table + end


def _books(session: Session, storage: Storage, number: str, name: str, email: str, staff: User, now: datetime) -> Books:
    made = client(session, number, name, now=now, years=(now.year - 1, now.year))
    owner = user(session, email, f"Inhaber {number}", Role.CLIENT, now=now)
    member(session, owner, made, "client")
    member(session, staff, made, "staff")
    documents = connection(session, made, "documents", now=now, by=owner)
    bank = connection(session, made, "bank", now=now, by=owner)
    for link in (documents, bank):
        session.add(
            Consent(
                id=new_id(), client_id=made.id, connection_id=link.id, scopes=link.scopes, granted_by=owner.id,
                granted_at=now - timedelta(days=30), revoked_at=None,
            )
        )  # fmt: skip
    account = bank_account(session, made, bank, now=now)
    books = Books(made, owner, documents, bank, account, connection(session, made, "payments", now=now, by=owner))
    _payments(session, books, now)
    books.transactions = [
        transaction(session, account, "t-1", 11900, now=now, remittance="RE-2026-1001"),
        transaction(session, account, "t-2", 11900, now=now, remittance="Danke"),
        transaction(session, account, "t-3", 59500, now=now, remittance="RE-2026-1004", counterparty="Elektro Süß e.K."),
        transaction(session, account, "t-4", 238000, now=now, side="credit", counterparty="Möbelhaus Ost", remittance="AR-77"),
    ]
    books.explanation = explanation(session, books.transactions[3], owner, now=now)
    _receipts(session, storage, books, now)
    books.staff, books.note = staff, note(session, books.receipts["set_aside"], staff, now=now)
    books.view = saved_view(session, staff, now=now)
    books.runs = {
        "documents": run(session, made, "documents", now=now, over=documents, skipped={"not_paid": 1}),
        "bank": run(session, made, "bank", now=now, over=bank, new=4, total=4, seen=4),
        "matching": run(session, made, "matching", now=now, trigger="change"),
    }
    session.add(
        ScaSession(
            id=new_id(), client_id=made.id, connection_id=bank.id, run_id=books.runs["bank"].id, token="sealed", state="waiting",
            created_at=now - timedelta(minutes=5), expires_at=now + timedelta(minutes=10), decided_at=None,
        )
    )  # fmt: skip
    session.add(
        SkippedInvoice(
            id=new_id(), client_id=made.id, connection_id=documents.id, qonto_id="invoice-99", kind="supplier_invoice",
            reason="not_paid", number="RE-2026-1099", counterparty="Holzhandel Weber GmbH", issued_on=now.date(),
            qonto_updated_at=now, seen_at=now,
        )
    )  # fmt: skip
    session.flush()
    return books


def _receipts(session: Session, storage: Storage, books: Books, now: datetime) -> None:
    """One receipt of each state a page can show."""
    kinds: dict[str, dict[str, Any]] = {
        "open": {"review_reason": "several_equal"},
        "no_transaction": {"amount_cents": 4200},
        "changed": {"review_reason": "source_changed", "is_changed_at_source": True, "amount_cents": 4300},
        "assigned": {"amount_cents": 59500, "counterparty": "Elektro Süß e.K."},
        "set_aside": {"state": "set_aside", "review_reason": None, "in_review_since": None, "set_aside_reason": "paid_in_cash"},
        "waiting": {"document_state": "waiting", "amount_cents": 4400},
        "fetching": {"document_state": "fetching", "document_problem": "timeout", "document_tries": 1, "attachments": ["a-7"]},
        "failed": {"document_state": "failed", "document_problem": "too_big", "document_tries": 1, "attachments": ["a-8"]},
        "income": {
            "kind": "client_invoice", "direction": "income", "number": "AR-77", "counterparty": "Möbelhaus Ost",
            "amount_cents": 238000, "review_reason": "amount_differs",
        },
        "unreadable_amount": {"amount_cents": None, "currency": None, "review_reason": "amount_missing", "issued_on": None},
    }  # fmt: skip
    for sequence, (name, values) in enumerate(kinds.items(), start=1):
        books.receipts[name] = receipt(session, books.documents, sequence, now=now, **values)
    one, other, third, fourth = books.transactions
    books.candidate = candidate(session, books.receipts["open"], (one, 11900))
    books.second = candidate(session, books.receipts["open"], (other, 11900), rank=2, score=0.4)
    books.sure = candidate(session, books.receipts["income"], (fourth, 238000), score=0.97)
    books.statement = statement(session, storage, books.account, books.owner, now=now)
    books.document = document(session, storage, books.receipts["open"], pdf("Rechnung RE-2026-1001"), now=now)
    books.preview = preview(session, storage, books.document, now=now)
    document(session, storage, books.receipts["assigned"], pdf("Rechnung RE-2026-1004"), now=now)
    taken = books.receipts["assigned"]
    assigning.assign(
        session, receipt=taken, allocations=[Allocation(third.id, 59500)], seen_version=taken.version, now=now,
        is_automatic=True, is_to_check=True, score=0.99, matcher="test", reasons=books.candidate.reasons,
    )  # fmt: skip
    taken.version = 1
    session.flush()


def _payments(session: Session, books: Books, now: datetime) -> None:
    """Payments are switched on, the owner may pay, and there is an order in each state that a page can show."""
    session.add(
        PaymentRules(
            id=new_id(), client_id=books.client.id, is_on=True, limit_cents=500_000, day_limit_cents=2_000_000,
            four_eyes_above_cents=None, changed_at=now,
        )
    )  # fmt: skip
    session.execute(update(Membership).where(Membership.user_id == books.owner.id).values(may_pay=True))
    books.payments.scopes = " ".join(SCOPES["payments"])
    states = ("draft", "prepared", "approved", "confirming", "unknown", "accepted", "requested", "ended", "refused", "cancelled")
    for number, name in enumerate((*states, "to_change", "to_cancel", "to_request")):
        books.batches[name] = batch(
            session, books.payments, books.owner, number, now=now, state=name if name in states else "prepared"
        )


def batch(session: Session, over: Connection, by: User, number: int, *, now: datetime, state: str, **values: Any) -> PaymentBatch:
    """An order of one payment."""
    is_checked = state != "draft"
    made = PaymentBatch(
        id=new_id(), client_id=over.client_id, connection_id=over.id, form_key=new_id(), idempotency_key=new_id(), state=state,
        **{
            "way": "transfer", "account_id": "account-1", "account_name": "Hauptkonto", "account_iban": "DE02120300000000202051",
            "balance_cents": 1_000_000, "execute_on": None, "prepared_by": by.id, "created_at": now - timedelta(minutes=number),
            "proof": "proof" if is_checked else "", "checked_at": now if is_checked else None,
            "reason": "not_arrived" if state == "refused" else "",
            "sca_asked_at": now - timedelta(seconds=40) if state == "confirming" else None, **values,
        },
    )  # fmt: skip
    ended = {"ended": "executed", "accepted": "ordered", "refused": "refused", "cancelled": "cancelled"}
    made.payments = [
        Payment(
            id=new_id(), client_id=over.client_id, position=1, state=ended.get(state, "open"), creditor="Holzhandel Weber GmbH",
            iban="DE89370400440532013000", amount_cents=10_000 + number, remittance=f"RE 2026-{1000 + number}",
            reason=made.reason, payee_result="match" if is_checked else "unavailable",
        )
    ]  # fmt: skip
    session.add(made)
    session.flush()
    return made
