"""The paper of an own receipt (Eigenbeleg): one A4 page in German with English beside it, as a PDF that needs no font file.

The bytes follow from the facts alone. PDF 1.4 with the standard fonts; what they cannot write (`unwritable`) must not get here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from portal.clock import BERLIN
from portal.errors import Rejected

CHARACTERS = "cp1252"  #: what the standard fonts can write (WinAnsiEncoding)
#: letters of European names that no accent is taken off by Unicode, as people write them without
PLAIN = str.maketrans("ŁłĐđĦħı\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}", "LlDdHhi---")
#: advance widths of Helvetica from the blank to ~, in thousandths of the size (Adobe's metrics of the standard fonts)
WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
WIDEST = 1015
WIDTH, HEIGHT, MARGIN, LABELS = 595, 842, 57, 150  #: points; the labels' column
FOOT = 110
LONGEST_REMITTANCE = 280  #: banks may tell more; what the client states must have room
VAT = "Ein Eigenbeleg ist keine Rechnung: Vorsteuer kann daraus nicht abgezogen werden."
VAT_IN_ENGLISH = "An own receipt is no invoice: input VAT cannot be deducted with it."


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on it. Cents of `currency`; the transaction's own amount may be larger."""

    client: str
    client_number: str
    payee: str
    amount_cents: int
    currency: str
    paid_on: date
    purpose: str
    why_none: str
    is_income: bool
    account: str  #: label and last four digits
    booked_on: date
    transaction_cents: int
    remittance: str
    author: str
    author_email: str
    written_at: datetime


def unwritable(text: str) -> str:
    """The characters that the page cannot hold, each once, in the order in which they come."""
    return "".join(dict.fromkeys(letter for letter in _plain(text) if not letter.isspace() and not _can_write(letter)))


def written(told: Told) -> bytes:
    """The PDF. Errors: Rejected when the texts do not fit on one page."""
    title = f"Eigenbeleg {told.payee}, {_amount(told.amount_cents, told.currency)}, {_day(told.paid_on)}"
    return _document(_page(told), title)


def _page(told: Told) -> bytes:
    written_at = told.written_at.astimezone(BERLIN)
    facts: Sequence[tuple[str, str, str]] = (
        ("Zahlung von" if told.is_income else "Zahlung an", "Received from" if told.is_income else "Paid to", told.payee),
        ("Betrag", "Amount", _amount(told.amount_cents, told.currency)),
        ("Datum der Zahlung", "Date of payment", _day(told.paid_on)),
        ("Wofür", "What for", told.purpose),
        ("Warum es keinen Beleg gibt", "Why there is no receipt", told.why_none),
        (
            "Umsatz auf dem Konto", "Transaction",
            f"{told.account}, gebucht am {_day(told.booked_on)}, {_amount(told.transaction_cents, told.currency)}"
            + (f"\n{told.remittance[:LONGEST_REMITTANCE]}" if told.remittance else ""),
        ),
        (
            "Erstellt von", "Written by",
            f"{told.author} ({told.author_email})\nam {_day(written_at.date())} um {written_at:%H:%M} Uhr, im Portal angemeldet",
        ),
    )  # fmt: skip
    drawn = [
        _text(MARGIN, HEIGHT - 80, "Eigenbeleg", size=22, is_bold=True),
        _text(MARGIN, HEIGHT - 98, "Own receipt", size=10),
    ]
    top = HEIGHT - 130.0
    for one in _wrapped(told.client, 13, WIDTH - 2 * MARGIN):
        drawn += [_text(MARGIN, top, one, size=12, is_bold=True)]
        top -= 16
    drawn += [_text(MARGIN, top, f"Mandantennummer {told.client_number}", size=10)]
    top -= 32
    for label, english, value in facts:
        lines = list(_wrapped(value, 11, WIDTH - 2 * MARGIN - LABELS))
        drawn += [f"0.6 G 0.5 w {MARGIN} {top + 16:.1f} m {WIDTH - MARGIN} {top + 16:.1f} l S"]
        drawn += [_text(MARGIN, top, label, size=9.5, is_bold=True), _text(MARGIN, top - 12, english, size=8)]
        drawn += [_text(MARGIN + LABELS, top - 14 * number, one, size=11) for number, one in enumerate(lines)]
        top -= max(34, 14 * len(lines) + 20)
    if top < FOOT:
        raise Rejected("This is too much for one page. Please say it in fewer words.")
    drawn += [f"0.6 G 0.5 w {MARGIN} {top + 16:.1f} m {WIDTH - MARGIN} {top + 16:.1f} l S"]
    if not told.is_income:
        drawn += [_text(MARGIN, 84, VAT, size=9, is_bold=True), _text(MARGIN, 71, VAT_IN_ENGLISH, size=8)]
    return "\n".join(drawn).encode(CHARACTERS)


def _text(left: float, bottom: float, words: str, *, size: float, is_bold: bool = False) -> str:
    escaped = re.sub(r"([\\()])", r"\\\1", _writable(words))
    return f"BT /F{2 if is_bold else 1} {size} Tf {left:.1f} {bottom:.1f} Td ({escaped}) Tj ET"


def _wrapped(text: str, size: float, width: float) -> Iterator[str]:
    """Lines that fit; a word that is too long is broken."""
    for paragraph in _plain(text).splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            rest = word
            while rest:
                longer = f"{line} {rest}".strip()
                if _width(longer, size) <= width:
                    line, rest = longer, ""
                elif line:
                    yield line
                    line = ""
                else:
                    fitting = next(
                        count for count in range(len(rest), 0, -1) if _width(rest[:count], size) <= width or count == 1
                    )
                    yield rest[:fitting]
                    rest = rest[fitting:]
        yield line


def _width(text: str, size: float) -> float:
    """Units: points. A letter with an accent is as wide as without; what is unknown counts as the widest."""
    plain = (unicodedata.normalize("NFD", letter)[0] for letter in text)
    return sum(WIDTHS[ord(one) - 32] if " " <= one <= "~" else WIDEST for one in plain) * size / 1000


def _document(content: bytes, title: str) -> bytes:
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (de-DE) /ViewerPreferences << /DisplayDocTitle true >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>"
        % (WIDTH, HEIGHT),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        font % b"Helvetica",
        font % b"Helvetica-Bold",
        b"<< /Title <%s> /Producer (Belegfluss) >>" % (b"\xfe\xff" + title.encode("utf-16-be")).hex().encode(),
    ]
    made, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, part in enumerate(parts, start=1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + table + end


def _plain(text: str) -> str:
    """As it can be written: composed letters; where the fonts have no such letter, the one without its accent."""
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\t", " ")).translate(PLAIN)
    return "".join(letter if _can_write(letter) else _without_accent(letter) for letter in composed)


def _without_accent(letter: str) -> str:
    bare = unicodedata.normalize("NFD", letter)
    return bare[0] if len(bare) > 1 and _can_write(bare[0]) else letter


def _writable(text: str) -> str:
    """For texts of the bank, which nobody can correct: what cannot be written becomes a question mark."""
    return "".join(letter if _can_write(letter) else "?" for letter in _plain(text).replace("\n", " "))


def _can_write(letter: str) -> bool:
    if unicodedata.category(letter).startswith("C"):
        return False
    try:
        letter.encode(CHARACTERS)
    except UnicodeEncodeError:
        return False
    return True


def _amount(cents: int, currency: str) -> str:
    """1.234,50 EUR."""
    whole, rest = divmod(cents, 100)
    return f"{whole:,}".replace(",", ".") + f",{rest:02d} {currency}"


def _day(day: date) -> str:
    return f"{day:%d.%m.%Y}"
