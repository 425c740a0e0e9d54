"""Where on the first page of a document the facts of its receipt stand: what the eye looks for is marked before it searches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from portal.domain.names import fold
from portal.models import Document, Preview, Receipt

LONGEST = 7  #: words one fact may be spread over: an IBAN in groups of four with its name before it
MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "mae": 3, "apr": 4, "may": 5, "mai": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
    "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12,
}  # fmt: skip
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


def highlights(receipt: Receipt, preview: Preview | None) -> tuple[Highlight, ...]:
    """The facts that are found, each once: the amount at its last place (totals stand below), others at their first."""
    if preview is None or not preview.words:
        return ()
    windows = list(_windows([_Word(*word) for word in preview.words]))
    found = []
    for field, longest, fits in _wanted(receipt):
        places = [words for text, words in windows if len(words) <= longest and fits(text)]
        if places:
            found.append(_box(field, places[-1] if field == "amount" else places[0]))
    return tuple(found)


def of_document(session: Session, document: Document, preview: Preview | None) -> tuple[Highlight, ...]:
    """As `highlights`, for a preview that is shown alone."""
    return highlights(session.get_one(Receipt, document.receipt_id), preview)


def _wanted(receipt: Receipt) -> Iterator[tuple[str, int, Callable[[str], bool]]]:
    """Per known fact: its name, how many words it may be spread over, and the test of a text."""
    if name := fold(receipt.counterparty or ""):
        yield "counterparty", min(LONGEST, name.count(" ") + 1), lambda text: fold(text) == name
    if number := _squashed(receipt.number or ""):
        yield "number", 3, lambda text: _squashed(text) == number
    if day := receipt.issued_on:
        yield "issued_on", 3, lambda text: _day(text) == day
    if iban := _squashed(receipt.iban or ""):
        yield "iban", LONGEST, lambda text: _squashed(text).removeprefix("iban") == iban
    if cents := abs(receipt.amount_cents or 0):
        yield "amount", 2, lambda text: _cents(text) == cents


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    left: float
    top: float
    right: float
    bottom: float

    def is_beside(self, other: _Word) -> bool:
        """On one line, and near enough to be read as one."""
        height = max(self.bottom - self.top, other.bottom - other.top)
        return self.top < other.bottom and other.top < self.bottom and -height < other.left - self.right < 2 * height


def _windows(words: Sequence[_Word]) -> Iterator[tuple[str, Sequence[_Word]]]:
    """Every run of up to `LONGEST` neighbouring words of a line, the shorter ones of a place first."""
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST, len(words)) + 1):
            if end - start > 1 and not words[end - 2].is_beside(words[end - 1]):
                break
            yield " ".join(word.text for word in words[start:end]), words[start:end]


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
