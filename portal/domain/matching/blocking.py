"""Which receipts and transactions are compared at all: by amount, number in the text, bank link, IBAN and rare name word.

Each way is capped by nearness in time, so that one dense client (ten thousand equal tickets) grows with n and not with n².
Everything inside works on records in one order of their own: that of the input cannot matter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from copy import copy
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from portal.domain.matching.calendar import SPAN, Calendar, Places, distinct
from portal.domain.matching.facts import ReceiptFacts, Side, TransactionFacts
from portal.domain.matching.fees import Fee
from portal.domain.matching.mentions import Mentions
from portal.domain.matching.parties import Parties
from portal.domain.matching.records import MOST_CENTS, BookedTransaction, OpenReceipt, compact_iban
from portal.domain.names import Name, couples

MOST_BY_AMOUNT = MOST_BY_NUMBER = 24
MOST_BY_NAME = 8
DISCOUNTS = (2, 3)
"""Skonto as German invoices grant it, percent."""
VAT_RATES = (19, 7)
_RELATED = (*(100 - discount for discount in DISCOUNTS), *(100 + rate for rate in VAT_RATES))
_SHORTEST_WORD = 4
_PURSE = 1 << 47
"""More cents than are compared: a side with its currency and an amount share one integer."""

AmountKey = tuple[Side, str, int]
PartyKey = tuple[str, str]
"""("iban" or "word", what it is)."""


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
        """Sort, derive, and index. `party_counts`: None where the transactions are all there are.

        What belongs together lies side by side, in its order of days: a large client takes a quarter less time.
        """
        self._told_counts = party_counts
        ours = sorted(receipts, key=lambda facts: (facts.counterparty or "", facts.issued_on or date.min, facts.id))
        countable = [facts for facts in transactions if 0 < facts.amount_cents <= MOST_CENTS]
        countable.sort(key=lambda facts: (facts.counterparty or "", facts.booked_on, facts.id))
        rows = [OpenReceipt(n, facts) for n, facts in enumerate(ours)]
        lines = [BookedTransaction(n, facts) for n, facts in enumerate(countable)]
        if len({facts.id for facts in countable}) < len(lines) or len({facts.id for facts in receipts}) < len(rows):
            message = "a receipt's or transaction's id occurs twice"
            raise ValueError(message)
        self.transactions = lines
        self.place_of = {booked.facts.id: booked.place for booked in lines}
        self.currencies = sorted({booked.currency for booked in lines})
        self.accounts: set[tuple[str, str]] = set()
        """Where suppliers (a name in order) are paid as well, though their invoices print another IBAN."""
        self.lags: defaultdict[str, list[int]] = defaultdict(list)
        """By name in order: days from invoice to payment of what was assigned."""
        self.slow: set[str] = set()
        """The names in order of those who always pay late (`habits`)."""
        self.fees: dict[str, Fee] = {}
        """What each payment service keeps of a sale, where that is known."""
        self.memo: dict[Hashable, Any] = {}
        """What was found out about texts and names: it stays true when receipts leave."""
        self.parties = Parties(rows, lines)
        self._note_amounts()
        self.kept: Places = np.arange(len(rows))
        """The places that the receipts had before the others were decided."""
        self.gone: Gone | None = None
        self.mentions = Mentions(rows, lines, self.parties)
        self._fill(rows)

    def without(self, decided: Container[str], used: Mapping[str, int]) -> Index:
        """Return the index of what is left once receipts (ids) have been decided and cents of transactions (by id) were used.

        This one is not to be used any more: its rows move on.
        """
        rest = copy(self)  # what it knows of the transactions alone, too
        gone = [receipt for receipt in self.receipts if receipt.facts.id in decided]
        rows = [receipt for receipt in self.receipts if receipt.facts.id not in decided]
        lines = {self.place_of[known] for known in used}.union(
            *(self.links[r.place] for r in gone), *(self.mentions.holding(r) for r in gone)
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
        rest.mentions = self.mentions.without(decided, rows)
        lines |= rest.mentions.looked_up
        rest._fill(rows)  # noqa: SLF001 -- its own class
        return rest

    def _fill(self, receipts: list[OpenReceipt]) -> None:
        self.receipts = receipts
        self.lines_by_amount = self._lines_by_amount()
        self.receipts_by_amount = self._receipts_by_amount()
        self.links = [self._links(receipt) for receipt in receipts]
        """For each receipt the known transactions the bank linked to it; an upload has none."""

    def tells(self, booked: BookedTransaction, receipt: OpenReceipt) -> bool:
        """Tell whether the remittance information holds the name of a receipt's counterparty; of a payment service, its brand."""
        return booked.place in self.lines_telling(receipt.spelling) or (booked.is_passed_on and booked.tells(receipt.name))

    def lines_telling(self, spelling: int) -> frozenset[int]:
        """Return the places of the transactions whose remittance information holds a whole name (its place in `spellings`)."""
        if spelling not in self._telling:
            name = self.parties.spellings[spelling]
            holding: list[Sequence[int]] = [self._lines_by_word.get(word, []) for word in name.words]
            fewest = min(holding, key=len) if holding else ()
            self._telling[spelling] = frozenset(n for n in fewest if self.transactions[n].tells(name))
        return self._telling[spelling]

    def pairs(self, more: Iterable[tuple[int, int]] = (), only: npt.NDArray[np.bool_] | None = None) -> tuple[Places, Places]:
        """Return the places of the receipts and transactions worth comparing, on the right side only, sorted.

        `more`: pairs that are compared in any case. `only`: by place, the receipts that are asked about; None: all.
        """
        asking = self.receipts if only is None else [self.receipts[place] for place in np.flatnonzero(only).tolist()]
        by_amount, by_party, named = self._questions(asking)
        windows = np.array([(r.first_day, r.last_day, r.centre) for r in self.receipts], dtype=np.int64).reshape(-1, 3)
        np.clip(windows, 0, SPAN - 1, out=windows)
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
        joined = distinct(np.concatenate([receipts * width + lines for receipts, lines in found]))
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

        places = self.mentions.hinting(receipt)
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
        self._telling: dict[int, frozenset[int]] = {}
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

    def lines_of_name(self, name: Name) -> list[BookedTransaction]:
        """Return the transactions of exactly this name; none of no name."""
        return self._lines_of_name.get(name.ordered, []) if name else []

    @cached_property
    def _lines_of_name(self) -> dict[str, list[BookedTransaction]]:
        found: defaultdict[str, list[BookedTransaction]] = defaultdict(list)
        for booked in self.transactions:
            found[booked.name.ordered].append(booked)
        return dict(found)

    @cached_property
    def _lines_by_word(self) -> dict[str, list[int]]:
        """By word of the remittance information."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for booked in self.transactions:
            for word in booked.words:
                found[word].append(booked.place)
        return dict(found)

    def paid_for(self, name: Name, day: int) -> Sequence[BookedTransaction]:
        """Return what came in on a day and tells for whom: its text holds the first two words of a name side by side."""
        return [booked for two in couples(name.words[:2]) for booked in self._by_couple.get((two, day), ())]

    @cached_property
    def _by_couple(self) -> dict[tuple[str, int], list[BookedTransaction]]:
        found: defaultdict[tuple[str, int], list[BookedTransaction]] = defaultdict(list)
        for booked in self.transactions:
            for two in booked.couples if booked.facts.side == "credit" else ():
                found[two, booked.day].append(booked)
        return dict(found)

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


def related_cents(cents: int) -> set[int]:
    """Return the amounts for which a transaction is looked up by a receipt's: its own, and those of a discount or its tax."""
    found = {cents}
    for percent in _RELATED:
        down, rest = divmod(cents * percent, 100)
        found |= {down, down + (rest > 0)}
    return found
