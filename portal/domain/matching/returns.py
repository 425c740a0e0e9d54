"""Payments that came back: a direct debit that the bank returned is money that was never paid, and is tried again."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import Side
from portal.domain.matching.records import BookedTransaction
from portal.domain.names import CLEARLY_SAME, SIMILAR, fold

RETURN_DAYS = 60
"""A payer may give a direct debit back for eight weeks."""
_INVOICE_DAYS = 200
_MOST = 200
_MOST_FEE = 15_00
"""What banks take from the creditor on top of what they take back."""
_DEBIT = r"(?:sepa )?(?:lastschr\w*|ls|sdd)"
_BACK = r"(?:rueckgabe|retoure|rueckbuchung|ruecklauf\w*|ruecklaeufer|rueckruf|widerspruch|storno\w*|zurueckgegeben\w*)"
_RETURNED = re.compile(
    rf"\brueck ?(?:lastschr|belast)|\bruecklast\b|\b{_DEBIT} {_BACK}\b|\blastschr\w*{_BACK}\b"
    rf"|\b(?:{_BACK}|stornierung|nicht eingeloeste) {_DEBIT}\b|\bmangels deckung\b|\brueckgabegrund\b|\brtrn\b"
    r"|\bueberweisungsruecklaeufer\b|\brueckueberweisung\b|\bchargeback\b"
    r"|\breturn(?:ed)? (?:sdd|direct debit|payment)\b|\bdirect debit return|\bunpaid direct debit\b"
)
"""In a folded text. "Lastschrift Rückstand" and "returned goods" are none."""
_BESIDE = re.compile(r"\bruecklast\w*gebuehr\w*|\bgebuehr\w* (?:fuer )?(?:die )?ruecklast\w*|\bkeine ruecklast\w*")
"""Speaks of a return and is none: the fee for one, billed by itself, or the wish that none may come."""


@dataclass(slots=True)
class Returns:
    """Payments that came back or may have, each with the place of the transaction with which they did.

    `clear`: those of which it is sure which payment is meant; `silent`: whose return says nothing.
    """

    lines: dict[int, int] = field(default_factory=dict)
    clear: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)


def tells_of_return(remittance: str) -> bool:
    """Tell whether a text says that money came back, as banks write it."""
    folded = _BESIDE.sub("", fold(remittance))
    return _RETURNED.search(folded) is not None or "ruecklastschr" in folded.replace(" ", "")  # some banks break words


def find_returns(index: Index) -> Returns:
    """Find the payments that came back, the earliest return first; each takes one that no other has taken.

    What returns one lies on the other side and comes after it. It names the same receipt; or its text tells that it is a return,
    and amount and party are the same; or it says nothing at all. Where more than one may be meant, all of them are: a return may
    keep a payment from being assigned, and another is only taken in its place where it is clear.
    """
    found = Returns()
    asked = []
    for back in index.transactions:
        equal = index.amounts.get((_other(back), back.currency, back.facts.amount_cents))
        if equal is not None or back.place in index.mentions.named_whole:
            asked.append((back.day, back.facts.id, back, equal))
    for _, _, back, equal in sorted(asked, key=lambda row: row[:2]):
        is_told = tells_of_return(back.text.written)
        meant, is_clear = _naming_the_same(index, back, found, is_told=is_told), True
        if meant:
            meant, is_clear = _last(meant, [frozenset(index.mentions.named_whole[one.place]) for one in meant])
        elif equal is not None and (is_told or not back.text.atoms):
            possible = _of_amount(index, equal, back, found, is_told=is_told)
            shared = [_signs(one) & _signs(back) for one in possible]
            # what has less in common with the return than another: a bank repeats the text of what it takes back
            possible = [one for one, some in zip(possible, shared, strict=True) if not any(some < more for more in shared)]
            meant, is_clear = _last(possible, [fold(one.text.written) for one in possible])
            is_clear = is_clear and is_told and (any(shared) or not _signs(back))
        if not meant or not (is_told or _is_owed_to_nobody(index, back)):
            continue
        places = {one.place for one in meant}
        found.lines.update(dict.fromkeys(places, back.place))
        found.clear |= places if is_clear else set()
        found.silent |= places if not back.text.atoms else set()
    return found


def _naming_the_same(index: Index, back: BookedTransaction, found: Returns, *, is_told: bool) -> list[BookedTransaction]:
    """The payments that name a receipt that a return names, of its amount; where it says what it is, a fee may be on top."""
    receipts = map(index.receipts.__getitem__, index.mentions.named_whole.get(back.place, ()))
    naming = {line for receipt in receipts for line in index.mentions.naming(receipt)} - found.lines.keys()
    most = _MOST_FEE if is_told else 0
    return [
        one
        for one in map(index.transactions.__getitem__, naming)
        if 0 <= back.facts.amount_cents - one.facts.amount_cents <= most and _is_before(one, back)
    ]


def _of_amount(
    index: Index, amount: int, back: BookedTransaction, found: Returns, *, is_told: bool
) -> list[BookedTransaction]:  # fmt: skip
    """The payments of an amount that the party of a return made before it; none of very many.

    If either tells no party, it has to be the only one.
    """
    days = back.day - RETURN_DAYS, back.day
    if index.lines_by_amount.count(amount, *days) > _MOST:
        return []
    lines = map(index.transactions.__getitem__, index.lines_by_amount.between(amount, *days))
    # what is equal only in its open part or its original amount is another payment
    known = [one for one in lines if one.facts.amount_cents == back.facts.amount_cents and _is_before(one, back)]
    known = [one for one in known if one.place not in found.lines]
    possible = [one for one in known if _is_of_party(index, one, back)]
    return possible or (known if is_told and len(known) == 1 and _is_nameless(known[0], back) else [])


def _last(possible: list[BookedTransaction], texts: Sequence[Hashable]) -> tuple[list[BookedTransaction], bool]:
    """The payments that are meant, and whether that is clear: the last, where their texts are the same; else all of them."""
    if not possible or len(set(texts)) > 1:
        return possible, False
    return [max(possible, key=lambda one: (one.day, one.facts.id))], True


def _signs(one: BookedTransaction) -> frozenset[Hashable]:
    """The numbers and months of a text."""
    return one.text.numbers | one.months


def _is_before(one: BookedTransaction, back: BookedTransaction) -> bool:
    return one.facts.side != back.facts.side and one.currency == back.currency and 0 <= back.day - one.day <= RETURN_DAYS


def _is_owed_to_nobody(index: Index, back: BookedTransaction) -> bool:
    """Tell whether no receipt of its party is there, assigned or open, for what may be a return."""
    key = index.amounts[back.facts.side, back.currency, back.facts.amount_cents]
    window = key, back.day - _INVOICE_DAYS, back.day + _INVOICE_DAYS
    if back.free != back.facts.amount_cents or index.receipts_by_amount.count(*window) > _MOST:
        return False
    near = map(index.receipts.__getitem__, index.receipts_by_amount.between(*window))
    return not any(not one.name or not back.name or index.parties.is_one(one, back, SIMILAR) for one in near)


def _is_nameless(one: BookedTransaction, back: BookedTransaction) -> bool:
    """Tell whether either tells no party, and the payment may have been a direct debit: no other is returned."""
    is_pulled = one.is_pulled or one.facts.operation_type in {None, "income"}
    return is_pulled and not (one.facts.counterparty and back.facts.counterparty)


def _is_of_party(index: Index, one: BookedTransaction, other: BookedTransaction) -> bool:
    """Tell whether two transactions are of one party by name or account."""
    if one.iban and one.iban == other.iban:
        return True
    return bool(one.name) and index.parties.likeness_of(one.spelling, other.spelling) >= CLEARLY_SAME


def _other(back: BookedTransaction) -> Side:
    return "debit" if back.facts.side == "credit" else "credit"
