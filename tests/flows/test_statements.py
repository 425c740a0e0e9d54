"""Bank history from files beside the bank itself: whatever the order, each booked movement is here once, true twins twice."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from portal.clock import berlin_day
from portal.errors import Rejected
from portal.models import Assignment, AuditEvent, BankAccount, Statement, Transaction
from portal.services.accounts import statements
from portal.services.accounts.statements import Fate
from portal.services.assignments import assigning
from portal.services.connections import connecting
from portal.simulator.clock import moment_of
from tests.flows.reading import Reader
from tests.story import Story

Key = tuple[date, str, int]


def account(story: Story) -> BankAccount:
    """The one with the most movements."""
    found = Counter(row.bank_account_id for row in story.rows(select(Transaction)))
    return story.rows(select(BankAccount).where(BankAccount.id == found.most_common(1)[0][0]))[0]


def id_at_the_bank(story: Story, of: BankAccount) -> str:
    """The bank's own, whatever it tells us it was."""
    known = story.bank.app.extensions["simulator"].organizations[0]
    return str(next(row["id"] for row in known.accounts.values() if row["iban"] == of.iban))


def at_the_bank(story: Story, of: BankAccount) -> list[dict[str, Any]]:
    """Every booked movement of the account, as the bank has it."""
    known = story.bank.app.extensions["simulator"].organizations[0]
    return [
        row for row in known.tables["transactions"].values()
        if row["bank_account_id"] == id_at_the_bank(story, of) and row["status"] == "completed"
    ]  # fmt: skip


def written(rows: list[dict[str, Any]], *, has_ids: bool) -> bytes:
    """An export of these rows: German without ids, or the bank's own in English."""
    out = io.StringIO()
    if has_ids:
        writer = csv.writer(out)
        writer.writerow(
            ["Status", "Settlement date (UTC)", "Total amount (incl. VAT)", "Currency", "Counterparty name", "Transaction ID"]
        )
        for row in rows:
            sign = "" if row["side"] == "credit" else "-"
            settled = moment_of(row["settled_at"]).strftime("%Y-%m-%d %H:%M:%S")
            cents = f"{sign}{row['amount_cents'] // 100}.{row['amount_cents'] % 100:02}"
            writer.writerow(["settled", settled, cents, row["currency"], row["label"].upper(), row["id"]])
    else:
        writer = csv.writer(out, delimiter=";")
        writer.writerow(["Buchungstag", "Betrag", "Empfänger", "Verwendungszweck"])
        for row in rows:
            sign = "" if row["side"] == "credit" else "-"
            cents = f"{sign}{row['amount_cents'] // 100},{row['amount_cents'] % 100:02}"
            writer.writerow([berlin_day(moment_of(row["settled_at"])).strftime("%d.%m.%Y"), cents, row["label"][:20], "SEPA"])
    return out.getvalue().encode()


def bring(story: Story, to: BankAccount, content: bytes) -> str:
    return statements.bring(story.ports, story.actor, account_id=to.id, file_name="umsaetze.csv", file=io.BytesIO(content))


def take_in(story: Story, to: BankAccount, content: bytes) -> None:
    """Where there is anything new."""
    statement_id = bring(story, to, content)
    if statements.outlook(story.ports, story.actor, statement_id).counts.get("new"):
        statements.take_in(story.ports, story.actor, statement_id)


def counted(rows: list[dict[str, Any]]) -> Counter[Key]:
    return Counter((berlin_day(moment_of(row["settled_at"])), row["side"], row["amount_cents"]) for row in rows)


def here(story: Story, of: BankAccount) -> Counter[Key]:
    booked = select(Transaction).where(Transaction.bank_account_id == of.id, Transaction.status == "booked")
    return Counter((row.booked_on, row.side, row.amount_cents) for row in story.rows(booked))


def in_euros(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["currency"] == "EUR" and row["amount_cents"] > 0]


STEP = st.one_of(
    st.just(("sync",)),
    st.tuples(st.just("file"), st.booleans(), st.integers(0, 400), st.integers(1, 400)),
    st.just(("reconnect",)),
    st.just(("new ids",)),
    st.just(("twins",)),
    st.just(("late",)),
    st.just(("pending",)),
    st.tuples(st.sampled_from(["renamed", "another amount", "reversed"]), st.integers(0, 1000)),
    st.tuples(st.just("file"), st.booleans(), st.just(400), st.just(400)),
)


