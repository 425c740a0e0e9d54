"""Receipts filed twice, and payments that are not one to one: several invoices in one transfer, one invoice in instalments.

A set comes from what is written: every number a whole token of the text (or every line linked by the bank) and a sum right to
the cent; or some numbers, and the rest made up by the party's other open invoices in one way only. Sums alone are guesses, made
only where one party's few open invoices (or payments) add up in exactly one way; `Groups.certain` says which of them leave
nothing else to be meant.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, combinations, islice, pairwise
from math import comb, gcd
from typing import Generic, TypeVar

from portal.domain.matching.blocking import DISCOUNTS, Index
from portal.domain.matching.payouts import Payouts, find_payouts
from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.names import CLEARLY_SAME, SIMILAR, similarity
from portal.domain.references import Found, Strength
from portal.domain.shares import scaled

Row = TypeVar("Row", OpenReceipt, BookedTransaction)

MOST_IN_GROUP = 40
_FEWEST = 2
_MOST_TWINS = 24
_MOST_OPEN, _MOST_IN_SUM = 16, 6
_MOST_ROWS = 200
_GUESSED_DAYS = (-3, 75)
"""A sum alone counts only of invoices that were written in these days before the payment."""
_FIRST_PART, _LAST_PART = -3, 100
"""The payments of one invoice come in these days from its issue."""
_MOST_ODDS = 1 / 2000
"""As likely as this may be that some of a party's open amounts add up to another payment by chance."""


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
    payouts: Payouts = field(default_factory=Payouts)
    discounts: dict[int, int] = field(default_factory=dict)
    """The collective payments that are the sum less a usual discount, with its percent."""

    def shares_of(self, index: Index, line: int) -> list[int]:
        """Return what each receipt of a collective payment takes of it, in their order; negative: a credit note gives room."""
        booked = index.transactions[line]
        if line in self.payouts.nets:
            return list(self.payouts.nets[line])
        parts = [_share(index.receipts[place], booked) or 0 for place in self.collective[line]]
        return (scaled(parts, booked.free) or parts) if line in self.discounts else parts


def find_groups(index: Index) -> Groups:
    """Find the sets that add up; one that shares a receipt or transaction with another of its kind is dropped with it.

    What is written goes before what completes it, and that before what is only a sum.
    """
    found = Groups()
    telling = {line: told for line in index.named if (told := _told_by(index, index.transactions[line]))}
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
    parties = _Parties(index)
    taken = _taken(found)
    completed = {line: members for line, named in telling.items() if (members := parties.completed(line, named, *taken))}
    _add(found, completed, {})
    taken = _taken(found)
    sums, parts = parties.sums(*taken), parties.parts(*taken)
    _add(found, sums, parts)
    for line, members in found.collective.items():
        if line in sums or line in completed:
            unnamed = [place for place in members if line in sums or place not in telling[line]]
            if parties.is_sure_sum(line, unnamed):
                found.sure_lines.add(line)
    found.sure_receipts = {place for place in parts.keys() & found.bundles.keys() if parties.is_sure_split(place, parts[place])}
    taken_receipts, _ = _taken(found)
    found.payouts = find_payouts(index, taken_receipts, lambda receipt: parties.has_own_line(receipt, set()))
    found.collective |= {line: found.payouts.sales.pop(line) for line in found.payouts.nets} | found.payouts.added_up
    found.sure_lines |= found.payouts.added_up.keys() & found.payouts.sure
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
    told: dict[int, list[Found]] = dict(index.named_whole.get(booked.place, ()))
    for place, hits in index.named[booked.place].items():
        short = [hit for hit in hits if hit.strength == Strength.SHORT]
        if place not in told and short and is_clear_party(index, index.receipts[place], booked):
            told[place] = short
    return told


