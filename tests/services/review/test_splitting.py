"""One file with several invoices, several files of one invoice: taken apart, put together, and back to how it was."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from sqlalchemy import delete, inspect, select, update
from sqlalchemy.orm import Session

from jobs.runs import execute_run
from portal import e_invoice
from portal.db import new_id
from portal.errors import AlreadyAssigned, Conflict, NotFound, Rejected, Stale
from portal.media import Media
from portal.models import AuditEvent, Candidate, Document, Preview, Receipt, Role, Run, Transaction
from portal.ports import Ports
from portal.services import auditing, finding
from portal.services.assignments import assigning
from portal.services.assignments.assigning import SetAsideReason
from portal.services.documents import documenting, e_invoicing
from portal.services.finding import Actor
from portal.services.receipts import uploading
from portal.services.receipts.uploading import Facts, Paper
from portal.services.review import comparing, deciding, splitting
from portal.services.review.splitting import Found
from portal.simulator import einvoices
from portal.simulator.papers import Line, Party
from portal.simulator.papers import Paper as Written
from tests import factories
from tests.bank import as_file
from tests.factories import World, pdf
from tests.story import Story

OTHER = Found(number="RE-4712", amount_cents=4711, issued_on=date(2026, 11, 3), counterparty="Druck AG")
E_INVOICE = einvoices.ubl(
    Written(
        title="Rechnung", number="RE-2026-1001", seller=Party("Holzhandel Weber GmbH", "Am Kai 3", "20457", "Hamburg", "DE1"),
        buyer=Party("Wir", "Gasse 1", "22767", "Hamburg"), issued_on=date(2026, 11, 1), due_on=date(2026, 12, 1),
        lines=(Line("Eiche", 1, 10000),),
    )
)  # fmt: skip
UNTOUCHED = {"version", "updated_at", "is_left_to_people"}
#: these grow, or say on purpose that a person has taken something back (promise P-39); everything else is restored


class Desk:
    """One of the firm's staff at work on our client's receipts, each step a transaction of its own."""

    def __init__(self, ports: Ports, world: World) -> None:
        self.ports, self.world, self.books = ports, world, world.ours
        self.actor = Actor(world.staff.id, Role.STAFF)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self.ports.database.write() as session:
            yield session

    def receipt(self, one: str) -> Receipt:
        with self.ports.database.read() as session:
            return session.get_one(Receipt, one)

    def split(self, of: str, found: Found = OTHER, *, seen: int | None = None) -> str:
        with self.writing() as session:
            seen = session.get_one(Receipt, of).version if seen is None else seen
            return splitting.split(session, self.actor, of, found, seen_version=seen, now=self.ports.clock.now())[0].id

    def unsplit(self, one: str, *, seen: int | None = None) -> None:
        with self.writing() as session:
            seen = session.get_one(Receipt, one).version if seen is None else seen
            splitting.undo(session, self.actor, one, seen_version=seen, now=self.ports.clock.now())

    def merge(self, one: str, into: str, *, seen: int | None = None, other: int | None = None) -> None:
        with self.writing() as session:
            seen = session.get_one(Receipt, one).version if seen is None else seen
            other = session.get_one(Receipt, into).version if other is None else other
            comparing.merge(session, self.actor, one, into, seen_version=seen, other_version=other, now=self.ports.clock.now())

    def reopen(self, one: str) -> None:
        with self.writing() as session:
            receipt = finding.receipt(session, self.actor, one)
            deciding.reopen(session, receipt, seen_version=receipt.version, now=self.ports.clock.now())

    def files(self, one: str) -> documenting.Files:
        with self.ports.database.read() as session:
            return documenting.papers_of(session, session.get_one(Receipt, one)).files

    def match(self) -> None:
        with self.ports.database.write() as session:
            due = select(Run.id).where(Run.client_id == self.books.client.id, Run.kind == "matching", Run.state == "due")
            run_id = session.scalars(due).one()
        assert execute_run(self.ports, run_id) == "done"

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """All receipts of the client, as they stand."""
        with self.ports.database.read() as session:
            rows = session.scalars(select(Receipt).where(Receipt.client_id == self.books.client.id))
            names = [column.key for column in inspect(Receipt).column_attrs if column.key not in UNTOUCHED]
            return {row.id: {name: getattr(row, name) for name in names} for row in rows}

    def events(self, one: str) -> list[tuple[str, Any]]:
        """(tag, the other receipt) of a receipt's history."""
        with self.ports.database.read() as session:
            found = session.scalars(
                select(AuditEvent).where(AuditEvent.subject == f"receipt:{one}").order_by(AuditEvent.sequence)
            )
            return [(event.tag, event.details.get("other") or event.details.get("copy_of")) for event in found]


