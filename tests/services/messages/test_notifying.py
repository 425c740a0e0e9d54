"""Mails: a connection needs somebody, is reminded of, is well again; and then there is silence."""

from __future__ import annotations

import email
from email import policy
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from portal.clock import FixedClock
from portal.mailing import Mailer, MailNotSent
from portal.models import Client, Connection, Mail, Membership, Role, User
from portal.ports import Ports
from portal.services.finding import Actor
from portal.services.messages import messaging, notifying
from portal.services.messages.messaging import Topic
from portal.settings import BadSetting
from tests.factories import World
from tests.story import Story


@pytest.fixture
def broken(story: Story) -> Story:
    """Connected, and then the client ended the consent in his bank's app."""
    story.connect("documents")
    story.work("documents")
    story.bank.tell("consent/revoke", organization=None)
    assert story.sync("documents").state == "needs_person"
    return story


def _mails(story: Story) -> list[tuple[str, str]]:
    """(subject, text) of what left, oldest first."""
    story.work("mail")
    folder = story.ports.mailer.folder
    assert folder is not None
    found = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(Path(folder).glob("*.eml"))]
    return [(str(message["Subject"]), message.get_content()) for message in found]


def _remind(story: Story, **moved: float) -> None:
    story.bank.move(**moved)
    with story.ports.database.write() as session:
        notifying.remind(session, now=story.clock.now())


def test_whoever_has_to_reconnect_is_told_in_his_language(broken: Story) -> None:
    (subject, text), *others = _mails(broken)
    assert not others
    assert subject == f"Please connect Qonto again ({broken.client.name})"
    assert "Hello Jonas Brandt," in text
    assert f"{broken.ports.settings.public_url}/profile/connections" in text
    with broken.ports.database.write() as session:
        session.execute(update(User).values(language="de"))
    _remind(broken, days=1)
    assert _mails(broken)[1][0].startswith("Bitte verbinden Sie Qonto neu")


def test_three_reminders_then_silence(broken: Story) -> None:
    _remind(broken, hours=1)
    assert len(_mails(broken)) == 1
    for _day in range(6):
        _remind(broken, days=1)
        _remind(broken, minutes=10)
    assert len(_mails(broken)) == notifying.REMINDERS


def test_it_is_well_again_once_and_only_for_who_was_told(broken: Story) -> None:
    broken.connect("documents")
    _remind(broken, days=2)
    subjects = [subject for subject, _ in _mails(broken)]
    assert subjects == [
        f"Please connect Qonto again ({broken.client.name})", f"Qonto is connected again ({broken.client.name})"
    ]  # fmt: skip
    broken.connect("documents")  # renewed while it works: nobody has to hear of it
    assert len(_mails(broken)) == 2


def test_a_consent_that_nobody_uses_is_announced(story: Story) -> None:
    story.connect("documents")
    story.work("documents")
    now = story.clock.now()
    for day in range(80):
        with story.ports.database.write() as session:
            notifying.remind(session, now=now.replace(hour=12) if day == 0 else story.clock.now())
        story.bank.move(days=1)
    assert [subject.split(" on ")[0] for subject, _ in _mails(story)] == [
        "Your consent at Qonto ends"
    ] * 2  # 30 and 14 days before
    _remind(story, days=5)
    assert len(_mails(story)) == 3


def test_nothing_is_lost_while_the_mail_server_is_away(broken: Story, tmp_path: Path) -> None:
    blocked = tmp_path / "no-folder"
    blocked.write_text("a file where the folder should be")
    run = broken.newest("mail")
    away = Mailer(f"file://{blocked}", sender="a@b.example")
    with pytest.raises(FileExistsError):
        away.send(mail_id="x", to="a@b.example", subject="", text="")
    assert run.state == "due"
    assert len(_mails(broken)) == 1
    with broken.ports.database.read() as session:
        assert all(mail.sent_at for mail in session.scalars(select(Mail)))


def test_a_server_that_refuses_keeps_the_mail() -> None:
    with pytest.raises(MailNotSent):
        Mailer("smtp://127.0.0.1:9", sender="a@b.example").send(mail_id="x", to="c@d.example", subject="s", text="t")


@pytest.mark.parametrize("url", ["", "http://mail.example", "mail.example:25"])
def test_only_ways_that_we_know(url: str) -> None:
    with pytest.raises(BadSetting, match="MAIL_URL"):
        Mailer(url, sender="a@b.example")


def test_a_mail_holds_no_secret(broken: Story) -> None:
    with broken.ports.database.read() as session:
        connection = session.scalars(select(Connection)).one()
    for subject, text in _mails(broken):
        assert connection.organization_id not in subject + text
        assert "qsim_" not in subject + text


# --- somebody has written


def _say(world: World, ports: Ports, person: User, text: str) -> None:
    with ports.database.write() as session:
        messaging.write(
            session, Actor(person.id, Role(person.role)), client_id=world.ours.client.id, text=text, topic=Topic.GENERAL,
            receipt_id=None, now=ports.clock.now(),
        )  # fmt: skip


def _waiting(ports: Ports) -> list[tuple[str, str, str]]:
    """(to, subject, text)."""
    with ports.database.read() as session:
        query = (
            select(Mail, User, Client)
            .join(User, User.id == Mail.user_id)
            .join(Client, Client.id == Mail.client_id)
            .order_by(Mail.created_at, Mail.id)
        )
        return [
            (user.email, *notifying.words(ports, mail, user=user, client=client)) for mail, user, client in session.execute(query)
        ]


def test_the_other_side_hears_of_a_message_once_until_it_has_looked(world: World, ports: Ports, clock: FixedClock) -> None:
    secret = "Die Rechnung liegt in der Post"
    for _ in range(3):
        _say(world, ports, world.ours.owner, secret)
        clock.move(minutes=1)
    ((to, subject, text),) = _waiting(ports)
    assert to == world.staff.email
    assert subject == f"A new message about {world.ours.client.name}"
    assert f"{ports.settings.public_url}/clients/{world.ours.client.id}/messages" in text
    assert secret not in subject + text
    with ports.database.write() as session:
        messaging.mark_read(session, Actor(world.staff.id, Role.STAFF), world.ours.client.id, now=clock.now())
    _say(world, ports, world.ours.owner, "Noch etwas")
    assert [mail[0] for mail in _waiting(ports)] == [world.staff.email] * 2


def test_the_client_hears_of_an_answer_in_his_language(world: World, ports: Ports) -> None:
    with ports.database.write() as session:
        session.execute(update(User).values(language="de"))
    _say(world, ports, world.admin, "Bitte laden Sie die Quittung hoch.")
    ((to, subject, text),) = _waiting(ports)
    assert (to, subject) == (world.ours.owner.email, f"Neue Nachricht zu {world.ours.client.name}")
    assert world.admin.name in text


@pytest.mark.parametrize("left", [True, False])
def test_where_nobody_is_assigned_any_more_the_admins_hear_of_it(world: World, ports: Ports, left: bool) -> None:
    with ports.database.write() as session:
        if left:
            session.execute(update(User).where(User.role == "staff").values(is_active=False))
        else:
            session.execute(delete(Membership).where(Membership.kind == "staff"))
    _say(world, ports, world.ours.owner, "Hallo?")
    assert [mail[0] for mail in _waiting(ports)] == [world.admin.email]
