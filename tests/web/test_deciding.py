"""Each decision at the desk works once, with and without htmx, and can be undone."""

from __future__ import annotations

import json
from html import unescape

import pytest
from sqlalchemy import select

from portal.clock import FixedClock
from portal.models import Assignment, Candidate, Receipt, Run, User
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.desk import DESK, path_of, standing, stored
from tests.web.visitor import HTMX, Visit, fingerprint

# --- assigning


@pytest.mark.parametrize("fragment", [False, True])
def test_it_assigns(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    answer = visitor.send(visitor.page(DESK), path_of(receipt, "assignment"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert page.is_whole is not fragment
    assert "7 open" in page.words
    assert "2 done today" in page.words  # with the one that was set aside before
    assert f"{receipt.label} Holzhandel Weber GmbH assigned to −€119.00" in page.words
    said = json.loads(answer.headers["HX-Trigger"])["notice"]["texts"] if fragment else page.words
    assert f"{receipt.label} assigned." in said
    assert stored(ports, receipt).state == "assigned"
    made = standing(ports, receipt)
    assert [(one.transaction_id, one.amount_cents, one.actor) for one in made] == [
        (world.ours.transactions[0].id, 11900, world.staff.id)
    ]


def test_it_goes_on_with_the_next_receipt_of_the_same_queue(world: World, visit: Visit) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(f"{DESK}?sort=oldest&client={world.ours.client.id}&item={receipt.id}")
    onward = page.form(path_of(receipt, "assignment")).fields["item"]
    answer = visitor.send(page, path_of(receipt, "assignment"))
    assert answer.location == f"{DESK}?client={world.ours.client.id}&sort=oldest&item={onward}"
    assert onward in {one.id for one in world.ours.receipts.values()} - {receipt.id}


@pytest.mark.parametrize("fragment", [False, True])
def test_what_it_teaches_is_told_once(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, hint = visit(world.staff), "both names count as one party"
    first = visitor.send(visitor.page(DESK), path_of(world.ours.receipts["open"], "assignment"), fragment=fragment)
    said = unescape(first.headers["HX-Trigger"]) if fragment else visitor.follow(first).words
    assert hint in said
    income = world.ours.receipts["income"]
    second = visitor.send(visitor.page(f"{DESK}?item={income.id}"), path_of(income, "assignment"), fragment=fragment)
    assert f"{income.label} assigned." in (said := second.headers["HX-Trigger"] if fragment else visitor.follow(second).words)
    assert hint not in said
    with ports.database.read() as session:
        knows = {user.id: user.knows_learning for user in session.scalars(select(User))}
    assert (knows[world.staff.id], knows[world.admin.id]) == (True, False)  # each person by themselves


def test_a_refused_assignment_teaches_nothing(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.staff)
    form = {"candidate": world.ours.candidate.id, "seen_version": 0}
    visitor.page(DESK)
    assert visitor.post(path_of(world.ours.receipts["open"], "assignment"), form).status_code == 409
    with ports.database.read() as session:
        assert not session.get_one(User, world.staff.id).knows_learning


def test_a_double_click_assigns_once(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(DESK)
    answers = [visitor.send(page, path_of(receipt, "assignment")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 409, 409]
    assert "Assigned · Mara Klein · 27 Nov 2026, 11:00" in Page(answers[-1].text).words  # who was faster, and when
    assert len(standing(ports, receipt)) == 1


@pytest.mark.parametrize("fragment", [False, True])
def test_a_stale_page_is_told_so_and_changes_nothing(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, before = visit(world.staff), fingerprint(ports.database)
    for what, name in (
        ("assignment", "open"),
        ("set-aside", "open"),
        ("assignment/withdrawal", "assigned"),
        ("reopening", "set_aside"),
    ):
        form = {"candidate": world.ours.candidate.id, "reason": "duplicate", "seen_version": 0}
        answer = visitor.post(path_of(world.ours.receipts[name], what), form, headers=HTMX if fragment else None)
        assert answer.status_code == 409
        assert "Somebody changed this receipt in the meantime. Please look at it again." in Page(answer.text).words
        if fragment:  # among the notices, so that the desk stays as it is
            assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#notices", "innerHTML")
    assert fingerprint(ports.database) == before


def test_a_form_without_a_choice_is_refused(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt, before = visit(world.staff), world.ours.receipts["open"], fingerprint(ports.database)
    for form in ({}, {"candidate": ""}, {"candidate": "x", "seen_version": "y"}, {"seen_version": "1"}):
        answer = visitor.post(path_of(receipt, "assignment"), form)
        assert answer.status_code == 422
        assert "Choose the transaction that this receipt belongs to." in Page(answer.text).words
    assert fingerprint(ports.database) == before


def test_a_proposal_that_a_newer_matching_replaced(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(DESK)
    with ports.database.write() as session:
        session.delete(session.get_one(Candidate, world.ours.candidate.id))
    answer = visitor.send(page, path_of(receipt, "assignment"))
    assert answer.status_code == 409
    assert "The proposals for this receipt have changed. Please look at them again." in Page(answer.text).words
    assert standing(ports, receipt) == []


def test_a_transaction_that_somebody_else_just_used(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    visitor, ours = visit(world.staff), world.ours
    other = ours.receipts["no_transaction"]
    with ports.database.write() as session:
        rival = factories.candidate(session, session.get_one(Receipt, other.id), (ours.transactions[0], 11900))
    page = visitor.page(DESK)
    assert visitor.post(path_of(other, "assignment"), {"candidate": rival.id, "seen_version": 1}).status_code == 303
    answer = visitor.send(page, path_of(ours.receipts["open"], "assignment"))
    assert answer.status_code == 409
    assert "This transaction is already assigned to another receipt." in Page(answer.text).words
    shown = visitor.page(f"{DESK}?item={ours.receipts['open'].id}")
    assert f"already assigned to {other.label}" in shown.words


# --- undoing


@pytest.mark.parametrize("fragment", [False, True])
def test_undo_brings_the_receipt_back(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.follow(visitor.send(visitor.page(DESK), path_of(receipt, "assignment")))
    answer = visitor.send(page, path_of(receipt, "assignment/withdrawal"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "2 candidates" in page.words  # as before
    assert "8 open" in page.words
    assert (stored(ports, receipt).state, stored(ports, receipt).review_reason) == ("in_review", "several_equal")
    with ports.database.read() as session:
        steps = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).all()
        assert [step.withdrawn_by for step in steps] == [world.staff.id]
        asked = session.scalars(
            select(Run).where(Run.client_id == world.ours.client.id, Run.kind == "matching", Run.state == "due")
        )
        assert len(asked.all()) == 1


def test_what_the_machine_assigned_can_be_undone_from_the_receipts_page(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["assigned"]
    page = visitor.page(f"/receipts/{receipt.id}")
    assert "Assigned automatically" in page.words
    visitor.follow(visitor.send(page, path_of(receipt, "assignment/withdrawal")))
    assert standing(ports, receipt) == []
    history = visitor.page(f"/receipts/{receipt.id}").words
    assert "Assignment withdrawn · Mara Klein" in history


@pytest.mark.parametrize("fragment", [False, True])
def test_it_sets_aside_with_a_reason_and_takes_back(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["no_transaction"]
    page = visitor.page(f"{DESK}?item={receipt.id}")
    answer = visitor.send(page, path_of(receipt, "set-aside"), fragment=fragment, reason="paid_privately")
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "set aside: Paid privately" in page.words
    assert (stored(ports, receipt).state, stored(ports, receipt).set_aside_reason) == ("set_aside", "paid_privately")
    answer = visitor.send(page, path_of(receipt, "reopening"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert receipt.label in page.words
    assert (stored(ports, receipt).state, stored(ports, receipt).set_aside_reason) == ("in_review", None)


def test_setting_aside_needs_one_of_the_reasons(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["no_transaction"]
    for reason in ("", "because"):
        answer = visitor.post(path_of(receipt, "set-aside"), {"reason": reason, "seen_version": 1})
        assert answer.status_code == 422
        assert "Choose why no transaction is expected." in Page(answer.text).words
    assert stored(ports, receipt).state == "in_review"


def test_recently_done_lists_what_people_decided_and_undoes_it(world: World, visit: Visit, ports: Ports) -> None:
    visitor, ours = visit(world.staff), world.ours
    assert "Nobody has decided anything yet" in visitor.page("/review/done").words
    visitor.send(visitor.page(DESK), path_of(ours.receipts["open"], "assignment"))
    visitor.post(path_of(ours.receipts["waiting"], "set-aside"), {"reason": "duplicate", "seen_version": 1})
    page = visitor.page("/review/done")
    assert "Set aside: Duplicate of another receipt" in page.words
    assert "Mara Klein" in page.words
    visitor.follow(visitor.send(page, path_of(ours.receipts["open"], "assignment/withdrawal")))
    visitor.follow(visitor.send(page, path_of(ours.receipts["waiting"], "reopening")))
    after = visitor.page("/review/done")
    assert after.words.count("not valid any more") == 2
    assert standing(ports, ours.receipts["open"]) == []


@pytest.mark.parametrize("fragment", [False, True])
def test_going_on_can_be_switched_off(world: World, visit: Visit, ports: Ports, fragment: bool) -> None:
    """Then one stays on the receipt that one has decided about, with its undo."""
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    assert visitor.page(DESK).form(path_of(receipt, "assignment")).fields["item"] != receipt.id
    page = visitor.page("/profile")
    fields = {name: value for name, value in page.form("/profile").fields.items() if name not in {"goes_on", "csrf_token"}}
    visitor.follow(visitor.post("/profile", fields))
    answer = visitor.send(visitor.page(DESK), path_of(receipt, "assignment"), fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    assert "This receipt is assigned." in page.words
    assert page.form(path_of(receipt, "assignment/withdrawal"))
    assert stored(ports, receipt).state == "assigned"
    other = world.ours.receipts["no_transaction"]
    there = visitor.page(f"{DESK}?item={other.id}")
    assert (
        "This receipt is set aside."
        in visitor.follow(visitor.send(there, path_of(other, "set-aside"), reason="paid_in_cash")).words
    )
    found = world.ours.receipts["waiting"]
    search = visitor.page(f"{DESK}?item={found.id}&q=&line={world.ours.transactions[1].id}")
    assert search.form(path_of(found, "assignment/transactions")).fields["item"] == found.id
