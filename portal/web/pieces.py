"""Small pieces that a page needs a hundred times: made once, then kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from flask import Flask, url_for
from markupsafe import Markup


def register(app: Flask) -> None:
    """Give them to the templates, imported macros included."""
    app.jinja_env.globals.update(url_for=addresses(), drawn=drawn)


def addresses() -> Callable[..., str]:
    """`url_for` with a memory: paths on this site depend on nothing but their arguments."""
    kept = lru_cache(maxsize=8192)(lambda endpoint, values: url_for(endpoint, **dict(values)))

    def address(endpoint: str, **values: Any) -> str:
        return kept(endpoint, tuple(values.items()))

    return address


def drawn(outlines: Mapping[str, str]) -> Callable[..., Markup]:
    """A function that draws one of the outlines, in the colour of the text around it and silent for screen readers."""

    @lru_cache(maxsize=1024)
    def icon(name: str, size: int = 20) -> Markup:
        path = outlines.get(name, outlines["info-circle"])
        return Markup(
            '<svg class="bf-icon" width="{0}" height="{0}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
            '<path d="{1}"/></svg>'
        ).format(size, path)

    return icon
