"""Importing documents from the simulator: what is taken, what is skipped and why, and what a second run costs."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from jobs.runs import execute_run
from portal.domain.matching import Allocation
from portal.models import AuditEvent, Base, Connection, Document, Preview, Receipt, Run, SkippedInvoice
from portal.services.assignments import assigning
from portal.services.clients import engaging
from portal.services.connections import connecting
from portal.services.documents import documenting
from tests import factories
from tests.bank import as_file
from tests.story import Story

LISTS = ("/v2/supplier_invoices", "/v2/client_invoices", "/v2/credit_notes")


@pytest.fixture
def whole(story: Story) -> Story:
    """Connected, and the first import of everything has run."""
    story.bank.tell_all()
    story.connect("documents")
    assert story.work("documents") == {"documents": "done"}
    return story


@pytest.fixture
def imported(story: Story) -> Story:
    """The same of the story's last part."""
    story.connect("documents")
    assert story.work("documents") == {"documents": "done"}
    return story


def _money(cents: int) -> dict[str, str]:
    return {"value": f"{cents / 100:.2f}", "currency": "EUR"}


def _listed(story: Story) -> dict[str, dict[str, Any]]:
    """What the bank lists, read past the product: id → row with its list's name."""
    scope = "client_invoices.read supplier_invoice.read attachment.read"
    token = story.bank.tell("tokens", organization=None, scope=scope)["access_token"]
    found: dict[str, dict[str, Any]] = {}
    for path in LISTS:
        name, page = path.rsplit("/", 1)[1], 1
        while page:
            answer = story.bank.call(f"{path}?page={page}&per_page=100", token=token).json()
            found.update({row["id"]: {**row, "list": name} for row in answer[name]})
            page = answer["meta"]["next_page"]
    return found


def _digest(story: Story) -> str:
    """One hash over everything but the run log, times and tokens."""
    seen = hashlib.sha256()
    with story.ports.database.read() as session:
        for model in (Receipt, Document, Preview, SkippedInvoice):
            for row in session.execute(select(*[c for c in model.__table__.columns if c.key != "seen_at"]).order_by(model.id)):
                seen.update(repr(tuple(row)).encode())
        seen.update(
            str(session.scalar(select(func.count()).select_from(AuditEvent).where(~AuditEvent.tag.startswith("run.")))).encode()
        )
    return seen.hexdigest()


# --- the first import ----------------------------------------------------------------------------------------------


def test_what_the_rule_says_is_imported_and_everything_else_is_skipped_with_a_reason(whole: Story) -> None:
    """Decision 3, written down a second time over the bank's own rows."""
    start = whole.clock.today().replace(year=whole.clock.today().year - 1, month=1, day=1).isoformat()
    expected, reasons = set(), Counter()
    for row_id, row in _listed(whole).items():
        is_paid = row["list"] == "credit_notes" or row.get("status") == "paid"
        is_linked = bool(row.get("matched_transactions") or row.get("matched_transactions_ids"))
        days = [day for day in (row.get("issue_date"), row.get("payment_date"), (row.get("paid_at") or "")[:10]) if day]
        is_paper = row["list"] == "supplier_invoices" and not (row["is_attachment_invoice"] or row["is_credit_note"])
        is_in_scope = not days or max(days) >= start
        if not is_paper and (is_paid or is_linked) and row.get("status") != "draft" and is_in_scope:
            expected.add(row_id)
        else:
            reasons["no_invoice" if is_paper else "other"] += 1
    assert set(whole.receipts()) == expected
    run = whole.newest("documents")
    assert (run.state, run.new, run.updated, run.unchanged, run.failed) == ("done", len(expected), 0, 0, 0)
    assert run.total == run.seen == len(_listed(whole)) == run.new + sum(run.skipped.values())
    assert run.skipped["no_invoice"] == reasons["no_invoice"]
    assert {"not_paid", "draft", "canceled"} <= set(run.skipped)
    skipped = whole.rows(select(SkippedInvoice))
    assert Counter(row.reason for row in skipped) == Counter(run.skipped)
    assert {row.qonto_id for row in skipped} == set(_listed(whole)) - expected
    whole.check_books()


