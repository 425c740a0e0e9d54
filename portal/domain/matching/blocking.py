"""Which receipts and transactions are compared at all: by amount, number in the text, bank link, IBAN and rare name word.

Each way is capped by nearness in time, so that one dense client (ten thousand equal tickets) grows with n and not with n².
Everything inside works on records sorted by id: the order of the input cannot matter.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence
from copy import copy
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from portal.domain.matching.facts import ReceiptFacts, Side, TransactionFacts
from portal.domain.names import CLEARLY_SAME, Name, fold, loosen, parse_name, parse_shop, similarity
from portal.domain.periods import Month, months
from portal.domain.references import INVOICE_WORDS, Found, RemittanceText, parse_reference

DAYS_BEFORE, DAYS_AFTER = 45, 135
"""A transaction is compared from 45 days before a receipt's first date to 135 days after its last (98.6 % of true pairs)."""
MOST_BY_AMOUNT = MOST_BY_NUMBER = 24
MOST_BY_NAME = 8
MOST_CENTS = 10**14
"""Above a trillion of any currency a figure was misread; below it, a hundred times it fits into 64 bits."""
DISCOUNTS = (2, 3)
"""Skonto as German invoices grant it, percent."""
VAT_RATES = (19, 7)
_RELATED = (*(100 - discount for discount in DISCOUNTS), *(100 + rate for rate in VAT_RATES))
_SHORTEST_WORD = 4
_USUAL_LAG = 7
_FOREVER = (0, 4_000_000)
_SPAN = 1 << 22
"""More days than the calendar has (`date.max` is day 3,652,059): key and day share one integer."""

_PURSE = 1 << 47
"""More cents than are compared: a side with its currency and an amount share one integer."""

AmountKey = tuple[Side, str, int]
PartyKey = tuple[str, str]
"""("iban" or "word", what it is)."""
Places = npt.NDArray[np.int64]

_PURCHASED = re.compile(r"\b(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}")
"""As German banks write when a card was used."""
_LONGEST_BOOKING = timedelta(days=7)
_MANDATE = re.compile(r"lastschrift|\b(?:mandat|mref|cred|gl(?:ä|ae)ubiger)", re.IGNORECASE)
_CARD = re.compile(r"\b(?:karten?|kartenzahlung|girocard|debitk\w*|kreditk\w*|visa|mastercard|card)\b", re.IGNORECASE)


class OpenReceipt:
    """A receipt with everything derived once. `place`: its rank by id; `side`: of the transaction that would pay it."""

    __slots__ = (
        "centre", "cents", "currency", "facts", "first_day", "iban", "last_day", "months", "name", "place", "reference", "side",
        "spelling",
    )  # fmt: skip

    def __init__(self, place: int, facts: ReceiptFacts) -> None:
        """Derive the comparable form of `facts`."""
        self.place = place
        self.facts = facts
        cents = None if facts.amount_cents is None else abs(facts.amount_cents)
        self.cents = cents if cents is None or cents <= MOST_CENTS else None
        self.currency = facts.currency.strip().upper() if facts.currency else None
        self.name = parse_name(facts.counterparty)
        self.spelling = 0
        self.reference = parse_reference(facts.number)
        self.iban = compact_iban(facts.iban)
        self.side = paying_side(facts)
        self.months = months(facts.text)
        days = [day.toordinal() for day in (facts.issued_on, facts.due_on, facts.paid_on) if day is not None]
        self.first_day, self.last_day = (min(days) - DAYS_BEFORE, max(days) + DAYS_AFTER) if days else _FOREVER
        if facts.paid_on is not None:
            self.centre = facts.paid_on.toordinal()
        else:
            self.centre = days[0] + _USUAL_LAG if days else 0

    @property
    def has_date(self) -> bool:
        """Tell whether any of its three dates is known."""
        return (self.first_day, self.last_day) != _FOREVER


