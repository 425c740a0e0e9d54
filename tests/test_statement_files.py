"""camt.053 and MT940: what is read of them, and what strangers' files cannot do."""

from __future__ import annotations

import io
import logging
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal import statement_files
from portal.domain.csv_rows import Fault, Flaw, Flawed, Format, Layout, Movement, Unreadable
from tests.statement_papers import BAKERY, IBAN, camt, details, entry, mt940, packed

TODAY = date(2026, 11, 27)


def rows(content: bytes, *, iban: str | None = IBAN, currency: str = "EUR") -> list[Movement | Flawed]:
    file = io.BytesIO(content)
    layout = Layout.of(statement_files.guess(file).as_json())
    if not layout.is_complete:
        raise Unreadable(Fault.NO_TABLE)
    return list(statement_files.read(file, layout, iban=iban, currency=currency, today=TODAY))


def only(content: bytes, **given: str) -> Movement | Flawed:
    (row,) = rows(content, **given)
    return row


def movement(content: bytes) -> Movement:
    row = only(content)
    assert isinstance(row, Movement), row
    return row


def flaw(content: bytes, **given: str) -> Flaw:
    row = only(content, **given)
    assert isinstance(row, Flawed), row
    return row.flaw


def fault(content: bytes) -> Fault:
    with pytest.raises(Unreadable) as caught:
        rows(content)
    return caught.value.fault


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (camt(), Format.CAMT053), (b"\xef\xbb\xbf" + camt(version="02"), Format.CAMT053), (packed(a=camt()), Format.CAMT053_ZIP),
        (mt940(), Format.MT940), (b"{1:F01X}{2:I940X}{4:\r\n" + mt940(), Format.MT940), (b"Datum;Betrag\n", Format.CSV),
        (camt().decode().replace("UTF-8", "UTF-16").encode("utf-16"), Format.CAMT053),
    ],
)  # fmt: skip
def test_the_kind_is_told_by_the_content(content: bytes, kind: Format) -> None:
    assert statement_files.guess(io.BytesIO(content)).format is kind


# --- camt.053 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["02", "04", "08", "13"])
def test_an_entry_is_a_movement(version: str) -> None:
    written = "02" if version < "08" else "08"
    found = movement(camt(entry(version=written), version=version))
    assert found == Movement(
        1, date(2026, 1, 5), "debit", 1234, "EUR", "Bäckerei Süß", "DE02120300000000202051", "Brötchen", None
    )


def test_the_amount_is_the_entrys_own_and_of_several_details_none_speaks_for_it() -> None:
    found = movement(camt(entry("30.00", inside="<Btch/>" + details("A") + details("B") + details("C"))))
    assert (found.amount_cents, found.counterparty, found.remittance) == (3000, None, None)
    further = "<AddtlNtryInf>SAMMLER</AddtlNtryInf>"
    assert movement(camt(entry(inside=details() * 2, further=further))).remittance == "SAMMLER"


def test_a_reversal_is_booked_in_its_own_direction_and_names_the_other_side() -> None:
    """What was debited comes back: CRDT, and the creditor of the debit is still the other side."""
    found = movement(camt(entry(side="CRDT", further="<RvslInd>true</RvslInd>", inside=details("Stromwerk", role="Cdtr"))))
    assert (found.side, found.counterparty) == ("credit", "Stromwerk")
    back = movement(camt(entry(side="DBIT", further="<RvslInd>true</RvslInd>", inside=details("Kunde", role="Dbtr"))))
    assert (back.side, back.counterparty) == ("debit", "Kunde")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"status": "PDNG"}, Flaw.NOT_BOOKED), ({"status": "INFO"}, Flaw.NOT_BOOKED), ({"currency": "USD"}, Flaw.OTHER_CURRENCY),
        ({"day": "2026-02-31"}, Flaw.NO_DATE), ({"day": "2027-01-01"}, Flaw.FUTURE), ({"amount": "0.00"}, Flaw.ZERO),
        ({"amount": "1,00"}, Flaw.NO_AMOUNT), ({"amount": "-1.00"}, Flaw.NO_AMOUNT), ({"amount": "1.234"}, Flaw.NO_AMOUNT),
        ({"amount": "NaN"}, Flaw.NO_AMOUNT), ({"amount": "1e99"}, Flaw.NO_AMOUNT), ({"side": "?"}, Flaw.NO_AMOUNT),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_entry_is_said(given: dict[str, str], expected: Flaw) -> None:
    assert flaw(camt(entry(**given))) is expected


def test_the_other_account_of_two_in_one_file_is_left_out() -> None:
    other = camt(entry(), entry(), iban="DE99").decode().split("<GrpHdr/>")[1].split("</BkToCstmrStmt>")[0]
    both = camt(entry()).decode().replace("<GrpHdr/>", "<GrpHdr/>" + other).encode()
    found = [row.flaw if isinstance(row, Flawed) else row.line for row in rows(both)]
    assert found == [Flaw.OTHER_ACCOUNT, Flaw.OTHER_ACCOUNT, 3]
    assert [row.line for row in rows(both, iban=None) if isinstance(row, Movement)] == [1, 2, 3]


