"""A client's page for the firm: tax years are opened, completed and reopened here."""

from __future__ import annotations

from sqlalchemy import func, select

from portal.models import Engagement, Run
from portal.ports import Ports
from portal.services.clients import engaging
from tests.factories import World
from tests.web.visitor import Visit


def _open_years(ports: Ports, client_id: str) -> tuple[int, ...]:
    with ports.database.read() as session:
        return engaging.scope(session, client_id).open_years


def test_staff_commission_a_year_and_its_documents_are_fetched_at_once(visit: Visit, world: World, ports: Ports) -> None:
    client = world.ours.client
    visitor = visit(world.staff)
    answer = visitor.post(f"/clients/{client.id}/engagements", {"tax_year": "2020", "returns": ["income", "vat"]})
    assert answer.location == f"/clients/{client.id}"
    page = visitor.get(answer.location)
    assert "Tax year 2020 is commissioned." in page.text
    assert "2020 · open" in page.text
    with ports.database.read() as session:
        run = session.scalars(select(Run).where(Run.client_id == client.id, Run.state == "due")).one()
        assert (run.kind, run.trigger) == ("documents", "change")


def test_slips_are_told_beside_the_field(visit: Visit, world: World, ports: Ports) -> None:
    visitor, path = visit(world.staff), f"/clients/{world.ours.client.id}/engagements"
    for form, words in (
        ({"tax_year": "", "returns": "vat"}, "Enter the year"),
        ({"tax_year": "20260", "returns": "vat"}, "Choose a tax year between 2010 and next year."),
        ({"tax_year": "2020"}, "Choose at least one tax return of the year."),
        ({"tax_year": str(world.ours.client.created_at.year), "returns": "vat"}, "This tax year is already commissioned."),
    ):
        answer = visitor.post(path, form)
        assert answer.status_code == 422
        assert words in answer.text
    with ports.database.read() as session:
        assert session.scalar(select(func.count()).where(Engagement.client_id == world.ours.client.id)) == 2


def test_returns_are_completed_and_reopened(visit: Visit, world: World, ports: Ports) -> None:
    client, year = world.ours.client, world.ours.client.created_at.year
    visitor = visit(world.staff)
    for kind in ("income", "trade", "vat"):
        assert visitor.post(f"/clients/{client.id}/engagements/{year}/returns/{kind}/completion").status_code == 303
    assert _open_years(ports, client.id) == (year - 1,)
    assert "Closed years lie between open ones" in visitor.get(f"/clients/{client.id}").text
    assert visitor.post(f"/clients/{client.id}/engagements/{year}/returns/vat/completion").status_code == 409
    assert visitor.post(f"/clients/{client.id}/engagements/{year}/returns/vat/reopening").status_code == 303
    assert _open_years(ports, client.id) == (year - 1, year)
    assert visitor.post(f"/clients/{client.id}/engagements/{year}/returns/wealth/completion").status_code == 404
