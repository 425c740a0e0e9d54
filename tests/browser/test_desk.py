"""The review desk under the hands of people: keys, focus, two at once, phones, and what their devices ask for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from portal.models import Assignment, Candidate, Document, Receipt
from tests import factories
from tests.browser.sites import Site
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser

HAS_FOCUS = "document.activeElement !== document.body && document.activeElement !== document.documentElement"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def page(site: Site, windows: Windows) -> Iterator[Page]:
    """The staff member in front of the desk."""
    with windows.at(site, site.world.staff) as page:
        page.goto("/review")
        yield page


def current(page: Page) -> Locator:
    return page.locator(".bf-queue-row[aria-current]")


def title(page: Page) -> Locator:
    return page.locator("#receipt-title")


def is_at(page: Page, receipt: Receipt) -> None:
    """The desk shows this receipt, and whoever goes on by keys or listens begins there."""
    expect(title(page)).to_contain_text(receipt.label)
    expect(title(page)).to_be_focused()


def state_of(site: Site, receipt: Receipt) -> str:
    with site.ports.database.read() as session:
        return session.get_one(Receipt, receipt.id).state


# --- keys ----------------------------------------------------------------------------------------------------------


def test_the_queue_is_walked_by_keys(site: Site, page: Page) -> None:
    receipts = site.world.ours.receipts
    expect(title(page)).to_contain_text(receipts["open"].label)
    page.keyboard.press("j")
    is_at(page, receipts["changed"])
    page.keyboard.press("k")
    is_at(page, receipts["open"])
    current(page).focus()
    page.keyboard.press("ArrowDown")
    is_at(page, receipts["changed"])


def test_enter_assigns_and_u_takes_it_back(site: Site, page: Page) -> None:
    receipts = site.world.ours.receipts
    page.keyboard.press("Enter")
    is_at(page, receipts["changed"])
    assert state_of(site, receipts["open"]) == "assigned"
    expect(page.locator("#notices")).to_contain_text(receipts["open"].label)
    page.keyboard.press("u")
    is_at(page, receipts["open"])
    assert state_of(site, receipts["open"]) == "in_review"
    expect(page).to_have_url(re.compile(receipts["open"].id))  # a reload shows the same


def test_enter_asks_first_where_a_candidate_is_only_possible(site: Site, page: Page) -> None:
    world = site.world
    receipt = world.ours.receipts["income"]
    with site.writing() as session:
        session.get_one(Candidate, world.ours.sure.id).grade = "possible"
    page.goto(f"/review?item={receipt.id}")
    page.keyboard.press("Enter")
    expect(page.locator("#assign-1 button")).to_be_focused()
    assert state_of(site, receipt) == "in_review"
    page.keyboard.press("Enter")
    expect(page.locator("#undo")).to_contain_text(receipt.label)
    assert state_of(site, receipt) == "assigned"


def test_a_digit_assigns_that_candidate_and_unfolds_what_is_folded(site: Site, page: Page) -> None:
    ours = site.world.ours
    with site.writing() as session:
        third = factories.transaction(session, ours.account, "t-9", 11900, now=datetime.now(UTC), counterparty="Weber")
        factories.candidate(session, ours.receipts["open"], (third, 11900), rank=3, score=0.2)
    page.reload()
    page.keyboard.press("3")
    expect(page.locator("#assign-3 button")).to_be_focused()
    assert state_of(site, ours.receipts["open"]) == "in_review"
    page.keyboard.press("2")
    is_at(page, ours.receipts["changed"])
    with site.ports.database.read() as session:
        assigned = select(Assignment.transaction_id).where(Assignment.receipt_id == ours.receipts["open"].id)
        assert session.scalars(assigned).all() == [ours.transactions[1].id]


def test_n_sets_aside_with_a_reason(site: Site, page: Page) -> None:
    receipts = site.world.ours.receipts
    page.keyboard.press("n")
    reason = page.locator("#set-aside-reason")
    expect(reason).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#set-aside")).not_to_have_attribute("open", re.compile(""))
    expect(page.locator("#set-aside summary")).to_be_focused()
    page.keyboard.press("n")
    reason.select_option("paid_in_cash")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    is_at(page, receipts["changed"])
    assert state_of(site, receipts["open"]) == "set_aside"
    page.keyboard.press("u")
    is_at(page, receipts["open"])
    assert state_of(site, receipts["open"]) == "in_review"


def test_a_gives_it_to_a_colleague(site: Site, page: Page) -> None:
    receipts, admin = site.world.ours.receipts, site.world.admin
    page.keyboard.press("a")
    expect(page.locator("#ask-colleague")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#ask summary")).to_be_focused()
    page.keyboard.press("a")
    page.locator("#ask-colleague").select_option(admin.id)
    page.locator("#ask-note").fill("bitte")
    page.keyboard.press("Enter")
    is_at(page, receipts["changed"])
    expect(page.locator(f"#queue-{receipts['open'].id} .bf-asked")).to_contain_text(admin.initials)
    page.keyboard.press("k")
    is_at(page, receipts["open"])
    expect(page.locator("#asked")).to_contain_text("bitte")


def test_p_opens_the_page_large(page: Page) -> None:
    with page.context.expect_page() as opened:
        page.keyboard.press("p")
    opened.value.wait_for_load_state()
    assert re.search(r"/documents/[^/]+/pages/1\.webp$", opened.value.url)


def test_the_page_is_shown_twice_as_large_in_its_place(page: Page) -> None:
    """Only the picture scrolls sideways."""
    picture = page.locator("#pane-receipt .bf-paper img").first
    size = "one => one.getBoundingClientRect().width"
    small = picture.evaluate(size)
    page.locator(".bf-zoom input").focus()
    page.keyboard.press("Space")
    assert picture.evaluate(size) == pytest.approx(2 * small, rel=0.01)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Space")
    assert picture.evaluate(size) == pytest.approx(small, rel=0.01)


def test_the_help_lists_exactly_the_keys_that_work(site: Site, page: Page) -> None:
    page.keyboard.press("?")
    help_sheet = page.locator(".bf-keys-sheet")
    expect(help_sheet).to_be_visible()
    assert [key.strip() for key in help_sheet.locator("kbd").all_inner_texts()] == [
        "J",
        "K",
        "↓",
        "↑",
        "↵",
        "1",
        "2",
        "N",
        "S",
        "A",
        "/",
        "P",
        "Esc",
        "?",
    ]
    page.keyboard.press("Escape")
    expect(help_sheet).to_be_hidden()
    expect(page.locator("#keys summary")).to_be_focused()
    page.goto(f"/review?item={site.world.ours.receipts['no_transaction'].id}")
    page.keyboard.press("?")
    keys = help_sheet.locator("kbd")
    assert [key.strip() for key in keys.all_inner_texts()] == ["J", "K", "↓", "↑", "N", "S", "A", "/", "Esc", "?"]
    page.goto(f"/review?item={site.world.ours.receipts['open'].id}&q=Holz")  # the candidates are not there to be assigned
    page.keyboard.press("?")
    assert [key.strip() for key in keys.all_inner_texts()] == ["J", "K", "↓", "↑", "/", "P", "Esc", "?"]


def test_s_looks_again_later_and_escape_folds_it(page: Page) -> None:
    page.keyboard.press("s")
    expect(page.locator("#put-off")).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(page.locator("#put-off summary")).to_be_focused()
    expect(page.locator("#put-off")).not_to_have_attribute("open", re.compile(""))


def test_slash_searches_while_somebody_types(page: Page) -> None:
    """The field keeps the focus and what was typed; how many were found is told."""
    page.keyboard.press("/")
    field, told = page.locator("#search-query"), page.locator("#found-count[role=status]")
    expect(field).to_be_focused()
    field.evaluate("field => { field.dataset.isTheSame = true }")
    field.press_sequentially("nothing-has-this-name")
    expect(told).to_have_text("Nothing found")
    expect(field).to_be_focused()
    expect(field).to_have_value("nothing-has-this-name")
    expect(field).to_have_attribute("data-is-the-same", "true")
    expect(page).to_have_url(re.compile("q=nothing-has-this-name"))
    field.fill("Holz")
    expect(told).to_contain_text(re.compile(r"\d+ transactions? found"))
    expect(field).to_be_focused()
    box = page.locator(".bf-found .form-check-input").first
    box.focus()
    page.keyboard.press("Space")
    expect(page.locator("#search-sum")).to_contain_text("1 transaction chosen")
    expect(box).to_be_focused()


def test_no_key_works_while_somebody_types_or_holds_a_modifier(site: Site, page: Page) -> None:
    receipts = site.world.ours.receipts
    page.locator("#filter-reason").focus()
    for key in ("j", "n", "u", "p", "1", "?"):
        page.keyboard.press(key)
    page.locator("#set-aside summary").click()
    page.locator("#set-aside-reason").focus()
    for key in ("j", "k", "2", "u", "?"):
        page.keyboard.press(key)
    title(page).focus()
    for key in ("Control+j", "Alt+n", "Meta+1"):
        page.keyboard.press(key)
    expect(title(page)).to_contain_text(receipts["open"].label)
    expect(page.locator("#keys")).not_to_have_attribute("open", re.compile(""))
    assert len(page.context.pages) == 1
    assert state_of(site, receipts["open"]) == "in_review"


def test_enter_on_a_link_or_button_is_the_links_own(site: Site, page: Page) -> None:
    receipts = site.world.ours.receipts
    page.locator(f"#queue-{receipts['no_transaction'].id}").focus()
    page.keyboard.press("Enter")
    is_at(page, receipts["no_transaction"])
    assert state_of(site, receipts["open"]) == "in_review"


def test_the_profile_switches_single_keys_off(site: Site, page: Page) -> None:
    receipts = site.world.ours.receipts
    page.goto("/profile")
    page.locator("#has_shortcuts").uncheck()
    page.locator("form[action='/profile'] button[type=submit]").click()
    expect(page.locator("#notices .bf-notice")).to_be_visible()
    page.goto("/review")
    for key in ("j", "Enter", "1", "2", "n", "u", "?"):
        page.keyboard.press(key)
    expect(title(page)).to_contain_text(receipts["open"].label)
    expect(page.locator("#keys, .bf-key")).to_have_count(0)
    assert state_of(site, receipts["open"]) == "in_review"
    current(page).press("Tab")  # everything is still reached
    page.locator("#assign-1 button").press("Enter")
    is_at(page, receipts["changed"])
    assert state_of(site, receipts["open"]) == "assigned"


# --- focus ---------------------------------------------------------------------------------------------------------


def test_the_skip_link_is_first_and_leads_past_the_bar(page: Page) -> None:
    page.keyboard.press("Tab")
    skip = page.locator(".bf-skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#filter-reason")).to_be_focused()


def test_a_filter_keeps_the_focus(site: Site, page: Page) -> None:
    page.locator("#filter-reason").focus()
    page.locator("#filter-reason").select_option("source_changed")
    expect(title(page)).to_contain_text(site.world.ours.receipts["changed"].label)
    expect(page.locator("#filter-reason")).to_be_focused()
    assert "reason=source_changed" in page.url
    page.go_back()
    expect(title(page)).to_contain_text(site.world.ours.receipts["open"].label)


def test_the_menu_closes_on_escape_and_beside_it(page: Page) -> None:
    menu = page.locator(".bf-menu")
    menu.locator("summary").press("Enter")
    expect(page.locator(".bf-menu-sheet")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator(".bf-menu-sheet")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()
    menu.locator("summary").press("Enter")
    page.locator("h1").click()
    expect(page.locator(".bf-menu-sheet")).to_be_hidden()


def test_a_card_that_is_swapped_keeps_the_focus(site: Site, windows: Windows) -> None:
    """A sync is asked for by keyboard; the card is swapped at once, and again with each look at the progress."""
    ours = site.world.ours
    with windows.at(site, ours.owner) as page:
        page.goto("/profile/connections")
        card = page.locator("#connection-documents")
        card.locator("form[action$='/runs'] button").press("Enter")
        expect(card.locator("progress")).to_be_visible()
        assert page.evaluate(HAS_FOCUS)
        history = card.locator(f"a[href='/connections/{ours.documents.id}']").last
        history.focus()
        history.evaluate("link => { link.dataset.isOld = true }")
        expect(card.locator("[data-is-old]")).to_have_count(0)
        expect(history).to_be_focused()


def test_focus_follows_the_eye(site: Site, windows: Windows) -> None:
    """From the skip link to the line of undo, through everything that can be used, and nothing hides what has the focus."""
    at, head, foot = f"/review?item={site.world.ours.receipts['open'].id}", "bf-review-head", "bf-undo"
    with windows.at(site, site.world.staff, reduced_motion="reduce") as page:
        page.goto(at)
        goes_through(page, "bf-skip", "bf-bar", head, "pane-queue", "pane-receipt", "pane-candidates", foot)
    with windows.at(site, site.world.staff, reduced_motion="reduce", **PHONE) as page:
        for pane, parts in (
            ("queue", (head, "bf-tabs", "pane-queue")),
            ("receipt", ("bf-tabs", "pane-receipt", foot)),
            ("candidates", ("bf-tabs", "pane-candidates", foot)),
        ):
            page.goto(f"{at}&pane={pane}")
            goes_through(page, "bf-skip", "bf-bar", *parts)


USABLE = """[...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
    .filter(one => one.checkVisibility() && !one.disabled).length"""
FOCUSED = """() => {
    const one = document.activeElement;
    const part = one.closest(".bf-skip, .bf-bar, .bf-review-head, .bf-tabs, [id^=pane-], .bf-undo");
    if (!part) return null;
    const box = one.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return [part.id || part.className.split(" ")[0], one.contains(top) || top?.contains(one) ? "" : one.outerHTML.slice(0, 120)];
}"""


def goes_through(page: Page, *parts: str) -> None:
    """Tab leads through these parts of the page in this order."""
    steps: list[tuple[str, str]] = []
    for _ in range(page.evaluate(USABLE)):
        page.keyboard.press("Tab")
        steps.append(page.evaluate(FOCUSED))
    assert [part for part, _ in itertools.groupby(part for part, _ in steps)] == list(parts)
    assert [hidden for _, hidden in steps if hidden] == []


def test_putting_off_goes_on_and_undo_comes_back(site: Site, page: Page) -> None:
    receipts = site.world.ours.receipts
    page.keyboard.press("s")
    page.locator("#put-off-note").press("Enter")
    is_at(page, receipts["changed"])
    expect(page.locator(f"#queue-{receipts['open'].id}")).to_have_count(0)
    page.keyboard.press("u")
    is_at(page, receipts["open"])


def test_what_was_found_is_assigned_by_keyboard(site: Site, page: Page) -> None:
    """There and back, then on to the next receipt."""
    receipts = site.world.ours.receipts
    page.keyboard.press("/")
    expect(page.locator("#search-query")).to_be_focused()
    page.get_by_role("link", name="Back to the candidates").press("Enter")
    expect(page.locator("#search-query")).to_have_count(0)  # the receipt stays the same: only this tells that the page changed
    is_at(page, receipts["open"])
    page.keyboard.press("/")
    page.locator("#search-query").fill("Holz")
    expect(page.locator("#found-count[role=status]")).to_contain_text(re.compile(r"\d+ transactions? found"))
    page.locator(".bf-found .form-check-input").first.press("Space")
    expect(page.locator("#search-sum")).to_contain_text("1 transaction chosen")
    expect(page.locator(".htmx-request, .htmx-settling")).to_have_count(
        0
    )  # until then the button is one of a page without script
    page.locator("#assign-lines button").press("Enter")
    is_at(page, receipts["changed"])
    assert state_of(site, receipts["open"]) == "assigned"


def test_a_correction_stays_at_its_receipt(site: Site, page: Page) -> None:
    receipt = site.world.ours.receipts["open"]
    page.locator(".bf-correction > summary").press("Enter")
    page.locator(".bf-correction [name=number]").fill("RE-7")
    page.locator(".bf-correction [name=number]").press("Enter")
    expect(page.locator("#pane-receipt")).to_contain_text("RE-7")
    is_at(page, receipt)


def test_after_the_last_one_the_focus_is_at_the_empty_queue(site: Site, page: Page) -> None:
    receipt = site.world.ours.receipts["changed"]
    page.goto("/review?reason=source_changed")
    expect(title(page)).to_contain_text(receipt.label)
    page.locator("#set-aside summary").press("Enter")
    page.locator("#set-aside-reason").select_option("paid_in_cash")
    page.locator("#set-aside button").press("Enter")
    expect(page.locator("#pane-queue")).to_contain_text("No receipt fits this filter")
    expect(page.locator("#queue-title")).to_be_focused()
    page.keyboard.press("u")
    is_at(page, receipt)


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_file_that_got_lost_is_told_and_fetched_again(site: Site, windows: Windows) -> None:
    ours = site.world.ours
    with site.writing() as session:
        session.get_one(Document, ours.document.id).sha256 = "0" * 64
    with windows.at(site, site.world.staff, may_say="500") as page:
        page.goto(f"/review?item={ours.receipts['open'].id}")
        expect(page.locator(".bf-preview-none")).to_contain_text("There is no picture of it.")
        page.locator(".bf-files a").click()
        expect(page.locator("main")).to_contain_text("This document is missing in our storage.")
        page.go_back()
        expect(page.locator("#pane-receipt")).to_contain_text("We fetch it again with the next sync.")
        page.locator("#assign-1 button").click()  # it can be decided all the same
        is_at(page, ours.receipts["changed"])
    assert state_of(site, ours.receipts["open"]) == "assigned"


# --- two at once ---------------------------------------------------------------------------------------------------


def test_the_slower_one_is_told_and_loses_nothing(site: Site, windows: Windows, page: Page) -> None:
    world, receipt = site.world, site.world.ours.receipts["open"]
    with windows.at(site, world.admin, may_say="409") as slower:
        slower.goto(f"/review?item={receipt.id}")
        page.keyboard.press("Enter")
        is_at(page, world.ours.receipts["changed"])
        slower.locator("#assign-2 button").focus()
        slower.keyboard.press("Enter")
        told = slower.locator("#notices [role=alert]")
        expect(told).to_contain_text("This receipt is already assigned or set aside.")
        expect(title(slower)).to_contain_text(receipt.label)
        expect(slower.locator("#assign-2 button")).to_be_focused()
        slower.reload()
        expect(slower.locator("#pane-candidates")).to_contain_text("This receipt is assigned.")
    with site.ports.database.read() as session:
        standing = session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id)).one()
    assert (standing.transaction_id, standing.actor) == (world.ours.transactions[0].id, world.staff.id)


# --- devices -------------------------------------------------------------------------------------------------------


def test_on_a_phone_one_part_is_shown_and_assign_stays_in_reach(site: Site, windows: Windows) -> None:
    receipts = site.world.ours.receipts
    with windows.at(site, site.world.staff, **PHONE) as page:
        page.goto("/review")
        panes = [page.locator(f"#pane-{name}") for name in ("queue", "receipt", "candidates")]
        tabs = page.locator(".bf-tabs a")

        def shows(number: int) -> None:
            for at, pane in enumerate(panes):
                expect(pane).to_be_visible(visible=at == number)
            expect(tabs.nth(number)).to_have_attribute("aria-current", "page")

        shows(0)
        page.locator(f"#queue-{receipts['open'].id}").tap()
        shows(2)
        sticky = page.locator(".bf-phone-assign")
        expect(sticky).to_be_in_viewport(ratio=1)
        tabs.nth(1).tap()
        shows(1)
        expect(sticky).to_be_in_viewport(ratio=1)
        page.mouse.wheel(0, 600)
        expect(sticky).to_be_in_viewport(ratio=1)
        for target in (sticky, tabs.nth(0), page.locator(".bf-menu summary")):
            assert target.bounding_box()["height"] >= 44
        sticky.tap()
        expect(title(page)).to_contain_text(receipts["changed"].label)
        assert state_of(site, receipts["open"]) == "assigned"
        page.locator("#undo button").tap()
        expect(title(page)).to_contain_text(receipts["open"].label)
        assert state_of(site, receipts["open"]) == "in_review"
        page.goto("/review?reason=duplicate_suspected")  # with little to show, the line of undo stays at the bottom
        line = page.locator(".bf-undo").bounding_box()
        assert line["y"] + line["height"] == 844
        assert line["height"] < 100


def test_nothing_moves_for_those_who_asked_for_it(site: Site, windows: Windows) -> None:
    moving = """[...document.querySelectorAll('*')].filter(one => ['', '::before', '::after'].some(part => {
        const style = getComputedStyle(one, part);
        return [style.transitionDuration, style.animationDuration].some(all => all.split(', ').some(time => parseFloat(time) > 0));
    })).map(one => one.outerHTML.slice(0, 80))"""
    with windows.at(site, site.world.staff, reduced_motion="reduce") as page:
        for path in ("/review", "/profile/connections"):
            page.goto(path)
            page.evaluate("document.getElementById('desk')?.setAttribute('aria-busy', 'true')")
            assert page.evaluate(moving) == [], path


def test_forced_colors_leave_the_current_place_visible(site: Site, windows: Windows) -> None:
    edge = "one => { const style = getComputedStyle(one); return [style.outlineStyle, parseFloat(style.outlineWidth)]; }"
    with windows.at(site, site.world.staff, forced_colors="active") as page:
        page.goto("/review")
        assert page.evaluate("matchMedia('(forced-colors: active)').matches")
        for place in (".bf-queue-row[aria-current]", ".bf-nav .bf-nav-link[aria-current]"):
            style, width = page.locator(place).evaluate(edge)
            assert (style, width >= 2) == ("solid", True), place
        page.locator("#assign-1 button").focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert page.locator("#assign-1 button").evaluate(edge)[0] == "solid"


# --- several receipts for one transaction ----------------------------------------------------------------------------


def test_the_sum_runs_along_and_the_focus_stays(site: Site, page: Page) -> None:
    ours = site.world.ours
    first, second = ours.receipts["no_transaction"], ours.receipts["changed"]
    page.goto(f"/review/transactions/{ours.transactions[0].id}?item={first.id}")
    total = page.locator("#assign-receipts")
    expect(total).to_contain_text("1 receipt chosen")
    box = page.locator(f"#receipt-{second.id}")
    box.focus()
    page.keyboard.press("Space")
    expect(total).to_contain_text("2 receipts chosen")
    expect(box).to_be_focused()
    expect(page).to_have_url(re.compile(second.id))  # a reload shows the same
    page.keyboard.press("Space")
    expect(total).to_contain_text("1 receipt chosen")
    expect(box).to_be_focused()
    ticked = "box => { box.click(); return document.querySelector('#assign-receipts button').disabled }"
    assert box.evaluate(ticked), "who presses at once waits for the sum, and does not assign what was ticked before"
    total.get_by_role("button").click()
    expect(page.locator("#notices")).to_contain_text("2 receipts assigned.")
    assert {state_of(site, first), state_of(site, second)} == {"assigned"}
