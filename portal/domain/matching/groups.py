"""Receipts filed twice, and payments that are not one to one: several invoices in one transfer, one invoice in instalments.

Sets are assigned only from evidence: every number a whole token of the text (or every line linked by the bank) and a sum right
to the cent. Sums alone are proposals, and only where one party's few open invoices add up in exactly one way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, combinations, pairwise

from portal.domain.matching.blocking import BookedTransaction, Index, OpenReceipt
from portal.domain.names import SIMILAR, similarity
from portal.domain.references import Found

MOST_IN_GROUP = 40
_FEWEST = 2
_MOST_TWINS = 24
_MOST_OPEN, _MOST_IN_SUM = 12, 6


@dataclass(slots=True)
class Groups:
    """Places of receipts and transactions. `collective`: transaction → receipts; `bundles`: receipt → transactions."""

    collective: dict[int, tuple[int, ...]] = field(default_factory=dict)
    bundles: dict[int, tuple[int, ...]] = field(default_factory=dict)


def find_groups(index: Index) -> Groups:
    """Find the sets that add up; one that shares a receipt or transaction with another set is dropped with it."""
    collective = {
        line: members
        for line, named in index.named_whole.items()
        if _FEWEST <= len(named) <= MOST_IN_GROUP and (members := _collective(index, index.transactions[line], named))
    }
    bundles = {receipt.place: lines for receipt in index.receipts if (lines := _bundle(index, receipt))}
    collective |= _guesses(index, collective, bundles)
    receipts_in: Counter[int] = Counter(bundles.keys())
    lines_in: Counter[int] = Counter(collective.keys())
    for members in collective.values():
        receipts_in.update(members)
    for lines in bundles.values():
        lines_in.update(lines)
    return Groups(
        {line: members for line, members in collective.items() if lines_in[line] == 1 and _all_once(receipts_in, members)},
        {receipt: lines for receipt, lines in bundles.items() if receipts_in[receipt] == 1 and _all_once(lines_in, lines)},
    )


def find_twins(index: Index) -> dict[int, tuple[int, bool]]:
    """Map each receipt that exists twice to (another copy, whether it has a number).

    Copies agree in direction, amount, currency, number, and in counterparty and invoice date as far as both are known. Of
    several copies the only one that came from the bank is no twin: it is the receipt, the others hang on it. Without a number,
    date and name have to be equal, and it may as well be two equal purchases. What a person has called distinct is no pair.
    """
    alike: defaultdict[tuple[object, ...], list[OpenReceipt]] = defaultdict(list)
    for receipt in index.receipts:
        if not receipt.cents:
            continue
        facts = receipt.facts
        key = (facts.direction, facts.amount_cents, receipt.currency)
        if receipt.reference:
            alike[(*key, receipt.reference.squashed)].append(receipt)
        elif facts.issued_on and receipt.name:
            alike[(*key, facts.issued_on, receipt.name.ordered)].append(receipt)
    twins: dict[int, tuple[int, bool]] = {}
    for copies in alike.values():
        if len(copies) > _MOST_TWINS:
            pairs = [(one, other) for one, other in pairwise(copies) if not _are_distinct(one, other)]
        else:
            pairs = [(one, other) for one, other in combinations(copies, 2) if _are_twins(one, other)]
        found = sorted({receipt.place for pair in pairs for receipt in pair})
        from_bank = [place for place in found if index.receipts[place].facts.is_from_bank]
        first = from_bank[0] if len(from_bank) == 1 else None
        for one, other in pairs:
            for place, copy in ((one.place, other.place), (other.place, one.place)):
                if place != first:
                    twins.setdefault(place, (copy if first is None else first, one.reference is not None))
    return twins


def _are_twins(one: OpenReceipt, other: OpenReceipt) -> bool:
    days = {receipt.facts.issued_on for receipt in (one, other)} - {None}
    if _are_distinct(one, other):
        return False
    return len(days) <= 1 and (not one.name or not other.name or similarity(one.name, other.name) >= SIMILAR)


def _are_distinct(one: OpenReceipt, other: OpenReceipt) -> bool:
    return other.facts.id in one.facts.distinct_from or one.facts.id in other.facts.distinct_from


def _guesses(
    index: Index, collective: dict[int, tuple[int, ...]], bundles: dict[int, tuple[int, ...]]
) -> dict[int, tuple[int, ...]]:
    """Lines that are the sum of several open invoices of one party in exactly one way, though no text lists them.

    Sums always find something, so these are proposals: without their numbers the parts are never assigned by machine.
    """
    by_party: defaultdict[str, list[OpenReceipt]] = defaultdict(list)
    for receipt in index.receipts:
        if receipt.cents and receipt.side and receipt.place not in bundles:
            for party in {receipt.iban, receipt.name.ordered} - {""}:
                by_party[party].append(receipt)
    found = {}
    for booked in index.transactions:
        if not booked.free or booked.place in collective or booked.place in index.named_whole:
            continue
        by_iban, by_name = by_party.get(booked.iban, ()), by_party.get(booked.name.ordered, ())
        if len(by_iban) + len(by_name) < _FEWEST:
            continue
        open_items = _open_items(booked, (*by_iban, *by_name))
        if _FEWEST <= len(open_items) <= _MOST_OPEN and (members := _only_sum(open_items, booked.free)):
            found[booked.place] = members
    return found


def _open_items(booked: BookedTransaction, receipts: Iterable[OpenReceipt]) -> list[OpenReceipt]:
    """Those of a party's receipts that a transaction may have paid together, by place; too many are not all told."""
    found: dict[int, OpenReceipt] = {}
    side, currency, free, day = booked.facts.side, booked.currency, booked.free, booked.day
    for receipt in receipts:
        if (
            receipt.first_day <= day <= receipt.last_day
            and (receipt.cents or 0) <= free
            and receipt.side == side
            and receipt.currency == currency
        ):
            found[receipt.place] = receipt
            if len(found) > _MOST_OPEN:
                break
    return [found[place] for place in sorted(found)]


