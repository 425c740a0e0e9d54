"""What browsers are told with every answer, and that no address leads them elsewhere (A08, A15, A16, A17)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from portal import create_app
from portal.ports import Ports
from portal.web.access import public
from tests.factories import PASSWORD, World
from tests.pages import Page
from tests.web.routes import browsers, calls
from tests.web.visitor import COOKIE, HTMX, ORIGIN, Visit, Visitor

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self' http://127.0.0.1:5051; frame-ancestors 'none'; base-uri 'none'"
)
DOWNLOAD_POLICY = "sandbox; default-src 'none'"
ALWAYS = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
KEPT = {  #: what may be kept, and for how long; everything else may not
    "static": "no-cache",
    "documents.page": "private, max-age=3600, immutable",
}


def check(answer: TestResponse, endpoint: str = "") -> None:
    where = (endpoint, answer.request.path)
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS, where
    is_download = endpoint == "documents.download" and answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == (DOWNLOAD_POLICY if is_download else POLICY), where
    is_kept = answer.status_code == 200
    assert answer.headers["Cache-Control"] == (KEPT.get(endpoint, "no-store") if is_kept else "no-store"), where
    assert len(answer.headers.get_all("Content-Security-Policy")) == 1, where
    assert "X-Request-Id" in answer.headers, where
    assert not {"Server", "X-Powered-By", "Access-Control-Allow-Origin"} & set(answer.headers.keys()), where
    for cookie in answer.headers.get_all("Set-Cookie"):
        name, _, rest = cookie.partition("=")
        assert name == COOKIE, where
        assert sorted(rest.split("; ")[1:]) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"], where


def test_every_answer_of_every_route(site: Flask, world: World, visit: Visit) -> None:
    people = browsers(world, visit)
    for call in calls(site, world.ours):
        for browser in (Visitor(site), people[call.permission]):
            for headers in (None, HTMX):
                form = {**call.form, "csrf_token": browser.token} if call.method == "POST" else None
                check(browser.open(call.method, call.path, form, headers=headers), call.endpoint)


def test_errors_too(site: Flask, world: World, visit: Visit, ports: Ports) -> None:
    site.config["PROPAGATE_EXCEPTIONS"] = False
    site.add_url_rule("/breaks", view_func=public(lambda: 1 // 0), endpoint="breaks")
    browser = visit(world.staff)
    for path, status in (("/nothing-here", 404), ("/receipts/no-id", 404), ("/static/nothing.css", 404), ("/breaks", 500)):
        for headers in (None, HTMX):
            answer = browser.get(path, headers=headers)
            assert answer.status_code == status
            check(answer)
    check(browser.post("/sign-out", token=""))
    too_large = browser.post("/sign-out", environ_overrides={"CONTENT_LENGTH": str(26 * 1024 * 1024)})
    assert too_large.status_code == 413
    check(too_large)
    check(browser.open("TRACE", "/receipts"))
    with ports.database.write() as session:
        session.execute(text("ALTER TABLE user_session RENAME TO gone"))
    answer = browser.get("/receipts")
    assert answer.status_code == 503
    check(answer)


def test_vendored_files_are_kept_for_a_year(site: Flask) -> None:
    browser = Visitor(site)
    folder = Path(site.static_folder or "")
    for path in filter(Path.is_file, folder.rglob("*")):
        address = f"/static/{path.relative_to(folder)}"
        answer = browser.get(address)
        is_pinned = address.startswith("/static/vendor/")
        assert answer.headers["Cache-Control"] == ("public, max-age=31536000, immutable" if is_pinned else "no-cache")
        assert "Set-Cookie" not in answer.headers


def test_signing_out_empties_the_browsers_cache(world: World, visit: Visit) -> None:
    assert visit(world.ours.owner).post("/sign-out").headers["Clear-Site-Data"] == '"cache"'


def test_the_policy_lets_forms_go_to_the_banks_consent_page_and_nowhere_else(ports: Ports) -> None:
    real = replace(ports.settings, qonto_oauth_url="https://oauth.qonto.com")
    answer = create_app(ports=replace(ports, settings=real)).test_client().get("/healthz")
    assert "form-action 'self' https://oauth.qonto.com;" in answer.headers["Content-Security-Policy"]


def test_htmx_may_neither_evaluate_nor_leave(visit: Visit) -> None:
    page = visit(None).get("/sign-in").text
    config = json.loads(unescape(page.split('name="htmx-config" content=\'')[1].split("'")[0]))
    assert {name: config[name] for name in ("allowEval", "allowScriptTags", "includeIndicatorStyles", "selfRequestsOnly")} == {
        "allowEval": False, "allowScriptTags": False, "includeIndicatorStyles": False, "selfRequestsOnly": True,
    }  # fmt: skip
    assert config["historyCacheSize"] == 0


# --- addresses

EVIL = "evil.example"
NEXT = [
    f"https://{EVIL}", f"http://{EVIL}/receipts", f"//{EVIL}", f"///{EVIL}", f"////{EVIL}", f"/\\{EVIL}", f"\\\\{EVIL}", f"\\/{EVIL}",
    f"/\t/{EVIL}", f"/\n/{EVIL}", f"/\r/{EVIL}", f"\t//{EVIL}", f" //{EVIL}", f"\x00//{EVIL}", f"/\x0b/{EVIL}", f"/ /{EVIL}",
    f"https:{EVIL}", f"https:/{EVIL}", f"https:///{EVIL}", f"http:\\\\{EVIL}", f"HTTPS://{EVIL}", f"ftp://{EVIL}", f"//{EVIL}/..",
    f"//user@{EVIL}", f"https://127.0.0.1:5050@{EVIL}", f"https://{EVIL}#@127.0.0.1:5050", f"https://{EVIL}?127.0.0.1:5050",
    f"https://127.0.0.1:5050.{EVIL}", f"//{EVIL}%2f..", f"%2f%2f{EVIL}", f"/%09/{EVIL}", f"/%5c{EVIL}", f"/.//{EVIL}", f"/..//{EVIL}",
    f"javascript:alert(1)//{EVIL}", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", f"mailto:a@{EVIL}",
    f"//[{EVIL}", "http://[::1", "//[::1]", f"/\u2028/{EVIL}", f"/\u00a0/{EVIL}", f"\u3000//{EVIL}", f"/\uff0f{EVIL}", f"/\u2215{EVIL}",
    f"//{EVIL}\\@127.0.0.1:5050", f"/\x7f/{EVIL}", f"/\x1f{EVIL}", f".{EVIL}", f"{EVIL}", f"@{EVIL}", f"?next=//{EVIL}", f"#//{EVIL}",
    "", "/" + "a" * 3000, f"/receipts\r\nLocation: https://{EVIL}", f"/receipts\nSet-Cookie: {COOKIE}=x", f"/;//{EVIL}", f"/:@{EVIL}",
]  # fmt: skip
HOSTS = [
    EVIL, f"{EVIL}:5050", "127.0.0.1", "127.0.0.1:80", "localhost:5050", f"127.0.0.1:5050.{EVIL}", f"{EVIL}#127.0.0.1:5050",
    "[::1]:5050", "", f"127.0.0.1:5050@{EVIL}",
]  # fmt: skip
FORWARDED = [
    {"X-Forwarded-Host": EVIL}, {"X-Forwarded-Proto": "https", "X-Forwarded-Host": EVIL}, {"Forwarded": f"host={EVIL};proto=https"},
    {"X-Forwarded-Server": EVIL}, {"X-Host": EVIL}, {"X-Original-URL": f"https://{EVIL}/"}, {"X-Rewrite-URL": f"//{EVIL}"},
    {"X-Forwarded-Prefix": f"//{EVIL}"}, {"X-Forwarded-For": EVIL}, {"Referer": f"https://{EVIL}/"},
]  # fmt: skip


def is_ours(location: str | None) -> bool:
    """As a browser reads it: white space and control characters inside are dropped, backslashes are slashes."""
    read = "".join(sign for sign in location or "/" if ord(sign) > 0x20).replace("\\", "/")
    parts = urlsplit(read, scheme="http")
    return (not parts.netloc and read.startswith("/") and not read.startswith("//")) or read.startswith(f"{ORIGIN}/")


def doors(stranger: Visitor, person: Visitor, wanted: str) -> Iterator[TestResponse]:
    """Everything that reads where to go on."""
    page = stranger.get("/sign-in", query_string={"next": wanted})
    yield page
    if page.status_code == 200:
        kept = Page(page.text).form("/sign-in").fields["next"]
        assert is_ours(kept), (wanted, kept)
    yield stranger.post("/language", {"language": "de", "next": wanted})
    yield person.post("/language", {"language": "en", "next": wanted})
    yield person.get("/second-factor/enrolment", query_string={"next": wanted})
    yield person.get("/sign-in/second-factor", query_string={"next": wanted})
    yield stranger.get("/review", headers={**HTMX, "HX-Current-URL": wanted.encode("unicode_escape").decode()})
    yield stranger.get("/help", query_string={"next": wanted})


def test_next_never_leads_elsewhere(site: Flask, world: World, visit: Visit) -> None:
    assert len(NEXT) >= 60
    stranger, person = Visitor(site), visit(world.ours.owner)
    for wanted in NEXT:
        for answer in doors(stranger, person, wanted):
            assert is_ours(answer.location), (wanted, answer.location)
            assert is_ours(answer.headers.get("HX-Redirect")), (wanted, answer.headers["HX-Redirect"])
            assert "\n" not in str(answer.headers.get("Location"))


@pytest.mark.parametrize("wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"])
def test_nor_does_signing_in(site: Flask, world: World, wanted: str) -> None:
    visitor = Visitor(site)
    visitor.get("/sign-in")
    answer = visitor.post("/sign-in", {"email": world.ours.owner.email, "password": PASSWORD, "next": wanted})
    assert (answer.status_code, answer.location) == (303, "/")


@pytest.mark.parametrize("wanted", ["/receipts", "/receipts?q=//x&page=2", "/review?item=1#pane", "/help", "/receipts?q=a%20b"])
def test_our_own_pages_are_gone_on_with(site: Flask, wanted: str) -> None:
    visitor = Visitor(site)
    visitor.get("/sign-in")
    assert visitor.post("/language", {"language": "de", "next": wanted}).location == wanted


def test_no_other_name_is_trusted(site: Flask, world: World, visit: Visit) -> None:
    person = visit(world.ours.owner)
    for host in HOSTS:
        for path in ("/receipts", "/sign-in", f"/receipts?q={quote('//' + EVIL)}", "/nothing-here", "/static/css/app.css"):
            answer = person.get(path, headers={"Host": host}) if host else person.get(path, headers={"Host": ""})
            assert is_ours(answer.location), (host, answer.location)
            assert answer.status_code in {302, 400}, (host, path)
            assert EVIL not in answer.text.replace(quote("//" + EVIL), "").replace("//" + EVIL, "")
        assert person.post("/language", {"language": "de"}, headers={"Host": host}).status_code == 400


def test_no_header_changes_where_links_lead(site: Flask, world: World, visit: Visit) -> None:
    person = visit(world.ours.owner)
    for headers in FORWARDED:
        for path in ("/", "/receipts", "/sign-in", "/profile/connections"):
            answer = person.get(path, headers=headers)
            assert is_ours(answer.location)
            assert EVIL not in answer.text
        assert Visitor(site).get("/receipts", headers=headers).location == "/sign-in?next=/receipts"


def test_probes_may_call_by_any_name(site: Flask) -> None:
    for host in ("10.0.0.7", "pod-7:8000"):
        assert Visitor(site).get("/healthz", headers={"Host": host}).status_code == 200
