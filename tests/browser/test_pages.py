"""Every page of the map, in every language, theme and width that people use."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState

from tests.browser.conftest import Site

AXE = (Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js").read_text()
LOOKS = [("de", "light", 1280), ("de", "dark", 390), ("en", "dark", 1280), ("en", "light", 390)]

NO_PAGE = {
    "static", "documents.download", "documents.page", "documents.preview", "connections.progress", "health.healthz",
    "health.readyz",
}  # fmt: skip
#: bytes, fragments, machine answers
REFUSED = {"/no-such-page", "/connections/qonto/callback", "/first-admin"}  #: error pages are pages too

WATCH = "window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective + ' ' + e.blockedURI))"


def pages(site: Site) -> Iterator[tuple[str, str]]:
    """(role, path) of every GET route that is a page; a route without an entry here fails the test."""
    ours = site.world.ours
    adapter = site.app.url_map.bind("127.0.0.1")
    known = {
        "client_id": ours.client.id, "connection_id": ours.documents.id, "receipt_id": ours.receipts["open"].id,
        "document_id": ours.document.id, "kind": "documents",
    }  # fmt: skip
    roles = {
        "auth.sign_in": "", "auth.first_admin": "", "auth.second_factor": "", "review": "staff", "clients": "staff",
        "admin": "admin",
    }  # fmt: skip
    for rule in site.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint in NO_PAGE:
            continue
        role = roles.get(rule.endpoint, roles.get(rule.endpoint.split(".")[0], "client"))
        yield role, adapter.build(rule.endpoint, {name: known[name] for name in rule.arguments})
    for name in ours.receipts:
        yield "client", f"/receipts/{ours.receipts[name].id}"
        yield "staff", f"/review?item={ours.receipts[name].id}"
    yield "staff", "/review?reason=duplicate_suspected"
    yield "client", "/receipts?q=nothing-has-this-name"
    yield "client", f"/connections/{ours.bank.id}"
    yield "admin", "/no-such-page"


@pytest.mark.browser
@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_every_page(
    site: Site, chromium: Browser, signed_in: dict[str, StorageState], language: str, theme: str, width: int
) -> None:
    """No CSP error, no script error, no axe violation, nothing from elsewhere, no sideways scrolling, one heading."""
    site.show_in(language, theme)
    faults = []
    for role, found in itertools.groupby(sorted(pages(site)), key=lambda pair: pair[0]):
        context = chromium.new_context(
            storage_state=signed_in[role], viewport={"width": width, "height": 900}, color_scheme=theme,
            locale="de-DE" if language == "de" else "en-GB",
        )  # fmt: skip
        context.add_init_script(WATCH)
        for _, path in found:
            faults += [f"{role or 'anonymous'} {path}: {fault}" for fault in look(context, site, path, language)]
        context.close()
    assert not faults, "\n".join(faults)


def look(context: BrowserContext, site: Site, path: str, language: str) -> list[str]:
    """Open a page and list what is wrong with it."""
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(site.url + path, wait_until="load")
    status = answer.status if answer else 0
    faults = [f"says {text}" for text in said if not (status >= 400 and "Failed to load resource" in text)]
    faults += [f"asks {url}" for url in asked if not url.startswith((site.url, "data:"))]
    if status >= 500 or (status >= 400 and path not in REFUSED):
        faults.append(f"answers {status}")
    faults += [f"refused: {text}" for text in page.evaluate("window.refused")]
    if page.evaluate("document.documentElement.lang") != language:
        faults.append("is in another language")
    if (headings := page.locator("h1").count()) != 1:
        faults.append(f"has {headings} h1")
    if (over := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
        faults.append(f"is {over} px too wide")
    page.evaluate(AXE)
    for violation in page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)"):
        where = "; ".join(node["html"][:120] for node in violation["nodes"][:2])
        faults.append(f"axe {violation['id']}: {where}")
    page.close()
    return faults
