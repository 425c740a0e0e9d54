"""Faults of files: too short, too long, changed, or something other than they say."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from portal.simulator import pdf

LIES: dict[str, bytes] = {
    "html": b"<!doctype html><html><body><script>alert(document.cookie)</script><p>Rechnung</p></body></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><text y="20">Rechnung</text></svg>',
    "exe": b"MZ\x90\x00" + b"\0" * 60 + b"This program cannot be run in DOS mode.\r\r\n$" + b"\0" * 200,
}


def changed(content: bytes) -> bytes:
    """Other bytes of the same length; a PDF stays readable."""
    other = content.replace(b"Rechnung", b"RECHNUNG").replace(b"Beleg", b"BELEG")
    return other if other != content else content[:-1] + bytes([content[-1] ^ 1])


def _pdf(extra_catalog: bytes = b"", media_box: bytes = b"0 0 595 842", pages: int = 1, trailer: bytes = b"") -> bytes:
    leaf = b"<</Type /Page /Parent 2 0 R /MediaBox [%s]>>" % media_box
    kids = b" ".join(b"3 0 R" for _ in range(pages))  # one leaf named many times keeps the file small
    objects = [
        b"<</Type /Catalog /Pages 2 0 R%s>>" % extra_catalog,
        b"<</Type /Pages /Count %d /Kids [%s]>>" % (pages, kids),
        leaf,
    ]
    return pdf.assemble(objects, root=1, trailer=trailer)


def _pdf_bomb(args: dict[str, Any]) -> bytes:
    match args.get("kind", "pages"):
        case "dimensions":
            return _pdf(media_box=b"0 0 200000 200000")
        case "encrypted":
            owner = b"ab" * 32
            return _pdf(
                trailer=b" /Encrypt <</Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -44>> /ID [<00> <00>]" % (owner, owner)
            )
        case "javascript":
            return _pdf(b" /OpenAction <</S /JavaScript /JS (app.alert\\('Rechnung'\\))>>")
    return _pdf(pages=20000)


def _pdf_crash(_args: dict[str, Any]) -> bytes:
    """A tree of pages that contains itself, a table of places that points nowhere, a stream without an end."""
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Count 2147483647/Kids[2 0 R 2 0 R 9 0 R]>>endobj\n"
        b"9 0 obj<</Length 99999999/Filter[/FlateDecode/FlateDecode]>>stream\nx\x9c\xff\xff\nxref\n0 3\n0000099999 00000 n \n"
        b"trailer<</Root 1 0 R/Prev 7>>\nstartxref\n7\n%%EOF\n"
    )


def _xml_bomb(_args: dict[str, Any]) -> bytes:
    levels = b"".join(b'<!ENTITY l%d "%s">\n' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    return b'<?xml version="1.0"?>\n<!DOCTYPE Invoice [\n<!ENTITY l0 "lol">\n' + levels + b"]>\n<Invoice>&l9;</Invoice>\n"


def _xxe(_args: dict[str, Any]) -> bytes:
    return b'<?xml version="1.0"?>\n<!DOCTYPE Invoice [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<Invoice>&x;</Invoice>\n'


def _zip_bomb(_args: dict[str, Any]) -> bytes:
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(6):
            archive.writestr(f"rechnung-{n}.txt", bytes(20_000_000))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            archive.writestr(f"rechnungen-{n}.zip", inner.getvalue())
    return outer.getvalue()


#: faults that put other content under the address
REPLACEMENTS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "type_lie": lambda args: LIES[args.get("kind", "html")],
    "pdf_bomb": _pdf_bomb,
    "pdf_crash": _pdf_crash,
    "xml_bomb": _xml_bomb,
    "xxe": _xxe,
    "zip_bomb": _zip_bomb,
}


def huge(size: int) -> Iterator[bytes]:
    """So many bytes, made while they are sent."""
    piece = b"%PDF-1.7\n" + b"0" * 65527
    while size > 0:
        yield piece[:size]
        size -= len(piece)
