"""Tax years: what opens, what closes, and what that starts."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import func, select

from portal.errors import Conflict, NotFound, Rejected
from portal.models import AuditEvent, Receipt, SkippedInvoice
from portal.services.clients import engaging
from tests.story import Story

ALL = ("income", "trade", "vat")


def _open_years(story: Story) -> tuple[int, ...]:
    with story.ports.database.read() as session:
        return engaging.scope(session, story.client.id).open_years


def _complete(story: Story, year: int, *kinds: str) -> None:
    now = story.clock.now()
    with story.ports.database.write() as session:
        for kind in kinds:
            engaging.complete_return(session, client_id=story.client.id, tax_year=year, kind=kind, on=now.date(), now=now)


def test_a_year_closes_with_its_last_return_and_opens_again(story: Story) -> None:
    this = story.clock.today().year
    _complete(story, this - 1, "income", "vat")
    assert _open_years(story) == (this - 1, this)
    _complete(story, this - 1, "trade")
    assert _open_years(story) == (this,)
    with story.ports.database.write() as session:
        engaging.reopen_return(session, client_id=story.client.id, tax_year=this - 1, kind="vat", now=story.clock.now())
    assert _open_years(story) == (this - 1, this)
    tags = story.rows(select(AuditEvent.tag).where(AuditEvent.tag.startswith("tax_return.")).order_by(AuditEvent.sequence))
    assert tags == ["tax_return.completed"] * 3 + ["tax_return.reopened"]


@pytest.mark.parametrize(("year", "kinds"), [(2009, ALL), (2099, ALL), (2024, ()), (2024, ("wealth",))])
def test_slips_are_refused(story: Story, year: int, kinds: tuple[str, ...]) -> None:
    with story.ports.database.write() as session, pytest.raises(Rejected):
        engaging.commission(
            session, client_id=story.client.id, tax_year=year, on=date(2026, 1, 1), now=story.clock.now(), returns=kinds
        )


def test_what_was_said_already_is_a_conflict(story: Story) -> None:
    this, now = story.clock.today().year, story.clock.now()
    same = {"client_id": story.client.id, "tax_year": this, "now": now}
    with story.ports.database.write() as session:
        with pytest.raises(Conflict):
            engaging.commission(session, on=now.date(), **same)
        with pytest.raises(Conflict):
            engaging.reopen_return(session, kind="vat", **same)
        with pytest.raises(NotFound):
            engaging.complete_return(session, kind="corporate", on=now.date(), **same)


def test_an_earlier_year_is_fetched_at_once_and_a_completed_one_removes_nothing(story: Story) -> None:
    story.bank.tell_all()
    this, now = story.clock.today().year, story.clock.now()
    _complete(story, this - 1, *ALL)
    story.connect("documents")
    story.work("documents")
    before = story.rows(select(func.count()).select_from(Receipt))[0]
    left_out = select(func.count()).select_from(SkippedInvoice).where(SkippedInvoice.reason == "before_period")
    assert story.rows(left_out)[0] > 0
    with story.ports.database.write() as session:
        was = engaging.scope(session, story.client.id)
        engaging.reopen_return(session, client_id=story.client.id, tax_year=this - 1, kind="vat", now=now)
        run = engaging.backfill(session, story.client.id, was=was, now=now)
        assert run is not None
        assert engaging.backfill(session, story.client.id, was=engaging.scope(session, story.client.id), now=now) is None
    story.work("documents")
    after = story.rows(select(func.count()).select_from(Receipt))[0]
    assert after > before
    assert story.rows(left_out)[0] == 0
    _complete(story, this - 1, "vat")
    story.sync("documents")
    assert story.rows(select(func.count()).select_from(Receipt))[0] == after
    story.check_books()
