"""The firm's own sign: a small picture on the server that `FIRM_LOGO` names, read and checked when the portal starts."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from portal.settings import BadSetting

LARGEST = 200_000  #: bytes
SVG = "{http://www.w3.org/2000/svg}"
#: they run something, show another document, or are written into by others
REFUSED = {"script", "foreignobject", "iframe", "embed", "object", "audio", "video", "handler", "listener"}
_FOREIGN = re.compile(
    r"@import|javascript:|expression\(|url\((?!\s*['\"]?\s*(?:#|data:image/(?:png|jpeg|webp);))|\\", re.IGNORECASE
)
_DRAWN = re.compile(r"data:image/(?:png|jpeg|webp);base64,", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Logo:
    """The bytes of a picture, and what it is."""

    content: bytes
    media_type: str  #: image/svg+xml, image/png or image/webp

    @property
    def digest(self) -> str:
        """Stands in its address, so that a browser may keep it for good."""
        return hashlib.sha256(self.content).hexdigest()[:20]


def read(path: Path) -> Logo:
    """Read the file. Errors: BadSetting, which says what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise BadSetting(f"FIRM_LOGO names {path}, which cannot be read.") from error
    if len(content) > LARGEST:
        raise BadSetting(f"FIRM_LOGO is too large: {LARGEST // 1000} kB at most.")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Logo(content, "image/png")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return Logo(content, "image/webp")
    _check_drawing(content)
    return Logo(content, "image/svg+xml")


def _check_drawing(content: bytes) -> None:
    """An SVG that only draws: it runs nothing, and asks for nothing that is not in it."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadSetting("FIRM_LOGO is neither an SVG nor a PNG nor a WebP picture.") from error
    if root.tag != f"{SVG}svg":
        raise BadSetting("FIRM_LOGO is neither an SVG nor a PNG nor a WebP picture.")
    around = [*root.itersiblings(preceding=True), *root.itersiblings()]
    if root.getroottree().docinfo.doctype or any(one.tag is not etree.Comment for one in around):
        raise BadSetting("FIRM_LOGO must be an SVG without a document type and without instructions.")
    for element in root.iter():
        if element.tag is etree.Comment:
            continue
        if not isinstance(element.tag, str):
            raise BadSetting("FIRM_LOGO must be an SVG without a document type and without instructions.")
        if etree.QName(element).localname.lower() in REFUSED:
            raise BadSetting("FIRM_LOGO must be an SVG without scripts and foreign contents.")
        if _FOREIGN.search(element.text or "") and etree.QName(element).localname.lower() == "style":
            raise BadSetting("FIRM_LOGO must be an SVG that refers to nothing outside of itself.")
        for name, value in element.attrib.items():
            _check_attribute(etree.QName(name).localname.lower(), value.strip())


def _check_attribute(name: str, value: str) -> None:
    if name.startswith("on") or (name == "attributename" and value.lower().rpartition(":")[2] in {"href", "src"}):
        raise BadSetting("FIRM_LOGO must be an SVG without scripts and foreign contents.")
    is_reference = name in {"href", "src", "base"}
    is_own = value.startswith("#") or _DRAWN.match(value) is not None
    if (is_reference and not is_own) or _FOREIGN.search(value):
        raise BadSetting("FIRM_LOGO must be an SVG that refers to nothing outside of itself.")
