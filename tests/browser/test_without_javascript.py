"""A browser without JavaScript does everything: each action is a link or a form, and ends on a whole page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from portal.models import Connection, Receipt, User
from tests.browser.sites import Site
from tests.browser.windows import Windows
from tests.factories import PASSWORD
from tests.web.visitor import fresh_code

pytestmark = pytest.mark.browser


@contextmanager
def plain(windows: Windows, site: Site, person: User | None = None, **kwargs: Any) -> Iterator[Page]:
    """Refusals are pages of their own here."""
    with windows.at(site, person, java_script_enabled=False, may_say="status of 4(09|22)", **kwargs) as page:
        yield page


def press(page: Page, selector: str, status: int = 200) -> Response:
    """Click, and be on a whole page afterwards."""
    with page.expect_navigation() as seen:
        page.locator(selector).click()
    assert seen.value.status == status, f"{seen.value.status}: {page.url}"
    expect(page.locator("html > body > main h1")).to_have_count(1)
    return seen.value


def stored(site: Site, row: Receipt | Connection) -> Any:
    with site.ports.database.read() as session:
        return session.get_one(type(row), row.id)


def told(page: Page, text: str) -> None:
    expect(page.locator("#notices")).to_contain_text(text)


# --- in and out ----------------------------------------------------------------------------------------------------


def test_signing_in_with_a_second_factor_and_out(site: Site, windows: Windows) -> None:
    staff = site.world.staff
    code = fresh_code(site.ports, staff)
    with plain(windows, site) as page:
        page.goto("/review?sort=oldest")
        press(page, "main form[action='/sign-in'] button", 422)
        expect(page.locator(".bf-errors a")).to_have_text(
            ["E-mail address: This field is required.", "Password: This field is required."]
        )
        page.fill("input[name=email]", staff.email)
        page.fill("input[name=password]", PASSWORD)
        press(page, "main form[action='/sign-in'] button")
        page.fill("input[name=code]", code)
        press(page, "main form[action='/sign-in/second-factor'] button")
        assert page.url == f"{site.url}/review?sort=oldest"
        page.locator(".bf-menu summary").click()
        press(page, "form[action='/sign-out'] button")
        page.goto("/review")
        assert "/sign-in" in page.url


def test_the_language_changes_in_place(site: Site, windows: Windows) -> None:
    with plain(windows, site, site.world.ours.owner) as page:
        page.goto("/receipts?state=assigned")
        for language, word in (("de", "Belege"), ("en", "Receipts")):
            press(page, f".bf-languages button[value={language}]")
            assert page.url == f"{site.url}/receipts?state=assigned"
            expect(page.locator("h1")).to_have_text(word)
            expect(page.locator("html")).to_have_attribute("lang", language)
    with plain(windows, site) as page:
        page.goto("/sign-in")
        press(page, ".bf-languages button[value=de]")
        expect(page.locator("h1")).to_have_text("Anmelden")


# --- lists ---------------------------------------------------------------------------------------------------------


def test_the_receipts_are_filtered(site: Site, windows: Windows) -> None:
    rows = "tbody tr"
    with plain(windows, site, site.world.ours.owner) as page:
        page.goto("/receipts")
        expect(page.locator(rows)).to_have_count(10)
        press(page, ".bf-segments a:nth-of-type(3)")
        expect(page.locator(rows)).to_have_count(1)
        press(page, ".bf-segments a:nth-of-type(2)")
        page.select_option("#filter-state", "in_review")
        page.fill("#filter-words", "Weber 1003")
        press(page, ".bf-filters button")
        expect(page.locator(f"#receipt-{site.world.ours.receipts['changed'].id}")).to_be_visible()
        expect(page.locator(rows)).to_have_count(1)
        page.fill("#filter-words", "nobody")
        press(page, ".bf-filters button")
        press(page, ".bf-empty a")
        expect(page.locator(rows)).to_have_count(10)


# --- the desk ------------------------------------------------------------------------------------------------------


def test_the_desk_decides_and_takes_back(site: Site, windows: Windows) -> None:
    receipts = site.world.ours.receipts
    one, other = receipts["open"], receipts["changed"]
    with plain(windows, site, site.world.staff) as page:
        page.goto("/review")
        page.select_option("#filter-reason", "source_changed")
        press(page, "#desk-filters button")
        expect(page.locator("#receipt-title")).to_contain_text(other.label)
        page.goto("/review")
        press(page, f"#queue-{one.id}")
        press(page, "#assign-2 button")
        told(page, f"{one.label} assigned.")
        expect(page.locator("#receipt-title")).to_contain_text(other.label)
        assert stored(site, one).state == "assigned"
        press(page, "#undo button")
        told(page, f"{one.label} is in review again.")
        assert stored(site, one).state == "in_review"
        press(page, f"#queue-{other.id}")
        page.locator("#set-aside summary").click()
        page.select_option("#set-aside-reason", "duplicate")
        press(page, "#set-aside form button")
        told(page, f"{other.label} set aside.")
        assert (stored(site, other).state, stored(site, other).set_aside_reason) == ("set_aside", "duplicate")
        page.goto(f"/review?item={other.id}")
        press(page, "#pane-candidates form[action$='/reopening'] button")
        told(page, f"{other.label} is in review again.")
        assert stored(site, other).state == "in_review"


def test_several_receipts_are_ticked_added_up_and_assigned(site: Site, windows: Windows) -> None:
    ours = site.world.ours
    first, second = ours.receipts["no_transaction"], ours.receipts["changed"]
    with plain(windows, site, site.world.staff) as page:
        page.goto(f"/review?item={first.id}&q=&line={ours.transactions[0].id}")
        press(page, "#assign-lines a")
        expect(page.locator(f"#receipt-{first.id}")).to_be_checked()
        page.check(f"#receipt-{second.id}")
        press(page, "#collective-form noscript button")
        expect(page.locator("#assign-receipts")).to_contain_text("85.00")
        press(page, "#assign-receipts button")
        told(page, "2 receipts assigned.")
    assert {stored(site, first).state, stored(site, second).state} == {"assigned"}


def test_what_was_done_lately_is_undone_on_its_own_page(site: Site, windows: Windows) -> None:
    receipt = site.world.ours.receipts["open"]
    with plain(windows, site, site.world.staff) as page:
        page.goto(f"/review?item={receipt.id}")
        press(page, "#assign-1 button")
        press(page, ".bf-undo > a")
        press(page, f"form[action='/receipts/{receipt.id}/assignment/withdrawal'] button")
        assert stored(site, receipt).state == "in_review"
        page.goto(f"/receipts/{site.world.ours.receipts['set_aside'].id}")
        press(page, "main form[action$='/reopening'] button")
        assert stored(site, site.world.ours.receipts["set_aside"]).state == "in_review"


def test_a_phone_has_its_parts_as_pages(site: Site, windows: Windows) -> None:
    with plain(windows, site, site.world.staff, viewport={"width": 390, "height": 844}) as page:
        page.goto("/review")
        press(page, f"#queue-{site.world.ours.receipts['open'].id}")
        for number, part in enumerate(("queue", "receipt", "candidates"), start=1):
            press(page, f".bf-tabs a:nth-of-type({number})")
            expect(page.locator(f"#pane-{part}")).to_be_visible()
        press(page, ".bf-phone-assign")
        assert stored(site, site.world.ours.receipts["open"]).state == "assigned"


def test_the_slower_one_is_told_on_a_page(site: Site, windows: Windows) -> None:
    receipt = site.world.ours.receipts["open"]
    with (
        plain(windows, site, site.world.staff) as page,
        plain(windows, site, site.world.admin) as slower,
    ):
        for one in (page, slower):
            one.goto(f"/review?item={receipt.id}")
        press(page, "#assign-1 button")
        press(slower, "#assign-2 button", 409)
        expect(slower.locator("main")).to_contain_text("This receipt is already assigned or set aside.")


# --- connections ---------------------------------------------------------------------------------------------------


def test_a_sync_is_asked_for_and_watched(site: Site, windows: Windows) -> None:
    with plain(windows, site, site.world.ours.owner) as page:
        page.goto("/profile/connections")
        press(page, "#connection-documents form[action$='/runs'] button")
        told(page, "The sync has been started.")
        expect(page.locator("#connection-documents progress")).to_be_visible()
        refreshing = page.locator("head > noscript > meta[http-equiv=refresh]")
        expect(refreshing).to_have_count(1)  # the page looks again by itself


def test_a_connection_is_ended_after_a_look_at_what_that_means(site: Site, windows: Windows) -> None:
    documents = site.world.ours.documents
    with plain(windows, site, site.world.ours.owner) as page:
        page.goto("/profile/connections")
        press(page, "#connection-documents-disconnect")
        press(page, "main form a.btn-primary")
        assert stored(site, documents).state == "active"
        press(page, "#connection-documents-disconnect")
        press(page, "main form button")
        told(page, "The connection has ended.")
        assert stored(site, documents).state == "disconnected"


def test_the_profile_is_changed(site: Site, windows: Windows) -> None:
    with plain(windows, site, site.world.staff) as page:
        page.goto("/profile")
        page.fill("input[name=name]", "")
        press(page, "form[action='/profile'] button", 422)
        page.fill("input[name=name]", "Mara Klein-Groß")
        page.select_option("select[name=theme]", "dark")
        press(page, "form[action='/profile'] button")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        expect(page.locator("input[name=name]")).to_have_value("Mara Klein-Groß")