@pytest.fixture
def desk(ports: Ports, world: World) -> Desk:
    return Desk(ports, world)


@pytest.fixture
def first(world: World) -> str:
    """A receipt with a file."""
    return world.ours.receipts["open"].id


def add(desk: Desk, sequence: int, **values: Any) -> str:
    with desk.writing() as session:
        connection = session.merge(desk.books.documents, load=True)
        made = factories.receipt(session, connection, sequence, now=desk.ports.clock.now(), **values)
        factories.document(session, desk.ports.storage, made, pdf(f"Blatt {sequence}"), now=desk.ports.clock.now())
        return made.id


# --- splitting -----------------------------------------------------------------------------------------------------


def test_another_invoice_of_a_file_becomes_a_receipt_of_its_own(desk: Desk, first: str) -> None:
    before = desk.snapshot()
    made = desk.receipt(desk.split(first))
    assert (made.connection_id, made.qonto_id, made.split_from, made.duplicate_of) == (None, None, first, None)
    assert (made.state, made.review_reason, made.eligibility) == ("in_review", "no_transaction_yet", "split")
    assert (made.number, made.amount_cents, made.issued_on, made.counterparty) == (
        "RE-4712", 4711, date(2026, 11, 3), "Druck AG",
    )  # fmt: skip
    assert (made.kind, made.direction, made.currency) == ("supplier_invoice", "expense", "EUR")
    after = desk.snapshot()
    assert made.sequence == 1 + max(one["sequence"] for one in before.values())
    assert {one: facts for one, facts in after.items() if one != made.id} == before
    with desk.ports.database.read() as session:
        rows = {
            row.receipt_id: row
            for row in session.scalars(
                select(Document).where(Document.sha256 == desk.books.document.sha256, Document.client_id == made.client_id)
            )
        }
        assert set(rows) == {first, made.id}
        assert rows[made.id].attachment_id is None
        papers = documenting.papers_of(session, made)
        assert papers.preview
        assert papers.preview.id == desk.books.preview.id
    assert [one.id for one in desk.files(made.id).same_file] == [first]
    assert [one.id for one in desk.files(first).same_file] == [made.id]
    assert desk.events(made.id) == [("receipt.split_off", first)]
    assert desk.events(first)[-1] == ("receipt.split", made.id)


def test_what_is_split_off_again_hangs_on_the_first_too(desk: Desk, first: str) -> None:
    made = desk.split(first)
    third = desk.split(made, Found("RE-4713", None, None, None))
    assert desk.receipt(third).split_from == first
    assert desk.receipt(third).review_reason == "amount_missing"
    assert [one.id for one in desk.files(first).same_file] == [made, third]


def test_a_minus_makes_a_credit_note(desk: Desk, first: str) -> None:
    assert desk.receipt(desk.split(first, Found(None, -500, None, None))).kind == "credit_note"


@pytest.mark.parametrize("found", [Found(None, None, date(2026, 1, 1), "X"), Found("re 2026 1001", 5, None, None)])
def test_nothing_to_tell_it_by_or_the_same_number_is_refused(desk: Desk, first: str, found: Found) -> None:
    before = desk.snapshot()
    with pytest.raises(Rejected):
        desk.split(first, found)
    assert desk.snapshot() == before


