"""Sums of one party's open invoices and payments that no text lists: guesses, made only where exactly one way adds up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate, combinations, islice
from math import comb, gcd
from typing import Generic, TypeVar

from portal.domain.matching.blocking import Index
from portal.domain.matching.records import BookedTransaction, OpenReceipt, share_of
from portal.domain.names import SIMILAR, couples
from portal.domain.remittance import Found

Dated = TypeVar("Dated", OpenReceipt, BookedTransaction)

_FEWEST = 2
_MOST_OPEN, _MOST_IN_SUM = 16, 6
_MOST_ROWS = 200
_GUESSED_DAYS = (-3, 75)
"""A sum alone counts only of invoices that were written in these days before the payment."""
_FIRST_PART, _LAST_PART = -3, 100
"""The payments of one invoice come in these days from its issue."""
BILLED_DAYS, OFF_DAYS, _END_DAYS = 7, 5, 4
"""So long after a month's end it may be billed, and so much later than bought may a purchase be booked."""
SAME_DAYS = 6
"""So near to an invoice's days are the parts that two people pay of it."""
_MOST_ODDS = 1 / 2000
"""As likely as this may be that some of a party's open amounts add up to another payment by chance."""


class Guesses:
    """Sums of one party's open invoices and payments: of a party are those of one IBAN or of exactly one name."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tried: dict[int, int] = {}
        self._tried_parts: dict[int, int] = {}
        ibans: defaultdict[str, set[str]] = defaultdict(set)
        for receipt in index.receipts:
            if receipt.iban:
                ibans[receipt.name.ordered].add(receipt.iban)
        self._payable = [receipt for receipt in index.receipts if receipt.cents and receipt.side and receipt.has_date]
        receipts: defaultdict[str, list[tuple[int, int, OpenReceipt]]] = defaultdict(list)
        for receipt in self._payable:
            name, entry = receipt.name.ordered, (_issued(receipt), receipt.place, receipt)
            # the account that its other invoices print, if they agree
            known = [receipt.iban] if receipt.iban or len(ibans[name]) > 1 else ibans[name]
            for party in (*known, name):
                receipts[party].append(entry)
        receipts.pop("", None)
        lines: defaultdict[str, list[tuple[int, int, BookedTransaction]]] = defaultdict(list)
        purchases: defaultdict[str, list[tuple[int, int, BookedTransaction]]] = defaultdict(list)
        self._silent: list[BookedTransaction] = []
        """The transactions of these parties whose text names no receipt."""
        for booked in index.transactions:
            parties = [party for party in (booked.iban, booked.name.ordered) if party in receipts]
            if parties and booked.free and booked.place not in index.mentions.named_whole:
                self._silent.append(booked)
                for party in parties:
                    lines[party].append((booked.day, booked.place, booked))
            if booked.is_purchase:
                purchases[booked.name.brand].append((booked.emitted_day, booked.place, booked))
        self._receipts = {party: _Days(entries) for party, entries in receipts.items()}
        """By party, by the day of issue."""
        self._lines = {party: _Days(entries) for party, entries in lines.items()}
        """By party, by the day of booking."""
        self._purchases = {brand: _Days(entries) for brand, entries in purchases.items()}
        """What was paid by card, by the shop's brand, by the day of the purchase."""

    def completed(
        self, line: int, named: Mapping[int, list[Found]], taken_receipts: set[int], taken_lines: set[int]
    ) -> tuple[int, ...]:
        """The receipts that a text names with those that make up the rest: more invoices, or credit notes taken off."""
        index, booked = self._index, self._index.transactions[line]
        if line in taken_lines or not booked.free:
            return ()
        if not all(place not in taken_receipts and index.parties.is_one(index.receipts[place], booked) for place in named):
            return ()
        shares = [share_of(index.receipts[place], booked) for place in named]
        rest = booked.free - sum(share or 0 for share in shares)
        if None in shares or not rest:
            return ()
        # a bank cuts and respells a name; whose these are by their number, his are the others
        parties = {name for place in named for name in (index.receipts[place].iban, index.receipts[place].name.ordered)}
        without = taken_receipts | set(named)
        items = self._open_items(booked, abs(rest), without, parties, are_credit_notes=rest < 0)
        found = _only_sum(items, abs(rest), fewest=1)
        self._tried[line] = _subsets(len(items), fewest=1)
        return tuple(sorted((*named, *found))) if found else ()

    def sums(self, taken_receipts: set[int], taken_lines: set[int]) -> dict[int, tuple[int, ...]]:
        """Transactions that are the sum of several open invoices in exactly one way, though no text lists them."""
        found = {}
        for booked in self._silent:
            if booked.place in taken_lines:
                continue
            items = self._open_items(booked, booked.free, taken_receipts, ())
            if _FEWEST <= len(items) <= _MOST_OPEN and (members := _only_sum(items, booked.free)):
                found[booked.place] = members
                self._tried[booked.place] = _subsets(len(items))
        return found

    def parts(self, taken_receipts: set[int], taken_lines: set[int]) -> dict[int, tuple[int, ...]]:
        """Receipts that several payments add up to in exactly one way, though none names them, or not every one."""
        found = {}
        for receipt in self._payable:
            if receipt.place in taken_receipts:
                continue
            named = self._named_parts(receipt, taken_lines)
            cents = (receipt.cents or 0) - sum(named.values())
            fewest = 1 if named else _FEWEST
            for possible in self._possible_parts(receipt):
                lines = [
                    (booked.place, booked.free)
                    for booked in possible
                    if booked.free == booked.facts.amount_cents <= cents
                    and booked.facts.side == receipt.side
                    and booked.currency == receipt.currency
                    and booked.place not in taken_lines
                ]
                if fewest <= len(lines) <= _MOST_OPEN and (chosen := _only_subset(lines, cents, fewest)):
                    found[receipt.place] = tuple(sorted((*named, *chosen)))
                    self._tried_parts[receipt.place] = _subsets(len(lines), fewest)
                    break
        return found

    def _possible_parts(self, receipt: OpenReceipt) -> Iterator[list[BookedTransaction]]:
        """Yield the payments among which the parts of a receipt may be: its party's, and before them a few of them with others'.

        Who pays a part for somebody says for whom, as a Jobcenter does ("KdU Erika Muster"): what both paid in a few days counts.
        """
        issued = _issued(receipt)
        own = {
            booked.place: booked
            for party in (receipt.iban, receipt.name.ordered)
            for booked in _between(self._lines, party, issued + _FIRST_PART, issued + _LAST_PART)
        }
        if receipt.side == "credit":
            days = _around(receipt.facts.issued_on, receipt.facts.paid_on)
            told = {
                booked.place: booked
                for day in days
                for booked in self._index.paid_for(receipt.name, day)
                if booked.place not in own and booked.place not in self._index.mentions.named_whole
            }
            if told:
                yield [*(booked for booked in own.values() if booked.day in days), *told.values()]
        yield [*own.values()]

    def months(self, taken_receipts: set[int], taken_lines: set[int]) -> dict[int, tuple[int, ...]]:
        """Receipts that a month's purchases in one shop add up to: advertising is charged as it runs, and billed at its end."""
        found = {}
        for receipt in self._payable:
            brand, issued = receipt.name.words[0] if receipt.name else "", receipt.facts.issued_on
            if receipt.place in taken_receipts or receipt.side != "debit" or receipt.iban or brand not in self._purchases:
                continue
            month = _billed(issued) if issued else None
            if issued is None or month is None or not _is_paid_by(receipt.facts.paid_on, issued):
                continue
            first, last = month
            near = [
                booked
                for booked in _between(self._purchases, brand, first - OFF_DAYS, last + OFF_DAYS)
                if booked.currency == receipt.currency
                and booked.place not in taken_lines
                and self._index.parties.is_one(receipt, booked, SIMILAR)
            ]
            own = [[one for one in near if one.spelling == spelling] for spelling in {booked.spelling for booked in near}]
            sets = [chosen for some in own if (chosen := _month_of(some, receipt.cents or 0, first, last))]
            if len(sets) == 1 and not any(self._is_billed_alone(booked, receipt) for booked in sets[0]):
                found[receipt.place] = tuple(sorted(booked.place for booked in sets[0]))
        return found

    def _is_billed_alone(self, booked: BookedTransaction, without: OpenReceipt) -> bool:
        """Tell whether a purchase has a receipt of its own under the name of the one that bills a month."""
        alike = self._receipts[without.name.ordered].rows
        return any(one.cents == booked.free and one is not without for one in alike)

    def _named_parts(self, receipt: OpenReceipt, taken_lines: set[int]) -> dict[int, int]:
        """The payments that name this receipt alone and are less than it, with their cents."""
        index = self._index
        named = {line: index.transactions[line] for line in index.mentions.naming(receipt) if line not in taken_lines}
        return {
            line: booked.free
            for line, booked in named.items()
            if len(index.mentions.named_whole[line]) == 1
            and booked.free == booked.facts.amount_cents
            and booked.free < (receipt.cents or 0)
            and share_of(receipt, booked) == receipt.cents
            and index.parties.is_one(receipt, booked)
        }

    def is_sure_sum(self, line: int, members: Sequence[int]) -> bool:
        """Tell whether these unnamed parts of a sum are meant: it is hardly chance, and none has a payment of its own."""
        index, booked = self._index, self._index.transactions[line]
        receipts = [index.receipts[place] for place in members]
        return (
            is_no_chance(self._tried[line], booked.free, [receipt.cents or 0 for receipt in receipts])
            and all(index.parties.is_one(receipt, booked) for receipt in receipts)
            and not any(self.has_own_line(receipt, {line}) for receipt in receipts)
        )

    def is_sure_split(self, place: int, lines: Sequence[int]) -> bool:
        """The same of one receipt paid in parts: no part has an invoice of its own."""
        index, receipt = self._index, self._index.receipts[place]
        booked = [index.transactions[line] for line in lines]
        guessed = [one.free for one in booked if one.place not in index.mentions.named_whole]
        return (
            is_no_chance(self._tried_parts[place], sum(guessed), guessed)
            and all(index.parties.is_one(receipt, one) or couples(receipt.name.words[:2]) & one.couples for one in booked)
            and not self.has_own_line(receipt, set(lines))
            and not any(self._has_own_receipt(one, receipt) for one in booked)
        )

    def has_own_line(self, receipt: OpenReceipt, without: set[int]) -> bool:
        """Tell whether its party paid its amount, in a transaction that is none of these."""
        index = self._index
        if receipt.side is None or receipt.currency is None or receipt.cents is None:
            return True
        key = index.amounts.get((receipt.side, receipt.currency, receipt.cents))
        lines = [] if key is None else index.lines_by_amount.between(key, receipt.first_day, receipt.last_day)
        # among so many equal ones may be its own
        return len(lines) > _MOST_ROWS or any(
            line not in without and index.parties.is_one(receipt, index.transactions[line]) for line in lines
        )

    def _has_own_receipt(self, booked: BookedTransaction, without: OpenReceipt) -> bool:
        return any(
            receipt.cents == booked.free and receipt is not without
            for party in (booked.iban, booked.name.ordered)
            if party in self._receipts
            for receipt in self._receipts[party].rows
        )

    def _open_items(
        self, booked: BookedTransaction, most: int, without: set[int], parties: Iterable[str], *, are_credit_notes: bool = False
    ) -> list[tuple[int, int]]:
        """Those of a party's receipts that a transaction may have paid together, as (place, cents); too many are not all told.

        `parties`: who it is known to be besides its own IBAN and name.
        """
        found: dict[int, int] = {}
        first, last = _GUESSED_DAYS
        for party in {booked.iban, booked.name.ordered, *parties}:
            for receipt in _between(self._receipts, party, booked.day - last, booked.day - first):
                is_side = receipt.side == booked.facts.side
                if (
                    receipt.place not in without
                    and (receipt.cents or 0) <= most
                    and receipt.currency == booked.currency
                    and (not is_side and (receipt.facts.amount_cents or 0) < 0 if are_credit_notes else is_side)
                ):
                    found[receipt.place] = receipt.cents or 0
                    if len(found) > _MOST_OPEN:
                        return sorted(found.items())
        return sorted(found.items())


