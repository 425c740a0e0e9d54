"""Bank statements as files, in the formats that banks hand out: what a file is, told by its bytes, and what it says.

CSV (`domain/csv_rows.py`), camt.053 (also several in a ZIP archive) and MT940. They come from strangers: whatever is read is read
in pieces, within bounds, and nothing in a file makes us open anything.

camt.053 is read with lxml and not with pycamt: that holds a whole file and its tree at once, takes any element of a name below an
entry for the entry's own, and lets document type definitions pass. MT940 is read by mt-940, statement line by statement line: as
a whole it would hold the file, and one line that it does not understand would cost all others.
"""

from __future__ import annotations

import io
import logging
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO

from lxml import etree
from mt940 import Options
from mt940.models import Transactions

from portal.clock import BERLIN
from portal.domain import csv_rows
from portal.domain.csv_rows import LONGEST_TEXT, PEEK, Fault, Flaw, Flawed, Format, Layout, Movement, Unreadable

EXTENSIONS = {Format.CSV: "csv", Format.CAMT053: "xml", Format.CAMT053_ZIP: "zip", Format.MT940: "sta"}
LARGEST_ARCHIVE = 10 * 1024 * 1024  #: bytes; its table of contents is held in memory
MOST_MEMBERS = 400  #: files in an archive: one a day, and more than a year
LARGEST_UNPACKED = 200 * 1024 * 1024  #: bytes of all of them together, counted while they are unpacked
MOST_PARTS = 20_000  #: XML elements that one entry may have (of its details only the first are kept)
LARGEST_BLOCK = 64 * 1024  #: characters of one MT940 statement line with its text
IN_STATEMENT, IN_DETAILS = 3, 5  #: elements around what stands in Document/BkToCstmrStmt/Stmt, and …/Ntry/NtryDtls
MOST_CENTS = 10**15

_CAMT053 = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.\d\d")
_XML = re.compile(r"\s*<[?!A-Za-z]")
_MT940 = re.compile(r"^:20:.*\r?\n(?:.*\r?\n){0,20}?:(?:25|28C?|60[FM]):", re.MULTILINE)
_TAG = re.compile(r":(13|20|21|25|28|34|60|61|62|64|65|86|90|NS)[A-Z]?:")
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06")
_OPTIONS = Options.all()

# what it cannot read it would write into the log: that is somebody's bank statement
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)


def guess(file: BinaryIO) -> Layout:
    """What kind of file this is and how it is written. Errors: Unreadable."""
    file.seek(0)
    head = file.read(PEEK)
    if head.startswith(_ARCHIVES):
        return _plain(Format.CAMT053_ZIP)
    codec = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    start = head.decode(codec, "replace")
    if _XML.match(start):
        return _plain(Format.CAMT053)
    if _MT940.search(start):
        return Layout(csv_rows.encoding_of(file), "", {}, 0, format=Format.MT940)
    return csv_rows.guess(head, file)


def head_of(file: BinaryIO) -> bytes:
    """Its first `PEEK` bytes."""
    file.seek(0)
    return file.read(PEEK)


def read(file: BinaryIO, layout: Layout, *, iban: str | None, currency: str, today: date) -> Iterator[Movement | Flawed]:
    """Every movement of a file with a complete layout, in its order, read as far as they are asked for. Errors: Unreadable.

    `iban`, `currency`: of the account that the file is brought for; `today`: of Berlin. Lines of CSV files are counted as they
    stand there, those of the others by their entries, from 1. Only CSV files tell ids: what other formats call a reference of
    the bank need not be the id under which its interface tells the same movement.
    """
    account = _Account(iban, currency, today)
    match layout.format:
        case Format.CSV:
            yield from csv_rows.read(file, layout, iban=iban, currency=currency, today=today)
        case Format.MT940:
            yield from _Mt940(account).read(_lines(file, layout.encoding))
        case Format.CAMT053:
            file.seek(0)
            for line, entry in enumerate(_entries(file), start=1):
                yield account.judged(line, entry)
        case Format.CAMT053_ZIP:
            for line, entry in enumerate(_packed(file), start=1):
                yield account.judged(line, entry)


