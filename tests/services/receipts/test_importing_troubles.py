"""An import while the bank misbehaves, a worker dies or the client disconnects."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import update

from jobs.runs import execute_run
from portal.models import Connection
from portal.services.connections import connecting
from tests.services.receipts.listing import digest
from tests.story import Story


def test_rows_of_another_organisation_are_refused_and_nothing_of_them_is_kept(imported: Story) -> None:
    """F13: the consent suddenly belongs to somebody else."""
    second = imported.bank.organizations()[1]
    before = digest(imported)
    imported.bill(organization_id=second["id"])
    run = imported.sync("documents", hours=1)
    connection = imported.connection("documents")
    assert (run.state, run.reason) == ("needs_person", "other_organization")
    assert (connection.state, connection.reason, connection.access_token) == ("action_needed", "other_organization", None)
    assert digest(imported) != ""
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
