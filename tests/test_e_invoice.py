"""Reading e-invoices of both syntaxes, and refusing what only looks like one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal import e_invoice
from portal.e_invoice import EInvoice, NotReadable, Tax
from portal.simulator import einvoices
from portal.simulator.papers import Line, Paper, Party

PAPER = Paper(
    title="Rechnung", number="RE-2026/0815", seller=Party("Holz & Söhne <GmbH>", "Am Kai 3", "20457", "Hamburg", "DE123456789", "DE02120300000000202051"),
    buyer=Party("Tischlerei Brandt GmbH", "Gasse 1", "22767", "Hamburg"), issued_on=date(2026, 3, 31), due_on=date(2026, 4, 14),
    lines=(Line("Eiche, gehobelt", 3, 12345), Line("Anfahrt", 1, 4900)),
)  # fmt: skip


@pytest.mark.parametrize("write", [einvoices.cii, einvoices.ubl])
def test_both_syntaxes_say_the_same(write: object) -> None:
    read = e_invoice.read(write(PAPER))  # type: ignore[operator]
    assert (read.number, read.is_credit_note, read.issued_on, read.due_on) == (
        "RE-2026/0815", False, date(2026, 3, 31), date(2026, 4, 14),
    )  # fmt: skip
    assert (read.seller.name, read.seller.vat_id) == ("Holz & Söhne <GmbH>", "DE123456789")
    assert read.seller.address == "Am Kai 3, 20457 Hamburg, DE"
    assert (read.buyer.name, read.buyer.vat_id) == ("Tischlerei Brandt GmbH", None)
    assert (read.currency, read.iban, read.reference) == ("EUR", "DE02120300000000202051", "RE-2026/0815")
    assert (read.net_cents, read.tax_cents, read.total_cents, read.payable_cents) == (41935, 7968, 49903, 49903)
    assert [(line.text, line.quantity, line.net_cents) for line in read.lines] == [
        ("Eiche, gehobelt", "3", 37035), ("Anfahrt", "1", 4900),
    ]  # fmt: skip
    assert [tax.percent for tax in read.taxes] == ["19"]


@pytest.mark.parametrize("write", [einvoices.cii, einvoices.ubl])
def test_a_credit_note_is_negative_however_it_is_written(write: object) -> None:
    back = replace(PAPER, lines=(Line("Gutschrift", 1, -10000),))
    read = e_invoice.read(write(back))  # type: ignore[operator]
    assert (read.is_credit_note, read.total_cents) == (True, -11900)
    positive = write(back).replace(b">-", b">")  # type: ignore[operator]
    assert e_invoice.read(positive).total_cents == -11900


@pytest.mark.parametrize("write", [einvoices.cii, einvoices.ubl])
def test_all_of_a_credit_note_has_one_sign(write: object) -> None:
    back = replace(PAPER, lines=(Line("Gutschrift", 1, -10000), Line("Bearbeitung", 1, 1000)))
    written = write(back)  # type: ignore[operator]
    turned = re.sub(rb">(-?)(\d+\.\d\d)<", lambda found: b">" + (b"" if found[1] else b"-") + found[2] + b"<", written)
    for xml in (written, turned):
        read = e_invoice.read(xml)
        assert [line.net_cents for line in read.lines] == [-10000, 1000]
        assert (read.net_cents, read.tax_cents, read.total_cents) == (-9000, -1710, -10710)


def test_a_national_tax_number_is_no_vat_id_and_the_tax_is_told_in_the_invoices_currency() -> None:
    national = b"<cac:PartyTaxScheme><cbc:CompanyID>22/815/0815</cbc:CompanyID><cac:TaxScheme><cbc:ID>FC</cbc:ID></cac:TaxScheme>"
    books = b'<cac:TaxTotal><cbc:TaxAmount currencyID="USD">99.99</cbc:TaxAmount></cac:TaxTotal><cac:TaxTotal>'
    xml = einvoices.ubl(PAPER)
    xml = xml.replace(b"<cac:PartyTaxScheme>", national + b"</cac:PartyTaxScheme><cac:PartyTaxScheme>", 1)
    read = e_invoice.read(xml.replace(b"<cac:TaxTotal>", books, 1))
    assert (read.seller.vat_id, read.tax_cents) == ("DE123456789", 7968)


def test_it_is_kept_as_json_and_read_back() -> None:
    read = e_invoice.read(einvoices.ubl(PAPER))
    assert EInvoice.of(json.loads(json.dumps(read.stored()))) == read
    assert Tax("19", 41935, 7968) in read.taxes


HOSTILE = {
    "no XML": (b"%PDF-1.7", "broken"),
    "a page": (b"<html xmlns='http://www.w3.org/1999/xhtml'/>", "no_invoice"),
    "a name without its standard": (b"<Invoice/>", "no_invoice"),
    "a bomb of entities": (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
            b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12)
        ) + b"]><Invoice>&m;</Invoice>", None,
    ),
    "a file of ours": (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Invoice>&a;</Invoice>', "document_type"),
    "an address": (b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><Invoice/>', "document_type"),
    "too deep": (b"<a>" * 200 + b"</a>" * 200, "too_deep"),
    "much too deep": (b"<a>" * 5000 + b"</a>" * 5000, "broken"),
    "too large": (b" " * (e_invoice.LARGEST + 1), "too_big"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_invoice_is_refused_and_opens_nothing(what: str) -> None:
    content, reason = HOSTILE[what]
    with pytest.raises(NotReadable) as refused:
        e_invoice.read(content)
    assert reason in {None, str(refused.value)}
    assert "root:" not in str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("written", "read"),
    [("", None), ("zehn", None), ("NaN", None), ("1e400", None), ("12.345", 1234), ("1E+2", 10000), ("-0", 0)],
)
def test_strange_amounts_are_none_or_cents(written: str, read: int | None) -> None:
    xml = einvoices.ubl(PAPER).replace(b">499.03</cbc:PayableAmount>", f">{written}</cbc:PayableAmount>".encode())
    assert e_invoice.read(xml).payable_cents == read


def test_no_more_lines_are_kept_than_anybody_reads() -> None:
    read = e_invoice.read(einvoices.cii(replace(PAPER, lines=PAPER.lines * 300)))
    assert (len(read.lines), read.line_count) == (e_invoice.MOST_LINES, 600)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 3000))
def test_whatever_is_changed_it_is_read_or_refused(noise: bytes, place: int) -> None:
    xml = einvoices.cii(PAPER)
    try:
        e_invoice.read(xml[:place] + noise + xml[place + len(noise) :])
    except NotReadable:
        return
