"""Bank statements as CSV, whoever wrote them: how a file is laid out, and its rows as movements, or what is wrong with them.

A file is described by a `Layout`, guessed from its first lines; people can correct it. Reading is lazy: a file of any length
needs the memory of a row. Other formats than CSV bring their layout with them (`portal/statement_files.py`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import BinaryIO
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
SEPARATORS = ";,\t|"
LONGEST_TEXT = 1000
PEEK = 64 * 1024  #: bytes that are looked at for the layout
HEADER_WITHIN = 20  #: lines; banks put their own above the table
LONGEST_LINE = 256 * 1024  #: characters; what has longer ones is no table
PIECE = 1024 * 1024  #: bytes that are looked at together
MIXED = "mixed"  #: the encoding of a file that two programs wrote: UTF-8, and Windows-1252 where it is not
SAMPLES = 3  #: rows that people see beside the titles


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    CAMT053 = "camt053"
    CAMT053_ZIP = "camt053_zip"  #: several of them in one file, as German banks hand them out
    MT940 = "mt940"


class Column(StrEnum):
    """What a column can hold. Either `AMOUNT` with its sign, or `DEBIT` and `CREDIT`."""

    BOOKED = "booked"
    AMOUNT = "amount"
    DEBIT = "debit"
    CREDIT = "credit"
    CURRENCY = "currency"
    COUNTERPARTY = "counterparty"
    COUNTERPARTY_IBAN = "counterparty_iban"
    REMITTANCE = "remittance"
    ID = "id"
    STATUS = "status"
    ACCOUNT_IBAN = "account_iban"


#: what columns are called: Qonto's own export in English, German and French first, then German banks
NAMES: dict[Column, tuple[str, ...]] = {
    Column.BOOKED: (
        "settlement date (local)", "settlement date (utc)", "wertstellungsdatum (lokal)", "wertstellungsdatum (utc)",
        "date de la valeur (local)", "date de la valeur (utc)", "buchungstag", "buchungsdatum", "buchung", "datum", "valuta",
        "valutadatum", "wertstellung", "booking date", "date",
    ),
    Column.AMOUNT: (
        "total amount (incl. vat)", "gesamtbetrag (inkl. mwst.)", "gesamtbetrag (inkl. ust.)", "montant total (ttc)", "betrag",
        "betrag (eur)", "umsatz", "amount",
    ),
    Column.DEBIT: ("debit", "débit", "soll", "lastschrift", "belastung", "ausgang"),
    Column.CREDIT: ("credit", "crédit", "haben", "gutschrift", "eingang"),
    Column.CURRENCY: ("currency", "währung", "waehrung", "devise"),
    Column.COUNTERPARTY: (
        "counterparty name", "name der gegenpartei", "gegenpartei", "nom de la contrepartie", "beguenstigter/zahlungspflichtiger",
        "begünstigter/zahlungspflichtiger", "auftraggeber / begünstigter", "auftraggeber/empfänger", "empfänger/auftraggeber",
        "name zahlungsbeteiligter", "zahlungsempfänger*in", "empfänger", "name", "payee",
    ),
    Column.COUNTERPARTY_IBAN: (
        "counterparty iban", "iban der gegenpartei", "iban de la contrepartie", "iban zahlungsbeteiligter", "kontonummer/iban",
    ),
    Column.REMITTANCE: ("reference", "referenz", "référence", "verwendungszweck", "buchungstext", "description"),
    Column.ID: ("transaction id", "transaktions-id", "transaktionsnummer", "identifiant de transaction"),
    Column.STATUS: ("status", "statut"),
    Column.ACCOUNT_IBAN: (
        "account iban", "iban des kontos", "kontoiban", "iban auftragskonto", "iban du compte", "auftragskonto",
    ),
}  # fmt: skip
BOOKED_WORDS = frozenset(
    (
        "",
        "settled",
        "completed",
        "executed",
        "booked",
        "exécuté",
        "exécutée",
        "ausgeführt",
        "abgeschlossen",
        "gebucht",
        "umsatz gebucht",
    )
)


class Fault(StrEnum):
    """Why a file cannot be read."""

    EMPTY = "empty"
    BINARY = "binary"
    ENCODING = "encoding"
    NO_TABLE = "no_table"
    TOO_MANY = "too_many"
    BROKEN = "broken"
    NO_STATEMENT = "no_statement"  #: XML or an archive, but no camt.053
    FORBIDDEN = "forbidden"  #: XML with a document type definition
    TOO_LARGE = "too_large"  #: an archive that unpacks to more than we read


class Flaw(StrEnum):
    """Why a row is no movement of this account."""

    NO_DATE = "no_date"
    NO_AMOUNT = "no_amount"
    ZERO = "zero"
    OTHER_CURRENCY = "other_currency"
    OTHER_ACCOUNT = "other_account"
    NOT_BOOKED = "not_booked"
    CUT = "cut"
    FUTURE = "future"
    UNREADABLE = "unreadable"


class Unreadable(Exception):
    """The whole file; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written. `columns`: column → its place, counted from 0; `header`: the line before the first row.

    Only CSV files have anything to say beside `format`.
    """

    encoding: str
    separator: str
    columns: dict[Column, int]
    header: int
    decimal: str = ","
    order: str = "dmy"  #: of a date whose first number is no year
    titles: tuple[str, ...] = field(default=())
    format: Format = Format.CSV

    @property
    def is_complete(self) -> bool:
        """Whether rows can be read."""
        found = self.columns
        if self.format is not Format.CSV:
            return True
        return Column.BOOKED in found and (Column.AMOUNT in found or (Column.DEBIT in found and Column.CREDIT in found))

    def as_json(self) -> dict[str, object]:
        """Plain types."""
        return {
            "encoding": self.encoding, "separator": self.separator, "header": self.header, "decimal": self.decimal,
            "order": self.order, "titles": list(self.titles), "columns": {name.value: at for name, at in self.columns.items()},
            "format": self.format.value,
        }  # fmt: skip

    @classmethod
    def of(cls, given: dict[str, object]) -> Layout:
        """Read back what `as_json` gave."""
        columns = given["columns"]
        assert isinstance(columns, dict)
        return cls(
            str(given["encoding"]), str(given["separator"]), {Column(name): int(at) for name, at in columns.items()},
            int(str(given["header"])), str(given["decimal"]), str(given["order"]), tuple(given["titles"]),  # type: ignore[arg-type]
            Format(str(given.get("format", Format.CSV))),  # files of earlier days do not say it
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Movement:
    """A booked row. `amount_cents` is positive; `id` is the bank's own, where the file has it."""

    line: int
    booked_on: date
    side: str
    amount_cents: int
    currency: str
    counterparty: str | None
    counterparty_iban: str | None
    remittance: str | None
    id: str | None

    @property
    def key(self) -> tuple[date, str, int, str]:
        """What two sources tell of the same movement in the same way. Texts differ between them; counts per key do not."""
        return self.booked_on, self.side, self.amount_cents, self.currency


