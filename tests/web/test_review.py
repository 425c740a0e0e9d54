"""The desk: what it shows, and that each decision works once, with and without htmx, and can be undone."""

from __future__ import annotations

import json
from datetime import date, timedelta
from html import unescape

import pytest
from sqlalchemy import select, update

from portal.clock import FixedClock
from portal.models import Assignment, BankAccount, Candidate, Connection, Receipt, Refusal, Run, User
from portal.ports import Ports
from portal.services import keeping
from portal.services.review.queueing import QUEUE_SIZE
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.test_statements import MOST, Counting
from tests.web.visitor import HTMX, Visit, comparable, fingerprint

DESK = "/review"


def path_of(receipt: Receipt, what: str) -> str:
    return f"/receipts/{receipt.id}/{what}"


def stored(ports: Ports, receipt: Receipt) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, receipt.id)


def standing(ports: Ports, receipt: Receipt) -> list[Assignment]:
    with ports.database.read() as session:
        return list(
            session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id, Assignment.withdrawn_at.is_(None)))
        )


# --- what it shows


def test_it_begins_with_what_can_be_decided(world: World, visit: Visit) -> None:
    page = visit(world.staff).page(DESK)
    assert "8 open" in page.words
    assert "Several equal candidates" in page.words
    assert page.form(path_of(world.ours.receipts["open"], "assignment")).buttons == ["Assign candidate 1 ↵"]


def test_the_receipt_stands_beside_its_candidates_with_reasons(world: World, visit: Visit) -> None:
    page = visit(world.staff).page(f"{DESK}?item={world.ours.receipts['open'].id}")
    for words in ("RE-2026-1001", "€119.00", "2 candidates", "Amount equal", "Name equal", "Holzhandel Weber GmbH", "Booked"):
        assert words in page.words
    assert f"/documents/{world.ours.document.id}" in page.links
    assert f"/documents/{world.ours.document.id}/pages/1.webp" in page.links


def test_every_kind_of_receipt_can_be_looked_at(world: World, visit: Visit) -> None:
    visitor = visit(world.staff)
    for receipt in world.ours.receipts.values():
        assert receipt.label in visitor.page(f"{DESK}?item={receipt.id}").words


def test_it_is_filtered_and_sorted(world: World, visit: Visit) -> None:
    visitor = visit(world.staff)
    only = visitor.page(f"{DESK}?reason=amount_differs")
    assert "1 open" in only.words
    assert "AR-77" in only.words
    largest = visitor.page(f"{DESK}?sort=amount")
    assert largest.words.index("AR-77") < largest.words.index("RE-2026-1001")
    assert "No receipt fits this filter" in visitor.page(f"{DESK}?reason=duplicate_suspected").words
    assert visitor.get(f"{DESK}?sort=nonsense&reason=nonsense&pane=nonsense").status_code == 200


def test_htmx_gets_the_desk_alone_and_everybody_else_the_page_with_the_same_desk(world: World, visit: Visit) -> None:
    visitor = visit(world.staff)
    whole, part = visitor.get(DESK), visitor.get(DESK, headers=HTMX)
    assert not Page(part.text).is_whole
    assert comparable(part)[1] in comparable(whole)[1]
    assert "HX-Request" in whole.headers["Vary"]
    assert "HX-Request" in part.headers["Vary"]
    for asked in ({**HTMX, "HX-Boosted": "true"}, {**HTMX, "HX-History-Restore-Request": "true"}):
        assert Page(visitor.get(DESK, headers=asked).text).is_whole