def test_without_a_file_or_with_an_own_receipt_there_is_nothing_to_split(desk: Desk, first: str) -> None:
    with pytest.raises(Rejected):
        desk.split(desk.books.receipts["no_transaction"].id)
    with desk.writing() as session:
        session.get_one(Receipt, first).kind = "own_receipt"
    with pytest.raises(Rejected):
        desk.split(first)


def test_the_same_form_sent_twice_splits_once(desk: Desk, first: str) -> None:
    desk.split(first, seen=1)
    with pytest.raises(Stale):
        desk.split(first, seen=1)
    assert sum(one["split_from"] == first for one in desk.snapshot().values()) == 1


def test_an_assigned_receipt_can_be_split_and_stays_assigned(desk: Desk) -> None:
    taken = desk.books.receipts["assigned"].id
    desk.split(taken)
    assert desk.receipt(taken).state == "assigned"


def test_its_undo_sets_it_aside_and_can_be_undone_itself(desk: Desk, first: str) -> None:
    made = desk.split(first)
    standing = desk.snapshot()
    desk.unsplit(made)
    aside = desk.receipt(made)
    assert (aside.state, aside.set_aside_reason, aside.merged_into) == ("set_aside", "not_split", None)
    assert desk.files(first).same_file == []
    assert desk.events(first)[-1] == ("receipt.split_undone", made)
    desk.reopen(made)
    assert desk.snapshot() == standing
    assert desk.events(first)[-1] == ("receipt.split", made)


def test_its_undo_is_refused_while_it_is_assigned_and_out_of_date(desk: Desk, first: str) -> None:
    made = desk.split(first)
    with pytest.raises(Stale):
        desk.unsplit(made, seen=99)
    with desk.writing() as session:
        line = desk.books.transactions[0]
        receipt = session.get_one(Receipt, made)
        assigning.assign(
            session, receipt=receipt, allocations=[assigning.Allocation(line.id, 4711)], seen_version=receipt.version,
            now=desk.ports.clock.now(),
        )  # fmt: skip
    with pytest.raises(Rejected, match="undo the assignment first"):
        desk.unsplit(made)
    with pytest.raises(NotFound):
        desk.unsplit(first)


def test_one_file_makes_no_copies_and_a_person_is_not_asked(desk: Desk, first: str) -> None:
    """Three equal tickets on one page: a person has said that they are three."""
    with desk.writing() as session:
        receipt = session.get_one(Receipt, first)
        receipt.number, receipt.review_reason = None, "no_transaction_yet"
        session.execute(delete(Candidate).where(Candidate.receipt_id == first))
    known = desk.receipt(first)
    equal = Found(None, known.amount_cents, known.issued_on, known.counterparty)
    tickets = [first, desk.split(first, equal), desk.split(first, equal)]
    desk.match()
    with desk.ports.database.read() as session:
        for one in tickets:
            receipt = session.get_one(Receipt, one)
            assert receipt.review_reason != "duplicate_suspected"
            assert not {other.id for other in comparing.copies(session, receipt)} & set(tickets)
        page = comparing.compare(session, desk.actor, tickets[1], tickets[2])
    assert (page.is_same_file, page.is_split, page.is_open) == (True, True, False)


@pytest.mark.parametrize("number", ["RE-2026-1001", "RE-5555"])
def test_it_is_matched_like_an_upload_by_its_number_alone(desk: Desk, number: str) -> None:
    """A transaction of 119.00 names RE-2026-1001, another says thanks only (L-42)."""
    with desk.writing() as session:
        session.execute(update(Receipt).where(Receipt.id == desk.books.receipts["open"].id).values(number="X-1", amount_cents=1))
        lines = desk.books.transactions[:2]
        session.execute(update(Transaction).where(Transaction.id.in_([one.id for one in lines])).values(is_indexed=False))
    made = desk.split(desk.books.receipts["assigned"].id, Found(number, 11900, desk.ports.clock.today(), "Holzhandel Weber GmbH"))
    desk.match()
    assert desk.receipt(made).state == ("assigned" if number == "RE-2026-1001" else "in_review")


