"""Documents that somebody made to hurt (reliability.md D04, faults.md F55): each must end as a picture or with a reason."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import MappingProxyType

from portal.media import Media
from tests.preview import papers
from tests.preview.papers import A4, drawing, pdf, stream

#: they run into a limit, and take their time
SLOW = ("a form that draws forms that draw forms", "a picture that unpacks to gigabytes", "tiles too small to see")


def _catalogue(more: str, *objects: bytes, page: str = "") -> bytes:
    """The document's root says more; the first of `objects` is number 6."""
    return pdf(page=page, root=more, extra=objects)


def _image(filters: str, body: bytes, *, side: int = 20_000, more: str = "") -> bytes:
    kind = f"/Type /XObject /Subtype /Image /Width {side} /Height {side} /BitsPerComponent 8 /ColorSpace /DeviceRGB"
    return drawing(content=b"q 595 0 0 842 0 0 cm /X Do Q", extra=(stream(body, f"{kind} /Filter {filters} {more}"),))


def _form(content: bytes, more: str = "") -> bytes:
    return stream(content, f"/Type /XObject /Subtype /Form /BBox {A4} {more}")


def _loop_of_tables() -> bytes:
    made = pdf()
    place = made.rindex(b"xref\n0", 0, made.rindex(b"startxref"))
    return pdf(trailer=f"/Prev {place}")


def _tiny_tiles() -> bytes:
    tile = "/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.00001 /YStep 0.00001 /Resources << >>"
    return pdf(
        content=b"/Pattern cs /P scn 0 0 595 842 re f", extra=(stream(b"0 0 1 1 re f", tile),),
        resources="/Pattern << /P 6 0 R >>",
    )  # fmt: skip


def _font(kind: str, program: str, body: bytes) -> bytes:
    font = f"<< /Type /Font /Subtype /{kind} /BaseFont /Evil /FontDescriptor 7 0 R /FirstChar 0 /LastChar 255 >>".encode()
    descriptor = f"<< /Type /FontDescriptor /FontName /Evil /Flags 4 /{program} 8 0 R >>".encode()
    text = b"BT /F2 24 Tf 72 720 Td (Rechnung) Tj ET"
    return pdf(content=text, extra=(font, descriptor, stream(body)), resources="/Font << /F2 6 0 R >>")


def _glyph_that_draws_itself() -> bytes:
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [1 0 0 1 0 0] /FirstChar 65 /LastChar 65 /Widths [9]"
        b" /Encoding << /Differences [65 /a] >> /CharProcs << /a 7 0 R >> /Resources << /Font << /F2 6 0 R >> >> >>"
    )
    glyph = stream(b"9 0 d0 BT /F2 1 Tf (AAAAAAAA) Tj ET")
    return pdf(content=b"BT /F2 24 Tf 72 720 Td (A) Tj ET", extra=(font, glyph), resources="/Font << /F2 6 0 R >>")


def _attachment(name: str, body: bytes) -> bytes:
    return _catalogue(
        "/Names << /EmbeddedFiles << /Names [(x) 6 0 R] >> >>",
        f"<< /Type /Filespec /F ({name}) /UF ({name}) /EF << /F 7 0 R >> >>".encode(),
        stream(body, "/Type /EmbeddedFile /Filter /FlateDecode"),
    )


def _soft_masks(depth: int = 400) -> bytes:
    levels = [
        _form(b"/G gs 0 0 595 842 re f", f"/Group << /S /Transparency >> /Resources << /ExtGState << /G << /SMask << /S /Alpha /G {7 + n} 0 R >> >> >> >>")
        for n in range(depth)
    ]  # fmt: skip
    return drawing(content=b"/X Do", extra=(*levels, _form(b"0 0 595 842 re f")))


