"""Facts to begin with: an invoice, the transfer that pays it, and what the matcher says of them."""

from __future__ import annotations

from datetime import date, timedelta

from portal.domain.matching import Decision, ReceiptFacts, TransactionFacts, match

ISSUED = date(2026, 11, 2)
MONTH, LATE = timedelta(days=30), timedelta(days=4)
IBAN, OTHER_IBAN = "DE86000000000000000001", "DE59000000000000000002"


def receipt(id: str = "r1", **values: object) -> ReceiptFacts:  # noqa: A002 -- the fact's own name
    """A supplier's invoice of 119.00 EUR with a number."""
    facts = {
        "direction": "expense", "number": "RE-2026-1042", "counterparty": "Holzhandel Weber GmbH", "amount_cents": 11900,
        "currency": "EUR", "issued_on": ISSUED, "due_on": ISSUED + timedelta(days=14), "is_from_bank": True, **values,
    }  # fmt: skip
    return ReceiptFacts(id=id, **facts)  # type: ignore[arg-type]


def booked(id: str = "t1", **values: object) -> TransactionFacts:  # noqa: A002 -- as above
    """The transfer that pays it, nine days later, naming it."""
    facts: dict[str, object] = {
        "side": "debit", "amount_cents": 11900, "currency": "EUR", "booked_on": ISSUED + timedelta(days=9),
        "counterparty": "HOLZHANDEL WEBER", "remittance": "Rechnung RE-2026-1042", **values,
    }  # fmt: skip
    facts.setdefault("open_cents", facts["amount_cents"])
    return TransactionFacts(id=id, **facts)  # type: ignore[arg-type]


def decide(receipts: list[ReceiptFacts], lines: list[TransactionFacts], **values: object) -> dict[str, Decision]:
    return {decision.receipt: decision for decision in match(receipts, lines, **values)}  # type: ignore[arg-type]


def one(made: ReceiptFacts, *lines: TransactionFacts, **values: object) -> Decision:
    return decide([made], list(lines), **values)[made.id]
