"""The firm's own sign: only what draws, small, and told by its content."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from portal import logo
from portal.settings import BadSetting

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(inside: str = "", *, before: str = "", attributes: str = "") -> bytes:
    return f'{before}<svg {NAMESPACES} viewBox="0 0 9 9" {attributes}>{inside}</svg>'.encode()


def picture(kind: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (9, 9), "navy").save(made, kind)
    return made.getvalue()


def read(tmp_path: Path, content: bytes) -> logo.Logo:
    path = tmp_path / "logo.png"  # its name says nothing
    path.write_bytes(content)
    return logo.read(path)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (picture("PNG"), "image/png"),
        (picture("WEBP"), "image/webp"),
        (svg('<!-- drawn --><path d="M0 0h9" fill="url(#a)"/><use xlink:href="#a"/><linearGradient id="a"/>'), "image/svg+xml"),
        (svg("<style>.a { fill: url( '#b' ) }</style>", before='<?xml version="1.0"?><!-- by hand -->'), "image/svg+xml"),
        (svg('<image href="data:image/png;base64,AAAA"/>'), "image/svg+xml"),
    ],
)
def test_it_is_told_by_its_content(tmp_path: Path, content: bytes, media_type: str) -> None:
    found = read(tmp_path, content)
    assert (found.content, found.media_type) == (content, media_type)
    assert len(found.digest) == 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<html><body>",
        b"<svg>",
        b'<svg viewBox="0 0 9 9"/>',  # of no namespace: no browser draws it
        picture("JPEG"),
        svg("x" * logo.LARGEST),
        svg("<script>alert(1)</script>"),
        svg('<s:script xmlns:s="http://www.w3.org/2000/svg">alert(1)</s:script>'),
        svg("<foreignObject><p/></foreignObject>"),
        svg(attributes='onload="alert(1)"'),
        svg('<a href="javascript:alert(1)"><path/></a>'),
        svg('<a xlink:href=" JavaScript:alert(1)"><path/></a>'),
        svg('<image href="https://elsewhere.example/a.png"/>'),
        svg('<image href="//elsewhere.example/a.png"/>'),
        svg('<image href="data:image/svg+xml;base64,AAAA"/>'),
        svg('<use xlink:href="other.svg#a"/>'),
        svg('<set attributeName="xlink:href" to="https://elsewhere.example"/>'),
        svg('<path style="fill: url(https://elsewhere.example/a)"/>'),
        svg("<style>@import 'https://elsewhere.example/a.css';</style>"),
        svg('<style>.a { fill: url("//elsewhere.example/a") }</style>'),
        svg("<style>.a { fill: u\\72l(https://elsewhere.example) }</style>"),
        svg(before='<?xml-stylesheet href="https://elsewhere.example/a.css"?>'),
        svg("<?php echo 1 ?>"),
        svg("&a;", before='<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
        svg(before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://elsewhere.example/svg11.dtd">'),
        svg(attributes='xml:base="https://elsewhere.example/"'),
    ],
)  # fmt: skip
def test_anything_else_stops_the_start(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadSetting, match="FIRM_LOGO"):
        read(tmp_path, content)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.svg", tmp_path):
        with pytest.raises(BadSetting, match="FIRM_LOGO"):
            logo.read(path)
