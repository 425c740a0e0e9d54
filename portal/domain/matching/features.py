"""What each pair of receipt and transaction has to say, in columns: every sign read once, without judging it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import islice
from math import isnan

import numpy as np

from portal.domain.matching.blocking import DISCOUNTS, VAT_RATES, Index
from portal.domain.matching.groups import Groups, find_groups
from portal.domain.matching.pairs import KNOWN, NO, UNKNOWN, YES, Amount, Number, Pairs
from portal.domain.matching.records import RATES_DAYS, BookedTransaction, OpenReceipt
from portal.domain.matching.return_words import is_purpose
from portal.domain.matching.returns import RETURN_DAYS, find_returns
from portal.domain.matching.sides import NO_DAY, Column, Sides, flags
from portal.domain.matching.twins import find_twins
from portal.domain.names import CLEARLY_SAME, SIMILAR
from portal.domain.periods import agree
from portal.domain.remittance import Found, Near

SAME_PARTY = 0.6
"""From this similarity on two names may be one party."""
_CARD_DAYS, _BOOKING_DAYS = (-1, 3), 2
"""From the receipt to the purchase; so much later it may be booked, where the bank does not tell the day of the purchase."""
_CONVERTED_DAYS = (-1, 4)
_MONTH_DAYS = (-7, 25)
"""Of what is paid in these days from its invoice, a month that the payer names is the invoice's, if it was written in it."""
_STANDING_DAYS, _FEWEST_STANDING = 120, 3
"""A number that stands in so many payments of one payer, in so many days around one of them, is that of none."""
_ALONE_DAYS = 10
_AGAIN_DAYS, _SERIES_DAYS = 24, 90
"""What came back is tried again before the next month's payment is due."""
"""In so many days before and after a receipt nothing else was bought in the shop, where the amount alone does not tell it."""
MOST_OFF_CENTS, MOST_OFF_SHARE = 1500, 10
"""What a bank keeps as its fee, what is rounded or mistyped: at most so much, and at most one part in so many."""


