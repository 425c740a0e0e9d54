"""Make pictures of one hostile document, alone: `python -I -S preview_process.py`, started by `preview_runner` only.

The program imports nothing of ours, gets an empty environment, and gives away what it does not need (memory, time, files,
network, root) before it reads the first byte of the document. PDFium is native code and does crash: then this process ends,
and nothing else.

In: one frame of JSON `{"kind", "width", "pages", "path"}`, one frame of content. Out: one frame of JSON, either
`{"impossible": reason}` or `{"page_count", "width", "height", "words", "pages": n}`, followed by n frames of WebP and one frame
with the XML of the e-invoice that a PDF carries, empty where it carries none.
A frame is eight bytes of length, big-endian, and that many bytes.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import io
import json
import math
import os
import resource
import struct
import sys
from typing import Any, BinaryIO

MEMORY_BYTES = 576 * 1024 * 1024  #: of address space, so that what is resident stays below 600 MiB whatever the document does
CPU_SECONDS = 20
OUTPUT_BYTES = 64 * 1024 * 1024
OPEN_FILES = 32
PIXELS = 25_000_000  #: of a page that is drawn
IMAGE_PIXELS = 50_000_000  #: of an image that is decoded
LONGEST_SIDE = 16_000  #: WebP ends at 16,383
MOST_WORDS = 3_000
MOST_CHARACTERS = 40_000
MOST_ATTACHMENTS = 50
E_INVOICES = {"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml"}  #: what ZUGFeRD 1 to 2.3 and Factur-X call it
E_INVOICE_BYTES = 10 * 1024 * 1024
NOBODY = 65534
EXIT_TOO_BIG = 3
SPARE = 2.0  #: so many times larger each way is an image before it is made smaller in the best way
WEBP = {"format": "WEBP", "quality": 80, "method": 2}

PDF_PASSWORD_NEEDED = 4  # FPDF_ERR_PASSWORD
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, SIGKILL = 1, 38, 9
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


class Impossible(Exception):
    """No picture can be made: `encrypted`, `broken` or `too_big`."""


def limit() -> None:
    """Limits of the kernel, for good."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        lowered = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS knows no address space limit
            resource.setrlimit(what, (lowered, lowered))


def give_up_rights() -> None:
    """No network, no root, no new processes, no life after the parent: each where the system lets us."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        if libc.unshare(CLONE_NEWNET) != 0:
            libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, SIGKILL)  # after setuid, which clears it
    with contextlib.suppress(OSError, ValueError, AttributeError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def read_frame(source: BinaryIO) -> bytes:
    """The next frame."""
    (length,) = struct.unpack(">Q", source.read(8))
    return source.read(length)


def write_frame(sink: BinaryIO, content: bytes) -> None:
    """One frame."""
    sink.write(struct.pack(">Q", len(content)) + content)


def main() -> int:
    """One document, then the end."""
    limit()
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what native code prints must not get between the frames
    order = json.loads(read_frame(sys.stdin.buffer))
    sys.path.extend(order["path"])
    draw = _pdf_painter() if order["kind"] == "PDF" else _image_painter(order["kind"])
    give_up_rights()
    content = read_frame(sys.stdin.buffer)
    try:
        head, pictures, e_invoice = draw(content, order["width"], order["pages"])
    except Impossible as reason:
        head, pictures, e_invoice = {"impossible": str(reason)}, [], b""
    except MemoryError:
        head, pictures, e_invoice = {"impossible": "too_big"}, [], b""
    try:
        write_frame(sink, json.dumps({**head, "pages": len(pictures)}).encode())
        for frame in (*pictures, e_invoice):
            write_frame(sink, frame)
        sink.flush()
    except OSError:  # more than the file may hold
        os._exit(EXIT_TOO_BIG)
    os._exit(0)  # PDFium's tidying up at exit is one more chance to crash


def _fitting_scale(width: float, height: float, wanted_width: int) -> float:
    """How much to enlarge a page: to the wanted width, unless it grows beyond what is drawn."""
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        raise Impossible("broken")
    return min(wanted_width / width, math.sqrt(PIXELS / width / height), LONGEST_SIDE / max(width, height))


# --- PDF -------------------------------------------------------------------------------------------------------


def _pdf_painter() -> Any:
    import pypdfium2  # noqa: PLC0415 -- the path to it comes with the order
    import pypdfium2.raw  # noqa: PLC0415
    from PIL import Image, WebPImagePlugin  # noqa: F401, PLC0415 -- before the right to read their files is given up

    codecs.lookup("utf-16-le")  # the same for what pypdfium2 reads names of attachments with

    def draw(content: bytes, width: int, most_pages: int) -> tuple[dict[str, Any], list[bytes], bytes]:
        try:
            document = pypdfium2.PdfDocument(content)
            page_count = len(document)
            if document.get_formtype():
                document.init_forms()  # else filled-in fields stay empty; this PDFium has no JavaScript
            if not page_count:
                raise Impossible("broken")
            pictures, words = [], []
            size = (0, 0)
            for number in range(min(page_count, most_pages)):
                page = document[number]
                across, down = page.get_size()
                picture = page.render(scale=_fitting_scale(across, down, width)).to_pil().convert("RGB")
                if number == 0:
                    size, words = picture.size, _words(pypdfium2.raw, page)
                pictures.append(_webp(picture))
            e_invoice = _e_invoice(document, pypdfium2.PdfiumError)
        except pypdfium2.PdfiumError as error:
            raise Impossible("encrypted" if getattr(error, "err_code", None) == PDF_PASSWORD_NEEDED else "broken") from error
        return {"page_count": page_count, "width": size[0], "height": size[1], "words": words}, pictures, e_invoice

    return draw


def _e_invoice(document: Any, error: type[Exception]) -> bytes:
    """The XML that makes a PDF an e-invoice."""
    for number in range(min(document.count_attachments(), MOST_ATTACHMENTS)):
        with contextlib.suppress(error, UnicodeError, MemoryError):  # an odd attachment must not cost the pages
            attachment = document.get_attachment(number)
            if attachment.get_name().lower() in E_INVOICES:
                return bytes(attachment.get_data())[:E_INVOICE_BYTES]
    return b""


def _words(raw: Any, page: Any) -> list[tuple[str, float, float, float, float]]:
    """The page's words with their boxes, 0–1 from its top left as it is shown (rotated, cropped)."""
    text = page.get_textpage()
    words: list[tuple[str, float, float, float, float]] = []
    letters: list[str] = []
    box: list[float] = []

    def close() -> None:
        if letters and box:
            words.append(("".join(letters), *(round(side, 5) for side in _shown(raw, page, box))))  # type: ignore[arg-type]
        letters.clear()
        box.clear()

    for index in range(min(text.count_chars(), MOST_CHARACTERS)):
        if len(words) >= MOST_WORDS:
            break
        code = raw.FPDFText_GetUnicode(text, index)
        character = chr(code) if 0 < code <= sys.maxunicode and not 0xD800 <= code < 0xE000 else ""  # noqa: PLR2004 -- surrogates
        if character.isspace() or not character.isprintable():
            close()
            continue
        left, bottom, right, top = text.get_charbox(index, loose=True)
        letters.append(character)
        box[:] = (
            [min(box[0], left), min(box[1], bottom), max(box[2], right), max(box[3], top)] if box else [left, bottom, right, top]
        )
    close()
    return words[:MOST_WORDS]


