"""The surest pairs are assigned or declined together."""

from __future__ import annotations

from sqlalchemy import select

from portal.models import Receipt, Refusal, Run
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.desk import DESK, path_of, standing, stored
from tests.web.visitor import Visit, fingerprint


def test_the_surest_are_assigned_together(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["income"]
    page = visitor.page("/review/together")
    assert "Möbelhaus Ost" in page.words
    assert "RE-2026-1001" not in page.words  # two candidates of the same amount
    assert "1 of 1 is ticked." in page.words
    page = visitor.follow(visitor.send(page, "/review/together"))
    assert "1 receipt assigned." in page.words
    assert "Nothing is sure enough to be assigned together" in page.words
    assert [(one.transaction_id, one.rank) for one in standing(ports, receipt)] == [(world.ours.transactions[3].id, 1)]
    visitor.follow(visitor.send(visitor.page("/review/done"), path_of(receipt, "assignment/withdrawal")))
    assert "Möbelhaus Ost" in visitor.page(f"/review/together?client={world.ours.client.id}").words


def test_what_changed_meanwhile_is_told_and_the_rest_assigned(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    with ports.database.write() as session:
        own = session.get_one(Receipt, ours.receipts["no_transaction"].id)
        made = factories.candidate(session, own, (ours.transactions[1], 4200), score=0.85)
    page = visitor.page("/review/together")
    assert "1 of 2 is ticked." in page.words
    likely = f"{own.id} {made.id} {own.version}"
    pairs = [page.form("/review/together").fields["pair"], likely]
    visitor.post(path_of(ours.receipts["income"], "set-aside"), {"reason": "duplicate", "seen_version": 1})
    told = visitor.follow(visitor.send(page, "/review/together", pair=pairs)).words
    assert "1 receipt assigned." in told
    assert f"Changed in the meantime, please look at them one by one: {ours.receipts['income'].label}." in told
    assert stored(ports, ours.receipts["no_transaction"]).state == "assigned"
    assert stored(ports, ours.receipts["income"]).state == "set_aside"


def test_nobody_elses_receipts_are_assigned_together(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours, theirs = visit(world.staff), world.ours, world.theirs
    mine = f"{ours.receipts['income'].id} {ours.sure.id} 1"
    before = fingerprint(ports.database)
    visitor.page("/review/together")
    for pairs, status in (
        ([mine, f"{theirs.receipts['income'].id} {theirs.sure.id} 1"], 404),
        ([f"{ours.receipts['open'].id} {theirs.candidate.id} 1"], 303),
        ([f"{ours.receipts['open'].id} no-id 1"], 303),
        ([mine, "no-id"], 422), ([mine + " 1"], 422), ([""], 422), ([], 422), (["a b c"], 422), (["a b 1"], 404),
    ):  # fmt: skip
        assert visitor.post("/review/together", {"pair": pairs}).status_code == status, pairs
    assert fingerprint(ports.database) == before


def test_the_ticked_are_declined_after_a_counted_look(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt, ours = visit(world.staff), world.ours.receipts["income"], world.ours
    page = visitor.page("/review/together")
    assert "7 points above the 90% from which pairs are ticked." in page.words
    pair, before = page.form("/review/together").fields["pair"], fingerprint(ports.database)
    for confirmed in ({}, {"confirmed": ""}, {"confirmed": "2"}):
        asked = Page(visitor.post("/review/together/declined", {"pair": pair, **confirmed}).text)
        assert "Decline 1 pair?" in asked.words
        assert "Möbelhaus Ost" in asked.words
    assert fingerprint(ports.database) == before
    told = visitor.follow(visitor.send(asked, "/review/together/declined")).words
    assert "1 pair declined." in told
    assert "Nothing is sure enough to be assigned together" in told
    with ports.database.read() as session:
        assert session.scalars(select(Refusal.transaction_id).where(Refusal.receipt_id == receipt.id)).all() == [
            ours.transactions[3].id
        ]
        assert session.scalars(select(Run.kind).where(Run.client_id == ours.client.id, Run.state == "due")).all() == ["matching"]
    desk = visitor.page(DESK)
    assert f"{receipt.label} Möbelhaus Ost pair declined" in desk.words
    assert stored(ports, receipt).state == "in_review"
    visitor.follow(visitor.send(visitor.page("/review/done"), path_of(receipt, "declined/withdrawal")))
    with ports.database.read() as session:
        assert session.scalars(select(Refusal.withdrawn_by).where(Refusal.receipt_id == receipt.id)).all() == [world.staff.id]
    history = visitor.page(f"/receipts/{receipt.id}").words
    assert "Proposed pair declined" in history
    assert "Declined pair taken back" in history
    assert "declined" not in visit(ours.owner).page(f"/receipts/{receipt.id}").words


def test_declining_leaves_out_what_changed_and_tells_it(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    with ports.database.write() as session:
        own = session.get_one(Receipt, ours.receipts["no_transaction"].id)
        made = factories.candidate(session, own, (ours.transactions[1], 4200), score=0.85)
    page = visitor.page("/review/together")
    assert "5 points below the 90% from which pairs are ticked." in page.words
    pairs = [page.form("/review/together").fields["pair"], f"{own.id} {made.id} {own.version}"]
    asked = Page(visitor.post("/review/together/declined", {"pair": pairs, "client": ours.client.id}).text)
    assert "Decline 2 pairs?" in asked.words
    visitor.post(path_of(ours.receipts["income"], "set-aside"), {"reason": "duplicate", "seen_version": 1})
    late = Page(visitor.post("/review/together/declined", {"pair": pairs}).text)
    assert "1 pair that was ticked has changed in the meantime and is left out." in late.words
    assert "Decline 1 pair?" in late.words
    told = visitor.follow(visitor.post("/review/together/declined", {"pair": pairs, "confirmed": "2"})).words
    assert "1 pair declined." in told
    assert f"Changed in the meantime, please look at them one by one: {ours.receipts['income'].label}." in told


def test_nobody_elses_pairs_are_declined_together(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours, theirs = visit(world.staff), world.ours, world.theirs
    mine, foreign = (f"{books.receipts['income'].id} {books.sure.id} 1" for books in (ours, theirs))
    before = fingerprint(ports.database)
    for form, status in (
        ({"pair": [mine, foreign], "confirmed": "2"}, 404), ({"pair": foreign}, 409), ({"pair": mine, "client": "no-id"}, 404),
        ({"pair": mine, "client": theirs.client.id}, 404), ({}, 422), ({"pair": "no-id", "confirmed": "1"}, 422),
    ):  # fmt: skip
        assert visitor.post("/review/together/declined", form).status_code == status, form
    asked = Page(visitor.post("/review/together/declined", {"pair": [mine, foreign]}).text)
    assert "Decline 1 pair?" in asked.words
    assert fingerprint(ports.database) == before
    assert visitor.post(path_of(ours.receipts["open"], "declined/withdrawal"), {"seen_version": 1}).status_code == 409