@dataclass(frozen=True, slots=True)
class Flawed:
    """A row that is left out, with the text it has."""

    line: int
    flaw: Flaw
    text: str


def guess(head: bytes, file: BinaryIO | None = None) -> Layout:
    """The layout of a file that begins so; incomplete where its columns have names that we do not know.

    `head`: its first `PEEK` bytes; `file`: all of it, where that is more. Errors: Unreadable.
    """
    if not head.strip(b" \t\r\n\xef\xbb\xbf\x00"):
        raise Unreadable(Fault.EMPTY)
    if not head.startswith(_UTF16) and min(head) < 9:
        raise Unreadable(Fault.BINARY)
    encoding = encoding_of(file or io.BytesIO(head))
    lines = _start(head, encoding).splitlines()[:HEADER_WITHIN]
    if not lines or any(ord(sign) < 9 for sign in _start(head, encoding)):
        raise Unreadable(Fault.BINARY)
    best: Layout | None = None
    for separator in SEPARATORS:
        for at, cells in enumerate(csv.reader(lines, delimiter=separator)):
            columns = _named(cells)
            candidate = Layout(encoding, separator, columns, at, titles=tuple(cell.strip()[:80] for cell in cells))
            if len(cells) > 1 and (best is None or _worth(candidate) > _worth(best)):
                best = candidate
    if best is None:
        raise Unreadable(Fault.NO_TABLE)
    return _with_habits(head, best)


def samples(head: bytes, layout: Layout) -> list[list[str]]:
    """The first rows below the titles, cell by cell, for people who say what the columns hold."""
    rows = list(csv.reader(_start(head, layout.encoding).splitlines(), delimiter=layout.separator))[layout.header + 1 :]
    return [cells for cells in rows if any(cell.strip() for cell in cells)][:SAMPLES]


