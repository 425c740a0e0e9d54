"""Missing receipts: by month, answered in the row, taken back in the row, printed; for clients and staff alike (P-45, P-65)."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from portal.clock import FixedClock
from portal.models import BankAccount, Document, Explanation, Receipt, Transaction
from portal.ports import Ports
from portal.services.clients.listing import PAGE_SIZE
from tests import factories
from tests.factories import Books, World, pdf
from tests.test_own_receipt import text_of
from tests.web.visitor import HTMX, Visit, fingerprint


def add(ports: Ports, books: Books, clock: FixedClock, cents: int, on: str, **values: object) -> Transaction:
    """One more transaction without a receipt."""
    with ports.database.write() as session:
        account = session.get_one(BankAccount, books.account.id)
        settled_at = datetime.fromisoformat(on).replace(tzinfo=UTC)
        return factories.transaction(
            session, account, f"{on}-{cents}", cents, now=clock.now(), settled_at=settled_at, **{"counterparty": f"Laden {cents}", **values}
        )  # fmt: skip


def standing(ports: Ports, line: Transaction) -> list[tuple[str, str, str]]:
    with ports.database.read() as session:
        query = select(Explanation).where(Explanation.transaction_id == line.id, Explanation.withdrawn_at.is_(None))
        return [(one.reason, one.note, one.actor) for one in session.scalars(query)]


def test_it_is_grouped_by_month_with_counts_and_sums(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    add(ports, world.ours, clock, 1000, "2026-10-31T12:00")
    add(ports, world.ours, clock, 250, "2026-10-01T12:00", side="credit")
    add(ports, world.ours, clock, 77, "2024-12-31T12:00")  # before the period
    words = visit(world.ours.owner).page("/receipts/missing").words
    assert "November 2026 2 transactions −€238.00" in words
    assert "October 2026 2 transactions −€7.50" in words
    assert "Open sum −€245.50" in words
    assert "Still missing 4 Lost 0 No receipt needed 1 All without a receipt 5" in words
    assert "6 transactions: 1 with a receipt, 4 still missing, 0 lost, 1 need none." in words
    assert "Laden 77" not in words


def test_it_is_filtered_and_the_address_says_by_what(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    add(ports, world.ours, clock, 1000, "2026-10-31T12:00", remittance="Übernachtung")
    visitor = visit(world.ours.owner)
    for query, names in (
        ("", {"Holzhandel Weber", "Laden 1000"}),
        ("month=2026-10", {"Laden 1000"}),
        ("month=2026-13", {"Holzhandel Weber", "Laden 1000"}),
        ("month=nonsense&state=nonsense&page=x", {"Holzhandel Weber", "Laden 1000"}),
        ("q=übernacht", {"Laden 1000"}),
        ("q=%25", set()),
        ("state=not_needed", {"Möbelhaus Ost"}),
        ("state=lost", set()),
        ("state=all", {"Holzhandel Weber", "Laden 1000", "Möbelhaus Ost"}),
        ("state=all&month=2026-09", set()),
    ):
        page = visitor.page(f"/receipts/missing?{query}")
        assert {name for name in ("Holzhandel Weber", "Laden 1000", "Möbelhaus Ost") if name in page.words} == names, query
        assert names or "No transaction fits this filter" in page.words, query
    page = visitor.page("/receipts/missing?state=all&month=2026-10&q=laden")
    assert "/receipts/missing/print?state=all&month=2026-10&q=laden" in page.links
    assert "/receipts/missing?state=lost&month=2026-10&q=laden" in page.links


def test_it_is_shown_in_pages(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    for cents in range(100, 100 + PAGE_SIZE):
        add(ports, world.ours, clock, cents, "2026-10-20T12:00")
    visitor = visit(world.ours.owner)
    first = visitor.page("/receipts/missing")
    assert first.words.count("No receipt … :") == PAGE_SIZE
    assert "Page 1 of 2" in first.words
    assert "/receipts/missing?page=2" in first.links
    last = visitor.page("/receipts/missing?page=99")
    assert last.words.count("No receipt … :") == 2
    assert f"October 2026 {PAGE_SIZE} transactions" in last.words  # of the whole month, wherever its lines stand


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_no_receipt_is_needed_and_that_is_taken_back(world: World, visit: Visit, ports: Ports, who: str) -> None:
    user, line = world.ours.owner if who == "owner" else world.staff, world.ours.transactions[0]
    visitor = visit(user)
    page = visitor.page(f"/receipts/missing?month=2026-11&client={line.client_id}")
    form = page.form(f"/transactions/{line.id}/explanation")
    answer = visitor.post(form.action, {**form.fields, "reason": "bank_fee"}, token="")
    assert standing(ports, line) == [("bank_fee", "", user.id)]
    assert f"month=2026-11&client={line.client_id}&kept={line.id}#transaction-{line.id}" in answer.location
    page = visitor.follow(answer)
    assert "Noted: no receipt is needed here." in page.words
    assert f"{user.name} on 27 Nov 2026" in page.words  # in its place, with who and when
    assert "Still missing 1 Lost 0 No receipt needed 2" in page.words
    said = next(form.action for form in page.forms if "/withdrawal" in form.action)
    page = visitor.follow(visitor.send(page, said.partition("?")[0]))
    assert "The transaction is open again." in page.words
    assert standing(ports, line) == []
    assert "Still missing 2 Lost 0 No receipt needed 1" in page.words
    assert visitor.post(said).status_code == 409


def test_the_firm_reads_what_its_client_has_said(world: World, visit: Visit) -> None:
    line, owner, staff = world.ours.transactions[0], visit(world.ours.owner), visit(world.staff)
    page = owner.page(f"/transactions/{line.id}/explanation?reason=lost")
    assert page.form(f"/transactions/{line.id}/explanation").fields["reason"] == "lost"
    owner.send(page, f"/transactions/{line.id}/explanation", note="Kopie am 20.11. erbeten")
    words = staff.page(f"/receipts/missing?state=lost&client={line.client_id}").words
    for told in ("Reported as lost", world.ours.owner.name, "27 Nov 2026", "Kopie am 20.11. erbeten", "Lost 1"):
        assert told in words
    page = staff.page(f"/transactions/{line.id}/explanation")  # and changes it
    staff.send(page, f"/transactions/{line.id}/explanation", reason="private", note="")
    words = staff.page(f"/transactions/{line.id}/explanation").words
    assert "Kopie am 20.11. erbeten" in words
    assert f"Taken back by {world.staff.name}" in words


def test_htmx_gets_the_list_alone(world: World, visit: Visit) -> None:
    visitor, line = visit(world.ours.owner), world.ours.transactions[0]
    page = visitor.page("/receipts/missing")
    answer = visitor.send(page, f"/transactions/{line.id}/explanation", fragment=True, reason="tax")
    assert (answer.status_code, "<html" in answer.text, f'id="transaction-{line.id}"' in answer.text) == (200, False, True)
    assert "Noted: no receipt is needed here." in answer.headers["HX-Trigger"]
    assert "data-focus" in answer.text
    late = visitor.send(page, f"/transactions/{line.id}/explanation", fragment=True, reason="private")
    assert (late.status_code, late.headers["HX-Retarget"]) == (409, "#notices")
    none = visitor.post(f"/transactions/{line.id}/explanation", {"seen": ""}, headers=HTMX)
    assert (none.status_code, none.headers["HX-Retarget"]) == (422, "#notices")


def test_slips_are_told_beside_the_field(world: World, visit: Visit, ports: Ports) -> None:
    visitor, line = visit(world.ours.owner), world.ours.transactions[0]
    path = f"/transactions/{line.id}/explanation"
    for form, words in (
        ({}, "Please choose why there is no receipt."),
        ({"reason": "nonsense"}, "Not a valid choice"),
        ({"reason": "other", "note": " "}, "Please say in a few words"),
        ({"reason": "lost", "note": "x" * 501}, "500 characters at most"),
    ):
        answer = visitor.post(path, form)
        assert (answer.status_code, words in answer.text) == (422, True), form
    assert "x" * 501 in visitor.post(path, {"reason": "lost", "note": "x" * 501}).text  # nothing is typed twice
    assert standing(ports, line) == []


def test_the_machine_supposes_and_a_person_says(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    line = add(ports, world.ours, clock, 2900, "2026-11-01T12:00", counterparty="Qonto", operation_type="qonto_fee")
    visitor = visit(world.ours.owner)
    assert "Looks like: Bank fee." in visitor.page("/receipts/missing").words
    assert standing(ports, line) == []
    page = visitor.page(f"/transactions/{line.id}/explanation")
    assert page.form(f"/transactions/{line.id}/explanation").fields["reason"] == "bank_fee"
    assert "Only what you send counts." in page.words


def test_a_file_in_the_row_leads_back_to_the_list(world: World, visit: Visit, ports: Ports) -> None:
    visitor, line = visit(world.ours.owner), world.ours.transactions[0]
    page = visitor.page("/receipts/missing?month=2026-11")
    form = next(form for form in page.forms if form.fields.get("transaction") == line.id)
    assert form.attributes["enctype"] == "multipart/form-data"
    sent = {name: value for name, value in form.fields.items() if name != "file"}
    answer = visitor.post(form.action, {**sent, "file": (io.BytesIO(b"GIF89a"), "bild.gif")}, token="")
    assert (answer.status_code, "none of the files that we can take" in answer.text) == (422, True)
    again = visitor.post(form.action, {**sent, "file": (io.BytesIO(pdf("Beleg")), "Beleg.pdf")}, token="")
    page = visitor.follow(again)
    assert again.location.startswith("/receipts/missing?")
    assert "month=2026-11" in again.location
    assert "The receipt is here and assigned to its transaction." in page.words
    assert f"transaction-{line.id}" not in page.words
    assert "Still missing 1" in page.words


def test_an_own_receipt_becomes_a_receipt_of_the_client(world: World, visit: Visit, ports: Ports) -> None:
    visitor, line = visit(world.ours.owner), world.ours.transactions[0]
    page = visitor.page(f"/transactions/{line.id}/own-receipt")
    assert "no input VAT can be deducted" in page.words
    known = page.form(f"/transactions/{line.id}/own-receipt").fields
    assert (known["payee"], known["amount"], known["paid_on"]) == ("Holzhandel Weber GmbH", "119,00", "2026-11-24")
    answer = visitor.send(
        page, f"/transactions/{line.id}/own-receipt", purpose="Leim für Müllers Küche", why_none="Auf der Baustelle verloren"
    )
    page = visitor.follow(answer)
    assert "Own receipt" in page.words
    with ports.database.read() as session:
        receipt = session.get_one(Receipt, answer.location.rsplit("/", 1)[1])
        document = session.scalars(select(Document).where(Document.receipt_id == receipt.id)).one()
    assert (receipt.kind, receipt.state, receipt.amount_cents, receipt.currency) == ("own_receipt", "assigned", 11900, "EUR")
    words = text_of(ports.storage.get(receipt.client_id, document.sha256))
    for told in (
        "Holzhandel Weber GmbH",
        "119,00 EUR",
        "24.11.2026",
        "Leim für Müllers Küche",
        "Auf der Baustelle verloren",
        world.ours.owner.name,
    ):
        assert told in words
    assert "Still missing 1" in visitor.page("/receipts/missing").words
    assert receipt.label in visit(world.staff).page("/review/done?pane=to-check").words  # the firm looks at it once
    assert visitor.post(f"/transactions/{line.id}/own-receipt", {**known, "purpose": "a", "why_none": "b"}).status_code == 409
    assert "has a receipt meanwhile" in visitor.page(f"/transactions/{line.id}/own-receipt").words


def test_an_own_receipt_with_slips_keeps_what_was_typed(world: World, visit: Visit, ports: Ports) -> None:
    visitor, path = visit(world.ours.owner), f"/transactions/{world.ours.transactions[0].id}/own-receipt"
    good = {"payee": "Parkhaus", "amount": "119,00", "paid_on": "2026-11-24", "purpose": "Parken", "why_none": "Automat"}
    for changed, words in (
        ({"payee": " "}, "Please say who was paid."),
        ({"amount": "viel"}, "Enter an amount"),
        ({"amount": "-1"}, "Enter an amount"),
        ({"amount": "119,01"}, "Not more than was paid: €119.00."),
        ({"paid_on": "2026-11-28"}, "This day has not come yet."),
        ({"paid_on": ""}, "Please enter the day of the payment."),
        ({"purpose": ""}, "Please say what was paid for."),
        ({"purpose": "寿司"}, "These characters cannot be printed: 寿司."),
        ({"purpose": "a\r\n" * 150}, "too much for one page"),
        ({"why_none": "x" * 501}, "500 characters at most"),
    ):
        answer = visitor.post(path, {**good, **changed})
        assert (answer.status_code, words in answer.text) == (422, True), changed
        assert 'value="Parkhaus"' in answer.text or "payee" in changed
    with ports.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Receipt).where(Receipt.kind == "own_receipt")) == 0


def test_the_list_is_printed(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    for cents in range(100, 100 + 2 * PAGE_SIZE):
        add(ports, world.ours, clock, cents, "2026-10-20T12:00")
    page = visit(world.staff).page(f"/receipts/missing/print?client={world.ours.client.id}")
    for told in (
        "Tischlerei Brandt GmbH", "Client number 10042", "As of 27 Nov 2026", f"October 2026 {2 * PAGE_SIZE} transactions", "Found", "Laden 100",
        f"Laden {99 + 2 * PAGE_SIZE}",
    ):  # fmt: skip
        assert told in page.words, told
    assert "Möbelhaus Ost" not in page.words  # needs none
    assert "Private" in visit(world.staff).page(f"/receipts/missing/print?state=all&client={world.ours.client.id}").words


def test_an_account_counts_what_is_due(world: World, visit: Visit) -> None:
    visitor, lines = visit(world.ours.owner), world.ours.transactions
    assert " 2 €12,345.67" in visitor.page("/finances/accounts").words
    visitor.post(f"/transactions/{lines[0].id}/explanation", {"reason": "tax", "seen": ""})
    visitor.post(f"/transactions/{lines[1].id}/explanation", {"reason": "lost", "seen": ""})
    assert " 1 €12,345.67" in visitor.page("/finances/accounts").words


def test_strange_texts_stay_texts(world: World, visit: Visit) -> None:
    visitor, line, strange = visit(world.ours.owner), world.ours.transactions[0], "<img src=x onerror=alert(1)>\"'{{7*7}}%(x)s"
    visitor.post(f"/transactions/{line.id}/explanation", {"reason": "other", "note": strange, "seen": ""})
    for path in ("/receipts/missing?state=all", f"/transactions/{line.id}/explanation", "/receipts/missing/print?state=all"):
        assert strange in visitor.page(path).words


@pytest.mark.usefixtures("acts")
def test_without_transactions_the_way_is_shown(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    with ports.database.write() as session:
        client = factories.client(session, "10099", "Neu GmbH", now=clock.now(), years=(2026,))
        owner = factories.user(session, "neu@neu.example", "Nina Neu", factories.Role.CLIENT, now=clock.now())
        factories.member(session, owner, client, "client")
        lonely = factories.user(session, "allein@neu.example", "Anna Allein", factories.Role.CLIENT, now=clock.now())
    assert "There are no transactions yet" in visit(owner).page("/receipts/missing").words
    assert "There is nothing to print" in visit(owner).page("/receipts/missing/print").words
    assert "No company is set up for you yet" in visit(lonely).page("/receipts/missing").words
    visit(lonely).page("/receipts/missing/print")


# --- many at once


def guesses_of(ports: Ports, books: Books, clock: FixedClock) -> list[Transaction]:
    """Two fees and a tax."""
    return [
        add(ports, books, clock, 2900, "2026-11-01T12:00", counterparty="Qonto", operation_type="qonto_fee"),
        add(ports, books, clock, 900, "2026-10-01T12:00", counterparty="Qonto", operation_type="qonto_fee"),
        add(ports, books, clock, 50000, "2026-10-10T12:00", counterparty="Finanzamt Hamburg", remittance="USt 09/2026"),
    ]


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_all_guesses_are_confirmed_together(world: World, visit: Visit, ports: Ports, clock: FixedClock, who: str) -> None:
    fee, other, tax = guesses_of(ports, world.ours, clock)
    person = world.ours.owner if who == "owner" else world.staff
    visitor, there = visit(person), f"/clients/{world.ours.client.id}/missing/guesses"
    assert there in visitor.page("/receipts/missing").links
    page = visitor.page(there)
    for words in (
        "Bank fee · 2 transactions",
        "−€38.00",
        "Tax payment · 1 transaction",
        "−€500.00",
        "3 transactions are ticked.",
    ):
        assert words in page.words
    assert set(page.form(there).fields["guess"]) == {f"{fee.id} bank_fee", f"{other.id} bank_fee", f"{tax.id} tax"}
    page = visitor.follow(visitor.send(page, there, guess=[f"{fee.id} bank_fee", f"{tax.id} tax"]))  # one was unticked
    assert "2 transactions noted: no receipt is needed." in page.words
    assert [standing(ports, line) for line in (fee, other, tax)] == [
        [("bank_fee", "", person.id)], [], [("tax", "", person.id)]
    ]  # fmt: skip
    rest = visitor.page(there)
    assert rest.form(there).fields["guess"] == f"{other.id} bank_fee"
    undo = visitor.page("/receipts/missing?state=not_needed")
    with ports.database.read() as session:
        said = session.scalars(select(Explanation.id).where(Explanation.transaction_id == tax.id)).one()
    visitor.follow(visitor.send(undo, f"/explanations/{said}/withdrawal"))  # each is undone by itself
    assert [len(standing(ports, line)) for line in (fee, other, tax)] == [1, 0, 0]


def test_guesses_are_those_of_the_filter(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    fee, other, tax = guesses_of(ports, world.ours, clock)
    visitor, there = visit(world.ours.owner), f"/clients/{world.ours.client.id}/missing/guesses"
    assert f"{there}?month=2026-10" in visitor.page("/receipts/missing?month=2026-10").links
    page = visitor.page(f"{there}?month=2026-10")
    assert set(page.form(there).fields["guess"]) == {f"{other.id} bank_fee", f"{tax.id} tax"}
    answer = visitor.post(f"{there}?month=2026-10", {"guess": page.form(there).fields["guess"]})
    assert answer.location == f"/receipts/missing?month=2026-10&client={world.ours.client.id}"
    assert standing(ports, fee) == []
    assert "There is nothing to confirm" in visitor.page(f"{there}?month=2026-10").words
    assert there not in visitor.get("/receipts/missing?month=2026-10").text


def test_what_changed_meanwhile_is_left_as_it_is(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    fee, other, tax = guesses_of(ports, world.ours, clock)
    visitor, there = visit(world.staff), f"/clients/{world.ours.client.id}/missing/guesses"
    page = visitor.page(there)
    visit(world.ours.owner).post(f"/transactions/{tax.id}/explanation", {"reason": "lost", "seen": ""})
    with ports.database.write() as session:
        session.get_one(Transaction, other.id).status = "reversed"
    after = visitor.follow(visitor.send(page, there))
    assert "1 transaction noted: no receipt is needed." in after.words
    assert "2 had changed in the meantime and were left as they are:" in after.words
    assert "Finanzamt Hamburg, 10 Oct 2026" in after.words
    assert standing(ports, tax) == [("lost", "", world.ours.owner.id)]
    assert (standing(ports, other), standing(ports, fee)) == ([], [("bank_fee", "", world.staff.id)])


def test_nonsense_and_foreign_guesses_change_nothing(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    fee, *_ = guesses_of(ports, world.ours, clock)
    theirs, there = world.theirs.transactions[0], f"/clients/{world.ours.client.id}/missing/guesses"
    for person in (world.ours.owner, world.staff, world.admin):  # an admin sees both, and yet it is another client's
        visitor = visit(person)
        visitor.page(there)
        before = fingerprint(ports.database)
        for chosen, status in (
            ([], 422),
            ([fee.id], 422),
            ([f"{fee.id} nonsense"], 422),
            ([f"{fee.id} other"], 422),  # that wants words
            ([f"{fee.id} lost"], 422),
            ([f"{fee.id} tax", "no-id tax"], 404),
            ([f"{fee.id} tax", f"{theirs.id} tax"], 404),
        ):
            assert visitor.post(there, {"guess": chosen}).status_code == status, chosen
        assert fingerprint(ports.database) == before


def test_more_guesses_than_a_page_holds(
    world: World, visit: Visit, ports: Ports, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.services.receipts.missing.MOST_GUESSED", 2)
    guesses_of(ports, world.ours, clock)
    page = visit(world.ours.owner).page(f"/clients/{world.ours.client.id}/missing/guesses")
    assert "2 transactions are ticked. There are more" in page.words