def _plain(kind: Format) -> Layout:
    return Layout("", "", {}, 0, format=kind)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A movement as a file tells it, before anybody has looked at what it means here."""

    account: str  #: IBAN, or bank code and number
    is_booked: bool
    booked_on: date | None
    cents: int | None  #: negative: debit
    currency: str
    counterparty: str | None
    counterparty_iban: str | None
    remittance: str | None

    @property
    def text(self) -> str:
        """To find it again in the file."""
        amount = "" if self.cents is None else f"{self.cents / 100:.2f} {self.currency}"
        parts = (str(self.booked_on or ""), amount, self.counterparty, self.remittance)
        return " ".join(part for part in parts if part)[:200]


@dataclass(frozen=True, slots=True)
class _Account:
    """For whom a file is read."""

    iban: str | None
    currency: str
    today: date

    def judged(self, line: int, entry: _Entry) -> Movement | Flawed:
        """The entry as a movement of this account, or why it is none."""
        flaw = self._flaw(entry)
        if flaw or entry.booked_on is None or entry.cents is None:
            return Flawed(line, flaw or Flaw.UNREADABLE, entry.text)
        return Movement(
            line, entry.booked_on, "credit" if entry.cents > 0 else "debit", abs(entry.cents), self.currency, entry.counterparty,
            entry.counterparty_iban, entry.remittance, None,
        )  # fmt: skip

    def _flaw(self, entry: _Entry) -> Flaw | None:
        found = {
            Flaw.NOT_BOOKED: not entry.is_booked,
            Flaw.OTHER_ACCOUNT: not self._is_ours(entry.account),
            Flaw.OTHER_CURRENCY: bool(entry.currency) and entry.currency != self.currency,
            Flaw.NO_DATE: entry.booked_on is None,
            Flaw.FUTURE: entry.booked_on is not None and entry.booked_on > self.today,
            Flaw.NO_AMOUNT: entry.cents is None,
            Flaw.ZERO: entry.cents == 0,
        }
        return next((flaw for flaw, is_so in found.items() if is_so), None)

    def _is_ours(self, told: str) -> bool:
        """MT940 may name a German account by bank code and number, both may add the currency."""
        if not self.iban:
            return True
        if told.startswith(self.iban):
            return len(told) - len(self.iban) in {0, 3}
        code, _, number = told.partition("/")
        number = number.removesuffix(self.currency)
        if not (self.iban.startswith("DE") and number.isascii() and number.isdecimal()):
            return False
        return code == self.iban[4:12] and number.lstrip("0") == self.iban[12:].lstrip("0")


# --- camt.053 ------------------------------------------------------------------------------------------------------


def _entries(file: Any) -> Iterator[_Entry]:
    """The entries of a camt.053 file. `file`: with `read`. Errors: Unreadable."""
    events = etree.iterparse(
        file, events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        yield from _Camt().entries(events)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(Fault.BROKEN) from error


class _Camt:
    """One file on its way through the parser. What has been read is forgotten at once, and so are further details of an entry."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._account = ""
        self._parts = self._details = 0
        self._before: dict[int, int] = {}  # depth of an element that will be forgotten → parts that were there before it

    def entries(self, events: Iterable[tuple[str, Any]]) -> Iterator[_Entry]:
        depth = 0  #: of the elements around
        for event, element in events:
            if event == "start":
                self._begin(element, depth)
                depth += 1
                continue
            depth -= 1
            name = etree.QName(element).localname
            if depth == IN_STATEMENT and name == "Acct":
                self._account = self._text(element, "c:Id/c:IBAN", "c:Id/c:Othr/c:Id")
            elif depth == IN_STATEMENT and name == "Ntry":
                yield self._entry(element)
            if depth == IN_STATEMENT or (depth == IN_DETAILS and name == "TxDtls" and self._details > 1):
                self._parts = self._before[depth]
                self._forget(element)

    def _begin(self, element: Any, depth: int) -> None:
        if depth == 0:
            found = etree.QName(element)
            if element.getroottree().docinfo.doctype:
                raise Unreadable(Fault.FORBIDDEN)
            if not _CAMT053.fullmatch(found.namespace or "") or found.localname != "Document":
                raise Unreadable(Fault.NO_STATEMENT)
            self._names = {"c": found.namespace or ""}
        elif depth == IN_STATEMENT:
            self._details, self._before[depth] = 0, self._parts
        elif depth == IN_DETAILS and etree.QName(element).localname == "TxDtls":
            self._details += 1
            self._before[depth] = self._parts
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise Unreadable(Fault.BROKEN)

    @staticmethod
    def _forget(element: Any) -> None:
        """What is in this element, and those before it; the parser itself still needs the element."""
        element.clear()
        parent = element.getparent()
        while element.getprevious() is not None:
            del parent[0]

    def _entry(self, entry: Any) -> _Entry:
        # a file's own word on the direction holds for the entry as it is booked, also where it is a reversal (ISO 20022 on
        # RvslInd: with CRDT, "the original operation was a debit entry"): only the parties stand there as in the original
        side, is_reversal = self._text(entry, "c:CdtDbtInd"), self._text(entry, "c:RvslInd") in {"true", "1"}
        cents = _cents(self._text(entry, "c:Amt"))
        amount = entry.find("c:Amt", self._names)
        details = entry.findall("c:NtryDtls/c:TxDtls", self._names) if self._details == 1 else []
        one = details[0] if details else None
        party = "Dbtr" if (side == "CRDT") != is_reversal else "Cdtr"
        parties = f"c:RltdPties/c:{party}"
        return _Entry(
            account=_compact(self._account), is_booked=self._text(entry, "c:Sts/c:Cd", "c:Sts") == "BOOK",
            booked_on=self._day(entry, "c:BookgDt") or self._day(entry, "c:ValDt"),
            cents=None if cents is None or side not in {"CRDT", "DBIT"} else cents if side == "CRDT" else -cents,
            currency="" if amount is None else amount.get("Ccy", ""),
            counterparty=self._text(one, f"{parties}/c:Pty/c:Nm", f"{parties}/c:Nm") or None,
            counterparty_iban=_compact(self._text(one, f"{parties}Acct/c:Id/c:IBAN")) or None,
            remittance=self._text(one, "c:RmtInf/c:Ustrd", "c:RmtInf/c:Strd/c:CdtrRefInf/c:Ref", "c:AddtlTxInf")
            or self._text(entry, "c:AddtlNtryInf") or None,
        )  # fmt: skip

    def _text(self, element: Any, *paths: str) -> str:
        """What the first of the paths that says something says; several elements of a path go on from line to line."""
        for path in paths if element is not None else ():
            words = " ".join(" ".join((found.text or "").split()) for found in element.iterfind(path, self._names)).strip()
            if words:
                return words[:LONGEST_TEXT]
        return ""

    def _day(self, entry: Any, path: str) -> date | None:
        """A day, or the Berlin day of a moment."""
        try:
            if told := self._text(entry, f"{path}/c:Dt"):
                return date.fromisoformat(told[:10])
            moment = datetime.fromisoformat(self._text(entry, f"{path}/c:DtTm"))
        except ValueError:
            return None
        return (moment.astimezone(BERLIN) if moment.tzinfo else moment).date()


