"""A receipt of the queue that is given to a colleague: he is told, it is found again, anybody may still decide it."""

from __future__ import annotations

import email
import re
from email import policy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from jobs.runs import execute_run
from portal.clock import FixedClock
from portal.models import AuditEvent, Mail, Membership, Receipt, Role, Run, User
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.pages import Page
from tests.web.visitor import Visit, Visitor, fingerprint

DESK = "/review"


@pytest.fixture
def jana(world: World, ports: Ports, clock: FixedClock, acts: None) -> User:
    """A second member of staff who looks after our client."""
    with ports.database.write() as session:
        made = factories.user(session, "jana@kanzlei.example", "Jana Weiß", Role.STAFF, now=clock.now())
        factories.member(session, made, world.ours.client, "staff")
    return made


def give(visitor: Visitor, receipt: Receipt, to: User, *, note: str = "", status: int = 303, **how: Any) -> TestResponse:
    """Open the receipt at the desk, choose who is to look at it, send it."""
    page = visitor.page(f"{DESK}?item={receipt.id}")
    answer = visitor.send(page, f"/receipts/{receipt.id}/colleague", colleague=to.id, note=note, **how)
    assert answer.status_code == status, answer.text[:300]
    return answer


def stored(ports: Ports, receipt: Receipt) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, receipt.id)


def end_membership(ports: Ports, person: User) -> None:
    with ports.database.write() as session:
        session.execute(delete(Membership).where(Membership.user_id == person.id))


def queue(visitor: Visitor, address: str) -> list[str]:
    """The ids of the receipts in the queue."""
    return re.findall(r'id="queue-([0-9a-f-]{36})"', visitor.get(address).text)


# --- giving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fragment", [False, True])
def test_it_is_with_the_colleague(world: World, visit: Visit, ports: Ports, jana: User, fragment: bool) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    answer = give(visitor, receipt, jana, note="kennst Du den Lieferanten?", status=200 if fragment else 303, fragment=fragment)
    page = Page(answer.text) if fragment else visitor.follow(answer)
    told = answer.headers["HX-Trigger"] if fragment else page.words
    assert "is with Jana Wei" in told
    assert "JW With Jana Weiß." in page.words  # in its row of the queue; the next receipt is open
    assert "kennst Du" not in page.words
    found = stored(ports, receipt)
    assert (found.asked_id, found.asked_by, found.asked_note) == (jana.id, world.staff.id, "kennst Du den Lieferanten?")
    assert (found.state, found.review_reason, found.version) == ("in_review", "several_equal", receipt.version + 1)
    hers = visit(jana).page(f"{DESK}?item={receipt.id}")
    for words in ("With you. kennst Du den Lieferanten?", "Mara Klein ·", "Mine (1)"):
        assert words in hers.words


def test_one_takes_it_oneself_and_gives_it_back(world: World, visit: Visit, ports: Ports) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.follow(give(visitor, receipt, world.staff))
    assert f"You look after {receipt.label}." in page.words
    assert f"{receipt.label} · Holzhandel" in page.words  # one stays there
    page = visitor.follow(visitor.send(page, f"/receipts/{receipt.id}/colleague/withdrawal"))
    assert f"{receipt.label} is with nobody in particular again." in page.words
    found = stored(ports, receipt)
    assert (found.asked_id, found.asked_by, found.asked_at, found.asked_note) == (None, None, None, "")
    with ports.database.read() as session:
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.subject == f"receipt:{receipt.id}").order_by(AuditEvent.sequence)
        ).all()
        assert [(event.tag, event.details) for event in events][-2:] == [
            ("receipt.asked", {"colleague": world.staff.id}), ("receipt.unasked", {"colleague": world.staff.id})
        ]  # fmt: skip
        assert session.scalars(select(Mail)).all() == []


def test_only_who_looks_after_the_client_can_be_asked(
    world: World, visit: Visit, ports: Ports, clock: FixedClock, jana: User
) -> None:
    """Whoever else is named answers like nobody: of another client, a client's own person, one who left, an id of nothing."""
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    with ports.database.write() as session:
        left = factories.user(session, "lea@kanzlei.example", "Lea Fort", Role.STAFF, now=clock.now())
        factories.member(session, left, world.ours.client, "staff")
        session.get_one(User, left.id).is_active = False
        stranger = factories.user(session, "tom@kanzlei.example", "Tom Fremd", Role.STAFF, now=clock.now())
        factories.member(session, stranger, world.ours.client, "client")  # his own company
    desk = visitor.get(f"{DESK}?item={receipt.id}")
    page, select_box = Page(desk.text), desk.text.partition('id="ask-colleague"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="([^"]+)"[^>]*>([^<]+)<', select_box) == [
        (jana.id, "Jana Weiß"), (world.admin.id, "Katrin Elbtor"), (world.staff.id, "I take it (Mara Klein)")
    ]  # fmt: skip
    before = fingerprint(ports.database)
    for other in (world.other_staff.id, world.ours.owner.id, left.id, stranger.id, receipt.id, "no-id"):
        for fragment in (False, True):
            answer = visitor.send(page, f"/receipts/{receipt.id}/colleague", colleague=other, fragment=fragment)
            assert answer.status_code == 404
            assert visitor.get(f"{DESK}?who={other}").status_code == 404
    assert visitor.send(page, f"/receipts/{receipt.id}/colleague", note="x" * 201).status_code == 422
    assert visitor.send(page, f"/receipts/{receipt.id}/colleague", colleague="").status_code == 422
    assert fingerprint(ports.database) == before


