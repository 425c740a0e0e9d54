"""Bank statements as CSV: any encoding, separator and notation; what cannot be read is said, row by row."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain import csv_rows
from portal.domain.csv_rows import Column, Fault, Flaw, Flawed, Movement, Unreadable

TODAY = date(2026, 11, 27)
GERMAN = "Buchungstag;Betrag;Währung;Empfänger;Verwendungszweck\n05.01.2026;-1.234,56;EUR;Bäckerei Süß;Brötchen\n"
QONTO = (
    "Status,Settlement date (UTC),Operation date (UTC),Total amount (incl. VAT),Currency,Counterparty name,Transaction ID,Reference\n"
    "settled,2026-01-05 23:30:00,2026-01-05 10:00:00,-1234.56,EUR,Bäckerei Süß,acme-1-transaction-7,Brötchen\n"
)
QONTO_FR = (
    "Statut;Date de la valeur (UTC);Montant total (TTC);Devise;Nom de la contrepartie;Identifiant de transaction;Référence\n"
    "Exécuté;05-01-2026 10:00:00;-1234,56;EUR;Bäckerei Süß;acme-7;Brötchen\n"
)


def rows(content: str | bytes, *, iban: str | None = "DE02", currency: str = "EUR", encoding: str = "utf-8") -> list[object]:
    raw = content if isinstance(content, bytes) else content.encode(encoding)
    return list(csv_rows.read(io.BytesIO(raw), csv_rows.guess(raw), iban=iban, currency=currency, today=TODAY))


def flaws(content: str, **given: str) -> list[Flaw]:
    return [row.flaw for row in rows(content, **given) if isinstance(row, Flawed)]  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_any_encoding(encoding: str) -> None:
    (row,) = rows(GERMAN, encoding=encoding)
    assert row == Movement(2, date(2026, 1, 5), "debit", 123456, "EUR", "Bäckerei Süß", None, "Brötchen", None)


@pytest.mark.parametrize(("text", "day"), [(QONTO, date(2026, 1, 6)), (QONTO_FR, date(2026, 1, 5))])
def test_qontos_own_export(text: str, day: date) -> None:
    """Times are UTC in it, days are Berlin's here."""
    (row,) = rows(text)
    assert isinstance(row, Movement)
    assert (row.booked_on, row.side, row.amount_cents, row.counterparty) == (day, "debit", 123456, "Bäckerei Süß")
    assert row.id is not None


def test_a_banks_own_lines_above_the_table() -> None:
    (row,) = rows("Kontoumsätze\nKonto;DE02\n\n" + GERMAN)
    assert isinstance(row, Movement)


def test_debit_and_credit_in_columns_of_their_own() -> None:
    found = rows("Datum;Soll;Haben;Name\n05.01.2026;12,00;;A\n05.01.26;;1.000,5;B\n05.01.2026;;;C\n")
    assert [(row.side, row.amount_cents) for row in found if isinstance(row, Movement)] == [("debit", 1200), ("credit", 100050)]
    assert [row.flaw for row in found if isinstance(row, Flawed)] == [Flaw.NO_AMOUNT]


@pytest.mark.parametrize(
    ("written", "cents"),
    [
        ("-1.234,56", -123456), ("1234,5", 123450), ("12", 1200), ("-0,07", -7), ("+3,00 €", 300), ("3,00-", -300),
        ("1.000.000,00", 100000000), ("\u22125,00", -500), ("5,00 S", -500), ("5,00 H", 500), ("1'234,56", 123456),
        ("1.23,00", None), ("12,345", None), ("=1+1", None), ("", None), ("abc", None), ("1,2,3", None),
    ],
)  # fmt: skip
def test_amounts(written: str, cents: int | None) -> None:
    (row,) = rows(f"Datum;Betrag;Name\n05.01.2026;{written};A\n06.01.2026;1,00;B\n")[:1]
    if cents is None:
        assert isinstance(row, Flawed)
        assert row.flaw is Flaw.NO_AMOUNT
    else:
        assert isinstance(row, Movement)
        assert (1 if row.side == "credit" else -1) * row.amount_cents == cents


def test_american_dates_are_seen_by_a_day_that_is_no_month() -> None:
    found = rows("Date,Amount,Payee\n01/25/2026,-5.00,A\n02/03/2026,-6.00,B\n")
    assert [row.booked_on for row in found if isinstance(row, Movement)] == [date(2026, 1, 25), date(2026, 2, 3)]


def test_what_is_wrong_with_a_row_is_said() -> None:
    head = "Datum;Betrag;Währung;IBAN Auftragskonto;Status;Name\n"
    assert flaws(head + "31.02.2026;1,00;EUR;DE02;;A\n") == [Flaw.NO_DATE]
    assert flaws(head + "05.01.2026;0,00;EUR;DE02;;A\n") == [Flaw.ZERO]
    assert flaws(head + "05.01.2026;1,00;USD;DE02;;A\n") == [Flaw.OTHER_CURRENCY]
    assert flaws(head + "05.01.2026;1,00;EUR;DE99;;A\n") == [Flaw.OTHER_ACCOUNT]
    assert flaws(head + "05.01.2026;1,00;EUR;DE02;pending;A\n") == [Flaw.NOT_BOOKED]
    assert flaws(head + "05.01.2027;1,00;EUR;DE02;;A\n") == [Flaw.FUTURE]
    assert flaws(head + "05.01.2026;1,00\n") == [Flaw.CUT]
    assert flaws(head + "05.01.2026;1,00;EUR;DE02;;A\n05.01.2026;1,0") == [Flaw.CUT]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", Fault.EMPTY), (b"\xef\xbb\xbf \n", Fault.EMPTY), (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Fault.BINARY),
        (b"nur ein Satz\n", Fault.NO_TABLE),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(content: bytes, fault: Fault) -> None:
    with pytest.raises(Unreadable) as caught:
        csv_rows.guess(content)
    assert caught.value.fault is fault


def test_unknown_titles_wait_for_a_person() -> None:
    raw = b"Quand;Combien;Qui\n05.01.2026;-1,00;A\n"
    layout = csv_rows.guess(raw)
    assert not layout.is_complete
    layout = csv_rows.mapped(layout, {Column.BOOKED: 0, Column.AMOUNT: 1, Column.COUNTERPARTY: 2})
    (row,) = csv_rows.read(io.BytesIO(raw), csv_rows.Layout.of(layout.as_json()), iban=None, currency="EUR", today=TODAY)
    assert isinstance(row, Movement)


@given(st.binary(max_size=400))
def test_no_bytes_break_it(content: bytes) -> None:
    try:
        layout = csv_rows.guess(content)
        if layout.is_complete:
            list(csv_rows.read(io.BytesIO(content), layout, iban=None, currency="EUR", today=TODAY))
    except Unreadable:
        pass


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30), min_size=2, max_size=2),
    st.integers(-(10**9), 10**9),
)
def test_texts_come_back_as_they_are(texts: list[str], cents: int) -> None:
    """Formulas, quotes, separators and line ends in a field are text."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(["Datum", "Betrag", "Name", "Verwendungszweck"])
    writer.writerow(["05.01.2026", f"{'-' if cents < 0 else ''}{abs(cents) // 100},{abs(cents) % 100:02}", *texts])
    (row,) = rows(out.getvalue())
    if cents == 0:
        assert isinstance(row, Flawed)
    else:
        assert isinstance(row, Movement)
        assert (row.counterparty, row.remittance) == tuple(text.strip() or None for text in texts)
