"""Two simple rules that other open systems use, restated by us in a few lines, as a yardstick beside the matcher.

They are our wording of a rule's idea, not any product: no figure of them says anything about one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from bench.matching_set import ClientSet
from portal.domain.matching import Allocation, Candidate, Decision, ReceiptFacts, ReviewReason, TransactionFacts, paying_side

_NEAR_DAYS = 5
_MOST_SHOWN = 5


def unique_amount(client: ClientSet) -> list[Decision]:
    """Equal signed amount within five days, and only one transaction for the receipt and one receipt for the transaction."""
    near = {
        receipt.id: [line for line in lines if _distance(receipt, line) <= _NEAR_DAYS]
        for receipt, lines in _with_equal_amount(client)
    }
    wanted = Counter(line.id for lines in near.values() for line in lines)
    return [
        _decision(receipt, lines, near[receipt.id] if len(near[receipt.id]) == 1 and wanted[near[receipt.id][0].id] == 1 else [])
        for receipt, lines in _with_equal_amount(client)
    ]


def reference_and_amount(client: ClientSet) -> list[Decision]:
    """The invoice number as whole tokens of the text and an equal signed amount; of several the nearest, each only once."""
    taken: set[str] = set()
    decisions = []
    for receipt, lines in _with_equal_amount(client):
        named = [line for line in lines if _is_named(receipt, line)]
        free = [line for line in named if line.id not in taken][:1]
        taken.update(line.id for line in free)
        decisions.append(_decision(receipt, [*named, *(line for line in lines if line not in named)], free))
    return decisions


def _with_equal_amount(client: ClientSet) -> list[tuple[ReceiptFacts, list[TransactionFacts]]]:
    by_amount: defaultdict[tuple[str, str, int], list[TransactionFacts]] = defaultdict(list)
    for line in client.transactions:
        by_amount[line.side, line.currency, line.amount_cents].append(line)
    return [
        (
            receipt,
            sorted(
                by_amount.get((paying_side(receipt) or "", receipt.currency or "", abs(receipt.amount_cents or 0)), ()),
                key=lambda line: (_distance(receipt, line), line.id),
            ),
        )
        for receipt in sorted(client.receipts, key=lambda receipt: receipt.id)
    ]


def _distance(receipt: ReceiptFacts, line: TransactionFacts) -> int:
    day = receipt.paid_on or receipt.issued_on
    return abs((line.booked_on - day).days) if day else 1000


def _is_named(receipt: ReceiptFacts, line: TransactionFacts) -> bool:
    wanted, tokens = (re.findall(r"[^\W_]+", (text or "").upper()) for text in (receipt.number, line.remittance))
    return bool(wanted) and any(tokens[n : n + len(wanted)] == wanted for n in range(len(tokens) - len(wanted) + 1))


def _decision(receipt: ReceiptFacts, shown: list[TransactionFacts], chosen: list[TransactionFacts]) -> Decision:
    candidates = tuple(
        Candidate((Allocation(line.id, line.amount_cents),), 1.0 if line in chosen else 0.4, ()) for line in shown[:_MOST_SHOWN]
    )
    if chosen:
        return Decision(receipt.id, "assigned", (Allocation(chosen[0].id, chosen[0].amount_cents),), candidates, None)
    return Decision(receipt.id, "review", (), candidates, ReviewReason.COUNTERPARTY_UNCLEAR)


PEERS = {
    "our restatement: equal amount ±5 days, unique": unique_amount,
    "our restatement: whole-token number and equal amount": reference_and_amount,
}