def test_every_document_is_stored_byte_for_byte(whole: Story) -> None:
    listed = _listed(whole)
    token = whole.bank.tell("tokens", organization=None, scope="attachment.read")["access_token"]
    for receipt in whole.receipts().values():
        wanted = {listed[receipt.qonto_id].get(name) for name in ("attachment_id", "display_attachment_id")} - {None}
        documents = whole.documents(receipt)
        assert {document.attachment_id for document in documents} == wanted
        assert receipt.document_state == ("complete" if wanted else "waiting")
        for document in documents:
            url = whole.bank.call(f"/v2/attachments/{document.attachment_id}", token=token).json()["attachment"]["url"]
            content = whole.bank.call(url).content
            assert document.sha256 == hashlib.sha256(content).hexdigest()
            assert whole.ports.storage.get(document.client_id, document.sha256) == content


def test_only_invoices_and_files_are_asked_for(story: Story) -> None:
    story.connect("documents")
    calls = story.bank.calls_of(lambda: story.work("documents"))
    assert {call["method"] for call in calls} == {"GET"}
    assert {call["path"] for call in calls if not call["path"].startswith(("/v2/attachments/", "/files/"))} == set(LISTS)
    assert {call["status"] for call in calls} == {200}


def test_an_xml_invoice_comes_with_its_readable_twin(whole: Story) -> None:
    found = whole.rows(select(Document).where(Document.media_type == "application/xml"))
    assert found
    receipt = whole.rows(select(Receipt).where(Receipt.id == found[0].receipt_id))[0]
    kinds = {document.media_type: document.is_preferred_view for document in whole.documents(receipt)}
    assert kinds == {"application/xml": False, "application/pdf": True}
    assert {document.version for document in whole.documents(receipt)} == {1}


def test_matching_and_previews_follow(whole: Story) -> None:
    assert whole.newest("matching").state == whole.newest("previews").state == "due"
    previews = whole.rows(select(Preview))
    assert {(p.media_type, p.state) for p in previews} <= {
        ("application/pdf", "due"), ("image/png", "due"), ("image/jpeg", "due"), ("application/xml", "due"),
    }  # fmt: skip


def test_credit_notes_are_negative(imported: Story) -> None:
    notes = [receipt for receipt in imported.receipts().values() if receipt.kind == "credit_note"]
    assert notes
    assert all(receipt.amount_cents is not None and receipt.amount_cents < 0 for receipt in notes)


def test_without_an_open_year_nothing_is_imported(story: Story) -> None:
    with story.ports.database.write() as session:
        for year in (story.clock.today().year, story.clock.today().year - 1):
            for kind in engaging.RETURNS:
                engaging.complete_return(
                    session, client_id=story.client.id, tax_year=year, kind=kind, on=story.clock.today(), now=story.clock.now()
                )
    story.connect("documents")
    story.work("documents")
    assert story.receipts() == {}
    assert "no_open_year" in story.newest("documents").skipped


# --- further runs --------------------------------------------------------------------------------------------------


def test_an_unchanged_next_run_is_a_handful_of_requests_and_changes_nothing(imported: Story) -> None:
    before = _digest(imported)
    runs: list[Run] = []
    calls = imported.bank.calls_of(lambda: runs.append(imported.sync("documents")))
    assert len([call for call in calls if call["path"] != "/oauth2/token"]) <= 4
    assert {call["path"] for call in calls} <= {*LISTS, "/oauth2/token"}
    assert (runs[0].state, runs[0].new, runs[0].updated) == ("done", 0, 0)
    assert _digest(imported) == before
    imported.check_books()


def test_ten_runs_are_like_one(imported: Story) -> None:
    before = _digest(imported)
    for _ in range(10):
        imported.sync("documents", minutes=10)
    assert _digest(imported) == before


def test_a_new_invoice_comes_with_the_next_run(imported: Story) -> None:
    row = imported.bill()
    run = imported.sync("documents", hours=1)
    assert (run.new, run.updated) == (1, 0)
    receipt = imported.receipts()[row["id"]]
    assert (receipt.number, receipt.amount_cents, receipt.currency) == ("NEU-2026-001", 4711, "EUR")
    assert receipt.document_state == "complete"


def test_a_skipped_invoice_is_looked_at_again_when_it_is_paid(imported: Story) -> None:
    row = imported.bill(status="to_pay", payment_date=None)
    assert imported.sync("documents", hours=1).skipped["not_paid"] >= 1
    assert row["id"] not in imported.receipts()
    imported.bank.put_invoice(id=row["id"], status="paid")
    imported.sync("documents", hours=1)
    assert row["id"] in imported.receipts()
    assert imported.rows(select(SkippedInvoice).where(SkippedInvoice.qonto_id == row["id"])) == []


