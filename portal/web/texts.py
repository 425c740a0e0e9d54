"""Texts of pages in the reader's language, and quickly: a page asks for hundreds of them.

Flask-Babel decides on the language and holds the catalogues. What templates get here is remembered as the markup that it is,
instead of being looked up, wrapped and formatted anew at each place.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from flask import Flask
from flask_babel import get_locale, get_translations
from markupsafe import Markup

_spoken: ContextVar[str] = ContextVar("spoken", default="")  #: the language of the request that is being answered
_known: dict[str, dict[str, Markup]] = {}  #: language → text of the source → text to show; no longer than the catalogues


def register(app: Flask) -> None:
    """Take the place of the functions that Flask-Babel gave the templates."""
    app.jinja_env.globals.update(_=gettext, gettext=gettext, ngettext=ngettext)
    app.before_request(_listen)
    app.teardown_request(_forget)


def language() -> str:
    """The language of the page: de or en."""
    return _spoken.get() or _chosen()


def _chosen() -> str:
    locale = get_locale()
    return locale.language if locale else "de"


def _listen() -> None:
    _spoken.set(_chosen())


def _forget(_error: BaseException | None) -> None:
    _spoken.set("")


def gettext(text: str, /, **values: Any) -> Markup:
    """The text, its values escaped. As in Jinja's own, it is a format string even without values: %% is a percent sign."""
    spoken = language()
    try:
        found = _known[spoken][text]
    except KeyError:
        found = _known.setdefault(spoken, {})[text] = Markup(get_translations().ugettext(text))  # noqa: S704 -- a text of ours
    return found % values if "%" in found else found


def ngettext(singular: str, plural: str, number: int, /, **values: Any) -> Markup:
    """The form that the number asks for; `num` is the number."""
    return _form(language(), singular, plural, number) % {"num": number, **values}


@lru_cache(maxsize=4096)
def _form(spoken: str, singular: str, plural: str, number: int) -> Markup:
    del spoken  # part of the key: it is the language of the catalogue
    return Markup(get_translations().ungettext(singular, plural, number))  # noqa: S704 -- a text of ours
