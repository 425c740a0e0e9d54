"""Every page in every language, theme and width that people use, without whatever no page may have."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState

from portal.models import Role
from tests import factories
from tests.browser.conftest import Site, keep_picture
from tests.browser.states import People, State, people, sent, states

AXE = (Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js").read_text()
RUN_AXE = "axe.run(document, {resultTypes: ['violations'], preload: false, selectors: false}).then(r => r.violations)"
WATCH = "window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective + ' ' + e.blockedURI))"

#: language → the theme of the profile, and the looks (what is dark, how wide): in German the device decides, in English the person
LOOKS = {"de": ("auto", (("light", 1280), ("dark", 390))), "en": ("light", (("dark", 1280), ("light", 390)))}
NARROW = (640, 320)  #: 1280 px at a zoom of 200 %, and the least width (WCAG 2.2, 1.4.4 and 1.4.10)


@pytest.fixture(scope="session")
def known(site: Site) -> People:
    """Everybody who looks at something."""
    return people(site, now=datetime.now(UTC))


@pytest.mark.browser
@pytest.mark.parametrize("language", LOOKS)
def test_every_page(site: Site, known: People, chromium: Browser, language: str) -> None:
    """No CSP error, no script error, no axe violation, nothing from elsewhere, no sideways scrolling, one heading."""
    site.show_in(language, LOOKS[language][0])
    faults = []
    for who, found in itertools.groupby(sorted(states(site, known), key=attrgetter("who")), key=attrgetter("who")):
        faults += look_at(chromium, site, known.cookies[who], found, language)
    assert not faults, "\n".join(faults)


@pytest.mark.browser
@pytest.mark.parametrize("language", LOOKS)
def test_the_pages_of_an_empty_installation(bare_site: Site, chromium: Browser, language: str) -> None:
    """As above, before there is an admin, and before there is a client."""
    nobody: StorageState = {"cookies": [], "origins": []}
    first = [
        State("nobody", "/first-admin"),
        State("nobody", "/first-admin", does=sent("form[action='/first-admin']", 422)),
    ]
    faults = look_at(chromium, bare_site, nobody, first, language)
    with bare_site.writing() as session:
        admin = factories.user(session, "admin@kanzlei.example", "Katrin Elbtor", Role.ADMIN, now=datetime.now(UTC))
    bare_site.show_in(language, LOOKS[language][0])
    paths = ("/admin", "/admin/audit", "/review", "/review/done", "/clients", "/receipts", "/finances/accounts")
    faults += look_at(chromium, bare_site, bare_site.cookies(admin), [State("admin", path) for path in paths], language)
    assert not faults, "\n".join(faults)


def look_at(chromium: Browser, site: Site, cookies: StorageState, found: Iterable[State], language: str) -> list[str]:
    """Open pages one after the other and list what is wrong with them."""
    locale = {"de": "de-DE", "en": "en-GB"}[language]
    context = chromium.new_context(storage_state=cookies, locale=locale, reduced_motion="reduce")  # colours change at once
    context.add_init_script(WATCH)
    context.add_init_script(AXE)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    faults = []
    for state in found:
        said.clear()
        asked.clear()
        seen = [*_open(page, site, state, language), *_look(page, language)]
        seen += [
            f"says {text}" for text in said if "Failed to load resource" not in text or (state.status < 400 and not state.does)
        ]
        seen += [f"asks {url}" for url in asked if not url.startswith((site.url, "data:"))]
        faults += [f"{state.who} {state.path}: {fault}" for fault in seen]
    context.close()
    return faults


def _open(page: Page, site: Site, state: State, language: str) -> list[str]:
    _wear(page, language, *LOOKS[language][1][0])
    answer = page.goto(site.url + state.path, wait_until="load")
    status = answer.status if answer else 0
    if state.does:
        state.does(page)
    return [] if status == state.status else [f"answers {status}"]


def _look(page: Page, language: str) -> list[str]:
    faults = []
    if page.evaluate("document.documentElement.lang") != language:
        faults.append("is in another language")
    if (headings := page.locator("h1").count()) != 1:
        faults.append(f"has {headings} h1")
    for scheme, width in LOOKS[language][1]:
        _wear(page, language, scheme, width)
        keep_picture(page, f"{language} {scheme} {width} {page.url.partition('/')[2]}")
        for violation in page.evaluate(RUN_AXE):
            where = "; ".join(node["html"][:120] for node in violation["nodes"][:2])
            faults.append(f"axe {violation['id']} ({scheme}, {width} px): {where}")
        faults += _too_wide(page, width)
    for width in NARROW:
        page.set_viewport_size({"width": width, "height": 900})
        faults += _too_wide(page, width)
    return faults + [f"refused: {text}" for text in page.evaluate("window.refused")]


def _wear(page: Page, language: str, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    if LOOKS[language][0] == "auto":
        page.emulate_media(color_scheme=scheme)
    else:
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", scheme)


def _too_wide(page: Page, width: int) -> list[str]:
    inner, over = page.evaluate("[innerWidth, document.documentElement.scrollWidth - innerWidth]")
    assert inner == width
    return [f"is {over} px too wide at {width} px"] if over > 0 else []
