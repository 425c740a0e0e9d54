"""Saved views: a name for a queue of the desk, for the one who gave it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, select

from portal.db import Database, new_id
from portal.errors import NotFound, Rejected
from portal.models import AuditEvent, Membership, Role, SavedView, User
from portal.services.finding import Actor
from portal.services.review import reviewing, saving
from portal.services.review.queueing import Filters
from portal.services.review.saving import View
from tests import factories
from tests.factories import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def of(user: User) -> Actor:
    return Actor(user.id, Role(user.role))


def shown(database: Database, user: User) -> list[View]:
    """The views that the desk offers him."""
    with database.read() as session:
        return list(reviewing.desk(session, of(user), Filters(), now=NOW).views)


def save(database: Database, user: User, name: str, **asked: Any) -> None:
    with database.write() as session:
        saving.save(session, of(user), name=name, filters=Filters(**asked), now=NOW)


def test_it_keeps_exactly_what_the_address_says(database: Database, world: World) -> None:
    ours, colleague = world.ours.client.id, world.admin.id
    save(
        database, world.staff, "  Alles \n zusammen ", client_id=ours, reason="no_transaction_yet", sort="amount", age=7,
        words="Holz", who=colleague, receipt_id=world.ours.receipts["open"].id, search="x", lines=("y",),
    )  # fmt: skip
    save(database, world.staff, "später", is_later=True)
    assert [(view.name, view.asked, view.lost) for view in shown(database, world.staff)] == [
        (
            "Alles zusammen",
            {"client": ours, "reason": "no_transaction_yet", "find": "Holz", "age": "7", "sort": "amount", "who": colleague},
            "",
        ),
        ("später", {"reason": "later"}, ""),
        ("Älteste zuerst", {"sort": "oldest"}, ""),
    ]
    assert shown(database, world.admin) == []
    with database.read() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.tag == "view.saved")).all()
        kept = set(session.scalars(select(SavedView.id).where(SavedView.name.in_(("Alles zusammen", "später")))))
    assert {event.subject for event in events} == {f"view:{one}" for one in kept}
    assert all((event.chain, event.details) == ("installation", {}) for event in events)


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("", {"sort": "amount"}, "60 characters"),
        (" \n ", {"sort": "amount"}, "60 characters"),
        ("x" * 61, {"sort": "amount"}, "60 characters"),
        ("Leer", {}, "Choose a filter"),
        ("Älteste zuerst", {"sort": "amount"}, "already have"),
        (" älteste  ZUERST", {"sort": "amount"}, "already have"),
    ],
)
def test_what_is_no_view(database: Database, world: World, name: str, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(Rejected, match=told):
        save(database, world.staff, name, **asked)
    assert [view.name for view in shown(database, world.staff)] == ["Älteste zuerst"]


def test_sixty_characters_and_a_colleagues_name_are_free(database: Database, world: World) -> None:
    save(database, world.staff, "x" * 60, sort="amount")
    save(database, world.admin, "Älteste zuerst", sort="oldest")
    assert len(shown(database, world.staff)) == 2
    assert [view.name for view in shown(database, world.admin)] == ["Älteste zuerst"]


def test_twenty_are_kept(database: Database, world: World) -> None:
    for number in range(2, 21):
        save(database, world.staff, f"Nr. {number}", sort="amount")
    with pytest.raises(Rejected, match="20 views"):
        save(database, world.staff, "Nr. 21", sort="amount")
    with database.write() as session:
        assert saving.delete(session, of(world.staff), world.ours.view.id, now=NOW) == "Älteste zuerst"
    save(database, world.staff, "Nr. 21", sort="amount")
    assert len(shown(database, world.staff)) == 20


@pytest.mark.parametrize("name", ["client_id", "who", "reason"])
def test_nothing_unknown_is_saved(database: Database, world: World, name: str) -> None:
    foreign = {"client_id": world.theirs.client.id, "who": world.other_staff.id, "reason": "no-such-reason"}[name]
    with pytest.raises(NotFound):
        save(database, world.staff, "Fremd", **{name: foreign})
    assert [view.name for view in shown(database, world.staff)] == ["Älteste zuerst"]


def test_what_cannot_be_seen_any_more_is_told(database: Database, world: World) -> None:
    with database.write() as session:
        helper = factories.user(session, "hilfe@kanzlei.example", "Hilfe", Role.STAFF, now=NOW)
        factories.member(session, helper, world.ours.client, "staff")
        factories.member(session, world.staff, world.theirs.client, "staff")
    save(database, world.staff, "A", client_id=world.theirs.client.id)
    save(database, world.staff, "B", who=helper.id)
    save(database, world.staff, "C", who="mine")
    assert [view.lost for view in shown(database, world.staff)] == ["", "", "", ""]
    with database.write() as session:
        session.get_one(User, helper.id).is_active = False
        session.execute(
            delete(Membership).where(Membership.user_id == world.staff.id, Membership.client_id == world.theirs.client.id)
        )
    assert [view.lost for view in shown(database, world.staff)] == ["client", "colleague", "", ""]


def test_only_ones_own_is_deleted(database: Database, world: World) -> None:
    for user, view_id in ((world.staff, world.theirs.view.id), (world.admin, world.ours.view.id), (world.staff, new_id())):
        with database.write() as session, pytest.raises(NotFound):
            saving.delete(session, of(user), view_id, now=NOW)
    with database.write() as session:
        saving.delete(session, of(world.staff), world.ours.view.id, now=NOW)
    with database.read() as session:
        assert list(session.scalars(select(SavedView.id))) == [world.theirs.view.id]
        tags = session.scalars(select(AuditEvent.subject).where(AuditEvent.tag == "view.deleted")).all()
    assert tags == [f"view:{world.ours.view.id}"]


def test_they_go_with_the_person(database: Database) -> None:
    with database.write() as session:
        leaving = factories.user(session, "geht@kanzlei.example", "Geht", Role.STAFF, now=NOW)
        factories.saved_view(session, leaving, now=NOW)
    with database.write() as session:
        session.execute(delete(User).where(User.id == leaving.id))
    with database.read() as session:
        assert session.scalars(select(SavedView).where(SavedView.user_id == leaving.id)).all() == []
