"""What a file is, and what it may be called."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.media import LONGEST_NAME_BYTES, Media, safe_file_name, sniff

UBL = b'<?xml version="1.0"?>\n<!-- made by x --><ubl:Invoice xmlns:ubl="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><a/></ubl:Invoice>'
CII = b'<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"></rsm:CrossIndustryInvoice>'


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"%PDF-1.7\n...", Media.PDF),
        (b"\xef\xbb\xbf\r\n%PDF-1.4", Media.PDF),
        (b"\x89PNG\r\n\x1a\n....", Media.PNG),
        (b"\xff\xd8\xff\xe0..JFIF", Media.JPEG),
        (b"RIFF\x10\0\0\0WEBPVP8 ", Media.WEBP),
        (b"II*\0....", Media.TIFF),
        (b"MM\0*....", Media.TIFF),
        (UBL, Media.E_INVOICE),
        (UBL.decode().encode("utf-16"), Media.E_INVOICE),
        (CII, Media.E_INVOICE),
        # what only looks like one, and what must never be shown
        (b"", Media.UNKNOWN),
        (b"GIF89a/*<script>%PDF-1.4", Media.UNKNOWN),
        (b"<html><!-- %PDF-1.4 -->", Media.UNKNOWN),
        (b"junk before %PDF-1.4", Media.UNKNOWN),
        (b"RIFF\x10\0\0\0WAVEfmt ", Media.UNKNOWN),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="x()">', Media.UNKNOWN),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + CII, Media.UNKNOWN),
        (b'<Invoice xmlns="http://www.w3.org/1999/xhtml">', Media.UNKNOWN),
        (b'<html xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2">', Media.UNKNOWN),
        (b"PK\x03\x04", Media.UNKNOWN),
        (b"MZ\x90\0", Media.UNKNOWN),
        (b"\0\0\0\x18ftypheic", Media.UNKNOWN),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related", Media.UNKNOWN),
    ],
)
def test_the_content_tells(content: bytes, media: Media) -> None:
    assert sniff(content) is media


def test_only_pictures_and_pdfs_are_previewed() -> None:
    assert {media for media in Media if media.is_previewable} == {Media.PDF, Media.PNG, Media.JPEG, Media.WEBP, Media.TIFF}


def test_stored_types_lead_back() -> None:
    assert all(Media.of_type(media.media_type) is media for media in Media)
    assert Media.of_type("text/html") is Media.UNKNOWN


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Rechnung Müller & Söhne Nr. 4.pdf", "Rechnung Müller & Söhne Nr. 4.pdf"),
        ("RECHNUNG.PDF", "RECHNUNG.pdf"),
        ("Mu\u0308ller.pdf", "Müller.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\x\\Beleg.pdf", "Beleg.pdf"),
        ("invoice.html", "invoice.html.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe.pdf"),
        ("a\0b\r\nc.pdf", "ab c.pdf"),
        ("con.pdf", "_con.pdf"),
        ("COM1", "_COM1.pdf"),
        ("nul.tar.gz", "_nul.tar.gz.pdf"),
        ("context.pdf", "context.pdf"),
        ('a<b>c:"d"|e?f*g.pdf', "a_b_c__d__e_f_g.pdf"),
        ("  . hidden .pdf ", "hidden.pdf"),
        ("...", "document.pdf"),
        ("", "document.pdf"),
        (".pdf", "document.pdf"),
        ("x/", "document.pdf"),
    ],
)
def test_names_are_made_harmless(name: str, safe: str) -> None:
    assert safe_file_name(name, Media.PDF) == safe


@given(st.text(max_size=400), st.sampled_from(list(Media)))
def test_any_name_becomes_a_name(name: str, media: Media) -> None:
    safe = safe_file_name(name, media)
    assert safe.endswith(f".{media.extension}")
    assert len(safe.encode()) <= LONGEST_NAME_BYTES
    assert not set(safe) & set('/\\<>:"|?*%')
    assert not [character for character in safe if unicodedata.category(character).startswith("C")]
    assert safe_file_name(safe, media) == safe