class BookedTransaction:
    """A transaction with everything derived once. `place`: its rank by id."""

    __slots__ = (
        "_months", "_words", "currency", "day", "emitted_day", "facts", "free", "iban", "is_card", "is_pulled", "local_currency",
        "name", "place", "spelling", "text",
    )  # fmt: skip

    def __init__(self, place: int, facts: TransactionFacts) -> None:
        """Derive the comparable form of `facts`."""
        self.place = place
        self.facts = facts
        self.is_card = is_card(facts)
        self.is_pulled = is_pulled(facts)
        self.free = min(max(0, facts.open_cents), MOST_CENTS)
        self.currency = facts.currency.strip().upper()
        self.local_currency = facts.local_currency.strip().upper() if facts.local_currency else None
        self.name = parse_shop(facts.counterparty) if self.is_card else parse_name(facts.counterparty)
        self.spelling = 0
        self.text = RemittanceText(facts.remittance)
        self.iban = compact_iban(facts.iban)
        self.day = facts.booked_on.toordinal()
        self.emitted_day = (facts.emitted_on or (self.is_card and purchased_on(facts)) or facts.booked_on).toordinal()
        self._words: frozenset[str] | None = None
        self._months: frozenset[Month] | None = None

    @property
    def months(self) -> frozenset[Month]:
        """The months that the remittance information names."""
        if self._months is None:
            self._months = months(self.facts.remittance)
        return self._months

    @property
    def words(self) -> frozenset[str]:
        """The words of the remittance information, folded and loosened like those of a name."""
        if self._words is None:
            self._words = frozenset(map(loosen, fold(self.facts.remittance).split()))
        return self._words


class Calendar:
    """Places sorted by key and day; answers many ranges of days at once."""

    def __init__(self, keys: Places, days: Places, places: Places) -> None:
        """Sort entries of three columns, each once."""
        at = keys * _SPAN + days
        order = np.lexsort((places, at))
        at, places = at[order], places[order]
        if len(at):
            is_first = np.concatenate(([True], (np.diff(at) != 0) | (np.diff(places) != 0)))
            at, places = at[is_first], places[is_first]
        self._at: Places = at
        self._days: Places = at % _SPAN
        self.places: Places = places

    @cached_property
    def _lists(self) -> tuple[list[int], list[int]]:
        return self._at.tolist(), self.places.tolist()

    def between(self, key: int, first_day: int, last_day: int) -> list[int]:
        """Return the places of one key in the days, both included."""
        at, places = self._lists
        return places[bisect_left(at, key * _SPAN + max(0, first_day)) : bisect_right(at, key * _SPAN + max(0, last_day))]

    def count(self, key: int, first_day: int, last_day: int) -> int:
        """Count what lies in the days, both included."""
        at, _ = self._lists
        return bisect_right(at, key * _SPAN + max(0, last_day)) - bisect_left(at, key * _SPAN + max(0, first_day))

    def nearest(self, asked: Places, windows: npt.NDArray[np.int64]) -> tuple[Places, Places]:
        """Answer questions, three columns of (key, receipt, most): the receipts and, beside each, a place.

        `windows`: for each receipt the first and last day and the centre; of more than `most`, those nearest to it are kept.
        """
        if not asked.size:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys, receipts, most = asked
        first, last, centre = windows[receipts].T
        low = np.searchsorted(self._at, keys * _SPAN + first, "left")
        high = np.searchsorted(self._at, keys * _SPAN + last, "right")
        for limit in np.unique(most):
            full = np.flatnonzero((high - low > limit) & (most == limit))
            if len(full):
                at = np.searchsorted(self._at, keys[full] * _SPAN + centre[full], "left")
                low[full] = self._window(low[full], high[full], np.clip(at, low[full], high[full]), centre[full], int(limit))
                high[full] = low[full] + limit
        counts = high - low
        return np.repeat(receipts, counts), self.places[spread(low, counts)]

    def _window(self, low: Places, high: Places, at: Places, centre: Places, most: int) -> Places:
        """Where the `most` entries begin that are nearest to the centre; of two equally near the earlier one."""
        steps = np.arange(most)
        left, right = at[:, None] - 1 - steps, at[:, None] + steps
        last = len(self._days) - 1
        far = 2 * _SPAN
        lefts = np.where(left >= low[:, None], 2 * (centre[:, None] - self._days[np.clip(left, 0, last)]), far)
        rights = np.where(right < high[:, None], 2 * (self._days[np.clip(right, 0, last)] - centre[:, None]) + 1, far)
        order = np.argsort(np.concatenate((lefts, rights), axis=1), axis=1, kind="stable")[:, :most]
        begins: Places = at - (order < most).sum(axis=1)
        return begins


