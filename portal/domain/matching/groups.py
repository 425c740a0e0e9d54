"""Payments that are not one to one: several invoices in one transfer, one invoice in instalments.

A set comes from what is written: every number a whole token of the text (or every line linked by the bank) and a sum right to
the cent; or some numbers, and the rest made up by the party's other open invoices in one way only. What no text lists is guessed
(`sums`, `batches`, `payouts`); `sure_lines` and `sure_receipts` say which of the guesses leave nothing else to be meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from portal.domain.matching.batches import Batches, find_batches
from portal.domain.matching.blocking import DISCOUNTS, Index
from portal.domain.matching.payouts import Payouts, find_payouts
from portal.domain.matching.records import RATES_DAYS, BookedTransaction, OpenReceipt, share_of
from portal.domain.matching.sales import Sales
from portal.domain.matching.sums import Guesses
from portal.domain.names import SIMILAR
from portal.domain.remittance import Found, Strength
from portal.domain.shares import scaled

_FEWEST, _MOST = 2, 40


@dataclass(slots=True)
class Groups:
    """Places of receipts and transactions. `collective`: transaction → receipts; `bundles`: receipt → transactions.

    `sure_lines`: the transactions of those collective payments, `sure_receipts`: the receipts of those bundles of which the sum
    says what is meant where no number does.
    """

    collective: dict[int, tuple[int, ...]] = field(default_factory=dict)
    bundles: dict[int, tuple[int, ...]] = field(default_factory=dict)
    sure_lines: set[int] = field(default_factory=set)
    sure_receipts: set[int] = field(default_factory=set)
    month_bills: set[int] = field(default_factory=set)
    """Those of them that bill a month's charges."""
    payouts: Payouts = field(default_factory=Payouts)
    batches: Batches = field(default_factory=Batches)
    discounts: dict[int, int] = field(default_factory=dict)
    """The collective payments that are the sum less a usual discount, with its percent."""

    @property
    def probable(self) -> dict[int, tuple[int, ...]]:
        """What is probably in one payment together, though it is not right to the cent."""
        return self.payouts.likely | self.batches.partial

    def shares_of(self, index: Index, line: int) -> list[int]:
        """Return what each receipt of a collective payment takes of it, in their order; negative: a credit note gives room."""
        booked = index.transactions[line]
        if line in self.payouts.nets:
            return list(self.payouts.nets[line])
        parts = [share_of(index.receipts[place], booked) or 0 for place in self.collective[line]]
        return (scaled(parts, booked.free) or parts) if line in self.discounts else parts


def find_groups(index: Index) -> Groups:
    """Find the sets that add up; one that shares a receipt or transaction with another of its kind is dropped with it.

    What is written goes before what completes it, and that before what is only a sum.
    """
    found = Groups()
    telling = {line: told for line in index.mentions.named if (told := _told_by(index, index.transactions[line]))}
    _add(
        found,
        {line: members for line, named in telling.items() if (members := _collective(index, index.transactions[line], named))},
        {receipt.place: lines for receipt in index.receipts if (lines := _bundle(index, receipt, telling))},
    )
    found.discounts = {
        line: percent
        for line, members in found.collective.items()
        if (percent := _discount(index, index.transactions[line], members))
    }
    guesses = Guesses(index)
    taken = _taken(found)
    completed = {
        line: members
        for line, named in telling.items()
        if len(named) <= _MOST and not _share_a_number(named) and (members := guesses.completed(line, named, *taken))
    }
    _add(found, completed, {})
    taken = _taken(found)
    sums, parts, months = guesses.sums(*taken), guesses.parts(*taken), guesses.months(*taken)
    months = {place: lines for place, lines in months.items() if parts.get(place, lines) == lines}
    _add(found, sums, parts | months)
    for line, members in found.collective.items():
        if line in sums or line in completed:
            unnamed = [place for place in members if line in sums or place not in telling[line]]
            if guesses.is_sure_sum(line, unnamed):
                found.sure_lines.add(line)
    found.sure_receipts = {place for place in parts.keys() & found.bundles.keys() if guesses.is_sure_split(place, parts[place])}
    found.month_bills = {
        place for place in months.keys() & found.bundles.keys() if not guesses.has_own_line(index.receipts[place], set())
    }
    found.sure_receipts |= found.month_bills
    taken_receipts, _ = _taken(found)
    sales = Sales(index, taken_receipts, lambda receipt: guesses.has_own_line(receipt, set()))
    found.batches, found.payouts = find_batches(index, sales), find_payouts(index, sales)
    found.collective |= found.batches.whole | found.payouts.exact
    found.sure_lines |= found.batches.whole.keys()
    return found


