"""The whole story of one client, day by day: from Connect to an assigned receipt, and everything a person may do about it.

The ticker and the workers' one job are the real ones; only Redis between them is left out.
"""

from __future__ import annotations

import base64
from collections import Counter
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from jobs import ticker
from portal.clock import BERLIN, berlin_day
from portal.models import Assignment, AuditEvent, Candidate, Connection, Receipt, Run, SkippedInvoice, Transaction, User
from portal.services import auditing
from portal.services.assignments import assigning
from portal.services.assignments.assigning import SetAsideReason
from portal.services.auditing import Origin, acting
from portal.services.connections import syncing
from portal.services.connections.connecting import Ending
from portal.services.connections.syncing import Reason
from portal.services.review import deciding
from tests import factories
from tests.flows.reading import Reader, says
from tests.story import Story

WORK = ("documents", "bank", "matching")  #: pictures have tests of their own


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
    story.bank.tell_all()
    imported = _the_client_connects_and_invoices_arrive(story, reader)
    _the_bank_brings_transactions_and_the_certain_pairs(story, reader, imported)
    _a_person_assigns_undoes_and_assigns_again(story, reader, staff)
    _a_receipt_is_set_aside_and_taken_back(story, reader, staff)
    invoice = _an_invoice_waits_for_its_payment_and_is_decided_by_it(story, reader)
    _it_changes_at_the_source_and_goes_back_to_a_person(story, reader, staff, invoice)
    _a_resync_changes_nothing(story)
    _each_day_had_one_scheduled_run(story, days=3)
    _everything_is_told_in_an_unbroken_chain(story, receipts=imported + 1)


def _the_client_connects_and_invoices_arrive(story: Story, reader: Reader) -> int:
    """Active is the result of a call, and the first import starts at once; what is left out has a reason."""
    assert story.bank.log() == []
    says(reader.open(story.owner, "/profile/connections"), "Not connected")
    assert story.connect("documents").ending is Ending.CONNECTED
    says(reader.open(story.owner, "/profile/connections"), "Active", "Syncing")
    _live(story)
    run, imported = story.newest("documents"), len(story.receipts())
    assert (run.state, run.trigger, run.new) == ("done", "connect", imported)
    assert imported > 40
    assert _is_conserved(story, run)
    assert Counter(row.reason for row in story.rows(select(SkippedInvoice))) == Counter(run.skipped)
    assert {"not_paid", "draft", "canceled", "no_invoice"} <= set(run.skipped)
    history = reader.open(story.owner, f"/connections/{run.connection_id}")
    says(history, *(reader.words("skip", reason) for reason in run.skipped))
    assert _states(story) == {"in_review": imported}  # nothing is lost: it waits, and the page says for what
    says(reader.open(story.owner, "/receipts"), reader.words("why", SimpleNamespace(why="no_bank")))
    return imported


def _the_bank_brings_transactions_and_the_certain_pairs(story: Story, reader: Reader, imported: int) -> None:
    assert story.connect("bank").ending is Ending.CONNECTED
    _live(story)
    says(reader.open(story.owner, "/profile/connections"), "Active", "Connected")
    run = story.newest("bank")
    assert (run.state, run.new) == ("done", len(story.rows(select(Transaction))))
    assert run.new > 0
    assert _is_conserved(story, run)
    states = _states(story)
    assert min(states["assigned"], states["in_review"]) > 0
    assert states.total() == imported
    made = story.rows(select(Assignment))
    assert {(assignment.actor, assignment.is_automatic) for assignment in made} == {("system:matching", True)}
    assert all(assignment.reasons and assignment.matcher for assignment in made)
    story.check_books()


def _a_person_assigns_undoes_and_assigns_again(story: Story, reader: Reader, staff: User) -> None:
    """The machine proposes the pair again and leaves the decision to people."""
    receipt, candidate = _decidable(story)
    _assign(story, staff, receipt, candidate)
    assert _now(story, receipt).state == "assigned"
    page = reader.open(story.owner, f"/receipts/{receipt.id}")
    says(page, "Matched", reader.words("why", SimpleNamespace(why="matched")))
    assert staff.name in page
    with _as(story, staff), story.ports.database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        deciding.withdraw(session, own, seen_version=own.version, now=story.clock.now())
    assert story.newest("matching").state == "due"
    _live(story)
    assert (_now(story, receipt).state, _now(story, receipt).review_reason) == ("in_review", receipt.review_reason)
    proposed = story.rows(select(Candidate).where(Candidate.receipt_id == receipt.id).order_by(Candidate.rank))
    (again,) = [proposal for proposal in proposed if proposal.allocations == candidate.allocations]
    _assign(story, staff, receipt, again)


def _a_receipt_is_set_aside_and_taken_back(story: Story, reader: Reader, staff: User) -> None:
    """Paid in cash, they think, and then not."""
    receipt = next(receipt for receipt in story.receipts().values() if receipt.state == "in_review")
    with _as(story, staff), story.ports.database.write() as session:
        own, reason = session.get_one(Receipt, receipt.id), SetAsideReason.PAID_IN_CASH
        assigning.set_aside(session, receipt=own, reason=reason, seen_version=own.version, now=story.clock.now())
    says(reader.open(story.owner, f"/receipts/{receipt.id}"), "No transaction needed", reader.words("set_aside", reason.value))
    _live(story)
    assert _now(story, receipt).state == "set_aside"
    with _as(story, staff), story.ports.database.write() as session:
        own = session.get_one(Receipt, receipt.id)
        deciding.reopen(session, own, seen_version=own.version, now=story.clock.now())
    _live(story)
    assert _now(story, receipt).state == "in_review"
    story.check_books()


