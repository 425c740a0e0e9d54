"""Documents for the preview's tests, written by hand byte by byte: friendly ones and hostile ones."""

from __future__ import annotations

import io
import zlib
from typing import Any

from PIL import Image

LINE = b"BT /F1 24 Tf 72 720 Td (Rechnung Nr. 4711) Tj ET"
A4 = "[0 0 595 842]"


def pdf(
    *,
    box: str = A4,
    page: str = "",
    content: bytes = LINE,
    packed: str = "",
    extra: tuple[bytes, ...] = (),
    pages: int = 1,
    root: str = "",
    resources: str = "",
    trailer: str = "",
) -> bytes:
    """A PDF whose pages share one content stream. Objects: 1 catalogue, 2 page tree, 3 content, 4 font, then the pages, then `extra`.

    `root`, `page`, `resources`, `trailer`: more entries of these dictionaries, `packed`: of the content's.
    """
    kids = " ".join(f"{5 + number} 0 R" for number in range(pages))
    fonts = "/Font << /F1 4 0 R >>"
    leaf = f"<< /Type /Page /Parent 2 0 R /MediaBox {box} {page} /Contents 3 0 R /Resources << {resources or fonts} >> >>"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {root} >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        stream(content, packed),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *[leaf.encode()] * pages,
        *extra,
    ]
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table)
    return out + head + f"trailer << /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{len(out)}\n%%EOF".encode()


def stream(content: bytes, extra: str = "") -> bytes:
    """A stream object."""
    return f"<< /Length {len(content)} {extra} >>\nstream\n".encode() + content + b"\nendstream"


def encrypted() -> bytes:
    """Needs a password nobody has told: the hashes in it belong to none."""
    handler = f"<< /Filter /Standard /V 1 /R 2 /Length 40 /P -44 /O <{'a1' * 32}> /U <{'b2' * 32}> >>"
    return pdf(trailer=f"/Encrypt {handler} /ID [<{'00' * 16}> <{'00' * 16}>]")


def image_bomb(side: int = 60_000) -> bytes:
    """A PDF of a few hundred kB whose one picture unpacks, in two steps, to gigabytes."""
    packed = zlib.compress(b"\x81\0" * (side * side // 128), 9)
    kind = f"/Type /XObject /Subtype /Image /Width {side} /Height {side} /ColorSpace /DeviceGray /BitsPerComponent 8"
    picture = stream(packed, f"{kind} /Filter [/FlateDecode /RunLengthDecode]")
    return drawing(content=b"q 595 0 0 842 0 0 cm /X Do Q", extra=(picture,))


def laughing_forms(depth: int = 12, width: int = 40) -> bytes:
    """A page that draws a form, that draws 40 forms, that draw 40 each, …: small, and it takes for ever."""
    forms = [
        stream(b"/X Do\n" * width, f"/Type /XObject /Subtype /Form /BBox {A4} /Resources << /XObject << /X {7 + level} 0 R >> >>")
        for level in range(depth)
    ]
    leaf = stream(b"0 0 m 9 9 400 300 500 800 c S\n" * 2000, f"/Type /XObject /Subtype /Form /BBox {A4}")
    return drawing(content=b"/X Do", extra=(*forms, leaf))


def drawing(*, content: bytes, extra: tuple[bytes, ...]) -> bytes:
    """The first of `extra` is what the page knows as /X."""
    return pdf(content=content, extra=extra, resources="/XObject << /X 6 0 R >>")


def nested(depth: int = 100_000) -> bytes:
    """Arrays in arrays: what recursive readers die of."""
    return pdf(page=f"/Deep {'[' * depth}{']' * depth}")


def endless_tree() -> bytes:
    """A page tree that contains itself."""
    return pdf().replace(b"/Kids [5 0 R] /Count 1", b"/Kids [2 0 R 2 0 R] /Count 9999999")


def image(kind: str, mode: str = "RGB", size: tuple[int, int] = (1600, 900), **options: Any) -> bytes:
    """An image file of one colour."""
    out = io.BytesIO()
    Image.new(mode, size, **({"color": options.pop("color")} if "color" in options else {})).save(out, kind, **options)
    return out.getvalue()


def tiff(pages: int) -> bytes:
    """A fax of several pages."""
    out = io.BytesIO()
    sheets = [Image.new("1", (800, 1100), number % 2) for number in range(pages)]
    sheets[0].save(out, "TIFF", save_all=True, append_images=sheets[1:], compression="group4")
    return out.getvalue()


def png_bomb(side: int = 50_000) -> bytes:
    """A few hundred kB that are 2.5 thousand million pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
