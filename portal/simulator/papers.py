"""What stands on an invoice, and the invoice as a PDF, a ZUGFeRD PDF, an XRechnung or a till receipt."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import date

from PIL import Image, ImageDraw, ImageFont

from portal.simulator import einvoices, pdf
from portal.simulator.names import german
from portal.simulator.pdf import Colour


@dataclass(frozen=True, slots=True)
class Party:
    """Who writes or receives an invoice."""

    name: str
    street: str
    zip_code: str
    city: str
    vat_number: str = ""
    iban: str = ""
    email: str = ""
    country: str = "DE"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice; net cents for all of it."""

    text: str
    quantity: int
    unit_cents: int

    @property
    def net_cents(self) -> int:
        """Quantity times price."""
        return self.quantity * self.unit_cents


@dataclass(frozen=True, slots=True)
class Paper:
    """Everything that is printed. `vat_percent` 0 means without VAT."""

    title: str
    number: str
    seller: Party
    buyer: Party
    issued_on: date
    due_on: date | None
    lines: tuple[Line, ...]
    vat_percent: int = 19
    currency: str = "EUR"
    customer_number: str = ""
    remark: str = ""

    @property
    def net_cents(self) -> int:
        """Before VAT."""
        return sum(line.net_cents for line in self.lines)

    @property
    def vat_cents(self) -> int:
        """Half a cent is rounded away from zero."""
        net = self.net_cents * self.vat_percent
        return (abs(net) + 50) // 100 * (1 if net >= 0 else -1)

    @property
    def total_cents(self) -> int:
        """What is to pay."""
        return self.net_cents + self.vat_cents


def render(paper: Paper, kind: str) -> bytes:
    """The file of `paper` as `pdf`, `zugferd`, `xrechnung`, `png` or `jpg`."""
    if kind == "xrechnung":
        return einvoices.ubl(paper)
    if kind in {"png", "jpg"}:
        return _till_receipt(paper, kind)
    embedded = ("factur-x.xml", einvoices.cii(paper)) if kind == "zugferd" else None
    return pdf.document(_invoice(paper), title=f"{paper.title} {paper.number}", embedded=embedded)


def _accent(name: str) -> Colour:
    """Each company prints in a colour of its own."""
    palette: tuple[Colour, ...] = (
        (0.04, 0.35, 0.40), (0.17, 0.31, 0.53), (0.54, 0.29, 0.0), (0.35, 0.24, 0.60), (0.11, 0.43, 0.18), (0.48, 0.12, 0.22),
        (0.25, 0.30, 0.33),
    )  # fmt: skip
    return palette[hashlib.sha256(name.encode()).digest()[0] % len(palette)]


def _invoice(paper: Paper) -> pdf.Page:
    page, accent, grey = pdf.Page(), _accent(paper.seller.name), (0.35, 0.43, 0.45)
    seller, buyer = paper.seller, paper.buyer
    page.box(0, 0, pdf.WIDTH, 10, accent)
    page.box(56, 46, 22, 22, accent)
    page.text(61.5, 62, seller.name[0], 15, bold=True, colour=(1, 1, 1))
    page.text(88, 58, seller.name, 15, bold=True)
    page.text(88, 70, f"{seller.street} · {seller.zip_code} {seller.city}", 8.5, colour=grey)
    page.text(56, 132, f"{seller.name} · {seller.street} · {seller.zip_code} {seller.city}", 6.5, colour=grey)
    for offset, text in enumerate((buyer.name, buyer.street, f"{buyer.zip_code} {buyer.city}")):
        page.text(56, 150 + 14 * offset, text, 10.5)
    facts = [("Nummer", paper.number), ("Datum", f"{paper.issued_on:%d.%m.%Y}")]
    if paper.customer_number:
        facts.append(("Kundennummer", paper.customer_number))
    if paper.due_on:
        facts.append(("Zahlbar bis", f"{paper.due_on:%d.%m.%Y}"))
    for offset, (label, value) in enumerate(facts):
        page.text(370, 150 + 15 * offset, label, 9, colour=grey)
        page.right(539, 150 + 15 * offset, value, 9.5, bold=label == "Nummer")
    page.text(56, 248, f"{paper.title} {paper.number}", 14, bold=True)
    y = 280.0
    page.box(56, y - 13, 483, 20, (0.95, 0.96, 0.96))
    for x, label in ((62, "Pos."), (92, "Beschreibung")):
        page.text(x, y, label, 8.5, bold=True)
    for x, label in ((360, "Menge"), (447, "Einzelpreis"), (533, "Betrag")):
        page.right(x, y, label, 8.5, bold=True)
    for number, line in enumerate(paper.lines, 1):
        y += 22
        page.text(62, y, str(number))
        page.text(92, y, line.text)
        page.right(360, y, str(line.quantity))
        page.right(447, y, german(line.unit_cents, paper.currency))
        page.right(533, y, german(line.net_cents, paper.currency))
        page.line(56, y + 7, 539, y + 7, 0.4, (0.85, 0.88, 0.88))
    y = _sums(page, paper, y + 12, grey)
    if paper.remark:
        page.text(56, y, paper.remark)
        y += 16
    if seller.iban and paper.due_on:
        page.text(56, y, f"Bitte überweisen Sie unter Angabe der Nummer {paper.number} auf das unten genannte Konto.")
    _foot(page, seller, accent, grey)
    return page