def _only_sum(items: list[OpenReceipt], cents: int) -> tuple[int, ...]:
    """The places of the only two to six items that add up; () where none or several do, or where one alone is enough."""
    if any(item.cents == cents for item in items):
        return ()
    items = sorted(items, key=lambda item: -(item.cents or 0))
    sizes = [item.cents or 0 for item in items]
    rests = [*reversed([*accumulate(reversed(sizes))]), 0]
    found: list[list[int]] = []

    def search(start: int, missing: int, part: list[int]) -> None:
        for n in range(start, len(sizes)):
            # the rest together is too little, or there is more than one way already
            if rests[n] < missing or len(found) > 1:
                return
            if sizes[n] == missing and part:
                found.append([*part, n])
            elif sizes[n] < missing and len(part) < _MOST_IN_SUM - 1:
                search(n + 1, missing - sizes[n], [*part, n])

    search(0, cents, [])
    return tuple(sorted(items[n].place for n in found[0])) if len(found) == 1 else ()


def _collective(index: Index, booked: BookedTransaction, named: dict[int, list[Found]]) -> tuple[int, ...]:
    if _share_a_number(named):
        # two suppliers may use the same number: the one whose money it is counts
        named = {place: hits for place, hits in named.items() if _is_party(index, index.receipts[place], booked)}
        if len(named) < _FEWEST or _share_a_number(named):
            return ()
    total = 0
    for place in named:
        part = _share(index.receipts[place], booked)
        if part is None:
            return ()
        total += part
    return tuple(sorted(named)) if total == booked.free else ()


def _share_a_number(named: dict[int, list[Found]]) -> bool:
    spans = sorted((hit.start, hit.end) for hits in named.values() for hit in hits)
    return any(end > start for (_, end), (start, _) in pairwise(spans))


def _is_party(index: Index, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
    if receipt.iban and receipt.iban == booked.iban:
        return True
    return (index.likeness(receipt, booked) or 0.0) >= SIMILAR


def _share(receipt: OpenReceipt, booked: BookedTransaction) -> int | None:
    """Return what a receipt takes of a transaction in its currency, negative for a netted credit note; None if it cannot be."""
    if not receipt.cents or receipt.side is None or receipt.currency != booked.currency:
        return None
    if not receipt.first_day <= booked.day <= receipt.last_day:
        return None
    if receipt.side == booked.facts.side:
        return receipt.cents
    is_netted_credit_note = (receipt.facts.amount_cents or 0) < 0
    return -receipt.cents if is_netted_credit_note else None


def _bundle(index: Index, receipt: OpenReceipt) -> tuple[int, ...]:
    linked = index.links[receipt.place]
    if len(linked) > 1:
        return tuple(linked) if _adds_up(index, receipt, linked) else ()
    lines = index.naming(receipt)
    if not _FEWEST <= len(lines) <= MOST_IN_GROUP:
        return ()
    # whether a line names another receipt too is looked at pair by pair
    return tuple(lines) if _adds_up(index, receipt, lines) else ()


def _adds_up(index: Index, receipt: OpenReceipt, lines: list[int]) -> bool:
    total = 0
    for line in lines:
        booked = index.transactions[line]
        if booked.facts.side != receipt.side or booked.free != booked.facts.amount_cents:
            return False
        share = _share(receipt, booked)
        if share is None:
            return False
        total += booked.free
    return total == receipt.cents


def _all_once(counts: Counter[int], places: tuple[int, ...]) -> bool:
    return all(counts[place] == 1 for place in places)