def test_a_foreign_receipt_is_not_found(world: World, visit: Visit, ports: Ports) -> None:
    visitor, theirs = visit(world.staff), world.theirs.receipts["open"]
    before = fingerprint(ports.database)
    for path, form in (("", {"colleague": world.admin.id}), ("/withdrawal", {})):
        answer = visitor.post(f"/receipts/{theirs.id}/colleague{path}", {**form, "seen_version": theirs.version})
        assert answer.status_code == 404
    assert fingerprint(ports.database) == before


def test_of_two_people_and_two_presses_one_counts(world: World, visit: Visit, ports: Ports, jana: User) -> None:
    visitor, receipt = visit(world.staff), world.ours.receipts["open"]
    page = visitor.page(f"{DESK}?item={receipt.id}")
    assert visitor.send(page, f"/receipts/{receipt.id}/colleague", colleague=jana.id).status_code == 303
    for slow, other in ((visitor, jana), (visit(world.admin), world.admin)):
        answer = slow.send(page, f"/receipts/{receipt.id}/colleague", colleague=other.id) if slow is visitor else slow.post(
            f"/receipts/{receipt.id}/colleague", {"colleague": other.id, "seen_version": receipt.version}
        )  # fmt: skip
        assert answer.status_code == 409
        assert "Given to a colleague · Mara Klein" in Page(answer.text).words
    assert stored(ports, receipt).asked_id == jana.id
    version = {"seen_version": stored(ports, receipt).version}
    for expected in (303, 409):
        assert visitor.post(f"/receipts/{receipt.id}/colleague/withdrawal", version).status_code == expected
    assigned = stored(ports, world.ours.receipts["assigned"])
    form = {"colleague": jana.id, "seen_version": assigned.version}
    assert visitor.post(f"/receipts/{assigned.id}/colleague", form).status_code == 409


# --- finding again ---------------------------------------------------------------------------------------------------


def test_the_queue_is_asked_for_whose_it_is(world: World, visit: Visit, jana: User) -> None:
    mara, receipts = visit(world.staff), world.ours.receipts
    everything = set(queue(mara, DESK))
    give(mara, receipts["open"], jana)
    give(mara, receipts["changed"], world.staff)
    hers = visit(jana)
    for visitor, who, expected in (
        (mara, "mine", {receipts["changed"].id}),
        (hers, "mine", {receipts["open"].id}),
        (mara, jana.id, {receipts["open"].id}),
        (mara, world.admin.id, set()),
        (mara, "nobody", everything - {receipts["open"].id, receipts["changed"].id}),
    ):
        address = f"{DESK}?who={who}&sort=oldest"
        assert set(queue(visitor, address)) == expected, who
        page = visitor.page(address)
        assert f"{len(expected)} open" in page.words
        selected = [form for form in page.forms if form.action == DESK][0].fields["who"]  # noqa: RUF015
        assert selected == who
    page = mara.page(f"{DESK}?who={jana.id}")
    answer = mara.send(page, f"/receipts/{receipts['open'].id}/set-aside", reason="paid_in_cash")
    assert answer.location.startswith(f"{DESK}?who={jana.id}")  # one stays in that queue


def test_who_does_not_look_after_the_client_any_more_is_nobody(world: World, visit: Visit, ports: Ports, jana: User) -> None:
    mara, receipt = visit(world.staff), world.ours.receipts["open"]
    mara.follow(give(mara, receipt, jana, note="bitte"))
    end_membership(ports, jana)
    page = mara.page(f"{DESK}?item={receipt.id}")
    assert "Jana" not in page.words
    assert "bitte" not in page.words
    assert receipt.id in queue(mara, f"{DESK}?who=nobody&sort=oldest")
    assert mara.get(f"{DESK}?who={jana.id}").status_code == 404
    with ports.database.write() as session:
        factories.member(session, jana, world.ours.client, "staff")
        session.execute(update(User).where(User.id == jana.id).values(is_active=False))
    assert receipt.id in queue(mara, f"{DESK}?who=nobody&sort=oldest")
    with ports.database.write() as session:
        session.execute(update(User).where(User.id == jana.id).values(is_active=True))
    assert receipt.id not in queue(mara, f"{DESK}?who=nobody&sort=oldest")
    assert "With Jana Weiß. bitte" in mara.page(f"{DESK}?item={receipt.id}").words