def _around(*known: date | None) -> set[int]:
    """The days on which two people may pay their parts, near to any that is known."""
    return {day.toordinal() + off for day in known if day for off in range(-SAME_DAYS, SAME_DAYS + 1)}


def _billed(issued: date) -> tuple[int, int] | None:
    """The first and last day of the month that an invoice bills at its end, or in the first days of the next; None within it."""
    if issued.day <= BILLED_DAYS:
        last = issued.replace(day=1) - timedelta(days=1)
        return last.replace(day=1).toordinal(), last.toordinal()
    is_end = (issued + timedelta(days=_END_DAYS)).month != issued.month
    return (issued.replace(day=1).toordinal(), issued.toordinal()) if is_end else None


def _is_paid_by(paid_on: date | None, issued: date) -> bool:
    """Tell whether nobody says that it was paid on quite another day than the month's end."""
    return paid_on is None or -OFF_DAYS - BILLED_DAYS <= (paid_on - issued).days <= OFF_DAYS + BILLED_DAYS


def _month_of(lines: list[BookedTransaction], cents: int, first: int, last: int) -> list[BookedTransaction]:
    """Those of some purchases, in their order, that add up: the month's, or, as days may not be exact, the only run that does."""
    month = [booked for booked in lines if first <= booked.emitted_day <= last + 1]
    if sum(booked.free for booked in month) == cents and (len(month) > _FEWEST or _is_unlikely(1, cents, month)):
        return month if len(month) >= _FEWEST else []
    sums = [0, *accumulate(booked.free for booked in lines)]
    ends = combinations(range(len(sums)), 2)
    found = [lines[start:end] for start, end in ends if end - start >= _FEWEST and sums[end] - sums[start] == cents]
    if len(found) != 1 or not _is_unlikely(comb(len(sums), 2), cents, found[0]):
        return []
    # of two equal purchases, one in the run and one beside it, either may be meant
    beside = {booked.free for booked in lines if booked not in found[0]}
    return [] if any(booked.free in beside for booked in found[0]) else found[0]


