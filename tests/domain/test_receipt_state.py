"""What a client reads beside a receipt (S-37, S-73, S-74)."""

from __future__ import annotations

import pytest

from portal.domain.receipt_state import ReceiptWord, Why, shown


@pytest.mark.parametrize(
    ("state", "reason", "document", "has_bank", "is_matched", "word", "why", "is_clients_turn"),
    [
        ("assigned", None, "complete", True, True, ReceiptWord.MATCHED, Why.MATCHED, False),
        ("set_aside", None, "complete", True, True, ReceiptWord.SET_ASIDE, Why.SET_ASIDE, False),
        ("in_review", "no_transaction_yet", "waiting", True, True, ReceiptWord.WAITING_FOR_SYNC, Why.NO_FILE_YET, False),
        ("in_review", "no_transaction_yet", "fetching", True, True, ReceiptWord.WAITING_FOR_SYNC, Why.FILE_ON_ITS_WAY, False),
        ("in_review", "no_transaction_yet", "complete", False, False, ReceiptWord.NEEDS_YOU, Why.NO_BANK, True),
        ("in_review", "no_transaction_yet", "complete", True, False, ReceiptWord.WAITING_FOR_SYNC, Why.NOT_MATCHED_YET, False),
        (
            "in_review",
            "no_transaction_yet",
            "complete",
            True,
            True,
            ReceiptWord.WAITING_FOR_PAYMENT,
            Why.NO_TRANSACTION_YET,
            False,
        ),
        ("in_review", "several_equal", "complete", True, True, ReceiptWord.IN_REVIEW, Why.OFFICE_CHECKS, False),
        ("in_review", "amount_missing", "complete", True, True, ReceiptWord.IN_REVIEW, Why.DATA_MISSING, False),
        ("in_review", "source_changed", "complete", True, True, ReceiptWord.IN_REVIEW, Why.CHANGED, False),
        ("in_review", "several_equal", "failed", True, True, ReceiptWord.IN_REVIEW, Why.FILE_NOT_TO_BE_HAD, False),
    ],
)
def test_shown(
    state: str, reason: str | None, document: str, has_bank: bool, is_matched: bool, word: ReceiptWord, why: Why,
    is_clients_turn: bool,
) -> None:  # fmt: skip
    found = shown(state=state, review_reason=reason, document_state=document, has_bank=has_bank, is_matched_yet=is_matched)
    assert (found.word, found.why, found.is_clients_turn) == (word, why, is_clients_turn)