def is_clear_party(index: Index, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
    """Tell whether the two are of one party by IBAN or clearly the same name."""
    if receipt.iban and receipt.iban == booked.iban:
        return True
    return (index.likeness(receipt, booked) or 0.0) >= CLEARLY_SAME


def find_twins(index: Index) -> dict[int, tuple[int, bool]]:
    """Map each receipt that exists twice to (another copy, whether it has a number).

    Copies agree in direction, amount, currency, number, and in counterparty and invoice date as far as both are known. Of
    several copies the only one that came from the bank (or that the bank linked) is no twin: it is the receipt, the
    others hang on it. Without a number,
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
        if len(from_bank) > 1 and pairs[0][0].reference:  # of two that the bank has, it knows the payment of the one that counts
            from_bank = [place for place in from_bank if index.links[place]]
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


class _Parties:
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
        self._silent: list[BookedTransaction] = []
        """The transactions of these parties whose text names no receipt."""
        for booked in index.transactions:
            parties = [party for party in (booked.iban, booked.name.ordered) if party in receipts]
            if parties and booked.free and booked.place not in index.named_whole:
                self._silent.append(booked)
                for party in parties:
                    lines[party].append((booked.day, booked.place, booked))
        self._receipts = {party: _Days(entries) for party, entries in receipts.items()}
        """By party, by the day of issue."""
        self._lines = {party: _Days(entries) for party, entries in lines.items()}
        """By party, by the day of booking."""

    def completed(
        self, line: int, named: Mapping[int, list[Found]], taken_receipts: set[int], taken_lines: set[int]
    ) -> tuple[int, ...]:
        """The receipts that a text names with those that make up the rest: more invoices, or credit notes taken off."""
        index, booked = self._index, self._index.transactions[line]
        if line in taken_lines or not booked.free or len(named) > MOST_IN_GROUP or _share_a_number(named):
            return ()
        if not all(place not in taken_receipts and is_clear_party(index, index.receipts[place], booked) for place in named):
            return ()
        shares = [_share(index.receipts[place], booked) for place in named]
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
            cents, issued = (receipt.cents or 0) - sum(named.values()), _issued(receipt)
            lines = {
                booked.place: booked.free
                for party in (receipt.iban, receipt.name.ordered)
                for booked in _between(self._lines, party, issued + _FIRST_PART, issued + _LAST_PART)
                if booked.free == booked.facts.amount_cents <= cents
                and booked.facts.side == receipt.side
                and booked.currency == receipt.currency
                and booked.place not in taken_lines
            }
            fewest = 1 if named else _FEWEST
            if fewest <= len(lines) <= _MOST_OPEN and (chosen := _only_subset([*lines.items()], cents, fewest)):
                found[receipt.place] = tuple(sorted((*named, *chosen)))
                self._tried_parts[receipt.place] = _subsets(len(lines), fewest)
        return found

    def _named_parts(self, receipt: OpenReceipt, taken_lines: set[int]) -> dict[int, int]:
        """The payments that name this receipt alone and are less than it, with their cents."""
        index = self._index
        named = {line: index.transactions[line] for line in index.naming(receipt) if line not in taken_lines}
        return {
            line: booked.free
            for line, booked in named.items()
            if len(index.named_whole[line]) == 1
            and booked.free == booked.facts.amount_cents
            and booked.free < (receipt.cents or 0)
            and _share(receipt, booked) == receipt.cents
            and is_clear_party(index, receipt, booked)
        }

    def is_sure_sum(self, line: int, members: Sequence[int]) -> bool:
        """Tell whether these unnamed parts of a sum are meant: it is hardly chance, and none has a payment of its own."""
        index, booked = self._index, self._index.transactions[line]
        receipts = [index.receipts[place] for place in members]
        return (
            _is_no_chance(self._tried[line], booked.free, [receipt.cents or 0 for receipt in receipts])
            and all(is_clear_party(index, receipt, booked) for receipt in receipts)
            and not any(self.has_own_line(receipt, {line}) for receipt in receipts)
        )

    def is_sure_split(self, place: int, lines: Sequence[int]) -> bool:
        """The same of one receipt paid in parts: no part has an invoice of its own."""
        index, receipt = self._index, self._index.receipts[place]
        booked = [index.transactions[line] for line in lines]
        guessed = [one.free for one in booked if one.place not in index.named_whole]
        return (
            _is_no_chance(self._tried_parts[place], sum(guessed), guessed)
            and all(is_clear_party(index, receipt, one) for one in booked)
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
            line not in without and is_clear_party(index, receipt, index.transactions[line]) for line in lines
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


def _issued(receipt: OpenReceipt) -> int:
    """The first day that the receipt tells."""
    facts = receipt.facts
    day = facts.issued_on or facts.due_on or facts.paid_on
    return day.toordinal() if day else 0


class _Days(Generic[Row]):
    """Rows in the order of their days."""

    def __init__(self, entries: list[tuple[int, int, Row]]) -> None:
        """`entries`: day, place and row."""
        entries.sort()
        self.days = [day for day, _, _ in entries]
        self.rows: list[Row] = [row for _, _, row in entries]


def _between(known: Mapping[str, _Days[Row]], party: str, first_day: int, last_day: int) -> list[Row]:
    """A party's rows of some days, both included; none where they are so many that some always add up."""
    if party not in known:
        return []
    found = known[party]
    start, end = bisect_left(found.days, first_day), bisect_right(found.days, last_day)
    return found.rows[start:end] if end - start <= _MOST_ROWS else []


def _subsets(count: int, fewest: int = _FEWEST) -> int:
    """How many sums of so many amounts are tried."""
    return sum(comb(count, size) for size in range(fewest, _MOST_IN_SUM + 1))


def _is_no_chance(tried: int, whole: int, parts: list[int]) -> bool:
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
    """Yield every choice of sizes, which fall, that adds what is missing to a part. `rests`: the sum of each with all behind it."""
    for n in range(part[-1] + 1 if part else 0, len(sizes)):
        if rests[n] < missing:
            return
        if sizes[n] == missing and len(part) + 1 >= fewest:
            yield (*part, n)
        elif sizes[n] < missing and len(part) < _MOST_IN_SUM - 1:
            yield from _sums(sizes, rests, missing - sizes[n], fewest, (*part, n))


def _collective(index: Index, booked: BookedTransaction, named: Mapping[int, list[Found]]) -> tuple[int, ...]:
    if not _FEWEST <= len(named) <= MOST_IN_GROUP:
        return ()
    if _share_a_number(named):
        # two suppliers may use the same number: the one whose money it is counts
        named = {place: hits for place, hits in named.items() if _is_party(index, index.receipts[place], booked)}
        if len(named) < _FEWEST or _share_a_number(named):
            return ()
    return tuple(sorted(named)) if _discount(index, booked, named) is not None else ()


def _discount(index: Index, booked: BookedTransaction, places: Collection[int]) -> int | None:
    """By how many percent several receipts are more than a transaction that pays them; 0: by none; None: it does not pay them."""
    shares = [_share(index.receipts[place], booked) for place in places]
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


def _bundle(index: Index, receipt: OpenReceipt, telling: Mapping[int, Mapping[int, list[Found]]]) -> tuple[int, ...]:
    linked = index.links[receipt.place]
    if len(linked) > 1:
        return tuple(linked) if _adds_up(index, receipt, linked) else ()
    lines = sorted(line for line in index.hinting(receipt) if receipt.place in telling.get(line, ()))
    if not _FEWEST <= len(lines) <= MOST_IN_GROUP:
        return ()
    # whether a line names another receipt too is looked at pair by pair
    if _adds_up(index, receipt, lines):
        return tuple(lines)
    # two suppliers may use the same number, and a bank may name it once more: the payments of the clear party count
    own = [line for line in lines if is_clear_party(index, receipt, index.transactions[line])]
    return tuple(own) if _FEWEST <= len(own) < len(lines) and _adds_up(index, receipt, own) else ()


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