@pytest.mark.parametrize(
    "change",
    [
        {"total_amount": _money(4712)},
        {"status": "to_pay"},
        {"invoice_number": "NEU-2026-002"},
        {"supplier_name": "Ganz andere AG"},
    ],
)
def test_a_material_change_takes_an_assigned_receipt_back_to_a_person(imported: Story, change: dict[str, Any]) -> None:
    row = _assigned(imported)
    imported.bank.put_invoice(id=row["id"], **change)
    run = imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert run.updated == 1
    assert (receipt.state, receipt.review_reason, receipt.is_changed_at_source) == ("in_review", "source_changed", True)
    assert imported.work("matching") == {"matching": "done"}
    assert imported.receipts()[row["id"]].review_reason == "source_changed"  # the machine may not decide this one
    imported.check_books()


def test_a_harmless_change_leaves_the_assignment(imported: Story) -> None:
    row = _assigned(imported)
    due_on = imported.clock.today()
    imported.bank.put_invoice(id=row["id"], due_date=due_on.isoformat(), description="egal")
    imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert (receipt.state, receipt.due_on) == ("assigned", due_on)


def test_a_new_file_is_a_further_version_and_the_older_one_stays(imported: Story) -> None:
    row = _assigned(imported)
    old = imported.documents(imported.receipts()[row["id"]])
    imported.bank.put_invoice(file=as_file(factories.pdf("neue Fassung")), id=row["id"])
    imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    documents = imported.documents(receipt)
    assert [document.version for document in documents] == [1, 2]
    assert documents[0].sha256 == old[0].sha256
    assert imported.ports.storage.get(receipt.client_id, documents[1].sha256) == factories.pdf("neue Fassung")
    assert (receipt.state, receipt.review_reason) == ("in_review", "source_changed")
    imported.check_books()


def test_nothing_is_deleted_because_the_bank_no_longer_lists_it(imported: Story) -> None:
    row = imported.bill()
    imported.sync("documents", hours=1)
    imported.bank.tell("supplier_invoices", organization=None, supplier_invoice={"id": row["id"]}, hidden=True)
    imported.sync("documents", hours=1)
    assert imported.receipts()[row["id"]].document_state == "complete"


def test_commissioning_an_earlier_year_lists_everything_again(story: Story) -> None:
    story.bank.tell_all()
    today = story.clock.today()
    with story.ports.database.write() as session:
        for kind in engaging.RETURNS:
            engaging.complete_return(
                session, client_id=story.client.id, tax_year=today.year - 1, kind=kind, on=today, now=story.clock.now()
            )
    story.connect("documents")
    story.work("documents")
    few = len(story.receipts())
    assert "before_period" in story.newest("documents").skipped
    with story.ports.database.write() as session:
        engaging.commission(session, client_id=story.client.id, tax_year=today.year - 2, on=today, now=story.clock.now())
    story.sync("documents")
    assert len(story.receipts()) > few
    assert story.newest("documents").skipped.get("before_period", 0) == 0


# --- files that cannot be had --------------------------------------------------------------------------------------


@pytest.mark.fault("F60")
def test_a_missing_file_heals(imported: Story) -> None:
    imported.work("matching")
    row = imported.bill()
    imported.bank.fault("gone", match={"path": f"/v2/attachments/{row['attachment_id']}"})
    run = imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert (run.state, run.failed, run.reason) == ("waiting", 1, "files_missing")
    assert (receipt.document_state, receipt.document_problem, receipt.document_tries) == ("fetching", "gone", 1)
    imported.work("matching")
    imported.bank.heal()
    imported.bank.move(minutes=6)
    assert imported.work("documents") == {"documents": "done"}
    assert imported.receipts()[row["id"]].document_state == "complete"
    assert imported.newest("matching").state == "due"  # a receipt with its file may be assigned now
    imported.check_books()


