"""The matcher on files: any firm's own receipts and transactions in, one decision per receipt out. No database is touched.

Each file holds one JSON object a line; docs/matching.md describes the formats. A file is read twice, line by line: first to check
every line and note where each client's lines are, then client by client. So the lines may come in any order, and in memory are
only one client's facts, the receipts' ids and 16 bytes a line. That needs files that can be read again: no pipes.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar, cast

from portal.domain.matching import Decision, Direction, ReceiptFacts, Side, TransactionFacts, match
from portal.errors import Rejected

_SUGGESTIONS = 3
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class BadLine(Rejected):
    """A line, or a whole file, that cannot be read; the message names the file and the line."""


@dataclass
class Outcome:
    """What an evaluation counted.

    Without labels only `receipts` and `assigned` are. `labelled`: receipts with a label; `payable`: those whose label names a
    transaction; `right`: assigned to exactly the label's transactions; `top_1`, `top_3`: payable receipts whose first candidate,
    or one of the first three, has only transactions of the label. `stray_labels`: labels without a receipt.
    """

    has_labels: bool = False
    receipts: int = 0
    assigned: int = 0
    labelled: int = 0
    labelled_assigned: int = 0
    payable: int = 0
    right: int = 0
    top_1: int = 0
    top_3: int = 0
    stray_labels: int = 0

    def lines(self) -> Iterator[str]:
        """Word the figures, one a line."""
        yield f"receipts   {self.receipts}, of them assigned {self.assigned}, left for review {self.receipts - self.assigned}"
        if not self.has_labels:
            return
        yield f"labelled   {self.labelled}, of them with a transaction {self.payable}"
        yield f"precision  {_percent(self.right, self.labelled_assigned)} of the assigned are right"
        yield f"recall     {_percent(self.right, self.payable)} of those with a transaction are assigned and right"
        yield f"coverage   {_percent(self.labelled_assigned, self.labelled)} are assigned"
        yield f"top-1      {_percent(self.top_1, self.payable)} have the right candidate first"
        yield f"top-3      {_percent(self.top_3, self.payable)} have it among the first three"
        if self.stray_labels:
            yield f"note       {self.stray_labels} labels name no receipt of the file"

    def count(self, decision: Decision, truth: frozenset[str] | None) -> None:
        """Count one decision; `truth` None: no label."""
        is_assigned = decision.status == "assigned"
        self.receipts += 1
        self.assigned += is_assigned
        if truth is None:
            return
        self.labelled += 1
        self.labelled_assigned += is_assigned
        self.payable += bool(truth)
        self.right += is_assigned and {part.transaction for part in decision.allocations} == truth
        hits = [{part.transaction for part in candidate.allocations} <= truth for candidate in decision.candidates[:_SUGGESTIONS]]
        self.top_1 += any(hits[:1])
        self.top_3 += any(hits)


def evaluate(receipts: Path, transactions: Path, out: Path, labels: Path | None = None) -> Outcome:
    """Decide on every receipt of a file and write the decisions to `out`.

    Clients come in the order in which the receipts' file first names them, receipts in their order within; the same files
    give the same bytes. Nothing crosses clients. `out` appears when all is done. Errors: BadLine; nothing is written then.
    """
    for given in (receipts, transactions, labels):
        if given and out.exists() and given.exists() and out.samefile(given):
            raise BadLine(f"{out}: would overwrite what is read")
    truth = _labels(labels) if labels else None
    outcome = Outcome(has_labels=labels is not None)
    unfinished = out if out.exists() and not out.is_file() else out.with_name(f"{out.name}.unfinished")
    try:
        with _open(receipts) as ours_file, _open(transactions) as theirs_file:
            ours = _Lines(ours_file, receipts, _receipt, is_unique=True)
            theirs = _Lines(theirs_file, transactions, _transaction)
            with unfinished.open("wb") as written:
                for decision in _decisions(ours, theirs):
                    outcome.count(decision, truth.pop(decision.receipt, None) if truth else None)
                    written.write(_as_line(decision))
        if unfinished != out:
            unfinished.replace(out)
    except OSError as problem:
        raise BadLine(f"{out}: {problem.strerror}") from problem
    finally:
        if unfinished != out:
            unfinished.unlink(missing_ok=True)
    outcome.stray_labels = len(truth or ())
    return outcome


# ---- reading

Facts = TypeVar("Facts", bound=ReceiptFacts | TransactionFacts)


@dataclass
class _Places:
    """Where a client's lines are: byte offsets and line numbers, in the order of the file."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    numbers: array[int] = field(default_factory=lambda: array("Q"))


