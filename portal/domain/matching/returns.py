"""Payments that came back: a direct debit that the bank returned is money that was never paid, and is tried again."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import Side
from portal.domain.matching.records import BookedTransaction
from portal.domain.matching.return_words import Came, is_objection, is_unmistakable
from portal.domain.names import CLEARLY_SAME, SIMILAR, fold
from portal.domain.periods import days as days_of

RETURN_DAYS = 60
"""A payer may give a direct debit back for eight weeks."""
_BANK_DAYS = 8
"""What is not covered comes back in five banking days."""
_INVOICE_DAYS = 200
_MOST = 200
_MOST_FEE = 15_00
"""What banks take from the creditor on top of what they take back."""
_TELLING_DIGITS = 6
"""Two texts share a number of so many for a reason."""
_IS_BANK = re.compile(r"(?<!daten)(?<!blut)bank\b|sparkasse|\b(?:ing diba|n26|qonto)\b")
_IMPOSSIBLE: dict[Came, set[str]] = {
    "debit": {"transfer", "card", "cheque", "swift_income"},
    "transfer": {"direct_debit", "direct_debit_collection", "card", "cheque"},
    "": {"card"},
    "any": set(),
}
"""The kinds of payments that cannot come back in such a way."""
_COLLECTED = "direct_debit_collection"


@dataclass(slots=True)
class Returns:
    """Payments that came back or may have, each with the place of the transaction with which they did.

    `clear`: those of which it is sure which payment is meant; `silent`: whose return says nothing. `backs`: the transactions
    that tell of a return, of a payment that may be there or in a word that has no other meaning.
    """

    lines: dict[int, int] = field(default_factory=dict)
    clear: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)
    backs: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Return:
    """What may be a return, and the payments that may be meant.

    `named`: places of receipts; `signs`: the numbers, months and days of its text; `has_fee`: nothing but the party and a fee on
    top tell of the payments.
    """

    booked: BookedTransaction
    named: frozenset[int]
    signs: frozenset[Hashable]
    possible: list[BookedTransaction]
    has_fee: bool = False

    @property
    def came(self) -> Came:
        """What it says that came back."""
        return self.booked.came_back

    @property
    def rank(self) -> tuple[bool, bool, bool, int, str]:
        """What tells more is heard first."""
        return not self.named, not self.signs, not self.came, self.booked.day, self.booked.facts.id


def find_returns(index: Index) -> Returns:
    """Find the payments that came back: each return narrows down which one is meant, and what is sure is no other's any more.

    A return lies on the other side and comes after its payment. It names the same receipt; or its text tells that it is a return,
    and the amount is the same, and the party or a long number; or it says nothing at all. Where more than one may be meant, all
    of them are: a return may keep a payment from being assigned, and another is only taken in its place where it is clear.
    """
    return _Search(index).run()


class _Search:
    def __init__(self, index: Index) -> None:
        self._index = index
        self._found = Returns()
        # both are asked again and again
        self._naming = cache(index.mentions.naming)
        self._signs_of = cache(_signs_of_payment)
        self._of_name: dict[tuple[str, Side, int], list[BookedTransaction]] = {}
        self._amounts: dict[tuple[Side, str], list[tuple[int, int]]] = {}

    def run(self) -> Returns:
        found = self._found
        left, before = sorted(self._returns(), key=lambda one: one.rank), -1
        while len(left) != before:
            before = len(left)
            left = [one for one in left if not self._is_settled(one)]
        for one in left:
            for payment in self._meant(one):
                if payment.place not in found.lines:
                    found.lines[payment.place] = one.booked.place
                    if not one.booked.text.atoms:
                        found.silent.add(payment.place)
        return found

    def _is_settled(self, one: _Return) -> bool:
        """Note the payment that came back, if it is sure which."""
        meant = self._meant(one)
        if len(meant) != 1 or one.has_fee or not (one.came or one.named):
            return False
        is_named = bool(self._named_by(meant[0]) & one.named)
        if not is_named and not self._is_linked(meant[0], one.booked):
            return False
        if one.signs and not is_named and not self._signs_of(meant[0]) & one.signs:
            return False
        self._found.lines[meant[0].place] = one.booked.place
        self._found.clear.add(meant[0].place)
        return True

    def _meant(self, one: _Return) -> list[BookedTransaction]:
        """The payments that a return may mean, by all that tells: the more a payment shares with it, the likelier it is."""
        possible, day = [payment for payment in one.possible if payment.place not in self._found.clear], one.booked.day
        if one.has_fee or len(possible) < 2:
            return possible
        possible = _most(possible, [self._named_by(payment) & one.named for payment in possible])
        possible = _most(possible, [self._signs_of(payment) & one.signs for payment in possible])
        if one.came == "debit":
            possible = _rather(possible, lambda payment: payment.is_pulled or payment.facts.operation_type == _COLLECTED)
        possible = _rather(possible, lambda payment: payment.day < day)
        if not one.came and one.named:  # a refund of what was paid once more than owed: either payment may stay
            return [max(possible, key=lambda payment: (payment.day, payment.facts.id))]
        if is_objection(one.booked.facts.remittance):
            return possible
        recent = [payment for payment in possible if day - payment.day <= _BANK_DAYS]
        is_told = len({self._signs_of(payment) & one.signs for payment in possible}) > 1
        return recent if one.came and len(recent) == 1 and not is_told else possible

    def _returns(self) -> Iterator[_Return]:
        """What may be a return, each with the payments that it may be of."""
        index = self._index
        for back in index.transactions:
            if back.free != back.facts.amount_cents:
                continue  # somebody knows what it is
            named = self._named_by(back)
            if not named and not back.came_back and back.text.atoms:
                continue
            possible = self._naming_the_same(back, named)
            equal = self._of_amount(back) if back.came_back or not back.text.atoms else []
            less: list[BookedTransaction] = []
            if linked := [payment for payment in equal if self._is_linked(payment, back)]:
                rest = [payment for payment in equal if back.came_back and not payment.name]
                possible = list(dict.fromkeys((*possible, *linked, *rest)))
            elif not possible and back.came_back:
                # it may be anybody's, if a bank does not say whose; both are asked by themselves, since not all may be read
                possible, less = [one for one in equal if _is_nameless(back) or not one.name], self._with_fee(back)
            if back.came_back and (possible or is_unmistakable(back.facts.remittance)):
                self._found.backs.add(back.place)
            if possible and (back.came_back or self._is_owed_to_nobody(back)):
                yield _Return(back, named, _signs(back), possible)
            if less:
                yield _Return(back, named, _signs(back), less, has_fee=True)

    def _naming_the_same(self, back: BookedTransaction, named: frozenset[int]) -> list[BookedTransaction]:
        """The payments that name a receipt that a return names, of its amount; where it says what it is, a fee may be on top."""
        naming = [self._naming(self._index.receipts[place]) for place in named]
        lines = {line for lines in naming if len(lines) <= _MOST for line in lines}
        most = _MOST_FEE if back.came_back and back.facts.side == "debit" else 0
        return [
            payment
            for payment in map(self._index.transactions.__getitem__, sorted(lines))
            if _is_before(payment, back, most)
            and (back.came_back or self._is_linked(payment, back) or _is_nameless(payment) or _is_nameless(back))
        ]

    def _of_amount(self, back: BookedTransaction) -> list[BookedTransaction]:
        """The payments of a return's amount in the days before it."""
        key = self._index.amounts.get((_other(back), back.currency, back.facts.amount_cents))
        return [] if key is None else [one for one in self._near(key, back.facts.amount_cents, back) if _is_before(one, back)]

    def _with_fee(self, back: BookedTransaction) -> list[BookedTransaction]:
        """The payments of its party of which a return may be, less what the bank takes for it. All of them are meant."""
        if back.facts.side != "debit":
            return []
        cents, keys = back.facts.amount_cents, self._amounts_of(_other(back), back.currency)
        first, last = bisect_left(keys, (cents - _MOST_FEE, 0)), bisect_left(keys, (cents, 0))
        near = [payment for cents, key in keys[first:last] for payment in self._near(key, cents, back)]
        numbers = _telling(back)
        return [
            payment
            for payment in near
            if _is_before(payment, back, _MOST_FEE)
            # each is judged by itself: others of the party may not be read (`reach`)
            and (self._is_one_party(payment, back) or ((_is_nameless(back) or not payment.name) and _is_told(payment, back)))
            and not (numbers and _telling(payment) and numbers.isdisjoint(_telling(payment)))
        ]

    def _amounts_of(self, side: Side, currency: str) -> list[tuple[int, int]]:
        """All amounts of one side and currency with their keys (`Index.amounts`), sorted."""
        if not self._amounts:
            for (its_side, its_currency, cents), key in self._index.amounts.items():
                self._amounts.setdefault((its_side, its_currency), []).append((cents, key))
            for keys in self._amounts.values():
                keys.sort()
        return self._amounts.get((side, currency), [])

    def _near(self, key: int, cents: int, back: BookedTransaction) -> list[BookedTransaction]:
        """The transactions of an amount (with its key of `Index.amounts`) in the days before a return.

        Of very many those of exactly its name; if these are as many, none.
        """
        lines = self._index.lines_by_amount.between(key, back.day - RETURN_DAYS, back.day)
        if len(lines) <= _MOST:
            return list(map(self._index.transactions.__getitem__, lines))
        if not self._of_name:
            for one in self._index.transactions:
                self._of_name.setdefault((one.name.ordered, one.facts.side, one.facts.amount_cents), []).append(one)
            for found in self._of_name.values():
                found.sort(key=lambda one: one.day)
        same = self._of_name.get((back.name.ordered, _other(back), cents), [])
        first, after = (bisect_left(same, day, key=lambda one: one.day) for day in (back.day - RETURN_DAYS, back.day + 1))
        return same[first:after] if after - first <= _MOST else []

    def _is_linked(self, payment: BookedTransaction, back: BookedTransaction) -> bool:
        """Tell whether two are of one party, or share a long number where one tells of a return."""
        if self._is_one_party(payment, back):
            return True
        return bool(back.came_back) and not _telling(payment).isdisjoint(back.text.numbers)

    def _is_one_party(self, payment: BookedTransaction, back: BookedTransaction) -> bool:
        """Tell it by account or name, or by a name that stands in the text of a return."""
        if payment.iban and payment.iban == back.iban:
            return True
        if payment.name and self._index.parties.likeness_of(payment.spelling, back.spelling) >= CLEARLY_SAME:
            return True
        return bool(back.came_back) and back.tells(payment.name)

    def _is_owed_to_nobody(self, back: BookedTransaction) -> bool:
        """Tell whether no receipt of its party is there, assigned or open, for what may be a return."""
        index = self._index
        key = index.amounts[back.facts.side, back.currency, back.facts.amount_cents]
        window = key, back.day - _INVOICE_DAYS, back.day + _INVOICE_DAYS
        if index.receipts_by_amount.count(*window) > _MOST:
            return False
        near = map(index.receipts.__getitem__, index.receipts_by_amount.between(*window))
        return not any(not one.name or not back.name or index.parties.is_one(one, back, SIMILAR) for one in near)

    def _named_by(self, one: BookedTransaction) -> frozenset[int]:
        """The receipts (places) whose number a text holds."""
        return frozenset(self._index.mentions.named_whole.get(one.place, ()))


