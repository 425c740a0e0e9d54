"""The desk: what it shows, its queue, and what a person sets for it."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

from sqlalchemy import update

from portal.clock import FixedClock
from portal.models import Connection, Receipt, User
from portal.ports import Ports
from portal.services import keeping
from portal.services.review.queueing import QUEUE_SIZE
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.desk import DESK, path_of
from tests.web.test_statements import MOST, Counting
from tests.web.visitor import HTMX, Visit, comparable


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


def test_shortcuts_can_be_switched_off(world: World, visit: Visit) -> None:
    visitor = visit(world.staff)
    assert "data-shortcuts" in visitor.get(DESK).text
    page = visitor.page("/profile")
    fields = {name: value for name, value in page.form("/profile").fields.items() if name not in {"has_shortcuts", "csrf_token"}}
    visitor.follow(visitor.post("/profile", fields))
    assert "data-shortcuts" not in visitor.get(DESK).text


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
