"""What is read off the words of an invoice, and what is rather left out."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.document_text import TextFacts, Word, read

IBAN = "DE02120300000000202051"


def page(*lines: str) -> list[Word]:
    """Words as a preview keeps them: each line a step further down, each word a step to the right."""
    return [
        (text, 0.1 + 0.05 * column, 0.05 + 0.03 * row, 0.14 + 0.05 * column, 0.07 + 0.03 * row)
        for row, line in enumerate(lines)
        for column, text in enumerate(line.split())
    ]


FULL = (
    "Elektro Süß e.K. · Hafen 2 · 20457 Hamburg", "Rechnung", "Rechnungsnummer: EL-2026-77 Rechnungsdatum: 31.03.2026",
    "Zuleitung 1 500,00 €", "Zwischensumme 500,00 €", "zzgl. 19 % USt 95,00 €", "Gesamtbetrag 1.595,00 €", "Zahlbar bis 14.04.2026",
    "IBAN DE02 1203 0000 0000 2020 51 BIC BYLADEM1001",
)  # fmt: skip


def test_a_german_invoice() -> None:
    assert read(page(*FULL)) == TextFacts("EL-2026-77", 159500, "EUR", date(2026, 3, 31), date(2026, 4, 14), IBAN)


def test_an_english_invoice() -> None:
    found = read(
        page(
            "Invoice No. 10042",
            "Invoice date: 2026-03-31",
            "Subtotal 1,000.00",
            "Total amount 1,190.00 EUR",
            "Due date 2026-04-30",
        )
    )
    assert found == TextFacts("10042", 119000, "EUR", date(2026, 3, 31), date(2026, 4, 30), None)


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        (("Rechnungsnummer: A-1", "Rechnungsnummer: A-2"), "number"),
        (("Rechnung vom Händler",), "number"),
        (("Gesamtbetrag 10,00 €", "Gesamtbetrag 12,00 €"), "amount_cents"),
        (("Gesamtbetrag 10,00 € oder 11,00 $ USD",), "currency"),
        (("Gesamtbetrag 10,00",), "amount_cents"),
        (("Zwischensumme netto 10,00 €",), "amount_cents"),
        (("Datum: 31.02.2026",), "issued_on"),
        (("Datum: 01.02.2026", "Datum: 03.02.2026"), "issued_on"),
        (("IBAN DE02 1203 0000 0000 2020 52",), "iban"),
        ((f"IBAN {IBAN}", "IBAN GB82 WEST 1234 5698 7654 32"), "iban"),
        ((), "number"),
    ],
)
def test_what_is_not_sure_is_left_out(lines: tuple[str, ...], field: str) -> None:
    assert getattr(read(page(*lines)), field) is None


def test_a_title_with_the_number_behind_it() -> None:
    assert read(page("Rechnung EL-2026-77", "Gesamtbetrag 10,00 €")).number == "EL-2026-77"
    assert read(page("Rechnung 2026")).number is None
    assert read(page("Rechnung 31.03.2026")).number is None
    assert read(page("Rechnung EL-2026-77", "Rechnungsnummer: EL-2026-78")).number == "EL-2026-78"


def test_the_sum_to_pay_counts_before_the_sum() -> None:
    assert read(page("Gesamt 119,00 €", "Anzahlung 19,00 €", "Zu zahlen 100,00 €")).amount_cents == 10000
    assert read(page("Gesamtsumme brutto 119,00 €", "Gesamt netto 100,00 €")).amount_cents == 11900


def test_the_order_of_words_in_the_file_does_not_matter() -> None:
    assert read(page(*FULL)[::-1]) == read(page(*FULL))


@given(st.lists(st.tuples(st.text(max_size=40), *(st.floats(0, 1) for _ in range(4))), max_size=60))
def test_nothing_breaks_it(words: list[Word]) -> None:
    found = read(words)
    assert (found.amount_cents is None) == (found.currency is None)
