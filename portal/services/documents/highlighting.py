"""Where on the first page of a document the facts of its receipt stand: what the eye looks for is marked before it searches."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

from portal.domain.names import fold
from portal.models import Preview, Receipt

LONGEST = 7  #: words one fact may be spread over: an IBAN in groups of four with its name before it
MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "mae": 3, "apr": 4, "may": 5, "mai": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
    "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12,
}  # fmt: skip
DAY_BEGINS = "0123456789" + "".join({month[0] for month in MONTHS})
AMOUNT_BEGINS = "0123456789e"  #: a figure, or EUR before it
_AMOUNT = re.compile(r"[-−+]?(\d{1,3}(?:[.,'\s]?\d{3})*)[.,](\d{2})[-−]?")
_DIGITS = re.compile(r"(\d{1,4})\D+(\d{1,2})\D+(\d{2,4})")
_MONTH_SECOND = re.compile(r"(\d{1,2})(?:st|nd|rd|th)? ([a-z]{3})[a-z]* (\d{4})")
_MONTH_FIRST = re.compile(r"([a-z]{3})[a-z]* (\d{1,2})(?:st|nd|rd|th)? (\d{4})")


@dataclass(frozen=True, slots=True)
class Highlight:
    """A box around a fact; shares of the page's width and height, 0–1, from its upper left corner."""

    field: str  #: amount, number, issued_on, counterparty, iban
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is looked for; None is not."""

    counterparty: str | None
    number: str | None
    issued_on: date | None
    iban: str | None
    amount_cents: int | None


def highlights(receipt: Receipt, preview: Preview | None) -> tuple[Highlight, ...]:
    """A receipt's facts on the first page of its document."""
    if preview is None or not preview.words:
        return ()
    return places(
        Facts(receipt.counterparty, receipt.number, receipt.issued_on, receipt.iban, receipt.amount_cents), preview.words
    )


def places(facts: Facts, page: Sequence[Sequence[Any]]) -> tuple[Highlight, ...]:
    """The facts that are found, each once: the amount at its last place (totals stand below), others at their first.

    `page`: its words as `Preview.words` keeps them.
    """
    words = [_Word(*word) for word in page]
    found = []
    for fact in _wanted(facts):
        places = _places(words, fact)
        place = deque(places, maxlen=1) if fact.field == "amount" else islice(places, 1)
        found += [_box(fact.field, part) for part in place]
    return tuple(found)


class _Fact(NamedTuple):
    """What is looked for. Every page view asks, so words that cannot begin a fact are passed over at their first sign."""

    field: str
    longest: int  #: words it may be spread over
    begins: Callable[[str], bool]
    fits: Callable[[str], bool]


def _wanted(facts: Facts) -> Iterator[_Fact]:
    """The facts that are known."""
    if name := fold(facts.counterparty or ""):
        longest = min(LONGEST, max(name.count(" ") + 1, len((facts.counterparty or "").split())))  # "&" is a word on paper
        yield _Fact("counterparty", longest, lambda word: _may_begin(word, name[0]), lambda text: fold(text) == name)
    if number := _squashed(facts.number or ""):
        yield _Fact("number", 3, lambda word: _may_begin(word, number[0]), lambda text: _squashed(text) == number)
    if day := facts.issued_on:
        yield _Fact("issued_on", 3, lambda word: _may_begin(word, DAY_BEGINS), lambda text: _day(text) == day)
    if iban := _squashed(facts.iban or ""):
        yield _Fact(
            "iban", LONGEST, lambda word: _may_begin(word, iban[0] + "i"),
            lambda text: _squashed(text).removeprefix("iban") == iban,
        )  # fmt: skip
    if cents := abs(facts.amount_cents or 0):
        yield _Fact("amount", 2, lambda word: _may_begin(word, AMOUNT_BEGINS), lambda text: _cents(text) == cents)


def _may_begin(word: str, signs: str) -> bool:
    """Whether a word can begin with one of these signs; of others than plain letters and digits nobody knows."""
    first = word[:1].lower()
    return first in signs or not (first.isascii() and first.isalnum())


class _Word(NamedTuple):
    text: str
    left: float
    top: float
    right: float
    bottom: float

    def is_beside(self, other: _Word) -> bool:
        """On one line, and near enough to be read as one."""
        height = max(self.bottom - self.top, other.bottom - other.top)
        return self.top < other.bottom and other.top < self.bottom and -height < other.left - self.right < 2 * height


def _places(words: Sequence[_Word], fact: _Fact) -> Iterator[Sequence[_Word]]:
    """The runs of neighbouring words of a line that are the fact, in reading order, the shorter ones of a place first."""
    for start, first in enumerate(words):
        if not fact.begins(first.text):
            continue
        text = ""
        for end in range(start, min(start + fact.longest, len(words))):
            if end > start and not words[end - 1].is_beside(words[end]):
                break
            text = f"{text} {words[end].text}" if text else words[end].text
            if fact.fits(text):
                yield words[start : end + 1]


def _box(field: str, words: Sequence[_Word]) -> Highlight:
    left, top = min(word.left for word in words), min(word.top for word in words)
    right, bottom = max(word.right for word in words), max(word.bottom for word in words)
    return Highlight(field, left, top, right - left, bottom - top)


def _squashed(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _cents(text: str) -> int | None:
    """The amount a text consists of, sign and currency aside: 1.234,56 € and EUR 1,234.56 alike."""
    match = _AMOUNT.fullmatch(text.replace("€", "").replace("EUR", "").strip(" :"))
    return int("".join(filter(str.isdigit, match[1])) + match[2]) if match else None


def _day(text: str) -> date | None:
    """The day a text consists of, in figures or with the month's name."""
    plain = text.strip(" .,:;()")
    try:
        if match := _DIGITS.fullmatch(plain):
            first, second, third = match.groups()
            if len(first) == len("2026"):
                return date(int(first), int(second), int(third))
            return date(int(third) + (2000 if len(third) == len("26") else 0), int(second), int(first))
        folded = fold(plain)
        if match := _MONTH_SECOND.fullmatch(folded):
            return date(int(match[3]), MONTHS.get(match[2], 0), int(match[1]))
        if match := _MONTH_FIRST.fullmatch(folded):
            return date(int(match[3]), MONTHS.get(match[1], 0), int(match[2]))
    except ValueError:
        return None
    return None
