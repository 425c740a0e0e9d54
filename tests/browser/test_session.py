"""The warning before a session ends (WCAG 2.2.1): by keys alone, after a look at the server, and without losing what was typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import delete, select, update

from portal.crypto import digest
from portal.models import UserSession
from tests.browser.sites import Site
from tests.browser.windows import Windows
from tests.web.visitor import COOKIE

pytestmark = pytest.mark.browser
OWN_WINDOW = ("/* a window whose clock is moved */",)
NEARLY_IDLE = {"seen_at": 27}  #: minutes ago


@contextmanager
def writing(site: Site, windows: Windows) -> Iterator[tuple[Page, Locator]]:
    """Somebody of the firm in front of a receipt, whose browser's clock stands still until it is moved."""
    path = f"/receipts/{site.world.ours.receipts['open'].id}"
    with windows.at(site, site.world.staff, scripts=OWN_WINDOW, may_say="status of 40[01]") as page:
        page.clock.install()
        page.goto(path)
        note = page.locator("textarea[name=text]").first
        note.evaluate("one => { for (let up = one; up; up = up.parentElement) if (up.localName === 'details') up.open = true }")
        yield page, note


def age(site: Site, page: Page, **minutes: int) -> None:
    """Let times of the browser's session lie back."""
    with site.writing() as session:
        values = {name: site.ports.clock.now() - timedelta(minutes=ago) for name, ago in minutes.items()}
        session.execute(update(UserSession).where(UserSession.id_hash == own(page)).values(**values))


def own(page: Page) -> str:
    """The hash of the browser's session."""
    return digest(next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == COOKIE))


def seen_ago(site: Site, page: Page) -> timedelta:
    with site.ports.database.read() as session:
        seen_at = session.scalars(select(UserSession.seen_at).where(UserSession.id_hash == own(page))).one()
    return site.ports.clock.now() - seen_at


def asked(page: Page, minutes: float, method: str = "GET") -> Any:
    """Move the browser's clock until the server is asked."""
    with page.expect_response(lambda answer: answer.url.endswith("/session") and answer.request.method == method) as seen:
        page.clock.fast_forward(round(minutes * 60_000))
    return seen.value


def test_it_warns_in_time_and_one_key_is_enough_to_stay(site: Site, windows: Windows) -> None:
    with writing(site, windows) as (page, note):
        note.fill("Anruf am Montag")
        age(site, page, **NEARLY_IDLE)
        assert asked(page, 26).json()["idle"] <= 180
        warning = page.get_by_role("alertdialog", name="You will soon be signed out")
        expect(warning).to_contain_text("If it stays like that, you will be signed out at this time:")
        expect(warning.get_by_role("button", name="Stay signed in")).to_be_focused()
        with page.expect_response(lambda answer: answer.request.method == "POST") as stayed:
            page.keyboard.press("Enter")
        assert stayed.value.ok
        expect(warning).to_be_hidden()
        expect(note).to_have_value("Anruf am Montag")
        assert seen_ago(site, page) < timedelta(minutes=20)


def test_nothing_is_said_where_another_tab_has_prolonged_it(site: Site, windows: Windows) -> None:
    with writing(site, windows) as (page, _):
        assert asked(page, 26).json()["idle"] > 1500  # the server's clock has hardly moved: somebody was there
        expect(page.locator("#session-end")).to_be_hidden()


def test_whoever_writes_is_there(site: Site, windows: Windows) -> None:
    with writing(site, windows) as (page, note):
        page.clock.fast_forward(24 * 60_000 + 50_000)
        note.fill("Noch ein Satz")
        age(site, page, **NEARLY_IDLE)
        assert asked(page, 0.5, "POST").ok
        expect(page.locator("#session-end")).to_be_hidden()
        assert seen_ago(site, page) < timedelta(minutes=20)


def test_the_end_that_cannot_be_put_off_is_told_once(site: Site, windows: Windows) -> None:
    with writing(site, windows) as (page, _):
        age(site, page, created_at=12 * 60 - 4)
        page.reload()
        warning = page.get_by_role("alertdialog")
        expect(warning).to_contain_text("which cannot be put off")
        expect(warning.get_by_role("button", name="Stay signed in")).to_be_hidden()
        page.keyboard.press("Escape")
        expect(warning).to_be_hidden()
        page.clock.fast_forward(60_000)
        expect(warning).to_be_hidden()


def test_what_was_typed_outlives_the_session(site: Site, windows: Windows) -> None:
    """It was ended elsewhere; after signing in beside it, the same page goes on."""
    with writing(site, windows) as (page, note):
        note.fill("Anruf am Montag")
        with site.writing() as session:
            session.execute(delete(UserSession).where(UserSession.id_hash == own(page)))
        page.clock.fast_forward(26 * 60_000)
        ended = page.get_by_role("alertdialog", name="You are signed out")
        expect(ended).to_contain_text("What you have written is still on this page")
        expect(ended.get_by_role("link", name="Sign in in a new tab")).to_be_focused()
        page.context.add_cookies(site.cookies(site.world.staff))
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(ended).to_be_hidden()
        with page.expect_response(lambda answer: answer.url.endswith("/notes")) as sent:
            note.evaluate("one => one.form.requestSubmit()")
        assert sent.value.status in {200, 303}
        expect(page.locator("main")).to_contain_text("Anruf am Montag")