_NUMBERS = np.array([int(Number.HINTED), int(Number.SHORT), int(Number.FOUND)])
"""By `Strength`."""


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
        self.returns = find_returns(index)
        self._collective = groups.collective
        self.sides = Sides.of(index)
        self._width = max(1, len(index.transactions))
        fresh = None if before is None else self._fresh(before)
        self.pairs = Pairs(*index.pairs(_members(groups, fresh), fresh))
        self._compare(groups, declined)
        if before is not None and fresh is not None:
            self.pairs = before.pairs.moved(index.kept, fresh).joined(self.pairs, self._width)
        self._note_returns()  # anew for all: what came back may be used up since
        self._find_converted()
        self.set_of: dict[int, tuple[int, ...]] = {}
        """Pair of a set → the other pairs of it; shorter than `set_size` where one was not compared."""
        self.set_size: dict[int, int] = {}
        self._find_sets(groups)
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
        fresh[[place for line in gone.lines for place in self.index.mentions.named.get(line, ())]] = True
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
        found |= {
            (False, receipts[place].facts.id, (line, len(places)))
            for line, places in (*groups.probable.items(), *groups.payouts.equal.items())
            for place in places
        }
        return found | {(False, receipts[place].facts.id, lines) for place, lines in groups.bundles.items()}

    def _compare(self, groups: Groups, declined: Collection[tuple[str, str]]) -> None:
        pairs, index = self.pairs, self.index
        self._compare_amounts()
        self._note_sets(groups)
        self._mark("is_linked", [(n, line) for n, lines in enumerate(index.links) for line in lines])
        self._compare_names()
        self._compare_ibans()
        self._compare_months()
        self._compare_dates()
        self._note_numbers()
        pairs.keep(self._is_worth_showing())
        self._mark("is_declined", self._places_of(declined))
        self._note_returns()
        self._measure_days()
        self._read_other_numbers()

    def _note_returns(self) -> None:
        pairs, sides, returns = self.pairs, self.sides, self.returns
        found = np.isin(pairs.line, [*returns.lines])
        # without a word only the whole amount of an invoice: another may not be in reach, and a credit note is not paid back
        is_plain = (pairs.amount == Amount.EQUAL) & (sides.is_expense[pairs.receipt] == (sides.side[pairs.receipt] == 0))
        found &= is_plain | ~np.isin(pairs.line, [*returns.silent])
        # no further than all returns are read (`reach`)
        first = np.array([receipt.first_day - RETURN_DAYS for receipt in self.index.receipts], dtype=np.int64)
        last = np.array([receipt.last_day + RATES_DAYS for receipt in self.index.receipts], dtype=np.int64)
        day = sides.day[pairs.line]
        pairs.is_returned = found & (first[pairs.receipt] <= day) & (day <= last[pairs.receipt])
        backs = [place for place in returns.backs if not is_purpose(self.index.transactions[place].facts.remittance)]
        pairs.is_return = np.isin(pairs.line, backs) & (pairs.number != Number.FOUND) & ~pairs.is_linked
        pairs.is_undone = pairs.is_returned & np.isin(pairs.line, [*returns.clear])
        pairs.is_pulled_again = self._is_pulled_again()

    def _is_pulled_again(self) -> Column:
        """Tell where more than one direct debit of one party and text names the invoice, within weeks.

        Nobody pulls money twice, unless the first came back: that may be in no text, or not here. A contract's number is in many.
        """
        pairs, index = self.pairs, self.index
        is_pulled = (pairs.number == Number.FOUND) & (pairs.amount == Amount.EQUAL) & self.sides.is_pulled[pairs.line]
        places = np.flatnonzero(is_pulled & ~pairs.is_undone & ~pairs.is_used)
        lines = [index.transactions[line] for line in pairs.line[places]]
        told = [
            (place, line.spelling, line.text.written) for place, line in zip(pairs.receipt[places].tolist(), lines, strict=True)
        ]
        days = defaultdict[tuple[int, int, str], list[int]](list)
        for key, line in zip(told, lines, strict=True):
            days[key].append(line.day)
        found = np.zeros(len(pairs), np.bool_)
        found[places] = [
            sum(abs(day - line.day) <= RETURN_DAYS + _AGAIN_DAYS for day in days[key]) > 1
            and len(index.mentions.named_whole[line.place]) == 1
            for key, line in zip(told, lines, strict=True)
        ]
        return found

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
        order, ends = self._by_line
        found: list[int] = order[ends[line - 1] if line else 0 : ends[line]].tolist()
        return found

    @cached_property
    def _by_line(self) -> tuple[Column, list[int]]:
        """The pairs in the order of their transactions, and where those of each end."""
        order = np.argsort(self.pairs.line, kind="stable")
        return order, np.cumsum(np.bincount(self.pairs.line, minlength=self._width)).tolist()

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
        return self.index.parties.likeness_of(one.spelling, other.spelling) < CLEARLY_SAME

    def is_same_party(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        """Tell whether the two may be of one party: nothing known counts as that."""
        if receipt.iban and receipt.iban == booked.iban:
            return True
        likeness = self.index.parties.likeness_of(receipt.spelling, booked.spelling)
        return isnan(likeness) or likeness >= SAME_PARTY or self.index.tells(booked, receipt)

    def first_try(self, booked: BookedTransaction) -> BookedTransaction | None:
        """Return the payment that clearly came back and that a transaction repeats, within days; None if that is not clear.

        One more that came back may want the same second try, and a month later it is the next month's.
        """
        amount = self.index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents]
        lines = self.index.lines_by_amount.between(amount, booked.day - _SERIES_DAYS, booked.day)
        clear = [self.index.transactions[line] for line in lines if line in self.returns.clear and line != booked.place]
        clear = [one for one in clear if not self.are_apart(one, booked)]
        if len(clear) != 1 or booked.day - clear[0].day > _AGAIN_DAYS:
            return None
        returned_on = self.index.transactions[self.returns.lines[clear[0].place]].day
        is_other_month = bool(booked.months) and not agree(clear[0].months, booked.months)
        return clear[0] if returned_on <= booked.day and not is_other_month else None

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

    def is_convertible(self) -> Column:
        """Tell of which pairs the transaction may be the receipt's foreign amount in euros."""
        pairs, sides = self.pairs, self.sides
        cents, paid = sides.cents[pairs.receipt], sides.paid[pairs.line]
        found: Column = (
            sides.is_euro[pairs.line]
            & (sides.least_rate[pairs.receipt] * cents <= paid)
            & (paid <= sides.most_rate[pairs.receipt] * cents)
        )
        return found

    def _find_converted(self) -> None:
        """Find what was paid in another currency: the only purchase at this supplier around the receipt's day, both ways."""
        pairs, sides = self.pairs, self.sides
        pairs.amount[pairs.amount == Amount.CONVERTED] = Amount.CURRENCY
        is_of_shop = pairs.is_named(SIMILAR) & (pairs.nearest <= _ALONE_DAYS)
        may_be = is_of_shop & ((pairs.amount == Amount.CURRENCY) & self.is_convertible() | (pairs.is_exact & ~pairs.is_used))
        by_receipt = np.bincount(pairs.receipt[may_be], minlength=len(self.index.receipts))
        by_line = np.bincount(pairs.line[may_be], minlength=self._width)
        is_only = (by_receipt[pairs.receipt] == 1) & (by_line[pairs.line] == 1)
        is_whole = sides.free[pairs.line] == sides.paid[pairs.line]
        is_soon = self._is_bought(*_CONVERTED_DAYS) & sides.is_expense[pairs.receipt]
        pairs.amount[may_be & (pairs.amount == Amount.CURRENCY) & is_soon & is_only & is_whole] = Amount.CONVERTED

    def _note_sets(self, groups: Groups) -> None:
        pairs, index = self.pairs, self.index
        for kind, several in ((Amount.PAYOUT, groups.payouts.likely), (Amount.COLLECTED, groups.batches.partial)):
            at = self.at([(place, line) for line, places in several.items() for place in places])[1]
            pairs.amount[at], pairs.is_used[at] = kind, False
        equal = [(place, line) for line, places in groups.payouts.equal.items() for place in places]
        pairs.amount[self.at(equal)[1]] = Amount.LESS_FEE
        self._mark("is_collective", [(place, line) for line, places in groups.collective.items() for place in places])
        self._mark("is_bundle", [(place, line) for place, lines in groups.bundles.items() for line in lines])
        pairs.is_bundle &= ~pairs.is_collective
        pairs.amount[pairs.is_set] = Amount.SUM
        pairs.is_used[pairs.is_collective] = False
        pairs.allocate[pairs.is_bundle] = self.sides.free[pairs.line[pairs.is_bundle]]
        shares = {
            (place, line): share
            for line, places in groups.collective.items()
            for place, share in zip(places, groups.shares_of(index, line), strict=True)
        }
        is_there, at = self.at([*shares])
        pairs.allocate[at] = np.array([*shares.values()], dtype=np.int64)[is_there]
        sold = self.at([(place, line) for line in groups.payouts.exact for place in groups.collective[line]])[1]
        pairs.amount[sold] = Amount.LESS_FEE
        for line, percent in groups.discounts.items():
            less = self.at([(place, line) for place in groups.collective[line]])[1]
            pairs.amount[less], pairs.percent[less] = Amount.SUM_LESS, percent

    def _find_sets(self, groups: Groups) -> None:
        sets = [[(place, line) for place in places] for line, places in _together(groups)]
        sets += [[(place, line) for line in lines] for place, lines in groups.bundles.items()]
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
        spellings = index.parties.spellings
        combined = self.sides.name[pairs.receipt] * max(1, len(spellings)) + self.sides.line_name[pairs.line]
        unique, inverse = np.unique(combined, return_inverse=True)
        couples = [divmod(key, len(spellings)) for key in unique.tolist()]
        likeness = np.array([index.parties.likeness_of(ours, theirs) for ours, theirs in couples], dtype=float)
        is_alias = flags(couple in index.parties.acquainted for couple in couples)
        pairs.name, pairs.is_alias = likeness[inverse], is_alias[inverse]
        # whoever stands beside a batch booking is none of those it was collected of
        collected = [(place, line) for line, places in self.groups.batches.whole.items() for place in places]
        pairs.name[self.at(collected)[1]] = np.nan
        pairs.is_in_text = np.zeros(len(pairs), np.bool_)
        asked = np.flatnonzero(~pairs.is_named(SAME_PARTY) & self.sides.has_text[pairs.line])
        names = self.sides.name[pairs.receipt[asked]]
        telling = [name * self._width + line for name in np.unique(names).tolist() for line in index.lines_telling(name)]
        pairs.is_in_text[asked] = np.isin(names * self._width + pairs.line[asked], telling)
        # where somebody passed the money on, a brand is enough
        passed_on = asked[self.sides.is_processor[pairs.line[asked]]]
        places = zip(passed_on.tolist(), pairs.receipt[passed_on].tolist(), pairs.line[passed_on].tolist(), strict=True)
        hits = [n for n, place, line in places if index.transactions[line].tells(index.receipts[place].name)]
        pairs.is_in_text[hits] = True

    def _compare_ibans(self) -> None:
        pairs, sides = self.pairs, self.sides
        ours, theirs = sides.iban[pairs.receipt], sides.line_iban[pairs.line]
        # a payment through another goes to the other's account
        is_known = (ours >= 0) & (theirs >= 0) & ~pairs.is_in_text & ~sides.is_processor[pairs.line]
        pairs.iban = np.where(is_known, ours == theirs, UNKNOWN)
        if self.index.accounts:
            codes, width = sides.iban_codes, len(sides.iban_codes) + 1
            wanted = [
                spelling * width + codes[iban]
                for spelling, name in enumerate(self.index.parties.spellings)
                for ordered, iban in self.index.accounts
                if name.ordered == ordered and iban in codes
            ]
            pairs.iban[(pairs.iban == NO) & np.isin(sides.name[pairs.receipt] * width + theirs, wanted)] = KNOWN

    def _note_numbers(self) -> None:
        pairs, sides, index = self.pairs, self.sides, self.index
        is_known = sides.has_number[pairs.receipt] & sides.has_text[pairs.line]
        pairs.number = np.where(is_known, int(Number.ABSENT), int(Number.UNKNOWN))
        if len(index.mentions.pairs):
            is_there, at = self.at(index.mentions.pairs[:, :2])
            pairs.number[at] = _NUMBERS[index.mentions.pairs[is_there, 2]]
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
            named = index.mentions.named[line]
            own = tuple(sorted({(hit.start, hit.end) for place in ours for hit in named.get(place, ())}))
            if (line, own) not in elsewhere:
                elsewhere[line, own] = self._named_elsewhere(line, own)
            pairs.other_receipt[n] = next((place for place in elsewhere[line, own] if place not in ours), -1)

    def _named_elsewhere(self, line: int, own: tuple[tuple[int, int], ...]) -> list[int]:
        """Find the open receipts that the text names in another place than these, sorted."""
        return [
            place
            for place, hits in sorted(self.index.mentions.named_whole[line].items())
            if not all(any(hit.start < end and start < hit.end for start, end in own) for hit in hits)
        ]

    def _read_other_numbers(self) -> None:
        """Typing errors, and numbers of invoices we do not have: looked for only where the amount or the bank's link fits."""
        pairs, index = self.pairs, self.index
        pairs.is_other_number, pairs.is_slip = np.zeros(len(pairs), np.bool_), np.zeros(len(pairs), np.bool_)
        is_open = (pairs.number != Number.FOUND) & (pairs.number != Number.UNKNOWN)
        is_open &= pairs.is_exact | pairs.is_linked | (pairs.amount == Amount.DISCOUNT)
        asked = np.flatnonzero(is_open & ~pairs.is_used & self.sides.has_digits[pairs.line])
        receipts, lines, memo = index.receipts, index.transactions, index.memo
        places = (pairs.receipt[asked].tolist(), pairs.line[asked].tolist(), pairs.is_collective[asked].tolist())
        for n, place, line, is_part in zip(asked.tolist(), *places, strict=True):
            receipt, own = receipts[place], self._own_hits(place, line, is_part=is_part)
            key = (receipt.facts.id, line, own)
            if key not in memo:
                text, number = lines[line].text, receipt.reference
                near = None if own or number is None else text.near_number(number)
                other = None if near or number is None else text.other_number(number, own)
                memo[key] = near or (other if other and not self._is_standing(receipt, lines[line], other) else None)
            found = memo[key]
            if isinstance(found, Near):
                pairs.number[n], pairs.is_slip[n] = Number.MISTYPED, found is not Near.MISTYPED
            elif found:
                pairs.is_other_number[n] = True

    def _is_standing(self, receipt: OpenReceipt, booked: BookedTransaction, number: str) -> bool:
        """Tell whether a number stands in this payer's texts month after month: in a standing order, and no invoice's."""
        if booked.name.ordered != receipt.name.ordered:
            return False
        near = [one for one in self.index.lines_of_name(receipt.name) if abs(one.day - booked.day) <= _STANDING_DAYS]
        return len({one.day for one in near if number in one.text.written}) >= _FEWEST_STANDING

    def _own_hits(self, place: int, line: int, *, is_part: bool) -> tuple[Found, ...]:
        """Where the text holds the receipt's number, or that of another part of the set."""
        named = self.index.mentions.named.get(line)
        if not named:
            return ()
        places = self._collective[line] if is_part else (place,)
        return tuple([hit for one in places for hit in named.get(one, ())])

    def _compare_months(self) -> None:
        pairs, receipts, lines = self.pairs, self.index.receipts, self.index.transactions
        pairs.month = np.full(len(pairs), UNKNOWN)
        has_month = flags(bool(receipt.months) for receipt in receipts)
        asked = np.flatnonzero(has_month[pairs.receipt] & self.sides.has_text[pairs.line])
        for n, place, line in zip(asked.tolist(), pairs.receipt[asked].tolist(), pairs.line[asked].tolist(), strict=True):
            is_same = agree(receipts[place].months, lines[line].months)
            if is_same is not None:
                pairs.month[n] = YES if is_same else NO
        days = self.sides.day[pairs.line] - self.sides.issued[pairs.receipt]
        is_soon = (days >= _MONTH_DAYS[0]) & (days <= _MONTH_DAYS[1]) & self.sides.has_text[pairs.line]
        asked = np.flatnonzero(is_soon & ~has_month[pairs.receipt] & pairs.is_exact)
        for n, place, line in zip(asked.tolist(), pairs.receipt[asked].tolist(), pairs.line[asked].tolist(), strict=True):
            told, issued = lines[line].months, receipts[place].facts.issued_on
            if len(told) == 1 and issued and agree(told, frozenset([(issued.year, issued.month)])):
                pairs.month[n] = YES

    def _compare_dates(self) -> None:
        pairs, receipts, lines = self.pairs, self.index.receipts, self.index.transactions
        pairs.is_dated = np.zeros(len(pairs), np.bool_)
        asked = np.flatnonzero(self.sides.has_days[pairs.line] & (self.sides.issued[pairs.receipt] != NO_DAY))
        for n, place, line in zip(asked.tolist(), pairs.receipt[asked].tolist(), pairs.line[asked].tolist(), strict=True):
            pairs.is_dated[n] = receipts[place].facts.issued_on in lines[line].days

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
        is_of_shop = sides.is_card[pairs.line] & pairs.is_named(SIMILAR)
        pairs.is_shop = is_of_shop & self._is_bought(*_CARD_DAYS)
        is_same_day = self._is_bought(0, 0) & sides.is_day_known[pairs.line]
        pairs.is_on_day = is_of_shop & is_same_day & (pairs.from_issue != NO_DAY)
        pairs.nearest = np.minimum(1000, np.minimum(abs(pairs.from_issue), abs(pairs.from_due)))
        pairs.nearest = np.where(pairs.from_payment == NO_DAY, pairs.nearest, abs(pairs.from_payment))

    def _is_bought(self, first: int, last: int) -> Column:
        """Tell whether it was bought so many days after the receipt, or somewhat later where only the day of booking is told."""
        pairs, sides = self.pairs, self.sides
        until = last + np.where(sides.is_day_known[pairs.line], 0, _BOOKING_DAYS)
        found = np.zeros(len(pairs), np.bool_)
        for known in (sides.issued[pairs.receipt], sides.paid_on[pairs.receipt]):
            days = sides.emitted[pairs.line] - known
            found |= (known != NO_DAY) & (first <= days) & (days <= until)
        return found

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
        keep: Column = (
            pairs.is_exact
            | np.isin(pairs.amount, [Amount.PAYOUT, Amount.COLLECTED])
            | pairs.is_linked
            | (pairs.number <= Number.HINTED)
            | is_fit
        )
        return keep


def _members(groups: Groups, fresh: Column | None) -> list[tuple[int, int]]:
    """The pairs of all sets, or of those receipts of them that are compared anew."""
    found = [(place, line) for line, places in _together(groups) for place in places]
    found += [(place, line) for place, lines in groups.bundles.items() for line in lines]
    found += [(place, line) for line, places in groups.payouts.equal.items() for place in places]
    return found if fresh is None else [(place, line) for place, line in found if fresh[place]]


def _together(groups: Groups) -> list[tuple[int, tuple[int, ...]]]:
    """Each transaction that several receipts share, with their places."""
    return [*groups.probable.items(), *groups.collective.items()]
