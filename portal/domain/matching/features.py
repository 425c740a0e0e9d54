"""What each pair of receipt and transaction has to say, in columns: every sign read once, without judging it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from enum import IntEnum, auto
from functools import cached_property
from itertools import islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from portal.domain.matching.blocking import DISCOUNTS, MOST_CENTS, VAT_RATES, BookedTransaction, Index, OpenReceipt
from portal.domain.matching.groups import Groups, find_groups, find_twins
from portal.domain.names import CLEARLY_SAME, SIMILAR, is_in_text, is_long, is_processor
from portal.domain.periods import agree
from portal.domain.references import Found, Near

SAME_PARTY = 0.6
"""From this similarity on two names may be one party."""
NO_DAY = 10**7
"""In place of a number of days where one of the two dates is not known."""
UNKNOWN, NO, YES = -1, 0, 1
_CARD_DAYS, _BOOKING_DAYS = (-1, 3), 2
"""From the receipt to the purchase; so much later it may be booked, where the bank does not tell the day of the purchase."""
MOST_OFF_CENTS, MOST_OFF_SHARE = 1500, 10
"""What a bank keeps as its fee, what is rounded or mistyped: at most so much, and at most one part in so many."""
CONVERTIBLE, RATES = frozenset({"USD", "CHF", "GBP"}), (0.7, 1.4)
"""Currencies of which one unit has for long cost between these in euros."""
_LONG_NUMBER = 6

Column = npt.NDArray[Any]


class Amount(IntEnum):
    """How the amounts relate; the first four are equal to the cent."""

    EQUAL = auto()
    LOCAL = auto()
    REST = auto()
    SUM = auto()
    DISCOUNT = auto()
    NET = auto()
    DIFFERS = auto()
    CURRENCY = auto()
    MISSING = auto()


class Number(IntEnum):
    """What the remittance information says about the invoice number."""

    FOUND = auto()
    SHORT = auto()
    """A whole token, but too short or too much like a date to name an invoice alone."""
    HINTED = auto()
    """Part of something longer."""
    MISTYPED = auto()
    ABSENT = auto()
    UNKNOWN = auto()


_NUMBERS = np.array([int(Number.HINTED), int(Number.SHORT), int(Number.FOUND)])
"""By `Strength`."""


class Pairs:
    """All compared pairs of one client in columns of one length, sorted by receipt and transaction.

    `receipt`, `line`: places in the index. `amount`: Amount. `allocate`: cents of the transaction it would take; `percent`: of
    discount or VAT; `is_near`: it differs by no more than a fee. `number`: Number. `name`: similarity 0–1, NaN where a name is
    missing; `is_alias`: the two names are one party's though they are not alike (`kinship`); `is_in_text`: the name stands in the
    remittance information. `iban`: YES, NO or UNKNOWN; `month`: whether both texts name the same month, likewise.
    `is_shop`: a card was used at a shop of this name, on the receipt's day or up to three days later; five, if only
    the day of the booking is told.
    `from_issue`, `from_due`, `from_payment`: signed days or NO_DAY; `nearest`: distance to the day on which it was marked as
    paid, else to the nearer of the other two. `other_receipt`: place of another receipt that the text names, -1 if none.
    `is_other_number`: it names an invoice we do not have. `is_slip`: what is mistyped has all signs of the number, or its
    beginning at the text's end. `is_collective`, `is_bundle`: part of a set (`Comparison.set_of`).
    """

    receipt: Column
    line: Column
    amount: Column
    allocate: Column
    percent: Column
    is_near: Column
    is_used: Column
    number: Column
    name: Column
    is_alias: Column
    is_in_text: Column
    iban: Column
    month: Column
    is_shop: Column
    from_issue: Column
    from_due: Column
    from_payment: Column
    nearest: Column
    is_linked: Column
    is_declined: Column
    other_receipt: Column
    is_other_number: Column
    is_slip: Column
    is_collective: Column
    is_bundle: Column

    def __init__(self, receipt: Column, line: Column) -> None:
        """Begin with the places alone."""
        self.receipt, self.line = receipt, line

    def __len__(self) -> int:
        return len(self.receipt)

    def moved(self, kept: Column, without: Column) -> Pairs:
        """The pairs of receipts that are still there and not in the mask `without`, at their new places.

        `kept`: by new place the old one.
        """
        new_place = np.full(
            int(max(self.receipt.max(initial=-1), self.other_receipt.max(initial=-1), kept.max(initial=-1))) + 2, -1
        )
        new_place[kept[~without]] = np.flatnonzero(~without)
        rest = Pairs(self.receipt, self.line)
        for name, column in vars(self).items():
            setattr(rest, name, column)
        rest.receipt = new_place[self.receipt]
        new_place[kept] = np.arange(len(kept))
        rest.other_receipt = np.where(self.other_receipt >= 0, new_place[self.other_receipt], -1)
        rest.keep(rest.receipt >= 0)
        return rest

    def joined(self, others: Pairs, width: int) -> Pairs:
        """Both tables in the order of receipt and line (below `width`)."""
        order = np.argsort(np.concatenate((self.receipt * width + self.line, others.receipt * width + others.line)))
        both = Pairs(self.receipt, self.line)
        for name, column in vars(self).items():
            setattr(both, name, np.concatenate((column, getattr(others, name)))[order])
        return both

    def keep(self, mask: Column) -> None:
        """Drop the pairs outside of `mask` from every column."""
        for name, column in vars(self).items():
            setattr(self, name, column[mask])

    @property
    def is_exact(self) -> Column:
        """Whether the amounts are equal to the cent in one way or another."""
        return self.amount <= Amount.SUM

    @property
    def is_set(self) -> Column:
        """Whether the pair is part of a collective payment or of instalments."""
        return self.is_collective | self.is_bundle

    @property
    def has_iban(self) -> Column:
        """Whether both IBANs are known and equal."""
        found: Column = self.iban == YES
        return found

    def is_named(self, likeness: float) -> Column:
        """Whether the names are known and at least so similar."""
        return np.nan_to_num(self.name, nan=-1.0) >= likeness


class Comparison:
    """All compared pairs of one client, with the sets and twins among them."""

    def __init__(self, index: Index, declined: Collection[tuple[str, str]], before: Comparison | None = None) -> None:
        """Compare what blocking lets through. `before`: the comparison whose index this one is the rest of."""
        self.index = index
        self.twins = find_twins(index)
        self.copies = {
            place: other for place, (other, has_number) in self.twins.items() if has_number and other not in self.twins
        }
        """The copies filed beside the bank's own invoice, with that invoice; without a number they may be two purchases."""
        self.groups = groups = find_groups(index)
        self._collective = groups.collective
        self.sides = _Sides.of(index)
        self._width = max(1, len(index.transactions))
        fresh = None if before is None else self._fresh(before)
        self.pairs = Pairs(*index.pairs(_members(groups, fresh), fresh))
        self._compare(groups, declined)
        if before is not None and fresh is not None:
            self.pairs = before.pairs.moved(index.kept, fresh).joined(self.pairs, self._width)
        self.set_of: dict[int, tuple[int, ...]] = {}
        """Pair of a set → the other pairs of it; shorter than `set_size` where one was not compared."""
        self.set_size: dict[int, int] = {}
        self._find_sets(groups.collective, groups.bundles)
        self._linkers: defaultdict[int, list[int]] = defaultdict(list)
        for place, lines in enumerate(index.links):
            for line in lines:
                self._linkers[line].append(place)
        self.linkers_of_line = np.array([len(self._linkers.get(line, ())) for line in range(self._width)])
        """By place of the transaction: how many receipts the bank linked to it."""

    def _fresh(self, before: Comparison) -> Column | None:
        """Tell by place of the receipt whether its pairs may differ from those of `before`; None: everybody's may.

        What reaches from an assignment to another receipt: a transaction that both were compared with or that names or is
        linked to either, an equal amount, a set that was or became possible.
        """
        gone = self.index.gone
        if gone is None:
            return None
        is_touched = np.zeros(self._width, np.bool_)
        is_touched[[*gone.lines]] = True
        found = np.zeros(len(before.index.receipts), np.bool_)
        found[before.pairs.receipt[is_touched[before.pairs.line]]] = True
        fresh: Column = found[self.index.kept]
        fresh |= np.isin(self.sides.cents, [*gone.cents])
        fresh[[place for line in gone.lines for place in self.index.named.get(line, ())]] = True
        ids = [receipt.facts.id for receipt in self.index.receipts]
        place_of = {known: place for place, known in enumerate(ids)}
        changed = before.groups_by_id ^ self.groups_by_id
        fresh[[place_of[known] for _, known, _ in changed if known in place_of]] = True
        return fresh

    @cached_property
    def groups_by_id(self) -> set[tuple[bool, str, tuple[int, ...]]]:
        """The sets as they compare between rounds: whether collective, a receipt's id, and the transactions or the set's key."""
        receipts, groups = self.index.receipts, self.groups
        found = {
            (True, receipts[place].facts.id, (line, len(places)))
            for line, places in groups.collective.items()
            for place in places
        }
        return found | {(False, receipts[place].facts.id, lines) for place, lines in groups.bundles.items()}

    def _compare(self, groups: Groups, declined: Collection[tuple[str, str]]) -> None:
        pairs, index = self.pairs, self.index
        self._compare_amounts()
        self._note_sets(groups.collective, groups.bundles)
        self._mark("is_linked", [(n, line) for n, lines in enumerate(index.links) for line in lines])
        self._compare_names()
        self._compare_ibans()
        self._compare_months()
        self._note_numbers()
        pairs.keep(self._is_worth_showing())
        self._mark("is_declined", self._places_of(declined))
        self._measure_days()
        self._read_other_numbers()

    def at(self, places: Sequence[tuple[int, int]] | Column) -> tuple[Column, Column]:
        """Find pairs by (receipt, transaction): which of the asked ones are compared, and at which index."""
        asked = np.asarray(places, dtype=np.int64).reshape(-1, 2)
        keys, wanted = self.pairs.receipt * self._width + self.pairs.line, asked[:, 0] * self._width + asked[:, 1]
        found = np.searchsorted(keys, wanted)
        is_there = found < len(keys)
        is_there[is_there] = keys[found[is_there]] == wanted[is_there]
        return is_there, found[is_there]

    def pairs_of(self, place: int) -> range:
        """Return the pairs of a receipt."""
        return range(*np.searchsorted(self.pairs.receipt, [place, place + 1]).tolist())

    def pairs_on(self, line: int) -> list[int]:
        """Return the pairs of a transaction."""
        return self._by_line.get(line, [])

    @cached_property
    def _by_line(self) -> dict[int, list[int]]:
        found: defaultdict[int, list[int]] = defaultdict(list)
        for n, line in enumerate(self.pairs.line.tolist()):
            found[line].append(n)
        return found

    def other_linkers(self, n: int) -> list[int]:
        """Return the places of the receipts outside of a pair and its set that the bank linked to its transaction, sorted."""
        pairs = self.pairs
        linkers = self._linkers.get(int(pairs.line[n]))
        if not linkers:
            return []
        others = self.set_of.get(n, ()) if pairs.is_collective[n] else ()
        own = {int(pairs.receipt[part]) for part in (n, *others)}
        return [place for place in linkers if place not in own]

    def are_apart(self, one: OpenReceipt | BookedTransaction, other: OpenReceipt | BookedTransaction) -> bool:
        """Tell whether two of one side are of two parties: other names and other accounts, all four known."""
        if not one.iban or not other.iban or one.iban == other.iban or not one.name or not other.name:
            return False
        return self.index.likeness_of(one.spelling, other.spelling) < CLEARLY_SAME

    def is_same_party(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        """Tell whether the two may be of one party: nothing known counts as that."""
        if receipt.iban and receipt.iban == booked.iban:
            return True
        likeness = self.index.likeness(receipt, booked)
        return likeness is None or likeness >= SAME_PARTY or is_in_text(receipt.name, booked.words)

    def _mark(self, name: str, places: Sequence[tuple[int, int]]) -> None:
        column = np.zeros(len(self.pairs), np.bool_)
        if places:
            column[self.at(places)[1]] = True
        setattr(self.pairs, name, column)

    def _places_of(self, ids: Collection[tuple[str, str]]) -> list[tuple[int, int]]:
        if not ids:
            return []
        receipts, lines = {receipt.facts.id: receipt.place for receipt in self.index.receipts}, self.index.place_of
        return [(receipts[one], lines[other]) for one, other in ids if one in receipts and other in lines]

    def _compare_amounts(self) -> None:
        """Classify how a receipt's amount relates to a transaction, to the cent, and what of the transaction it would take."""
        pairs, sides = self.pairs, self.sides
        cents, currency = sides.cents[pairs.receipt], sides.currency[pairs.receipt]
        paid, free = sides.paid[pairs.line], sides.free[pairs.line]
        is_same = currency == sides.line_currency[pairs.line]
        is_local = ~is_same & (currency >= 0) & (currency == sides.local_currency[pairs.line]) & (sides.local[pairs.line] >= 0)
        related = [
            (kind, abs(percent), is_same & (abs(100 * paid - cents * (100 + percent)) < 100))
            for kind, percents in ((Amount.DISCOUNT, [-part for part in DISCOUNTS]), (Amount.NET, VAT_RATES))
            for percent in percents
        ]
        classes = [
            (Amount.MISSING, cents < 0),
            (Amount.LOCAL, is_local & (sides.local[pairs.line] == cents)),
            (Amount.DIFFERS, is_local),
            (Amount.CURRENCY, ~is_same),
            (Amount.EQUAL, paid == cents),
            (Amount.REST, free == cents),
            *((kind, mask) for kind, _, mask in related),
        ]
        pairs.amount = np.select([mask for _, mask in classes], [int(kind) for kind, _ in classes], int(Amount.DIFFERS))
        is_percent = (pairs.amount == Amount.DISCOUNT) | (pairs.amount == Amount.NET)
        pairs.percent = np.select([mask & is_percent for _, _, mask in related], [part for _, part, _ in related], 0)
        off = abs(paid - cents)
        pairs.is_near = (
            (pairs.amount == Amount.DIFFERS)
            & is_same
            & (off <= MOST_OFF_CENTS)
            & (off * MOST_OFF_SHARE <= cents)
            & (free == paid)
        )
        is_foreign = (cents < 0) | ~is_same
        most = np.where(is_foreign, free, np.where(is_percent | pairs.is_near, paid, cents))
        pairs.allocate = np.minimum(most, free)
        pairs.is_used = np.select(
            [pairs.amount == Amount.EQUAL, pairs.amount == Amount.LOCAL, pairs.amount == Amount.REST],
            [free < cents, free < paid, False],
            free == 0,
        ).astype(np.bool_)

    def _note_sets(self, collective: dict[int, tuple[int, ...]], bundles: dict[int, tuple[int, ...]]) -> None:
        pairs, index = self.pairs, self.index
        self._mark("is_collective", [(place, line) for line, places in collective.items() for place in places])
        self._mark("is_bundle", [(place, line) for place, lines in bundles.items() for line in lines])
        pairs.is_bundle &= ~pairs.is_collective
        pairs.amount[pairs.is_set] = Amount.SUM
        pairs.is_used[pairs.is_collective] = False
        pairs.allocate[pairs.is_bundle] = self.sides.free[pairs.line[pairs.is_bundle]]
        for n in np.flatnonzero(pairs.is_collective).tolist():
            receipt, booked = index.receipts[pairs.receipt[n]], index.transactions[pairs.line[n]]
            cents = receipt.cents or 0
            pairs.allocate[n] = cents if receipt.side == booked.facts.side else -cents

    def _find_sets(self, collective: dict[int, tuple[int, ...]], bundles: dict[int, tuple[int, ...]]) -> None:
        sets = [[(place, line) for place in places] for line, places in collective.items()]
        sets += [[(place, line) for line in lines] for place, lines in bundles.items()]
        is_there, at = self.at([pair for places in sets for pair in places])
        indices = np.full(len(is_there), -1)
        indices[is_there] = at
        rest = iter(indices.tolist())
        for places in sets:
            found = [n for n in islice(rest, len(places)) if n >= 0]
            for n in found:
                self.set_of[n] = tuple(other for other in found if other != n)
                self.set_size[n] = len(places)

    def _compare_names(self) -> None:
        pairs, index = self.pairs, self.index
        spellings = index.spellings
        combined = self.sides.name[pairs.receipt] * max(1, len(spellings)) + self.sides.line_name[pairs.line]
        unique, inverse = np.unique(combined, return_inverse=True)
        couples = [divmod(key, len(spellings)) for key in unique.tolist()]
        is_blank, alike = [not name for name in spellings], index.likeness_of
        likeness = np.array(
            [np.nan if is_blank[ours] or is_blank[theirs] else alike(ours, theirs) for ours, theirs in couples], dtype=float
        )
        is_alias = _flags(couple in index.acquainted for couple in couples)
        pairs.name, pairs.is_alias = likeness[inverse], is_alias[inverse]
        pairs.is_in_text = np.zeros(len(pairs), np.bool_)
        to_look_up = np.flatnonzero(
            ~pairs.is_named(SAME_PARTY) & self.sides.has_text[pairs.line] & self.sides.has_long_name[pairs.receipt]
        )
        places = zip(to_look_up.tolist(), pairs.receipt[to_look_up].tolist(), pairs.line[to_look_up].tolist(), strict=True)
        hits = [n for n, r, t in places if is_in_text(index.receipts[r].name, index.transactions[t].words)]
        pairs.is_in_text[hits] = True

    def _compare_ibans(self) -> None:
        pairs, sides = self.pairs, self.sides
        ours, theirs = sides.iban[pairs.receipt], sides.line_iban[pairs.line]
        # a payment through another goes to the other's account
        is_known = (ours >= 0) & (theirs >= 0) & ~pairs.is_in_text
        pairs.iban = np.where(is_known, ours == theirs, UNKNOWN)

    def _note_numbers(self) -> None:
        pairs, sides, index = self.pairs, self.sides, self.index
        is_known = sides.has_number[pairs.receipt] & sides.has_text[pairs.line]
        pairs.number = np.where(is_known, int(Number.ABSENT), int(Number.UNKNOWN))
        if len(index.naming_pairs):
            is_there, at = self.at(index.naming_pairs[:, :2])
            pairs.number[at] = _NUMBERS[index.naming_pairs[is_there, 2]]
        only = sides.only_named[pairs.line]
        is_plain = (only >= 0) & (pairs.number > Number.HINTED) & ~pairs.is_collective
        pairs.other_receipt = np.where(is_plain, only, -1)
        is_contested = sides.is_naming[pairs.line] & ~is_plain & (only != pairs.receipt)
        contested = np.flatnonzero(is_contested)
        elsewhere: dict[tuple[int, tuple[tuple[int, int], ...]], list[int]] = {}
        for n, receipt, line, is_part in zip(
            contested.tolist(), pairs.receipt[contested].tolist(), pairs.line[contested].tolist(),
            pairs.is_collective[contested].tolist(), strict=True,
        ):  # fmt: skip
            ours = self._collective[line] if is_part else (receipt,)
            named = index.named[line]
            own = tuple(sorted({(hit.start, hit.end) for place in ours for hit in named.get(place, ())}))
            if (line, own) not in elsewhere:
                elsewhere[line, own] = self._named_elsewhere(line, own)
            pairs.other_receipt[n] = next((place for place in elsewhere[line, own] if place not in ours), -1)

    def _named_elsewhere(self, line: int, own: tuple[tuple[int, int], ...]) -> list[int]:
        """Find the open receipts that the text names in another place than these, sorted."""
        return [
            place
            for place, hits in sorted(self.index.named_whole[line].items())
            if not all(any(hit.start < end and start < hit.end for start, end in own) for hit in hits)
        ]

    def _read_other_numbers(self) -> None:
        """Typing errors, and numbers of invoices we do not have: looked for only where the amount or the bank's link fits."""
        pairs, index = self.pairs, self.index
        pairs.is_other_number, pairs.is_slip = np.zeros(len(pairs), np.bool_), np.zeros(len(pairs), np.bool_)
        is_open = (pairs.number != Number.FOUND) & (pairs.number != Number.UNKNOWN) & (pairs.is_exact | pairs.is_linked)
        asked = np.flatnonzero(is_open & ~pairs.is_used & self.sides.has_digits[pairs.line])
        receipts, lines, memo = index.receipts, index.transactions, index.memo
        places = (pairs.receipt[asked].tolist(), pairs.line[asked].tolist(), pairs.is_collective[asked].tolist())
        for n, place, line, is_part in zip(asked.tolist(), *places, strict=True):
            receipt, own = receipts[place], self._own_hits(place, line, is_part=is_part)
            key = (receipt.facts.id, line, own)
            if key not in memo:
                text, number = lines[line].text, receipt.reference
                near = None if own or number is None else text.near_number(number)
                memo[key] = near or (number and text.other_number(number, own))
            found = memo[key]
            if isinstance(found, Near):
                pairs.number[n], pairs.is_slip[n] = Number.MISTYPED, found is not Near.MISTYPED
            elif found:
                pairs.is_other_number[n] = True

    def _own_hits(self, place: int, line: int, *, is_part: bool) -> tuple[Found, ...]:
        """Where the text holds the receipt's number, or that of another part of the set."""
        named = self.index.named.get(line)
        if not named:
            return ()
        places = self._collective[line] if is_part else (place,)
        return tuple([hit for one in places for hit in named.get(one, ())])

    def _compare_months(self) -> None:
        pairs, receipts, lines = self.pairs, self.index.receipts, self.index.transactions
        pairs.month = np.full(len(pairs), UNKNOWN)
        has_month = _flags(bool(receipt.months) for receipt in receipts)
        asked = np.flatnonzero(has_month[pairs.receipt] & self.sides.has_text[pairs.line])
        for n, place, line in zip(asked.tolist(), pairs.receipt[asked].tolist(), pairs.line[asked].tolist(), strict=True):
            is_same = agree(receipts[place].months, lines[line].months)
            if is_same is not None:
                pairs.month[n] = YES if is_same else NO

    def other_number(self, n: int) -> str:
        """Return the other invoice's number that was found in the transaction's text where `is_other_number`."""
        pairs = self.pairs
        place, line = int(pairs.receipt[n]), int(pairs.line[n])
        own = self._own_hits(place, line, is_part=bool(pairs.is_collective[n]))
        return str(self.index.memo[self.index.receipts[place].facts.id, line, own])

    def _measure_days(self) -> None:
        pairs, sides = self.pairs, self.sides
        booked, emitted = sides.day[pairs.line], sides.emitted[pairs.line]
        for name, known in (("from_issue", sides.issued), ("from_due", sides.due), ("from_payment", sides.paid_on)):
            day = known[pairs.receipt]
            # a card is charged days after the purchase: the day that is nearer to the receipt counts
            days = np.where(abs(booked - day) < abs(emitted - day), booked - day, emitted - day)
            days = np.where(day == NO_DAY, NO_DAY, days)
            setattr(pairs, name, days)
        day, (first, until) = sides.emitted[pairs.line], _CARD_DAYS
        last = until + np.where(sides.is_day_known[pairs.line], 0, _BOOKING_DAYS)
        is_on_day = np.zeros(len(pairs), np.bool_)
        for known in (sides.issued[pairs.receipt], sides.paid_on[pairs.receipt]):
            is_on_day |= (known != NO_DAY) & (first <= day - known) & (day - known <= last)
        pairs.is_shop = sides.is_card[pairs.line] & pairs.is_named(SIMILAR) & is_on_day
        pairs.nearest = np.minimum(1000, np.minimum(abs(pairs.from_issue), abs(pairs.from_due)))
        pairs.nearest = np.where(pairs.from_payment == NO_DAY, pairs.nearest, abs(pairs.from_payment))

    def _is_worth_showing(self) -> Column:
        """Tell whether a pair is more than noise: an amount that is not equal needs a number, bank link, IBAN or similar name."""
        pairs, sides = self.pairs, self.sides
        has_party = pairs.has_iban | pairs.is_in_text | pairs.is_named(SAME_PARTY)
        cents, paid = np.maximum(0, sides.cents[pairs.receipt]), sides.paid[pairs.line]
        is_near = (4 * paid >= cents) & (4 * paid <= 5 * cents)
        # what a party paid together with other invoices
        is_near |= (paid > cents) & ~pairs.is_used & (pairs.has_iban | pairs.is_named(CLEARLY_SAME))
        is_bare = (pairs.amount == Amount.CURRENCY) & (cents == paid) & (sides.currency[pairs.receipt] < 0)
        is_fit = np.where(pairs.amount == Amount.DIFFERS, has_party & is_near, has_party | is_bare)
        keep: Column = pairs.is_exact | pairs.is_linked | (pairs.number <= Number.HINTED) | is_fit
        return keep


def _members(groups: Groups, fresh: Column | None) -> list[tuple[int, int]]:
    """The pairs of all sets, or of those receipts of them that are compared anew."""
    found = [(place, line) for line, places in groups.collective.items() for place in places]
    found += [(place, line) for place, lines in groups.bundles.items() for line in lines]
    return found if fresh is None else [(place, line) for place, line in found if fresh[place]]


_OF_RECEIPTS = (
    "cents", "currency", "side", "is_expense", "is_from_bank", "has_number", "has_long_number", "has_long_name", "has_date",
    "is_convertible", "issued", "due", "paid_on", "iban", "name",
)  # fmt: skip


class _Sides:
    """What receipts and transactions say each for itself, in columns by place. Amounts -1, dates NO_DAY: not known."""

    @classmethod
    def of(cls, index: Index) -> Self:
        """Read the columns, or take those that were read before some receipts were decided."""
        sides: Self | None = index.memo.get("sides")
        if sides is None:
            index.memo["sides"] = sides = cls(index)
        else:
            for name in _OF_RECEIPTS:
                setattr(sides, name, getattr(sides, name)[index.kept])
        sides.read_what_changes(index)
        return sides

    def read_what_changes(self, index: Index) -> None:
        """Read what decided receipts leave different for the others.

        `only_named`: by transaction the only receipt that its text names.
        """
        self.links = _numbers(len(found) for found in index.links)
        self.free = _numbers(b.free for b in index.transactions)
        self.is_naming = np.zeros(len(index.transactions), np.bool_)
        self.is_naming[list(index.named_whole)] = True
        self.only_named = np.full(len(index.transactions), -1)
        only = [(line, next(iter(named))) for line, named in index.named_whole.items() if len(named) == 1]
        if only:
            places, receipts = np.array(only).T
            self.only_named[places] = receipts

    def __init__(self, index: Index) -> None:
        receipts, lines = index.receipts, index.transactions
        codes: dict[str, int] = {}
        self.cents = _numbers(-1 if r.cents is None else r.cents for r in receipts)
        self.currency = _numbers(codes.setdefault(r.currency, len(codes)) if r.currency else -1 for r in receipts)
        self.side = _numbers(-1 if r.side is None else int(r.side == "credit") for r in receipts)
        self.is_expense = _flags(r.facts.direction == "expense" for r in receipts)
        self.is_from_bank = _flags(r.facts.is_from_bank for r in receipts)
        self.has_number = _flags(r.reference is not None for r in receipts)
        self.has_long_number = _flags(
            r.reference is not None and sum(map(str.isdigit, r.reference.squashed)) >= _LONG_NUMBER for r in receipts
        )
        self.is_convertible = _flags(r.currency in CONVERTIBLE for r in receipts)
        self.is_euro = _flags(b.currency == "EUR" for b in lines)
        self.has_long_name = _flags(is_long(r.name) for r in receipts)
        self.has_date = _flags(r.has_date for r in receipts)
        self.issued, self.due = _days(r.facts.issued_on for r in receipts), _days(r.facts.due_on for r in receipts)
        self.paid_on = _days(r.facts.paid_on for r in receipts)
        self.paid = _numbers(b.facts.amount_cents for b in lines)
        self.line_currency = _numbers(codes.setdefault(b.currency, len(codes)) for b in lines)
        self.local_currency = _numbers(codes.setdefault(b.local_currency, len(codes)) if b.local_currency else -2 for b in lines)
        self.local = _numbers(
            -1 if b.facts.local_amount_cents is None else min(abs(b.facts.local_amount_cents), MOST_CENTS) for b in lines
        )
        self.line_side = _numbers(int(b.facts.side == "credit") for b in lines)
        self.day, self.emitted = _numbers(b.day for b in lines), _numbers(b.emitted_day for b in lines)
        self.is_card = _flags(b.is_card for b in lines)
        self.is_day_known = _flags(b.facts.emitted_on is not None or b.emitted_day != b.day for b in lines)
        self.has_text = _flags(bool(b.text.atoms) for b in lines)
        self.has_digits = _flags(b.text.has_digits for b in lines)
        self.is_processor = _flags(is_processor(b.facts.counterparty) for b in lines)
        ibans: dict[str, int] = {}
        self.iban = _numbers(ibans.setdefault(r.iban, len(ibans)) if r.iban else -1 for r in receipts)
        self.line_iban = _numbers(ibans.setdefault(b.iban, len(ibans)) if b.iban else -1 for b in lines)
        self.name = _numbers(r.spelling for r in receipts)
        self.line_name = _numbers(b.spelling for b in lines)


def _numbers(values: Iterable[int]) -> Column:
    return np.fromiter(values, dtype=np.int64)


def _days(values: Iterable[date | None]) -> Column:
    return _numbers(NO_DAY if day is None else day.toordinal() for day in values)


def _flags(values: Iterable[bool]) -> Column:
    return np.fromiter(values, dtype=np.bool_)