def test_a_moment_is_its_day_in_berlin() -> None:
    late = entry().replace("<Dt>2026-01-05</Dt>", "<DtTm>2026-01-05T23:30:00Z</DtTm>")
    assert movement(camt(late)).booked_on == date(2026, 1, 6)
    without = entry().replace("BookgDt", "ValDt")
    assert movement(camt(without)).booked_on == date(2026, 1, 5)


BOMB = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
) + "]>"  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (camt(entry(inside=details(text="&j;")), before=BOMB), Fault.FORBIDDEN),
        (camt(entry(inside=details(text="&x;")), before='<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), Fault.FORBIDDEN),
        (camt(entry(), before='<!DOCTYPE d SYSTEM "http://127.0.0.1:9/x.dtd">'), Fault.FORBIDDEN),
        (camt(entry(), entry())[:-40], Fault.BROKEN), (camt(entry())[:300], Fault.BROKEN), (b"<?xml version='1.0'?>", Fault.BROKEN),
        (camt(entry(inside=details(text="&nichts;"))), Fault.BROKEN), (b"<html><body>Fehler</body></html>", Fault.NO_STATEMENT),
        (camt(entry()).replace(b"camt.053", b"camt.052"), Fault.NO_STATEMENT), (camt(entry("<a>" * 400)), Fault.BROKEN),
        (camt(entry(inside="<a/>" * (statement_files.MOST_PARTS + 1))), Fault.BROKEN),
        (camt("</Stmt><Stmt>" * (statement_files.MOST_PARTS + 1)), Fault.BROKEN),
        (camt(entry(inside="</NtryDtls><NtryDtls>".join([details()] * statement_files.MOST_PARTS))), Fault.BROKEN),
    ],
)  # fmt: skip
def test_what_no_bank_writes_is_refused(content: bytes, expected: Fault) -> None:
    assert fault(content) is expected


