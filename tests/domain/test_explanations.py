"""What a transaction lets one guess: little, and only what is plain."""

from __future__ import annotations

import pytest

from portal.domain.explanations import NOT_NEEDED, PLAIN, Movement, Reason, guess

OWN = {"DE44000000002652467378"}


@pytest.mark.parametrize(
    ("movement", "expected"),
    [
        (Movement("debit", "Lohnkonto", "DE44 0000 0000 2652 4673 78", "Löhne 11/2026"), Reason.OWN_TRANSFER),
        (Movement("credit", "Brandt GmbH", "de44000000002652467378"), Reason.OWN_TRANSFER),
        (Movement("debit", "Brandt GmbH", "DE99000000002652467378"), None),  # the same name, another account
        (Movement("debit", "Qonto", None, None, "qonto_fee"), Reason.BANK_FEE),
        (Movement("debit", "Sparkasse", None, "Kontoführungsentgelt 10/26"), Reason.BANK_FEE),
        (Movement("debit", "Finanzamt Hamburg-Altona", None, "USt 11/2026"), Reason.TAX),
        (Movement("debit", "Cem Aydin", None, "Gehalt 11/2026"), Reason.SALARY),
        (Movement("debit", "Cem Aydin", None, "LOHNABRECHNUNG NOV"), Reason.SALARY),
        (Movement("credit", "Finanzamt Hamburg-Altona", None, "Erstattung"), None),  # a notice comes with it
        (Movement("debit", "Belohnungen Meier", None, "Gehaltvolle Kost"), None),
        (Movement("debit", "Tankhof Altona"), None),
        (Movement("debit"), None),
    ],
)
def test_a_guess(movement: Movement, expected: Reason | None) -> None:
    assert guess(movement, OWN) is expected


def test_a_lost_receipt_is_never_guessed_and_never_not_needed() -> None:
    assert Reason.LOST not in NOT_NEEDED
    assert {*PLAIN, Reason.OTHER, Reason.LOST} == set(Reason)
