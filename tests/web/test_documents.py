"""Documents: byte for byte as a download, looked at only as pictures."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, update

from portal import e_invoice
from portal.media import Media, safe_file_name
from portal.models import AuditEvent, Document, Preview, Receipt
from portal.ports import Ports
from portal.simulator import einvoices
from portal.simulator.papers import Line, Paper, Party
from tests.factories import World, pdf
from tests.pages import Page
from tests.web.visitor import HTMX, Visit


@pytest.mark.parametrize("who", ["owner", "staff", "admin"])
def test_a_download_is_the_original_and_can_do_nothing(world: World, visit: Visit, ports: Ports, who: str) -> None:
    user = world.ours.owner if who == "owner" else getattr(world, who)
    answer = visit(user).get(f"/documents/{world.ours.document.id}")
    assert answer.data == pdf("Rechnung RE-2026-1001")
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="Rechnung RE-2026-1001.pdf"'
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    with ports.database.read() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.tag == "document.downloaded")).all()
    assert [(event.actor, event.subject, event.client_id) for event in events] == [
        (user.id, f"document:{world.ours.document.id}", world.ours.client.id)
    ]


def test_whatever_a_file_is_called_it_is_only_a_name(world: World, visit: Visit, ports: Ports) -> None:
    visitor = visit(world.ours.owner)
    for name in (
        "Rechnung Süß & Söhne.pdf",
        'a"b.pdf',
        "a\r\nSet-Cookie: x=1.pdf",
        "../../etc/passwd",
        "<script>.pdf",
        "文書.pdf",
        "a;b.pdf",
    ):
        kept = {"file_name": safe_file_name(name, Media.PDF), "media_type": "text/html"}  # as the import keeps it
        with ports.database.write() as session:
            session.execute(update(Document).where(Document.id == world.ours.document.id).values(kept))
        answer = visitor.client.get(f"/documents/{world.ours.document.id}", buffered=True)
        assert answer.headers["Content-Disposition"].startswith("attachment; filename"), name
        assert not {"\r", "\n"} & set(str(answer.headers["Content-Disposition"])), name
        assert answer.headers["Content-Security-Policy"].startswith("sandbox"), name
        assert visitor.page(f"/receipts/{world.ours.receipts['open'].id}")


def test_a_damaged_document_is_not_handed_out(world: World, visit: Visit, ports: Ports) -> None:
    folder = ports.settings.data_dir / "documents" / world.ours.client.id
    stored = next(path for path in folder.rglob("*") if path.name.endswith(world.ours.document.sha256[-8:]))
    stored.chmod(0o640)
    stored.write_bytes(b"something else")
    visitor = visit(world.ours.owner)
    answer = visitor.get(f"/documents/{world.ours.document.id}")
    assert answer.status_code == 500
    assert "This document was damaged in our storage. What came from Qonto is fetched again" in Page(answer.text).words
    with ports.database.read() as session:
        receipt = session.get_one(Receipt, world.ours.document.receipt_id)
        assert (receipt.document_state, receipt.document_problem) == ("fetching", "damaged")
    stored.unlink()
    assert visitor.get(f"/documents/{world.ours.document.id}").status_code == 500
    assert visitor.get("/receipts").status_code == 200


def test_pages_are_pictures_that_may_be_kept(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    answer = visitor.get(f"/documents/{world.ours.document.id}/pages/1.webp")
    assert (answer.status_code, answer.mimetype, answer.data[8:12]) == (200, "image/webp", b"WEBP")
    assert answer.headers["Cache-Control"] == "private, max-age=3600, immutable"
    for number in ("0", "2", "999999999999", "-1", "x"):
        assert visitor.get(f"/documents/{world.ours.document.id}/pages/{number}.webp").status_code == 404


def test_the_preview_polls_until_it_is_made(world: World, visit: Visit, ports: Ports) -> None:
    visitor, address = visit(world.ours.owner), f"/documents/{world.ours.document.id}/preview"

    def state(value: str, reason: str | None = None) -> Page:
        with ports.database.write() as session:
            session.execute(update(Preview).where(Preview.id == world.ours.preview.id).values(state=value, reason=reason))
        return Page(visitor.get(address, headers=HTMX).text)

    assert state("due").polls == [f"{address}?looks=1"]
    assert visitor.page(f"/receipts/{world.ours.receipts['open'].id}").polls == [f"{address}?looks=1"]
    assert state("ready").polls == []
    broken = state("impossible", "encrypted")
    assert broken.polls == []
    assert "The file is protected by a password." in broken.words
    assert f"/documents/{world.ours.document.id}" in broken.links


def test_a_preview_that_takes_long_is_polled_ever_more_slowly_and_not_for_ever(
    world: World, visit: Visit, ports: Ports
) -> None:  # fmt: skip
    visitor, address, waits = visit(world.ours.owner), f"/documents/{world.ours.document.id}/preview", []
    with ports.database.write() as session:
        session.execute(update(Preview).where(Preview.id == world.ours.preview.id).values(state="due"))
    here = address
    while (fragment := Page((answer := visitor.get(here, headers=HTMX)).text)).polls:
        [here] = fragment.polls
        waits.append(int(answer.text.partition('hx-trigger="load delay:')[2].partition("s")[0]))
    assert waits == sorted(waits)
    assert (waits[0], len(waits), sum(waits)) == (3, 16, 180)
    assert "The picture of this document takes longer than usual" in fragment.words
    assert f"/receipts/{world.ours.receipts['open'].id}" in fragment.links
    assert f'hx-get="{address}"' in answer.text  # a person's look begins anew
    for strange in ("x", "-1", "", "100", "²"):
        assert Page(visitor.get(f"{address}?looks={strange}", headers=HTMX).text).polls == [f"{address}?looks=1"]


def test_a_receipt_without_a_file_says_why(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    for name, words in (
        ("waiting", "There is no file yet"), ("fetching", "The file could not be fetched"), ("failed", "The file is too large."),
    ):  # fmt: skip
        assert words in visitor.page(f"/receipts/{world.ours.receipts[name].id}").words


def _read(ports: Ports, world: World, **changed: Any) -> None:
    """The first document carries an e-invoice."""
    paper = Paper(
        title="Rechnung", number="RE-2026-1001", seller=Party("Holzhandel <b>Weber</b>", "Kai 3", "20457", "Hamburg"),
        buyer=Party("Tischlerei", "Gasse 1", "22767", "Hamburg"), issued_on=world.ours.receipts["open"].issued_on or date.min,
        due_on=None, lines=(Line("Eiche", 1, 10000),),
    )  # fmt: skip
    told = e_invoice.read(einvoices.ubl(paper)).stored()
    with ports.database.write() as session:
        session.execute(update(Preview).where(Preview.id == world.ours.preview.id).values(e_invoice=told, **changed))


def test_an_e_invoice_can_be_read_beside_its_page(world: World, visit: Visit, ports: Ports) -> None:
    _read(ports, world)
    for visitor, path in ((visit(world.ours.owner), "/receipts/"), (visit(world.staff), "/review?item=")):
        page = visitor.page(f"{path}{world.ours.receipts['open'].id}")
        for words in ("ZUGFeRD", "Read the e-invoice", "Holzhandel <b>Weber</b>", "Eiche", "€119.00"):
            assert words in page.words
        assert "says otherwise" not in page.words


def test_an_e_invoice_that_is_only_data_is_shown_instead_of_a_picture(world: World, visit: Visit, ports: Ports) -> None:
    _read(ports, world, page_keys=[], words=[], media_type="application/xml")
    visitor = visit(world.ours.owner)
    page = visitor.page(f"/receipts/{world.ours.receipts['open'].id}")
    assert "What is charged" in page.words
    assert "cannot be shown" not in page.words
    assert "What is charged" in Page(visitor.get(f"/documents/{world.ours.document.id}/preview", headers=HTMX).text).words


def test_a_bank_that_says_otherwise_is_pointed_out(world: World, visit: Visit, ports: Ports) -> None:
    _read(ports, world)
    with ports.database.write() as session:
        session.execute(
            update(Receipt).where(Receipt.id == world.ours.receipts["open"].id).values(amount_cents=99900, number="X")
        )
    staff = visit(world.staff).page(f"/review?item={world.ours.receipts['open'].id}")
    assert "The e-invoice says otherwise: number RE-2026-1001, gross amount €119.00." in staff.words