def _is_unlikely(tried: int, cents: int, lines: list[BookedTransaction]) -> bool:
    return is_no_chance(tried, cents, [booked.free for booked in lines])


def _issued(receipt: OpenReceipt) -> int:
    """The first day that the receipt tells."""
    facts = receipt.facts
    day = facts.issued_on or facts.due_on or facts.paid_on
    return day.toordinal() if day else 0


class _Days(Generic[Dated]):
    """Rows in the order of their days."""

    def __init__(self, entries: list[tuple[int, int, Dated]]) -> None:
        """`entries`: day, place and row."""
        entries.sort()
        self.days = [day for day, _, _ in entries]
        self.rows: list[Dated] = [row for _, _, row in entries]


def _between(known: Mapping[str, _Days[Dated]], party: str, first_day: int, last_day: int) -> list[Dated]:
    """A party's rows of some days, both included; none where they are so many that some always add up."""
    if party not in known:
        return []
    found = known[party]
    start, end = bisect_left(found.days, first_day), bisect_right(found.days, last_day)
    return found.rows[start:end] if end - start <= _MOST_ROWS else []


def _subsets(count: int, fewest: int = _FEWEST) -> int:
    """How many sums of so many amounts are tried."""
    return sum(comb(count, size) for size in range(fewest, _MOST_IN_SUM + 1))


