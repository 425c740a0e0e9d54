"""Twenty receipts from the first to the last: by keys alone, by mouse alone, without JavaScript, on a phone, and two people at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Response, expect
from sqlalchemy import select, update

from portal.clock import BERLIN
from portal.models import Assignment, BankAccount, Connection, Receipt
from tests import factories
from tests.browser.sites import Site
from tests.browser.windows import PATIENCE, Windows

pytestmark = pytest.mark.browser

MANY = 20
DESK = "/review?sort=oldest"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def receipts(site: Site) -> list[Receipt]:
    """Twenty in review, nothing else: each with a likely candidate of its own and a page to look at."""
    ours, now = site.world.ours, site.ports.clock.now()
    with site.ports.database.write() as session:
        session.execute(
            update(Receipt).where(Receipt.state == "in_review").values(state="set_aside", set_aside_reason="duplicate")
        )
        over, account = session.get_one(Connection, ours.documents.id), session.get_one(BankAccount, ours.account.id)
        made = []
        for number in range(MANY):
            line = factories.transaction(session, account, f"journey-{number}", 1000 + number, now=now)
            receipt = factories.receipt(
                session, over, 500 + number, now=now + timedelta(seconds=number), amount_cents=1000 + number,
                review_reason="counterparty_unclear",
            )  # fmt: skip
            factories.candidate(session, receipt, (line, 1000 + number))
            document = factories.document(session, site.ports.storage, receipt, factories.pdf(receipt.label), now=now)
            factories.preview(session, site.ports.storage, document, now=now)
            made.append(receipt)
    return made


def is_all_assigned(site: Site, receipts: list[Receipt]) -> None:
    """Each to its own transaction, and once."""
    with site.ports.database.read() as session:
        standing = select(Assignment).where(Assignment.receipt_id.in_([receipt.id for receipt in receipts]))
        found = session.scalars(standing).all()
    assert sorted(one.receipt_id for one in found) == sorted(receipt.id for receipt in receipts)
    amounts = {receipt.id: receipt.amount_cents for receipt in receipts}
    assert all(one.amount_cents == amounts[one.receipt_id] and one.withdrawn_at is None for one in found)


def by_keys(page: Page) -> None:
    page.keyboard.press("Enter")


def by_mouse(page: Page) -> None:
    page.locator("#assign-1 button").click()


def by_thumb(page: Page) -> None:
    page.locator(".bf-phone-assign").tap()


def walk(page: Page, receipts: list[Receipt], assign: Callable[[Page], None]) -> None:
    """From the first to the last, always to the next one of the queue."""
    for receipt in receipts:
        expect(page.locator("#receipt-title")).to_contain_text(receipt.label)
        expect(page.locator("#desk")).not_to_have_class(re.compile("htmx-added"))  # a key before that is not taken
        assign(page)
    expect(page.locator("#pane-queue")).to_contain_text("Nothing is waiting for review")


def test_by_keys_alone(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    """A decision is one request; the picture of the receipt that comes next has been fetched before."""
    asked: list[Request] = []
    with windows.at(site, site.world.staff) as page:
        page.goto(DESK)
        expect(page.locator("#receipt-title")).to_contain_text(receipts[0].label)
        page.wait_for_load_state("networkidle")
        page.on("request", lambda request: asked.append(request))
        walk(page, receipts, by_keys)
        page.wait_for_load_state("networkidle")
    is_all_assigned(site, receipts)
    posts = [request for request in asked if request.method == "POST"]
    assert len(posts) == MANY
    others = [request.url for request in asked if request.method != "POST" and not request.url.endswith((".webp", ".svg"))]
    assert others == []  # but for the site's mark, which Chromium asks for with each new address
    pictures = [request.url for request in asked if request.url.endswith(".webp")]
    assert len(pictures) == len(set(pictures)) == MANY - 2  # the first two lay there when the walk began


def test_by_mouse_alone(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    with windows.at(site, site.world.staff) as page:
        page.goto(DESK)
        walk(page, receipts, by_mouse)
    is_all_assigned(site, receipts)


def test_without_javascript(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    with windows.at(site, site.world.staff, java_script_enabled=False) as page:
        page.goto(DESK)
        walk(page, receipts, by_mouse)
    is_all_assigned(site, receipts)


def test_on_a_phone(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    with windows.at(site, site.world.staff, **PHONE) as page:
        page.goto(f"{DESK}&pane=candidates&item={receipts[0].id}")
        walk(page, receipts, by_thumb)
    is_all_assigned(site, receipts)


def test_two_people_race(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    """For the same receipts at the same moment: each is decided once, and who was slower is told by whom and when."""
    with (
        windows.at(site, site.world.staff, may_say="409") as one,
        windows.at(site, site.world.admin, may_say="409") as other,
        meeting_at_the_door(site) as met,
    ):
        people = {one: site.world.staff, other: site.world.admin}
        for number, receipt in enumerate(receipts):
            for page in people:
                page.goto(f"{DESK}&item={receipt.id}")
                expect(page.locator("#receipt-title")).to_contain_text(receipt.label)
            ahead, behind = (one, other) if number % 2 else (other, one)
            with ahead.expect_response(is_decision) as first, behind.expect_response(is_decision) as second:
                by_keys(ahead)
                by_keys(behind)
            assert sorted((first.value.status, second.value.status)) == [200, 409]
            winner, slower = (ahead, behind) if first.value.status == 200 else (behind, ahead)
            expect(winner.locator(".bf-undo-last")).to_contain_text(receipt.label)
            with site.ports.database.read() as session:
                decided = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).one()
            assert decided.actor == people[winner].id
            told = slower.locator("#notices [role=alert]")
            expect(told).to_contain_text("This receipt is already assigned or set aside.")
            moment = decided.created_at.astimezone(BERLIN)
            expect(told).to_have_text(
                re.compile(rf"Assigned · {people[winner].name} · {moment.day} \w+ {moment.year}, {moment:%H:%M}\s*$")
            )
    assert met == [receipt.id for receipt in receipts]
    is_all_assigned(site, receipts)


@contextmanager
def meeting_at_the_door(site: Site) -> Iterator[list[str]]:
    """Whoever decides waits at the portal's door until a second one has come; then both go in. Yields whose receipts they met for."""
    met: list[str] = []
    asked: list[str] = []

    def look() -> None:
        assert asked[0] == asked[1], asked
        met.append(asked[0].split("/")[2])
        asked.clear()

    barrier, inside = threading.Barrier(2, action=look, timeout=PATIENCE / 1000), site.app.wsgi_app

    def door(environ: dict[str, Any], start: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            asked.append(environ["PATH_INFO"])
            barrier.wait()
        return inside(environ, start)

    site.app.wsgi_app = door
    try:
        yield met
    finally:
        site.app.wsgi_app = inside


def is_decision(response: Response) -> bool:
    return response.request.method == "POST"


def test_back_and_once_more(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    """Who goes back in the browser's history to a decided receipt sees that it is decided, or is told."""
    receipt = receipts[0]
    with windows.at(site, site.world.staff, may_say="409") as page:
        page.goto(f"{DESK}&item={receipt.id}")
        with page.expect_response(is_decision):
            by_mouse(page)
        expect(page.locator(".bf-undo-last")).to_contain_text(receipt.label)
        page.goto(f"{DESK}&item={receipts[1].id}")
        page.go_back()
        page.goto(f"{DESK}&item={receipt.id}")
        is_decided(page, receipt)
        by_keys(page)
    is_all_assigned(site, [receipt])


def test_back_and_forward_after_many_swaps(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    """The desk is whole wherever the history leads, keys work there, and what was decided is not decided again."""
    with windows.at(site, site.world.staff) as page:
        page.goto(DESK)
        for receipt in receipts[1:4]:
            page.keyboard.press("j")
            is_at(page, receipt)
        for receipt in receipts[4:7]:
            by_keys(page)
            is_at(page, receipt)
        page.keyboard.press("j")
        is_at(page, receipts[7])
        page.locator("#pane-queue").get_by_role("link").first.click()
        is_at(page, receipts[0])

        page.go_back()
        is_whole(page, receipts[7])
        page.go_back()
        is_whole(page, receipts[6])  # the decisions before it left no addresses of their own
        page.go_back()
        is_whole(page, receipts[2])
        page.go_forward()
        is_whole(page, receipts[6])
        by_keys(page)
        is_at(page, receipts[7])
        page.keyboard.press("u")
        is_at(page, receipts[6])

        page.get_by_role("link", name="Recently done").click()
        expect(page.locator("h1")).to_have_text("Recently done")
        page.go_back()
        is_whole(page, receipts[6])

        for receipt in (receipts[8], receipts[9], receipts[8]):
            page.locator(f"#queue-{receipt.id}").click()
            is_at(page, receipt)
        by_keys(page)
        is_at(page, receipts[9])
        page.go_back()
        is_whole(page, receipts[9])
        page.go_back()
        is_decided(page, receipts[8])
        posts: list[Request] = []
        page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
        by_keys(page)
        page.keyboard.press("1")
        page.keyboard.press("j")  # the queue begins anew
        is_whole(page, receipts[0])
        assert posts == []
    is_all_assigned(site, [*receipts[3:6], receipts[8]])


def is_whole(page: Page, receipt: Receipt) -> None:
    """Not the desk's inside alone, and not one desk in the other."""
    expect(page.locator("#receipt-title")).to_contain_text(receipt.label)
    for part in (".bf-bar", "h1", "#desk", "#pane-queue", "#pane-receipt", "#pane-candidates", ".bf-undo"):
        expect(page.locator(part)).to_have_count(1)
    expect(page.locator(f"#queue-{receipt.id}")).to_have_attribute("aria-current", "true")


def is_decided(page: Page, receipt: Receipt) -> None:
    expect(page.locator("#receipt-title")).to_contain_text(receipt.label)
    expect(page.locator("#pane-candidates")).to_contain_text("This receipt is assigned.")
    expect(page.locator("#assign-1")).to_have_count(0)


def is_at(page: Page, receipt: Receipt) -> None:
    expect(page.locator("#receipt-title")).to_contain_text(receipt.label)
    expect(page.locator("#desk")).not_to_have_class(re.compile("htmx-added"))  # a key before that is not taken


def test_two_tabs_of_one_person(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    """Decided in one, decided: the other says so."""
    receipt = receipts[0]
    with windows.at(site, site.world.staff, may_say="409") as page:
        tab = page.context.new_page()
        for one in (page, tab):
            one.goto(f"{DESK}&item={receipt.id}")
            expect(one.locator("#receipt-title")).to_contain_text(receipt.label)
        by_mouse(page)
        expect(page.locator(".bf-undo-last")).to_contain_text(receipt.label)
        by_mouse(tab)
        told = tab.locator("#notices [role=alert]")
        expect(told).to_contain_text("This receipt is already assigned or set aside.")
        expect(told).to_contain_text(f"Assigned · {site.world.staff.name} · ")
    is_all_assigned(site, [receipt])


def test_a_double_click_decides_once(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    """However late its second half comes: under it lies the next receipt by then, which nobody has looked at."""
    with windows.at(site, site.world.staff) as page:
        page.goto(DESK)
        page.locator("#assign-1 button").dblclick()
        is_at(page, receipts[1])
        place = page.locator("#assign-1 button").bounding_box()
        page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        page.mouse.down()
        page.mouse.up()
        is_at(page, receipts[2])
        posts: list[Request] = []
        page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
        page.mouse.down(click_count=2)
        page.mouse.up(click_count=2)
        page.keyboard.press("j")
        is_at(page, receipts[3])
        assert posts == []
        by_mouse(page)
        is_at(page, receipts[4])
        assert len(posts) == 1
    is_all_assigned(site, [*receipts[:2], receipts[3]])


def test_a_double_click_without_javascript_is_told(site: Site, windows: Windows, receipts: list[Receipt]) -> None:
    """The browser may send either half or both: one decides, and it goes on, or is told that it was decided already."""
    with windows.at(site, site.world.staff, may_say="409", java_script_enabled=False) as page:
        page.goto(DESK)
        page.locator("#assign-1 button").dblclick()
        expect(page.locator("main")).to_contain_text(
            re.compile(f"already assigned.*{site.world.staff.name}|{receipts[1].label}", re.DOTALL)
        )
        page.goto(f"{DESK}&item={receipts[0].id}")
        is_decided(page, receipts[0])
    is_all_assigned(site, receipts[:1])
    with site.ports.database.read() as session:
        assert session.get_one(Receipt, receipts[1].id).state == "in_review"
