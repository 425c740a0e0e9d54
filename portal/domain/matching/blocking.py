"""Which receipts and transactions are compared at all: by amount, number in the text, bank link, IBAN and rare name word.

Each way is capped by nearness in time, so that one dense client (ten thousand equal tickets) grows with n and not with n².
Everything inside works on records sorted by id: the order of the input cannot matter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from portal.domain.matching.facts import ReceiptFacts, Side, TransactionFacts
from portal.domain.names import fold, loosen, parse_name
from portal.domain.references import INVOICE_WORDS, Found, RemittanceText, parse_reference

DAYS_BEFORE, DAYS_AFTER = 45, 135
"""A transaction is compared from 45 days before a receipt's first date to 135 days after its last (98.6 % of true pairs)."""
MOST_BY_AMOUNT = MOST_BY_NUMBER = 24
MOST_BY_NAME = 8
DISCOUNTS = (2, 3)
"""Skonto as German invoices grant it, percent."""
VAT_RATES = (19, 7)
_SHORTEST_WORD = 4
_USUAL_LAG = 7
_FOREVER = (0, 10**7)

AmountKey = tuple[Side, str, int]


class OpenReceipt:
    """A receipt with everything derived once. `place`: its rank by id; `side`: of the transaction that would pay it."""

    __slots__ = ("centre", "cents", "currency", "facts", "first_day", "iban", "last_day", "name", "place", "reference", "side")

    def __init__(self, place: int, facts: ReceiptFacts) -> None:
        """Derive the comparable form of `facts`."""
        self.place = place
        self.facts = facts
        self.cents = None if facts.amount_cents is None else abs(facts.amount_cents)
        self.currency = facts.currency.strip().upper() if facts.currency else None
        self.name = parse_name(facts.counterparty)
        self.reference = parse_reference(facts.number)
        self.iban = compact_iban(facts.iban)
        self.side = paying_side(facts)
        days = [day.toordinal() for day in (facts.issued_on, facts.due_on, facts.paid_on) if day is not None]
        self.first_day, self.last_day = (min(days) - DAYS_BEFORE, max(days) + DAYS_AFTER) if days else _FOREVER
        if facts.paid_on is not None:
            self.centre = facts.paid_on.toordinal()
        else:
            self.centre = days[0] + _USUAL_LAG if days else 0

    @property
    def has_date(self) -> bool:
        """Tell whether any of its three dates is known."""
        return (self.first_day, self.last_day) != _FOREVER


class BookedTransaction:
    """A transaction with everything derived once. `place`: its rank by id."""

    __slots__ = ("_words", "currency", "day", "emitted_day", "facts", "free", "iban", "local_currency", "name", "place", "text")

    def __init__(self, place: int, facts: TransactionFacts) -> None:
        """Derive the comparable form of `facts`."""
        self.place = place
        self.facts = facts
        self.free = max(0, facts.open_cents)
        self.currency = facts.currency.strip().upper()
        self.local_currency = facts.local_currency.strip().upper() if facts.local_currency else None
        self.name = parse_name(facts.counterparty)
        self.text = RemittanceText(facts.remittance)
        self.iban = compact_iban(facts.iban)
        self.day = facts.booked_on.toordinal()
        self.emitted_day = (facts.emitted_on or facts.booked_on).toordinal()
        self._words: frozenset[str] | None = None

    @property
    def words(self) -> frozenset[str]:
        """The words of the remittance information, folded and loosened like those of a name."""
        if self._words is None:
            self._words = frozenset(map(loosen, fold(self.facts.remittance).split()))
        return self._words


class Bucket:
    """Places sorted by day."""

    __slots__ = ("days", "places")

    def __init__(self, entries: Iterable[tuple[int, int]]) -> None:
        """Sort (day, place) pairs."""
        ordered = sorted(set(entries))
        self.days = [day for day, _ in ordered]
        self.places = [place for _, place in ordered]

    def count(self, first_day: int, last_day: int) -> int:
        """Count what lies in the days, both included."""
        return bisect_right(self.days, last_day) - bisect_left(self.days, first_day)

    def between(self, first_day: int, last_day: int) -> Sequence[int]:
        """Return the places in the days, both included."""
        return self.places[bisect_left(self.days, first_day) : bisect_right(self.days, last_day)]

    def nearest(self, centre: int, first_day: int, last_day: int, most: int) -> Sequence[int]:
        """Return at most `most` places in the days, those nearest to `centre` first kept."""
        low, high = bisect_left(self.days, first_day), bisect_right(self.days, last_day)
        if high - low <= most:
            return self.places[low:high]
        left = right = min(max(bisect_left(self.days, centre), low), high)
        while right - left < most:
            takes_left = right >= high or (left > low and centre - self.days[left - 1] <= self.days[right] - centre)
            if takes_left:
                left -= 1
            else:
                right += 1
        return self.places[left:right]