def _cents(text: str) -> int | None:
    """Of a decimal number without a sign; None also where it has fractions of a cent."""
    try:
        amount = Decimal(text) * 100
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount < MOST_CENTS or amount != amount.to_integral_value():
        return None
    return int(amount)


def _compact(text: str) -> str:
    return re.sub(r"\s", "", text).upper()


# --- archives ------------------------------------------------------------------------------------------------------


def _packed(file: BinaryIO) -> Iterator[_Entry]:
    """The entries of all camt.053 files of an archive, by their names. Errors: Unreadable."""
    if file.seek(0, io.SEEK_END) > LARGEST_ARCHIVE:
        raise Unreadable(Fault.TOO_LARGE)
    try:
        with zipfile.ZipFile(file) as archive:
            members = sorted((one for one in archive.infolist() if not one.is_dir()), key=lambda one: one.filename)
            if not members:
                raise Unreadable(Fault.NO_STATEMENT)
            if len(members) > MOST_MEMBERS:
                raise Unreadable(Fault.TOO_LARGE)
            left = _Allowance(LARGEST_UNPACKED)
            for member in members:
                if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    raise Unreadable(Fault.BROKEN)
                with archive.open(member) as unpacked:
                    yield from _entries(_Counted(unpacked, left))
    # RuntimeError: it asks for a password; ValueError: it says that a member stands before the file's beginning
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise Unreadable(Fault.BROKEN) from error


@dataclass(slots=True)
class _Allowance:
    left: int


