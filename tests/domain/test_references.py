"""Invoice numbers in remittance information: a hit is a whole token or it is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.references import parse_reference
from portal.domain.remittance import Near, RemittanceText, Strength

WHOLE, SHORT, PART = Strength.WHOLE, Strength.SHORT, Strength.PART


@pytest.mark.parametrize(
    ("number", "text", "strength"),
    [
        ("RE-2026-1042", "RE-2026-1042", WHOLE),
        ("RE-2026-1042", "re 2026 1042", WHOLE),
        ("RE-2026-1042", "RE20261042", WHOLE),
        ("RE-2026-1042", "Rechnung-Nr. 2026-1042", WHOLE),
        ("RE-2026-1042", "Zahlung 2026/1042 danke", WHOLE),
        ("RE-2026-1042", "RE-2026-1042/Kd 77", WHOLE),
        ("RE-2026-1042", "SVWZ+RE-2026-1042", WHOLE),
        ("RE-2026-1042", "RE-2026-10421", None),
        ("RE-2026-1042", "1RE-2026-1042", PART),
        ("RE-2026-1042", "RE-2026-1042-7", PART),
        ("RE-2026-1042", "Kundennr. 2026-1042", None),
        ("RE-2026-1042", "RE-2026-1043", None),
        ("1042", "Rechnung 1042", WHOLE),
        ("1042", "1042", SHORT),
        ("1042", "Auftrag 1042", None),
        ("2026", "Rechnung 2026", SHORT),
        ("12112026", "12.11.2026", SHORT),
        ("42", "Rechnung 42", None),
        ("", "anything", None),
        ("ABC", "ABC", None),
        ("2024/104", "Abr.Nr 2024/104 EKP 41601", Strength.WHOLE),
        ("25-0012", "KD-Nr. 31477/Rechnung 25-0012", Strength.WHOLE),
        ("679", "Vertragskonto K-8138 679", Strength.PART),
        ("25-0727", "RG 25-0725 25-0727 25-0730", WHOLE),  # a list: what announces the first announces all
        ("25-0730", "RG 25-0725 25-0727 25-0730", WHOLE),
        ("25-10441", "25-10436/25-10441/25-10445 Danke", WHOLE),
        ("25-1000", "RG 25-999 25-1000", WHOLE),
        ("25-0727", "RG 25-0725 25-0727-1", PART),
        ("25-0727", "RG 125-0725 25-0727", PART),  # of another form
        ("25-0727", "Kundennr. 12-3456 25-0727", PART),
        ("2026-0042", "12-2026-0042", PART),
        ("RE-2026-0042", "Rechnungsnr. 0042 Kd 24179", SHORT),  # the year is left out
        ("RE-2026-0042", "RE 0042", SHORT),
        ("RE-2026-0042", "Kd 0042", None),
        ("RE-2026-0042", "0042", None),
        ("RE-2026-0042", "RE 00421", None),
        ("2025/0125", "2025/0125", WHOLE),  # nobody writes a day so
        ("2025/0125", "20250125", SHORT),
        ("2025/0109", "2025/0109 61091893", WHOLE),
        ("2025/0202", "2025 0202 33806099", WHOLE),  # a customer's number is no part of it
        ("2025/0202", "2025 0202 338", PART),
        ("2024/0560", "Zahlung Rechnung 560", SHORT),
        ("2024/0560", "Zahlung 560", None),
        ("2407142", "Ihre Rechnung 07142 v. 01.07.2024", SHORT),
        ("2407142", "Ihre Rechnung 7142", SHORT),
        ("2407142", "Ihre Rechnung 17142", None),
        ("4XP53PVD-0007", "36630186 4530007", WHOLE),
        ("4XP53PVD-0007", "Kundenkonto K3542/4XP53PVD-0007 Danke", WHOLE),
        ("062-2024", "K6952 062-2024", WHOLE),
        ("062-2024", "6952 062-2024", PART),
    ],
)
def test_finding(number: str, text: str, strength: Strength | None) -> None:
    reference = parse_reference(number)
    found = RemittanceText(text).find(reference) if reference else ()
    assert (max((hit.strength for hit in found), default=None)) == strength


@pytest.mark.parametrize(
    ("number", "text", "expected"),
    [
        ("RE-2026-1042", "RE-2026-1402", Near.SWAPPED),
        ("RE-2O26-I042", "RE-2026-1042", Near.MISREAD),
        ("RE-2026-1042", "RE-2026-142", Near.MISTYPED),  # one missing
        ("RE-2026-1042", "RE-2026-10442", Near.MISTYPED),  # one doubled
        ("RE-2026-1042", "RE-2026-104", Near.CUT),
        ("RE-2026-1042", "Rechnung RE-2026-1", Near.CUT),
        ("20250116", "RE 250116/05.09.2025", Near.CUT),
        ("789801508", "Rechn.9801508 v.20.03.2025", Near.CUT),
        ("789801508", "Rechn.01508", None),  # too little of it
        ("RE-2026-1042", "RE-2026-104 Danke", Near.MISTYPED),
        ("RE-2026-1042", "Rechnung RE-2026-10 Danke", None),  # nobody cuts in the middle
        ("RE-2026-1042", "RE-202", None),  # too little is left
        ("RE-2026-1042", "RE-2026-1043", None),  # another invoice
        ("RE-2026-1042", "Danke", None),
        ("RE-2026-1042", "", None),
    ],
)
def test_nearly_the_number(number: str, text: str, expected: Near | None) -> None:
    reference = parse_reference(number)
    assert reference is not None
    assert RemittanceText(text).near_number(reference) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RE-2026-1043", "RE20261043"),
        ("Rechnung 778899", "778899"),
        ("RE-2026-1042", None),
        ("Kundennr. 778899", None),
        ("Beleg 778899", None),  # the payer's own
        ("20261051", "20261051"),
        ("61091893", None),  # of its length, but nobody counts there
        ("vom 12.11.2026", None),
        ("", None),
    ],
)
def test_the_number_of_another_invoice(text: str, expected: str | None) -> None:
    reference = parse_reference("RE-2026-1042")
    assert reference is not None
    parsed = RemittanceText(text)
    assert parsed.other_number(reference, parsed.find(reference)) == expected


@pytest.mark.parametrize(("text", "expected"), [("048/26 v. 04.08.", "048/26"), ("am 04.08 bezahlt", None), ("052/26", None)])
def test_a_short_number_of_the_same_form_is_another(text: str, expected: str | None) -> None:
    reference = parse_reference("052/26")
    assert reference is not None
    parsed = RemittanceText(text)
    assert parsed.other_number(reference, parsed.find(reference)) == expected


@given(st.text(max_size=20), st.text(max_size=80))
def test_any_text_can_be_searched(number: str, text: str) -> None:
    reference = parse_reference(number)
    parsed = RemittanceText(text)
    if reference is None:
        return
    for hit in parsed.find(reference):
        assert 0 <= hit.start < hit.end <= len(text)
    parsed.near_number(reference)
    parsed.other_number(reference, ())


@given(st.from_regex(r"[A-Z]{2}-20[0-9]{2}-[0-9]{4,6}", fullmatch=True))
def test_a_number_alone_is_always_found_whole(number: str) -> None:
    reference = parse_reference(number)
    assert reference is not None
    assert [hit.strength for hit in RemittanceText(number).find(reference)] == [WHOLE]


@pytest.mark.parametrize(
    ("text", "number", "is_there"),
    [
        ("Rechnungen 24-0153 0164", "24-0164", True),
        ("RE SR25.0044+25.0047", "SR25.0047", True),
        ("Rechnungen 24-0005, 0020", "24-0020", True),
        ("Rechnungen 24-0153 164", "24-0164", False),  # not as long as the number before
        ("Rechnungen 24-0153 an 0164", "24-0164", False),
        ("0164", "24-0164", False),
        ("IBAN DE89 3704 0044 0532", "RE-2025-0044", False),
        ("Kundennr 4711 0815", "RE-2025-0815", False),
        ("Tel 0711 0164", "RE-2025-0164", False),
        ("Miete 0125/0225", "RE-2025-0225", False),
        ("Wartung 5500 0044", "RE-2025-0044", False),
    ],
)
def test_a_list_goes_on_with_the_ends_of_its_numbers(text: str, number: str, is_there: bool) -> None:
    reference = parse_reference(number)
    assert reference is not None
    assert bool(RemittanceText(text).find(reference)) is is_there
