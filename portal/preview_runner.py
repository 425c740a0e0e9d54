"""Start the limited process that makes pictures of a document, and survive whatever becomes of it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from portal.media import Media

PROGRAM = Path(__file__).with_name("preview_process.py")
WALL_SECONDS = 30.0
_KINDS = {Media.PDF: "PDF", Media.PNG: "PNG", Media.JPEG: "JPEG", Media.WEBP: "WEBP", Media.TIFF: "TIFF"}  # Pillow's words
_ENDED_BY = {-signal.SIGXCPU: "timeout", -signal.SIGKILL: "timeout", 3: "too_big"}


class PreviewImpossible(Exception):
    """There will be no pictures. `reason`: encrypted, broken, too_big, timeout, crashed, type."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the first page and its box, 0–1 from the top left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def __iter__(self) -> Any:
        """As it is stored: a row of five."""
        return iter((self.text, self.left, self.top, self.right, self.bottom))


@dataclass(frozen=True, slots=True)
class Made:
    """Pictures of the first pages (WebP); how many pages there are; pixels and words of the first one; the e-invoice's XML."""

    pages: list[bytes]
    page_count: int
    width: int
    height: int
    words: list[Word]
    e_invoice: bytes = b""


def render(content: bytes, media: Media, *, width: int, pages: int) -> Made:
    """Make pictures of at most `pages` pages, `width` pixels wide where that stays within bounds. About 0.3 s; at most 30 s."""
    if media not in _KINDS:
        raise PreviewImpossible("type")
    order = {"kind": _KINDS[media], "width": width, "pages": pages, "path": _library_folders()}
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:  # files: the size limit holds for them
        for frame in (json.dumps(order).encode(), content):
            source.write(struct.pack(">Q", len(frame)) + frame)
        source.seek(0)
        status = _run(source, sink)
        sink.seek(0)
        try:
            return _read(sink)
        except (EOFError, ValueError, TypeError, KeyError):  # ended before it was done
            raise PreviewImpossible(_ENDED_BY.get(status, "crashed")) from None


def _run(source: IO[bytes], sink: IO[bytes]) -> int:
    """The program's exit status; it and whatever it started are gone afterwards."""
    program = subprocess.Popen(  # noqa: S603 -- our own program, fixed arguments
        [sys.executable, "-I", "-S", str(PROGRAM)],
        stdin=source, stdout=sink, stderr=subprocess.DEVNULL, env={}, cwd="/", process_group=0,
    )  # fmt: skip
    try:
        return program.wait(WALL_SECONDS)
    except subprocess.TimeoutExpired:
        return -signal.SIGXCPU
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def _read(sink: IO[bytes]) -> Made:
    head = json.loads(_frame(sink))
    if "impossible" in head:
        raise PreviewImpossible(head["impossible"])
    words = [Word(str(text), *(float(side) for side in box)) for text, *box in head["words"]]
    pictures = [_frame(sink) for _ in range(head["pages"])]
    return Made(pictures, int(head["page_count"]), int(head["width"]), int(head["height"]), words, _frame(sink))


def _frame(sink: IO[bytes]) -> bytes:
    length = sink.read(8)
    if len(length) < 8:  # noqa: PLR2004 -- a frame's head
        raise EOFError
    (wanted,) = struct.unpack(">Q", length)
    content = sink.read(min(wanted, 2**32))
    if len(content) < wanted:
        raise EOFError
    return content


@cache
def _library_folders() -> list[str]:
    """Where the two libraries are installed; they are not imported here, they are native code."""
    found = [importlib.util.find_spec(name) for name in ("pypdfium2", "pypdfium2_raw", "PIL")]
    return sorted({str(Path(spec.origin).parent.parent) for spec in found if spec and spec.origin})
