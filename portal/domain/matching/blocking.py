"""Which receipts and transactions are compared at all: by amount, number in the text, bank link, IBAN and rare name word.

Each way is capped by nearness in time, so that one dense client (ten thousand equal tickets) grows with n and not with n².
Everything inside works on records sorted by id: the order of the input cannot matter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence
from copy import copy
from datetime import date
from functools import cached_property
from math import nan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from portal.domain.matching.calendar import SPAN, Calendar, Places, distinct
from portal.domain.matching.facts import ReceiptFacts, Side, TransactionFacts
from portal.domain.matching.fees import Fee
from portal.domain.matching.records import MOST_CENTS, BookedTransaction, OpenReceipt, compact_iban
from portal.domain.names import CLEARLY_SAME, SIMILAR, Name, couples, similarity
from portal.domain.remittance import INVOICE_WORDS, Found

MOST_BY_AMOUNT = MOST_BY_NUMBER = 24
MOST_BY_NAME = 8
_MOST_BY_END = 8
"""Of so few signs many numbers end alike in a large client's books; then they name none."""
DISCOUNTS = (2, 3)
"""Skonto as German invoices grant it, percent."""
VAT_RATES = (19, 7)
_RELATED = (*(100 - discount for discount in DISCOUNTS), *(100 + rate for rate in VAT_RATES))
_SHORTEST_WORD = 4
_PURSE = 1 << 47
"""More cents than are compared: a side with its currency and an amount share one integer."""

AmountKey = tuple[Side, str, int]
NumberKey = tuple[str, bool]
"""What to look for in texts, and whether it is but the end of a number."""
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
        self._crowded, keys = _by_key(rows)
        self._windows = self._find_windows({key for key, _ in (*self._crowded, *keys)})
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
            booked = self.transactions[line]
            if left := {
                one: places
                for one, places in found.items()
                if one.facts.id not in decided and (booked.free or self._is_likely(one, booked))
            }:
                hits[line] = left
        rest._crowded, keys = _by_key(rows)  # noqa: SLF001 -- its own class, here and below
        # what so many carried that it named none of them may name one now
        clear = {key: keys[key] for key in sorted(self._crowded - rest._crowded) if key in keys}  # noqa: SLF001
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
            named = self._told_apart(line, by_receipt)
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

    def is_of_party(self, receipt: OpenReceipt, booked: BookedTransaction, likeness: float = CLEARLY_SAME) -> bool:
        """Tell whether the two are of one party by their IBAN, or by names that are so much alike."""
        if receipt.iban and receipt.iban == booked.iban:
            return True
        return self.likeness_of(receipt.spelling, booked.spelling) >= likeness

    def take_for_one(self, couples: Iterable[tuple[int, int]]) -> None:
        """Count names (places in `spellings`, on receipts and at the bank) as clearly the same from now on."""
        width = len(self.spellings)
        for ours, theirs in couples:
            if self.likeness_of(ours, theirs) < CLEARLY_SAME:
                self._likeness[ours * width + theirs] = CLEARLY_SAME
                self.acquainted.add((ours, theirs))

    def likeness_of(self, ours: int, theirs: int) -> float:
        """Compare two spellings (places in `spellings`); nan where one is empty, or a guess and not like the other."""
        key = ours * len(self.spellings) + theirs
        found = self._likeness.get(key)
        if found is None:
            one, other = self.spellings[ours], self.spellings[theirs]
            found = similarity(one, other) if one and other else nan
            if found < SIMILAR and (one.is_guessed or other.is_guessed):
                found = nan
            self._likeness[key] = found
        return found

    def tells(self, booked: BookedTransaction, receipt: OpenReceipt) -> bool:
        """Tell whether the remittance information holds the name of a receipt's counterparty; of a payment service, its brand."""
        return booked.place in self.lines_telling(receipt.spelling) or (booked.is_passed_on and booked.tells(receipt.name))

    def lines_telling(self, spelling: int) -> frozenset[int]:
        """Return the places of the transactions whose remittance information holds a whole name (its place in `spellings`)."""
        if spelling not in self._telling:
            name = self.spellings[spelling]
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
        self._telling: dict[int, frozenset[int]] = {}
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
        self, keys: Mapping[NumberKey, list[OpenReceipt]], hits: dict[int, dict[OpenReceipt, list[Found]]]
    ) -> set[int]:  # fmt: skip
        """Add to `hits`, for each transaction, the receipts whose number its text holds; returns the transactions."""
        found = set()
        for (key, _), receipts in keys.items():
            for line, first, after in self._windows.get(key, ()):
                booked = self.transactions[line]
                for receipt in receipts:
                    if not booked.free and not self._is_likely(receipt, booked):
                        continue  # of a used transaction only what it may have paid is of interest
                    if receipt.reference and (hit := booked.text.hit(receipt.reference, first, after)):
                        hits.setdefault(line, {}).setdefault(receipt, []).append(hit)
                        found.add(line)
        return found

    def _told_apart(self, line: int, by_receipt: dict[OpenReceipt, list[Found]]) -> dict[int, list[Found]]:
        """By place the receipts whose number a text holds: of those who carry it in one place the payer's, if one is his."""
        booked = self.transactions[line]
        his = {
            (hit.start, hit.end)
            for one, hits in by_receipt.items()
            if len(by_receipt) > 1 and self._is_payers(one, booked)
            for hit in hits
            if hit.is_whole
        }
        named = {}
        for one, hits in by_receipt.items():
            rest = hits if not his or self._is_likely(one, booked) else [hit for hit in hits if (hit.start, hit.end) not in his]
            if rest:
                named[one.place] = rest
        return named

    def _is_likely(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        """Tell whether the two are of one party or of one amount."""
        return receipt.cents == booked.facts.amount_cents or self._is_payers(receipt, booked)

    def _is_payers(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        """Tell whether the two are of one party as they are written: what was learned may not change which texts are read."""
        return (receipt.spelling, booked.spelling) not in self.acquainted and self.is_of_party(receipt, booked)


def _by_key(receipts: list[OpenReceipt]) -> tuple[set[NumberKey], dict[NumberKey, list[OpenReceipt]]]:
    """Return the keys that too many receipts carry to name one of them (a customer's number, a 1), and the others."""
    by_key: defaultdict[NumberKey, list[OpenReceipt]] = defaultdict(list)
    for receipt in receipts:
        if receipt.reference:
            for key in receipt.reference.keys:
                by_key[key, False].append(receipt)
            for tail in receipt.reference.tails:
                by_key[tail, True].append(receipt)
    crowded = {key for key, sharing in by_key.items() if len(sharing) > (_MOST_BY_END if key[1] else MOST_BY_NUMBER)}
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
    if len({hit.end - hit.start for hits in named.values() for hit in hits}) == 1:
        return
    owners: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for owner, hits in named.items():
        for hit in hits:
            if hit.is_whole:
                owners[hit.start, hit.end].add(owner)
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