def _an_invoice_waits_for_its_payment_and_is_decided_by_it(story: Story, reader: Reader) -> str:
    """Two nights: the invoice with the first daily run, the booked movement with the second (S-28)."""
    day = story.clock.today().isoformat()
    row = story.bank.put_invoice(
        status="paid", invoice_number="SW-2026-90417", supplier_name="Sägewerk Wittmund GmbH", issue_date=day, payment_date=day,
        total_amount={"value": "1234.56", "currency": "EUR"}, iban="DE02120300000000202051",
    )  # fmt: skip
    _to_the_hour(story, 6)
    _live(story)
    waiting = story.receipts()[row["id"]]
    assert (waiting.state, waiting.review_reason) == ("in_review", "no_transaction_yet")
    sentence = reader.words("why", SimpleNamespace(why="no_transaction_yet"))
    says(reader.open(story.owner, f"/receipts/{waiting.id}"), "Waiting for payment", sentence)
    story.bank.put_transaction(
        amount_cents=123456, label="Sägewerk Wittmund GmbH", reference="Rechnung SW-2026-90417", side="debit",
        transfer={"counterparty_account_number": "DE02120300000000202051", "counterparty_account_number_format": "IBAN"},
    )  # fmt: skip
    _to_the_hour(story, 6)
    _live(story)
    assert story.receipts()[row["id"]].state == "assigned"
    assert story.rows(select(Assignment.actor).where(Assignment.receipt_id == waiting.id)) == ["system:matching"]
    return str(row["id"])


def _it_changes_at_the_source_and_goes_back_to_a_person(story: Story, reader: Reader, staff: User, invoice: str) -> None:
    """Another amount and another file; the older version stays readable (S-42)."""
    (first,) = story.documents(story.receipts()[invoice])
    content = factories.pdf("Rechnung SW-2026-90417, neue Fassung")
    file = {"file_name": "neu.pdf", "file_content_type": "application/pdf", "content_base64": base64.b64encode(content).decode()}
    story.bank.put_invoice(id=invoice, file=file, total_amount={"value": "1243.56", "currency": "EUR"})
    _to_the_hour(story, 6)
    _live(story)
    changed = story.receipts()[invoice]
    assert (changed.state, changed.review_reason, changed.amount_cents) == ("in_review", "source_changed", 124356)
    says(reader.open(story.owner, f"/receipts/{changed.id}"), reader.words("why", SimpleNamespace(why="changed")))
    says(reader.open(staff, f"/review?item={changed.id}"), reader.words("review", "source_changed"))
    versions = story.documents(changed)
    assert [(document.version, document.id == first.id) for document in versions] == [(1, True), (2, False)]
    downloads = [reader.browser(story.owner).get(f"/documents/{document.id}").data for document in versions]
    assert downloads == [story.ports.storage.get(first.client_id, first.sha256), content]
    withdrawn = story.rows(select(Assignment).where(Assignment.receipt_id == changed.id))
    assert [(a.withdrawn_by, a.withdrawn_at is not None) for a in withdrawn] == [("system:documents", True)]
    story.check_books()


def _a_resync_changes_nothing(story: Story) -> None:
    before = story.books()
    for _ in range(3):
        story.bank.move(minutes=1)
        with story.ports.database.write() as session:
            syncing.request_all(
                session,
                list(session.scalars(select(Connection))),
                reason=Reason.CHECK,
                client_id=story.client.id,
                now=story.clock.now(),
            )
        _live(story)
        runs = story.newest("documents"), story.newest("bank")
        assert [(run.trigger, run.state, run.new, run.updated) for run in runs] == [("admin", "done", 0, 0)] * 2
    assert story.books() == before


def _each_day_had_one_scheduled_run(story: Story, *, days: int) -> None:
    """However often the ticker has looked."""
    for connection in story.rows(select(Connection)):
        slots = story.rows(select(Run.berlin_day).where(Run.connection_id == connection.id, Run.berlin_day.is_not(None)))
        assert len(slots) == len(set(slots)) == days


def _everything_is_told_in_an_unbroken_chain(story: Story, *, receipts: int) -> None:
    with story.ports.database.read() as session:
        assert auditing.broken_links(session, key=story.ports.settings.secret_key) == []
        tags = Counter(session.scalars(select(AuditEvent.tag).where(AuditEvent.client_id == story.client.id)))
    assert tags["receipt.imported"] == len(story.receipts()) == receipts
    assert tags["assignment.made"] == len(story.rows(select(Assignment.decision_id).distinct()))
    assert tags["assignment.withdrawn"] == 2
    told = {"connection.active", "run.finished", "document.stored", "receipt.set_aside", "receipt.reopened", "receipt.changed"}
    assert told <= set(tags)
    story.check_books()
