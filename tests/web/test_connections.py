"""Connecting: to the bank and back, every way that it can end, syncing by a button, and disconnecting."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from portal.clock import FixedClock
from portal.models import AuditEvent, ConnectAttempt, Connection, Run, WebhookSubscription
from portal.ports import Ports
from portal.services import running
from portal.services.connections import syncing
from portal.services.people.authenticating import end_sessions
from tests import factories
from tests.bank import Bank
from tests.factories import PASSWORD, World
from tests.pages import Page
from tests.story import Story
from tests.web.visitor import HTMX, Visit, Visitor

CARDS = "/profile/connections"
CALLBACK = "/connections/qonto/callback"


@pytest.fixture
def story(ports: Ports, bank: Bank, clock: FixedClock, acts: None) -> Story:
    """A client who has connected nothing yet."""
    bank.quieten()
    return Story.begin(ports, bank, clock, number="20001")


@pytest.fixture
def owner(site: Flask, story: Story) -> Visitor:
    return Visitor(site).sign_in_fully(story.owner)


def leave(owner: Visitor, story: Story, kind: str = "documents") -> str:
    """Press Connect: the address of the consent page."""
    path = f"/clients/{story.client.id}/connections/{kind}/connect"
    answer = owner.send(owner.page(path), path)
    assert answer.status_code == 303
    return answer.location or ""


def come_back(owner: Visitor, query: dict[str, str]) -> TestResponse:
    return owner.get(CALLBACK, query_string=query)


def connect(owner: Visitor, story: Story, kind: str = "documents", **decision: str) -> TestResponse:
    return come_back(owner, story.bank.decide(leave(owner, story, kind), **decision))


def refusals(ports: Ports) -> list[str]:
    with ports.database.read() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.tag == "connection.connect_refused").order_by(AuditEvent.id))
        return [event.details["reason"] for event in events]


# --- there and back


@pytest.mark.parametrize(
    ("kind", "scopes", "button"),
    [
        ("documents", "offline_access client_invoices.read supplier_invoice.read attachment.read", "Connect"),
        ("bank", "offline_access organization.read", "Login to Bank"),
    ],
)
def test_it_goes_to_the_banks_consent_page_with_the_rights_it_showed(
    owner: Visitor, story: Story, kind: str, scopes: str, button: str
) -> None:
    path = f"/clients/{story.client.id}/connections/{kind}/connect"
    page = owner.page(path)
    assert all(scope in page.words for scope in scopes.split())
    assert page.form(path).buttons == [button]
    address = urlsplit(leave(owner, story, kind))
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{story.bank.url}/oauth2/auth"
    assert asked["scope"].split() == scopes.split()
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == "http://127.0.0.1:5050/connections/qonto/callback"
    assert len(asked["state"]) >= 43


def test_nothing_is_asked_of_the_bank_before_the_consent(owner: Visitor, story: Story) -> None:
    assert story.bank.calls_of(lambda: leave(owner, story)) == []


def test_it_comes_back_connected_and_the_import_starts(owner: Visitor, story: Story) -> None:
    answer = connect(owner, story)
    assert answer.location == f"{CARDS}?client={story.client.id}"
    page = owner.follow(answer)
    assert "The first import has started." in page.words
    assert "Active" in page.words
    assert page.polls == [f"/connections/{story.connection('documents').id}/progress"]
    assert "The first import has started." not in owner.page(CARDS).words  # said once
    assert (story.newest("documents").trigger, story.newest("documents").state) == ("connect", "due")


def test_the_card_polls_while_a_run_goes_on_and_stops_when_it_has_ended(owner: Visitor, story: Story) -> None:
    connect(owner, story)
    progress = f"/connections/{story.connection('documents').id}/progress"
    assert Page(owner.get(progress, headers=HTMX).text).polls == [progress]
    story.work("documents")
    ended = Page(owner.get(progress, headers=HTMX).text)
    assert not ended.is_whole
    assert ended.polls == []
    assert "Last successful sync" in ended.words
    assert "not synced" in ended.words
    assert owner.page(CARDS).polls == []
    assert owner.follow(owner.get(progress)).is_whole  # without htmx: the page that holds the card


def test_the_history_says_what_was_not_synced_and_why(owner: Visitor, story: Story) -> None:
    connect(owner, story)
    story.work("documents")
    run = story.newest("documents")
    words = owner.page(f"/connections/{story.connection('documents').id}").words
    assert "Neither paid nor linked to a transaction" in words
    assert "After connecting" in words
    assert "Finished" in words
    assert sum(run.skipped.values()) > 0


# --- every other way that it can end


def test_denied(owner: Visitor, story: Story, ports: Ports) -> None:
    answer = connect(owner, story, decision="deny")
    assert answer.status_code == 200
    assert "You did not give your consent at Qonto. Nothing was connected." in Page(answer.text).words
    assert f"/clients/{story.client.id}/connections/documents/connect" in Page(answer.text).links
    assert refusals(ports) == ["access_denied"]
    assert story.rows(select(Connection).where(Connection.client_id == story.client.id)) == []


def is_invalid(answer: TestResponse) -> bool:
    return answer.status_code == 400 and "does not belong to this session, or it is too old" in Page(answer.text).words


@pytest.mark.parametrize("state", [None, "", "x" * 43, "x" * 5000])
def test_a_wrong_or_missing_state(owner: Visitor, story: Story, ports: Ports, state: str | None) -> None:
    given = story.bank.decide(leave(owner, story))
    query = {"code": given["code"], **({} if state is None else {"state": state})}
    assert story.bank.calls_of(lambda: come_back(owner, query)) == []
    assert is_invalid(come_back(owner, query))
    assert refusals(ports) == ["invalid_state"] * 2
    assert come_back(owner, given).status_code == 303  # and the right one still works


def test_a_replayed_state(owner: Visitor, story: Story) -> None:
    given = story.bank.decide(leave(owner, story))
    assert come_back(owner, given).status_code == 303
    assert story.bank.calls_of(lambda: come_back(owner, given)) == []
    assert is_invalid(come_back(owner, given))
    assert story.connection("documents").state == "active"


def test_the_state_of_another_session(site: Flask, owner: Visitor, story: Story) -> None:
    given = story.bank.decide(leave(owner, story))
    elsewhere = Visitor(site).sign_in_fully(story.owner)
    assert story.bank.calls_of(lambda: come_back(elsewhere, given)) == []
    assert is_invalid(come_back(elsewhere, given))
    assert come_back(owner, given).status_code == 303


def test_the_state_of_another_user(owner: Visitor, story: Story, world: World, visit: Visit) -> None:
    given = story.bank.decide(leave(owner, story))
    stranger = visit(world.ours.owner)
    assert story.bank.calls_of(lambda: come_back(stranger, given)) == []
    assert is_invalid(come_back(stranger, given))


def test_an_expired_state(owner: Visitor, story: Story) -> None:
    given = story.bank.decide(leave(owner, story))
    story.clock.move(minutes=10, seconds=1)
    assert story.bank.calls_of(lambda: come_back(owner, given)) == []
    assert is_invalid(come_back(owner, given))


@pytest.mark.parametrize(
    "given", [{"error": "x" * 3000}, {"error": "<script>alert(1)</script>"}, {"code": "x" * 5000}, {"code": ""}]
)
def test_nonsense_beside_a_right_state(owner: Visitor, story: Story, given: dict[str, str]) -> None:
    state = parse_qs(urlsplit(leave(owner, story)).query)["state"][0]
    answer = come_back(owner, {**given, "state": state})
    assert answer.status_code == 200
    assert "Try again" in Page(answer.text).words
    assert "<script>alert" not in answer.text


def test_an_expired_code(owner: Visitor, story: Story, ports: Ports) -> None:
    given = story.bank.decide(leave(owner, story))
    story.bank.tell("clock", advance_seconds=11 * 60)
    assert "came too late or was used already" in Page(come_back(owner, given).text).words
    assert refusals(ports) == ["invalid_grant"]


def test_a_right_that_was_not_given_is_named(owner: Visitor, story: Story) -> None:
    words = Page(connect(owner, story, without="attachment.read").text).words
    assert "Some of the rights that we asked for were not given. Missing: attachment.read" in words
    assert "The new consent was given back at once" in words


def test_another_company(owner: Visitor, story: Story) -> None:
    connect(owner, story, "bank")
    answer = connect(owner, story, "documents", organization=story.bank.organizations()[1]["id"])
    assert answer.status_code == 200
    assert "You chose another company at Qonto than the one that is connected here." in Page(answer.text).words
    assert len(story.rows(select(Connection).where(Connection.client_id == story.client.id))) == 1


def test_the_bank_is_away(owner: Visitor, story: Story) -> None:
    given = story.bank.decide(leave(owner, story))
    story.bank.fault("5xx", match={"path": "/oauth2/token"})
    words = Page(come_back(owner, given).text).words
    assert "Qonto could not be reached just now. " in words
    assert "Nothing was changed. Please try again in a few minutes." in words


def test_the_session_ends_in_the_middle(site: Flask, owner: Visitor, story: Story, ports: Ports) -> None:
    """Sign in again, and the journey comes to its end (L-21)."""
    given = story.bank.decide(leave(owner, story))
    with ports.database.write() as session:
        end_sessions(session, story.owner.id)
    answer = come_back(owner, given)
    assert (answer.location or "").startswith(f"/sign-in?next={CALLBACK}")
    door = owner.page(answer.location or "")
    answer = owner.send(door, "/sign-in", email=story.owner.email, password=PASSWORD)
    assert owner.get(answer.location or "").status_code == 303
    assert story.connection("documents").state == "active"


def test_the_language_can_be_changed_on_the_way_without_asking_the_bank_again(owner: Visitor, story: Story, ports: Ports) -> None:
    page = Page(connect(owner, story, decision="deny").text)
    answer = owner.send(page, "/language", language="de")
    assert answer.location == f"{CARDS}?client={story.client.id}"
    assert refusals(ports) == ["access_denied"]


def test_an_unknown_kind_does_not_exist(owner: Visitor, story: Story) -> None:
    for kind in ("payments", "nonsense"):
        path = f"/clients/{story.client.id}/connections/{kind}/connect"
        assert owner.get(path).status_code == 404
        assert owner.post(path).status_code == 404


def test_pressing_connect_twice_begins_two_journeys_of_which_each_works_once(owner: Visitor, story: Story) -> None:
    one, other = story.bank.decide(leave(owner, story)), story.bank.decide(leave(owner, story))
    assert come_back(owner, one).status_code == 303
    assert come_back(owner, other).status_code == 303
    assert len(story.rows(select(Connection).where(Connection.client_id == story.client.id))) == 1
    assert len(story.rows(select(ConnectAttempt).where(ConnectAttempt.used_at.is_(None)))) == 0


# --- syncing by a button


@pytest.mark.parametrize("who", ["owner", "staff", "admin"])
def test_whoever_sees_a_connection_may_sync_it(world: World, visit: Visit, ports: Ports, who: str) -> None:
    visitor = visit(world.ours.owner if who == "owner" else getattr(world, who))
    answer = visitor.post(f"/connections/{world.ours.documents.id}/runs")
    assert "The sync has been started." in visitor.follow(answer).words
    assert [(run.trigger, run.state) for run in asked(ports, world.ours.documents)] == [
        ("client" if who == "owner" else who, "due")
    ]


def test_with_htmx_only_the_card_comes_back(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    path = f"/connections/{world.ours.documents.id}/runs"
    card = Page(visitor.send(visitor.page(CARDS), path, fragment=True).text)
    assert not card.is_whole
    assert card.polls == [f"/connections/{world.ours.documents.id}/progress"]
    assert "Syncing" in card.words


def test_twenty_presses_are_one_run(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.ours.owner)
    path = f"/connections/{world.ours.documents.id}/runs"
    assert {visitor.post(path, headers=HTMX).status_code for _ in range(20)} == {200}
    assert len(asked(ports, world.ours.documents)) == 1


def test_a_press_during_a_run_is_queued_behind_it(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    visitor = visit(world.ours.owner)
    path = f"/connections/{world.ours.documents.id}/runs"
    visitor.post(path)
    lease = running.claim(ports.database, asked(ports, world.ours.documents)[0].id, now=clock.now(), timing=ports.settings.timing)
    assert lease
    for _ in range(3):
        visitor.post(path)
    assert [run.state for run in asked(ports, world.ours.documents)] == ["leased", "due"]


def test_too_many_syncs_must_wait(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    visitor = visit(world.ours.owner)
    path = f"/connections/{world.ours.documents.id}/runs"
    for _ in range(syncing.PRESSES):
        assert visitor.post(path).status_code == 303
        finish(ports)
    answer = visitor.post(path)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "You have started several syncs in the past hour." in Page(answer.text).words
    fragment = visitor.post(path, headers=HTMX)
    assert (fragment.status_code, Page(fragment.text).is_whole) == (429, False)
    assert len(asked(ports, world.ours.documents)) == syncing.PRESSES
    clock.move(hours=1)
    assert visitor.post(path).status_code == 303


def test_a_connection_that_is_not_active_cannot_be_synced(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        session.execute(
            update(Connection).where(Connection.id == world.ours.bank.id).values(state="action_needed", reason="invalid_grant")
        )
    visitor = visit(world.ours.owner)
    answer = visitor.post(f"/connections/{world.ours.bank.id}/runs")
    assert answer.status_code == 422
    assert "This connection is not active. Connect it again first." in Page(answer.text).words
    page = visitor.page(CARDS)
    assert "Action needed" in page.words
    assert f"/connections/{world.ours.bank.id}/runs" not in {form.action for form in page.forms}
    assert f"/clients/{world.ours.client.id}/connections/bank/connect" in page.links


def asked(ports: Ports, connection: Connection) -> list[Run]:
    """The runs that people asked for, oldest first."""
    with ports.database.read() as session:
        query = select(Run).where(Run.connection_id == connection.id, Run.trigger != "schedule")
        return list(session.scalars(query.order_by(Run.id)))


def finish(ports: Ports) -> None:
    with ports.database.write() as session:
        session.execute(update(Run).where(Run.state == "due").values(state="done"))


# --- disconnecting


def test_it_says_what_ends_and_what_stays_then_disconnects(owner: Visitor, story: Story, ports: Ports) -> None:
    connect(owner, story)
    story.work("documents")
    connection, receipts = story.connection("documents"), len(story.receipts())
    path = f"/connections/{connection.id}/disconnection"
    assert path in owner.page(CARDS).links
    page = owner.page(path)
    assert "All receipts and their files" in page.words
    answers: list[TestResponse] = []
    calls = story.bank.calls_of(lambda: answers.append(owner.send(page, path)))
    assert [call["path"] for call in calls] == ["/oauth2/revoke"]
    after = owner.follow(answers[0])
    assert "The connection has ended." in after.words
    assert "Disconnected" in after.words
    assert len(story.receipts()) == receipts
    again = owner.post(path)
    assert again.status_code == 422
    assert "This connection is already disconnected." in Page(again.text).words


def test_it_can_be_connected_again(owner: Visitor, story: Story) -> None:
    connect(owner, story)
    story.work("documents")
    owner.post(f"/connections/{story.connection('documents').id}/disconnection")
    assert "Reconnect" in owner.page(CARDS).words
    assert connect(owner, story).status_code == 303
    assert "Active" in owner.page(CARDS).words


def test_the_firm_sees_the_cards_but_cannot_consent(world: World, visit: Visit) -> None:
    visitor = visit(world.staff)
    page = visitor.page(f"{CARDS}?client={world.ours.client.id}")
    assert "Only the client gives and withdraws the consents." in page.words
    assert not [link for link in page.links if link.endswith(("/connect", "/disconnection"))]


def test_somebody_without_a_company_is_told_whom_to_ask(site: Flask, ports: Ports, clock: FixedClock, acts: None) -> None:
    with ports.database.write() as session:
        nobody = factories.user(session, "new@nowhere.example", "Neu", factories.Role.CLIENT, now=clock.now())
    visitor = Visitor(site).sign_in_fully(nobody)
    for path in (CARDS, "/finances/accounts", "/receipts"):
        assert visitor.page(path)
    assert "No company is set up for you yet" in visitor.page(CARDS).words


def test_a_connection_is_paused_and_goes_on(visit: Visit, world: World, ports: Ports, acts: None) -> None:
    visitor, connection = visit(world.ours.owner), world.ours.documents
    answer = visitor.post(f"/connections/{connection.id}/pause", headers=HTMX)
    assert "Paused" in answer.text
    assert visitor.post(f"/connections/{connection.id}/pause").status_code == 422
    assert visitor.post(f"/connections/{connection.id}/runs").status_code == 422
    with ports.database.write() as session:
        session.execute(delete(Run).where(Run.connection_id == connection.id))
        due = running.make_scheduled(session, now=ports.clock.now() + timedelta(days=2))
    assert connection.id not in {run.connection_id for run in due}
    assert visitor.post(f"/connections/{connection.id}/resumption").status_code == 303
    with ports.database.read() as session:
        run = session.scalars(select(Run).where(Run.connection_id == connection.id)).one()
    assert (run.state, run.trigger) == ("due", "client")
    assert "Active" in visitor.get("/profile/connections").text


def test_the_firm_sees_the_details_of_a_connection_and_the_client_does_not(world: World, visit: Visit, ports: Ports) -> None:
    bank = world.ours.bank
    with ports.database.write() as session:
        session.add(
            WebhookSubscription(
                client_id=bank.client_id, connection_id=bank.id, type="v1/transactions", secret="sealed", qonto_id="w-1",
                created_at=ports.clock.now(), heard_at=None, refused=3,
            )
        )  # fmt: skip
    words = visit(world.staff).page(f"/connections/{bank.id}").words
    for told in ("Granted rights", "Last listed from the first row", "v1/transactions", "nothing heard yet", "3 refused"):
        assert told in words
    assert "sealed" not in words
    assert "Details for the tax office" not in visit(world.ours.owner).page(f"/connections/{bank.id}").words
    assert "Messages from Qonto" not in visit(world.staff).page(f"/connections/{world.ours.documents.id}").words


def test_the_firm_says_why_it_syncs_a_connection_again(world: World, visit: Visit, ports: Ports) -> None:
    path = f"/connections/{world.ours.bank.id}"
    staff = visit(world.staff)
    staff.send(staff.page(path), f"{path}/runs", reason="after_outage")
    assert staff.post(f"{path}/runs", {"reason": "because"}).status_code == 422
    visit(world.ours.owner).post(f"{path}/runs")
    with ports.database.read() as session:
        asked = list(session.scalars(select(AuditEvent).where(AuditEvent.tag == "resync.asked")))
    assert [(event.subject, event.details["reason"]) for event in asked] == [(f"connection:{world.ours.bank.id}", "after_outage")]
