"""Every page in every language, theme and width that people use, without whatever no page may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page

from portal.models import Role
from tests import factories
from tests.browser.sites import Cookies, Site
from tests.browser.states import State, faces, pages, people, sent
from tests.browser.windows import Windows, keep_picture

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("language", ["de", "en"])]

AXE = (Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js").read_text()
RUN_AXE = """(changes) => axe.run(document, {
    resultTypes: ["violations"], preload: false, selectors: false, ...changes,
}).then(result => result.violations)"""
WHOLE = {"rules": {"target-size": {"enabled": True}}}  #: every rule, and one that is off by default: 24 px (WCAG 2.2, 2.5.8)
#: The same page in another theme, as wide as before, differs in colours alone: these two rules look at colours, the others at
#: elements and at where they are. They need a quarter of the time.
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
WATCH = "window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective + ' ' + e.blockedURI))"
READ = """({
    language: document.documentElement.lang, headings: document.querySelectorAll("h1").length, refused,
    asked: performance.getEntriesByType("resource").map(one => one.name),
})"""

Look = tuple[str, int]  #: light or dark, and how wide
PAGES: dict[str, tuple[Look, ...]] = {"de": (("light", 1280), ("dark", 390)), "en": (("dark", 1280), ("light", 390))}
NARROW = {"de": 320, "en": 640}  #: the least width (WCAG 2.2, 1.4.10), and 1280 px at a zoom of 200 % (1.4.4)
FACES: dict[str, tuple[Look, ...]] = {"de": (("light", 320), ("dark", 320)), "en": (("dark", 1280), ("light", 1280))}
THEME = {"de": "auto", "en": "light"}  #: of the profile: in German the device decides, in English the person
LOCALE = {"de": "de-DE", "en": "en-GB"}


def test_every_page(site: Site, windows: Windows, language: str) -> None:
    """No CSP error, no script error, no axe violation, nothing from elsewhere, no sideways scrolling, one heading.

    Further faces of the pages are as narrow as it gets in German, whose words are longer.
    """
    known = people(site, now=datetime.now(UTC))
    site.show_in(language, THEME[language])
    found = [(state, PAGES[language]) for state in pages(site)] + [(state, FACES[language]) for state in faces(site, known)]
    with looking(windows, site, language) as inspector:
        inspector.look_at(found, known.cookies)
    assert not inspector.faults, "\n".join(inspector.faults)


def test_the_pages_of_an_empty_installation(bare_site: Site, windows: Windows, language: str) -> None:
    """As above, before there is an admin, and before there is a client."""
    first = [
        State("nobody", "/first-admin"),
        State("nobody", "/first-admin", does=sent("form[action='/first-admin']", 422)),
    ]
    with looking(windows, bare_site, language) as inspector:
        inspector.look_at([(state, PAGES[language]) for state in first], {"nobody": []})
        with bare_site.writing() as session:
            admin = factories.user(session, "admin@kanzlei.example", "Katrin Elbtor", Role.ADMIN, now=datetime.now(UTC))
        bare_site.show_in(language, THEME[language])
        paths = (
            "/admin",
            "/admin/audit",
            "/review",
            "/review/done",
            "/clients",
            "/receipts",
            "/finances/accounts",
            "/admin/runs",
        )
        empty = [(State("admin", path), FACES[language]) for path in paths]
        inspector.look_at(empty, {"admin": bare_site.cookies(admin)})
    assert not inspector.faults, "\n".join(inspector.faults)


@contextmanager
def looking(windows: Windows, site: Site, language: str) -> Iterator[Inspector]:
    """A window whose pages carry axe; colours change at once in it."""
    options = {"locale": LOCALE[language], "reduced_motion": "reduce", "scripts": (WATCH, AXE)}
    with windows.at(site, may_say="Failed to load resource", **options) as page:
        inspector = Inspector(page, site.url, language)
        page.on("console", inspector.hear)
        yield inspector
        page.remove_listener("console", inspector.hear)


@dataclass
class Inspector:
    """Opens pages one after the other and lists what is wrong with them."""

    page: Page
    url: str
    language: str
    faults: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.said.append(message.text)

    def look_at(self, found: Iterable[tuple[State, tuple[Look, ...]]], cookies: dict[str, Cookies]) -> None:
        """Each in its looks; whoever opens it has these cookies."""
        viewer = ""
        for state, looks in sorted(found, key=lambda pair: (pair[0].who, pair[1])):
            if state.who != viewer:
                viewer = state.who
                self.page.context.clear_cookies()
                self.page.context.add_cookies(cookies[viewer])
            self.faults += [f"{state.who} {state.path}: {fault}" for fault in self._faults(state, looks)]

    def _faults(self, state: State, looks: tuple[Look, ...]) -> Iterator[str]:
        self.said.clear()
        self._wear(*looks[0])
        answer = self.page.goto(self.url + state.path, wait_until="load")
        if answer is None or answer.status != state.status:
            yield f"answers {answer and answer.status}"
        if state.does:
            state.does(self.page)
        seen: set[int] = set()
        for scheme, width in looks:
            yield from self._look(scheme, width, COLOURS if width in seen else WHOLE)
            seen.add(width)
        if len(seen) > 1:
            self._wear(looks[-1][0], NARROW[self.language])
            yield from self._too_wide()
        read = self.page.evaluate(READ)
        if read["language"] != self.language:
            yield "is in another language"
        if read["headings"] != 1:
            yield f"has {read['headings']} h1"
        yield from (f"refused: {text}" for text in read["refused"])
        yield from (f"asks {url}" for url in read["asked"] if not url.startswith((self.url, "data:")))
        is_refusal = state.does or state.status >= 400
        yield from (f"says {text}" for text in self.said if not (is_refusal and "Failed to load resource" in text))

    def _look(self, scheme: str, width: int, rules: dict[str, Any]) -> Iterator[str]:
        self._wear(scheme, width)
        keep_picture(self.page, f"{self.language} {scheme} {width} {self.page.url.removeprefix(self.url)}")
        for violation in self.page.evaluate(RUN_AXE, rules):
            where = "; ".join(node["html"][:120] for node in violation["nodes"][:2])
            yield f"axe {violation['id']} ({scheme}, {width} px): {where}"
        yield from self._too_wide()

    def _too_wide(self) -> Iterator[str]:
        width, over = self.page.evaluate("[innerWidth, document.documentElement.scrollWidth - innerWidth]")
        if over > 0:
            yield f"is {over} px too wide at {width} px"

    def _wear(self, scheme: str, width: int) -> None:
        if self.page.viewport_size != (size := {"width": width, "height": 900}):
            self.page.set_viewport_size(size)
        if THEME[self.language] == "auto":
            self.page.emulate_media(color_scheme=scheme)
        else:
            self.page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", scheme)
