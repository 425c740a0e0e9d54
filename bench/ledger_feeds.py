"""What five feeds tell of the second ledger's books, and which lines and receipts nothing told sets apart."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, replace
from datetime import date
from random import Random

from bench.ledger_facts import Books, Line, Receipt

FEEDS = ("full", "texts", "csv", "poor", "gaps")
"""Qonto's own · with poor texts · a bank's CSV file · with poor texts and cut names · Qonto's, a quarter of the lines missing."""

_LOST = 0.25
_WRAPPED_AT = 27


def told(books: Iterable[Books], feed: str, seed: int) -> Iterator[Books]:
    """Yield each client's books as a feed tells them, with what nothing told sets apart; the books given stay as they are.

    A receipt that lost a line has no transaction any more. If a line like the lost one is left over that no receipt owns, it
    takes its place: none could tell them apart.
    """
    dice = Random(f"{feed}/{seed}")
    for one in books:
        originals = {line.id: line for line in one.lines}
        kept = [line for line in one.lines if feed != "gaps" or dice.random() >= _LOST]
        # each client has one bank, and each bank its way of writing a card's lines
        bank = zlib.crc32(one.client.encode()) % 3
        lines = [_as_csv(line, bank) if feed in {"csv", "poor"} else line for line in kept]
        if feed == "poor":
            lines = [_cut_name(_cut_text(line, originals[line.id], dice, bank), dice) for line in lines]
        elif feed == "texts":
            lines = [_cut_text(line, line, dice) for line in lines]
        truth = _truth_of(one, {line.id for line in lines})
        seen = replace(one, lines=lines, truth=truth)
        yield replace(seen, stand_ins={**_lines_alike(lines, originals), **_receipts_alike(seen)})


def _as_csv(line: Line, bank: int) -> Line:
    """A bank's file knows no IBAN, no kind, no original amount; a card's shop and day stand in its text."""
    plain = replace(line, iban=None, local_amount_cents=None, local_currency=None, emitted_on=None, operation_type=None)
    if line.operation_type == "card":
        day, shop = line.emitted_on, str(line.counterparty)
        plain.remittance = (f"{shop} {day:%d.%m.} DEBITKARTE", f"{shop}//DE {day}", shop)[bank]
        plain.counterparty = (shop, None, "VISA DEBITKARTE")[bank]
    elif line.remittance and bank == 1:
        plain.remittance = " ".join(line.remittance[at : at + _WRAPPED_AT] for at in range(0, len(line.remittance), _WRAPPED_AT))
    return plain


def _cut_text(line: Line, original: Line, dice: Random, bank: int = 0) -> Line:
    """Of texts little more than half is left, and of many of these the beginning."""
    poor = replace(line)
    luck, cut = dice.random(), dice.choice((10, 14, 20, 27))
    # where a bank tells of the shop in the text alone, nobody could know a card's line without it
    if luck < 0.45 and not (original.operation_type == "card" and bank):
        poor.remittance = None
    elif luck < 0.7:
        poor.remittance = (line.remittance or "")[:cut]
    return poor


def _cut_name(line: Line, dice: Random) -> Line:
    """Some banks tell no name, some its beginning."""
    poor = replace(line)
    luck, cut = dice.random(), dice.choice((10, 14, 18))
    if luck < 0.12:
        poor.counterparty = None
    elif luck < 0.4:
        poor.counterparty = line.counterparty and line.counterparty[:cut]
    return poor


def _truth_of(books: Books, there: set[str]) -> dict[str, list[str]]:
    """Which lines paid each receipt, of those that are there."""
    lines = {line.id: line for line in books.lines}
    owned = {line for paid in books.truth.values() for line in paid}
    spare = {_kind(line, line): known for known, line in lines.items() if known in there and known not in owned}
    lost = {known: _kind(lines[known], lines[known]) for known in owned - there}
    instead = {known: spare[kind] for known, kind in lost.items() if kind in spare}
    truth = {bill: [instead.get(line, line) for line in paid] for bill, paid in books.truth.items()}
    return {bill: paid if set(paid) <= there else [] for bill, paid in truth.items()}


def _kind(line: Line, original: Line) -> tuple[object, ...]:
    """What sets a line apart: all that is told, save the day a card line was booked, which nobody but the bank decides."""
    is_card = original.operation_type == "card"
    return (*astuple(replace(line, id="", booked_on=date.min if is_card else line.booked_on)), original.emitted_on)


def _lines_alike(lines: Iterable[Line], originals: Mapping[str, Line]) -> dict[str, str]:
    first: dict[tuple[object, ...], str] = {}
    return {line.id: first.setdefault(_kind(line, originals[line.id]), line.id) for line in lines}


def _receipts_alike(books: Books) -> dict[str, str]:
    """Map each receipt to the first of its kind, so that any transaction of these is right.

    Receipts that differ in number and file name only are exchangeable if none of their lines shows one of the numbers, and
    if those of which the day of payment is told were paid on the same day.
    """
    lines = {line.id: line for line in books.lines}
    groups: defaultdict[tuple[object, ...], list[Receipt]] = defaultdict(list)
    for bill in books.receipts:
        groups[bill.direction, bill.counterparty, bill.amount_cents, bill.currency, bill.issued_on].append(bill)
    same: dict[str, str] = {}
    for group in groups.values():
        texts = " ".join(re.sub(r"\W", "", lines[line].remittance or "") for bill in group for line in books.truth[bill.id])
        is_shown = any(len(run) > 2 and run in texts for bill in group for run in re.findall(r"\d+", bill.number or ""))
        is_apart = is_shown or len({bill.paid_on for bill in group} - {None}) > 1
        same.update((bill.id, bill.id if is_apart else group[0].id) for bill in group)
    return same
