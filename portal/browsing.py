"""A browser without a window: pages, links and forms over HTTP, as a person without JavaScript would use them.

The demo walks to the bank's consent page with it, `./dev demo --check` through the whole story.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2

Found = TypeVar("Found")
MOVED = {301, 302, 303, 307, 308}


class NotThere(Exception):
    """A page lacks what somebody looked for, or answers otherwise than expected; the message tells what it says instead."""


@dataclass
class Form:
    """What sending it would send."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  #: radio buttons: value and what stands beside it
    has_button: bool = False


class Page(HTMLParser):
    """A page as its reader needs it: where it is, its words, links, pictures and forms."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__()
        self.url, self.status, self.answer = str(answer.url), answer.status_code, answer
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.forms: list[Form] = []
        self.is_polling = False
        self._words: list[str] = []
        self._in_form = False
        self._select = ""  #: whose options come
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.feed(answer.text)

    @property
    def words(self) -> str:
        """Everything that is written on it."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        given = {name: value or "" for name, value in attrs}
        self.is_polling |= "hx-get" in given and "load" in given.get("hx-trigger", "")
        if tag == "a" and "href" in given:
            self.links.append(urljoin(self.url, given["href"]))
        elif tag == "img":
            self.pictures.append(urljoin(self.url, given.get("src", "")))
        elif tag == "form":
            self.forms.append(Form(urljoin(self.url, given.get("action", "")) or self.url, given.get("method", "get").lower()))
            self._in_form = True
        elif self._in_form and tag == "button" and "disabled" not in given:
            self.forms[-1].has_button = True
        elif self._in_form and tag == "option" and self._select:
            self._option(given)
        elif self._in_form and given.get("name"):
            self._select = given["name"] if tag == "select" else ""
            self._field(tag, given)

    def handle_endtag(self, tag: str) -> None:
        """A form's end."""
        if tag == "form":
            self._in_form = False

    def handle_data(self, data: str) -> None:
        """Words; the first ones after a radio button are its label."""
        self._words.append(data)
        if self._in_form and data.strip():
            for options in self.forms[-1].choices.values():
                if options and not options[-1][1]:
                    options[-1] = (options[-1][0], data.strip())

    def _field(self, tag: str, given: dict[str, str]) -> None:
        fields, name, kind = self.forms[-1].fields, given["name"], given.get("type", "text")
        if tag == "input" and kind == "radio":
            self.forms[-1].choices.setdefault(name, []).append((given.get("value", ""), ""))
        if tag == "input" and kind in {"checkbox", "radio"}:
            if "checked" in given:
                fields.setdefault(name, []).append(given.get("value", "on"))
        elif tag == "input" and kind != "submit":
            fields[name] = [given.get("value", "")]
        elif tag == "select":
            fields[name] = []
        elif tag == "textarea":
            fields.setdefault(name, [""])

    def _option(self, given: dict[str, str]) -> None:
        """As a browser does: the first one, unless another is marked."""
        chosen = self.forms[-1].fields[self._select]
        if not chosen or "selected" in given:
            chosen[:] = [given.get("value", "")]

    def link(self, pattern: str) -> str:
        """The first link to an address that ends like this."""
        return first((link for link in self.links if re.search(f"{pattern}$", urlsplit(link).path)), f"a link to {pattern}", self)

    def form(self, pattern: str) -> Form:
        """The first form that goes to an address that ends like this."""
        return first(
            (form for form in self.forms if re.search(f"{pattern}$", urlsplit(form.action).path)), f"a form to {pattern}", self
        )


def first(found: Iterable[Found], what: str, page: Page) -> Found:
    """The first of those found on the page; NotThere tells `what` was looked for."""
    for item in found:
        return item
    raise NotThere(f"{page.url} ({page.status}) has not {what}. It says: {page.words[:400]}")


class Person:
    """Somebody at a browser.

    Cookies are kept by hand: a `__Host-` cookie is Secure, and on loopback browsers send it over http all the same.
    """

    def __init__(self, home: str, transport: httpx2.BaseTransport | None = None) -> None:
        self.home = home
        self._client = httpx2.Client(transport=transport, timeout=30, follow_redirects=False, headers={"Accept-Language": "en"})
        self._cookies: dict[str, dict[str, str]] = {}

    def get(self, address: str, *, is_fragment: bool = False, status: int = 200) -> Page:
        """Open an address, wherever it leads."""
        return self._go("GET", urljoin(self.home, address), {}, {"HX-Request": "true"} if is_fragment else {}, status)

    def send(self, form: Form, **fields: str) -> Page:
        """Fill in a form and press its button."""
        return self._go("POST", form.action, {**form.fields, **{name: [value] for name, value in fields.items()}}, {}, 200)

    def leave(self, form: Form, **fields: str) -> str:
        """Press its button and tell where one is sent, without going there."""
        answer = self._ask("POST", form.action, {**form.fields, **{name: [value] for name, value in fields.items()}}, {})
        return urljoin(form.action, answer.headers["location"])

    def _go(self, method: str, url: str, fields: dict[str, list[str]], headers: dict[str, str], status: int) -> Page:
        for _ in range(10):
            answer = self._ask(method, url, fields, headers)
            if answer.status_code not in MOVED:
                break
            url, method, fields, headers = urljoin(url, answer.headers["location"]), "GET", {}, {}
        page = Page(answer)
        if page.status != status:
            raise NotThere(f"{method} {url}: {page.status} instead of {status}. {page.words[:400]}")
        return page

    def _ask(self, method: str, url: str, fields: dict[str, list[str]], headers: dict[str, str]) -> httpx2.Response:
        origin = urlsplit(url).netloc
        jar = self._cookies.setdefault(origin, {})
        sent = {**headers, **({"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {})}
        if method == "POST":
            sent["Origin"] = f"{urlsplit(url).scheme}://{origin}"
        self._client.cookies.clear()
        answer = self._client.request(method, url, data=fields or None, headers=sent)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                jar[name] = morsel.value
        return answer
