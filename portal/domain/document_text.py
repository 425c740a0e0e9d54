"""What the words of an invoice say, by the labels that German and English invoices print beside their facts.

For uploads, of which nobody tells anything: a fact is taken only where a label names it and nothing else on the page claims the
same label with another value. What is not sure is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

Found = TypeVar("Found")
Word = Sequence[object]
"""(text, left, top, right, bottom), 0–1 from the top left of the page (`Preview.words`)."""

_NUMBER_LABEL = re.compile(
    r"\b(?:rechnungs?[-\s]*(?:nr|nummer|no)|rechnung\s+nr|re[-.\s]*nr|beleg[-\s]*(?:nr|nummer)|gutschrift[-\s]*(?:nr|nummer)"
    r"|invoice\s*(?:no|nr|number|#)|credit\s+note\s*(?:no|number))\b[.:#\s]*",
    re.IGNORECASE,
)
_TITLE = re.compile(r"^\s*(?:rechnung|gutschrift|invoice|credit\s+note)\s+(?:#\s*)?", re.IGNORECASE)
_NUMBER = re.compile(r"(?=[A-Z0-9/_.-]*\d)[A-Z0-9][A-Z0-9/_.-]{2,29}", re.IGNORECASE)
_ISSUED_LABEL = re.compile(
    r"\b(?:rechnungsdatum|belegdatum|ausstellungsdatum|invoice\s+date|date\s+of\s+issue)\b[:.\s]*", re.IGNORECASE
)
_PLAIN_DATE_LABEL = re.compile(r"\b(?:datum|date)\b[:.\s]*", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_DUE_LABEL = re.compile(
    r"\b(?:f(?:ä|ae)llig(?:keitsdatum)?(?:\s+(?:am|bis))?|zahlbar\s+bis(?:\s+zum)?|zahlungsziel|due\s+date|payable\s+by)\b[:.\s]*",
    re.IGNORECASE,
)
_DATE = re.compile(r"\b(?:(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}|\d{2})|(\d{4})-(\d{2})-(\d{2}))\b")
#: what the sum to be paid is called, surest first; "Summe" alone is also printed under the net amounts
_TOTAL_LABELS = tuple(
    re.compile(label, re.IGNORECASE)
    for label in (
        r"\b(?:zahlbetrag|zu\s+zahlen(?:der\s+betrag)?|rechnungsbetrag|gesamtbetrag|endbetrag|amount\s+due|total\s+due)\b",
        r"\b(?:bruttobetrag|gesamt(?:summe)?\s*\(?brutto\)?|summe\s+brutto|gesamtsumme|grand\s+total|total\s+amount)\b",
        r"\b(?:gesamt|total)\b",
    )
)
_NET = re.compile(r"\b(?:netto|net|zwischensumme|subtotal|ohne\s+(?:ust|mwst))\b", re.IGNORECASE)
_MONEY = re.compile(
    r"(?<![\d.,])(-?\d{1,3}(?:[.\s']\d{3})*,\d{2}|-?\d+,\d{2}|-?\d{1,3}(?:,\d{3})*\.\d{2}|-?\d+\.\d{2})(?![\d.,])"
)
_IBAN = re.compile(r"\b([A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,4})?)\b")
_CURRENCIES = {"€": "EUR", "EUR": "EUR", "USD": "USD", "US$": "USD", "CHF": "CHF", "GBP": "GBP", "£": "GBP"}
_CHECK = 97


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What was found. `amount_cents` and `currency` come together or not at all."""

    number: str | None = None
    amount_cents: int | None = None
    currency: str | None = None
    issued_on: date | None = None
    due_on: date | None = None
    iban: str | None = None


