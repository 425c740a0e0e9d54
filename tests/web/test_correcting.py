"""What was read of a receipt is corrected at the desk, and the original kept."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from portal.models import Run
from portal.ports import Ports
from tests.factories import World
from tests.pages import Page
from tests.web.desk import DESK, path_of, stored
from tests.web.visitor import Visit, fingerprint


@pytest.mark.parametrize("fragment", [False, True])
def test_what_was_read_is_corrected_and_the_original_kept(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(f"{DESK}?item={receipt.id}")
    fields = page.form(path_of(receipt, "correction")).fields
    assert (fields["amount_cents"], fields["number"]) == ("119,00", receipt.number)
    changed = {"amount_cents": "129,50", "issued_on": "2026-11-02"}
    answer = visitor.send(page, path_of(receipt, "correction"), fragment=fragment, **changed)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "€129.50 read as: €119.00" in page.words
    found = stored(ports, receipt)
    assert (found.amount_cents, found.issued_on, found.number) == (12950, date(2026, 11, 2), receipt.number)
    assert found.corrected == {"amount_cents": 11900, "issued_on": receipt.issued_on.isoformat()}
    with ports.database.read() as session:
        assert session.scalars(select(Run.kind).where(Run.client_id == world.ours.client.id, Run.state == "due")).all() == [
            "matching"
        ]
    visitor.send(page, path_of(receipt, "correction"), amount_cents="119")  # back to what was read
    assert set(stored(ports, receipt).corrected) == {"issued_on"}


def test_a_wrong_correction_changes_nothing(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page, before = visitor.page(f"{DESK}?item={receipt.id}"), fingerprint(ports.database)
    for changed in ({"amount_cents": "much"}, {"issued_on": "32.13.2026"}, {"number": "x" * 201}, {}):
        assert visitor.send(page, path_of(receipt, "correction"), **changed).status_code == 422, changed
    assert visitor.send(page, path_of(receipt, "correction"), number="A", seen_version=0).status_code == 409
    assigned = world.ours.receipts["assigned"]
    answer = visitor.post(path_of(assigned, "correction"), {"number": "A", "seen_version": assigned.version})
    assert answer.status_code == 409
    assert fingerprint(ports.database) == before
