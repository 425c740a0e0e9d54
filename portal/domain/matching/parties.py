"""Who is who: the names and accounts of both sides of one client, compared once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import nan

from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.names import CLEARLY_SAME, SIMILAR, Name, similarity


class Parties:
    """The spellings of all names, and which of them are one party's."""

    def __init__(self, receipts: Sequence[OpenReceipt], transactions: Sequence[BookedTransaction]) -> None:
        """Number the names; each receipt and transaction is told its own."""
        numbers: dict[Name, int] = {}
        for receipt in receipts:
            receipt.spelling = numbers.setdefault(receipt.name, len(numbers))
        for booked in transactions:
            booked.spelling = numbers.setdefault(booked.name, len(numbers))
        self.spellings = list(numbers)
        """The names of both sides, each once; `spelling` is a place in it."""
        self.acquainted: set[tuple[int, int]] = set()
        """The names that are one party's though they are not alike."""
        self._likeness: dict[int, float] = {}

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

    def is_one(self, receipt: OpenReceipt, booked: BookedTransaction, likeness: float = CLEARLY_SAME) -> bool:
        """Tell whether the two are of one party by their IBAN, or by names that are so much alike."""
        if receipt.iban and receipt.iban == booked.iban:
            return True
        return self.likeness_of(receipt.spelling, booked.spelling) >= likeness

    def is_one_as_written(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        """Tell the same without what was learned of names."""
        return (receipt.spelling, booked.spelling) not in self.acquainted and self.is_one(receipt, booked)
