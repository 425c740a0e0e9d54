"""The way to the consent page and back, in a browser: every bad ending says what happened, what we did, and what to do now."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote, urlencode

import pytest
from sqlalchemy import select, update

from portal.models import AuditEvent, ConnectAttempt, Connection, Consent, Role, User, UserSession
from portal.services.connections.connecting import Ending
from tests import factories
from tests.flows.reading import Reader, says, words_of
from tests.story import Story
from tests.web.visitor import Visitor

CALLBACK = "/connections/qonto/callback"


class Journey:
    """One browser of the client's on its way to the bank and back."""

    def __init__(self, story: Story, reader: Reader, browser: Visitor) -> None:
        self.story, self.reader, self.browser = story, reader, browser

    def leave(self, kind: str = "documents", **decision: str) -> dict[str, str]:
        """Press Connect and decide at the bank: the query that the bank sends the browser back with."""
        self.browser.get(f"/clients/{self.story.client.id}/connections/{kind}/connect")
        answer = self.browser.post(f"/clients/{self.story.client.id}/connections/{kind}/connect")
        assert answer.status_code == 303
        return self.story.bank.decide(answer.location, **decision)

    def come_back(self, query: dict[str, str], *, status: int = 200) -> str:
        """What the page says that the browser comes back to."""
        answer = self.browser.get(f"{CALLBACK}?{urlencode(query)}")
        assert answer.status_code == status, answer.text
        return words_of(answer.text)

    def tells(self, page: str, ending: Ending) -> None:
        """What happened, what we did, what to do next."""
        words = self.reader.words
        says(
            page, words("ending", ending.value), words("ending_next", ending.value), "What happened", "What we did", "What you do"
        )


@pytest.fixture
def journey(story: Story, reader: Reader) -> Journey:
    return Journey(story, reader, reader.browser(story.owner))


def _refusals(story: Story) -> list[str]:
    found = story.rows(select(AuditEvent).where(AuditEvent.tag == "connection.connect_refused").order_by(AuditEvent.id))
    return [event.details["reason"] for event in found]


def _arrives(journey: Journey) -> None:
    """Trying again heals all of it."""
    journey.come_back(journey.leave(), status=303)
    says(words_of(journey.browser.get("/profile/connections").text), "Active")


def _has_kept_nothing(story: Story) -> bool:
    return not story.rows(select(Connection)) and not story.rows(select(Consent))


def test_before_the_consent_the_bank_is_not_asked_for_anything(journey: Journey) -> None:
    """L-03: to the consent page and back without a yes."""
    page = journey.come_back(journey.leave(decision="deny"))
    journey.tells(page, Ending.DENIED)
    assert {call["path"] for call in journey.story.bank.log()} <= {"/oauth2/auth"}
    assert _has_kept_nothing(journey.story)
    assert _refusals(journey.story) == ["access_denied"]
    _arrives(journey)