class _Counted:
    """A file that may not be longer than what is left: what an archive says of its members' sizes is not believed."""

    def __init__(self, file: Any, allowance: _Allowance) -> None:
        self._file, self._allowance = file, allowance

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._file.read(size if size > 0 else PEEK)
        self._allowance.left -= len(piece)
        if self._allowance.left < 0:
            raise Unreadable(Fault.TOO_LARGE)
        return piece


# --- MT940 ---------------------------------------------------------------------------------------------------------


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines without their ends. Errors: Unreadable."""
    try:
        for line in csv_rows.lines(file, encoding):
            yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Unreadable(Fault.ENCODING) from error


class _Mt940:
    """One file, a statement line at a time. A new message (`:20:`) forgets what the last one said of its account."""

    def __init__(self, account: _Account) -> None:
        self._account, self._line = account, 0
        self._message = Transactions(options=_OPTIONS)
        self._is_ended = True  # the message at hand has told its closing balance
        self._is_garbled = False  # what it says of its account cannot be read

    def read(self, lines: Iterable[str]) -> Iterator[Movement | Flawed]:
        block: list[str] = []
        size, movements = 0, 0
        for line in lines:
            found = _TAG.match(line)
            if found and found[1] not in {"86", "NS"} and block:
                yield from self._understood(block)
                block, size = [], 0
            if line in {"-", "-}"}:
                continue
            movements += line.startswith(":61:")
            size += len(line)
            if size > LARGEST_BLOCK:
                raise Unreadable(Fault.BROKEN)
            if found or block:  # what stands before the first tag is the envelope of the network
                block.append(line)
        if block:
            yield from self._understood(block, is_last=True)
        if not movements and not self._is_ended:
            raise Unreadable(Fault.BROKEN)

    def _understood(self, block: list[str], *, is_last: bool = False) -> Iterator[Movement | Flawed]:
        """A tag with what belongs to it. The last line of a file that ends without a closing balance may be cut."""
        text, tag = "\n".join(block), block[0][1:3]
        if tag == "20":
            self._message, self._is_ended, self._is_garbled = Transactions(options=_OPTIONS), False, False
        self._is_ended |= tag == "62"
        if tag != "61":
            self._head(tag, text)
            return
        self._line += 1
        if is_last and not self._is_ended:
            yield Flawed(self._line, Flaw.CUT, text[:200])
            return
        entry = self._entry(text)
        if entry is None or self._is_garbled:
            yield Flawed(self._line, Flaw.UNREADABLE, text[:200])
        else:
            yield self._account.judged(self._line, entry)

    def _head(self, tag: str, text: str) -> None:
        """What a message says of itself: account and currency are needed, the rest is not."""
        try:
            self._message.parse(text)
        except (RuntimeError, ValueError, ArithmeticError, TypeError, KeyError):
            self._is_garbled |= tag in {"25", "60"}

    def _entry(self, text: str) -> _Entry | None:
        message = self._message
        message.transactions.clear()
        try:
            message.parse(text)
            told = message.transactions[0].data
        except (RuntimeError, ValueError, ArithmeticError, TypeError, KeyError, IndexError):
            return None  # the library speaks of what it does not understand in many ways
        booked_on = told.get("entry_date") or told.get("date")
        status, amount = str(told.get("status") or "").upper(), told.get("amount")
        cents = _cents(str(abs(amount.amount))) if amount else None
        is_credit = status in {"C", "RD"}  # the reversal of a debit brings the money back
        purpose = told.get("purpose") or told.get("transaction_details") or told.get("extra_details")
        return _Entry(
            account=_compact(str(message.data.get("account_identification") or "")), is_booked=True,
            booked_on=date(booked_on.year, booked_on.month, booked_on.day) if booked_on else None,
            cents=None if cents is None else cents if is_credit else -cents, currency=message.currency or "",
            counterparty=_words(told.get("applicant_name")), counterparty_iban=_iban(told), remittance=_words(purpose),
        )  # fmt: skip


def _iban(told: dict[str, Any]) -> str | None:
    """`?31` holds an IBAN, or an account number of the days before."""
    found = _compact(str(told.get("gvc_applicant_iban") or told.get("applicant_iban") or ""))
    return found if re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", found) else None


def _words(text: Any) -> str | None:
    return " ".join(str(text or "").split())[:LONGEST_TEXT] or None
