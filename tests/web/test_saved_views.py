"""Saved views at the desk: save what is shown under a name, open it by a link, delete it."""

from __future__ import annotations

from sqlalchemy import delete, select

from portal.models import Membership, SavedView
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.visitor import Visit, fingerprint

SAVE = "/review/views"


def deleting(view: SavedView) -> str:
    return f"/review/views/{view.id}/deletion"


def names(ports: Ports, world: World) -> list[str]:
    with ports.database.read() as session:
        return sorted(session.scalars(select(SavedView.name).where(SavedView.user_id == world.staff.id)))


def test_it_is_saved_opened_and_deleted(world: World, visit: Visit, ports: Ports) -> None:
    mara, item = visit(world.staff), world.ours.receipts["open"].id
    page = mara.page(f"/review?reason=no_transaction_yet&find=holz&sort=amount&item={item}")
    action = page.form(SAVE).action
    answer = mara.post(action, {"name": " Holz  zuerst "})
    assert answer.status_code == 303
    assert f"item={item}" in answer.location  # one stays where one was
    page = mara.follow(answer)
    assert "The view “Holz zuerst” is saved." in page.words
    assert "Saved views: Holz zuerst" in page.words
    assert SAVE not in [form.action.partition("?")[0] for form in page.forms]  # it has a name already
    (link,) = [link for link in mara.page("/review").links if "find=holz" in link and "item=" not in link]
    opened = mara.page(link)
    assert "Saved views: Holz zuerst" in opened.words
    with ports.database.read() as session:
        view = session.scalars(select(SavedView).where(SavedView.name == "Holz zuerst")).one()
    gone = mara.follow(mara.post(opened.form(deleting(view)).action))
    assert "The view “Holz zuerst” is deleted." in gone.words
    assert gone.form(SAVE).action  # the queue is still the same, and can be saved again
    assert names(ports, world) == ["Älteste zuerst"]


def test_a_used_name_loses_nothing(world: World, visit: Visit, ports: Ports) -> None:
    mara, item = visit(world.staff), world.ours.receipts["open"].id
    action = mara.page(f"/review?sort=amount&item={item}").form(SAVE).action
    before = fingerprint(ports.database)
    answer = mara.post(action, {"name": "älteste zuerst"})
    assert answer.status_code == 422
    page = Page(answer.text)
    assert "You already have a view of this name." in page.words
    assert 'aria-current="page">Review' in answer.text
    assert page.form(SAVE).fields["name"] == "älteste zuerst"
    assert page.form(SAVE).action == action
    assert fingerprint(ports.database) == before
    assert mara.post(action, {"name": "Teuerste zuerst"}).status_code == 303
    assert names(ports, world) == ["Teuerste zuerst", "Älteste zuerst"]


def test_a_queue_that_asks_for_nothing_has_no_form(world: World, visit: Visit) -> None:
    page = visit(world.staff).page("/review")
    assert SAVE not in [form.action.partition("?")[0] for form in page.forms]
    assert "Filter the queue or change its order" in page.words


def test_the_twenty_first_is_refused(world: World, visit: Visit, ports: Ports, acts: None) -> None:
    with ports.database.write() as session:
        for number in range(2, 21):
            factories.saved_view(session, world.staff, f"Nr. {number}", now=world.ours.client.created_at)
    mara = visit(world.staff)
    answer = mara.post(mara.page("/review?sort=amount").form(SAVE).action, {"name": "Noch eine"})
    assert answer.status_code == 422
    assert "You have 20 views" in Page(answer.text).words
    assert len(names(ports, world)) == 20


def test_a_lost_client_is_told_and_can_be_deleted(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        factories.member(session, world.staff, world.theirs.client, "staff")
    mara, theirs = visit(world.staff), world.theirs.client.id
    mara.post(mara.page(f"/review?client={theirs}").form(SAVE).action, {"name": "Nord"})
    with ports.database.write() as session:
        mine = (Membership.user_id == world.staff.id, Membership.client_id == theirs)
        session.execute(delete(Membership).where(*mine))
        view = session.scalars(select(SavedView).where(SavedView.name == "Nord")).one()
    page = mara.page("/review")
    assert "Nord No longer possible: you do not look after its client any more." in page.words
    assert not [link for link in page.links if theirs in link]
    assert mara.get(f"/review?client={theirs}").status_code == 404
    mara.follow(mara.post(page.form(deleting(view)).action))
    assert names(ports, world) == ["Älteste zuerst"]


def test_nobody_else_sees_or_deletes_it(world: World, visit: Visit, ports: Ports) -> None:
    admin = visit(world.admin)
    assert "Älteste zuerst" not in admin.page("/review").words
    assert admin.post(deleting(world.ours.view)).status_code == 404
    owner = visit(world.ours.owner)
    owner.get("/receipts")
    assert owner.post(deleting(world.ours.view)).status_code == 403
    assert names(ports, world) == ["Älteste zuerst"]
