"""What has to be true of a pair before it may be assigned, whoever its party is: amount, vetoes, days. Column by column."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import compress

import numpy as np

from portal.domain.matching.features import SAME_PARTY, Comparison
from portal.domain.matching.pairs import NO, Amount, Number, is_prompt
from portal.domain.matching.scoring import Scores
from portal.domain.matching.sides import NO_DAY, Column
from portal.domain.names import CLEARLY_SAME, SIMILAR

_FIRST_DAYS, _LAST_DAYS = -31, 135
"""Outside of these days from the invoice date nothing is assigned by machine."""
_MOST_MISREAD_DAYS = 365
"""Days and months that were swapped in reading move a date by less than a year."""
_DISCOUNT_DAYS = (0, 18)
_STRANGE = 0.5


class Gates:
    """The gates of all pairs of a comparison."""

    def __init__(self, comparison: Comparison, scores: Scores) -> None:
        """Look at the pairs of `comparison`."""
        self.comparison, self.scores = comparison, scores
        self.index, self.pairs, self.sides = comparison.index, comparison.pairs, comparison.sides

    def __iter__(self) -> Iterator[tuple[str, Column]]:
        """Name the gates in the order of asking, each with the pairs that pass."""
        pairs = self.pairs
        first, last = _DISCOUNT_DAYS
        is_discounted = (pairs.amount == Amount.DISCOUNT) & (pairs.number == Number.FOUND)
        # whoever takes a discount pays soon
        is_discounted |= (
            (pairs.amount == Amount.DISCOUNT)
            & self._has_party()
            & self.sides.is_from_bank[pairs.receipt]
            & (first <= pairs.from_issue)
            & (pairs.from_issue <= last)
        )
        yield "amount", pairs.is_exact | is_discounted | (pairs.amount == Amount.CONVERTED) | self._differs_by_name()
        for name, veto in self._vetoes():
            yield f"veto: {name}", ~veto
        yield "days", self._is_in_time()

    def _differs_by_name(self) -> Column:
        """Tell of which pairs number and party say enough, though the amount differs in a way that has a name.

        A fee or a slip, VAT that the receipt lacks, a currency that was misread or converted. Neither of the two may fit
        anything else to the cent, with a discount or without.
        """
        pairs, sides = self.pairs, self.sides
        cents, paid = sides.cents[pairs.receipt], sides.paid[pairs.line]
        is_whole = sides.free[pairs.line] == paid
        is_foreign = (pairs.amount == Amount.CURRENCY) | (pairs.amount == Amount.CONVERTED)
        is_currency = is_foreign & is_whole & ((paid == cents) | self.comparison.is_convertible())
        is_net = (pairs.amount == Amount.NET) & is_whole
        fits = (pairs.is_exact | (pairs.amount == Amount.DISCOUNT)) & ~pairs.is_used & self._has_sign_of_party()
        by_receipt = np.bincount(pairs.receipt[fits], minlength=len(self.index.receipts))
        by_line = np.bincount(pairs.line[fits], minlength=len(self.index.transactions))
        is_free = (by_receipt[pairs.receipt] == 0) & (by_line[pairs.line] == 0)
        found: Column = (pairs.is_near | is_currency | is_net) & self.is_told & self._is_only_naming() & is_free
        return found

    def _is_only_naming(self) -> Column:
        """Tell of which pairs the text names no other receipt, and no other text this one; strangers do not count."""
        pairs = self.pairs
        is_naming = (pairs.number == Number.FOUND) & ~self.is_strange
        by_receipt = np.bincount(pairs.receipt[is_naming], minlength=len(self.index.receipts))
        by_line = np.bincount(pairs.line[is_naming], minlength=len(self.index.transactions))
        found: Column = is_naming & (by_receipt[pairs.receipt] == 1) & (by_line[pairs.line] == 1)
        return found

    @cached_property
    def is_strange(self) -> Column:
        """Whether both parties are known and quite different."""
        return self._are_less_alike(_STRANGE)

    @cached_property
    def is_unlike(self) -> Column:
        """Whether both parties are known and hardly one."""
        return self._are_less_alike(SAME_PARTY)

    def _are_less_alike(self, likeness: float) -> Column:
        pairs = self.pairs
        found: Column = ~np.isnan(pairs.name) & (pairs.name < likeness) & ~pairs.is_in_text & ~pairs.has_iban
        return found

    def _has_sign_of_party(self) -> Column:
        pairs = self.pairs
        found: Column = self._has_party() | pairs.is_named(SIMILAR) | pairs.is_in_text | (pairs.number < Number.ABSENT)
        return found

    def _vetoes(self) -> Iterator[tuple[str, Column]]:
        pairs, sides, scores = self.pairs, self.sides, self.scores
        numbered, twin = self._twins()
        is_strange = self.is_strange & ~sides.is_processor[pairs.line]
        links, linkers = self._links_against()
        is_linked_elsewhere = links - pairs.is_linked > 0
        is_linked_to_other = linkers - pairs.is_linked > 0
        for n, others in self.comparison.set_of.items():
            place, line = int(pairs.receipt[n]), int(pairs.line[n])
            if pairs.is_collective[n]:
                against = {(other, line) for other in self.comparison.other_linkers(n)}
            else:
                against = {(place, other) for other in self.index.links[place]} - {
                    (place, int(pairs.line[part])) for part in (n, *others)
                }
            column = is_linked_to_other if pairs.is_collective[n] else is_linked_elsewhere
            column[n] = bool(against - self._bare_links if self._outweighs_links[n] else against)
        yield "not read", (sides.side[pairs.receipt] < 0) | (sides.cents[pairs.receipt] <= 0)
        yield "used", (pairs.allocate == 0) | pairs.is_used
        yield "declined", pairs.is_declined
        yield "returned", pairs.is_returned
        yield "a return", pairs.is_return
        yield "pulled again", pairs.is_pulled_again
        yield "linked to another", is_linked_to_other | is_linked_elsewhere
        yield "another receipt named", pairs.other_receipt >= 0
        yield "another number named", pairs.is_other_number & (pairs.number != Number.FOUND)
        yield "named too late", self._is_named_too_late()
        yield "another month named", (pairs.month == NO) & (pairs.number != Number.FOUND) & ~pairs.is_linked
        yield "another IBAN", (pairs.iban == NO) & scores.pays_to_iban()
        # money went to somebody of quite another name who merely uses the same number ("25-0015")
        yield "another's name", is_strange & scores.pays_out() & ~pairs.is_linked
        yield "no bill", ~sides.is_bill[pairs.receipt]
        yield "twin", twin[pairs.receipt] & (numbered[pairs.receipt] | ~pairs.is_linked)

    def _is_named_too_late(self) -> Column:
        """Tell where the number stands in a payment far from the invoice's days, and the same payer paid this amount in time.

        In a series people copy the number of the month before. A payment that names its own invoice is no contradiction.
        """
        pairs, sides = self.pairs, self.sides
        is_plain = (pairs.amount == Amount.EQUAL) & ~pairs.is_set & ~pairs.is_linked
        is_prompt_pair = is_prompt(pairs)
        is_late = is_plain & (pairs.number == Number.FOUND) & ~is_prompt_pair
        is_named_otherwise = (pairs.other_receipt >= 0) | pairs.is_other_number | (pairs.number < Number.ABSENT)
        in_time = is_plain & is_prompt_pair & ~is_named_otherwise & ~pairs.is_used
        width = max(1, len(self.index.parties.spellings))
        payer = pairs.receipt * width + sides.line_name[pairs.line]
        found: Column = is_late & np.isin(payer, payer[in_time])
        return found

    def _links_against(self) -> tuple[Column, Column]:
        """For each pair how many links by the bank its receipt and its transaction have.

        Where number, party and amount of a pair agree, a link is not counted with which nothing at all agrees.
        """
        pairs, sides = self.pairs, self.sides
        place, line = np.array([*self._bare_links], np.int64).reshape(-1, 2).T
        bare_links = np.bincount(place, minlength=len(self.index.receipts))
        bare_linkers = np.bincount(line, minlength=len(self.comparison.linkers_of_line))
        outweighs = self._outweighs_links
        return (
            sides.links[pairs.receipt] - np.where(outweighs, bare_links[pairs.receipt], 0),
            self.comparison.linkers_of_line[pairs.line] - np.where(outweighs, bare_linkers[pairs.line], 0),
        )

    @cached_property
    def _outweighs_links(self) -> Column:
        """Whether number, party and amount agree: in a list a short number is enough."""
        pairs = self.pairs
        is_listed = pairs.is_set & (pairs.number <= Number.HINTED) & self._has_party()
        found: Column = (self.is_told | is_listed) & pairs.is_exact
        return found

    @cached_property
    def _bare_links(self) -> set[tuple[int, int]]:
        """The bank's links with which nothing at all agrees, as places of receipt and transaction."""
        links = [(n, line) for n, lines in enumerate(self.index.links) for line in lines]
        is_there, at = self.comparison.at(links)
        is_bare = ~is_there
        is_bare[is_there] = ~(self.pairs.is_exact | self._has_sign_of_party())[at]
        return set(compress(links, is_bare.tolist()))

    def _has_party(self) -> Column:
        found: Column = self.pairs.has_iban | self.pairs.is_named(CLEARLY_SAME)
        return found

    @cached_property
    def is_told(self) -> Column:
        """Whether the text names the invoice as a whole and the party is clear."""
        found: Column = (self.pairs.number == Number.FOUND) & self._has_party()
        return found

    def _twins(self) -> tuple[Column, Column]:
        """By place of the receipt: whether it exists twice by its number, and whether at all."""
        twin = np.zeros(len(self.index.receipts), np.bool_)
        numbered = twin.copy()
        for place, (_, has_number) in self.comparison.twins.items():
            twin[place], numbered[place] = True, has_number
        return numbered, twin

    def _is_in_time(self) -> Column:
        pairs = self.pairs
        known = (pairs.from_issue, pairs.from_due, pairs.from_payment)
        days = np.select([column != NO_DAY for column in known], known, NO_DAY)
        in_time: Column = (days >= _FIRST_DAYS) & (days <= _LAST_DAYS)
        is_near = (abs(days) <= _MOST_MISREAD_DAYS) | (days == NO_DAY)
        # a long number is used once; a short one begins anew every year, and only the days tell which it is
        is_dateless = self.is_told & (self._is_only_naming() | pairs.is_bundle)
        is_dateless &= self.sides.has_long_number[pairs.receipt] & pairs.is_exact
        in_time |= is_dateless & is_near
        return in_time
