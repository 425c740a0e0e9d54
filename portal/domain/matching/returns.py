"""Payments that came back: a direct debit that the bank returned is money that was never paid, and is tried again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import ReceiptFacts, Side, TransactionFacts
from portal.domain.matching.records import BookedTransaction
from portal.domain.names import CLEARLY_SAME

RETURN_DAYS = 60
"""A payer may give a direct debit back for eight weeks."""
_INVOICE_DAYS = 200
MOST_FEE = 15_00
"""What banks take from the creditor on top of what they take back."""
_RETURNED = re.compile(
    r"r(?:ü|ue?)ck\W?(?:lastschrift|belastung)|lastschrift\W{0,3}r(?:ü|ue?)ck|mangels deckung|\breturned\b|\bchargeback",
    re.IGNORECASE,
)


def tells_of_return(remittance: str) -> bool:
    """Tell whether a text says that money came back, as banks write it."""
    return _RETURNED.search(remittance) is not None


def returned_by(
    back: TransactionFacts, receipts: Sequence[ReceiptFacts], payments: Sequence[TransactionFacts]
) -> set[tuple[str, str]]:
    """Return which of these receipts' payments (ids of both) came back with a transaction that tells so."""
    index = Index(receipts, [*payments, back])
    found = returned(index)
    return {(index.receipts[place].facts.id, index.transactions[line].facts.id) for place, line in found}


def returned(index: Index) -> dict[tuple[int, int], int]:
    """Map receipts with a payment of their amount (places of both) to the transaction with which that payment came back.

    It lies on the other side, is of the same party and amount, and no credit note is there for it. If it says that it is one,
    party and credit note may be unknown, and a fee may be on top where it names the receipt.
    """
    found: dict[tuple[int, int], int] = {}
    for back in index.transactions:
        is_told = tells_of_return(back.text.written)
        if is_told or _is_owed_to_nobody(index, back):
            for place in _may_be_of(index, back):
                paid = _last_paid(index, place, back, is_told=is_told)
                if paid is not None:
                    found[place, paid] = back.place
    return found


def _is_owed_to_nobody(index: Index, back: BookedTransaction) -> bool:
    """Tell whether no receipt is there, assigned or open, for what may be a return."""
    key = index.amounts[back.facts.side, back.currency, back.facts.amount_cents]
    window = back.day - _INVOICE_DAYS, back.day + _INVOICE_DAYS
    return back.free == back.facts.amount_cents and not index.receipts_by_amount.count(key, *window)


def _may_be_of(index: Index, back: BookedTransaction) -> Iterator[int]:
    """Yield the receipts whose payment may have come back: of this amount, or named and of a fee less."""
    cents, side = back.facts.amount_cents, _other(back)
    key = index.amounts.get((side, back.currency, cents))
    if key is not None:
        yield from index.receipts_by_amount.between(key, back.day - _INVOICE_DAYS, back.day + _INVOICE_DAYS)
    for place in index.mentions.named_whole.get(back.place, ()):
        receipt = index.receipts[place]
        if receipt.side == side and receipt.currency == back.currency and 0 < cents - (receipt.cents or 0) <= MOST_FEE:
            yield place


def _last_paid(index: Index, place: int, back: BookedTransaction, *, is_told: bool) -> int | None:
    """Find the last payment of a receipt's amount before it came back; on the same day only where none was before."""
    key = index.amounts.get((_other(back), back.currency, index.receipts[place].cents or 0))
    lines = [] if key is None else index.lines_by_amount.between(key, back.day - RETURN_DAYS, back.day)
    known = map(index.transactions.__getitem__, lines)
    paid = [
        one
        for one in known
        if _is_of_party(index, one, back) or (is_told and not (one.facts.counterparty and back.facts.counterparty))
    ]
    return max(paid, key=lambda one: (one.day < back.day, one.day, one.facts.id)).place if paid else None


def _is_of_party(index: Index, one: BookedTransaction, other: BookedTransaction) -> bool:
    """Tell whether two transactions are of one party by name or account."""
    if one.iban and one.iban == other.iban:
        return True
    return bool(one.name) and index.parties.likeness_of(one.spelling, other.spelling) >= CLEARLY_SAME


def _other(back: BookedTransaction) -> Side:
    return "debit" if back.facts.side == "credit" else "credit"