def read(file: BinaryIO, layout: Layout, *, iban: str | None, currency: str, today: date) -> Iterator[Movement | Flawed]:
    """Every row of a complete layout, in the file's order. Lines are counted from 1. Errors: Unreadable.

    The file is read from its beginning, as far as rows are asked for.
    """
    is_whole = True

    def watched() -> Iterator[str]:
        nonlocal is_whole
        for line in lines(file, layout.encoding):
            is_whole = line.endswith(("\n", "\r"))
            yield line

    reader = csv.reader(watched(), delimiter=layout.separator)
    width, held = max(layout.columns.values()) + 1, None
    try:
        for number, cells in enumerate(reader):
            if number <= layout.header or not any(cell.strip() for cell in cells):
                continue
            if held:
                yield _row(*held, width, layout, iban=iban, currency=currency, today=today)
            held = (cells, reader.line_num)
    except UnicodeDecodeError as error:
        raise Unreadable(Fault.ENCODING) from error
    except csv.Error as error:  # a field without end: a quotation mark is missing
        raise Unreadable(Fault.BROKEN) from error
    if held:  # the end of a file that does not end with its line may be missing
        width = width if is_whole else len(layout.titles)
        yield _row(*held, width, layout, iban=iban, currency=currency, today=today)


def lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """The lines of a text from its beginning, with their ends. Errors: Unreadable for an endless one; UnicodeDecodeError."""
    file.seek(0)
    name, errors = ("utf-8-sig", _MIXED) if encoding == MIXED else (encoding, "strict")
    text = io.TextIOWrapper(file, encoding=name, errors=errors, newline="")
    try:
        while line := text.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise Unreadable(Fault.NO_TABLE)
            if plain := line.replace("\0", ""):
                yield plain
    finally:
        with suppress(ValueError):  # the file may be closed before whoever read only its beginning is done
            text.detach()  # else it would close the file


def mapped(layout: Layout, columns: dict[Column, int]) -> Layout:
    """The layout as a person has corrected it."""
    return replace(layout, columns=columns)


def encoding_of(file: BinaryIO) -> str:
    """How the text of a whole file is written. Errors: Unreadable(encoding) for what is no text in any of the usual ways."""
    file.seek(0)
    if file.read(2) in _UTF16:
        if not _can_be(file, "utf-16"):
            raise Unreadable(Fault.ENCODING)
        return "utf-16"
    if _can_be(file, "utf-8"):
        return "utf-8-sig"
    if not _can_be(file, "utf-8", _MIXED):
        raise Unreadable(Fault.ENCODING)
    return MIXED if _has_utf8(file) else "cp1252"


