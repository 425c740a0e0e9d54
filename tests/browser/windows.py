"""A real Chromium and people in front of it. `BROWSER_PICTURES=folder` keeps pictures of what they saw."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, WebError, expect

from portal.models import User
from tests.browser.sites import Site

PATIENCE = 60_000  #: milliseconds until something that must happen counts as never happening
PICTURES = os.environ.get("BROWSER_PICTURES")

expect.set_options(timeout=PATIENCE)
_numbers = itertools.count(1)


class Windows:
    """Windows of one browser. They are used again by the next person who wants one of the kind: a fresh one costs a second."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._free: dict[str, list[Page]] = defaultdict(list)

    @contextmanager
    def at(self, site: Site, person: User | None = None, *, may_say: str = "$.", **options: Any) -> Iterator[Page]:
        """A window of somebody, who is signed in if named.

        Whatever the console complains about (scripts, refusals by the policy, missing files) fails the test, unless it fits `may_say`.
        """
        options = {"base_url": site.url, "locale": "en-GB", "viewport": {"width": 1440, "height": 900}, **options}
        free = self._free[repr(sorted(options.items()))]
        page = free.pop() if free else self._new(options)
        page.context.clear_cookies()
        if person:
            page.context.add_cookies(site.cookies(person))
        try:
            with _listening(page, site) as said:
                yield page
                keep_picture(page)
                for other in page.context.pages[1:]:
                    close(other)
                page.goto("about:blank")
        except BaseException:
            page.context.close()
            raise
        free.append(page)
        assert not [text for text in said if not re.search(may_say, text)], said

    def _new(self, options: dict[str, Any]) -> Page:
        scripts = options.pop("scripts", ())
        context = self._chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        for script in scripts:
            context.add_init_script(script)
        return context.new_page()


@contextmanager
def _listening(page: Page, site: Site) -> Iterator[list[str]]:
    said: list[str] = []

    def complains(message: ConsoleMessage) -> None:
        is_elsewhere = message.location["url"].startswith("http") and not message.location["url"].startswith(site.url)
        is_picture = message.page and message.page.url.endswith(".webp")  # around it Chromium puts a page of its own
        if message.type in {"error", "warning"} and not is_elsewhere and not is_picture:
            said.append(message.text)

    def breaks(problem: WebError) -> None:
        said.append(str(problem.error))

    page.context.on("console", complains)
    page.context.on("weberror", breaks)
    yield said
    page.context.remove_listener("console", complains)
    page.context.remove_listener("weberror", breaks)


def close(page: Page) -> None:
    """Close a window that was opened beside the first. Chromium forgets to while a page is arriving; Playwright then waits for ever."""
    page.wait_for_load_state()
    page.close()


def keep_picture(page: Page, name: str = "") -> None:
    """Where pictures are wanted."""
    if PICTURES:
        name = name or os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0]
        name = re.sub(r"[^\w.=-]+", " ", name)[:90]
        page.screenshot(path=f"{PICTURES}/{next(_numbers):03d} {name}.png", full_page=True)
