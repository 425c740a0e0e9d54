"""A small PDF writer: one page, Helvetica with WinAnsi text, lines and boxes, an embedded file. Same input, same bytes."""

from __future__ import annotations

from collections.abc import Iterable

WIDTH, HEIGHT = 595, 842  #: A4 in points
Colour = tuple[float, float, float]
BLACK: Colour = (0.06, 0.15, 0.17)

_WIDTHS = (  # Helvetica, characters 32 to 126, thousandths of the size (Adobe's metrics)
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 "
    "584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 "
    "278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 "
    "334 260 334 584"
)
_WIDTH_OF = {chr(32 + n): int(width) for n, width in enumerate(_WIDTHS.split())}


def text_width(text: str, size: float) -> float:
    """How wide `text` is in Helvetica, in points; close enough for the bold face too."""
    return sum(_WIDTH_OF.get(character, 556) for character in text) * size / 1000


class Page:
    """What is drawn on the page. The origin is the top left corner, as people think of paper."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def text(self, x: float, y: float, text: str, size: float = 9.5, *, bold: bool = False, colour: Colour = BLACK) -> None:
        """Write one line; `y` is its base line."""
        raw = text.encode("cp1252", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        face = b"/F2" if bold else b"/F1"
        self._parts.append(
            b"BT %s rg %s %s Tf %s %s Td (%s) Tj ET"
            % (_numbers(colour), face, _number(size), _number(x), _number(HEIGHT - y), raw)
        )

    def right(self, x: float, y: float, text: str, size: float = 9.5, *, bold: bool = False, colour: Colour = BLACK) -> None:
        """Write one line that ends at `x`."""
        self.text(x - text_width(text, size), y, text, size, bold=bold, colour=colour)

    def line(self, x1: float, y1: float, x2: float, y2: float, width: float = 0.6, colour: Colour = BLACK) -> None:
        """Draw a straight line."""
        points = _numbers((x1, HEIGHT - y1)) + b" m " + _numbers((x2, HEIGHT - y2))
        self._parts.append(b"%s RG %s w %s l S" % (_numbers(colour), _number(width), points))

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Fill a rectangle; `y` is its upper edge."""
        self._parts.append(b"%s rg %s re f" % (_numbers(colour), _numbers((x, HEIGHT - y - height, width, height))))

    @property
    def content(self) -> bytes:
        """The page's content stream."""
        return b"\n".join(self._parts)


def document(page: Page, *, title: str, embedded: tuple[str, bytes] | None = None, profile: str = "EN 16931") -> bytes:
    """The file. `embedded`: name and XML of an e-invoice, attached as ZUGFeRD wants it."""
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    def stream(head: bytes, content: bytes) -> bytes:
        return b"<<%s /Length %d>>\nstream\n%s\nendstream" % (head, len(content), content)

    catalog, pages, leaf = add(b""), add(b""), add(b"")
    content = add(stream(b"", page.content))
    fonts = b" ".join(
        b"/F%d %d 0 R" % (n, add(b"<</Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding>>" % name))
        for n, name in ((1, b"Helvetica"), (2, b"Helvetica-Bold"))
    )
    objects[pages - 1] = b"<</Type /Pages /Kids [%d 0 R] /Count 1>>" % leaf
    objects[leaf - 1] = b"<</Type /Page /Parent %d 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources <</Font <<%s>>>>>>" % (
        pages, WIDTH, HEIGHT, content, fonts,
    )  # fmt: skip
    extra = b""
    if embedded:
        name, xml = embedded
        size = b"/Type /EmbeddedFile /Subtype /text#2Fxml /Params <</Size %d>>" % len(xml)
        held = add(stream(size, xml))
        spec = add(
            b"<</Type /Filespec /F (%s) /UF (%s) /AFRelationship /Alternative /Desc (Rechnungsdaten) /EF <</F %d 0 R>>>>"
            % (name.encode(), name.encode(), held)
        )
        meta = add(stream(b"/Type /Metadata /Subtype /XML", _xmp(name, profile)))
        extra = b" /AF [%d 0 R] /Names <</EmbeddedFiles <</Names [(%s) %d 0 R]>>>> /Metadata %d 0 R" % (
            spec, name.encode(), spec, meta,
        )  # fmt: skip
    objects[catalog - 1] = b"<</Type /Catalog /Pages %d 0 R /Lang (de)%s>>" % (pages, extra)
    about = add(b"<</Title (%s) /Producer (Belegfluss Simulator)>>" % title.encode("ascii", "replace").translate(None, b"()\\"))
    return assemble(objects, root=catalog, info=about)


def assemble(objects: Iterable[bytes], *, root: int, info: int | None = None, trailer: bytes = b"") -> bytes:
    """Number the objects, write the table of their places and the trailer."""
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    about = b" /Info %d 0 R" % info if info else b""
    out += b"trailer\n<</Size %d /Root %d 0 R%s%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, root, about, trailer, start)
    return bytes(out)


def _xmp(name: str, profile: str) -> bytes:
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">
<fx:DocumentType>INVOICE</fx:DocumentType><fx:DocumentFileName>{name}</fx:DocumentFileName>
<fx:Version>1.0</fx:Version><fx:ConformanceLevel>{profile}</fx:ConformanceLevel>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


def _number(value: float) -> bytes:
    return f"{value:.2f}".rstrip("0").rstrip(".").encode()


def _numbers(values: Iterable[float]) -> bytes:
    return b" ".join(map(_number, values))
