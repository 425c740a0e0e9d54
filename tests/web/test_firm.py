"""The firm's own sign on the pages, where one is set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from portal import create_app
from portal.ports import Ports
from portal.settings import BadSetting
from tests.factories import World
from tests.test_logo import picture, svg
from tests.web.visitor import Visitor


def with_logo(ports: Ports, path: Path) -> Flask:
    firm = replace(ports.settings.firm, logo=path)
    return create_app(ports=replace(ports, settings=replace(ports.settings, firm=firm)))


@pytest.mark.parametrize("content", [svg(), picture("PNG")])
def test_it_is_shown_to_everybody_and_kept_for_long(ports: Ports, world: World, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "logo"
    path.write_bytes(content)
    site = with_logo(ports, path)
    stranger = Visitor(site)
    page = stranger.get("/sign-in").text
    address = page.partition('class="bf-firm-logo" src="')[2].partition('"')[0]
    assert address.startswith("/firm/logo/")
    assert f'<link rel="icon" href="{address}">' in page
    assert f'alt="{ports.settings.firm.name}"' in page
    assert address in Visitor(site).sign_in_fully(world.ours.owner).get("/receipts").text
    answer = Visitor(site).get(address)
    assert (answer.status_code, answer.data) == (200, content)
    assert answer.mimetype == ("image/svg+xml" if content == svg() else "image/png")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers
    assert Visitor(site).get("/firm/logo/another").status_code == 404


def test_without_one_it_is_ours(site: Flask) -> None:
    page = Visitor(site).get("/sign-in").text
    assert "wordmark-on-dark.svg" in page
    assert "bf-firm-logo" not in page
    assert Visitor(site).get("/firm/logo/unknown").status_code == 404


def test_a_bad_one_stops_the_start(ports: Ports, tmp_path: Path) -> None:
    path = tmp_path / "logo.svg"
    path.write_bytes(svg("<script/>"))
    with pytest.raises(BadSetting, match="FIRM_LOGO"):
        with_logo(ports, path)


def test_an_old_address_ends_nobodys_session(site: Flask, world: World) -> None:
    """A page that was open over a change of the sign asks for the old one."""
    visitor = Visitor(site).sign_in_fully(world.ours.owner)
    for path in ("/firm/logo/0123456789", "/static/nothing.css"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers.get("Set-Cookie")) == (404, None), path
    assert visitor.get("/receipts").status_code == 200