def _sums(page: pdf.Page, paper: Paper, y: float, grey: Colour) -> float:
    """Net, VAT and total from `y` downwards; where the next text may stand."""
    sums = [("Nettobetrag", paper.net_cents)]
    if paper.vat_percent:
        sums.append((f"Umsatzsteuer {paper.vat_percent} %", paper.vat_cents))
    for label, cents in sums:
        y += 17
        page.text(340, y, label, colour=grey)
        page.right(533, y, german(cents, paper.currency))
    y += 22
    page.line(340, y - 14, 539, y - 14, 0.8)
    page.text(340, y, "Gesamtbetrag", 11, bold=True)
    page.right(533, y, german(paper.total_cents, paper.currency), 11, bold=True)
    page.line(340, y + 6, 539, y + 6)
    page.line(340, y + 8.5, 539, y + 8.5)
    return y + 42


def _foot(page: pdf.Page, seller: Party, accent: Colour, grey: Colour) -> None:
    page.line(56, 768, 539, 768, 0.6, accent)
    groups = [seller.iban[n : n + 4] for n in range(0, len(seller.iban), 4)]
    foot = [
        (56, (seller.name, seller.street, f"{seller.zip_code} {seller.city}")),
        (
            235,
            ("Bankverbindung", f"IBAN {' '.join(groups)}", "BIC TESTDE88XXX") if groups else ("Zahlung", "mit Karte bezahlt", ""),
        ),
        (440, ("USt-IdNr.", seller.vat_number, seller.email)),
    ]
    for x, texts in foot:
        for offset, text in enumerate(texts):
            page.text(x, 782 + 11 * offset, text, 7.5, bold=offset == 0, colour=grey)


def _till_receipt(paper: Paper, kind: str) -> bytes:
    """A strip of paper from a till, as a phone would photograph it."""
    width, height = 620, 700 + 46 * len(paper.lines)
    image = Image.new("L", (width, height), 246)
    draw = ImageDraw.Draw(image)
    small, plain, large = (ImageFont.load_default(size) for size in (20, 24, 34))
    draw.text((width / 2, 60), paper.seller.name, 20, large, anchor="mm")
    draw.text((width / 2, 105), paper.seller.street, 60, small, anchor="mm")
    draw.text((width / 2, 132), f"{paper.seller.zip_code} {paper.seller.city}", 60, small, anchor="mm")
    draw.text((width / 2, 160), f"USt-IdNr. {paper.seller.vat_number}", 60, small, anchor="mm")
    y = 220
    for label, value in (("Beleg-Nr.", paper.number), ("Datum", f"{paper.issued_on:%d.%m.%Y}")):
        draw.text((50, y), label, 60, plain)
        draw.text((width - 50, y), value, 20, plain, anchor="ra")
        y += 36
    draw.line((50, y + 8, width - 50, y + 8), 120, 2)
    y += 30
    for line in paper.lines:
        draw.text((50, y), f"{line.quantity} x {line.text}"[:32], 20, plain)
        draw.text((width - 50, y), german(line.net_cents, ""), 20, plain, anchor="ra")
        y += 46
    draw.line((50, y, width - 50, y), 120, 2)
    y += 24
    rows = [("Netto", paper.net_cents), (f"MwSt. {paper.vat_percent} %", paper.vat_cents)]
    for label, cents in rows:
        draw.text((50, y), label, 60, plain)
        draw.text((width - 50, y), german(cents, paper.currency), 60, plain, anchor="ra")
        y += 38
    y += 10
    draw.text((50, y), "SUMME", 0, large)
    draw.text((width - 50, y), german(paper.total_cents, paper.currency), 0, large, anchor="ra")
    draw.line((50, y + 52, width - 50, y + 52), 20, 3)
    draw.line((50, y + 60, width - 50, y + 60), 20, 3)
    draw.text((width / 2, y + 110), "Kartenzahlung · Vielen Dank", 60, small, anchor="mm")
    out = io.BytesIO()
    if kind == "png":
        image.save(out, "PNG", compress_level=6)
    else:
        image.save(out, "JPEG", quality=82)
    return out.getvalue()