def test_what_its_file_says_is_not_filled_in(desk: Desk, first: str) -> None:
    """The e-invoice in the file, and the words of its first page, are the first invoice's."""
    with desk.writing() as session:
        preview = session.get_one(Preview, desk.books.preview.id)
        preview.e_invoice = e_invoice.read(E_INVOICE).stored()
    made = desk.split(first, Found("RE-4712", None, None, None))
    with desk.writing() as session:
        e_invoicing.fill_gaps(session, desk.books.client.id, now=desk.ports.clock.now())
    with desk.ports.database.read() as session:
        receipt = session.get_one(Receipt, made)
        assert (receipt.amount_cents, receipt.due_on, receipt.filled) == (None, None, [])
        shown = documenting.papers_of(session, receipt).e_invoice
    assert shown
    assert (shown.differing, shown.not_on_paper) == ((), ())


# --- merging -------------------------------------------------------------------------------------------------------


def test_a_part_is_set_aside_and_its_files_are_shown_at_the_whole(desk: Desk, first: str) -> None:
    page = add(desk, 50, number=None, amount_cents=None, currency=None)
    before = desk.snapshot()
    desk.merge(page, first)
    part = desk.receipt(page)
    assert (part.state, part.set_aside_reason, part.merged_into) == ("set_aside", "merged", first)
    files = desk.files(first)
    assert [document.receipt_id for document, _ in files.own] == [first]
    assert [(one.receipt.id, one.document.receipt_id) for one in files.further] == [(page, page)]
    assert [one.id for one in files.parts] == [page]
    own = desk.files(page)
    assert own.whole
    assert own.whole.id == first
    assert [document.receipt_id for document, _ in own.own] == [page]
    assert desk.events(page)[-1] == ("receipt.set_aside", first)
    assert desk.events(first)[-1] == ("receipt.joined", page)
    desk.reopen(page)
    assert desk.snapshot() == before
    assert desk.files(first).further == []
    assert desk.events(page)[-1][0] == "receipt.reopened"
    assert desk.events(first)[-1] == ("receipt.parted", page)


def test_the_same_bytes_are_shown_once(desk: Desk, first: str) -> None:
    made = desk.split(first)
    desk.merge(made, first)
    files = desk.files(first)
    assert ([one.id for one in files.parts], files.further) == ([made], [])


def test_the_e_invoice_of_a_part_is_read_beside_the_whole(desk: Desk, first: str) -> None:
    xml = add(desk, 50, number="RE-2026-1001")
    with desk.writing() as session:
        document = session.scalars(select(Document).where(Document.receipt_id == xml)).one()
        session.add(
            Preview(
                client_id=document.client_id, sha256=document.sha256, media_type="application/xml", state="ready", page_keys=[],
                words=[], made_at=desk.ports.clock.now(), e_invoice=e_invoice.read(E_INVOICE).stored(),
            )
        )  # fmt: skip
    desk.merge(xml, first)
    with desk.ports.database.read() as session:
        shown = documenting.papers_of(session, session.get_one(Receipt, first)).e_invoice
    assert shown
    assert shown.document.receipt_id == xml


def test_an_assigned_receipt_may_be_the_whole_and_never_the_part(desk: Desk, first: str) -> None:
    taken = desk.books.receipts["assigned"].id
    with pytest.raises(AlreadyAssigned):
        desk.merge(taken, first)
    desk.merge(first, taken)
    assert desk.receipt(taken).state == "assigned"


def test_parts_have_no_parts_and_belong_to_what_counts(desk: Desk, first: str) -> None:
    whole, page = add(desk, 50), add(desk, 51)
    desk.merge(page, first)
    with pytest.raises(Rejected, match="Other receipts belong to this one"):
        desk.merge(first, whole)
    with pytest.raises(Rejected, match="does not count itself"):
        desk.merge(whole, page)
    made = desk.split(first)
    desk.merge(whole, made)
    with pytest.raises(Rejected, match="Other receipts belong to this one"):
        desk.unsplit(made)
    with pytest.raises(Rejected, match="Other receipts belong to this one"), desk.writing() as session:
        comparing.set_aside(
            session, desk.actor, first, made, seen_version=desk.receipt(first).version, now=desk.ports.clock.now()
        )
    assert desk.receipt(first).state == desk.receipt(made).state == "in_review"


