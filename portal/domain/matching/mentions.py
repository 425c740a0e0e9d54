"""Whose numbers the texts of one client's transactions hold.

All numbers are looked up in all texts at once. What too many receipts carry names none of them; of several whose number stands in
one place the payer's is meant, and of two that overlap the longer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from copy import copy

import numpy as np
import numpy.typing as npt

from portal.domain.matching.parties import Parties
from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.remittance import INVOICE_WORDS, Found

_MOST_SHARING = 24
_MOST_SHARING_END = 8
"""Of so few signs many numbers end alike in a large client's books; then they name none."""

_Key = tuple[str, bool]
"""What to look for in texts, and whether it is but the end of a number."""
_Hits = dict[int, dict[OpenReceipt, list[Found]]]
"""By transaction's place the receipts whose number its text holds, with the places in the text."""


class Mentions:
    """Which receipts the transactions name, by places of both."""

    named: dict[int, dict[int, list[Found]]]
    """For each transaction whose text holds any receipt's number: the receipts, with the places in the text."""
    named_whole: dict[int, dict[int, list[Found]]]
    """The same, only where the number identifies the receipt."""
    pairs: npt.NDArray[np.int64]
    """The same as `named` in rows of receipt, transaction and the greatest strength."""

    def __init__(self, receipts: Sequence[OpenReceipt], transactions: Sequence[BookedTransaction], parties: Parties) -> None:
        """Look every receipt's number up in every transaction's text."""
        self._transactions = transactions
        self._parties = parties
        self._crowded, keys = _by_key(receipts)
        self._windows = self._find_windows({key for key, _ in (*self._crowded, *keys)})
        self._hits: _Hits = {}
        self.looked_up: set[int] = self._look_up(keys)
        """The transactions in which a number was found that had not been looked up before."""
        self._tell_apart(receipts)

    def without(self, decided: Container[str], receipts: Sequence[OpenReceipt]) -> Mentions:
        """Return what is named by what has stayed free once some receipts (ids) were decided; `receipts` are left."""
        rest = copy(self)
        rest._hits = {}  # noqa: SLF001 -- its own class, here and below
        for line, by_receipt in self._hits.items():
            left = {
                receipt: found
                for receipt, found in by_receipt.items()
                if receipt.facts.id not in decided and self._is_open(receipt, self._transactions[line])
            }
            if left:
                rest._hits[line] = left  # noqa: SLF001
        rest._crowded, keys = _by_key(receipts)  # noqa: SLF001
        # what so many carried that it named none of them may name one now
        clear = {key: keys[key] for key in sorted(self._crowded - rest._crowded) if key in keys}  # noqa: SLF001
        rest.looked_up = rest._look_up(clear)  # noqa: SLF001
        rest._tell_apart(receipts)  # noqa: SLF001
        return rest

    def holding(self, receipt: OpenReceipt) -> Sequence[int]:
        """Return the transactions whose text holds a receipt's number, whoever is meant by it."""
        return self._held_by.get(receipt, ())

    def hinting(self, receipt: OpenReceipt) -> list[int]:
        """Return the transactions that name a receipt in any way."""
        return self._naming[receipt.place]

    def naming(self, receipt: OpenReceipt) -> list[int]:
        """Return the transactions whose text identifies a receipt by its number."""
        return [line for line in self._naming[receipt.place] if receipt.place in self.named_whole.get(line, ())]

    def _find_windows(self, keys: Collection[str]) -> dict[str, list[tuple[int, int, int]]]:
        """For each key the transactions whose text holds it, with its first and last + 1 run."""
        longest = max(map(len, keys), default=0)
        found: dict[str, list[tuple[int, int, int]]] = {}
        for booked in self._transactions:
            if booked.text.has_digits:
                for first, after, squashed in booked.text.windows(longest):
                    if squashed in keys:
                        found.setdefault(squashed, []).append((booked.place, first, after))
        return found

    def _look_up(self, keys: Mapping[_Key, list[OpenReceipt]]) -> set[int]:
        """Note, for each transaction, the receipts whose number its text holds; returns the transactions."""
        lines = set()
        for (key, _), receipts in keys.items():
            for line, first, after in self._windows.get(key, ()):
                booked = self._transactions[line]
                for receipt in receipts:
                    if (
                        self._is_open(receipt, booked)
                        and receipt.reference
                        and (hit := booked.text.hit(receipt.reference, first, after))
                    ):
                        self._hits.setdefault(line, {}).setdefault(receipt, []).append(hit)
                        lines.add(line)
        return lines

    def _tell_apart(self, receipts: Sequence[OpenReceipt]) -> None:
        """Decide who is meant by the numbers that were found."""
        self._held_by: defaultdict[OpenReceipt, list[int]] = defaultdict(list)
        self.named, self.named_whole = {}, {}
        self._naming: list[list[int]] = [[] for _ in receipts]
        pairs: list[tuple[int, int, int]] = []
        for line, by_receipt in self._hits.items():
            for receipt in by_receipt:
                self._held_by[receipt].append(line)
            booked = self._transactions[line]
            named = self._of_payer(booked, by_receipt)
            if len(named) > 1 or any(len(found) > 1 for found in named.values()):
                _drop_shorter(booked.text.written, named)
            self.named[line] = named
            wholes = {}
            for place, found in named.items():
                self._naming[place].append(line)
                strength = found[0].strength if len(found) == 1 else max(hit.strength for hit in found)
                pairs.append((place, line, strength))
                if whole := [hit for hit in found if hit.is_whole]:
                    wholes[place] = whole
            if wholes:
                self.named_whole[line] = wholes
        self.pairs = np.array(pairs, dtype=np.int64).reshape(-1, 3)

    def _of_payer(self, booked: BookedTransaction, by_receipt: dict[OpenReceipt, list[Found]]) -> dict[int, list[Found]]:
        """By place the receipts whose number a text holds: of those who carry it in one place the payer's, if one is his."""
        his = {
            (hit.start, hit.end)
            for one, hits in by_receipt.items()
            if len(by_receipt) > 1 and self._parties.is_one_as_written(one, booked)
            for hit in hits
            if hit.is_whole
        }
        named = {}
        for one, hits in by_receipt.items():
            rest = hits if not his or self._is_likely(one, booked) else [hit for hit in hits if (hit.start, hit.end) not in his]
            if rest:
                named[one.place] = rest
        return named

    def _is_open(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        """Tell whether a number in the text is of interest: of a used transaction only that of what it may have paid."""
        return booked.free > 0 or self._is_likely(receipt, booked)

    def _is_likely(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        """Tell whether the two are of one amount, or of one party: what was learned may not change which texts are read."""
        return receipt.cents == booked.facts.amount_cents or self._parties.is_one_as_written(receipt, booked)


def _by_key(receipts: Iterable[OpenReceipt]) -> tuple[set[_Key], dict[_Key, list[OpenReceipt]]]:
    """Return the keys that too many receipts carry to name one of them (a customer's number, a 1), and the others."""
    by_key: defaultdict[_Key, list[OpenReceipt]] = defaultdict(list)
    for receipt in receipts:
        if receipt.reference:
            for key in receipt.reference.keys:
                by_key[key, False].append(receipt)
            for tail in receipt.reference.tails:
                by_key[tail, True].append(receipt)
    crowded = {key for key, sharing in by_key.items() if len(sharing) > (_MOST_SHARING_END if key[1] else _MOST_SHARING)}
    return crowded, {key: sharing for key, sharing in by_key.items() if key not in crowded}


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
