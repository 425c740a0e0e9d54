"""What a page says and can do, read from its HTML, and what is wrong with it whatever it says (house.md §7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

CONTROLS = {"input", "select", "textarea"}
NEED_NO_LABEL = {"hidden", "submit", "button", "image", "reset"}
REFERRING = ("for", "aria-labelledby", "aria-describedby", "form", "aria-controls")  #: attributes that name ids of the same page
ADDRESSES = ("href", "src", "action", "hx-get", "hx-post")
ELSEWHERE_IS_FINE = ("mailto:", "tel:", "otpauth:", "https://")  #: of links only; nothing is loaded from there


@dataclass
class Form:
    """A form as pressing its first button would send it."""

    action: str
    method: str
    attributes: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)  #: texts; a list of them where a name occurs several times
    buttons: list[str] = field(default_factory=list)  #: their words

    def add(self, name: str, value: str) -> None:
        """One more field."""
        known = self.fields.get(name)
        self.fields[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]


class Page(HTMLParser):
    """A page or a fragment. `faults`: what no page may have, one sentence each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.is_whole = html.lstrip().lower().startswith("<!doctype html>")
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.faults: list[str] = []
        self.polls: list[str] = []  #: addresses that are asked again by themselves
        self._headings = 0
        self._ids: list[str] = []
        self._named: list[tuple[str, str]] = []
        self._labelled: set[str] = set()
        self._controls: list[dict[str, str]] = []
        self._words: list[str] = []
        self._form: Form | None = None
        self._button: list[str] | None = None
        self._in_label = 0
        self._select: str | None = None
        self.feed(html)
        self._finish()

    @property
    def words(self) -> str:
        """Everything that can be read on it."""
        return " ".join(" ".join(self._words).split())

    def form(self, action: str) -> Form:
        """The form that goes to this path."""
        found = [form for form in self.forms if form.action.partition("?")[0] == action]
        assert found, f"no form goes to {action}, only to {sorted({form.action for form in self.forms})}"
        return found[0]

    # --- reading -----------------------------------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._check(tag, given)
        self._ids += [given["id"]] if "id" in given else []
        self._named += [(name, part) for name in REFERRING for part in given.get(name, "").split()]
        self._headings += tag == "h1"
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "label":
            self._in_label += 1
            self._labelled.add(given.get("for", ""))
        elif tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower(), given)
            self.forms.append(self._form)
        elif tag == "button":
            self._button = [given.get("aria-label", "")]
        elif tag == "option":
            self._option(given)
        elif tag in CONTROLS:
            self._control(tag, given)
        if "hx-get" in given and "load" in given.get("hx-trigger", ""):
            self.polls.append(given["hx-get"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "label":
            self._in_label -= 1
        elif tag == "select":
            self._select = None
        elif tag == "button" and self._button is not None:
            word = " ".join(" ".join(self._button).split())
            if not word:
                self.faults.append("a button without a word")
            if self._form:
                self._form.buttons.append(word)
            self._button = None

    def handle_data(self, data: str) -> None:
        self._words.append(data)
        if self._button is not None:
            self._button.append(data)

    def _option(self, given: dict[str, str]) -> None:
        if self._form and self._select and (self._select not in self._form.fields or "selected" in given):
            self._form.fields[self._select] = given.get("value", "")

    def _control(self, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if self._form and name and tag == "select":
            self._select = name
        elif self._form and name and (given.get("type") not in {"checkbox", "radio"} or "checked" in given):
            self._form.add(name, given.get("value", "on" if given.get("type") == "checkbox" else ""))
        is_named = self._in_label or given.get("aria-label") or given.get("aria-labelledby") or given.get("aria-hidden") == "true"
        if not is_named and given.get("type", "text") not in NEED_NO_LABEL:
            self._controls.append({"tag": tag, **given})

    # --- what no page may have -----------------------------------------------------------------------------------

    def _check(self, tag: str, given: dict[str, str]) -> None:
        if tag == "style" or "style" in given:
            self.faults.append(f"inline style at <{tag}>")
        if tag == "script" and not given.get("src"):
            self.faults.append("inline script")
        for name, value in given.items():
            if name.startswith(("on", "hx-on")) or value.lstrip().lower().startswith(("javascript:", "js:")):
                self.faults.append(f"code in {name}={value!r} at <{tag}>")
        if tag == "img" and "alt" not in given:
            self.faults.append(f"picture without a text: {given.get('src')}")
        if tag == "button" and given.get("type") not in {"submit", "button"}:
            self.faults.append("a button that does not say its type")
        for name in ADDRESSES:
            address = given.get(name, "/")
            is_ours = address.startswith(("/", "#", "data:")) and not address.startswith("//")
            if not is_ours and not (tag == "a" and address.startswith(ELSEWHERE_IS_FINE)):
                self.faults.append(f"{name}={address!r} at <{tag}>")

    def _finish(self) -> None:
        if self.is_whole and self._headings != 1:
            self.faults.append(f"{self._headings} h1 instead of one")
        self.faults += [f"the id {one} twice" for one in sorted({one for one in self._ids if self._ids.count(one) > 1})]
        if self.is_whole:
            self.faults += [f"{name} names #{one}, which is not there" for name, one in self._named if one not in self._ids]
        self.faults += [f"a control without a label: {one}" for one in self._controls if one.get("id") not in self._labelled]
        for form in self.forms:
            if not form.action:
                self.faults.append("a form without an address")
            if form.method not in {"get", "post"}:
                self.faults.append(f"a form with the method {form.method}")
            if (form.method == "post") != bool(form.fields.get("csrf_token")):
                self.faults.append(f"a {form.method} form to {form.action} must have a token exactly if it changes something")