def test_a_page_about_either_that_is_out_of_date_merges_nothing(desk: Desk, first: str) -> None:
    page = add(desk, 50)
    for seen, other in ((9, 1), (1, 9)):
        with pytest.raises(Stale):
            desk.merge(page, first, seen=seen, other=other)
    assert desk.receipt(page).state == "in_review"


def test_receipts_of_two_clients_or_one_with_itself_are_not_merged(desk: Desk, first: str) -> None:
    desk.actor = Actor(desk.world.admin.id, Role.ADMIN)  # sees both
    for other in (desk.world.theirs.receipts["open"].id, first):
        with pytest.raises(NotFound):
            desk.merge(first, other)


def test_what_differs_is_named_where_both_tell_it(desk: Desk) -> None:
    one = Receipt(kind="supplier_invoice", amount_cents=1, currency="EUR", counterparty="Druck AG", number="RE 1", issued_on=None)
    other = Receipt(
        kind="supplier_invoice", amount_cents=2, currency="CHF", counterparty="druck-ag", number="RE-1",
        issued_on=date(2026, 1, 1),
    )  # fmt: skip
    assert comparing.clashes(one, other) == ["amount_cents", "currency"]
    one.issued_on, other.counterparty, other.kind = date(2026, 1, 2), "Holz GmbH", "credit_note"
    assert comparing.clashes(one, other) == ["kind", "amount_cents", "currency", "counterparty", "issued_on"]


def test_a_merged_one_is_never_proposed_as_a_copy(desk: Desk, first: str) -> None:
    """The same file brought once more is a copy of the receipt that counts."""
    values = {"number": "RE-9", "amount_cents": 7777, "counterparty": "Druck AG"}
    page, whole, copy = add(desk, 50, **values), add(desk, 51), add(desk, 52, **values)
    desk.merge(page, whole)
    with desk.ports.database.read() as session:
        assert comparing.copies(session, session.get_one(Receipt, copy)) == []
    desk.match()
    assert desk.receipt(copy).review_reason != "duplicate_suspected"
    paper = Paper(pdf("Blatt 50"), Media.PDF, "Noch einmal.pdf")
    again = uploading.keep(desk.ports, desk.actor, client_id=desk.books.client.id, paper=paper, facts=Facts("expense", 1234))
    assert desk.receipt(again).duplicate_of == whole
    with desk.ports.database.read() as session:
        assert [one.id for one in comparing.copies(session, session.get_one(Receipt, again))] == [whole]


def test_a_copy_that_its_first_is_merged_into_is_suspected_no_longer(desk: Desk, first: str) -> None:
    paper = Paper(pdf("Rechnung RE-2026-1001"), Media.PDF, "Noch einmal.pdf")
    again = uploading.keep(desk.ports, desk.actor, client_id=desk.books.client.id, paper=paper, facts=Facts("expense", 1234))
    assert desk.receipt(again).duplicate_of == first
    desk.merge(first, again)
    desk.match()
    assert desk.receipt(again).review_reason != "duplicate_suspected"
    with desk.ports.database.read() as session:
        assert comparing.copies(session, session.get_one(Receipt, again)) == []


# --- both ----------------------------------------------------------------------------------------------------------