@pytest.mark.parametrize("found_by", ["a download", "the preview"])
def test_a_file_that_the_store_damaged_is_fetched_again(imported: Story, found_by: str) -> None:
    imported.work("matching")
    receipt = next(one for one in imported.receipts().values() if one.document_state == "complete" and one.attachments)
    document = next(one for one in imported.rows(select(Document)) if one.receipt_id == receipt.id)
    storage, path = imported.ports.storage, imported.ports.settings.data_dir / "documents" / document.client_id
    stored = path / document.sha256[:2] / document.sha256
    stored.chmod(0o640)
    stored.write_bytes(b"something else")
    if found_by == "a download":
        with imported.ports.database.write() as session:
            documenting.note_damage(session, client_id=document.client_id, sha256=document.sha256, now=imported.clock.now())
    else:
        imported.work("previews")
        pictures = imported.rows(select(Preview).where(Preview.sha256 == document.sha256))
        assert [(one.state, one.reason) for one in pictures] == [("impossible", "broken")]
    problem = imported.receipts()[receipt.qonto_id]
    assert (problem.document_state, problem.document_problem) == ("fetching", "damaged")
    imported.sync("documents", hours=1)
    healed = imported.receipts()[receipt.qonto_id]
    assert (healed.document_state, healed.document_problem) == ("complete", None)
    assert hashlib.sha256(storage.get(document.client_id, document.sha256)).hexdigest() == document.sha256
    assert len([one for one in imported.rows(select(Document)) if one.receipt_id == receipt.id]) == len(receipt.attachments)
    imported.work("previews")
    assert imported.rows(select(Preview).where(Preview.sha256 == document.sha256, Preview.state == "ready"))
    imported.check_books()


def test_a_file_that_never_comes_stops_holding_the_run_up_and_is_tried_daily(imported: Story) -> None:
    row = imported.bill()
    imported.bank.fault("gone", match={"path": f"/v2/attachments/{row['attachment_id']}"})
    states = [imported.sync("documents", hours=1).state]
    for _ in range(2):
        imported.bank.move(hours=5)
        imported.work("documents")
        states.append(imported.newest("documents").state)
    assert states == ["waiting", "waiting", "done"]
    asked = imported.bank.calls_of(lambda: imported.sync("documents", days=10))
    assert sum(call["path"].endswith(row["attachment_id"]) for call in asked) >= 1
    imported.bank.heal()
    imported.sync("documents")
    assert imported.receipts()[row["id"]].document_state == "complete"


def test_a_late_twin_is_still_the_preferred_view(story: Story) -> None:
    """The readable version of an XML invoice comes a run later than the original."""
    story.bank.tell_all()
    story.connect("documents")
    listed = [row for row in _listed(story).values() if row.get("display_attachment_id") not in {None, row.get("attachment_id")}]
    row = next(row for row in listed if row["status"] == "paid" or row["matched_transactions"])
    story.bank.fault("gone", match={"path": f"/v2/attachments/{row['display_attachment_id']}"})
    story.work("documents")
    story.bank.heal()
    story.bank.move(minutes=6)
    story.work("documents")
    found = {document.attachment_id: document.is_preferred_view for document in story.documents(story.receipts()[row["id"]])}
    assert found == {row["attachment_id"]: False, row["display_attachment_id"]: True}


@pytest.mark.parametrize(
    ("fault", "arguments", "problem", "state"),
    [
        ("short_file", {"size": 0}, "empty", "fetching"),
        ("short_file", {}, "short_file", "fetching"),
        ("huge", {"bytes": 60 * 1024 * 1024}, "too_big", "failed"),
    ],
)
def test_bad_files_are_named(imported: Story, fault: str, arguments: dict[str, Any], problem: str, state: str) -> None:
    row = imported.bill()
    imported.bank.fault(fault, match={"path": "/files/*"}, **arguments)
    imported.sync("documents", hours=1)
    receipt = imported.receipts()[row["id"]]
    assert (receipt.document_problem, receipt.document_state) == (problem, state)
    assert imported.documents(receipt) == []
    imported.check_books()


def test_what_is_no_pdf_is_kept_but_never_pictured(imported: Story) -> None:
    row = imported.bank.put_invoice(
        file=as_file(b"<html><script>alert(1)</script></html>"), status="paid", invoice_number="HTML-1", total_amount=_money(100),
        issue_date=imported.clock.today().isoformat(),
    )  # fmt: skip
    imported.sync("documents", hours=1)
    document = imported.documents(imported.receipts()[row["id"]])[0]
    assert (document.media_type, document.file_name) == ("application/octet-stream", "rechnung.pdf.bin")
    preview = imported.rows(select(Preview).where(Preview.sha256 == document.sha256))[0]
    assert (preview.state, preview.reason) == ("impossible", "type")