def is_no_chance(tried: int, whole: int, parts: list[int]) -> bool:
    """Tell whether it is unlikely that one of so many sums met the amount by chance: round ones meet far more often."""
    step = max(step for step in (1, 10, 100, 1000, 10_000) if gcd(*parts) % step == 0)
    return tried * step <= _MOST_ODDS * whole


def _only_sum(items: list[tuple[int, int]], cents: int, fewest: int = _FEWEST) -> tuple[int, ...]:
    """The only two to six items (or one, if that is the fewest) that add up; () where one alone would be enough, or many do."""
    if len(items) > _MOST_OPEN or (fewest > 1 and any(size == cents for _, size in items)):
        return ()
    return _only_subset(items, cents, fewest)


def _only_subset(items: list[tuple[int, int]], cents: int, fewest: int = _FEWEST) -> tuple[int, ...]:
    """The places, sorted, of the only items (place, size) of which `fewest` to six add up; () where none or several do."""
    items = sorted(items, key=lambda item: (-item[1], item[0]))
    sizes = [size for _, size in items]
    rests = [*reversed([*accumulate(reversed(sizes))]), 0]
    found = [*islice(_sums(sizes, rests, cents, fewest), 2)]
    return tuple(sorted(items[n][0] for n in found[0])) if len(found) == 1 else ()


def _sums(
    sizes: list[int], rests: list[int], missing: int, fewest: int, part: tuple[int, ...] = ()
) -> Iterator[tuple[int, ...]]:  # fmt: skip
    """Yield every choice of the falling sizes that adds what is missing to a part. `rests`: each with all behind it."""
    for n in range(part[-1] + 1 if part else 0, len(sizes)):
        if rests[n] < missing:
            return
        if sizes[n] == missing and len(part) + 1 >= fewest:
            yield (*part, n)
        elif sizes[n] < missing and len(part) < _MOST_IN_SUM - 1:
            yield from _sums(sizes, rests, missing - sizes[n], fewest, (*part, n))
