"""What a file is, told by its bytes; names and headers are never believed.

Only what stands on the short list here is ever turned into a picture. Everything else is stored as it came and offered as a
download that can do nothing.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum

LONGEST_NAME_BYTES = 180  #: file systems allow 255; the rest is room for what people's machines add, like " (1)"
HEAD_BYTES = 8192  #: of an XML file: prologue and root element stand in them

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
_CII = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:"
_E_INVOICE = re.compile(
    r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*<(?:[\w.-]+:)?(?P<root>Invoice|CreditNote|CrossIndustryInvoice)\s(?P<attributes>[^>]*)>",
    re.DOTALL,
)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?:\.|$)", re.IGNORECASE)  # devices on Windows, with any ending
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*%', "_"))


class Media(Enum):
    """A kind of content: media type, file name ending, other usual endings."""

    PDF = ("application/pdf", "pdf", ())
    PNG = ("image/png", "png", ())
    JPEG = ("image/jpeg", "jpg", ("jpeg", "jpe", "jfif"))
    WEBP = ("image/webp", "webp", ())
    TIFF = ("image/tiff", "tif", ("tiff",))
    E_INVOICE = ("application/xml", "xml", ())  #: UBL or CII without a document type definition (XRechnung, ZUGFeRD)
    UNKNOWN = ("application/octet-stream", "bin", ())

    def __init__(self, media_type: str, extension: str, other_extensions: tuple[str, ...]) -> None:
        self.media_type = media_type
        self.extension = extension
        self.other_extensions = other_extensions

    @property
    def is_previewable(self) -> bool:
        """Whether pictures of its pages can be made."""
        return self not in {Media.E_INVOICE, Media.UNKNOWN}

    @property
    def is_readable(self) -> bool:
        """Whether people can see what is in it without opening the file itself: as pictures or as an e-invoice's facts."""
        return self is not Media.UNKNOWN

    @classmethod
    def of_type(cls, media_type: str) -> Media:
        """The kind that was stored as this media type."""
        return next((media for media in cls if media.media_type == media_type), cls.UNKNOWN)


def sniff(content: bytes) -> Media:
    """Tell the kind by the first bytes. Whatever only resembles one (junk before a PDF, SVG, HTML, archives) is UNKNOWN."""
    if content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\t\n\f\r \0").startswith(b"%PDF-"):
        return Media.PDF
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Media.PNG
    if content.startswith(b"\xff\xd8\xff"):
        return Media.JPEG
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return Media.WEBP
    if content.startswith((b"II*\0", b"MM\0*")):
        return Media.TIFF
    return Media.E_INVOICE if _is_e_invoice(content) else Media.UNKNOWN


def _is_e_invoice(content: bytes) -> bool:
    head = content[:HEAD_BYTES]
    codec = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    found = _E_INVOICE.match(head.decode(codec, errors="replace"))
    if found is None:  # also when a document type definition comes first: invoices have none, attacks do
        return False
    return f"{_UBL}{found['root']}-2" in found["attributes"] or _CII in found["attributes"]


def safe_file_name(name: str, media: Media) -> str:
    """A name that is harmless on every file system and in every header, with the ending that the content has.

    Umlauts and other letters stay. Path parts, control and invisible characters (they can reverse what one reads) go.
    """
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    name = "".join(" " if character.isspace() else character for character in name)
    name = "".join(character for character in name if not unicodedata.category(character).startswith("C"))
    name = " ".join(name.translate(_FORBIDDEN).split()).rstrip(". ")
    stem, dot, ending = name.rpartition(".")
    if dot and ending.lower() in {media.extension, *media.other_extensions}:
        name = stem
    name = name.strip(". ") or "document"
    if _RESERVED.match(name):
        name = f"_{name}"
    room = LONGEST_NAME_BYTES - len(media.extension) - 1
    name = name.encode()[:room].decode(errors="ignore").rstrip(". ")
    return f"{name}.{media.extension}"