def test_a_year_that_is_opened_in_the_middle_of_a_run_is_fetched_whole(story: Story) -> None:
    """The run had read a list already: it begins again, else the older invoices of that list would be missing."""
    this = story.clock.today().year
    with story.ports.database.write() as session:
        for kind in engaging.RETURNS:
            engaging.complete_return(
                session, client_id=story.client.id, tax_year=this - 1, kind=kind, on=story.clock.today(), now=story.clock.now()
            )
    old = story.bill(issue_date=f"{this - 1}-05-05", payment_date=f"{this - 1}-05-06")
    story.connect("documents")
    story.work("documents")
    assert old["id"] not in story.receipts()
    story.bank.fault("5xx", match={"path": "/v2/client_invoices"})
    run = story.sync("documents", hours=1)
    assert (run.state, run.cursor["phase"]) == ("waiting", 1)
    with story.ports.database.write() as session:
        kind = engaging.RETURNS[0]
        engaging.reopen_return(session, client_id=story.client.id, tax_year=this - 1, kind=kind, now=story.clock.now())
    story.bank.heal()
    story.bank.move(minutes=6)
    story.work("documents")
    assert story.run(run.id).state == "done"
    assert old["id"] in story.receipts()
    story.check_books()


# --- the bank misbehaves -------------------------------------------------------------------------------------------


def test_rows_of_another_organisation_are_refused_and_nothing_of_them_is_kept(imported: Story) -> None:
    """F13: the consent suddenly belongs to somebody else."""
    second = imported.bank.organizations()[1]
    before = _digest(imported)
    imported.bill(organization_id=second["id"])
    run = imported.sync("documents", hours=1)
    connection = imported.connection("documents")
    assert (run.state, run.reason) == ("needs_person", "other_organization")
    assert (connection.state, connection.reason, connection.access_token) == ("action_needed", "other_organization", None)
    assert _digest(imported) != ""
    assert all(receipt.client_id == imported.client.id for receipt in imported.receipts().values())
    assert len(imported.receipts()) == len({*imported.receipts()})
    assert "NEU-2026-001" not in {receipt.number for receipt in imported.receipts().values()}
    assert before


def test_an_organisation_learned_late_must_still_be_nobody_elses(story: Story) -> None:
    """A consent whose lists were empty at first: whose it is, is only known from the first rows."""
    story.connect("documents")
    story.work("documents")
    other = Story.begin(story.ports, story.bank, story.clock, number="10043")
    other.connect("documents", organization=story.bank.organizations()[1]["id"])
    with story.ports.database.write() as session:  # as if nothing had been listed when each of them connected
        session.execute(update(Connection).where(Connection.client_id == other.client.id).values(organization_id=None))
        session.execute(
            update(Connection)
            .where(Connection.client_id == story.client.id)
            .values(organization_id=story.bank.organizations()[1]["id"])
        )
    other.work("documents")
    assert other.receipts() == {}
    assert (other.connection("documents").state, other.connection("documents").reason) == ("action_needed", "other_organization")


@pytest.mark.fault("F30", "F31", "F33")
@pytest.mark.parametrize("fault", ["dup_across_pages", "insert_during_paging", "loop", "meta_wrong"])
def test_pages_that_move_lose_and_double_nothing(story: Story, fault: str) -> None:
    for number in range(130):
        story.bill(invoice_number=f"VIEL-{number}", id=f"00000000-0000-4000-8000-{number:012d}")
    story.connect("documents")
    story.bank.fault(fault, match={"path": "/v2/supplier_invoices"})
    story.work("documents")
    story.bank.heal()
    story.sync("documents")
    numbers = Counter(receipt.number for receipt in story.receipts().values())
    assert all(numbers[f"VIEL-{number}"] == 1 for number in range(130))
    story.check_books()


def test_an_unreadable_row_is_set_aside_and_the_others_go_on(imported: Story) -> None:
    bad = imported.bill(invoice_number="KAPUTT", status=None)
    good = imported.bill(invoice_number="HEIL")
    run = imported.sync("documents", hours=1)
    assert (run.state, run.skipped["unreadable"]) == ("done", 1)
    assert good["id"] in imported.receipts()
    assert bad["id"] not in imported.receipts()


def test_strange_texts_are_stored_or_set_aside_never_fatal(story: Story) -> None:
    story.connect("documents")
    texts = ["😀" * 50, "\u202egnp.exe", "a\x00b", "x" * 10_000, "=cmd()|'/c calc'!A1", "<script>alert(1)</script>"]
    ids = [story.bill(supplier_name=words, invoice_number=words[:40])["id"] for words in texts]
    assert story.work("documents")["documents"] == "done"
    assert set(ids) <= set(story.receipts())
    story.check_books()


