"""How banks say that money came back, and who speaks of it otherwise."""

from __future__ import annotations

import pytest

from portal.domain.matching.return_words import is_purpose, what_came_back


@pytest.mark.parametrize(
    "text",
    [
        "Rücklastschrift", "RUECKLASTSCHRIFT", "Ru\u0308cklastschrift", "Rückl astschrift RE 1", "SEPA-Rückbelastung", "Rücklastschr.",
        "SEPA Lastschrift Retoure", "Lastschriftretoure", "LS-Rückgabe", "SEPA-LS Rückgabe", "Rückgabe Lastschrift",
        "Lastschrift zurückgegeben", "Zurückgegebene Lastschrift", "LASTSCHR. RUECKGABE", "Rückbuchung Lastschrift",
        "Stornierung Lastschrift", "Nicht eingelöste Lastschrift", "Lastschriftwiderspruch", "Rückgabegrund AM04", "RTRN AC04",
        "Return SDD MD06", "direct debit return", "Unpaid direct debit", "Rücklastschrift RE 1042 zzgl. Gebühr 3,50",
        "SEPA Direct Debit (Haben; Wiedergutschrift CORE)", "SEPA-LS WIEDERGUTSCHRIFT", "Lastschrift nicht eingelöst",
        "Rücklastschrift RE-2026-1042 Rücklastschriftgebühr 3,50", "Lastschrift vom 11.11. zurückgegeben",
        "Lastschrift Erika Mustermann zurückgegeben", "Rückgabe unserer Lastschrift", "Returned SEPA direct debit", "Return of direct debit", "Rejected direct debit", "Direct debit reversed", "Lastschrift Rückg.",
        "Rückgabe Ihrer Lastschrift vom 05.10.2026", "Lastschrift wurde zurückgegeben", "SEPA-Basislastschrift Rückgabe",
        "Überweisungsrückläufer", "SEPA-Überweisung Retoure", "Rückgabe Überweisung", "SEPA CT RETOURE", "mangels Deckung",
        "Rückbelastung Erika Mustermann", "SEPA Rückbuchung", "Rückläufer", "OAMT+48,00 COAM+3,50", "MD06 Widerspruch durch Zahler", "AC04 Konto aufgelöst", "Deckung unzureichend",
    ],
)  # fmt: skip
def test_banks_say_it_in_many_ways(text: str) -> None:
    assert what_came_back(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Lastschrift Rückstand Oktober", "Lastschrift Rückzahlung Darlehen", "SEPA-Lastschrift Rücklage WEG",
        "Lastschrift Rückversicherung AG", "Lastschrift Rücker GmbH", "Returned Goods Ltd Rechnung 4711",
        "Refund for returned items order 123", "Chargebacks911 invoice", "Retoure Bestellung 12", "Rückgabe Leihgerät",
        "Gutschrift GS-77 Retoure LS 88123", "Rückgabe LS 4711", "Storno LS-Nr 12345", "Rückgabegrund: defekt",
        "Rücküberweisung Doppelzahlung", "Überweisung zu viel gezahlt, zurück",
    ],
)  # fmt: skip
def test_what_banks_say_otherwise_is_no_return(text: str) -> None:
    assert not what_came_back(text)


@pytest.mark.parametrize(
    "text",
    [
        "Rücklastschriftkosten", "Rücklastschrift-Gebühr", "Gebühr für Rücklastschrift", "Bitte keine Rücklastschrift",
        "Nachzahlung wegen Rücklastschrift Miete", "Zahlung nach Lastschriftrückgabe", "Miete nach Rückbuchung Lastschrift",
        "Beitrag, Rücklastschrift ausgeglichen", "offene Rücklastschrift", "Rücklastschriftversicherung Beitrag",
    ],
)  # fmt: skip
def test_who_pays_because_of_a_return_says_so(text: str) -> None:
    assert is_purpose(text)
    assert not is_purpose("Rücklastschrift RE-2026-1042 mangels Deckung")
