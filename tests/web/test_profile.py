"""Profile settings, language before and after signing in, help."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.models import User
from portal.ports import Ports
from tests.factories import World
from tests.pages import Page
from tests.web.visitor import Visit, Visitor


def stored(ports: Ports, user: User) -> User:
    with ports.database.read() as session:
        return session.get_one(User, user.id)


def test_it_changes_what_the_person_wants(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.staff)
    page = visitor.page("/profile")
    assert page.form("/profile").fields["name"] == "Mara Klein"
    answer = visitor.send(page, "/profile", name="  Mara Groß ", language="de", theme="dark")
    after = visitor.follow(answer)
    assert "Ihre Einstellungen sind gespeichert." in after.words
    user = stored(ports, world.staff)
    assert (user.name, user.language, user.theme, user.initials) == ("Mara Groß", "de", "dark", "MG")
    html = visitor.get("/profile").text
    assert 'lang="de"' in html
    assert 'data-bs-theme="dark"' in html


def test_wrong_values_are_shown_beside_their_field_and_not_kept(world: World, visit: Visit, ports: Ports) -> None:
    visitor, right = visit(world.staff), {"name": "Mara", "language": "en", "theme": "auto"}
    for wrong in ({"name": ""}, {"name": "x" * 101}, {"language": "fr"}, {"theme": "pink"}, {"name": "   "}):
        answer = visitor.post("/profile", {**right, **wrong})
        assert answer.status_code == 422, wrong
        assert "Please check what you entered" in Page(answer.text).words
        assert 'aria-invalid="true"' in answer.text
    user = stored(ports, world.staff)
    assert (user.name, user.language, user.theme) == ("Mara Klein", "en", "auto")


def test_a_new_password_must_be_good_and_the_old_one_right(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    for old, new, words in (
        ("wrong", "eine ganz neue Losung", "Your current password is not right."),
        (world.password, "kurz", "Choose a password of at least 12 characters."),
        (world.password, "passwort12345", "This password is too well known."),
    ):
        answer = visitor.post("/profile/password", {"old": old, "new": new})
        assert answer.status_code == 422
        assert words in Page(answer.text).words
        assert new not in answer.text


def test_whoever_has_a_second_factor_sees_it(world: World, visit: Visit) -> None:
    assert (
        "You are asked for a code of your authenticator app each time you sign in." in visit(world.staff).page("/profile").words
    )
    own = visit(world.ours.owner).page("/profile")
    assert "/second-factor/enrolment?next=/profile" in own.links
    assert visit(world.ours.owner).page("/second-factor/enrolment?next=/profile")


@pytest.mark.parametrize(
    ("accepted", "language"), [("de-DE,de;q=0.9,en;q=0.8", "de"), ("en-GB,en;q=0.9", "en"), ("fr,pl", "de"), ("", "de")]
)
def test_a_stranger_is_spoken_to_in_his_browsers_language(site: Flask, accepted: str, language: str) -> None:
    answer = Visitor(site).get("/sign-in", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}"' in answer.text


def test_the_language_is_changed_before_and_after_signing_in_and_the_page_stays(world: World, site: Flask, ports: Ports) -> None:
    visitor = Visitor(site)
    page = visitor.page("/sign-in?next=/receipts?state%3Dassigned")
    answer = visitor.send(page, "/language", language="en")
    assert answer.location == "/sign-in?next=/receipts?state%3Dassigned"
    assert 'lang="en"' in visitor.get("/sign-in").text
    inside = visitor.sign_in_fully(world.ours.owner)
    answer = inside.send(inside.page("/receipts?state=assigned"), "/language", language="de")
    assert answer.location == "/receipts?state=assigned"
    assert 'lang="de"' in inside.get("/receipts").text
    assert stored(ports, world.ours.owner).language == "de"
    assert inside.post("/language", {"language": "xx"}).status_code == 422


def test_help_names_whom_to_ask(world: World, visit: Visit, ports: Ports) -> None:
    words = visit(world.ours.owner).page("/help").words
    assert ports.settings.firm.name in words
    assert ports.settings.firm.contact_email in words
