"""The quick checks, one test each; and that they see what they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house import lint, texts


@pytest.mark.parametrize("check", lint.CHECKS, ids=lambda check: check.__name__)
def test_nothing_is_wrong(check: Callable[[], Iterator[str]]) -> None:
    assert list(check()) == []


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        '<script src="/a.js">alert(1)</script>',
        "<style>p { color: red }</style>",
        '<p style="color: red">',
        '<a href="/" onclick="go()">',
        '<a href="/" hx-on:click="go()">',
        "<a href='javascript:go()'>",
        '<img src="https://elsewhere.example/a.png">',
        '<link href="//elsewhere.example/a.css">',
        '<form method="post" action="/x"><button>Go</button></form>',
        '<form method="post">{{ ui.csrf() }}</form>',
        "{{ text|safe }}",
        "{% if %}",
        '{% include "nothing/_here.html" %}',
    ],
)
def test_it_finds(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "templates" / "page.html"
    page.parent.mkdir()
    page.write_text(source)
    monkeypatch.setattr(lint, "ROOT", tmp_path)
    monkeypatch.setattr(texts, "ROOT", tmp_path)
    assert [*lint.templates(), *lint.forms()]


def test_texts_of_errors_and_templates_are_collected() -> None:
    found = {message.id for message in texts.catalog()}
    assert "We could not find this page." in found  # a default of an error class
    assert (
        "This document was damaged in our storage. What came from Qonto is fetched again, anything else please upload again."
        in found
    )  # given to super().__init__
    assert "Choose the transaction that this receipt belongs to." in found  # where an error is raised
    assert ("%(num)d sync started.", "%(num)d syncs started.") in found
