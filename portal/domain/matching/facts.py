"""What the matcher is told about receipts and transactions. Made by the caller from rows, or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Direction = Literal["expense", "income"]
Side = Literal["debit", "credit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFacts:
    """An open receipt. What could not be read is None; nothing is guessed.

    `amount_cents`: gross, signed, in `currency`: a credit note is negative. `direction` None: unknown, never assigned by machine.
    `iban`: of the other side, as printed. `text`: the words of the document, "" if none: its title and the months in it count.
    `linked_transactions`: ids of our transactions that the bank itself linked to this invoice.
    `is_from_bank`: False for an upload, which is assigned only on its number.
    `distinct_from`: ids of receipts that look like copies of this one and are none: a person has said so.
    """

    id: str
    direction: Direction | None
    number: str | None = None
    counterparty: str | None = None
    amount_cents: int | None = None
    currency: str | None = None
    issued_on: date | None = None
    due_on: date | None = None
    paid_on: date | None = None
    iban: str | None = None
    text: str = ""
    linked_transactions: tuple[str, ...] = ()
    is_from_bank: bool = False
    distinct_from: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFacts:
    """A booked transaction of one of the client's bank accounts, also one that is used up (`open_cents` 0).

    `amount_cents` > 0, its sign is in `side`; `open_cents`: what no assignment has taken yet, in `currency`. It may exceed the
    amount where a credit note was netted. `local_*`: the original amount of a payment in a foreign currency.
    A bank CSV knows neither `emitted_on` nor `operation_type`, `iban` and local amount. A row whose amount is not above 0 (banks
    send such) takes no part; `open_cents` below 0 (the bank lowered the amount later) counts as used up.
    """

    id: str
    side: Side
    amount_cents: int
    open_cents: int
    currency: str
    booked_on: date
    account: str = ""
    local_amount_cents: int | None = None
    local_currency: str | None = None
    emitted_on: date | None = None
    counterparty: str | None = None
    iban: str | None = None
    remittance: str = ""
    operation_type: str | None = None
