"""The whole story of one client, day by day: from Connect to an assigned receipt, and everything a person may do about it.

The ticker and the workers' one job are the real ones; only Redis between them is left out.
"""

from __future__ import annotations

import base64
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from jobs import ticker
from portal.clock import BERLIN, berlin_day
from portal.models import Assignment, AuditEvent, Base, Candidate, Connection, Receipt, Run, SkippedInvoice, Transaction, User
from portal.services import assigning, auditing, deciding, syncing
from portal.services.assigning import SetAsideReason
from portal.services.auditing import Origin, acting
from portal.services.connecting import Ending
from tests import factories
from tests.flows.reading import Reader, says
from tests.story import Story
from tests.web.visitor import fingerprint

WORK = ("documents", "bank", "matching")  #: pictures have tests of their own
BOOKS = {"receipt", "document", "preview", "candidate", "assignment", "bank_transaction", "engagement", "consent"}


def _live(story: Story) -> None:
    """A tick, and the workers do what there is to do."""
    ticker.tick(story.ports, 0)
    story.work(*WORK)


def _states(story: Story) -> Counter[str]:
    return Counter(receipt.state for receipt in story.receipts().values())


def _is_conserved(story: Story, run: Run) -> bool:
    return run.seen == run.new + run.updated + run.unchanged + sum(run.skipped.values())


def _as(story: Story, person: User) -> Any:
    return acting(Origin(person.id), key=story.ports.settings.secret_key)


def _decidable(story: Story) -> tuple[Receipt, Candidate]:
    """A receipt in review whose best proposal nobody else has taken."""
    free = {transaction.id: transaction.amount_cents for transaction in story.rows(select(Transaction))}
    for assignment in story.rows(select(Assignment).where(Assignment.withdrawn_at.is_(None))):
        free[assignment.transaction_id] -= assignment.amount_cents
    for candidate in story.rows(select(Candidate).order_by(Candidate.rank, Candidate.score.desc(), Candidate.id)):
        if all(0 < part["amount_cents"] <= free[part["transaction"]] for part in candidate.allocations):
            return story.rows(select(Receipt).where(Receipt.id == candidate.receipt_id))[0], candidate
    raise AssertionError("nothing to decide")


def _now(story: Story, receipt: Receipt) -> Receipt:
    return story.rows(select(Receipt).where(Receipt.id == receipt.id))[0]


def _assign(story: Story, person: User, receipt: Receipt, candidate: Candidate) -> None:
    with _as(story, person), story.ports.database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        deciding.assign_candidate(session, own, candidate_id=candidate.id, seen_version=own.version, now=story.clock.now())


def _to_the_hour(story: Story, hour: int) -> None:
    """On to this hour of the next day in Berlin."""
    tomorrow = berlin_day(story.clock.now()) + timedelta(days=1)
    at = datetime(tomorrow.year, tomorrow.month, tomorrow.day, hour, tzinfo=BERLIN)
    story.bank.move(seconds=(at - story.clock.now()).total_seconds())