def _most(possible: list[BookedTransaction], shared: Sequence[frozenset[Hashable]]) -> list[BookedTransaction]:
    """Those that share no less with the return than another does."""
    kinds = set(shared)
    best = {some for some in kinds if not any(some < more for more in kinds)}
    return [payment for payment, some in zip(possible, shared, strict=True) if some in best]


def _rather(possible: list[BookedTransaction], fits: Callable[[BookedTransaction], bool]) -> list[BookedTransaction]:
    """Those that fit, if any does."""
    return [payment for payment in possible if fits(payment)] or possible


def _is_before(payment: BookedTransaction, back: BookedTransaction, most: int = 0) -> bool:
    """Tell whether it is a payment that may have come back, by day, kind and amount; `most`: cents that may be on top of it."""
    return (
        payment.facts.side != back.facts.side
        and payment.currency == back.currency
        and 0 <= back.day - payment.day <= RETURN_DAYS
        and 0 <= back.facts.amount_cents - payment.facts.amount_cents <= most
        and payment.facts.operation_type not in _IMPOSSIBLE[back.came_back]
        and not payment.came_back
    )


def _is_nameless(one: BookedTransaction) -> bool:
    """Tell whether nobody knows whose a transaction is: a return has no name, or that of a bank."""
    return not one.name or one.name.is_guessed or _IS_BANK.search(fold(one.other_side)) is not None