def happens(story: Story, to: BankAccount, step: tuple[Any, ...]) -> None:
    """Something at the bank or on the way to it. What changes its amount is a row that the bank has told itself already."""
    bank, now = story.bank, story.clock.now()
    match step[0]:
        case "sync":
            story.sync("bank", hours=1)
        case "reconnect":
            connecting.disconnect(story.ports, actor=story.actor, connection_id=story.connection("bank").id)
            bank.move(days=5)
            story.connect("bank")
            story.work("bank")
        case "new ids":
            bank.fault("ids_changed")
            happens(story, to, ("reconnect",))
        case "twins":
            for _ in range(2):
                bank.put_transaction(amount_cents=380, label="Kaffeebar", bank_account_id=id_at_the_bank(story, to))
        case "late":
            settled = (now - timedelta(days=33)).isoformat()
            bank.put_transaction(
                amount_cents=1999, bank_account_id=id_at_the_bank(story, to), settled_at=settled, emitted_at=settled
            )
        case "pending":
            row = bank.put_transaction(
                amount_cents=4242, bank_account_id=id_at_the_bank(story, to), status="pending", settled_at=None
            )
            story.sync("bank", hours=1)
            bank.put_transaction(id=row["id"], status="completed", settled_at=story.clock.now().isoformat())
        case change:
            told = select(Transaction.qonto_id).where(
                Transaction.bank_account_id == to.id, Transaction.status == "booked", Transaction.statement_id.is_(None)
            )
            ids = sorted(story.rows(told))
            values = {
                "renamed": {"label": "Anders GmbH"}, "another amount": {"amount_cents": 7700 + step[1]},
                "reversed": {"status": "reversed"},
            }[change]  # fmt: skip
            if ids:
                bank.put_transaction(id=ids[step[1] % len(ids)], **values)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEP, min_size=1, max_size=7))
def test_any_order_of_files_and_syncs_ends_with_what_the_bank_has(connected: Story, steps: list[tuple[Any, ...]]) -> None:
    """Overlapping files with and without ids, syncs, being away, new ids of the accounts, equal coffees, what comes late, changes or
    is taken back: at the end each booked movement once.
    """
    story = connected
    to = account(story)
    for step in steps:
        story.bank.move(hours=1)
        if step[0] != "file":
            happens(story, to, step)
            continue
        _, has_ids, ago, length = step
        last = story.clock.today() - timedelta(days=400 - ago)
        first = last - timedelta(days=length)
        rows = [row for row in in_euros(at_the_bank(story, to)) if first <= berlin_day(moment_of(row["settled_at"])) <= last]
        if rows:
            take_in(story, to, written(rows, has_ids=has_ids))
    take_in(story, to, written(in_euros(at_the_bank(story, to)), has_ids=False))
    story.sync("bank", days=8)
    assert here(story, to) == counted(at_the_bank(story, to))
    assert story.newest("bank").reason == ""


@pytest.mark.parametrize("has_ids", [True, False])
def test_the_file_first_or_the_bank_first_ends_the_same(story: Story, has_ids: bool) -> None:
    story.connect("bank")
    to = story.rows(select(BankAccount).where(BankAccount.is_chosen).order_by(BankAccount.name))[0]
    rows = in_euros(at_the_bank(story, to))
    take_in(story, to, written(rows, has_ids=has_ids))
    story.settle()
    file_first = here(story, to)
    take_in(story, to, written(rows, has_ids=has_ids))
    assert here(story, to) == file_first == counted(at_the_bank(story, to))


def test_the_preview_tells_new_known_and_flawed_before_anything_is_imported(connected: Story) -> None:
    """L-58; what it told is what happens, and a line that looks known can be brought all the same."""
    to, rows = account(connected), in_euros(at_the_bank(connected, account(connected)))
    known = sum(here(connected, to).values())
    content = written(rows, has_ids=False) + b"31.02.2026;-1,00;A;B\n"
    statement_id = bring(connected, to, content)
    found = statements.outlook(connected.ports, connected.actor, statement_id)
    assert (found.counts["flawed"], found.counts["known"]) == (1, known)
    assert found.counts["new"] == len(rows) - known
    assert sum(here(connected, to).values()) == known
    line = found.rows[Fate.KNOWN.value][0].line
    statements.take_in(connected.ports, connected.actor, statement_id, anyway=[line])
    assert sum(here(connected, to).values()) == len(rows) + 1
    with pytest.raises(Rejected):
        statements.take_in(connected.ports, connected.actor, statement_id)


