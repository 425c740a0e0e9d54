"""The door: who gets in, who does not, and what nobody learns at it."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from argon2 import PasswordHasher
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from portal.clock import FixedClock
from portal.crypto import digest
from portal.errors import Rejected
from portal.models import Attempt, AuditEvent, User, UserSession
from portal.ports import Ports
from portal.services.people import authenticating, hashing
from portal.services.people.authenticating import WrongCode
from portal.services.people.throttling import TooManyAttempts
from tests.factories import PASSWORD, World
from tests.web.visitor import COOKIE, HTMX, Visit, Visitor, fresh_code, totp_of

WRONG = "The e-mail address or the password is not right."


def events(ports: Ports, tag: str) -> list[AuditEvent]:
    with ports.database.read() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.tag == tag)))


# --- the password


def test_a_client_signs_in_and_lands_on_the_receipts(site: Flask, world: World, ports: Ports) -> None:
    visitor = Visitor(site)
    answer = visitor.sign_in(world.ours.owner)
    assert (answer.status_code, answer.location) == (303, "/")
    assert visitor.get("/").location == "/receipts"
    owner = world.ours.owner.id
    assert [(event.actor, event.subject) for event in events(ports, "user.signed_in")] == [(owner, f"user:{owner}")]


@pytest.mark.parametrize(("who", "home"), [("staff", "/review"), ("admin", "/admin")])
def test_everybody_has_a_home(visit: Visit, world: World, who: str, home: str) -> None:
    assert visit(getattr(world, who)).get("/").location == home


def test_it_comes_back_to_the_page_that_was_wanted(site: Flask, world: World) -> None:
    visitor = Visitor(site)
    asked = visitor.get("/receipts?state=in_review")
    assert asked.location == "/sign-in?next=/receipts?state%3Din_review"
    visitor.get(asked.location)
    answer = visitor.post(
        "/sign-in", {"email": world.ours.owner.email, "password": PASSWORD, "next": "/receipts?state=in_review"}
    )
    assert answer.location == "/receipts?state=in_review"


def test_a_wrong_password_and_an_unknown_address_answer_the_same(site: Flask, world: World, ports: Ports) -> None:
    visitor = Visitor(site)
    visitor.get("/sign-in")
    texts = set()
    for email in (world.ours.owner.email, "nobody@nowhere.example"):
        answer = visitor.post("/sign-in", {"email": email, "password": "not the password"})
        assert answer.status_code == 422
        assert WRONG in answer.text
        texts.add(answer.text.replace(email, "").replace(visitor.token, ""))
    assert len({text.split("<main")[1] for text in texts}) == 1
    assert {event.subject for event in events(ports, "user.sign_in_failed")} == {
        f"user:{world.ours.owner.id}",
        "user:unknown",
    }


@pytest.mark.parametrize("is_known", [True, False])
def test_a_sign_in_costs_one_hash_whoever_asks(world: World, ports: Ports, acts: None, is_known: bool) -> None:
    email = world.ours.owner.email if is_known else "nobody@nowhere.example"
    hashing.dummy_hash()
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_qualname) if event == "call" else None)
    try:
        with pytest.raises(Rejected):
            authenticating.sign_in(ports, email=email, password="not the password", address="10.0.0.1")
    finally:
        sys.setprofile(None)
    assert calls.count("PasswordHasher.verify") == 1


def test_a_deactivated_user_is_nobody(site: Flask, world: World, ports: Ports) -> None:
    visitor = Visitor(site)
    visitor.sign_in(world.ours.owner)
    with ports.database.write() as session:
        session.execute(update(User).where(User.id == world.ours.owner.id).values(is_active=False))
    assert visitor.get("/receipts").status_code == 303
    assert WRONG in Visitor(site).sign_in(world.ours.owner).text


def test_the_eleventh_guess_waits(site: Flask, world: World, clock: FixedClock) -> None:
    visitor = Visitor(site)
    visitor.get("/sign-in")
    form = {"email": world.ours.owner.email, "password": "not the password"}
    assert [visitor.post("/sign-in", form).status_code for _ in range(10)] == [422] * 10
    refused = visitor.post("/sign-in", {**form, "password": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    clock.move(seconds=int(refused.headers["Retry-After"]) + 1)
    assert visitor.post("/sign-in", {**form, "password": PASSWORD}).status_code == 303  # never a lock-out for good


def test_right_passwords_do_not_count(world: World, ports: Ports, acts: None) -> None:
    for _ in range(11):
        authenticating.sign_in(ports, email=world.ours.owner.email, password=PASSWORD, address="10.0.0.1")
    with ports.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 0


def test_one_address_cannot_try_many_accounts(world: World, ports: Ports, acts: None) -> None:
    for number in range(10):
        with pytest.raises(Rejected):
            authenticating.sign_in(ports, email=f"{number}@nowhere.example", password="x", address=f"2001:db8::{number}")
    with pytest.raises(TooManyAttempts):
        authenticating.sign_in(ports, email=world.staff.email, password=PASSWORD, address="2001:db8::ffff")
    authenticating.sign_in(ports, email=world.staff.email, password=PASSWORD, address="2001:db8:0:1::1")


def test_parallel_guesses_are_counted(world: World, ports: Ports, settings: object) -> None:
    def guess(_number: int) -> str:
        from portal.services.auditing import Origin, acting

        try:
            with acting(Origin("anonymous"), key=ports.settings.secret_key):
                authenticating.sign_in(ports, email=world.ours.owner.email, password="x", address="10.0.0.1")
        except TooManyAttempts:
            return "refused"
        except Rejected:
            return "evaluated"
        return "in"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(guess, range(60)))
    assert results.count("evaluated") == 10
    assert results.count("refused") == 50


# --- how passwords are kept


def test_hashes_rise_with_their_parameters(
    site: Flask, world: World, ports: Ports, real_hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "HASHER", real_hasher)
    Visitor(site).sign_in(world.ours.owner)
    with ports.database.read() as session:
        stored = session.get_one(User, world.ours.owner.id).password_hash
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert stored != world.ours.owner.password_hash
    assert Visitor(site).sign_in(world.ours.owner).status_code == 303


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=12, max_size=128, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_a_password(password: str) -> None:
    kept = hashing.hashed(password)
    assert hashing.is_right(kept, password)
    assert not hashing.is_right(kept, password + "x")


def test_known_short_and_endless_passwords_are_refused() -> None:
    common = hashing.COMMON.read_text(encoding="utf-8").splitlines()
    assert len(set(common)) >= 3000
    for password in [*common, *(word.upper() for word in common[:100]), "short", "x" * 11, "ab" * 65]:
        with pytest.raises(Rejected):
            hashing.check(password)
    hashing.check("ab" * 64)
    hashing.check("vier wörter reichen aus")


# --- the second factor


def test_staff_without_second_factor_must_set_one_up(site: Flask, world: World, ports: Ports) -> None:
    visitor = Visitor(site)
    assert visitor.sign_in(world.staff).location == "/second-factor/enrolment"
    assert visitor.get("/review").location == "/second-factor/enrolment?next=/review"
    page = visitor.get("/second-factor/enrolment?next=/review")
    secret = page.text.split('id="secret">')[1].split("<")[0].replace(" ", "")
    assert f"otpauth://totp/Belegfluss:mara%40kanzlei.example?secret={secret}" in page.text
    assert visitor.post("/second-factor/enrolment", {"code": "000000"}).status_code == 422
    before = visitor.cookie
    code = pyotp.TOTP(secret).now()
    answer = visitor.post("/second-factor/enrolment", {"code": f"{code[:3]} {code[3:]}", "next": "/review"})
    assert answer.location == "/review"
    assert visitor.cookie != before
    assert visitor.get("/review").status_code == 200
    with ports.database.read() as session:
        assert secret not in (session.get_one(User, world.staff.id).totp_sealed or "")


def test_a_second_factor_cannot_be_replaced_with_the_password_alone(site: Flask, world: World, ports: Ports) -> None:
    totp_of(ports, world.staff)
    visitor = Visitor(site)
    assert visitor.sign_in(world.staff).location == "/sign-in/second-factor"
    assert visitor.get("/second-factor/enrolment").location == "/sign-in/second-factor"
    assert visitor.post("/second-factor/enrolment", {"code": "123456"}).location == "/sign-in/second-factor"


def test_a_code_works_once(site: Flask, world: World, ports: Ports) -> None:
    code = fresh_code(ports, world.staff)
    first, second = Visitor(site), Visitor(site)
    for visitor, status in ((first, 303), (second, 422)):
        visitor.sign_in(world.staff)
        assert visitor.post("/sign-in/second-factor", {"code": code}).status_code == status
    assert first.get("/review").status_code == 200
    assert second.get("/review").status_code == 303


def test_of_twenty_equal_codes_exactly_one_works(world: World, ports: Ports) -> None:
    from portal.services.auditing import Origin, acting

    code = fresh_code(ports, world.staff)

    def show(_number: int) -> str:
        try:
            with acting(Origin("anonymous"), key=ports.settings.secret_key):
                authenticating.show_second_factor(ports, user_id=world.staff.id, code=code)
        except (WrongCode, TooManyAttempts):
            return "refused"
        return "in"

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(show, range(20))) == ["in", *["refused"] * 19]


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_codes_of_the_neighbouring_half_minutes_work(clock: FixedClock, steps: int, is_right: bool) -> None:
    totp = pyotp.TOTP(pyotp.random_base32())
    code = totp.at(clock.now(), counter_offset=steps)
    assert (authenticating._step_of(totp.secret, code, clock.now()) is not None) is is_right


def test_six_wrong_codes_must_wait(site: Flask, world: World, ports: Ports) -> None:
    totp_of(ports, world.staff)
    visitor = Visitor(site)
    visitor.sign_in(world.staff)
    assert [visitor.post("/sign-in/second-factor", {"code": "12345"}).status_code for _ in range(6)] == [422] * 5 + [429]


# --- sessions


def test_a_cookie_from_before_is_worthless_after(site: Flask, world: World, ports: Ports) -> None:
    visitor = Visitor(site)
    totp_of(ports, world.staff)
    visitor.get("/sign-in")
    planted = visitor.cookie
    visitor.sign_in(world.staff)
    half = visitor.cookie
    visitor.post("/sign-in/second-factor", {"code": fresh_code(ports, world.staff)})
    assert len({planted, half, visitor.cookie}) == 3
    for old in (planted, half):
        other = Visitor(site)
        other.cookie = old
        assert other.get("/review").location == "/sign-in?next=/review"


def test_a_copied_cookie_does_not_survive_signing_out(visit: Visit, world: World, ports: Ports) -> None:
    visitor = visit(world.ours.owner)
    thief = visit(None)
    thief.cookie = copied = visitor.cookie
    assert thief.get("/receipts").status_code == 200
    answer = visitor.post("/sign-out")
    assert answer.location == "/sign-in"
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    for _ in range(5):
        thief.cookie = copied
        assert thief.get("/receipts").location == "/sign-in?next=/receipts"
        assert thief.get("/receipts", headers=HTMX).status_code == 401
        assert thief.post("/language", {"language": "de"}).status_code == 400
        assert thief.post("/sign-out").status_code == 401
    assert len(events(ports, "user.signed_out")) == 1


def test_the_database_holds_no_usable_id(visit: Visit, world: World, ports: Ports) -> None:
    visitor = visit(world.ours.owner)
    assert len(visitor.cookie) == 43  # 256 bits in base64
    with ports.database.read() as session:
        rows = list(session.scalars(select(UserSession)))
    assert digest(visitor.cookie) in {row.id_hash for row in rows}
    assert all(visitor.cookie not in f"{row.id_hash}{row.content}" for row in rows)


@pytest.mark.parametrize(("who", "minutes"), [("owner", 120), ("staff", 30), ("admin", 30)])
def test_idle_sessions_end(visit: Visit, world: World, clock: FixedClock, who: str, minutes: int) -> None:
    visitor = visit(world.ours.owner if who == "owner" else getattr(world, who))
    clock.move(minutes=minutes, seconds=-1)
    assert visitor.get("/help").status_code == 200
    clock.move(minutes=minutes, seconds=1)
    assert visitor.get("/help").status_code == 303


def test_no_session_lasts_longer_than_half_a_day(visit: Visit, world: World, clock: FixedClock) -> None:
    visitor = visit(world.ours.owner)
    for _ in range(11):
        clock.move(hours=1)
        assert visitor.get("/help").status_code == 200
    clock.move(minutes=59, seconds=59)
    assert visitor.get("/help").status_code == 200
    clock.move(seconds=2)
    assert visitor.get("/help").status_code == 303


def test_looking_how_long_a_session_goes_on_does_not_prolong_it(visit: Visit, world: World, clock: FixedClock) -> None:
    visitor = visit(world.staff)
    visitor.get("/help")
    clock.move(minutes=29)
    told = visitor.get("/session").get_json()
    assert (told["idle"], told["whole"], told["again"]) == (60, 12 * 3600 - 29 * 60, 29 * 60)
    assert told["who"] == world.staff.id
    clock.move(seconds=61)
    assert visitor.get("/session").status_code == 303


def test_staying_begins_the_idle_time_anew_until_the_twelve_hours_are_over(
    visit: Visit, world: World, clock: FixedClock
) -> None:  # fmt: skip
    visitor = visit(world.ours.owner)
    visitor.get("/help")
    for _ in range(11):
        clock.move(minutes=60)
        told = visitor.post("/session").get_json()
        visitor.token = told["token"]
    assert (told["idle"], told["whole"]) == (3600, 3600)
    clock.move(minutes=59, seconds=59)
    assert visitor.post("/session").status_code == 200
    clock.move(seconds=2)
    assert visitor.get("/session").status_code == 303
    assert visitor.post("/session").status_code in {400, 401}


def test_a_page_knows_how_long_its_session_goes_on(visit: Visit, world: World, clock: FixedClock) -> None:
    visitor = visit(world.staff)
    visitor.get("/help")
    for seconds, left in ((59, 1741), (1, 1800), (3600 * 11, None)):
        clock.move(seconds=seconds)
        page = visitor.get("/help")
        assert (f'data-idle="{left}"' in page.text) is (left is not None)
    assert "session-end" not in visitor.get("/sign-in").text


def test_what_was_sent_too_late_is_shown_and_leads_back(visit: Visit, world: World, clock: FixedClock) -> None:
    """Nothing was changed; the words are there to be copied, and after signing in the page is."""
    visitor, path = visit(world.staff), f"/receipts/{world.ours.receipts['open'].id}"
    visitor.get(path)
    clock.move(minutes=31)
    old, form = visitor.token, {"text": "Anruf am Montag\n<b>wichtig</b>", "password": "geheim"}
    here = {"Referer": f"{visitor.ports.settings.public_url}{path}?from=desk"}
    late = visitor.post(f"{path}/notes", form, headers=here)
    again = visit(world.staff).post(f"{path}/notes", form, headers=here, token=old)  # signed in, from the page of before
    assert (late.status_code, again.status_code) == (401, 400)
    for answer in (late, again):
        assert "Nothing was changed." in answer.text
        assert "Anruf am Montag\n&lt;b&gt;wichtig&lt;/b&gt;</textarea>" in answer.text
        assert "geheim" not in answer.text
    assert f"/sign-in?next={path}?from%3Ddesk" in late.text
    assert f'href="{path}?from=desk">Open the page again' in again.text
    for elsewhere in ("https://elsewhere.example/x", "https://[", "", "no address"):
        answer = visitor.post(f"{path}/notes", headers={"Referer": elsewhere})
        assert "?next=" not in answer.text
        assert "elsewhere" not in answer.text


def test_being_seen_is_written_once_a_minute(visit: Visit, world: World, clock: FixedClock, ports: Ports) -> None:
    visitor = visit(world.ours.owner)

    def seen() -> object:
        with ports.database.read() as session:
            return session.get_one(UserSession, digest(visitor.cookie)).seen_at

    first = seen()
    clock.move(seconds=59)
    visitor.get("/help")
    assert seen() == first
    clock.move(seconds=1)
    visitor.get("/help")
    assert seen() == clock.now()


def test_a_new_password_ends_every_other_session(visit: Visit, world: World, ports: Ports) -> None:
    here, elsewhere = visit(world.ours.owner), visit(world.ours.owner)
    before = here.cookie
    new = "eine ganz neue Losung"
    refused = here.post("/profile/password", {"old": "not the password", "new": new})
    assert refused.status_code == 422
    assert here.post("/profile/password", {"old": PASSWORD, "new": "passwort12345"}).status_code == 422
    assert elsewhere.get("/help").status_code == 200
    assert here.post("/profile/password", {"old": PASSWORD, "new": new}).location == "/profile"
    assert here.get("/profile").status_code == 200
    assert here.cookie != before
    assert elsewhere.get("/help").status_code == 303
    assert Visitor(here.site).sign_in(world.ours.owner).status_code == 422
    assert Visitor(here.site).sign_in(world.ours.owner, new).status_code == 303
    assert len(events(ports, "user.password_changed")) == 1


def test_another_role_needs_another_session(visit: Visit, world: World, ports: Ports) -> None:
    visitor = visit(world.staff)
    with ports.database.write() as session:
        session.execute(update(User).where(User.id == world.staff.id).values(role="admin"))
    assert visitor.get("/admin").location == "/sign-in?next=/admin"


def test_an_ended_session_does_not_come_back_with_the_answer_under_way(visit: Visit, world: World, ports: Ports) -> None:
    visitor = visit(world.ours.owner)

    def end() -> str:
        with ports.database.write() as session:
            authenticating.end_sessions(session, world.ours.owner.id)
        from portal.web import sessions

        sessions.renew()
        return "done"

    from portal.web.access import signed_in

    visitor.site._got_first_request = False
    visitor.site.add_url_rule("/ends", view_func=signed_in(end))
    visitor.get("/ends")
    assert visitor.get("/help").status_code == 303
    with ports.database.read() as session:
        assert session.scalar(select(UserSession).where(UserSession.user_id == world.ours.owner.id)) is None


def test_expired_rows_are_removed(visit: Visit, world: World, clock: FixedClock, ports: Ports) -> None:
    visit(world.ours.owner)
    clock.move(hours=1)
    kept = visit(world.staff)
    clock.move(minutes=61)
    with ports.database.write() as session:
        authenticating.forget_expired_sessions(session, now=clock.now())
    with ports.database.read() as session:
        assert [row.id_hash for row in session.scalars(select(UserSession))] == [digest(kept.cookie)]


def test_the_cookie_can_do_as_little_as_possible(site: Flask, world: World) -> None:
    visitor = Visitor(site)
    answer = visitor.get("/sign-in")
    parts = answer.headers["Set-Cookie"].split("; ")
    assert parts[0].startswith(f"{COOKIE}=")
    assert sorted(parts[1:]) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]