class Endless(io.RawIOBase):
    """A file that is written while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (piece := next(self._pieces, b"")):
            self._left += piece
        answer, self._left = self._left[:size], self._left[size:]
        return answer

    def seek(self, *_: int) -> int:
        return 0


def peak(make: Callable[[int], Iterator[bytes]], count: int) -> int:
    """Bytes that Python holds at most while a file of so many entries is read."""
    layout = Layout("", "", {}, 0, format=Format.CAMT053)
    tracemalloc.start()
    try:
        found = statement_files.read(Endless(make(count)), layout, iban=IBAN, currency="EUR", today=TODAY)  # type: ignore[arg-type]
        assert sum(1 for _ in found) > 0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_file_needs_no_more_memory_than_a_short_one() -> None:
    """Of Python: what lxml holds by itself is not seen here."""
    begin, end = camt("|").split(b"|")

    def many(count: int) -> Iterator[bytes]:
        yield begin
        yield from (entry().encode() for _ in range(count))
        yield end

    def batch(count: int) -> Iterator[bytes]:
        first, last = camt(entry(inside="|")).split(b"|")
        yield first
        yield from (details().encode() for _ in range(count))
        yield last

    for make in (many, batch):
        peak(make, 10)
        assert peak(make, 6000) < peak(make, 300) * 1.5


# --- archives ------------------------------------------------------------------------------------------------------


def test_an_archive_is_read_by_the_names_of_its_files() -> None:
    found = rows(packed(b=camt(entry("2.00")), a=camt(entry("1.00"), entry("1.50"))))
    assert [(row.line, row.amount_cents) for row in found if isinstance(row, Movement)] == [(1, 100), (2, 150), (3, 200)]


def test_archives_that_are_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault(packed()) is Fault.NO_STATEMENT
    assert fault(packed(a=b"Datum;Betrag\n")) in {Fault.NO_STATEMENT, Fault.BROKEN}
    assert fault(packed(a=packed(b=camt(entry())))) is Fault.BROKEN
    assert fault(packed(a=camt(entry()))[:-10]) is Fault.BROKEN
    damaged = bytearray(packed(a=camt(entry(), entry())))
    damaged[80:90] = b"\xff" * 10
    assert fault(bytes(damaged)) is Fault.BROKEN
    assert fault(packed(**{f"f{n}": camt() for n in range(statement_files.MOST_MEMBERS + 1)})) is Fault.TOO_LARGE
    monkeypatch.setattr(statement_files, "LARGEST_UNPACKED", 100_000)
    bomb = packed(a=camt(entry(), " " * 200_000))
    assert len(bomb) < 2000
    assert fault(bomb) is Fault.TOO_LARGE
    monkeypatch.setattr(statement_files, "LARGEST_ARCHIVE", 1000)
    assert fault(packed(**{f"f{n}": camt(entry()) for n in range(20)})) is Fault.TOO_LARGE


# --- MT940 ---------------------------------------------------------------------------------------------------------


def test_a_statement_line_is_a_movement() -> None:
    found = movement(mt940(*BAKERY))
    assert found == Movement(
        1, date(2026, 1, 5), "debit", 1234, "EUR", "Baeckerei Suess", "DE02120300000000202051", "Broetchen vom Montag und Kuchen",
        None,
    )  # fmt: skip


def test_reversals_move_the_money_back_and_the_booking_day_counts() -> None:
    """Years have two digits, and the booking's year is not told: around New Year it is another than the value's."""
    lines = (
        ":61:2601060106C100,NMSCNONREF", ":86:freier Text", "in zwei Zeilen", ":61:2601070107RC5,00NTRFNONREF",
        ":61:2601080108RD6,5NTRFNONREF", ":61:2512310102D7,00NTRFNONREF",
    )  # fmt: skip
    found = [(row.side, row.amount_cents, row.booked_on) for row in rows(mt940(*lines)) if isinstance(row, Movement)]
    assert found == [
        ("credit", 10000, date(2026, 1, 6)), ("debit", 500, date(2026, 1, 7)), ("credit", 650, date(2026, 1, 8)),
        ("debit", 700, date(2026, 1, 2)),
    ]  # fmt: skip
    assert next(row.remittance for row in rows(mt940(*lines)) if isinstance(row, Movement)) == "freier Text in zwei Zeilen"


@pytest.mark.parametrize("account", ["10010010/123456", "10010010/0000123456EUR", IBAN, f"{IBAN}EUR"])
def test_an_account_has_several_names(account: str) -> None:
    assert isinstance(only(mt940(*BAKERY, account=account)), Movement)


@pytest.mark.parametrize("account", ["10010010/0000123457", "20010010/0000123456", IBAN[:-1], f"{IBAN}7", "", "10010010/"])
def test_another_account_is_left_out(account: str) -> None:
    assert flaw(mt940(*BAKERY, account=account)) in {Flaw.OTHER_ACCOUNT, Flaw.UNREADABLE}


def test_what_is_wrong_with_a_line_is_said_and_costs_no_other() -> None:
    lines = (":61:Unsinn", *BAKERY, ":61:2613450105D1,00NTRFNONREF", ":61:2601050105D0,00NTRFNONREF")
    assert [row.flaw if isinstance(row, Flawed) else row.amount_cents for row in rows(mt940(*lines))] == [
        Flaw.UNREADABLE, 1234, Flaw.UNREADABLE, Flaw.ZERO,
    ]  # fmt: skip
    assert flaw(mt940(*BAKERY, currency="USD")) is Flaw.OTHER_CURRENCY
    assert flaw(mt940(*BAKERY).replace(b"C260101EUR", b"xxxxxx")) is Flaw.UNREADABLE
    assert [row.line for row in rows(mt940(*BAKERY) + mt940(*BAKERY, account="1/2") + mt940(*BAKERY)) if isinstance(row, Movement)] == [
        1, 3,
    ]  # fmt: skip


def test_the_last_line_of_a_file_without_its_end_may_be_cut() -> None:
    found = rows(mt940(*BAKERY, ":61:2601060106C100,NMSCNONREF", ":86:frei", is_whole=False))
    assert [row.flaw if isinstance(row, Flawed) else row.line for row in found] == [1, Flaw.CUT]
    assert fault(mt940(is_whole=False)) is Fault.BROKEN


def test_a_line_without_end_is_refused() -> None:
    assert fault(mt940(BAKERY[0], ":86:" + "x" * statement_files.LARGEST_BLOCK)) is Fault.BROKEN


def test_nobodys_statement_is_written_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The library would write down each line that it does not understand."""
    with caplog.at_level(logging.DEBUG):
        rows(mt940(":61:Geheimnis", *BAKERY))
    assert "Geheimnis" not in caplog.text


@given(
    st.lists(st.sampled_from([*BAKERY, ":61:", ":86:", ":20:X", ":25:X", ":60F:", ":62F:", ":NS:", ":28C:", "-", "", ":61:26"]))
)
def test_no_lines_break_mt940(lines: list[str]) -> None:
    with suppress(Unreadable):
        rows(mt940(*lines))


@given(st.binary(max_size=300), st.integers(0, 900))
@example(b"\x00", 486)
def test_no_bytes_break_any_of_them(junk: bytes, at: int) -> None:
    for whole in (camt(entry(), entry()), mt940(*BAKERY), packed(a=camt(entry()))):
        with suppress(Unreadable):
            rows(whole[:at] + junk + whole[at + len(junk) // 2 :])