class _Lines(Generic[Facts]):
    """One open file, checked at once, then read client by client."""

    def __init__(self, file: BinaryIO, path: Path, build: Callable[[_Line], Facts], *, is_unique: bool = False) -> None:
        """Check every line. `is_unique`: an id may occur once in the file, else once with each client. Errors: BadLine."""
        self.file = file
        self.path = path
        self.build = build
        self.clients: dict[str, _Places] = {}
        known: set[str] = set()
        for line in _lines(file, path):
            facts = build(line)
            if is_unique and facts.id in known:
                raise line.error(f"the id {facts.id!r} occurs twice")
            if is_unique:
                known.add(facts.id)
            places = self.clients.setdefault(line.text("client"), _Places())
            places.offsets.append(line.offset)
            places.numbers.append(line.number)

    def of(self, client: str) -> list[Facts]:
        """Return a client's facts in the order of the file. Errors: BadLine when an id occurs twice with this client."""
        places = self.clients.get(client)
        found: dict[str, Facts] = {}
        for offset, number in zip(places.offsets, places.numbers, strict=True) if places else ():
            self.file.seek(offset)
            line = _parse(self.file.readline(), self.path, number, offset)
            facts = self.build(line)
            if facts.id in found:
                raise line.error(f"the id {facts.id!r} occurs twice with this client")
            found[facts.id] = facts
        return list(found.values())


@dataclass(frozen=True, slots=True)
class _Line:
    """One parsed line; the readers name what is wrong with it."""

    path: Path
    number: int
    offset: int
    values: Mapping[str, Any]

    def error(self, problem: str) -> BadLine:
        return BadLine(f"{self.path}, line {self.number}: {problem}")

    def text(self, name: str) -> str:
        value = self.optional_text(name)
        if not value:
            raise self.error(f"{name} is missing")
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.error(f"{name} must be a text")
        return value

    def cents(self, name: str) -> int | None:
        value = self.values.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.error(f"{name} must be a whole number of cents")
        return value

    def day(self, name: str) -> date | None:
        value = self.optional_text(name)
        if value is None:
            return None
        try:
            # date.fromisoformat also knows weeks and days without dashes
            return date.fromisoformat(value if _DAY.fullmatch(value) else "")
        except ValueError:
            raise self.error(f"{name} must be a day like 2026-11-02") from None

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.optional_text(name)
        if value is not None and value not in choices:
            raise self.error(f"{name} must be one of {', '.join(choices)}")
        return value


def _receipt(line: _Line) -> ReceiptFacts:
    """Read a receipt.

    The format does not say where a receipt came from. Its fields are taken for what they are in Qonto's feed, facts that somebody
    keeps in a system: `is_from_bank`. The bank's own links are not part of the format.
    """
    return ReceiptFacts(
        id=line.text("id"),
        direction=cast("Direction | None", line.choice("direction", ("expense", "income"))),
        number=line.optional_text("number"),
        counterparty=line.optional_text("counterparty"),
        amount_cents=line.cents("amount_cents"),
        currency=line.optional_text("currency"),
        issued_on=line.day("issued_on"),
        due_on=line.day("due_on"),
        paid_on=line.day("paid_on"),
        iban=line.optional_text("iban"),
        text=line.optional_text("text") or "",
        is_from_bank=True,
    )


