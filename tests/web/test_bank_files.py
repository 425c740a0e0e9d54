"""Files that people bring for an account: what each kind of bad one is told, and that nothing is lost by it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.models import Statement, Transaction
from portal.ports import Ports
from portal.services.accounts import statements
from tests.factories import World
from tests.pages import Page
from tests.statement_papers import camt, details, entry, mt940, packed
from tests.test_statement_files import BOMB
from tests.web.visitor import Visit, Visitor

HEAD = b"Buchungstag;Betrag;Verwendungszweck\n"
GOOD = b"05.01.2026;-1,00;eins\n"


def bring(visitor: Visitor, world: World, content: bytes, name: str = "umsatz.csv") -> Any:
    form = {"file": (io.BytesIO(content), name)}
    return visitor.post(f"/finances/accounts/{world.ours.account.id}/statements", form, content_type="multipart/form-data")


def preview(visitor: Visitor, world: World, content: bytes, name: str = "umsatz.csv") -> Page:
    answer = bring(visitor, world, content, name)
    assert answer.status_code == 303, answer.text
    return visitor.follow(answer)


def counted(ports: Ports) -> tuple[int, int]:
    with ports.database.read() as session:
        files, lines = (session.scalar(select(func.count()).select_from(table)) for table in (Statement, Transaction))
    return int(files or 0), int(lines or 0)


REFUSED = [
    (b"", "This file is empty."),
    (b"\xef\xbb\xbf \r\n", "This file is empty."),
    (b"\x89PNG\r\n\x1a\n\0\0", "This is no bank statement: CSV, CAMT.053 and MT940 can be read."),
    (b"%PDF-1.7\n\x00\x01", "This is no bank statement: CSV, CAMT.053 and MT940 can be read."),
    (b"nur ein Satz\n", "There is no table in this file."),
    (HEAD + b"05.01.2026;-1,00;\x81\n", "This file cannot be read as text."),
    (HEAD + b'05.01.2026;-1,00;"' + b"x" * 200_000, "This file is damaged or cut off. Please export it again."),
    (HEAD + b"x" * 300_000, "There is no table in this file."),
    (camt(entry(), before=BOMB), "This XML file defines document types. No bank does that, so it is not read."),
    (camt(entry(), entry())[:-60], "This file is damaged or cut off. Please export it again."),
    (
        camt(entry()).replace(b"camt.053", b"camt.052"),
        "This is no account statement in the format CAMT.053. Please choose CAMT.053 at the bank.",
    ),
    (packed(a=camt(entry()))[:-9], "This file is damaged or cut off. Please export it again."),
    (
        packed(**{f"f{n}": camt() for n in range(401)}),
        "This archive is too large: 10 MB, 400 files and 200 MB unpacked at most.",
    ),
    (mt940(is_whole=False), "This file is damaged or cut off. Please export it again."),
]


@pytest.mark.parametrize(("content", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_read_is_said_beside_the_field(
    visit: Visit, world: World, ports: Ports, content: bytes, words: str
) -> None:  # fmt: skip
    before, visitor = counted(ports), visit(world.ours.owner)
    answer = bring(visitor, world, content)
    assert answer.status_code == 422
    assert words in Page(answer.text).words
    assert counted(ports) == before


READ = [
    # content, what is said of the row, how many are new and left out
    (HEAD + b"\xc3\xa4;x;y\n" + GOOD, "without a date that we can read", 1, 1),
    (HEAD + b"05.01.26;-1,00;zweistellig\n", "zweistellig", 1, 0),
    (HEAD + b"05.01.2026;-1.234.567,89;x\n", "1,234,567.89", 1, 0),
    (HEAD + b"05.01.2026;-1.23,89;x\n" + GOOD, "without an amount that we can read", 1, 1),
    (HEAD + b'05.01.2026;-1,00;"=HYPERLINK(""http://boese.example"";""<b>Klick</b>"")"\n', 'example";"<b>Klick</b>")', 1, 0),
    (HEAD + b"05.01.2026;=1+1;x\n" + GOOD, "without an amount that we can read", 1, 1),
    (HEAD + "05.01.2026;-1,00;Süß\n".encode() + "06.01.2026;-2,00;Grün\n".encode("cp1252"), "Grün", 2, 0),
    (HEAD + GOOD + b"06.01.2026;-2,0", "the line is cut off", 1, 1),
    (
        b"Buchungstag;Betrag;W\xc3\xa4hrung\n05.01.2026;-1,00;USD\n05.01.2026;-1,00;EUR\n",
        "in another currency than the account",
        1,
        1,
    ),
    (b"Buchungstag;Betrag;Auftragskonto\n05.01.2026;-1,00;DE99\n05.01.2026;-1,00;\n", "of another account", 1, 1),
    (camt(entry(), iban="DE99"), "of another account", 0, 1),
    (mt940(":61:Unsinn", ":61:2601050105D1,00NTRFNONREF", account="{iban}"), "cannot be understood", 1, 1),
]


@pytest.mark.parametrize(("content", "words", "new", "flawed"), READ, ids=range(len(READ)))
def test_what_can_be_read_is_read_and_the_rest_is_told(
    visit: Visit, world: World, content: bytes, words: str, new: int, flawed: int
) -> None:  # fmt: skip
    content = content.replace(b"{iban}", (world.ours.account.iban or "").encode())
    page = preview(visit(world.ours.owner), world, content)
    assert words in page.words  # as text: a tag among it would not be words
    assert f"{new} new" in page.words
    assert f"{flawed} left out" in page.words


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("umsätze.XML.csv", "camt", "umsätze.XML.xml"), ("Auszug.XML", "camt", "Auszug.xml"), ("a.zip", "zip", "a.zip"), ("a.sta", "mt940", "a.sta"), ("a", "csv", "a.csv"),
    ],
)  # fmt: skip
def test_each_format_is_imported_and_keeps_its_ending(
    visit: Visit, world: World, ports: Ports, name: str, content: str, kept: str
) -> None:  # fmt: skip
    iban = world.ours.account.iban or ""
    one = camt(entry("17.40", inside=details(role="Cdtr")), entry("17.40"), iban=iban)
    twins = {
        "camt": one, "zip": packed(a=one), "csv": HEAD + b"05.01.2026;-17,40;A\n" * 2,
        "mt940": mt940(*[":61:2601050105D17,40NTRFNONREF"] * 2, account=iban),
    }  # fmt: skip
    visitor = visit(world.ours.owner)
    page = preview(visitor, world, twins[content], name)
    assert kept in page.words
    path = next(form.action for form in page.forms if form.action.endswith("/import"))
    assert visitor.post(path).status_code == 303
    assert counted(ports)[1] >= 2
    again = preview(visitor, world, twins["csv"])  # the same two coffees, told by another format
    assert "2 here already" in again.words


def test_too_many_rows_are_refused_before_anything_is_kept(
    visit: Visit, world: World, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(statements, "MOST_ROWS", 3)
    monkeypatch.setattr(statements, "MOST_ENTRIES", 1)
    before, visitor = counted(ports), visit(world.ours.owner)
    answer = bring(visitor, world, HEAD + GOOD * 4)
    assert answer.status_code == 422
    assert "This file has too many rows" in Page(answer.text).words
    assert bring(visitor, world, camt(entry(), entry())).status_code == 422
    assert counted(ports) == before
    assert "3 new" in preview(visitor, world, HEAD + GOOD * 3).words


def test_unknown_columns_are_asked_for_beside_the_first_rows(visit: Visit, world: World) -> None:
    page = preview(visit(world.ours.owner), world, b"Quand;Combien;Qui\n05.01.2026;-1,00;Boulangerie\n06.01.2026;-2,00;B\n")
    assert "Which column holds what?" in page.words
    assert "Boulangerie" in page.words