def test_the_whole_story(story: Story, staff: User, reader: Reader) -> None:
    owner, database = story.owner, story.ports.database

    # The client connects. Active is the result of a call, and the first import starts at once.
    assert story.bank.log() == []
    says(
        reader.open(owner, "/profile/connections"),
        "Not connected",
        "Connect once, then your paid invoices arrive here by themselves, every night.",
    )
    assert story.connect("documents").ending is Ending.CONNECTED
    says(reader.open(owner, "/profile/connections"), "Active", "Syncing")
    _live(story)
    run = story.newest("documents")
    imported = len(story.receipts())
    assert (run.state, run.trigger, run.new) == ("done", "connect", imported)
    assert imported > 40
    assert _is_conserved(story, run)
    assert Counter(row.reason for row in story.rows(select(SkippedInvoice))) == Counter(run.skipped)
    history = reader.open(owner, f"/connections/{story.connection('documents').id}")
    says(
        history,
        "Neither paid nor linked to a transaction",
        "Still a draft",
        "Canceled at Qonto",
        "Not among the supplier invoices",
    )

    # Without a bank connection nothing can be matched, and nothing is lost: it waits, and the page says for what.
    assert _states(story) == {"in_review": imported}
    says(reader.open(owner, "/receipts"), "Without your bank connection we cannot see the payment. Please connect your bank.")

    # The bank connection brings booked transactions, and with them the certain pairs.
    assert story.connect("bank").ending is Ending.CONNECTED
    _live(story)
    says(reader.open(owner, "/profile/connections"), "Active", "Connected")
    bank_run = story.newest("bank")
    assert bank_run.state == "done"
    assert bank_run.new == len(story.rows(select(Transaction))) > 0
    assert _is_conserved(story, bank_run)
    states = _states(story)
    assert states["assigned"] > 0
    assert states["in_review"] > 0
    assert states.total() == imported
    made = story.rows(select(Assignment))
    assert {(assignment.actor, assignment.is_automatic) for assignment in made} == {("system:matching", True)}
    assert all(assignment.reasons and assignment.matcher for assignment in made)
    story.check_books()

    # A person assigns, undoes, assigns again; the machine leaves that receipt alone from now on.
    receipt, candidate = _decidable(story)
    _assign(story, staff, receipt, candidate)
    assert _now(story, receipt).state == "assigned"
    page = reader.open(owner, f"/receipts/{receipt.id}")
    says(page, "Matched", "The transaction was found.")
    assert "Mara Klein" in page
    with _as(story, staff), database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        deciding.withdraw(session, own, seen_version=own.version, now=story.clock.now())
    assert story.newest("matching").state == "due"
    _live(story)
    assert (_now(story, receipt).state, _now(story, receipt).review_reason) == ("in_review", "manual_unlink")
    again = story.rows(select(Candidate).where(Candidate.receipt_id == receipt.id).order_by(Candidate.rank))
    assert candidate.allocations in [proposal.allocations for proposal in again]
    _assign(story, staff, receipt, next(proposal for proposal in again if proposal.allocations == candidate.allocations))

    # Another one is paid in cash, they think, and then not.
    other = next(r for r in story.receipts().values() if r.state == "in_review")
    with _as(story, staff), database.write() as session:
        own = session.get_one(Receipt, other.id)
        assigning.set_aside(
            session, receipt=own, reason=SetAsideReason.PAID_IN_CASH, seen_version=own.version, now=story.clock.now()
        )
    says(reader.open(owner, f"/receipts/{other.id}"), "No transaction needed", "Paid in cash")
    _live(story)
    assert _now(story, other).state == "set_aside"
    with _as(story, staff), database.write() as session:
        own = session.get_one(Receipt, other.id)
        deciding.reopen(session, own, seen_version=own.version, now=story.clock.now())
    _live(story)
    assert _now(story, other).state == "in_review"
    story.check_books()

    # An invoice is paid before its movement is booked: it waits, and the movement decides it a day later.
    day = story.clock.today().isoformat()
    invoice = story.bank.put_invoice(
        status="paid", invoice_number="SW-2026-90417", supplier_name="Sägewerk Wittmund GmbH", issue_date=day, payment_date=day,
        total_amount={"value": "1234.56", "currency": "EUR"}, iban="DE02120300000000202051",
    )  # fmt: skip
    _to_the_hour(story, 6)
    _live(story)
    waiting = story.receipts()[invoice["id"]]
    assert (waiting.state, waiting.review_reason) == ("in_review", "no_transaction_yet")
    says(
        reader.open(owner, f"/receipts/{waiting.id}"),
        "Waiting for payment",
        "There is no transaction for it yet. It is found by itself once the payment is booked.",
    )
    story.bank.put_transaction(
        amount_cents=123456, label="Sägewerk Wittmund GmbH", reference="Rechnung SW-2026-90417", side="debit",
        transfer={"counterparty_account_number": "DE02120300000000202051", "counterparty_account_number_format": "IBAN"},
    )  # fmt: skip
    _to_the_hour(story, 6)
    _live(story)
    assigned = story.receipts()[invoice["id"]]
    assert assigned.state == "assigned"
    assert {a.actor for a in story.rows(select(Assignment).where(Assignment.receipt_id == assigned.id))} == {"system:matching"}

    # The invoice changes at the source, its file too: back to a person, and the older version stays readable.
    (first,) = story.documents(assigned)
    content = factories.pdf("Rechnung SW-2026-90417, neue Fassung")
    file = {"file_name": "neu.pdf", "file_content_type": "application/pdf", "content_base64": base64.b64encode(content).decode()}
    story.bank.put_invoice(id=invoice["id"], file=file, total_amount={"value": "1243.56", "currency": "EUR"})
    _to_the_hour(story, 6)
    _live(story)
    changed = story.receipts()[invoice["id"]]
    assert (changed.state, changed.review_reason, changed.amount_cents) == ("in_review", "source_changed", 124356)
    says(
        reader.open(owner, f"/receipts/{changed.id}"), "The invoice was changed at Qonto. Your tax office looks at both versions."
    )
    says(reader.open(staff, f"/review?item={changed.id}"), "Changed at the source")
    versions = story.documents(changed)
    assert [(document.version, document.id == first.id) for document in versions] == [(1, True), (2, False)]
    downloads = [reader.browser(owner).get(f"/documents/{document.id}").data for document in versions]
    assert downloads == [story.ports.storage.get(first.client_id, first.sha256), content]
    withdrawn = story.rows(select(Assignment).where(Assignment.receipt_id == changed.id))
    assert [(a.withdrawn_by, a.withdrawn_at is not None) for a in withdrawn] == [("system:documents", True)]
    story.check_books()

    # An admin's Resync sees everything again and changes nothing.
    before = _books(story)
    for _ in range(3):
        story.bank.move(minutes=1)
        with database.write() as session:
            own = list(session.scalars(select(Connection)))
            syncing.request_all(session, own, now=story.clock.now())
        _live(story)
        assert (story.newest("documents").new, story.newest("documents").updated, story.newest("bank").new) == (0, 0, 0)
    assert _books(story) == before

    # One scheduled run per connection and day, however often the ticker looks.
    for connection in story.rows(select(Connection)):
        slots = story.rows(select(Run.berlin_day).where(Run.connection_id == connection.id, Run.berlin_day.is_not(None)))
        assert len(slots) == len(set(slots)) == 3

    # Everything that happened is told, in one unbroken chain.
    with database.read() as session:
        assert auditing.broken_links(session, key=story.ports.settings.secret_key) == []
        tags = Counter(session.scalars(select(AuditEvent.tag).where(AuditEvent.client_id == story.client.id)))
    assert tags["receipt.imported"] == len(story.receipts()) == imported + 1
    assert tags["assignment.made"] == len(story.rows(select(Assignment.decision_id).distinct()))
    assert tags["assignment.withdrawn"] == 2
    assert {
        "connection.active",
        "run.finished",
        "document.stored",
        "receipt.set_aside",
        "receipt.reopened",
        "receipt.changed",
    } <= set(tags)
    story.check_books()


def _books(story: Story) -> tuple[str, int]:
    """A hash over everything that was decided and imported, and the number of stored files."""
    others = frozenset(Base.metadata.tables) - BOOKS
    files = (story.ports.settings.data_dir / "documents").rglob("*")
    return fingerprint(story.ports.database, without=others), sum(path.is_file() for path in files)