def spread(starts: Places, counts: Places) -> Places:
    """Return the indices start, start + 1, … of each run, one run after the other."""
    ends = np.cumsum(counts)
    indices: Places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return indices


class Gone(NamedTuple):
    """What decided receipts leave behind. `lines`: the places they used, were linked to or named in; `cents`: their amounts."""

    lines: set[int]
    cents: set[int]


class Index:
    """Both sides of one client, ready for look-ups. Errors: ValueError when an id occurs twice."""

    def __init__(
        self, receipts: Sequence[ReceiptFacts], transactions: Sequence[TransactionFacts],
        party_counts: Mapping[PartyKey, int] | None = None,
    ) -> None:  # fmt: skip
        """Sort by id, derive, and index. `party_counts`: None where the transactions are all there are."""
        self._told_counts = party_counts
        rows = [OpenReceipt(n, facts) for n, facts in enumerate(sorted(receipts, key=lambda facts: facts.id))]
        countable = sorted((facts for facts in transactions if 0 < facts.amount_cents <= MOST_CENTS), key=lambda facts: facts.id)
        lines = [BookedTransaction(n, facts) for n, facts in enumerate(countable)]
        if len({facts.id for facts in countable}) < len(lines) or len({facts.id for facts in receipts}) < len(rows):
            message = "a receipt's or transaction's id occurs twice"
            raise ValueError(message)
        self.transactions = lines
        self.place_of = {booked.facts.id: booked.place for booked in lines}
        self.currencies = sorted({booked.currency for booked in lines})
        self.memo: dict[Hashable, Any] = {}
        """What was found out about texts and names: it stays true when receipts leave."""
        spellings: dict[Name, int] = {}
        for receipt in rows:
            receipt.spelling = spellings.setdefault(receipt.name, len(spellings))
        for booked in lines:
            booked.spelling = spellings.setdefault(booked.name, len(spellings))
        self.spellings = list(spellings)
        """The names of both sides, each once; `spelling` is a place in it."""
        self._note_amounts()
        self.kept: Places = np.arange(len(rows))
        """The places that the receipts had before the others were decided."""
        self.gone: Gone | None = None
        crowded, keys = _by_key(rows)
        self._crowded = crowded
        self._windows = self._find_windows({*crowded, *keys})
        hits: dict[int, dict[OpenReceipt, list[Found]]] = {}
        self._find_numbers(keys, hits)
        self._fill(rows, hits)

    def without(self, decided: Container[str], used: Mapping[str, int]) -> Index:
        """Return the index of what is left once receipts (ids) have been decided and cents of transactions (by id) were used.

        This one is not to be used any more: its rows move on.
        """
        rest = copy(self)  # what it knows of the transactions alone, too
        gone = [receipt for receipt in self.receipts if receipt.facts.id in decided]
        rows = [receipt for receipt in self.receipts if receipt.facts.id not in decided]
        lines = {self.place_of[known] for known in used}.union(
            *(self.links[r.place] for r in gone), *(self._hit_by[r] for r in gone if r in self._hit_by)
        )
        rest.gone = Gone(lines, {receipt.cents for receipt in gone if receipt.cents})
        rest.kept = np.array([receipt.place for receipt in rows], dtype=np.int64)
        for place, receipt in enumerate(rows):
            receipt.place = place
        for known, cents in used.items():
            booked = self.transactions[self.place_of[known]]
            if booked.free != booked.facts.amount_cents or booked.free > cents:
                rest.gone = None  # a part of it can be found under other amounts than before
            booked.free = min(max(0, booked.free - cents), MOST_CENTS)
        hits = {}
        for line, found in self._hits.items():
            if left := {one: places for one, places in found.items() if one.facts.id not in decided}:
                hits[line] = left
        rest._crowded, keys = _by_key(rows)  # noqa: SLF001 -- its own class, here and below
        # what so many carried that it named none of them may name one now
        clear = {key: keys[key] for key in self._crowded - rest._crowded if key in keys}  # noqa: SLF001
        lines |= rest._find_numbers(clear, hits)  # noqa: SLF001
        rest._fill(rows, hits)  # noqa: SLF001
        return rest

    def _fill(self, receipts: list[OpenReceipt], hits: dict[int, dict[OpenReceipt, list[Found]]]) -> None:
        self.receipts, self._hits = receipts, hits
        self._hit_by: defaultdict[OpenReceipt, list[int]] = defaultdict(list)
        for line, found_in in hits.items():
            for receipt in found_in:
                self._hit_by[receipt].append(line)
        self.lines_by_amount = self._lines_by_amount()
        self.receipts_by_amount = self._receipts_by_amount()
        self.links = [self._links(receipt) for receipt in self.receipts]
        """For each receipt the known transactions the bank linked to it; an upload has none."""
        self.named: dict[int, dict[int, list[Found]]] = {}
        """For each transaction whose text holds any receipt's number: the receipts, with the places in the text."""
        self.named_whole: dict[int, dict[int, list[Found]]] = {}
        """The same, only where the number identifies the receipt."""
        self._naming: list[list[int]] = [[] for _ in self.receipts]
        naming_pairs: list[tuple[int, int, int]] = []
        for line, by_receipt in hits.items():
            named = {one.place: places for one, places in by_receipt.items()}
            if len(named) > 1 or any(len(found) > 1 for found in named.values()):
                _drop_shorter(self.transactions[line].text.written, named)
            self.named[line] = named
            wholes = {}
            for place, found in named.items():
                self._naming[place].append(line)
                strength = found[0].strength if len(found) == 1 else max(hit.strength for hit in found)
                naming_pairs.append((place, line, strength))
                if whole := [hit for hit in found if hit.is_whole]:
                    wholes[place] = whole
            if wholes:
                self.named_whole[line] = wholes
        self.naming_pairs = np.array(naming_pairs, dtype=np.int64).reshape(-1, 3)
        """The same as columns: receipt, transaction and the greatest strength."""

    def hinting(self, receipt: OpenReceipt) -> list[int]:
        """Return the transactions whose text holds a receipt's number in any way."""
        return self._naming[receipt.place]

    def naming(self, receipt: OpenReceipt) -> list[int]:
        """Return the transactions whose text identifies a receipt by its number."""
        return [n for n in self._naming[receipt.place] if receipt.place in self.named_whole.get(n, ())]

    def likeness(self, receipt: OpenReceipt, booked: BookedTransaction) -> float | None:
        """Compare the two names, each pair of spellings once; None when one is missing."""
        if not receipt.name or not booked.name:
            return None
        return self.likeness_of(receipt.spelling, booked.spelling)

    def take_for_one(self, couples: Iterable[tuple[int, int]]) -> None:
        """Count names (places in `spellings`, on receipts and at the bank) as clearly the same from now on."""
        width = len(self.spellings)
        for ours, theirs in couples:
            if self.likeness_of(ours, theirs) < CLEARLY_SAME:
                self._likeness[ours * width + theirs] = CLEARLY_SAME
                self.acquainted.add((ours, theirs))

    def likeness_of(self, ours: int, theirs: int) -> float:
        """Compare two spellings (places in `spellings`) that are not empty."""
        key = ours * len(self.spellings) + theirs
        found = self._likeness.get(key)
        if found is None:
            found = self._likeness[key] = similarity(self.spellings[ours], self.spellings[theirs])
        return found

    def pairs(self, more: Iterable[tuple[int, int]] = (), only: npt.NDArray[np.bool_] | None = None) -> tuple[Places, Places]:
        """Return the places of the receipts and transactions worth comparing, on the right side only, sorted.

        `more`: pairs that are compared in any case. `only`: by place, the receipts that are asked about; None: all.
        """
        asking = self.receipts if only is None else [self.receipts[place] for place in np.flatnonzero(only).tolist()]
        by_amount, by_party, named = self._questions(asking)
        windows = np.array([(r.first_day, r.last_day, r.centre) for r in self.receipts], dtype=np.int64).reshape(-1, 3)
        np.clip(windows, 0, _SPAN - 1, out=windows)
        found = [self.lines_by_amount.nearest(by_amount, windows)]
        if by_party:
            words, calendar = self._lines_by_party
            asked = [(words[key], place, MOST_BY_NAME) for place, keys in by_party for key in keys if key in words]
            receipts, lines = calendar.nearest(np.array(asked, dtype=np.int64).reshape(-1, 3).T, windows)
            sides = np.array([_SIDES[receipt.side] for receipt in self.receipts], dtype=np.int64)[receipts]
            is_fit = (sides < 0) | (sides == self._line_sides[lines])
            found.append((receipts[is_fit], lines[is_fit]))
        single = np.array([*named, *more], dtype=np.int64).reshape(-1, 2)
        found.append((single[:, 0], single[:, 1]))
        width = max(1, len(self.transactions))
        joined = np.unique(np.concatenate([receipts * width + lines for receipts, lines in found]))
        return joined // width, joined % width

    def _questions(
        self, asking: Sequence[OpenReceipt]
    ) -> tuple[Places, list[tuple[int, list[tuple[str, str]]]], list[tuple[int, int]]]:
        """What to look up for each receipt: amounts, the words of its party, and the lines that name it or are linked to it."""
        by_party: list[tuple[int, list[tuple[str, str]]]] = []
        named: list[tuple[int, int]] = []
        purses: list[tuple[int, int, int]] = []
        for receipt in asking:
            place = receipt.place
            if receipt.cents:
                sides: tuple[Side, ...] = (receipt.side,) if receipt.side else ("debit", "credit")
                for currency in (receipt.currency,) if receipt.currency else self.currencies:
                    purses += [
                        (purse, place, receipt.cents) for s in sides if (purse := self._purses.get((s, currency))) is not None
                    ]
            own = [(place, n) for n in self._named_nearest(receipt) if self._is_on_side(receipt, n)]
            own += [(place, n) for n in self.links[place] if self._is_on_side(receipt, n)]
            if own:
                named += own
            elif receipt.iban or receipt.name:
                by_party.append((place, rarest(party_keys(receipt.name, receipt.iban), self.party_counts)))
        return self._related(np.array(purses, dtype=np.int64).reshape(-1, 3)), by_party, named

    def _related(self, asked: Places) -> Places:
        """For rows of (purse, receipt, cents): columns of (key, receipt, most) for this amount and those that may come of it."""
        purse, place, cents = asked.T
        exact = np.full(len(asked), MOST_BY_AMOUNT)
        columns = [(cents, exact)]
        for percent in _RELATED:
            down, rest = np.divmod(cents * percent, 100)
            columns += [
                (down, exact // (MOST_BY_AMOUNT // MOST_BY_NAME)),
                (down + (rest > 0), exact // (MOST_BY_AMOUNT // MOST_BY_NAME)),
            ]
        times = len(columns)
        wanted = np.tile(purse, times) * _PURSE + np.concatenate([amount for amount, _ in columns])
        known, ids = self._known_amounts
        at = np.minimum(np.searchsorted(known, wanted), max(0, len(known) - 1))
        is_known = known[at] == wanted if len(known) else np.zeros(len(wanted), np.bool_)
        most = np.concatenate([limit for _, limit in columns])
        return np.array([ids[at[is_known]], np.tile(place, times)[is_known], most[is_known]])

    def _is_on_side(self, receipt: OpenReceipt, place: int) -> bool:
        return receipt.side is None or self.transactions[place].facts.side == receipt.side

    def _named_nearest(self, receipt: OpenReceipt) -> list[int]:
        def distance(place: int) -> tuple[bool, int, int]:
            booked = self.transactions[place]
            return booked.facts.amount_cents != receipt.cents, abs(booked.day - receipt.centre), place

        places = self._naming[receipt.place]
        return places if len(places) <= MOST_BY_NUMBER else sorted(places, key=distance)[:MOST_BY_NUMBER]

    def _links(self, receipt: OpenReceipt) -> list[int]:
        if not receipt.facts.is_from_bank or not receipt.facts.linked_transactions:
            return []
        return sorted({self.place_of[known] for known in receipt.facts.linked_transactions if known in self.place_of})

    def _note_amounts(self) -> None:
        """What stays true of the transactions while their free parts change."""
        self.amounts: dict[AmountKey, int] = {}
        self._purses: dict[tuple[Side, str], int] = {}
        self._line_sides = np.array([_SIDES[booked.facts.side] for booked in self.transactions], dtype=np.int64)
        self._likeness: dict[int, float] = {}
        self.acquainted: set[tuple[int, int]] = set()
        """The names that are one party's though they are not alike."""
        entries = []
        for booked in self.transactions:
            facts, day, place = booked.facts, booked.day, booked.place
            entries.append((self._key_of(facts.side, booked.currency, facts.amount_cents), day, place))
            if booked.local_currency and 0 < abs(facts.local_amount_cents or 0) <= MOST_CENTS:
                local = self._key_of(facts.side, booked.local_currency, abs(facts.local_amount_cents or 0))
                entries.append((local, day, place))
        self._whole = np.array(entries, dtype=np.int64).reshape(-1, 3)

    def _key_of(self, side: Side, currency: str, cents: int) -> int:
        self._purses.setdefault((side, currency), len(self._purses))
        return self.amounts.setdefault((side, currency, cents), len(self.amounts))

    def _lines_by_amount(self) -> Calendar:
        parts = [
            (self._key_of(booked.facts.side, booked.currency, booked.free), booked.day, booked.place)
            for booked in self.transactions
            if booked.free not in {0, booked.facts.amount_cents}
        ]
        keyed = np.array(
            [self._purses[side, currency] * _PURSE + cents for side, currency, cents in self.amounts], dtype=np.int64
        )
        order = np.argsort(keyed)
        self._known_amounts = keyed[order], order
        return Calendar(*np.concatenate((self._whole, np.array(parts, dtype=np.int64).reshape(-1, 3))).T)

    def _receipts_by_amount(self) -> Calendar:
        entries = [
            (key, receipt.centre, receipt.place)
            for receipt in self.receipts
            if receipt.side
            and receipt.currency
            and receipt.cents
            and (key := self.amounts.get((receipt.side, receipt.currency, receipt.cents))) is not None
        ]
        return Calendar(*np.array(entries, dtype=np.int64).reshape(-1, 3).T)

    @cached_property
    def party_counts(self) -> Mapping[PartyKey, int]:
        """How many of all the client's transactions have each word and IBAN."""
        if self._told_counts is not None:
            return self._told_counts
        return Counter(key for booked in self.transactions for key in party_keys(booked.name, booked.iban))

    @cached_property
    def _lines_by_party(self) -> tuple[dict[tuple[str, str], int], Calendar]:
        words: dict[tuple[str, str], int] = {}
        entries = [
            (words.setdefault(key, len(words)), booked.day, booked.place)
            for booked in self.transactions
            for key in party_keys(booked.name, booked.iban)
        ]
        return words, Calendar(*np.array(entries, dtype=np.int64).reshape(-1, 3).T)

    def _find_windows(self, keys: Collection[str]) -> dict[str, list[tuple[int, int, int]]]:
        """For each key the transactions whose text holds it, with its first and last + 1 run."""
        longest = max(map(len, keys), default=0)
        found: dict[str, list[tuple[int, int, int]]] = {}
        for booked in self.transactions:
            if booked.text.has_digits:
                for first, after, squashed in booked.text.windows(longest):
                    if squashed in keys:
                        found.setdefault(squashed, []).append((booked.place, first, after))
        return found

    def _find_numbers(
        self, keys: Mapping[str, list[OpenReceipt]], hits: dict[int, dict[OpenReceipt, list[Found]]]
    ) -> set[int]:  # fmt: skip
        """Add to `hits`, for each transaction, the receipts whose number its text holds; returns the transactions."""
        found = set()
        for key, receipts in keys.items():
            for line, first, after in self._windows.get(key, ()):
                text = self.transactions[line].text
                for receipt in receipts:
                    if receipt.reference and (hit := text.hit(receipt.reference, first, after)):
                        hits.setdefault(line, {}).setdefault(receipt, []).append(hit)
                        found.add(line)
        return found


def _by_key(receipts: list[OpenReceipt]) -> tuple[set[str], dict[str, list[OpenReceipt]]]:
    """Return the keys that too many receipts carry to name one of them (a customer's number, a 1), and the others."""
    by_key: defaultdict[str, list[OpenReceipt]] = defaultdict(list)
    for receipt in receipts:
        for key in receipt.reference.keys if receipt.reference else ():
            by_key[key].append(receipt)
    crowded = {key for key, sharing in by_key.items() if len(sharing) > MOST_BY_NUMBER}
    return crowded, {key: sharing for key, sharing in by_key.items() if key not in crowded}


_SIDES: dict[Side | None, int] = {"debit": 0, "credit": 1, None: -1}


def party_keys(name: Name, iban: str | None) -> list[PartyKey]:
    """By what a party is looked up: its IBAN, and each word of its name once."""
    words = (*name.words, *name.behind.words) if name.behind else name.words
    keys = [("word", word) for word in dict.fromkeys(words) if len(word) >= _SHORTEST_WORD]
    compact = compact_iban(iban)
    return [("iban", compact), *keys] if compact else keys


def rarest(keys: Iterable[PartyKey], counts: Mapping[PartyKey, int]) -> list[PartyKey]:
    """Return the two known keys that say most: the IBAN, then the words that the fewest transactions have."""
    known = {key for key in keys if key in counts}
    return sorted(known, key=lambda key: (key[0] != "iban", counts[key], key))[:2]


def _drop_shorter(text: str, named: dict[int, list[Found]]) -> None:
    """Drop the hits inside a longer one: where the text holds AB-2026-0042, the receipt 2026-0042 of another party is not named.

    Unless all that the longer one has more is a plain word like RE: then both stay, and amount and name have to tell.
    """
    owners: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for owner, hits in named.items():
        for hit in hits:
            if hit.is_whole:
                owners[hit.start, hit.end].add(owner)
    if len({hit.end - hit.start for hits in named.values() for hit in hits}) == 1:
        return
    for place, hits in list(named.items()):
        kept = [hit for hit in hits if not any(_is_overruled(text, place, hit, *longer) for longer in owners.items())]
        if kept:
            named[place] = kept
        else:
            del named[place]


def _is_overruled(text: str, place: int, hit: Found, span: tuple[int, int], owners: set[int]) -> bool:
    start, end = span
    if not (start <= hit.start and hit.end <= end and end - start > hit.end - hit.start):
        return False
    before = "".join(filter(str.isalnum, text[start : hit.start])).upper()
    return place in owners or end != hit.end or before not in INVOICE_WORDS


def related_cents(cents: int) -> set[int]:
    """Return the amounts for which a transaction is looked up by a receipt's: its own, and those of a discount or its tax."""
    found = {cents}
    for percent in _RELATED:
        down, rest = divmod(cents * percent, 100)
        found |= {down, down + (rest > 0)}
    return found


def is_card(facts: TransactionFacts) -> bool:
    """Tell whether it was paid by card: the bank says so, or, in a bank's file, the text does."""
    if facts.operation_type is not None:
        return facts.operation_type == "card"
    return bool(_CARD.search(facts.remittance))


def is_pulled(facts: TransactionFacts) -> bool:
    """Tell whether the other side took the money itself, by direct debit: known in the same ways."""
    if facts.operation_type is not None:
        return facts.operation_type == "direct_debit"
    return facts.side == "debit" and bool(_MANDATE.search(facts.remittance))


def purchased_on(facts: TransactionFacts) -> date | None:
    """Return the day of a card payment that the text tells with its time, up to a week before it was booked."""
    found = _PURCHASED.search(facts.remittance)
    if not found:
        return None
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        return None
    return day if timedelta(0) <= facts.booked_on - day <= _LONGEST_BOOKING else None


def paying_side(facts: ReceiptFacts) -> Side | None:
    """Return the side of the transaction that settles a receipt; a credit note turns it round. None: direction unknown."""
    if facts.direction is None:
        return None
    is_credit_note = facts.amount_cents is not None and facts.amount_cents < 0
    return "debit" if (facts.direction == "expense") != is_credit_note else "credit"


def compact_iban(written: str | None) -> str:
    """Drop spaces and case; "" when there is none."""
    return "".join(written.split()).upper() if written else ""
