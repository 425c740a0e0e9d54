"""The paper of an own receipt: a PDF that readers read, with every fact, on one page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pypdfium2
import pytest

from portal.errors import Rejected
from portal.media import Media, sniff
from portal.own_receipt import Told, unwritable, written

TOLD = Told(
    client="Tischlerei Brandt & Söhne GmbH", client_number="10042", payee="Parkhaus (Speicherstadt)", amount_cents=123450, currency="EUR",
    paid_on=date(2026, 11, 3), purpose="Parken beim Kundentermin\nBaustelle „Am Wall“ \\ Etage 3", why_none="Der Automat druckt keinen.",
    is_income=False, account="Geschäftskonto ··7378", booked_on=date(2026, 11, 5), transaction_cents=123450, remittance="PARKEN 日本",
    author="Jonas Brandt", author_email="jonas@brandt.example", written_at=datetime(2026, 11, 27, 23, 30, tzinfo=UTC),
)  # fmt: skip


def text_of(content: bytes) -> str:
    document = pypdfium2.PdfDocument(content)
    try:
        assert len(document) == 1
        return " ".join(document[0].get_textpage().get_text_range().split())
    finally:
        document.close()


def test_it_says_everything() -> None:
    content = written(TOLD)
    assert sniff(content) is Media.PDF
    words = text_of(content)
    for told in (
        "Eigenbeleg", "Own receipt", "Tischlerei Brandt & Söhne GmbH", "Mandantennummer 10042", "Zahlung an", "Parkhaus (Speicherstadt)",
        "1.234,50 EUR", "03.11.2026", "Baustelle „Am Wall“ \\ Etage 3", "Der Automat druckt keinen.", "Geschäftskonto ··7378",
        "gebucht am 05.11.2026", "PARKEN ??", "Jonas Brandt (jonas@brandt.example)", "am 28.11.2026 um 00:30 Uhr", "Vorsteuer",
    ):  # fmt: skip
        assert told in words, told


def test_the_same_facts_are_the_same_bytes() -> None:
    assert written(TOLD) == written(replace(TOLD))
    assert written(TOLD) != written(replace(TOLD, amount_cents=123451))


def test_of_income_no_input_tax_is_told() -> None:
    words = text_of(written(replace(TOLD, is_income=True)))
    assert "Zahlung von" in words
    assert "Vorsteuer" not in words


@pytest.mark.parametrize(("name", "printed"), [("Łódź Şişli Đorđe", "Lódz Sisli Dorde"), ("Mu\u0308ller – 5 €", "Müller – 5 €")])
def test_letters_that_the_fonts_lack_lose_their_accent(name: str, printed: str) -> None:
    assert unwritable(name) == ""
    assert printed in text_of(written(replace(TOLD, payee=name)))


def test_what_cannot_be_printed_is_named() -> None:
    assert unwritable("Кафе 日日 ok\n\t\x00") == "Кафе日\x00"
    assert unwritable("Straße, 50 % – „gut“\n") == ""


def test_long_words_are_broken_and_too_much_is_refused() -> None:
    assert text_of(written(replace(TOLD, purpose="x" * 500))).replace(" ", "").count("x") >= 500
    with pytest.raises(Rejected):
        written(replace(TOLD, purpose="a\n" * 60))
