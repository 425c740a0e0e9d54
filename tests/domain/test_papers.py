"""What a paper calls itself, and what the matcher makes of it."""

from __future__ import annotations

import pytest

from portal.domain.matching.reasons import ReasonCode, ReviewReason
from portal.domain.papers import Kind, title_of
from tests.domain.matching_facts import booked, decide, one, receipt


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("", Kind.BILL, ""),
        ("Rechnung RE-1\nHolzhandel Weber GmbH", Kind.BILL, ""),
        ("Holzhandel Weber GmbH\nRechnung zu Ihrem Angebot vom 3.5.", Kind.BILL, ""),
        ("DUPLIKAT\nRechnung RE-1", Kind.COPY, "DUPLIKAT"),
        ("Holzhandel Weber GmbH\n\n- Kopie -", Kind.COPY, "Kopie"),
        ("Holzhandel Weber GmbH\n2. Mahnung", Kind.COPY, "2. Mahnung"),
        ("Zahlungserinnerung zu RE-1", Kind.COPY, "Zahlungserinnerung"),
        ("Auftragsbestätigung AB-7", Kind.OTHER, "Auftragsbestätigung"),
        ("Auftragsbestaetigung AB-7", Kind.OTHER, "Auftragsbestaetigung"),
        ("Mietvertrag über Gewerberäume", Kind.OTHER, "Mietvertrag"),
        ("Kopierservice Nord\nRechnung 12", Kind.BILL, ""),
        ("Rechnung RE-1\nLieferschein 4711\nAngebot 12", Kind.BILL, ""),
        ("Zahlungserinnerung\nRechnung RE-1", Kind.COPY, "Zahlungserinnerung"),
        ("a\nb\nc\nMahnung", Kind.BILL, ""),
        ("Rechnung (Kopie)\nHolzhandel Weber GmbH", Kind.COPY, "Rechnung (Kopie)"),
        ("RECHNUNGSDUPLIKAT", Kind.COPY, "RECHNUNGSDUPLIKAT"),
        ("Erste Mahnung", Kind.COPY, "Erste Mahnung"),
        ("Auftragsbestätigung vom 3.5., 12,00 EUR. Keine Rechnung.", Kind.OTHER, "Auftragsbestätigung"),
        ("Proforma-Rechnung 7", Kind.OTHER, "Proforma-Rechnung"),
        ("Proforma Rechnung 7", Kind.OTHER, "Proforma Rechnung"),
        *(
            (text, Kind.BILL, "")
            for text in (
                "Copy Shop Müller\nRechnung 12",
                "Kopie & Druck GmbH\nRechnung 12",
                "Mahnung & Partner Rechtsanwälte\nRechnung 9",
                "Lieferschein / Rechnung Nr. 5",
                "Auftragsbestätigung/Rechnung 9",
                "Schlussrechnung\nAngebot 17",
                "Ihre Rechnung\nLieferschein 4",
                "Tax Invoice\nQuotation 4",
                "Stromrechnung\nAngebot 3",
            )
        ),
    ],
)
def test_titles(text: str, kind: Kind, written: str) -> None:
    assert title_of(text) == (kind, written)


@pytest.mark.parametrize("title", ["DUPLIKAT", "Zahlungserinnerung"])
def test_a_copy_hangs_on_its_original(title: str) -> None:
    """Also where both come from the bank, and where the original was misread."""
    copy = receipt("copy", text=f"{title}\nHolzhandel Weber GmbH\nRechnung RE-2026-1042")
    found = decide([receipt(), copy], [booked()])
    assert (found["r1"].status, found["copy"].status) == ("assigned", "review")
    assert found["copy"].reason is ReviewReason.DUPLICATE_SUSPECTED
    misread = receipt(number="RE-2O26-1O42", amount_cents=None)
    found = decide([misread, copy], [booked()])
    assert (found["copy"].status, found["copy"].reason) == ("review", ReviewReason.DUPLICATE_SUSPECTED)


def test_nothing_is_paid_by_a_contract_alone() -> None:
    decision = one(receipt(text="Mietvertrag über Gewerberäume, monatlich 119,00 EUR"), booked())
    assert decision.status == "review"
    (told,) = [reason for reason in decision.candidates[0].reasons if reason.code is ReasonCode.NOT_A_BILL]
    assert told.named == {"title": "Mietvertrag"}
