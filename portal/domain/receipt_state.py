"""What a client reads beside a receipt: one word, why, and whether it is his turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReceiptWord(StrEnum):
    """The word of the badge."""

    MATCHED = "matched"
    IN_REVIEW = "in_review"
    WAITING_FOR_SYNC = "waiting_for_sync"
    WAITING_FOR_PAYMENT = "waiting_for_payment"
    NEEDS_YOU = "needs_you"
    SET_ASIDE = "set_aside"


class Why(StrEnum):
    """The sentence beside it; templates word it."""

    MATCHED = "matched"
    NO_FILE_YET = "no_file_yet"
    FILE_ON_ITS_WAY = "file_on_its_way"
    FILE_NOT_TO_BE_HAD = "file_not_to_be_had"
    NOT_MATCHED_YET = "not_matched_yet"
    NO_TRANSACTION_YET = "no_transaction_yet"
    NO_BANK = "no_bank"
    DATA_MISSING = "data_missing"
    CHANGED = "changed"
    OFFICE_CHECKS = "office_checks"
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class Shown:
    """`kind` is the badge's colour class; `is_clients_turn` tells whether a button belongs there."""

    word: ReceiptWord
    kind: str
    why: Why
    is_clients_turn: bool = False


def shown(*, state: str, review_reason: str | None, document_state: str, has_bank: bool, is_matched_yet: bool) -> Shown:
    """Fold a receipt's states into what its client reads.

    `has_bank`: the client's bank connection (or history) is there; `is_matched_yet`: a matching has looked at the receipt.
    """
    if state == "assigned":
        return Shown(ReceiptWord.MATCHED, "ok", Why.MATCHED)
    if state == "set_aside":
        return Shown(ReceiptWord.SET_ASIDE, "off", Why.SET_ASIDE)
    if document_state == "waiting":
        return Shown(ReceiptWord.WAITING_FOR_SYNC, "wait", Why.NO_FILE_YET)
    if document_state == "fetching":
        return Shown(ReceiptWord.WAITING_FOR_SYNC, "wait", Why.FILE_ON_ITS_WAY)
    if review_reason == "source_changed":
        return Shown(ReceiptWord.IN_REVIEW, "review", Why.CHANGED)
    if not has_bank:
        return Shown(ReceiptWord.NEEDS_YOU, "warn", Why.NO_BANK, is_clients_turn=True)
    if document_state == "failed":
        return Shown(ReceiptWord.IN_REVIEW, "review", Why.FILE_NOT_TO_BE_HAD)
    if not is_matched_yet:
        return Shown(ReceiptWord.WAITING_FOR_SYNC, "wait", Why.NOT_MATCHED_YET)
    if review_reason == "no_transaction_yet":
        return Shown(ReceiptWord.WAITING_FOR_PAYMENT, "wait", Why.NO_TRANSACTION_YET)
    if review_reason in {"amount_missing", "date_missing"}:
        return Shown(ReceiptWord.IN_REVIEW, "review", Why.DATA_MISSING)
    return Shown(ReceiptWord.IN_REVIEW, "review", Why.OFFICE_CHECKS)
