"""Payments that came back: a direct debit that the bank returned is money that was never paid, and is tried again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import Side
from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.names import CLEARLY_SAME, SIMILAR, fold

RETURN_DAYS = 60
"""A payer may give a direct debit back for eight weeks."""
_INVOICE_DAYS = 200
_TWICE_DAYS = 20
"""So near to each other are two payments of which one was a mistake."""
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


@dataclass(frozen=True, slots=True)
class Returns:
    """What came back, each with the place of the transaction with which it did.

    `lines`: payments of that very amount; `told`: those of them of which the return says what it is; `pairs`: receipts that it
    names with the payment of theirs, where a fee was on top.
    """

    lines: dict[int, int]
    told: set[int]
    pairs: dict[tuple[int, int], int]

    def of(self, place: int, line: int) -> int:
        """Return with what the payment of a receipt came back. Errors: KeyError where it did not."""
        return self.pairs[place, line] if (place, line) in self.pairs else self.lines[line]


def tells_of_return(remittance: str) -> bool:
    """Tell whether a text says that money came back, as banks write it."""
    folded = _BESIDE.sub("", fold(remittance))
    return _RETURNED.search(folded) is not None or "ruecklastschr" in folded.replace(" ", "")  # some banks break words


def find_returns(index: Index) -> Returns:
    """Find the payments that came back, the earliest return first; each takes one that no other has taken.

    What returns one lies on the other side, is of the same party and amount, and no credit note is there for it. If its text
    tells so, party and credit note may be unknown, and a fee may be on top where it names the receipt. Where it does not tell
    which of several is meant, all of them are.
    """
    found = Returns({}, set(), {})
    asked = []
    for back in index.transactions:
        equal = index.amounts.get((_other(back), back.currency, back.facts.amount_cents))
        if equal is not None or back.place in index.mentions.named_whole:
            asked.append((back.day, back.facts.id, back, equal))
    for _, _, back, equal in sorted(asked, key=lambda row: row[:2]):
        is_told = tells_of_return(back.text.written)
        if equal is not None:
            paid = _paid(index, equal, back, found, is_told=is_told)
            found.lines.update((one.place, back.place) for one in paid)
            found.told.update(one.place for one in paid if is_told)
        for place in index.mentions.named_whole.get(back.place, ()) if is_told else ():
            own = _with_fee(index, index.receipts[place], back)
            paid = [] if own is None else _paid(index, own, back, found, is_told=True)
            found.pairs.update(((place, one.place), back.place) for one in paid)
    return found


def _paid(index: Index, amount: int, back: BookedTransaction, found: Returns, *, is_told: bool) -> list[BookedTransaction]:
    """The payments of an amount that may be meant: the last, unless the texts of several differ; none of very many.

    Those come first that have the most numbers in common with the return: a bank repeats the text of what it takes back.
    """
    if index.lines_by_amount.count(amount, back.day - RETURN_DAYS, back.day) > _MOST:
        return []
    lines = map(index.transactions.__getitem__, index.lines_by_amount.between(amount, back.day - RETURN_DAYS, back.day))
    # what is equal only in its open part or its original amount is another payment
    known = [one for one in lines if index.amounts.get((one.facts.side, one.currency, one.facts.amount_cents)) == amount]
    known = [one for one in known if one.place not in found.lines]
    possible = [one for one in known if _is_of_party(index, one, back)]
    if not possible and is_told and len(known) == 1 and _is_nameless(known[0], back):
        possible = known
    if not possible:
        return []
    shared = {one.place: len(one.text.numbers & back.text.numbers) for one in possible}
    most = max(shared.values())
    likely = [one for one in possible if shared[one.place] == most]
    likely.sort(key=lambda one: (one.day < back.day, one.day, one.facts.id))
    if not likely or not (is_told or _is_undoing(index, back, likely, is_named=most > 0)):
        return []
    return likely[-1:] if len({one.text.numbers for one in likely} - {frozenset()}) <= 1 else likely


def _is_undoing(index: Index, back: BookedTransaction, likely: list[BookedTransaction], *, is_named: bool) -> bool:
    """Tell whether what does not say so is a return: silent, repeating a number, or after two payments; and nobody is owed it."""
    is_twice = len(likely) > 1 and likely[-1].day - likely[-2].day <= _TWICE_DAYS
    return (not back.text.atoms or is_named or is_twice) and _is_owed_to_nobody(index, back)


def _is_owed_to_nobody(index: Index, back: BookedTransaction) -> bool:
    """Tell whether no receipt of its party is there, assigned or open, for what may be a return."""
    key = index.amounts[back.facts.side, back.currency, back.facts.amount_cents]
    window = key, back.day - _INVOICE_DAYS, back.day + _INVOICE_DAYS
    if back.free != back.facts.amount_cents or index.receipts_by_amount.count(*window) > _MOST:
        return False
    near = map(index.receipts.__getitem__, index.receipts_by_amount.between(*window))
    return not any(not one.name or not back.name or index.parties.is_one(one, back, SIMILAR) for one in near)


def _with_fee(index: Index, receipt: OpenReceipt, back: BookedTransaction) -> int | None:
    """The amount, as the index has it, of a receipt that a return names and to which the bank has added its fee."""
    fee, side = back.facts.amount_cents - (receipt.cents or 0), _other(back)
    is_fee = receipt.side == side and receipt.currency == back.currency and 0 < fee <= _MOST_FEE
    return index.amounts.get((side, back.currency, receipt.cents or 0)) if is_fee else None


def _is_nameless(one: BookedTransaction, back: BookedTransaction) -> bool:
    """Tell whether either tells no party, and the payment is not known to be a transfer or a card's: these are not returned."""
    is_possible = one.facts.side == "credit" or one.is_pulled or one.facts.operation_type is None
    return is_possible and not (one.facts.counterparty and back.facts.counterparty)


def _is_of_party(index: Index, one: BookedTransaction, other: BookedTransaction) -> bool:
    """Tell whether two transactions are of one party by name or account."""
    if one.iban and one.iban == other.iban:
        return True
    return bool(one.name) and index.parties.likeness_of(one.spelling, other.spelling) >= CLEARLY_SAME


def _other(back: BookedTransaction) -> Side:
    return "debit" if back.facts.side == "credit" else "credit"