def _packed(size: int, unit: bytes = b"0 0 m 9 9 l S\n") -> bytes:
    packer = zlib.compressobj(9)
    block = unit * (1_000_000 // len(unit))
    return b"".join(packer.compress(block) for _ in range(size // 1_000_000)) + packer.flush()


PDFS: dict[str, Callable[[], bytes]] = {
    "a password that nobody told": papers.encrypted,
    "nothing": lambda: b"",
    "a head alone": lambda: b"%PDF-1.7\n",
    "junk": lambda: b"%PDF-1.7\n" + bytes(range(256)) * 400,
    "cut off": lambda: pdf()[:300],
    "a page tree in itself": papers.endless_tree,
    "arrays in arrays": papers.nested,
    "dictionaries in dictionaries": lambda: pdf(page="/Deep " + "<</A" * 60_000 + " 0" + ">>" * 60_000),
    "a picture that unpacks to gigabytes": papers.image_bomb,
    "a form that draws forms that draw forms": papers.laughing_forms,
    "a form that draws itself": lambda: drawing(
        content=b"/X Do", extra=(_form(b"/X Do /X Do", "/Resources << /XObject << /X 6 0 R >> >>"),)
    ),
    "a glyph that draws itself": _glyph_that_draws_itself,
    "masks behind masks": _soft_masks,
    "a page as large as a village": lambda: pdf(box="[0 0 200000 200000]"),
    "a page as large as a country": lambda: pdf(box="[0 0 14400000 14400000]"),
    "a page without room": lambda: pdf(box="[0 0 0 0]"),
    "a page inside out": lambda: pdf(box="[595 842 -595 -842]"),
    "a page that is no number": lambda: pdf(box="[0 0 nan 1e309]"),
    "twenty thousand pages": lambda: pdf(pages=20_000),
    "a script that opens with it": lambda: _catalogue(
        "/OpenAction 6 0 R", b"<< /S /JavaScript /JS (while \\(true\\) { app.alert\\(1\\); }) >>"
    ),
    "a program that opens with it": lambda: _catalogue("/OpenAction 6 0 R", b"<< /S /Launch /F (/bin/sh) >>"),
    "a form that sends itself away": lambda: _catalogue("/OpenAction 6 0 R", b"<< /S /SubmitForm /F (http://127.0.0.1:9/) >>"),
    "fields in a circle": lambda: _catalogue(
        "/AcroForm << /Fields [6 0 R] >>", b"<< /T (a) /FT /Tx /Kids [7 0 R] >>", b"<< /T (b) /Parent 6 0 R /Kids [6 0 R] >>"
    ),
    "an XFA form of nonsense": lambda: _catalogue("/AcroForm << /Fields [] /XFA 6 0 R >>", stream(b"<xdp:xdp " + b"x" * 10_000)),
    "names in a circle": lambda: _catalogue("/Names << /EmbeddedFiles 6 0 R >>", b"<< /Kids [6 0 R 6 0 R] >>"),
    "an outline in a circle": lambda: _catalogue("/Outlines 6 0 R", b"<< /First 7 0 R /Last 7 0 R >>", b"<< /Title (x) /Next 7 0 R /Parent 6 0 R >>"),
    "an e-invoice that unpacks to a gigabyte": lambda: _attachment("factur-x.xml", _packed(1_000_000_000, b"<a>")),
    "an e-invoice that is none": lambda: _attachment("factur-x.xml", b"not packed at all"),
    "tables of places in a circle": _loop_of_tables,
    "a table of places beyond the end": lambda: pdf().replace(b"startxref\n", b"startxref\n9999999999999"),
    "a length that is itself": lambda: pdf().replace(b"/Length 49", b"/Length 3 0 R").replace(b"/Length 50", b"/Length 3 0 R"),
    "a length below nothing": lambda: pdf(extra=(b"<< /Length -2147483648 >>\nstream\nx\nendstream",)),
    "a page of a gigabyte of strokes": lambda: pdf(content=_packed(1_000_000_000), packed="/Filter /FlateDecode"),
    "a thousand filters": lambda: pdf(content=zlib.compress(b"x"), packed=f"/Filter [{'/FlateDecode ' * 1_000}]"),
    "a fax of nonsense": lambda: _image("/CCITTFaxDecode", b"\xaa" * 5_000, more="/DecodeParms << /K -1 /Columns 999999999 >>"),
    "JBIG2 of nonsense": lambda: _image("/JBIG2Decode", b"\x00\x00\x00\x01\x30\x00\x01\xff\xff\xff\xff" * 50),
    "JPEG 2000 of nonsense": lambda: _image("/JPXDecode", b"\xff\x4f\xff\x51\x00\x29" + b"\xff" * 400),
    "a JPEG of nonsense": lambda: _image("/DCTDecode", b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + b"\x11" * 400),
    "LZW of nonsense": lambda: _image("/LZWDecode", bytes(range(256)) * 20),
    "a TrueType font of nonsense": lambda: _font("TrueType", "FontFile2", b"\x00\x01\x00\x00\x00\xff" + b"\xff" * 4_000),
    "a Type 1 font of nonsense": lambda: _font("Type1", "FontFile", b"%!PS-AdobeFont-1.0\n" + b"{" * 20_000),
    "a compact font of nonsense": lambda: _font("Type1", "FontFile3", b"\x01\x00\x04\x04" + b"\xff" * 4_000),
    "tiles too small to see": _tiny_tiles,
    "a million states kept": lambda: pdf(content=b"q " * 1_000_000 + papers.LINE),
    "a million letters": lambda: pdf(content=b"BT /F1 1 Tf 1 1 Td (" + b"A" * 1_000_000 + b") Tj ET"),
    "a word of fifty megabytes": lambda: pdf(page=f"/Title ({'A' * 50_000_000})"),
}  # fmt: skip

IMAGES: dict[str, tuple[Callable[[], bytes], Media]] = {
    "a torn JPEG": (lambda: papers.image("JPEG")[:200], Media.JPEG),
    "a torn PNG": (lambda: papers.image("PNG")[:-200], Media.PNG),
    "a PNG of zeros": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), Media.PNG),
    "a PNG of a thousand million pixels": (papers.png_bomb, Media.PNG),
    "a TIFF of ones": (lambda: b"II*\0" + b"\xff" * 100, Media.TIFF),
    "another format than announced": (lambda: papers.image("GIF", "P"), Media.PNG),
}

HOSTILE = MappingProxyType({**{name: (make, Media.PDF) for name, make in PDFS.items()}, **IMAGES})
REASONS = frozenset({"", "encrypted", "broken", "too_big", "timeout", "crashed"})  #: "" for a picture