def test_a_person_alone_is_asked_nothing(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        session.execute(update(User).where(User.id == world.admin.id).values(is_active=False))
    page = visit(world.staff).page(DESK)
    for words in ("Everybody's", "Give to a colleague"):
        assert words not in page.words


def test_what_is_with_somebody_else_is_not_assigned_together(world: World, visit: Visit, ports: Ports, jana: User) -> None:
    mara, sure = visit(world.staff), world.ours.receipts["income"]
    together = "/review/together"
    assert "AR-77" in mara.page(together).words
    give(mara, sure, jana)
    assert "AR-77" not in mara.page(together).words
    assert "AR-77" in visit(jana).page(together).words
    end_membership(ports, jana)
    assert "AR-77" in mara.page(together).words


# --- afterwards ------------------------------------------------------------------------------------------------------


def test_a_decision_and_its_undo_leave_it_with_the_colleague(world: World, visit: Visit, ports: Ports, jana: User) -> None:
    """An undo restores exactly how it stood."""
    visitor, receipt = visit(world.staff), world.ours.receipts["no_transaction"]
    give(visitor, receipt, jana, note="im Haus?")
    asked = stored(ports, receipt)
    page = visitor.page(f"{DESK}?item={receipt.id}")
    answer = visitor.send(page, f"/receipts/{receipt.id}/set-aside", reason="paid_in_cash")
    assert stored(ports, receipt).asked_id is None
    visitor.send(visitor.follow(answer), f"/receipts/{receipt.id}/reopening")
    found = stored(ports, receipt)
    assert (found.asked_id, found.asked_by, found.asked_at, found.asked_note) == (
        jana.id, world.staff.id, asked.asked_at, "im Haus?"
    )  # fmt: skip


def test_the_client_learns_nothing_of_it(world: World, visit: Visit, ports: Ports, jana: User) -> None:
    receipt = world.ours.receipts["open"]
    mara, owner = visit(world.staff), visit(world.ours.owner)
    before = {path: Page(owner.get(path).text).words for path in (f"/receipts/{receipt.id}", "/receipts")}
    give(mara, receipt, jana, note="Vorsicht")
    mara.post(f"/receipts/{receipt.id}/colleague/withdrawal", {"seen_version": stored(ports, receipt).version})
    assert {path: Page(owner.get(path).text).words for path in before} == before
    assert "Given to a colleague" in mara.page(f"/receipts/{receipt.id}").words


# --- the mail --------------------------------------------------------------------------------------------------------


def sent(ports: Ports) -> list[tuple[str, str, str]]:
    """(to, subject, text) of the mails that left."""
    with ports.database.read() as session:
        runs = session.scalars(select(Run.id).where(Run.kind == "mail", Run.state == "due")).all()
    assert [execute_run(ports, run_id) for run_id in runs] == ["done"] * len(runs)
    folder = ports.mailer.folder
    assert folder is not None
    found = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(Path(folder).glob("*.eml"))]
    return [(str(mail["To"]), str(mail["Subject"]), mail.get_content()) for mail in found]


def test_the_colleague_hears_of_it_once_a_day(world: World, visit: Visit, ports: Ports, clock: FixedClock, jana: User) -> None:
    mara, receipts = visit(world.staff), world.ours.receipts
    give(mara, receipts["open"], jana, note="streng vertraulich")
    give(mara, receipts["changed"], jana)
    ((to, subject, text),) = sent(ports)
    assert (to, subject) == (jana.email, f"2 receipts wait for you ({world.ours.client.name})")
    assert f"{ports.settings.public_url}/review?who=mine" in text
    for fact in ("vertraulich", receipts["open"].label, "Weber", "119"):
        assert fact not in subject + text
    give(mara, receipts["income"], jana)
    clock.move(hours=12, minutes=59)  # 23:59 in Berlin
    give(visit(world.staff), receipts["waiting"], jana)
    assert len(sent(ports)) == 1
    clock.move(minutes=1)
    give(visit(world.staff), receipts["failed"], jana)
    assert [mail[1] for mail in sent(ports)][1:] == [f"5 receipts wait for you ({world.ours.client.name})"]


@pytest.mark.parametrize("ending", ["membership", "account", "decided", "taken back"])
def test_no_mail_to_who_has_nothing_to_look_at_any_more(
    world: World, visit: Visit, ports: Ports, jana: User, ending: str
) -> None:
    """Between the asking and the sending."""
    mara, receipt = visit(world.staff), world.ours.receipts["open"]
    give(mara, receipt, jana)
    form = {"seen_version": stored(ports, receipt).version}
    if ending == "membership":
        end_membership(ports, jana)
    elif ending == "account":
        with ports.database.write() as session:
            session.execute(update(User).where(User.id == jana.id).values(is_active=False))
    elif ending == "decided":
        mara.post(f"/receipts/{receipt.id}/set-aside", {**form, "reason": "paid_in_cash"})
    else:
        mara.post(f"/receipts/{receipt.id}/colleague/withdrawal", form)
    assert sent(ports) == []
    with ports.database.read() as session:
        assert session.scalars(select(Mail)).one().sent_at is not None