def _taken(found: Groups) -> tuple[set[int], set[int]]:
    """The receipts and the transactions of the sets so far."""
    receipts = {place for members in found.collective.values() for place in members} | set(found.bundles)
    return receipts, {line for lines in found.bundles.values() for line in lines} | set(found.collective)


def _add(found: Groups, collective: dict[int, tuple[int, ...]], bundles: dict[int, tuple[int, ...]]) -> None:
    """Take those of the new sets over that share nothing with each other."""
    receipts_in: Counter[int] = Counter(bundles.keys())
    lines_in: Counter[int] = Counter(collective.keys())
    for members in collective.values():
        receipts_in.update(members)
    for lines in bundles.values():
        lines_in.update(lines)
    found.collective |= {
        line: members for line, members in collective.items() if lines_in[line] == 1 and _all_once(receipts_in, members)
    }
    found.bundles |= {
        receipt: lines for receipt, lines in bundles.items() if receipts_in[receipt] == 1 and _all_once(lines_in, lines)
    }


def _told_by(index: Index, booked: BookedTransaction) -> dict[int, list[Found]]:
    """The receipts that a text names as whole tokens; by a short number only those of its clear party."""
    told: dict[int, list[Found]] = dict(index.mentions.named_whole.get(booked.place, ()))
    for place, hits in index.mentions.named[booked.place].items():
        short = [hit for hit in hits if hit.strength == Strength.SHORT]
        if place not in told and short and index.parties.is_one(index.receipts[place], booked):
            told[place] = short
    return told


def _collective(index: Index, booked: BookedTransaction, named: Mapping[int, list[Found]]) -> tuple[int, ...]:
    if not _FEWEST <= len(named) <= _MOST:
        return ()
    if _share_a_number(named):
        # two suppliers may use the same number: the one whose money it is counts
        named = {place: hits for place, hits in named.items() if index.parties.is_one(index.receipts[place], booked, SIMILAR)}
        if len(named) < _FEWEST or _share_a_number(named):
            return ()
    return tuple(sorted(named)) if _discount(index, booked, named) is not None else ()


def _discount(index: Index, booked: BookedTransaction, places: Collection[int]) -> int | None:
    """By how many percent several receipts are more than a transaction that pays them; 0: by none; None: it does not pay them."""
    shares = [share_of(index.receipts[place], booked) for place in places]
    told = [share for share in shares if share is not None]
    if len(told) < len(shares):
        return None
    total = sum(told)
    if total == booked.free:
        return 0
    # each may have been rounded for itself
    most, paid = 50 * len(told), 100 * booked.free
    is_shared = total > 0 and scaled(told, booked.free) is not None
    return next((percent for percent in DISCOUNTS if is_shared and abs(total * (100 - percent) - paid) <= most), None)


def _share_a_number(named: Mapping[int, list[Found]]) -> bool:
    spans = sorted((hit.start, hit.end) for hits in named.values() for hit in hits)
    return any(end > start for (_, end), (start, _) in pairwise(spans))


def _bundle(index: Index, receipt: OpenReceipt, telling: Mapping[int, Mapping[int, list[Found]]]) -> tuple[int, ...]:
    linked = index.links[receipt.place]
    if len(linked) > 1:
        return tuple(linked) if _adds_up(index, receipt, linked) else ()
    lines = sorted(line for line in index.mentions.hinting(receipt) if receipt.place in telling.get(line, ()))
    if not _FEWEST <= len(lines) <= _MOST:
        return ()
    # whether a line names another receipt too is looked at pair by pair
    if _adds_up(index, receipt, lines):
        return tuple(lines)
    # two suppliers may use the same number, and a bank may name it once more: the payments of the clear party count
    own = [line for line in lines if index.parties.is_one(receipt, index.transactions[line])]
    return tuple(own) if _FEWEST <= len(own) < len(lines) and _adds_up(index, receipt, own) else ()


def _adds_up(index: Index, receipt: OpenReceipt, lines: list[int]) -> bool:
    total = 0
    for line in lines:
        booked = index.transactions[line]
        if booked.facts.side != receipt.side or booked.free != booked.facts.amount_cents or booked.currency != receipt.currency:
            return False
        if not receipt.first_day <= booked.day <= receipt.last_day + RATES_DAYS:
            return False
        total += booked.free
    return total == receipt.cents


def _all_once(counts: Counter[int], places: tuple[int, ...]) -> bool:
    return all(counts[place] == 1 for place in places)