def test_an_empty_desk_says_what_comes_next(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        session.execute(update(Receipt).values(state="set_aside", review_reason=None, set_aside_reason="duplicate"))
        keeping.beat(session, "ticker", now=ports.clock.now())
    assert "Nothing is waiting for review New receipts arrive with the next daily sync" in visit(world.staff).page(DESK).words
    only = visit(world.staff).page(f"{DESK}?client={world.ours.client.id}").words
    assert "Nothing of this client is waiting for review" in only
    assert "No receipt fits this filter" in visit(world.staff).page(f"{DESK}?client={world.ours.client.id}&find=x").words


def test_an_empty_desk_knows_why(world: World, visit: Visit, ports: Ports, statements: Counting) -> None:
    """And asks the database no more than a full one does."""
    staff, admin, ours = visit(world.staff), visit(world.admin), world.ours

    def changed(**values: object) -> str:
        with ports.database.write() as session:
            session.execute(update(Connection).where(Connection.id == ours.documents.id).values(**values))
            session.execute(update(Connection).where(Connection.id == world.theirs.documents.id).values(state="disconnected"))
        return staff.page(DESK).words

    with ports.database.write() as session:
        session.execute(update(Receipt).values(state="set_aside", review_reason=None, set_aside_reason="duplicate"))
    assert "no sync begins either Syncs are delayed" in staff.page(DESK).words
    assert "The timetable (ticker) or the workers do not run." in admin.page(DESK).words
    with ports.database.write() as session:
        keeping.beat(session, "ticker", now=ports.clock.now())
    assert "Connected, but nothing has come in yet" in changed(last_success_at=None)
    with ports.database.write() as session:
        factories.run(session, ours.client, "documents", now=ports.clock.now(), over=ours.documents, state="leased")
    assert "The first import is running" in staff.page(DESK).words
    ended = changed(state="action_needed")
    assert "No receipts come in any more" in ended
    page = staff.page(DESK)
    assert f"/profile/connections?client={ours.client.id}" in page.links
    assert f"/clients/{ours.client.id}/messages" in page.links
    assert "The documents of this client are not connected yet" in changed(state="disconnected")
    assert "No client has connected its documents yet" in admin.page(DESK).words
    assert "/clients" in admin.page(DESK).links
    changed(state="active", last_success_at=ports.clock.now())
    assert "1 client has not connected its documents." in admin.page(DESK).words
    for visitor in (staff, admin):
        with statements(ports.database) as seen:
            visitor.page(DESK)
        assert len(seen) <= MOST, seen


# --- assigning


@pytest.mark.parametrize("fragment", [False, True])
def test_it_assigns(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    answer = visitor.send(visitor.page(DESK), path_of(receipt, "assignment"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert page.is_whole is not fragment
    assert "7 open" in page.words
    assert "2 done today" in page.words  # with the one that was set aside before
    assert f"{receipt.label} Holzhandel Weber GmbH assigned to −€119.00" in page.words
    said = json.loads(answer.headers["HX-Trigger"])["notice"]["texts"] if fragment else page.words
    assert f"{receipt.label} assigned." in said
    assert stored(ports, receipt).state == "assigned"
    made = standing(ports, receipt)
    assert [(one.transaction_id, one.amount_cents, one.actor) for one in made] == [
        (world.ours.transactions[0].id, 11900, world.staff.id)
    ]


def test_it_goes_on_with_the_next_receipt_of_the_same_queue(world: World, visit: Visit) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(f"{DESK}?sort=oldest&client={world.ours.client.id}&item={receipt.id}")
    onward = page.form(path_of(receipt, "assignment")).fields["item"]
    answer = visitor.send(page, path_of(receipt, "assignment"))
    assert answer.location == f"{DESK}?client={world.ours.client.id}&sort=oldest&item={onward}"
    assert onward in {one.id for one in world.ours.receipts.values()} - {receipt.id}


@pytest.mark.parametrize("fragment", [False, True])
def test_what_it_teaches_is_told_once(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, hint = visit(world.staff), "both names count as one party"
    first = visitor.send(visitor.page(DESK), path_of(world.ours.receipts["open"], "assignment"), fragment=fragment)
    said = unescape(first.headers["HX-Trigger"]) if fragment else visitor.follow(first).words
    assert hint in said
    income = world.ours.receipts["income"]
    second = visitor.send(visitor.page(f"{DESK}?item={income.id}"), path_of(income, "assignment"), fragment=fragment)
    assert f"{income.label} assigned." in (said := second.headers["HX-Trigger"] if fragment else visitor.follow(second).words)
    assert hint not in said
    with ports.database.read() as session:
        knows = {user.id: user.knows_learning for user in session.scalars(select(User))}
    assert (knows[world.staff.id], knows[world.admin.id]) == (True, False)  # each person by themselves


def test_a_refused_assignment_teaches_nothing(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.staff)
    form = {"candidate": world.ours.candidate.id, "seen_version": 0}
    visitor.page(DESK)
    assert visitor.post(path_of(world.ours.receipts["open"], "assignment"), form).status_code == 409
    with ports.database.read() as session:
        assert not session.get_one(User, world.staff.id).knows_learning


def test_a_double_click_assigns_once(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(DESK)
    answers = [visitor.send(page, path_of(receipt, "assignment")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 409, 409]
    assert "Assigned · Mara Klein · 27 Nov 2026, 11:00" in Page(answers[-1].text).words  # who was faster, and when
    assert len(standing(ports, receipt)) == 1


@pytest.mark.parametrize("fragment", [False, True])
def test_a_stale_page_is_told_so_and_changes_nothing(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, before = visit(world.staff), fingerprint(ports.database)
    for what, name in (
        ("assignment", "open"),
        ("set-aside", "open"),
        ("assignment/withdrawal", "assigned"),
        ("reopening", "set_aside"),
    ):
        form = {"candidate": world.ours.candidate.id, "reason": "duplicate", "seen_version": 0}
        answer = visitor.post(path_of(world.ours.receipts[name], what), form, headers=HTMX if fragment else None)
        assert answer.status_code == 409
        assert "Somebody changed this receipt in the meantime. Please look at it again." in Page(answer.text).words
        if fragment:  # among the notices, so that the desk stays as it is
            assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#notices", "innerHTML")
    assert fingerprint(ports.database) == before


def test_a_form_without_a_choice_is_refused(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt, before = visit(world.staff), world.ours.receipts["open"], fingerprint(ports.database)
    for form in ({}, {"candidate": ""}, {"candidate": "x", "seen_version": "y"}, {"seen_version": "1"}):
        answer = visitor.post(path_of(receipt, "assignment"), form)
        assert answer.status_code == 422
        assert "Choose the transaction that this receipt belongs to." in Page(answer.text).words
    assert fingerprint(ports.database) == before


def test_a_proposal_that_a_newer_matching_replaced(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(DESK)
    with ports.database.write() as session:
        session.delete(session.get_one(Candidate, world.ours.candidate.id))
    answer = visitor.send(page, path_of(receipt, "assignment"))
    assert answer.status_code == 409
    assert "The proposals for this receipt have changed. Please look at them again." in Page(answer.text).words
    assert standing(ports, receipt) == []


def test_a_transaction_that_somebody_else_just_used(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    visitor, ours = visit(world.staff), world.ours
    other = ours.receipts["no_transaction"]
    with ports.database.write() as session:
        rival = factories.candidate(session, session.get_one(Receipt, other.id), (ours.transactions[0], 11900))
    page = visitor.page(DESK)
    assert visitor.post(path_of(other, "assignment"), {"candidate": rival.id, "seen_version": 1}).status_code == 303
    answer = visitor.send(page, path_of(ours.receipts["open"], "assignment"))
    assert answer.status_code == 409
    assert "This transaction is already assigned to another receipt." in Page(answer.text).words
    shown = visitor.page(f"{DESK}?item={ours.receipts['open'].id}")
    assert f"already assigned to {other.label}" in shown.words


def test_the_queue_is_searched(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    with ports.database.write() as session:
        session.get_one(Receipt, ours.receipts["open"].id).counterparty = "Bäckerei Öztürk"
    for query, found in {
        "ÖZTÜRK": {"open"}, "bäckerei 1001": {"open"}, ours.receipts["changed"].label: {"changed"}, "42,00": {"no_transaction"},
        "2.380,00 €": {"income"}, "AR-77": {"income"}, "%": set(), "x" * 5000: set(), "y' OR 1=1 --": set(),
    }.items():  # fmt: skip
        html = visitor.client.get(DESK, query_string={"find": query, "sort": "oldest"}).text
        assert {name for name, receipt in ours.receipts.items() if f'id="queue-{receipt.id}"' in html} == found, query
        assert f"{len(found)} open" in Page(html).words
    page = visitor.page(f"{DESK}?find=AR-77")
    assert page.form(path_of(ours.receipts["income"], "assignment")).fields["find"] == "AR-77"  # and one comes back to it
    assert "Clear the filter" in visitor.page(f"{DESK}?find=nothing").words


def test_the_queue_is_asked_by_age(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    with ports.database.write() as session:
        session.execute(update(Receipt).values(in_review_since=ports.clock.now()))
        session.get_one(Receipt, ours.receipts["changed"].id).in_review_since = ports.clock.now() - timedelta(days=8)
    for age, count in {"3": 1, "7": 1, "30": 0, "": 8, "x": 8, "-1": 8}.items():
        assert f"{count} open" in visitor.page(f"{DESK}?age={age}").words


# --- correcting what was read


@pytest.mark.parametrize("fragment", [False, True])
def test_what_was_read_is_corrected_and_the_original_kept(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(f"{DESK}?item={receipt.id}")
    fields = page.form(path_of(receipt, "correction")).fields
    assert (fields["amount_cents"], fields["number"]) == ("119,00", receipt.number)
    changed = {"amount_cents": "129,50", "issued_on": "2026-11-02"}
    answer = visitor.send(page, path_of(receipt, "correction"), fragment=fragment, **changed)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "€129.50 read as: €119.00" in page.words
    found = stored(ports, receipt)
    assert (found.amount_cents, found.issued_on, found.number) == (12950, date(2026, 11, 2), receipt.number)
    assert found.corrected == {"amount_cents": 11900, "issued_on": receipt.issued_on.isoformat()}
    with ports.database.read() as session:
        assert session.scalars(select(Run.kind).where(Run.client_id == world.ours.client.id, Run.state == "due")).all() == [
            "matching"
        ]
    visitor.send(page, path_of(receipt, "correction"), amount_cents="119")  # back to what was read
    assert set(stored(ports, receipt).corrected) == {"issued_on"}


def test_a_wrong_correction_changes_nothing(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page, before = visitor.page(f"{DESK}?item={receipt.id}"), fingerprint(ports.database)
    for changed in ({"amount_cents": "much"}, {"issued_on": "32.13.2026"}, {"number": "x" * 201}, {}):
        assert visitor.send(page, path_of(receipt, "correction"), **changed).status_code == 422, changed
    assert visitor.send(page, path_of(receipt, "correction"), number="A", seen_version=0).status_code == 409
    assigned = world.ours.receipts["assigned"]
    answer = visitor.post(path_of(assigned, "correction"), {"number": "A", "seen_version": assigned.version})
    assert answer.status_code == 409
    assert fingerprint(ports.database) == before


# --- several at once


def test_the_surest_are_assigned_together(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["income"]
    page = visitor.page("/review/together")
    assert "Möbelhaus Ost" in page.words
    assert "RE-2026-1001" not in page.words  # two candidates of the same amount
    assert "1 of 1 is ticked." in page.words
    page = visitor.follow(visitor.send(page, "/review/together"))
    assert "1 receipt assigned." in page.words
    assert "Nothing is sure enough to be assigned together" in page.words
    assert [(one.transaction_id, one.rank) for one in standing(ports, receipt)] == [(world.ours.transactions[3].id, 1)]
    visitor.follow(visitor.send(visitor.page("/review/done"), path_of(receipt, "assignment/withdrawal")))
    assert "Möbelhaus Ost" in visitor.page(f"/review/together?client={world.ours.client.id}").words


def test_what_changed_meanwhile_is_told_and_the_rest_assigned(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    with ports.database.write() as session:
        own = session.get_one(Receipt, ours.receipts["no_transaction"].id)
        made = factories.candidate(session, own, (ours.transactions[1], 4200), score=0.85)
    page = visitor.page("/review/together")
    assert "1 of 2 is ticked." in page.words
    likely = f"{own.id} {made.id} {own.version}"
    pairs = [page.form("/review/together").fields["pair"], likely]
    visitor.post(path_of(ours.receipts["income"], "set-aside"), {"reason": "duplicate", "seen_version": 1})
    told = visitor.follow(visitor.send(page, "/review/together", pair=pairs)).words
    assert "1 receipt assigned." in told
    assert f"Changed in the meantime, please look at them one by one: {ours.receipts['income'].label}." in told
    assert stored(ports, ours.receipts["no_transaction"]).state == "assigned"
    assert stored(ports, ours.receipts["income"]).state == "set_aside"


def test_nobody_elses_receipts_are_assigned_together(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours, theirs = visit(world.staff), world.ours, world.theirs
    mine = f"{ours.receipts['income'].id} {ours.sure.id} 1"
    before = fingerprint(ports.database)
    visitor.page("/review/together")
    for pairs, status in (
        ([mine, f"{theirs.receipts['income'].id} {theirs.sure.id} 1"], 404),
        ([f"{ours.receipts['open'].id} {theirs.candidate.id} 1"], 303),
        ([f"{ours.receipts['open'].id} no-id 1"], 303),
        ([mine, "no-id"], 422), ([mine + " 1"], 422), ([""], 422), ([], 422), (["a b c"], 422), (["a b 1"], 404),
    ):  # fmt: skip
        assert visitor.post("/review/together", {"pair": pairs}).status_code == status, pairs
    assert fingerprint(ports.database) == before


def test_the_ticked_are_declined_after_a_counted_look(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt, ours = visit(world.staff), world.ours.receipts["income"], world.ours
    page = visitor.page("/review/together")
    assert "7 points above the 90% from which pairs are ticked." in page.words
    pair, before = page.form("/review/together").fields["pair"], fingerprint(ports.database)
    for confirmed in ({}, {"confirmed": ""}, {"confirmed": "2"}):
        asked = Page(visitor.post("/review/together/declined", {"pair": pair, **confirmed}).text)
        assert "Decline 1 pair?" in asked.words
        assert "Möbelhaus Ost" in asked.words
    assert fingerprint(ports.database) == before
    told = visitor.follow(visitor.send(asked, "/review/together/declined")).words
    assert "1 pair declined." in told
    assert "Nothing is sure enough to be assigned together" in told
    with ports.database.read() as session:
        assert session.scalars(select(Refusal.transaction_id).where(Refusal.receipt_id == receipt.id)).all() == [
            ours.transactions[3].id
        ]
        assert session.scalars(select(Run.kind).where(Run.client_id == ours.client.id, Run.state == "due")).all() == ["matching"]
    desk = visitor.page(DESK)
    assert f"{receipt.label} Möbelhaus Ost pair declined" in desk.words
    assert stored(ports, receipt).state == "in_review"
    visitor.follow(visitor.send(visitor.page("/review/done"), path_of(receipt, "declined/withdrawal")))
    with ports.database.read() as session:
        assert session.scalars(select(Refusal.withdrawn_by).where(Refusal.receipt_id == receipt.id)).all() == [world.staff.id]
    history = visitor.page(f"/receipts/{receipt.id}").words
    assert "Proposed pair declined" in history
    assert "Declined pair taken back" in history
    assert "declined" not in visit(ours.owner).page(f"/receipts/{receipt.id}").words


def test_declining_leaves_out_what_changed_and_tells_it(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    with ports.database.write() as session:
        own = session.get_one(Receipt, ours.receipts["no_transaction"].id)
        made = factories.candidate(session, own, (ours.transactions[1], 4200), score=0.85)
    page = visitor.page("/review/together")
    assert "5 points below the 90% from which pairs are ticked." in page.words
    pairs = [page.form("/review/together").fields["pair"], f"{own.id} {made.id} {own.version}"]
    asked = Page(visitor.post("/review/together/declined", {"pair": pairs, "client": ours.client.id}).text)
    assert "Decline 2 pairs?" in asked.words
    visitor.post(path_of(ours.receipts["income"], "set-aside"), {"reason": "duplicate", "seen_version": 1})
    late = Page(visitor.post("/review/together/declined", {"pair": pairs}).text)
    assert "1 pair that was ticked has changed in the meantime and is left out." in late.words
    assert "Decline 1 pair?" in late.words
    told = visitor.follow(visitor.post("/review/together/declined", {"pair": pairs, "confirmed": "2"})).words
    assert "1 pair declined." in told
    assert f"Changed in the meantime, please look at them one by one: {ours.receipts['income'].label}." in told


def test_nobody_elses_pairs_are_declined_together(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours, theirs = visit(world.staff), world.ours, world.theirs
    mine, foreign = (f"{books.receipts['income'].id} {books.sure.id} 1" for books in (ours, theirs))
    before = fingerprint(ports.database)
    for form, status in (
        ({"pair": [mine, foreign], "confirmed": "2"}, 404), ({"pair": foreign}, 409), ({"pair": mine, "client": "no-id"}, 404),
        ({"pair": mine, "client": theirs.client.id}, 404), ({}, 422), ({"pair": "no-id", "confirmed": "1"}, 422),
    ):  # fmt: skip
        assert visitor.post("/review/together/declined", form).status_code == status, form
    asked = Page(visitor.post("/review/together/declined", {"pair": [mine, foreign]}).text)
    assert "Decline 1 pair?" in asked.words
    assert fingerprint(ports.database) == before
    assert visitor.post(path_of(ours.receipts["open"], "declined/withdrawal"), {"seen_version": 1}).status_code == 409


# --- transactions found by hand


def choosing(world: World, name: str, *lines: int, query: str = "") -> str:
    """The desk with a search open and some transactions ticked."""
    chosen = "".join(f"&line={world.ours.transactions[number].id}" for number in lines)
    return f"{DESK}?item={world.ours.receipts[name].id}&q={query}{chosen}"


def test_a_search_finds_by_whatever_one_knows(world: World, visit: Visit, ports: Ports) -> None:
    visitor, (first, second, used, _) = visit(world.staff), world.ours.transactions
    with ports.database.write() as session:
        account = session.get_one(BankAccount, world.ours.account.id)
        values = {"counterparty": "Café 100% Süß", "counterparty_iban": "DE02120300000000202051", "remittance": "1_000"}
        third = factories.transaction(session, account, "t-9", 123456, now=ports.clock.now(), **values)
        third.booked_on = date(2026, 10, 5)
    for query, found in {
        "": [first, second, third], "holz": [first, second], "Danke": [second], "süß": [third], "100%": [third], "1_0": [third],
        "1.234,56": [third], "-1234,56 €": [third], "119": [first, second], "5.10.2026": [third], "2026-10-05": [third],
        "DE02 1203": [third], "x' OR 1=1": [], "y" * 5000: [], "%": [third], "31.2.2026": [],
    }.items():  # fmt: skip
        asked = {"item": world.ours.receipts["open"].id, "q": query}
        html = visitor.client.get(DESK, query_string=asked).text
        assert {one for one in (first, second, used, third) if f'value="{one.id}"' in html} == set(found), query


def test_several_transactions_pay_one_receipt(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        session.get_one(Receipt, receipt.id).amount_cents = 23800
    page = visitor.page(choosing(world, "open", 0, 1))
    assert "2 transactions chosen €238.00" in page.words
    assert "Adds up to the cent" in page.words
    page = visitor.follow(visitor.send(page, path_of(receipt, "assignment/transactions")))
    assert f"{receipt.label} Holzhandel Weber GmbH assigned to 2 transactions" in page.words
    assert sorted((one.transaction_id, one.amount_cents) for one in standing(ports, receipt)) == sorted(
        (one.id, 11900) for one in world.ours.transactions[:2]
    )


def test_the_rest_of_a_larger_payment_stays_for_other_receipts(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    for name, left in (("no_transaction", 7700), ("changed", 3400)):  # of 119.00, 42.00 and 43.00 are taken
        page = visitor.page(choosing(world, name, 1))
        assert "The rest of the payment is for other receipts" in page.words
        visitor.follow(visitor.send(page, path_of(ours.receipts[name], "assignment/transactions")))
        assert f"−€{left // 100}.00 Danke" in visitor.page(choosing(world, "open", query="danke")).words
    assert [one.amount_cents for one in standing(ports, ours.receipts["no_transaction"])] == [4200]


@pytest.mark.parametrize("fragment", [False, True])
def test_what_differs_must_be_named(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        session.get_one(Receipt, receipt.id).amount_cents = 12143  # 2 % discount of it were 242.86 cents: paid were 119.00
    page, before = visitor.page(choosing(world, "open", 0)), fingerprint(ports.database)
    assert "Difference to the receipt −€2.43" in page.words
    for named in ("", "tip", "nonsense"):
        answer = visitor.send(page, path_of(receipt, "assignment/transactions"), fragment=fragment, difference=named)
        assert answer.status_code == 422, named
    assert fingerprint(ports.database) == before
    answer = visitor.send(page, path_of(receipt, "assignment/transactions"), fragment=fragment, difference="discount")
    assert answer.status_code == (200 if fragment else 303)
    assert [(one.amount_cents, one.difference, one.difference_cents) for one in standing(ports, receipt)] == [
        (11900, "discount", -243)
    ]
    assert "Difference: −€2.43 · Discount (Skonto)" in visitor.page(f"/receipts/{receipt.id}").words


def test_a_foreign_currency_is_assigned_as_exchanged(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        session.get_one(Receipt, receipt.id).currency = "USD"
    page = visitor.page(choosing(world, "open", 1))
    visitor.follow(visitor.send(page, path_of(receipt, "assignment/transactions"), difference="exchange"))
    assert [(one.amount_cents, one.difference, one.difference_cents) for one in standing(ports, receipt)] == [
        (11900, "exchange", None)
    ]


def test_a_receipt_without_an_amount_takes_all_that_is_open(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["unreadable_amount"]
    page = visitor.page(choosing(world, "unreadable_amount", 0))
    visitor.follow(visitor.send(page, path_of(receipt, "assignment/transactions")))
    assert [(one.amount_cents, one.difference) for one in standing(ports, receipt)] == [(11900, None)]


def test_only_the_clients_own_open_transactions_can_be_chosen(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt, ours = visit(world.staff), world.ours.receipts["open"], world.ours
    page = visitor.page(choosing(world, "open", 0))
    before = fingerprint(ports.database)
    income, used = ours.transactions[3], ours.transactions[2]
    for line in (world.theirs.transactions[0].id, income.id, used.id, "unknown", "x" * 5000):
        for lines in ([line], [ours.transactions[0].id, line]):
            answer = visitor.send(page, path_of(receipt, "assignment/transactions"), line=lines)
            assert answer.status_code == 409
        assert f'value="{line}"' not in visitor.get(f"{DESK}?item={receipt.id}&q=&line={line}").text
    assert visitor.send(page, path_of(receipt, "assignment/transactions"), line=[]).status_code == 409
    assert fingerprint(ports.database) == before


def test_transactions_chosen_twice_are_assigned_once(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(choosing(world, "open", 0, 0))
    answers = [visitor.send(page, path_of(receipt, "assignment/transactions")).status_code for _ in range(3)]
    assert answers == [303, 409, 409]
    assert len(standing(ports, receipt)) == 1


# --- undoing


@pytest.mark.parametrize("fragment", [False, True])
def test_undo_brings_the_receipt_back(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.follow(visitor.send(visitor.page(DESK), path_of(receipt, "assignment")))
    answer = visitor.send(page, path_of(receipt, "assignment/withdrawal"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "2 candidates" in page.words  # as before
    assert "8 open" in page.words
    assert (stored(ports, receipt).state, stored(ports, receipt).review_reason) == ("in_review", "several_equal")
    with ports.database.read() as session:
        steps = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).all()
        assert [step.withdrawn_by for step in steps] == [world.staff.id]
        asked = session.scalars(
            select(Run).where(Run.client_id == world.ours.client.id, Run.kind == "matching", Run.state == "due")
        )
        assert len(asked.all()) == 1


def test_what_the_machine_assigned_can_be_undone_from_the_receipts_page(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["assigned"]
    page = visitor.page(f"/receipts/{receipt.id}")
    assert "Assigned automatically" in page.words
    visitor.follow(visitor.send(page, path_of(receipt, "assignment/withdrawal")))
    assert standing(ports, receipt) == []
    history = visitor.page(f"/receipts/{receipt.id}").words
    assert "Assignment withdrawn · Mara Klein" in history


@pytest.mark.parametrize("fragment", [False, True])
def test_it_sets_aside_with_a_reason_and_takes_back(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["no_transaction"]
    page = visitor.page(f"{DESK}?item={receipt.id}")
    answer = visitor.send(page, path_of(receipt, "set-aside"), fragment=fragment, reason="paid_privately")
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "set aside: Paid privately" in page.words
    assert (stored(ports, receipt).state, stored(ports, receipt).set_aside_reason) == ("set_aside", "paid_privately")
    answer = visitor.send(page, path_of(receipt, "reopening"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert receipt.label in page.words
    assert (stored(ports, receipt).state, stored(ports, receipt).set_aside_reason) == ("in_review", None)


def test_setting_aside_needs_one_of_the_reasons(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["no_transaction"]
    for reason in ("", "because"):
        answer = visitor.post(path_of(receipt, "set-aside"), {"reason": reason, "seen_version": 1})
        assert answer.status_code == 422
        assert "Choose why no transaction is expected." in Page(answer.text).words
    assert stored(ports, receipt).state == "in_review"


def test_recently_done_lists_what_people_decided_and_undoes_it(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    assert "Nobody has decided anything yet" in visitor.page("/review/done").words
    visitor.send(visitor.page(DESK), path_of(ours.receipts["open"], "assignment"))
    visitor.post(path_of(ours.receipts["waiting"], "set-aside"), {"reason": "duplicate", "seen_version": 1})
    page = visitor.page("/review/done")
    assert "Set aside: Duplicate of another receipt" in page.words
    assert "Mara Klein" in page.words
    visitor.follow(visitor.send(page, path_of(ours.receipts["open"], "assignment/withdrawal")))
    visitor.follow(visitor.send(page, path_of(ours.receipts["waiting"], "reopening")))
    after = visitor.page("/review/done")
    assert after.words.count("not valid any more") == 2
    assert standing(ports, ours.receipts["open"]) == []


def test_shortcuts_can_be_switched_off(world: World, visit: Visit) -> None:
    visitor = visit(world.staff)
    assert "data-shortcuts" in visitor.get(DESK).text
    page = visitor.page("/profile")
    fields = {name: value for name, value in page.form("/profile").fields.items() if name not in {"has_shortcuts", "csrf_token"}}
    visitor.follow(visitor.post("/profile", fields))
    assert "data-shortcuts" not in visitor.get(DESK).text


@pytest.mark.parametrize("fragment", [False, True])
def test_going_on_can_be_switched_off(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    """Then one stays on the receipt that one has decided about, with its undo."""
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    assert visitor.page(DESK).form(path_of(receipt, "assignment")).fields["item"] != receipt.id
    page = visitor.page("/profile")
    fields = {name: value for name, value in page.form("/profile").fields.items() if name not in {"goes_on", "csrf_token"}}
    visitor.follow(visitor.post("/profile", fields))
    answer = visitor.send(visitor.page(DESK), path_of(receipt, "assignment"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "This receipt is assigned." in page.words
    assert page.form(path_of(receipt, "assignment/withdrawal"))
    assert stored(ports, receipt).state == "assigned"
    other = world.ours.receipts["no_transaction"]
    there = visitor.page(f"{DESK}?item={other.id}")
    assert (
        "This receipt is set aside."
        in visitor.follow(visitor.send(there, path_of(other, "set-aside"), reason="paid_in_cash")).words
    )
    found = world.ours.receipts["waiting"]
    search = visitor.page(f"{DESK}?item={found.id}&q=&line={world.ours.transactions[1].id}")
    assert search.form(path_of(found, "assignment/transactions")).fields["item"] == found.id


def test_a_clients_own_settings_leave_the_desks_alone(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.ours.owner)
    page = visitor.page("/profile")
    assert "Go on to the next receipt" not in page.words
    visitor.follow(visitor.send(page, "/profile", name="Anders"))
    with ports.database.read() as session:
        user = session.get_one(User, world.ours.owner.id)
    assert (user.name, user.has_shortcuts, user.goes_on) == ("Anders", True, True)


def test_it_speaks_german(world: World, visit: Visit) -> None:
    visitor = visit(world.staff)
    visitor.post("/language", {"language": "de"})
    page = visitor.get(DESK)
    assert 'lang="de"' in page.text
    assert "Gleichwertige Kandidaten" in page.text
    assert "119,00" in page.text


def test_the_queue_goes_on_beyond_what_is_shown_at_once(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    with ports.database.write() as session:
        over = session.get_one(Connection, world.ours.documents.id)
        for number in range(60):
            factories.receipt(session, over, 1000 + number, now=clock.now() + timedelta(seconds=number), issued_on=None)
    visitor, seen, address = visit(world.staff), [], f"{DESK}?sort=oldest"
    while address:
        html = visitor.get(address).text
        seen.append(html.split('id="receipt-title"')[1].split(">")[1].split("<")[0])
        place = len(seen)
        first = (place - 1) // QUEUE_SIZE * QUEUE_SIZE + 1
        assert f"{first}–{min(first + QUEUE_SIZE - 1, 68)} of 68" in Page(html).words
        assert f"{place} / 68" in Page(html).words
        assert html.count('aria-current="true"') == 3  # the row, the language, and the view that was saved of this queue
        onward = html.split("Next receipt")
        address = unescape(onward[0].rsplit('href="', 1)[1].split('"')[0]) if len(onward) > 1 else ""
    assert len(seen) == len(set(seen)) == 68
    back = unescape(html.split("Previous receipt")[0].rsplit('href="', 1)[1].split('"')[0])
    assert f'id="receipt-title" tabindex="-1">{seen[-2]}' in visitor.get(back).text
