"""What a pair of receipt and transaction has to say: each sign read once, without judging it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum, auto

from portal.domain.matching.blocking import DISCOUNTS, VAT_RATES, BookedTransaction, Index, OpenReceipt
from portal.domain.matching.groups import Groups, find_groups, find_twins
from portal.domain.names import CLEARLY_SAME, is_in_text, parse_name, similarity
from portal.domain.references import Strength

RECURRENCE_DAYS = 200
_MOST_RIVALS = 24
_SAME_PARTY = 0.6


class Amount(IntEnum):
    """How the amounts relate; the first four are equal to the cent."""

    EQUAL = auto()
    LOCAL = auto()
    REST = auto()
    SUM = auto()
    DISCOUNT = auto()
    NET = auto()
    DIFFERS = auto()
    CURRENCY = auto()
    MISSING = auto()


class Number(IntEnum):
    """What the remittance information says about the invoice number."""

    FOUND = auto()
    SHORT = auto()
    """A whole token, but too short or too much like a date to name an invoice alone."""
    HINTED = auto()
    """Part of something longer."""
    MISTYPED = auto()
    ABSENT = auto()
    UNKNOWN = auto()


_NUMBERS = {Strength.WHOLE: Number.FOUND, Strength.SHORT: Number.SHORT, Strength.PART: Number.HINTED}


@dataclass(slots=True, eq=False)
class Evidence:
    """One compared pair. `allocate`: cents of the transaction it would take; `percent`: of discount or VAT; days are signed."""

    receipt: OpenReceipt
    transaction: BookedTransaction
    amount: Amount
    allocate: int
    percent: int = 0
    group: tuple[int, ...] = ()
    """Places of the other receipts of a collective payment (`is_collective`) or the other lines of a bundle."""
    is_collective: bool = False
    number: Number = Number.UNKNOWN
    written: str = ""
    other_receipt: OpenReceipt | None = None
    other_number: str | None = None
    name: float | None = None
    is_name_in_text: bool = False
    is_alias: bool = False
    """People have confirmed that the two names are one party."""
    iban: bool | None = None
    days_from_issue: int | None = None
    days_from_due: int | None = None
    days_from_payment: int | None = None
    is_linked: bool = False
    is_declined: bool = False
    is_used: bool = False
    weight: float = 0.0
    score: float = 0.0
    is_optimal: bool = False

    @property
    def is_exact(self) -> bool:
        """Tell whether the amounts are equal to the cent in one way or another."""
        return self.amount <= Amount.SUM

    @property
    def nearest_days(self) -> int:
        """The distance to the date that says most: marked as paid, else due, else issued. Without any: a thousand."""
        for days in (self.days_from_payment, self.days_from_due, self.days_from_issue):
            if days is not None:
                return abs(days)
        return 1000


class Comparison:
    """All compared pairs of one client, by receipt and by transaction, with the sets and twins among them."""

    def __init__(self, index: Index, declined: Collection[tuple[str, str]], aliases: Collection[tuple[str, str]] = ()) -> None:
        """Compare what blocking lets through."""
        self._aliases = frozenset((parse_name(one).ordered, parse_name(other).ordered) for one, other in aliases)
        self.index = index
        self.groups: Groups = find_groups(index)
        self.twins = find_twins(index)
        self._declined = frozenset(declined)
        self._names: dict[tuple[str, str], float] = {}
        self._lines_of: dict[int, set[int]] = {}
        for line, members in self.groups.collective.items():
            for member in members:
                self._lines_of.setdefault(member, set()).add(line)
        self._linked_by: dict[int, set[int]] = {}
        self.rows: list[list[Evidence]] = []
        self.columns: list[list[Evidence]] = [[] for _ in index.transactions]
        for receipt in index.receipts:
            linked = set(index.linked_places(receipt))
            for line in linked:
                self._linked_by.setdefault(line, set()).add(receipt.place)
            lines = {
                *index.places_to_compare(receipt),
                *self._lines_of.get(receipt.place, ()),
                *self.groups.bundles.get(receipt.place, ()),
            }
            row = [self._compare(receipt, index.transactions[line], is_linked=line in linked) for line in sorted(lines)]
            self.rows.append([evidence for evidence in row if is_worth_showing(evidence)])
            for evidence in self.rows[-1]:
                self.columns[evidence.transaction.place].append(evidence)

    def linked_by(self, transaction: BookedTransaction) -> set[int]:
        """Return the places of the receipts that the bank linked to a transaction."""
        return self._linked_by.get(transaction.place, set())

    def name_likeness(self, receipt: OpenReceipt, transaction: BookedTransaction) -> float | None:
        """Compare the counterparties, each pair of spellings once; None when one is missing."""
        if not receipt.name or not transaction.name:
            return None
        spellings = (receipt.name.ordered, transaction.name.ordered)
        if spellings not in self._names:
            self._names[spellings] = similarity(receipt.name, transaction.name)
        return self._names[spellings]

    def has_rival(self, evidence: Evidence, *, within_days: int = RECURRENCE_DAYS) -> bool:
        """Tell whether the same party moved or billed this amount more than once around these days: a series, or twins.

        Other lines are looked for around the receipt's own day, other receipts around the line's; so with few days a monthly
        series is none as long as each month stands alone.
        """
        receipt, booked = evidence.receipt, evidence.transaction
        if receipt.cents is None or receipt.currency is None:
            return True
        key = (booked.facts.side, booked.currency, booked.facts.amount_cents)
        lines = self.index.by_amount.get(key)
        receipts = self.index.receipts_by_amount.get((booked.facts.side, receipt.currency, receipt.cents))
        if lines is None or receipts is None:
            return True
        days = [booked.day, receipt.centre]
        window = (min(days) - within_days, max(days) + within_days)
        if max(lines.count(*window), receipts.count(*window)) > _MOST_RIVALS:
            return True
        for place in lines.between(*window):
            other_line = self.index.transactions[place]
            if other_line is not booked and self._is_same_party(receipt, other_line):
                return True
        return any(
            other is not receipt and self._is_same_party(other, booked)
            for other in (self.index.receipts[place] for place in receipts.between(*window))
        )

    def _is_same_party(self, receipt: OpenReceipt, booked: BookedTransaction) -> bool:
        if receipt.iban and receipt.iban == booked.iban:
            return True
        likeness = self.name_likeness(receipt, booked)
        return likeness is None or likeness >= _SAME_PARTY

    def _compare(self, receipt: OpenReceipt, booked: BookedTransaction, *, is_linked: bool) -> Evidence:
        evidence = compare_amounts(receipt, booked)
        evidence.is_linked = is_linked
        evidence.is_declined = (receipt.facts.id, booked.facts.id) in self._declined
        self._note_group(evidence)
        evidence.name = self.name_likeness(receipt, booked)
        evidence.is_alias = (receipt.name.ordered, booked.name.ordered) in self._aliases and (evidence.name or 0) < CLEARLY_SAME
        if evidence.is_alias:
            evidence.name = CLEARLY_SAME
        evidence.is_name_in_text = (evidence.name or 0) < _SAME_PARTY and is_in_text(receipt.name, booked.words)
        if receipt.iban and booked.iban and not evidence.is_name_in_text:  # a payment through another goes to the other's account
            evidence.iban = receipt.iban == booked.iban
        self._read_number(evidence)
        _measure_days(evidence)
        return evidence

    def _note_group(self, evidence: Evidence) -> None:
        receipt, booked = evidence.receipt, evidence.transaction
        members = self.groups.collective.get(booked.place, ())
        lines = self.groups.bundles.get(receipt.place, ())
        if receipt.place in members:
            is_netted = receipt.side != booked.facts.side
            evidence.amount, evidence.is_collective, evidence.is_used = Amount.SUM, True, False
            evidence.group = tuple(place for place in members if place != receipt.place)
            evidence.allocate = -(receipt.cents or 0) if is_netted else receipt.cents or 0
        elif booked.place in lines:
            evidence.amount, evidence.allocate = Amount.SUM, booked.free
            evidence.group = tuple(place for place in lines if place != booked.place)

    def _read_number(self, evidence: Evidence) -> None:
        receipt, booked = evidence.receipt, evidence.transaction
        named = self.index.named[booked.place]
        own = named.get(receipt.place, [])
        evidence.other_receipt = self._other_receipt(evidence)
        if receipt.reference is None or not booked.text.atoms:
            return
        if own:
            best = max(own, key=lambda hit: (hit.strength, -hit.start))
            evidence.number = _NUMBERS[best.strength]
            evidence.written = booked.facts.remittance[best.start : best.end]
        else:
            evidence.number = Number.ABSENT
        if evidence.number is not Number.FOUND and (evidence.is_exact or evidence.is_linked):
            if not own and booked.text.has_typo_of(receipt.reference):
                evidence.number = Number.MISTYPED
            else:
                evidence.other_number = booked.text.other_number(receipt.reference, own)

    def _other_receipt(self, evidence: Evidence) -> OpenReceipt | None:
        """Find an open receipt that the text names in another place than this one or the members of its set."""
        whole = self.index.named_whole[evidence.transaction.place]
        receipt = evidence.receipt.place
        if not whole or (len(whole) == 1 and receipt in whole):
            return None
        ours = (receipt, *evidence.group) if evidence.is_collective else (receipt,)
        own = [hit for place in ours for hit in self.index.named[evidence.transaction.place].get(place, ())]
        for place in sorted(whole):
            if place not in ours and not all(any(hit.overlaps(mine) for mine in own) for hit in whole[place]):
                return self.index.receipts[place]
        return None


def compare_amounts(receipt: OpenReceipt, booked: BookedTransaction) -> Evidence:
    """Classify how a receipt's amount relates to a transaction, to the cent, and what of the transaction it would take."""
    amount, free, cents = booked.facts.amount_cents, booked.free, receipt.cents
    is_used = free == 0
    if cents is None:
        return Evidence(receipt, booked, Amount.MISSING, free, is_used=is_used)
    if receipt.currency != booked.currency:
        if receipt.currency and receipt.currency == booked.local_currency and booked.facts.local_amount_cents is not None:
            is_equal = abs(booked.facts.local_amount_cents) == cents
            kind = Amount.LOCAL if is_equal else Amount.DIFFERS
            return Evidence(receipt, booked, kind, free, is_used=free < amount if is_equal else is_used)
        return Evidence(receipt, booked, Amount.CURRENCY, free, is_used=is_used)
    if amount == cents:
        return Evidence(receipt, booked, Amount.EQUAL, min(cents, free), is_used=free < cents)
    if free == cents:
        return Evidence(receipt, booked, Amount.REST, cents)
    for kind, percents in ((Amount.DISCOUNT, [-part for part in DISCOUNTS]), (Amount.NET, VAT_RATES)):
        for percent in percents:
            if abs(100 * amount - cents * (100 + percent)) < 100:
                return Evidence(receipt, booked, kind, min(amount, free), percent=abs(percent), is_used=is_used)
    return Evidence(receipt, booked, Amount.DIFFERS, min(cents, free), is_used=is_used)