def _shown(raw: Any, page: Any, corners: list[float]) -> tuple[float, float, float, float]:
    """From the page's own units to 0–1 of what is seen; PDFium knows about rotation and crop."""
    grid = 100_000
    x, y = ctypes.c_int(), ctypes.c_int()
    left, bottom, right, top = corners
    points = []
    for across, up in ((left, top), (right, bottom)):
        raw.FPDF_PageToDevice(page, 0, 0, grid, grid, 0, across, up, x, y)
        points.append((min(max(x.value / grid, 0.0), 1.0), min(max(y.value / grid, 0.0), 1.0)))
    (one_x, one_y), (other_x, other_y) = points
    return min(one_x, other_x), min(one_y, other_y), max(one_x, other_x), max(one_y, other_y)


# --- images ----------------------------------------------------------------------------------------------------


def _image_painter(kind: str) -> Any:
    from PIL import (  # noqa: PLC0415 -- the path to it comes with the order
        Image,
        ImageOps,
        JpegImagePlugin,  # noqa: F401 -- before the right to read their files is given up
        PngImagePlugin,  # noqa: F401
        TiffImagePlugin,  # noqa: F401
        WebPImagePlugin,  # noqa: F401
    )

    Image.MAX_IMAGE_PIXELS = IMAGE_PIXELS

    def draw(content: bytes, width: int, most_pages: int) -> tuple[dict[str, Any], list[bytes], bytes]:
        pictures: list[bytes] = []
        size = (0, 0)
        try:
            with Image.open(io.BytesIO(content), formats=[kind]) as image:
                page_count = getattr(image, "n_frames", 1)
                for number in range(min(page_count, most_pages if kind == "TIFF" else 1)):
                    image.seek(number)
                    if image.width * image.height > IMAGE_PIXELS:
                        raise Impossible("too_big")
                    picture = ImageOps.exif_transpose(_flat(Image, _nearer(image, width)))
                    scale = min(1.0, _fitting_scale(*picture.size, width))
                    if scale < 1:
                        wanted = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
                        picture = picture.resize(wanted, reducing_gap=SPARE)
                    size = size if number else picture.size
                    pictures.append(_webp(picture))
        except Image.DecompressionBombError as error:
            raise Impossible("too_big") from error
        except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:  # all of them happen with torn files
            raise Impossible("broken") from error
        head: dict[str, Any] = {
            "page_count": page_count if kind == "TIFF" else 1,
            "width": size[0],
            "height": size[1],
            "words": [],
        }
        return head, pictures, b""

    return draw


def _nearer(image: Any, width: int) -> Any:
    """Of a large image no more pixels than the last step, which is finer, works well from: each further step copies them all."""

    def surplus() -> int:
        across, down = image.size  # it may still be turned, so that the wider picture counts
        return int(1 / max(_fitting_scale(across, down, width), _fitting_scale(down, across, width)) / SPARE)

    if surplus() > 1:
        image.draft(None, (image.width // surplus(), image.height // surplus()))  # a JPEG is unpacked smaller right away
    return image.reduce(surplus()) if surplus() > 1 and image.mode in {"L", "LA", "RGB", "RGBA", "CMYK"} else image


def _flat(image_module: Any, image: Any) -> Any:
    """Colours as a screen shows them: on white, eight bits."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        seen = image.convert("RGBA")
        ground = image_module.new("RGBA", seen.size, "white")
        return image_module.alpha_composite(ground, seen).convert("RGB")
    return image.convert("RGB")


def _webp(picture: Any) -> bytes:
    made = io.BytesIO()
    picture.save(made, **WEBP)
    return made.getvalue()


if __name__ == "__main__":
    sys.exit(main())
