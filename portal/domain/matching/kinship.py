"""Two names of one party: what people have confirmed, and what the books themselves show.

A supplier may be called "DB Fernverkehr AG" on its receipts and "DB VERTRIEB GMBH FRANKFURT DE" at the bank. One receipt whose
amount meets such a line on its day is chance; that several do, with several amounts, is none.

The same of accounts: a supplier's invoices print one, and for months he is paid at another, by number and name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from portal.domain.matching.blocking import Index
from portal.domain.matching.records import BookedTransaction, OpenReceipt, compact_iban
from portal.domain.names import CLEARLY_SAME, is_processor, parse_name, similarity

_NEAR_DAYS, _BOOKED_LATER, _ALONE_DAYS = 3, 7, 14
FEWEST, FEWEST_OF_ONE_AMOUNT = 3, 4
"""So often two names have to meet with several amounts, or with one: a subscription."""
_MOST_STRANGERS = 5
"""Of five meetings of a name at the bank one may be with another supplier."""
_MOST_AROUND = 40
"""Among more equal payments of some weeks none is the only one; to look at each would take a dense client for ever."""

FEWEST_PAID, _LEAST_DAYS = 4, 60
"""So often, and from the first to the last time so long, an account has to be used: who waits for his money says so by then."""

Couple = tuple[int, int]
"""Two places in `Parties.spellings`: on receipts, at the bank."""


def acquaint(index: Index, aliases: Collection[tuple[str, str]], accounts: Collection[tuple[str, str]] = ()) -> None:
    """Have the index take two names for one party's, and an account for a supplier's.

    `aliases`: names that are known already, as written on either side; `accounts`: (name on receipts, IBAN), likewise.
    """
    index.accounts = {(parse_name(name).ordered, compact_iban(iban)) for name, iban in accounts} | find_accounts(index)
    kin = find_kin(index)
    index.parties.take_for_one({*_confirmed(index, aliases), *kin, *_cut_off(index, kin)})


def _confirmed(index: Index, aliases: Collection[tuple[str, str]]) -> Iterator[Couple]:
    known = [(parse_name(one), parse_name(other)) for one, other in aliases if not is_processor(other)]
    if known:
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, name in enumerate(index.parties.spellings):
            places[name.ordered].append(place)
        for one, other in known:
            yield from ((ours, theirs) for ours in places.get(one.ordered, ()) for theirs in places.get(other.ordered, ()))


def _cut_off(index: Index, kin: Collection[Couple]) -> Iterator[Couple]:
    """The same names where the bank wrote less or more of them."""
    if kin:
        by_word: defaultdict[str, list[int]] = defaultdict(list)
        for place in {booked.spelling for booked in index.transactions if booked.name}:
            by_word[index.parties.spellings[place].words[0]].append(place)
        for ours, theirs in kin:
            name = index.parties.spellings[theirs]
            yield from (
                (ours, place)
                for place in by_word[name.words[0]]
                if similarity(name, index.parties.spellings[place]) >= CLEARLY_SAME
            )


def find_kin(index: Index) -> set[Couple]:
    """Return the names that meet again and again, and hardly ever anybody else: the same amount on the same days."""
    met: defaultdict[tuple[int, int | str], list[tuple[int, int]]] = defaultdict(list)
    meetings: Counter[int | str] = Counter()
    for receipt in index.receipts:
        booked = _meeting(index, receipt)
        if booked is not None:
            # banks cut names: what a name begins with may stand for all its forms
            for form in (booked.spelling, booked.name.words[0]):
                meetings[form] += 1
                met[receipt.spelling, form].append((booked.spelling, receipt.cents or 0))
    kin = set[Couple]()
    for (ours, form), found in met.items():
        fewest = FEWEST if len({cents for _, cents in found}) > 1 else FEWEST_OF_ONE_AMOUNT
        if len(found) >= fewest and (meetings[form] - len(found)) * _MOST_STRANGERS <= meetings[form]:
            kin.update((ours, theirs) for theirs, _ in found)
    return kin


def find_accounts(index: Index) -> set[tuple[str, str]]:
    """Return the accounts (name in order, IBAN) to which suppliers are paid whose invoices print another one."""
    paid: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for line, named in index.mentions.named_whole.items():
        booked, receipts = index.transactions[line], [index.receipts[place] for place in named]
        if len(receipts) == 1 and booked.iban and booked.facts.side == "debit" and not booked.is_passed_on:
            receipt = receipts[0]
            is_equal = receipt.cents == booked.facts.amount_cents and receipt.currency == booked.currency
            is_same = is_equal and index.parties.likeness_of(receipt.spelling, booked.spelling) >= CLEARLY_SAME
            if is_same and receipt.side == "debit" and receipt.iban and receipt.iban != booked.iban:
                paid[receipt.name.ordered, booked.iban].append(booked.day)
    return {party for party, days in paid.items() if len(days) >= FEWEST_PAID and max(days) - min(days) >= _LEAST_DAYS}


def _meeting(index: Index, receipt: OpenReceipt) -> BookedTransaction | None:
    """The only transaction of the receipt's amount around its days, if no other receipt can mean it, and its name is told."""
    facts = receipt.facts
    if not (receipt.name and receipt.side and receipt.currency and receipt.cents and facts.is_from_bank):
        return None
    amount = index.amounts.get((receipt.side, receipt.currency, receipt.cents))
    days = [day.toordinal() for day in ([facts.paid_on] if facts.paid_on else [facts.issued_on, facts.due_on]) if day]
    if amount is None or not days or index.receipts_by_amount.count(amount, *_always_near(days)) > 1:
        return None
    places = index.lines_by_amount.between(amount, min(days) - _NEAR_DAYS, max(days) + _BOOKED_LATER)
    if len(places) > _MOST_AROUND:
        return None
    near = [booked for booked in map(index.transactions.__getitem__, places) if _is_near(booked, days)]
    if len(near) != 1 or index.receipts_by_amount.count(amount, near[0].day - _ALONE_DAYS, near[0].day + _ALONE_DAYS) != 1:
        return None
    booked = near[0]
    is_told_apart = receipt.side == "debit" and receipt.iban and booked.iban and receipt.iban != booked.iban
    is_another = any(place != receipt.place for place in index.mentions.named_whole.get(booked.place, ()))
    is_whole = booked.name and booked.free == booked.facts.amount_cents
    if is_told_apart or is_another or not is_whole or booked.is_passed_on:
        return None
    return booked


def _always_near(days: list[int]) -> tuple[int, int]:
    """The days in which another receipt can mean any transaction around these days: one there is enough to look no further."""
    return max(days) + _BOOKED_LATER - _ALONE_DAYS, min(days) - _NEAR_DAYS + _ALONE_DAYS


def _is_near(booked: BookedTransaction, days: list[int]) -> bool:
    return any(min(abs(booked.day - day), abs(booked.emitted_day - day)) <= _NEAR_DAYS for day in days)