def test_an_import_is_undone_as_a_whole_while_nothing_of_it_is_assigned(connected: Story) -> None:
    to = account(connected)
    before = here(connected, to)
    rows = in_euros(at_the_bank(connected, to))
    statement_id = bring(connected, to, written(rows, has_ids=True))
    statements.take_in(connected.ports, connected.actor, statement_id)
    connected.settle()
    with connected.ports.database.write() as session:
        mine = select(Transaction.id).where(Transaction.statement_id == statement_id)
        standing = list(
            session.scalars(select(Assignment).where(Assignment.transaction_id.in_(mine), Assignment.withdrawn_at.is_(None)))
        )
    if standing:
        with pytest.raises(Rejected), connected.ports.database.write() as session:
            statements.undo(session, session.get_one(Statement, statement_id), now=connected.clock.now())
        for receipt_id in {assignment.receipt_id for assignment in standing}:
            with connected.ports.database.write() as session:
                receipt = next(iter(r for r in connected.receipts().values() if r.id == receipt_id))
                assigning.withdraw(session, receipt=session.merge(receipt), now=connected.clock.now())
    with connected.ports.database.write() as session:
        statements.undo(session, session.get_one(Statement, statement_id), now=connected.clock.now())
    assert here(connected, to) == before
    again = bring(connected, to, written(rows, has_ids=True))
    assert statements.outlook(connected.ports, connected.actor, again).counts["new"] == len(rows) - sum(before.values())
    statements.take_in(connected.ports, connected.actor, again)
    assert here(connected, to) == counted(rows)
    connected.sync("bank", days=8)
    assert here(connected, to) == counted(at_the_bank(connected, to))
    tags = {event.tag for event in connected.rows(select(AuditEvent).where(AuditEvent.tag.like("statement.%")))}
    assert tags == {"statement.brought", "statement.imported", "statement.undone"}


def test_columns_that_were_named_once_are_remembered(connected: Story, reader: Reader) -> None:
    to, content = account(connected), b"Quand;Combien;Qui\n05.01.2026;-1,00;A\n"
    browser = reader.browser(connected.owner)
    answer = browser.post(f"/finances/accounts/{to.id}/statements", {"file": (io.BytesIO(content), "releve.csv")})
    assert answer.status_code == 303
    path = answer.location.removeprefix("http://127.0.0.1:5050")
    assert "Which column holds what?" in browser.page(path).words
    assert browser.post(f"{path}/columns", {"booked": "", "amount": "1"}).status_code == 422
    browser.post(f"{path}/columns", {"booked": "0", "amount": "1", "counterparty": "2"})
    assert "Import 1 transaction" in browser.page(path).words
    assert browser.post(f"{path}/import").status_code == 303
    assert "1 transaction imported." in browser.page(path).words
    answer = browser.post(
        f"/finances/accounts/{to.id}/statements", {"file": (io.BytesIO(content + b"06.01.2026;-2,00;B\n"), "b.csv")}
    )
    assert "Import 1 transaction" in browser.page(answer.location.removeprefix("http://127.0.0.1:5050")).words


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\0\0", b"kein Wort davon\n", b"\xff\xfe\x00"])
def test_what_is_no_table_is_said_beside_the_field(connected: Story, reader: Reader, content: bytes) -> None:
    to, browser = account(connected), reader.browser(connected.owner)
    answer = browser.post(f"/finances/accounts/{to.id}/statements", {"file": (io.BytesIO(content), "umsatz.csv")})
    assert answer.status_code == 422
    assert connected.rows(select(Statement)) == []


def test_the_gap_is_asked_for_precisely_and_closes(connected: Story) -> None:
    """L-56: from the start of the earliest open year to the day before the bank's own history."""
    to = account(connected)
    with connected.ports.database.read() as session:
        page = statements.history(session, connected.actor, to.id, today=connected.clock.today())
    assert page.first_on is not None
    ((first, last),) = page.holes
    assert (first, last) == (page.first_on, to.start_on - timedelta(days=1))
    middle = first + timedelta(days=40)
    for begin, end in ((first, middle), (middle + timedelta(days=3), last)):
        take_in(connected, to, f"Buchungstag;Betrag\n{begin:%d.%m.%Y};-1,00\n{end:%d.%m.%Y};-2,00\n".encode())
    with connected.ports.database.read() as session:
        page = statements.history(session, connected.actor, to.id, today=connected.clock.today())
    assert page.holes == [(middle + timedelta(days=1), middle + timedelta(days=2))]
    take_in(connected, to, f"Buchungstag;Betrag\n{middle:%d.%m.%Y};-3,00\n{middle + timedelta(days=2):%d.%m.%Y};-3,00\n".encode())
    with connected.ports.database.read() as session:
        assert statements.history(session, connected.actor, to.id, today=connected.clock.today()).holes == []