def _other_browser(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    return Visitor(journey.browser.site).sign_in_fully(journey.story.owner), query


def _other_person(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    with journey.story.ports.database.write() as session:
        stranger = factories.user(session, "stranger@example.org", "Fremd", Role.CLIENT, now=journey.story.clock.now())
        factories.member(session, stranger, journey.story.client, "client")
    return Visitor(journey.browser.site).sign_in_fully(stranger), query


def _used_before(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    journey.come_back(query, status=303)
    return journey.browser, query


def _too_old(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    journey.story.bank.move(minutes=10, seconds=1)
    return journey.browser, query


def _without_state(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    return journey.browser, {"code": query["code"]}


def _invented(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    return journey.browser, {**query, "state": "x" * 43}


def _of_the_hash(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    """Who can read the database still has no state."""
    (attempt,) = journey.story.rows(select(ConnectAttempt))
    return journey.browser, {**query, "state": attempt.state_hash}


def _denied_by_a_stranger(journey: Journey, query: dict[str, str]) -> tuple[Visitor, dict[str, str]]:
    """A link with an error and a guessed state ends nobody's journey."""
    return journey.browser, {"state": query["state"][:-1] + "-", "error": "access_denied"}


ATTACKS = (_other_browser, _other_person, _used_before, _too_old, _without_state, _invented, _of_the_hash, _denied_by_a_stranger)


@pytest.mark.fault("F12")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
def test_a_way_back_that_does_not_fit_is_refused_without_a_call(
    journey: Journey, attack: Callable[[Journey, dict[str, str]], tuple[Visitor, dict[str, str]]]
) -> None:
    """F12, B01."""
    story = journey.story
    browser, query = attack(journey, journey.leave())
    before = story.rows(select(Connection.token_version))
    pages: list[str] = []
    calls = story.bank.calls_of(lambda: pages.append(Journey(story, journey.reader, browser).come_back(query, status=400)))
    assert calls == []
    journey.tells(pages[0], Ending.INVALID)
    assert _refusals(story) == ["invalid_state"]
    assert story.rows(select(Connection.token_version)) == before
    if attack is _used_before:
        says(words_of(journey.browser.get("/profile/connections").text), "Active")
    else:
        _arrives(journey)


def test_an_expired_code(journey: Journey) -> None:
    query = journey.leave()
    journey.story.bank.tell("clock", advance_seconds=11 * 60)
    journey.tells(journey.come_back(query), Ending.EXPIRED_CODE)
    assert _has_kept_nothing(journey.story)
    _arrives(journey)


@pytest.mark.fault("F13")
def test_another_organisation_is_refused_given_back_and_nothing_is_mixed(journey: Journey) -> None:
    """F13: while the first one stands, with its receipts."""
    story = journey.story
    _arrives(journey)
    journey.come_back(journey.leave("bank"), status=303)
    story.work("documents")
    before, receipts = story.connection("documents"), story.receipts().keys()
    first, second = story.bank.organizations()[:2]
    for kind in ("documents", "bank"):
        query = journey.leave(kind, organization=second["id"])
        pages: list[str] = []
        calls = story.bank.calls_of(lambda q=query, p=pages: p.append(journey.come_back(q)))
        journey.tells(pages[0], Ending.OTHER_ORGANIZATION)
        if kind == "bank":  # only this consent lets us read names
            says(pages[0], "You chose %(chosen)s; %(standing)s is connected here.")
            assert f"You chose {second['legal_name']}; {first['legal_name']} is connected here." in pages[0]
        assert (calls[0]["path"], calls[-1]["path"], calls[-1]["status"]) == ("/oauth2/token", "/oauth2/revoke", 200)
    after = story.connection("documents")
    assert (after.state, after.access_token, after.organization_id) == ("active", before.access_token, before.organization_id)
    assert len(story.rows(select(Connection))) == 2
    story.sync("documents")
    assert story.receipts().keys() == receipts
    assert {call["organization_id"] for call in story.bank.log() if call["path"].startswith("/v2/")} <= {
        before.organization_id, second["id"],
    }  # fmt: skip
    story.check_books()


@pytest.mark.parametrize("lost", ["expired", "ended", "cookie"])
def test_a_session_that_is_over_in_the_middle(journey: Journey, lost: str) -> None:
    """The door first, and behind it the journey's end (L-21); where the session lives on in another browser, a fresh start."""
    story, browser = journey.story, journey.browser
    query = journey.leave()
    if lost == "cookie":
        browser.cookie = "x" * 43
    else:
        with story.ports.database.write() as session:
            if lost == "ended":
                session.execute(UserSession.__table__.delete())  # type: ignore[attr-defined]
            else:
                session.execute(update(UserSession).values(created_at=story.clock.now().replace(year=2020)))
    answer = browser.get(f"{CALLBACK}?{urlencode(query)}")
    assert answer.status_code == 303
    assert answer.location.startswith("/sign-in?next=")
    wanted = answer.location.partition("next=")[2]
    assert browser.get(answer.location).status_code == 200
    entered = browser.post("/sign-in", {"email": story.owner.email, "password": factories.PASSWORD, "next": unquote(wanted)})
    assert entered.status_code == 303
    pages: list[str] = []

    def come_back() -> None:
        page = browser.get(entered.location)
        assert page.status_code == (400 if lost == "cookie" else 303)
        pages.append(words_of(page.text))

    calls = story.bank.calls_of(come_back)
    if lost != "cookie":
        assert calls[0]["path"] == "/oauth2/token"
        assert story.connection("documents").state == "active"
        assert browser.get(entered.location).status_code == 400  # once
        return
    assert calls == []
    journey.tells(pages[0], Ending.INVALID)
    assert _has_kept_nothing(story)
    _arrives(journey)


@pytest.mark.parametrize(
    ("fault", "path", "arguments"),
    [
        ("token_5xx", "/oauth2/token", {}), ("html_200", "/oauth2/token", {}), ("5xx", "/v2/*", {"status": 503}),
        ("html_200", "/v2/*", {}), ("bad_json", "/v2/*", {}), ("429", "/v2/*", {"retry_after": 300}), ("429", "/v2/*", {}),
    ],
)  # fmt: skip
def test_a_bank_that_is_away_on_the_way_back(journey: Journey, fault: str, path: str, arguments: dict[str, int]) -> None:
    query = journey.leave()
    journey.story.bank.fault(fault, match={"path": path}, **arguments)
    journey.tells(journey.come_back(query), Ending.BANK_AWAY)
    assert _has_kept_nothing(journey.story)
    journey.story.bank.heal()
    journey.story.pass_the_pause()
    _arrives(journey)


def test_staff_cannot_give_the_consent(journey: Journey, staff: User, reader: Reader) -> None:
    query = journey.leave()
    assert journey.story.bank.calls_of(lambda: reader.open(staff, f"{CALLBACK}?{urlencode(query)}", status=403)) == []
    journey.come_back(query, status=303)