def _is_told(payment: BookedTransaction, back: BookedTransaction) -> bool:
    """Tell whether the text of a return with a fee on top has the payment's day, a long number of it, or the fee."""
    fee = back.facts.amount_cents - payment.facts.amount_cents
    has_fee = f"{fee // 100},{fee % 100:02}" in back.text.written
    return has_fee or payment.facts.booked_on in back.days or not _telling(payment).isdisjoint(back.text.numbers)


def _telling(one: BookedTransaction) -> frozenset[str]:
    """The long numbers of a text that are no part of a day."""
    days = [f"{day:%d%m%Y}" for day in days_of(one.text.written)]
    digits = {number: "".join(filter(str.isdigit, number)) for number in one.text.numbers}
    return frozenset(
        number for number, told in digits.items() if len(told) >= _TELLING_DIGITS and not any(told in day for day in days)
    )


def _signs(one: BookedTransaction) -> frozenset[Hashable]:
    """The numbers, months and days of a text."""
    return frozenset({*one.text.numbers, *(month for _, month in one.months), *one.days})


def _signs_of_payment(payment: BookedTransaction) -> frozenset[Hashable]:
    """The same; of a payment also its days, and if it names no month its own."""
    own = set() if payment.months else {payment.facts.booked_on.month}
    return _signs(payment) | own | {payment.facts.booked_on, payment.facts.emitted_on}


def _other(back: BookedTransaction) -> Side:
    return "debit" if back.facts.side == "credit" else "credit"