def _can_be(file: BinaryIO, encoding: str, errors: str = "strict") -> bool:
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        while piece := file.read(PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _has_utf8(file: BinaryIO) -> bool:
    """Whether letters of several bytes stand in it. In Windows-1252 alone their bytes follow each other in no word."""
    file.seek(0)
    end = b""
    while piece := file.read(PIECE):
        if _LETTER.search(end + piece):
            return True
        end = piece[-2:]
    return False


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252"), error.end


_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MIXED = "belegfluss.windows-where-not-utf-8"
_LETTER = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x82\xac|\xe2\x80[\x93\x94\x98-\x9e]")  # ä … ÿ, €, dashes and quotation marks
codecs.register_error(_MIXED, _as_windows)


def _start(head: bytes, encoding: str) -> str:
    if encoding == MIXED:
        whole = head.rpartition(b"\n")[0] or head  # a letter that is cut in two would be taken for others
        try:
            return whole.decode("utf-8-sig", _MIXED)
        except UnicodeDecodeError:
            raise Unreadable(Fault.ENCODING) from None
    return head.decode(encoding, "ignore")


def _named(cells: Sequence[str]) -> dict[Column, int]:
    """Columns by their names; of several that hold the same, the one whose name stands first above."""
    places = {cell.strip().strip('"').casefold(): at for at, cell in reversed(list(enumerate(cells)))}
    found = {}
    for column, names in NAMES.items():
        at = next((places[name] for name in names if name in places), None)
        if at is not None:
            found[column] = at
    if Column.AMOUNT in found:
        found.pop(Column.DEBIT, None)
        found.pop(Column.CREDIT, None)
    return found


def _worth(layout: Layout) -> tuple[int, int, int]:
    return len(layout.columns), len(layout.titles), -layout.header


def _with_habits(head: bytes, layout: Layout) -> Layout:
    """Decimal mark and order of dates, from the first rows."""
    rows = list(csv.reader(_start(head, layout.encoding).splitlines(), delimiter=layout.separator))[layout.header + 1 :]
    amounts = [cells[at] for name, at in layout.columns.items() if name in _AMOUNTS for cells in rows if at < len(cells)]
    points = sum(bool(re.search(r"\.\d{1,2}\s*$", amount)) for amount in amounts)
    commas = sum(bool(re.search(r",\d{1,2}\s*\D{0,4}$", amount)) for amount in amounts)
    at = layout.columns.get(Column.BOOKED, 0)
    dates = [found for cells in rows if at < len(cells) and (found := _DATE.match(cells[at].strip()))]
    is_american = any(int(found[1]) <= 12 < int(found[2]) for found in dates if len(found[1]) < 4)
    return replace(layout, decimal="." if points > commas else ",", order="mdy" if is_american else "dmy")


_AMOUNTS = (Column.AMOUNT, Column.DEBIT, Column.CREDIT)
_DATE = re.compile(r"(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?")


def _row(
    cells: Sequence[str], line: int, width: int, layout: Layout, *, iban: str | None, currency: str, today: date
) -> Movement | Flawed:  # fmt: skip
    def cell(column: Column) -> str:
        at = layout.columns.get(column)
        return cells[at].strip() if at is not None and at < len(cells) else ""

    def flawed(flaw: Flaw) -> Flawed:
        return Flawed(line, flaw, layout.separator.join(cells)[:200])

    if len(cells) < width:
        return flawed(Flaw.CUT)
    if cell(Column.STATUS).casefold() not in BOOKED_WORDS:
        return flawed(Flaw.NOT_BOOKED)
    if iban and (own := _iban(cell(Column.ACCOUNT_IBAN))) and own != iban:
        return flawed(Flaw.OTHER_ACCOUNT)
    if (told := cell(Column.CURRENCY).upper()) and told != currency:
        return flawed(Flaw.OTHER_CURRENCY)
    booked_on = _day(cell(Column.BOOKED), layout, is_utc=_is_utc(layout))
    if booked_on is None:
        return flawed(Flaw.NO_DATE)
    if booked_on > today:
        return flawed(Flaw.FUTURE)
    cents = _signed(cell, layout)
    if cents is None:
        return flawed(Flaw.NO_AMOUNT)
    if cents == 0:
        return flawed(Flaw.ZERO)
    texts = (cell(name)[:LONGEST_TEXT] or None for name in (Column.COUNTERPARTY, Column.REMITTANCE, Column.ID))
    counterparty, remittance, own_id = texts
    return Movement(
        line, booked_on, "credit" if cents > 0 else "debit", abs(cents), currency, counterparty,
        _iban(cell(Column.COUNTERPARTY_IBAN)) or None, remittance, own_id,
    )  # fmt: skip


def _signed(cell: Callable[[Column], str], layout: Layout) -> int | None:
    if Column.AMOUNT in layout.columns:
        return _cents(cell(Column.AMOUNT), layout.decimal)
    debit, credit = cell(Column.DEBIT), cell(Column.CREDIT)
    out, came = (_cents(text, layout.decimal) if text else 0 for text in (debit, credit))
    return None if out is None or came is None or not (debit or credit) else abs(came) - abs(out)


def _cents(text: str, decimal: str) -> int | None:
    """Integer cents; the other mark only groups thousands."""
    plain = re.sub(r"[\s\u00a0\u202f'€]|EUR", "", text).replace("\u2212", "-")
    sign = -1 if plain.startswith("-") or plain.endswith(("-", "S")) else 1
    plain = plain.strip("+-SH")
    other = "." if decimal == "," else ","
    whole, _, rest = plain.partition(decimal)
    if other in whole and not re.fullmatch(rf"\d{{1,3}}(?:{re.escape(other)}\d{{3}})+", whole):
        return None
    whole = whole.replace(other, "")
    if not re.fullmatch(r"\d{1,12}", whole) or not re.fullmatch(r"\d{0,2}0*", rest):
        return None
    return sign * (int(whole) * 100 + int(rest[:2].ljust(2, "0")))


def _is_utc(layout: Layout) -> bool:
    at = layout.columns.get(Column.BOOKED)
    return at is not None and at < len(layout.titles) and "(utc)" in layout.titles[at].casefold()


def _day(text: str, layout: Layout, *, is_utc: bool) -> date | None:
    found = _DATE.match(text)
    if found is None:
        return None
    one, two, three = found[1], found[2], found[3]
    if len(one) == 4:
        year, month, day = int(one), int(two), int(three)
    else:
        year = int(three) if len(three) == 4 else 2000 + int(three) if len(three) == 2 else 0
        day, month = (int(two), int(one)) if layout.order == "mdy" else (int(one), int(two))
    try:
        if is_utc and found[4]:
            moment = datetime(year, month, day, int(found[4]), int(found[5]), int(found[6] or 0), tzinfo=UTC)
            return moment.astimezone(BERLIN).date()
        return date(year, month, day)
    except ValueError:
        return None


def _iban(text: str) -> str:
    return re.sub(r"\s", "", text).upper()
