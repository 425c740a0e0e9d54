"""The facts of a receipt are marked on its page: all that stand there, each once, and nothing else."""

from __future__ import annotations

from datetime import date

from portal.models import Preview, Receipt
from portal.services.documents.highlighting import highlights

FACTS = {
    "counterparty": "Müller & Söhne GmbH", "number": "RE-2026/0815", "amount_cents": 123456, "currency": "EUR",
    "issued_on": date(2026, 11, 3), "iban": "DE65290500001072441730",
}  # fmt: skip


def page(*lines: str) -> list[list[object]]:
    """Words as the preview process reads them: evenly spaced on each line."""
    return [
        [word, 0.05 + place * 0.1, 0.05 + number * 0.05, 0.14 + place * 0.1, 0.08 + number * 0.05]
        for number, line in enumerate(lines)
        for place, word in enumerate(line.split())
    ]


def marked(words: list[list[object]], **facts: object) -> dict[str, str]:
    """Field → the words inside its box."""
    receipt, preview = Receipt(**{**FACTS, **facts}), Preview(words=words)
    found = {}
    for hit in highlights(receipt, preview):
        inside = [
            str(text) for text, left, top, right, bottom in words
            if left >= hit.x - 1e-9 and top >= hit.y - 1e-9 and right <= hit.x + hit.width + 1e-9 and bottom <= hit.y + hit.height + 1e-9
        ]  # fmt: skip
        assert hit.field not in found
        found[hit.field] = " ".join(inside)
    return found


def test_every_fact_is_found_however_it_is_spread() -> None:
    words = page(
        "Müller & Söhne GmbH", "Rechnung Nr. RE-2026 / 0815 vom 3. November 2026", "Zwischensumme 1.234,56 EUR", "Gesamt EUR 1.234,56",
        "IBAN: DE65 2905 0000 1072 4417 30",
    )  # fmt: skip
    assert marked(words) == {
        "counterparty": "Müller & Söhne GmbH", "number": "RE-2026 / 0815", "issued_on": "3. November 2026", "amount": "1.234,56",
        "iban": "IBAN: DE65 2905 0000 1072 4417 30",
    }  # fmt: skip


def test_in_other_spellings() -> None:
    for line, field, seen in (
        ("MUELLER & SOEHNE GMBH", "counterparty", "MUELLER & SOEHNE GMBH"),
        ("No. re 2026 0815", "number", "re 2026 0815"),
        ("Datum: 03.11.2026", "issued_on", "03.11.2026"),
        ("Date: Nov 3, 2026", "issued_on", "Nov 3, 2026"),
        ("2026-11-03", "issued_on", "2026-11-03"),
        ("Total €1,234.56", "amount", "€1,234.56"),
        ("Betrag 1 234,56 €", "amount", "1 234,56"),
        ("-1.234,56", "amount", "-1.234,56"),
        ("(DE65290500001072441730)", "iban", "(DE65290500001072441730)"),
    ):
        assert marked(page(line)).get(field) == seen, line


def test_what_only_looks_alike_is_left_alone() -> None:
    words = page("Müller und Söhne GmbH", "RE-2026/08151", "04.11.2026", "11.234,56", "DE65 2905 0000 1072 4417 31", "13.13.2026")
    assert marked(words) == {}


def test_words_that_are_not_beside_each_other_are_not_read_together() -> None:
    words = page("RE-2026", "0815")
    assert "number" not in marked(words)
    apart = page("RE-2026 0815")
    apart[1][1], apart[1][3] = 0.8, 0.9
    assert "number" not in marked(apart)


def test_unknown_facts_and_pages_without_words() -> None:
    nothing = dict.fromkeys(("counterparty", "number", "amount_cents", "issued_on", "iban"))
    assert marked(page("0,00", "Müller"), **nothing) == {}
    assert highlights(Receipt(**FACTS), None) == ()
    assert highlights(Receipt(**FACTS), Preview(words=[])) == ()
