"""Digests: in the morning, about something, once a person and day; and silence for whoever does not want them (P-110)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from jobs import ticker
from portal.clock import FixedClock
from portal.models import Assignment, Mail, Membership, Message, Receipt, Run, User
from portal.ports import Ports
from portal.services.finding import Actor
from portal.services.messages import digesting, messaging, notifying
from portal.services.messages.digesting import Digest
from portal.services.messages.messaging import Topic
from portal.services.messages.notifying import Kind
from tests import factories
from tests.factories import Role, World

FRIDAY = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)  #: seven o'clock in Berlin
MONDAY = FRIDAY + timedelta(days=3)


def due(ports: Ports, now: datetime) -> dict[str, Digest]:
    """By person."""
    with ports.database.read() as session:
        found = digesting.due(session, now=now)
    assert len({one.user_id for one in found}) == len(found)
    return {one.user_id: one for one in found}


def write(ports: Ports, now: datetime) -> dict[str, Digest]:
    found = due(ports, now)
    with ports.database.write() as session:
        digesting.write(session, list(found.values()), now=now)
    return found


def mails(ports: Ports) -> list[Mail]:
    with ports.database.read() as session:
        return list(session.scalars(select(Mail).order_by(Mail.created_at, Mail.id)))


def say(ports: Ports, world: World, person: User, now: datetime) -> None:
    with ports.database.write() as session:
        messaging.write(
            session, Actor(person.id, Role(person.role)), client_id=world.ours.client.id, text="?", topic=Topic.GENERAL,
            receipt_id=None, now=now,
        )  # fmt: skip


def test_staff_hear_what_is_open_for_their_clients(ports: Ports, world: World) -> None:
    say(ports, world, world.ours.owner, MONDAY)
    found = due(ports, MONDAY)
    assert found.keys() == {world.staff.id, world.other_staff.id}  # the admin is responsible for nobody
    facts = found[world.staff.id].facts
    assert (facts["open"], facts["to_check"], facts["unread"], facts["is_old"]) == (8, 1, 1, False)
    assert found[world.other_staff.id].facts["unread"] == 0
    assert found[world.staff.id].client_id == world.ours.client.id


def test_what_is_put_off_is_not_open(ports: Ports, world: World) -> None:
    with ports.database.write() as session:
        session.get_one(Receipt, world.ours.receipts["open"].id).put_off_until = MONDAY.date() + timedelta(days=3)
    assert due(ports, MONDAY)[world.staff.id].facts["open"] == 7


@pytest.mark.parametrize(
    ("now", "is_due"),
    [
        (MONDAY, True),
        (MONDAY + timedelta(minutes=119), True),
        (MONDAY - timedelta(minutes=1), False),
        (MONDAY + timedelta(hours=2), False),
        (FRIDAY + timedelta(days=1), False),  # Saturday
        (FRIDAY + timedelta(days=2), False),
        (datetime(2026, 12, 25, 6, 0, tzinfo=UTC), False),
        (datetime(2027, 3, 29, 5, 0, tzinfo=UTC), False),  # Easter Monday, in summer time
        (datetime(2027, 3, 30, 5, 0, tzinfo=UTC), True),
        (datetime(2027, 3, 30, 7, 0, tzinfo=UTC), False),
    ],
)
def test_it_comes_on_the_morning_of_a_working_day(ports: Ports, world: World, now: datetime, is_due: bool) -> None:
    assert (world.staff.id in due(ports, now)) is is_due


def test_once_a_person_and_day_also_if_the_job_runs_twice(ports: Ports, world: World) -> None:
    found = due(ports, MONDAY)
    for _ in range(2):  # both had looked before either wrote
        with ports.database.write() as session:
            digesting.write(session, list(found.values()), now=MONDAY)
    assert len(mails(ports)) == 2
    assert due(ports, MONDAY + timedelta(hours=1)) == {}
    with ports.database.read() as session:
        runs = session.scalars(select(Run).where(Run.kind == "mail")).all()
        assert {run.client_id for run in runs} == {world.ours.client.id, world.theirs.client.id}


def test_only_if_something_has_changed(ports: Ports, world: World) -> None:
    assert world.staff.id in write(ports, MONDAY)
    assert due(ports, MONDAY + timedelta(days=1)) == {}
    with ports.database.write() as session:
        factories.receipt(session, world.ours.documents, 90, now=MONDAY)
    assert write(ports, MONDAY + timedelta(days=1)).keys() == {world.staff.id}
    assert due(ports, MONDAY + timedelta(days=2)) == {}


def test_the_oldest_passing_a_week_is_told_once(ports: Ports, world: World) -> None:
    write(ports, MONDAY)
    told = [day for day in range(1, 12) if world.staff.id in write(ports, MONDAY + timedelta(days=day))]
    assert told == [7]  # they came on the Friday before: on the Friday after it is not yet a week; then there is a weekend


def test_nobody_hears_of_nothing(ports: Ports, world: World) -> None:
    with ports.database.write() as session:
        session.execute(update(Receipt).where(Receipt.state == "in_review").values(state="set_aside", review_reason=None))
        session.execute(update(Assignment).values(is_to_check=False))
    assert due(ports, MONDAY) == {}


def test_clients_hear_on_fridays_what_is_missing(ports: Ports, world: World) -> None:
    say(ports, world, world.staff, FRIDAY)
    found = write(ports, FRIDAY)
    ours, theirs = found[world.ours.owner.id], found[world.theirs.owner.id]
    assert (ours.kind, ours.facts, theirs.facts) == (
        Kind.WEEKLY, {"missing": 2, "unread": 1}, {"missing": 2, "unread": 0}
    )  # fmt: skip
    assert world.ours.owner.id not in due(ports, MONDAY)
    assert world.ours.owner.id in due(ports, FRIDAY + timedelta(days=7))  # it is still to be done


def test_a_client_with_nothing_to_do_hears_nothing(ports: Ports, world: World) -> None:
    with ports.database.write() as session:
        for line in world.ours.transactions[:2]:
            factories.explanation(session, line, world.ours.owner, now=FRIDAY)
        session.execute(update(Message).values(read_at=FRIDAY))
    assert world.ours.owner.id not in due(ports, FRIDAY)
    assert world.theirs.owner.id in due(ports, FRIDAY)


def test_one_mail_about_several_companies(ports: Ports, world: World) -> None:
    with ports.database.write() as session:
        factories.member(session, world.ours.owner, world.theirs.client, "client")
        factories.member(session, world.staff, world.theirs.client, "staff")
    found = due(ports, FRIDAY)
    assert (found[world.ours.owner.id].facts["missing"], found[world.staff.id].facts["open"]) == (4, 16)


@pytest.mark.parametrize("change", [{"has_digest": False}, {"is_active": False}])
def test_whoever_does_not_want_it_gets_none(ports: Ports, world: World, change: dict[str, bool]) -> None:
    with ports.database.write() as session:
        session.execute(update(User).where(User.id.in_([world.staff.id, world.ours.owner.id])).values(**change))
    assert due(ports, FRIDAY).keys() == {world.other_staff.id, world.theirs.owner.id}
    with ports.database.write() as session:
        session.execute(update(Membership).where(Membership.user_id == world.other_staff.id).values(user_id=world.admin.id))
    assert world.other_staff.id not in due(ports, FRIDAY)


@pytest.mark.parametrize("language", ["en", "de"])
def test_it_counts_and_tells_nothing_of_receipts(ports: Ports, world: World, language: str) -> None:
    write(ports, FRIDAY)
    with ports.database.write() as session:
        session.execute(update(User).values(language=language))
    written = {}
    with ports.database.read() as session:
        for mail in session.scalars(select(Mail)):
            user = session.get_one(User, mail.user_id)
            written[user.id] = notifying.words(ports, mail, user=user, client=world.ours.client)
    subject, text = written[world.staff.id]
    assert subject == ("Review: 8 receipts are open" if language == "en" else "Prüfung: 8 Belege sind offen")
    assert ("- 1 assignment of a client is to be checked" if language == "en" else "- 1 Zuordnung eines Mandanten") in text
    weekly = written[world.ours.owner.id][1]
    assert ("2 transactions have no receipt yet" if language == "en" else "2 Umsätze haben noch keinen Beleg") in weekly
    for told in (text, weekly):
        assert f"{ports.settings.public_url}/profile" in told
        for fact in ("Holzhandel", "RE-2026", "119", world.ours.client.name):
            assert fact not in told


def test_the_ticker_sees_to_it(ports: Ports, world: World, clock: FixedClock) -> None:
    assert ticker.digest in {duty.what for duty in ticker.TIMETABLE}
    ticker.digest(ports)  # at eleven o'clock
    assert mails(ports) == []
    clock.at = MONDAY
    ticker.digest(ports)
    assert {mail.user_id for mail in mails(ports)} == {world.staff.id, world.other_staff.id}