_EMPTY = Bucket(())


class Index:
    """Both sides of one client, ready for look-ups. Errors: ValueError when an id occurs twice."""

    def __init__(self, receipts: Sequence[ReceiptFacts], transactions: Sequence[TransactionFacts]) -> None:
        """Sort by id, derive, and index."""
        self.receipts = [OpenReceipt(n, facts) for n, facts in enumerate(sorted(receipts, key=lambda facts: facts.id))]
        countable = sorted((facts for facts in transactions if facts.amount_cents > 0), key=lambda facts: facts.id)
        self.transactions = [BookedTransaction(n, facts) for n, facts in enumerate(countable)]
        self.place_of = {booked.facts.id: booked.place for booked in self.transactions}
        if len(self.place_of) < len(self.transactions) or len({receipt.facts.id for receipt in self.receipts}) < len(
            self.receipts
        ):
            message = "a receipt's or transaction's id occurs twice"
            raise ValueError(message)
        self.currencies = sorted({booked.currency for booked in self.transactions})
        self.by_amount = self._transactions_by_amount()
        self.receipts_by_amount = self._receipts_by_amount()
        self._by_word = self._transactions_by(lambda booked: [word for word in booked.name.words if len(word) >= _SHORTEST_WORD])
        self._by_iban = self._transactions_by(lambda booked: [booked.iban] if booked.iban else [])
        self.named: list[dict[int, list[Found]]] = [{} for _ in self.transactions]
        """For each transaction the receipts whose number its text holds, with the places."""
        self.named_whole: list[dict[int, list[Found]]] = [{} for _ in self.transactions]
        """The same, only where the number identifies the receipt."""
        self._naming: list[list[int]] = [[] for _ in self.receipts]
        self._find_numbers()

    def linked_places(self, receipt: OpenReceipt) -> list[int]:
        """Return the known transactions the bank linked to a receipt; an upload has none."""
        if not receipt.facts.is_from_bank:
            return []
        return sorted({self.place_of[known] for known in receipt.facts.linked_transactions if known in self.place_of})

    def naming(self, receipt: OpenReceipt) -> list[int]:
        """Return the transactions whose text identifies a receipt by its number."""
        return [n for n in self._naming[receipt.place] if receipt.place in self.named_whole[n]]

    def places_to_compare(self, receipt: OpenReceipt) -> list[int]:
        """Return the transactions worth comparing with a receipt, sorted, on the right side only."""
        found = {n for n in self._named_nearest(receipt) if self._is_on_side(receipt, n)}
        found.update(n for n in self.linked_places(receipt) if self._is_on_side(receipt, n))
        is_known = bool(found)
        for side in (receipt.side,) if receipt.side else ("debit", "credit"):
            found.update(self._with_amount(receipt, side))
        if not is_known:
            found.update(n for n in self._of_party(receipt) if self._is_on_side(receipt, n))
        return sorted(found)

    def _is_on_side(self, receipt: OpenReceipt, place: int) -> bool:
        return receipt.side is None or self.transactions[place].facts.side == receipt.side

    def _named_nearest(self, receipt: OpenReceipt) -> list[int]:
        def distance(place: int) -> tuple[bool, int, int]:
            booked = self.transactions[place]
            return booked.facts.amount_cents != receipt.cents, abs(booked.day - receipt.centre), place

        places = self._naming[receipt.place]
        return places if len(places) <= MOST_BY_NUMBER else sorted(places, key=distance)[:MOST_BY_NUMBER]

    def _with_amount(self, receipt: OpenReceipt, side: Side) -> list[int]:
        cents = receipt.cents
        if not cents:
            return []
        found: list[int] = []
        window = (receipt.centre, receipt.first_day, receipt.last_day)
        for currency in [receipt.currency] if receipt.currency else self.currencies:
            found += self.by_amount.get((side, currency, cents), _EMPTY).nearest(*window, MOST_BY_AMOUNT)
            for percent in (*(100 - discount for discount in DISCOUNTS), *(100 + rate for rate in VAT_RATES)):
                down, rest = divmod(cents * percent, 100)
                for related in (down, down + 1) if rest else (down,):
                    bucket = self.by_amount.get((side, currency, related))
                    if bucket is not None:
                        found += bucket.nearest(*window, MOST_BY_NAME)
        return found

    def _of_party(self, receipt: OpenReceipt) -> list[int]:
        buckets = [bucket for word in receipt.name.words if (bucket := self._by_word.get(word))]
        buckets.sort(key=lambda bucket: (len(bucket.days), bucket.places))
        if receipt.iban and (same_iban := self._by_iban.get(receipt.iban)):
            buckets.insert(0, same_iban)
        found: list[int] = []
        for bucket in buckets[:2]:
            found += bucket.nearest(receipt.centre, receipt.first_day, receipt.last_day, MOST_BY_NAME)
        return found

    def _transactions_by_amount(self) -> dict[AmountKey, Bucket]:
        entries: defaultdict[AmountKey, list[tuple[int, int]]] = defaultdict(list)
        for booked in self.transactions:
            facts, entry = booked.facts, (booked.day, booked.place)
            entries[facts.side, booked.currency, facts.amount_cents].append(entry)
            if booked.free:
                entries[facts.side, booked.currency, booked.free].append(entry)
            if booked.local_currency and facts.local_amount_cents:
                entries[facts.side, booked.local_currency, abs(facts.local_amount_cents)].append(entry)
        return {key: Bucket(found) for key, found in entries.items()}

    def _receipts_by_amount(self) -> dict[AmountKey, Bucket]:
        entries: defaultdict[AmountKey, list[tuple[int, int]]] = defaultdict(list)
        for receipt in self.receipts:
            if receipt.side and receipt.currency and receipt.cents:
                entries[receipt.side, receipt.currency, receipt.cents].append((receipt.centre, receipt.place))
        return {key: Bucket(found) for key, found in entries.items()}

    def _transactions_by(self, keys_of: Callable[[BookedTransaction], list[str]]) -> dict[str, Bucket]:
        entries: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for booked in self.transactions:
            for key in keys_of(booked):
                entries[key].append((booked.day, booked.place))
        return {key: Bucket(found) for key, found in entries.items()}

    def _find_numbers(self) -> None:
        by_key: defaultdict[str, list[int]] = defaultdict(list)
        for receipt in self.receipts:
            for key in receipt.reference.keys if receipt.reference else ():
                by_key[key].append(receipt.place)
        for booked in self.transactions:
            named = self.named[booked.place]
            for first, after, squashed in booked.text.windows():
                sharing = by_key.get(squashed)
                # a "number" that many receipts carry (a customer's number, a 1) names none of them
                if sharing is None or len(sharing) > MOST_BY_NUMBER:
                    continue
                for place in sharing:
                    reference = self.receipts[place].reference
                    hit = booked.text.hit(reference, first, after) if reference else None
                    if hit:
                        named.setdefault(place, []).append(hit)
            if named:
                _drop_shorter(booked.text.written, named)
            for place, hits in named.items():
                self._naming[place].append(booked.place)
                if whole := [hit for hit in hits if hit.is_whole]:
                    self.named_whole[booked.place][place] = whole