def test_a_bank_that_is_away_makes_the_run_wait(imported: Story) -> None:
    imported.bank.fault("5xx", match={"path": "/v2/*"})
    run = imported.sync("documents")
    assert (run.state, run.failures) == ("waiting", 1)
    assert run.next_attempt_at is not None
    imported.bank.heal()
    imported.bank.move(minutes=6)
    imported.work("documents")
    assert imported.run(run.id).state == "done"


def test_a_dead_workers_import_goes_on_and_ends_with_the_right_numbers(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies after the supplier invoices; another takes the run over when the lease has lapsed."""

    class Died(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Died

    story.connect("documents")
    run = story.newest("documents")
    story.bank.fault("hang", match={"path": "/v2/client_invoices"}, times=1, seconds=0)
    died = story.ports.qonto.client_invoices
    object.__setattr__(story.ports, "qonto", _Dying(story.ports.qonto, Died))
    with pytest.raises(Died):
        execute_run(story.ports, run.id)
    object.__setattr__(story.ports, "qonto", story.ports.qonto.inner)
    assert story.run(run.id).state == "leased"
    assert story.receipts()
    assert died
    story.bank.move(minutes=2)
    assert story.work("documents") == {"documents": "done"}
    ended = story.run(run.id)
    assert (ended.recoveries, ended.new, ended.updated, ended.unchanged) == (1, len(story.receipts()), 0, 0)
    assert ended.total == ended.seen
    story.check_books()


class _Dying:
    """The bank's door of a process that is killed when it first asks for client invoices."""

    def __init__(self, inner: Any, death: type[BaseException]) -> None:
        self.inner, self._death = inner, death

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def client_invoices(self, *_: Any, **__: Any) -> Any:
        raise self._death


def test_a_disconnect_stops_a_running_import_at_its_next_page(story: Story) -> None:
    story.connect("documents")
    run = story.newest("documents")

    class Disconnecting(_Dying):
        def client_invoices(self, *args: Any, **kwargs: Any) -> Any:
            page = self.inner.client_invoices(*args, **kwargs)
            object.__setattr__(story.ports, "qonto", self.inner)
            connecting.disconnect(story.ports, actor=story.actor, connection_id=story.connection("documents").id)
            return page

    object.__setattr__(story.ports, "qonto", Disconnecting(story.ports.qonto, BaseException))
    execute_run(story.ports, run.id)
    ended = story.run(run.id)
    assert (ended.state, ended.reason) == ("done", "disconnected")
    assert story.receipts()
    assert not [receipt for receipt in story.receipts().values() if receipt.kind == "client_invoice"]
    story.check_books()


# --- what is never read --------------------------------------------------------------------------------------------


def test_notes_tags_and_categories_never_reach_the_database(story: Story) -> None:
    """Sentinels in every field that belongs to the client's own notes."""
    sentinel = "SENTINEL-d41d8c"
    story.bill(
        description=sentinel, declined_note=sentinel, note=sentinel, tags=[sentinel], labels=[{"name": sentinel}],
        category=sentinel, meta={"note": sentinel}, approval_workflow={"note": sentinel},
    )  # fmt: skip
    story.bank.put_transaction(
        amount_cents=4711, label="Neuer Lieferant", note=sentinel, category=sentinel, label_ids=[sentinel],
        cashflow_category={"name": sentinel}, cashflow_subcategory={"name": sentinel},
    )  # fmt: skip
    story.connect("documents")
    story.connect("bank")
    story.work("documents", "bank", "matching")
    assert "NEU-2026-001" in {receipt.number for receipt in story.receipts().values()}
    with story.ports.database.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(text(f'SELECT * FROM "{table.name}"')):
                assert sentinel not in repr(tuple(row)), table.name


def _assigned(story: Story) -> dict[str, Any]:
    """A paid invoice that is imported and assigned to a transaction."""
    row = story.bill()
    story.sync("documents", hours=1)
    receipt = story.receipts()[row["id"]]
    now = story.clock.now()
    with story.ports.database.write() as session:
        link = factories.connection(session, story.client, "bank", now=now)
        account = factories.bank_account(session, story.client, link, now=now)
        line = factories.transaction(session, account, "t-1", 4711, now=now, remittance="NEU-2026-001")
        own = session.get_one(Receipt, receipt.id)
        assigning.assign(session, receipt=own, allocations=[Allocation(line.id, 4711)], seen_version=own.version, now=now)
    story.work("matching")
    assert story.receipts()[row["id"]].state == "assigned"
    return row