def test_nothing_that_a_sync_brings_undoes_either(story: Story) -> None:
    """The bank changes both invoices, and has a new file of one."""
    story.connect("documents")
    assert story.work("documents") == {"documents": "done"}
    rows = [story.bill(invoice_number=f"NEU-{number}") for number in (1, 2)]
    story.sync("documents", hours=1)
    first, page = (story.receipts()[row["id"]].id for row in rows)
    actor, now = Actor(new_id(), Role.ADMIN), story.clock.now()
    with story.ports.database.write() as session:
        made, _ = splitting.split(session, actor, first, OTHER, seen_version=session.get_one(Receipt, first).version, now=now)
        comparing.merge(
            session, actor, page, first, seen_version=session.get_one(Receipt, page).version,
            other_version=session.get_one(Receipt, first).version, now=now,
        )  # fmt: skip
        told = {column.key: getattr(made, column.key) for column in inspect(Receipt).column_attrs}
    for row in rows:
        story.bank.put_invoice(
            file=as_file(pdf(f"neue Fassung {row['id']}")), id=row["id"], total_amount={"value": "99.99", "currency": "EUR"}
        )
    assert story.sync("documents", hours=1).updated == 2
    receipts = {receipt.id: receipt for receipt in story.rows(select(Receipt))}
    assert receipts[first].amount_cents == receipts[page].amount_cents == 9999
    assert (receipts[page].state, receipts[page].set_aside_reason, receipts[page].merged_into) == ("set_aside", "merged", first)
    assert {column.key: getattr(receipts[made.id], column.key) for column in inspect(Receipt).column_attrs} == told
    assert [document.attachment_id for document in story.documents(receipts[made.id])] == [None]
    with story.ports.database.read() as session:
        files = documenting.papers_of(session, receipts[first]).files
    assert ([len(files.own), len(files.further)], [one.id for one in files.same_file]) == ([2, 2], [made.id])
    story.work("previews", "matching")
    story.check_books()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_nothing_is_lost_and_all_of_it_can_be_undone(desk: Desk, seed: int) -> None:
    """Random steps, each undone at once or in the end, the latest first: everything stands as before, plus what was set aside."""
    dice = random.Random(seed)
    for sequence in (50, 51, 52):
        add(desk, sequence)
    beginning = desk.snapshot()
    undos: list[tuple[Any, str, dict[str, dict[str, Any]]]] = []
    done: Counter[str] = Counter()
    for step in range(24):
        before = desk.snapshot()
        known = sorted(before, key=lambda one: before[one]["sequence"])
        one, other = dice.choice(known), dice.choice(known)
        try:
            match dice.choice(["split", "merge", "merge", "undo"]):
                case "split":
                    made = desk.split(one, Found(f"N-{step}", 100 + step, None, None))
                    undos.append((desk.unsplit, made, before))
                    done["split"] += 1
                case "merge":
                    desk.merge(one, other)
                    undos.append((desk.reopen, one, before))
                    done["merge"] += 1
                case "undo" if undos:
                    _undo(desk, *undos.pop())
                    done["undo"] += 1
        except (Conflict, Rejected, NotFound):
            assert desk.snapshot() == before
        _check(desk)
    assert done["split"] >= 1
    assert done["merge"] >= 1
    while undos:
        _undo(desk, *undos.pop())
        _check(desk)
    ended = desk.snapshot()
    assert {one: ended[one] for one in beginning} == beginning
    assert {facts["set_aside_reason"] for one, facts in ended.items() if one not in beginning} == {"not_split"}
    with desk.ports.database.read() as session:
        assert auditing.broken_links(session, key=desk.ports.settings.secret_key) == []


def _undo(desk: Desk, undo: Any, receipt_id: str, before: dict[str, dict[str, Any]]) -> None:
    undo(receipt_id)
    after = desk.snapshot()
    assert {one: after[one] for one in before} == before


def _check(desk: Desk) -> None:
    """Each receipt is in exactly one state, what is merged says where, and every document still is somewhere to be seen."""
    rows = desk.snapshot()
    for row in rows.values():
        assert (row["state"] == "set_aside") is (row["set_aside_reason"] is not None)
        assert (row["state"] == "in_review") is (row["review_reason"] is not None)
        assert (row["set_aside_reason"] == SetAsideReason.MERGED) is (row["merged_into"] is not None)
        if row["merged_into"]:
            assert rows[row["merged_into"]]["set_aside_reason"] not in assigning.COUNTED_ELSEWHERE
    with desk.ports.database.read() as session:
        held = set(session.scalars(select(Document.receipt_id).where(Document.client_id == desk.books.client.id)))
    assert held <= rows.keys()