def read(words: Iterable[Word]) -> TextFacts:
    """Read the words of a document's first page."""
    lines = _lines(words)
    amount = _total(lines)
    currency = _currency(lines) if amount is not None else None
    return TextFacts(
        number=_number(lines, _NUMBER_LABEL) or _number(lines, _TITLE),
        amount_cents=amount if currency else None,
        currency=currency,
        issued_on=_one(_days(lines, _ISSUED_LABEL)) or _one(_days(lines, _PLAIN_DATE_LABEL)),
        due_on=_one(_days(lines, _DUE_LABEL)),
        iban=_one(_ibans(lines)),
    )


def _lines(words: Iterable[Word]) -> list[str]:
    """Words that stand beside one another, left to right, from the top: a form's label and its value are one line."""
    placed = sorted((float(str(word[2])), float(str(word[4])), float(str(word[1])), str(word[0])) for word in words)
    rows: list[tuple[float, list[tuple[float, str]]]] = []
    for top, bottom, left, text in placed:
        middle = (top + bottom) / 2
        if rows and abs(rows[-1][0] - middle) <= max(0.004, (bottom - top) / 2):
            rows[-1][1].append((left, text))
        else:
            rows.append((middle, [(left, text)]))
    return [" ".join(text for _, text in sorted(row)) for _, row in rows]


def _after(lines: Sequence[str], label: re.Pattern[str], value: re.Pattern[str]) -> list[re.Match[str]]:
    """Values that follow a label at once, in its line."""
    ends = ((line, named.end()) for line in lines for named in label.finditer(line))
    return [match for line, end in ends if (match := value.match(line, end))]


def _number(lines: Sequence[str], label: re.Pattern[str]) -> str | None:
    """A number is none that is a day or a year: "Rechnung 2026" is a folder's name."""
    found = (match[0].rstrip("./-") for match in _after(lines, label, _NUMBER))
    return _one(text for text in found if not _DATE.fullmatch(text) and not _YEAR.fullmatch(text))


def _days(lines: Sequence[str], label: re.Pattern[str]) -> list[date]:
    return [day for match in _after(lines, label, _DATE) if (day := _day(match)) is not None]


def _day(match: re.Match[str]) -> date | None:
    day, month, year, iso_year, iso_month, iso_day = match.groups()
    try:
        if iso_year:
            return date(int(iso_year), int(iso_month), int(iso_day))
        return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return None


def _total(lines: Sequence[str]) -> int | None:
    """The amount at the end of a line with the surest label; None where two such lines differ."""
    for label in _TOTAL_LABELS:
        amounts = set()
        for line in lines:
            named = label.search(line)
            if named and not _NET.search(line) and (money := list(_MONEY.finditer(line, named.end()))):
                amounts.add(_cents(money[-1][1]))
        if amounts:
            return amounts.pop() if len(amounts) == 1 else None
    return None


def _cents(written: str) -> int:
    """Integer cents: the last mark is the decimal one."""
    sign, digits = (-1 if written.startswith("-") else 1), re.sub(r"\D", "", written)
    return sign * int(digits)


def _currency(lines: Sequence[str]) -> str | None:
    """The only currency that the page speaks of."""
    told = {code for line in lines for sign, code in _CURRENCIES.items() if sign in line}
    return told.pop() if len(told) == 1 else None


def _ibans(lines: Sequence[str]) -> list[str]:
    found = []
    for line in lines:
        for match in _IBAN.finditer(line.upper()):
            iban = re.sub(r"\s", "", match[1])
            while len(iban) > 14 and not _is_iban(iban):
                iban = iban[:-1]
            if _is_iban(iban):
                found.append(iban)
    return found


def _is_iban(text: str) -> bool:
    """ISO 13616: the first four signs to the end, letters as numbers, and the remainder is 1."""
    turned = text[4:] + text[:4]
    return len(text) >= 15 and int("".join(str(int(sign, 36)) for sign in turned)) % _CHECK == 1


def _one(found: Iterable[Found]) -> Found | None:
    """The value that all of them agree on."""
    values = set(found)
    return values.pop() if len(values) == 1 else None
