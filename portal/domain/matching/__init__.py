"""The matcher: facts about one client's receipts and transactions in, decisions with reasons out.

Pure and deterministic: no clock, no chance, no database; the order of the input does not matter, and only what is passed can
be assigned, so that nothing crosses clients. Way through: `blocking` (which pairs; with `parties`, who is who, and `mentions`,
who is named) → `kinship`, `fees` and `habits` (what the books show of names, services and parties) → `groups` (sets) → `twins`
→ `features` (signs of each pair, in columns) → `scoring` by `weights` → `optimum` → `assigning` (decisions) → `explaining`
(reasons).
"""

from __future__ import annotations

from portal.domain.matching.assigning import CLEAR_MARGIN, MOST_CANDIDATES, match
from portal.domain.matching.blocking import Index
from portal.domain.matching.facts import Direction, ReceiptFacts, Side, TransactionFacts
from portal.domain.matching.fees import Sale
from portal.domain.matching.reach import (
    NEAREST,
    Asked,
    Span,
    asked_by,
    asked_next,
    counted_by,
    keys_of,
    named_counts,
    services_among,
)
from portal.domain.matching.reasons import Allocation, Candidate, Decision, Grade, Reason, ReasonCode, ReviewReason, Status, Value
from portal.domain.matching.records import paying_side
from portal.domain.matching.twins import find_twins
from portal.domain.matching.weights import MATCHER_VERSION
from portal.domain.references import parse_reference
from portal.domain.remittance import RemittanceText

__all__ = [
    "CLEAR_MARGIN",
    "MATCHER_VERSION",
    "MOST_CANDIDATES",
    "NEAREST",
    "Allocation",
    "Asked",
    "Candidate",
    "Decision",
    "Direction",
    "Grade",
    "Reason",
    "ReasonCode",
    "ReceiptFacts",
    "ReviewReason",
    "Sale",
    "Side",
    "Span",
    "Status",
    "TransactionFacts",
    "Value",
    "are_copies",
    "asked_by",
    "asked_next",
    "counted_by",
    "found_spans",
    "keys_of",
    "match",
    "named_counts",
    "paying_side",
    "services_among",
]


def are_copies(one: ReceiptFacts, other: ReceiptFacts) -> bool:
    """Tell whether two receipts look like the same one filed twice, wherever either stands."""
    return bool(find_twins(Index([one, other], [])))


def found_spans(receipt: ReceiptFacts, transaction: TransactionFacts) -> tuple[tuple[int, int], ...]:
    """Return the character spans [start, end) of the remittance information that hold the receipt's number, in order.

    For marking the hit on a page; hints (a number that is too short to identify) are included.
    """
    reference = parse_reference(receipt.number)
    if reference is None:
        return ()
    return tuple((hit.start, hit.end) for hit in RemittanceText(transaction.remittance).find(reference))