def _transaction(line: _Line) -> TransactionFacts:
    cents, booked_on, side = line.cents("amount_cents"), line.day("booked_on"), line.choice("side", ("debit", "credit"))
    if cents is None or cents <= 0:
        raise line.error("amount_cents must be above 0")
    if booked_on is None or side is None:
        raise line.error("booked_on is missing" if booked_on is None else "side is missing")
    return TransactionFacts(
        id=line.text("id"),
        account=line.optional_text("account") or "",
        side=cast("Side", side),
        amount_cents=cents,
        open_cents=cents,
        currency=line.text("currency"),
        local_amount_cents=line.cents("local_amount_cents"),
        local_currency=line.optional_text("local_currency"),
        booked_on=booked_on,
        emitted_on=line.day("emitted_on"),
        counterparty=line.optional_text("counterparty"),
        iban=line.optional_text("iban"),
        remittance=line.optional_text("remittance") or "",
        operation_type=line.optional_text("operation_type"),
    )


def _labels(path: Path) -> dict[str, frozenset[str]]:
    """Read all labels: receipt → its transactions. Errors: BadLine."""
    found: dict[str, frozenset[str]] = {}
    with _open(path) as file:
        for line in _lines(file, path):
            receipt, named = line.text("receipt"), line.values.get("transactions")
            if not isinstance(named, list) or not all(isinstance(known, str) for known in named):
                raise line.error("transactions must be a list of ids")
            if receipt in found:
                raise line.error(f"the receipt {receipt!r} has two labels")
            found[receipt] = frozenset(named)
    return found


def _open(path: Path) -> BinaryIO:
    try:
        file = path.open("rb")
    except OSError as problem:
        raise BadLine(f"{path}: {problem.strerror}") from problem
    if not file.seekable():
        file.close()
        raise BadLine(f"{path}: is read twice and has to be a file, not a pipe")
    return file


def _lines(file: BinaryIO, path: Path) -> Iterator[_Line]:
    """Parse the lines that are not blank, one at a time."""
    offset = 0
    for number, written in enumerate(file, start=1):
        if written.strip():
            yield _parse(written, path, number, offset)
        offset += len(written)


def _parse(written: bytes, path: Path, number: int, offset: int) -> _Line:
    try:
        # some programs begin a file with a byte order mark
        values = json.loads(written.decode("utf-8-sig" if offset == 0 else "utf-8"))
    except UnicodeDecodeError:
        raise BadLine(f"{path}, line {number}: is not UTF-8") from None
    except (ValueError, RecursionError):
        raise BadLine(f"{path}, line {number}: is not JSON") from None
    if not isinstance(values, dict):
        raise BadLine(f"{path}, line {number}: is not a JSON object")
    return _Line(path, number, offset, values)


# ---- deciding and writing


def _decisions(ours: _Lines[ReceiptFacts], theirs: _Lines[TransactionFacts]) -> Iterator[Decision]:
    for client in ours.clients:
        lines = theirs.of(client)
        # what was booked after the last line of the file is not known
        last = max((line.booked_on for line in lines), default=None)
        yield from match(ours.of(client), lines, covered_until=last)


def _as_line(decision: Decision) -> bytes:
    values = {
        "receipt": decision.receipt,
        "status": decision.status,
        "transactions": [{"id": part.transaction, "amount_cents": part.amount_cents} for part in decision.allocations],
        "candidates": [
            {
                "transactions": [part.transaction for part in candidate.allocations],
                "score": candidate.score,
                "reasons": [reason.as_json() for reason in candidate.reasons],
            }
            for candidate in decision.candidates
        ],
        "reason": decision.reason.value if decision.reason else None,
    }
    # a lone half of a character, which JSON allows, goes out as it came in: as \udXXX
    return f"{json.dumps(values, ensure_ascii=False)}\n".encode(errors="backslashreplace")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3f} % ({part} of {whole})" if whole else f"– ({part} of {whole})"
