"""Payments that came back: a direct debit that the bank returned is money that was never paid, and is tried again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import Side
from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.names import CLEARLY_SAME

RETURN_DAYS = 60
"""A payer may give a direct debit back for eight weeks."""
_INVOICE_DAYS = 200
_MOST = 200
MOST_FEE = 15_00
"""What banks take from the creditor on top of what they take back."""
_RETURNED = re.compile(
    r"r(?:ü|ue?)ck\W?(?:lastschrift|belastung)|lastschrift\W{0,3}r(?:ü|ue?)ck|mangels deckung|\breturned\b|\bchargeback",
    re.IGNORECASE,
)


def tells_of_return(remittance: str) -> bool:
    """Tell whether a text says that money came back, as banks write it."""
    return _RETURNED.search(remittance) is not None


@dataclass(frozen=True, slots=True)
class Returns:
    """What came back, each with the place of the transaction with which it did.

    `lines`: payments of that very amount; `pairs`: receipts that it names with the payment of theirs, where a fee was on top.
    """

    lines: dict[int, int]
    pairs: dict[tuple[int, int], int]

    def of(self, place: int, line: int) -> int:
        """Return with what the payment of a receipt came back. Errors: KeyError where it did not."""
        return self.pairs[place, line] if (place, line) in self.pairs else self.lines[line]


def find_returns(index: Index) -> Returns:
    """Find the payments that came back.

    What returns one lies on the other side, is of the same party and amount, and no credit note is there for it. If its text
    tells so, party and credit note may be unknown, and a fee may be on top where it names the receipt. The last payment before it
    is meant.
    """
    found = Returns({}, {})
    for back in index.transactions:
        equal = index.amounts.get((_other(back), back.currency, back.facts.amount_cents))
        named = index.mentions.named_whole.get(back.place)
        if equal is None and named is None:
            continue
        is_told = tells_of_return(back.text.written)
        if equal is not None and (is_told or _is_owed_to_nobody(index, back)):
            paid = _last_paid(index, equal, back, is_told=is_told)
            if paid is not None:
                found.lines[paid] = back.place
        for place in named or () if is_told else ():
            own = _with_fee(index, index.receipts[place], back)
            paid = None if own is None else _last_paid(index, own, back, is_told=True)
            if paid is not None:
                found.pairs[place, paid] = back.place
    return found


def _is_owed_to_nobody(index: Index, back: BookedTransaction) -> bool:
    """Tell whether no receipt is there, assigned or open, for what may be a return."""
    key = index.amounts[back.facts.side, back.currency, back.facts.amount_cents]
    window = back.day - _INVOICE_DAYS, back.day + _INVOICE_DAYS
    return back.free == back.facts.amount_cents and not index.receipts_by_amount.count(key, *window)


def _with_fee(index: Index, receipt: OpenReceipt, back: BookedTransaction) -> int | None:
    """The amount, as the index has it, of a receipt that a return names and to which the bank has added its fee."""
    fee, side = back.facts.amount_cents - (receipt.cents or 0), _other(back)
    is_fee = receipt.side == side and receipt.currency == back.currency and 0 < fee <= MOST_FEE
    return index.amounts.get((side, back.currency, receipt.cents or 0)) if is_fee else None


def _last_paid(index: Index, amount: int, back: BookedTransaction, *, is_told: bool) -> int | None:
    """Find the last payment of an amount before it came back; on the same day only where none was before; None of very many.

    If either tells no party, it has to be the only one.
    """
    lines = index.lines_by_amount.between(amount, back.day - RETURN_DAYS, back.day)
    known = [index.transactions[line] for line in lines] if len(lines) <= _MOST else []
    # what is equal only in its open part or its original amount is another payment
    known = [one for one in known if index.amounts.get((one.facts.side, one.currency, one.facts.amount_cents)) == amount]
    paid = [one for one in known if _is_of_party(index, one, back)]
    if not paid and is_told and len(known) == 1 and not (known[0].facts.counterparty and back.facts.counterparty):
        paid = known
    return max(paid, key=lambda one: (one.day < back.day, one.day, one.facts.id)).place if paid else None


def _is_of_party(index: Index, one: BookedTransaction, other: BookedTransaction) -> bool:
    """Tell whether two transactions are of one party by name or account."""
    if one.iban and one.iban == other.iban:
        return True
    return bool(one.name) and index.parties.likeness_of(one.spelling, other.spelling) >= CLEARLY_SAME


def _other(back: BookedTransaction) -> Side:
    return "debit" if back.facts.side == "credit" else "credit"