def is_worth_showing(evidence: Evidence) -> bool:
    """Tell whether a pair is more than noise: an amount that is not equal needs a number, bank link, IBAN or similar name."""
    if evidence.is_exact or evidence.is_linked or evidence.number in {Number.FOUND, Number.SHORT, Number.HINTED}:
        return True
    has_party = bool(evidence.iban) or evidence.is_name_in_text or (evidence.name or 0) >= _SAME_PARTY
    if evidence.amount is Amount.DIFFERS and has_party:
        cents = evidence.receipt.cents or 0
        return 4 * evidence.transaction.facts.amount_cents >= cents and 4 * evidence.transaction.facts.amount_cents <= 5 * cents
    is_bare = evidence.amount is Amount.CURRENCY and evidence.receipt.cents == evidence.transaction.facts.amount_cents
    return has_party or (is_bare and evidence.receipt.currency is None)


def _measure_days(evidence: Evidence) -> None:
    facts, booked = evidence.receipt.facts, evidence.transaction
    for name, known in (
        ("days_from_issue", facts.issued_on),
        ("days_from_due", facts.due_on),
        ("days_from_payment", facts.paid_on),
    ):
        if known is not None:
            day = known.toordinal()
            # a card is charged days after the purchase: the day that is nearer to the receipt counts
            days = min(booked.emitted_day - day, booked.day - day, key=abs)
            setattr(evidence, name, days)