def _drop_shorter(text: str, named: dict[int, list[Found]]) -> None:
    """Drop the hits inside a longer one: where the text holds AB-2026-0042, the receipt 2026-0042 of another party is not named.

    Unless all that the longer one has more is a plain word like RE: then both stay, and amount and name have to tell.
    """
    longest = [(owner, hit) for owner, hits in named.items() for hit in hits if hit.is_whole]
    for place, hits in list(named.items()):
        kept = [hit for hit in hits if not any(_is_overruled(text, place, hit, *longer) for longer in longest)]
        if kept:
            named[place] = kept
        else:
            del named[place]


def _is_overruled(text: str, place: int, hit: Found, owner: int, longer: Found) -> bool:
    if not (longer.start <= hit.start and hit.end <= longer.end and longer.end - longer.start > hit.end - hit.start):
        return False
    before = "".join(filter(str.isalnum, text[longer.start : hit.start])).upper()
    return place == owner or longer.end != hit.end or before not in INVOICE_WORDS


def paying_side(facts: ReceiptFacts) -> Side | None:
    """Return the side of the transaction that settles a receipt; a credit note turns it round. None: direction unknown."""
    if facts.direction is None:
        return None
    is_credit_note = facts.amount_cents is not None and facts.amount_cents < 0
    return "debit" if (facts.direction == "expense") != is_credit_note else "credit"


def compact_iban(written: str | None) -> str:
    """Drop spaces and case; "" when there is none."""
    return "".join((written or "").split()).upper()
