"""What a SEPA payment may hold: IBANs, the signs of a remittance text, days on which banks work."""

from __future__ import annotations

import re
import string
from datetime import date, timedelta

#: country → what follows the check digits: so many digits (n), capitals (a), either (c). The SEPA area (EPC409-09), structures as
#: in the SWIFT IBAN registry.
STRUCTURES = {
    "AD": "n8c12", "AL": "n8c16", "AT": "n16", "BE": "n12", "BG": "a4n6c8", "CH": "n5c12", "CY": "n8c16", "CZ": "n20",
    "DE": "n18", "DK": "n14", "EE": "n16", "ES": "n20", "FI": "n14", "FR": "n10c11n2", "GB": "a4n14", "GI": "a4c15",
    "GR": "n7c16", "HR": "n17", "HU": "n24", "IE": "a4n14", "IS": "n22", "IT": "a1n10c12", "LI": "n5c12", "LT": "n16",
    "LU": "n3c13", "LV": "a4c13", "MC": "n10c11n2", "MD": "c20", "ME": "n18", "MK": "n3c10n2", "MT": "a4n5c18",
    "NL": "a4n10", "NO": "n11", "PL": "n24", "PT": "n21", "RO": "a4c16", "RS": "n18", "SE": "n20", "SI": "n15", "SK": "n20",
    "SM": "a1n10c12", "VA": "n18",
}  # fmt: skip
_SIGNS = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}
_SHAPES = {
    country: re.compile(
        f"{country}[0-9]{{2}}" + re.sub(r"([nac])(\d+)", lambda part: f"{_SIGNS[part[1]]}{{{part[2]}}}", structure)
    )
    for country, structure in STRUCTURES.items()
}
LONGEST_TEXT = 140
LONGEST_NAME = 140
#: the basic latin set of EPC217-08
ALLOWED = frozenset(string.ascii_letters + string.digits + "/-?:().,'+ ")
_WRITTEN_AS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "&": "+", "–": "-", "’": "'", "_": "-"}
)
_FIXED_HOLIDAYS = {(1, 1), (5, 1), (12, 25), (12, 26)}


def plain_iban(text: str) -> str:
    """Without the spaces that people write, in capitals."""
    return "".join(text.split()).upper()


def is_iban(iban: str) -> bool:
    """Whether a plain IBAN is one of the SEPA area: its country's structure, its check digits (ISO 13616)."""
    shape = _SHAPES.get(iban[:2])
    if shape is None or not shape.fullmatch(iban):
        return False
    if not 2 <= int(iban[2:4]) <= 98:
        return False
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1


def written(text: str) -> str:
    """The text as it travels: umlauts spelled out, runs of space made one. What has no spelling stays, see `strange`."""
    return " ".join(text.translate(_WRITTEN_AS).split())


def strange(text: str) -> str:
    """The signs that a bank would refuse, each once, in the order of the text."""
    return "".join(dict.fromkeys(sign for sign in text if sign not in ALLOWED))


def is_text(text: str) -> bool:
    """Whether this can travel as remittance information."""
    is_sized = 1 <= len(text) <= LONGEST_TEXT
    return is_sized and not strange(text) and not (text.startswith("/") or text.endswith("/") or "//" in text)


def fitting(text: str) -> str:
    """The nearest text that can travel, of one that nobody typed (an invoice's number); "" where nothing is left."""
    plain = "".join(sign if sign in ALLOWED else " " for sign in written(text))
    return " ".join(re.sub("/{2,}", "/", plain).split())[:LONGEST_TEXT].strip("/ ")


def is_banking_day(day: date) -> bool:
    """Whether banks settle on this day: the calendar of TARGET, which SEPA follows."""
    if day.weekday() > 4 or (day.month, day.day) in _FIXED_HOLIDAYS:
        return False
    return day not in {easter(day.year) - timedelta(days=2), easter(day.year) + timedelta(days=1)}


def next_banking_day(day: date) -> date:
    """The day itself, or the first one after it on which banks settle."""
    while not is_banking_day(day):
        day += timedelta(days=1)
    return day


def easter(year: int) -> date:
    """Easter Sunday (Gauss, in the form without exceptions)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    j, k = c // 4, c % 4
    m = (a + 11 * h) // 319
    r = (2 * e + 2 * j - k - h + m + 32) % 7
    month = (h - m + r + 90) // 25
    return date(year, month, (h - m + r + month + 19) % 32)
