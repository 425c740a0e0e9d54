"""Names as invoices and banks write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.names import CLEARLY_SAME, SIMILAR, fold, is_in_text, loosen, parse_name, parse_shop, similarity


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller GmbH & Co. KG", "MUELLER"),
        ("Müller GmbH", "Muller G.m.b.H."),
        ("Holzhandel Weber GmbH", "HOLZHANDEL WEBE"),
        ("Größle Sanitär e.K.", "Groessle Sanitaer"),
        ("Weber Holzhandel", "Holzhandel Weber"),
        ("Musterversand AG", "PAYPAL *MUSTERVERSAND"),
        ("Musterversand AG", "QX *MUSTERVERSAND 0711"),
        ("Amazon EU S.à r.l.", "AMZN Mktp DE*2K4TT1"),
        ("Musterversand AG", "Viva *Musterversand"),
        ("Uber B.V.", "UBER *TRIP HELP.UBER.COM"),
        ("Zöllner & Novák Weinhandel AG", "Zöllner & N"),
        ("Familie Steinle", "Steinle, Josef"),
        ("Eheleute Veronika und Alois Fürst", "VERONIKA FUERST"),
        ("Herrn Günter Huber", "Günter und Jürgen Huber"),
        ("Linear Orbit, Inc.", "PADDLE.NET* LINEAR"),
        ("Gasthaus Engelhardt Inh. Käthe Engelhardt", "SUMUP *GASTHAUS ENGELHARDT HAMBURG"),
    ],
)
def test_the_same_party(one: str, other: str) -> None:
    assert similarity(parse_name(one), parse_name(other)) >= CLEARLY_SAME


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Holzhandel Weber GmbH", "Elektro Süß GmbH"),
        ("Deutsche Telekom AG", "Deutsche Post AG"),
        ("Bäckerei Brandt", "Tischlerei Brandt"),
        ("A GmbH", "B GmbH"),
        ("Familie Huber", "Familie Steinle"),
        ("Herrn Günter Huber", "Jürgen Huber"),
        ("", "Weber"),
        ("Weber", ""),
        ("Weber Reisen", "VIVA *MUSTERVERSAND"),
        ("Trip GmbH", "UBER *TRIPADVISOR"),
        ("Zöllner & Novák Weinhandel AG", "Zöllner & Kl"),
    ],
)
def test_other_parties(one: str, other: str) -> None:
    assert similarity(parse_name(one), parse_name(other)) < SIMILAR


@pytest.mark.parametrize(
    ("receipt", "line"),
    [
        ("Aral Station Inge Dörr", "ARAL STATION 4711 HAMBURG DE"),
        ("OBI GmbH & Co. Deutschland KG", "OBI BAU- U. HEIMWERKERMARKT 017"),
        ("Zoom Video Communications Inc.", "ZOOM.US 888-799-9666 SAN JOSE US"),
        ("Deutsche Lufthansa AG", "LUFTHANSA 2201234567890 FRANKFURT"),
        ("Check24 Vergleichsportal GmbH", "CHECK24 MUENCHEN"),
    ],
)
def test_a_card_line_begins_with_the_shop(receipt: str, line: str) -> None:
    assert SIMILAR <= similarity(parse_name(receipt), parse_shop(line)) < CLEARLY_SAME
    assert similarity(parse_name(receipt), parse_name(line)) < SIMILAR, "a transfer does not begin with a brand"


@pytest.mark.parametrize(
    ("receipt", "line"),
    [
        ("Hotel Adler", "HOTEL KRONE ULM"),
        ("Hamburg Marketing GmbH", "HAMBURG AIRPORT PARKING"),
        ("Center Aral", "ARAL STATION 4711"),
        ("Bäckerei Novak", "BAECKEREI PETERS LEIPZIG"),
    ],
)
def test_a_trade_or_a_town_is_no_shop(receipt: str, line: str) -> None:
    assert similarity(parse_name(receipt), parse_shop(line)) < SIMILAR


def test_a_telling_word_in_common_is_no_stranger_and_not_the_same() -> None:
    post = parse_name("Deutsche Post DHL AG")
    assert 0.5 <= similarity(post, parse_name("DHL PAKET GMBH")) < SIMILAR
    assert similarity(parse_name("Hotel Adler"), parse_name("Hotel zum Lindenbaum")) < 0.5


@pytest.mark.parametrize(("text", "folded"), [("Größe & Söhne", "groesse soehne"), ("ÉCOLE", "ecole"), ("", ""), ("--", "")])
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_name_of_nothing_but_noise_keeps_its_words() -> None:
    assert parse_name("Co KG")
    assert not parse_name("")
    assert not parse_name(None)


def test_a_name_in_a_text() -> None:
    words = frozenset(loosen(word) for word in fold("Ihr Einkauf bei Müller Versand").split())
    assert is_in_text(parse_name("Mueller Versand GmbH"), words)
    assert not is_in_text(parse_name("AB"), words)


@given(st.text(max_size=40), st.text(max_size=40))
def test_similarity_is_symmetric_and_bounded(one: str, other: str) -> None:
    left, right = parse_name(one), parse_name(other)
    assert similarity(left, right) == similarity(right, left)
    assert 0 <= similarity(left, right) <= 1
    if left:
        assert similarity(left, left) == 1
