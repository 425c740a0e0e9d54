"""Why a transaction has no receipt: the reasons that people can give, and what a transaction itself lets one guess."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What somebody says about a transaction. `LOST`: a receipt is due and cannot be had; all others: none is needed."""

    BANK_FEE = "bank_fee"
    OWN_TRANSFER = "own_transfer"
    TAX = "tax"
    SALARY = "salary"
    PRIVATE = "private"
    OTHER = "other"  #: in the person's own words
    LOST = "lost"


NOT_NEEDED = tuple(reason for reason in Reason if reason is not Reason.LOST)
#: those that say enough by themselves
PLAIN = tuple(reason for reason in NOT_NEEDED if reason is not Reason.OTHER)
LONGEST_NOTE = 500

FEE_OPERATIONS = frozenset({"qonto_fee"})  #: Qonto's `operation_type` of what it charges itself
WORDS = (
    (Reason.BANK_FEE, re.compile(r"kontof(?:ü|ue)hrung|entgeltabschluss|kontoabschluss", re.IGNORECASE)),
    (Reason.TAX, re.compile(r"\bfinanz(?:amt|kasse)\b|\bsteuerkasse\b", re.IGNORECASE)),
    (Reason.SALARY, re.compile(r"\b(?:lohn|gehalt)(?:szahlung|sabrechnung|abrechnung|zahlung)?\b", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Movement:
    """What a transaction tells of itself. `side`: debit, credit."""

    side: str
    counterparty: str | None = None
    counterparty_iban: str | None = None
    remittance: str | None = None
    operation_type: str | None = None


def guess(movement: Movement, own_ibans: Collection[str]) -> Reason | None:
    """The reason that a person will most likely give; None where nothing speaks for one. Nobody is bound by it.

    `own_ibans`: of the same client, without blanks and in capitals. The name of the other side is not enough for a transfer of
    one's own: family members and sister companies share it.
    """
    iban = (movement.counterparty_iban or "").replace(" ", "").upper()
    if iban and iban in own_ibans:
        return Reason.OWN_TRANSFER
    if movement.side != "debit":
        return None
    if movement.operation_type in FEE_OPERATIONS:
        return Reason.BANK_FEE
    told = f"{movement.counterparty or ''}\n{movement.remittance or ''}"
    return next((reason for reason, words in WORDS if words.search(told)), None)
