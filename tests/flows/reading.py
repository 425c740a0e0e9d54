"""What people read: pages as words, and sentences that must be texts of ours so that a German one stands beside them."""

from __future__ import annotations

import re
from functools import cache
from html import unescape

from flask import render_template_string
from flask_babel import force_locale
from jinja2 import BytecodeCache

from portal import create_app
from portal.models import User
from portal.ports import Ports
from tests.house import texts
from tests.web.visitor import Visitor


class Reader:
    """People in front of their browsers, each signed in until the session is over."""

    def __init__(self, ports: Ports, compiled: BytecodeCache) -> None:
        self.site = create_app(ports=ports)  # not `testing`: an error of ours must become a page here too
        self.site.jinja_env.bytecode_cache = compiled
        self._browsers: dict[str, Visitor] = {}

    def browser(self, person: User) -> Visitor:
        """The person's own."""
        if person.id not in self._browsers:
            self._browsers[person.id] = Visitor(self.site).sign_in_fully(person)
        return self._browsers[person.id]

    def open(self, person: User, path: str, *, status: int = 200) -> str:
        """What the page says, without its markup."""
        answer = self.browser(person).get(path)
        if answer.location and "/sign-in" in answer.location:  # days have passed
            del self._browsers[person.id]
            answer = self.browser(person).get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code}"
        return words_of(answer.text)

    def words(self, macro: str, code: object) -> str:
        """What pages say for a code (`macros/words.html`)."""
        source = f'{{% import "macros/words.html" as words with context %}}{{{{ words.{macro}(code) }}}}'
        with self.site.test_request_context("/"), force_locale("en"):
            said = words_of(render_template_string(source, code=code))
        assert said != str(code), f"{macro} has no words for {code}"
        return said


def words_of(page: str) -> str:
    """A page's text as one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def says(page: str, *sentences: str) -> None:
    """The page shows each of them, and each is a msgid of the catalogue; what a placeholder stands for may be anything."""
    for sentence in sentences:
        assert sentence in _sentences(), f"no text of ours: {sentence}"
        pattern = re.sub(r"%\\\(\w+\\\)[sd]", ".+?", re.escape(sentence).replace("%%", "%"))
        assert re.search(pattern, page), f"not on the page: {sentence}\n{page}"


@cache
def _sentences() -> frozenset[str]:
    return frozenset(
        part for message in texts.catalog() for part in (message.id if isinstance(message.id, tuple) else [message.id]) if part
    )
