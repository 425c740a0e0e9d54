"""The help knows the reader's own dates, asks whether it answered, and tells how to invite the firm to Qonto."""

from __future__ import annotations

from portal.models import Client
from portal.ports import Ports
from tests.factories import World
from tests.web.visitor import HTMX, Visit


def _access(ports: Ports, world: World) -> str:
    with ports.database.read() as session:
        return session.get_one(Client, world.ours.client.id).accountant_access


def test_it_tells_the_readers_own_dates(visit: Visit, world: World) -> None:
    page = visit(world.ours.owner).get("/help").text
    year = world.ours.client.created_at.year - 1
    assert f"Your start date: 1 Jan {year}." in page
    assert "Your next sync: about" in page
    assert "Your start date" not in visit(world.staff).get("/help").text


def test_a_vote_counts_once_a_person(visit: Visit, world: World) -> None:
    owner, admin = visit(world.ours.owner), visit(world.admin)
    answer = owner.post("/help/votes", {"entry": "period", "is_helpful": "1"}, headers=HTMX)
    assert "This answered your question." in answer.text
    assert owner.post("/help/votes", {"entry": "period", "is_helpful": "0"}).location == "/help#period"
    assert "This did not answer your question." in owner.get("/help").text
    assert "Votes: 0 yes, 1 no" in admin.get("/help").text
    assert "Votes:" not in owner.get("/help").text
    assert owner.post("/help/votes", {"entry": "no-such-entry", "is_helpful": "1"}).status_code == 422


def test_the_client_says_done_and_the_firm_confirms(visit: Visit, world: World, ports: Ports) -> None:
    owner, staff = visit(world.ours.owner), visit(world.staff)
    path = f"/clients/{world.ours.client.id}/accountant-access"
    assert "Choose the role Accountant" in owner.get("/profile/connections").text
    owner.post(path, {"state": "later"})
    assert "Choose the role Accountant" not in owner.get("/profile/connections").text
    owner.post(path, {"state": "claimed"})
    assert "Invitation sent" in owner.get("/profile/connections").text
    assert owner.post(path, {"state": "confirmed"}).status_code == 403
    assert _access(ports, world) == "claimed"
    assert "Invitation sent, says the client" in staff.get(f"/clients/{world.ours.client.id}").text
    staff.post(path, {"state": "confirmed"})
    assert "Set up and confirmed" in owner.get("/profile/connections").text
    assert staff.post(path, {"state": "whatever"}).status_code == 422
