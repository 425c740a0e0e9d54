"""Pictures of documents, friendly and hostile. Whatever is in one, the caller lives and gets a picture or a reason."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from portal import preview_runner
from portal.media import Media
from portal.preview_runner import PreviewImpossible, Word, render
from tests.preview import papers
from tests.preview.hostile import HOSTILE, REASONS, SLOW

ROOT = Path(__file__).parents[2]


def _picture(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "WEBP"
    return image


def _reason(content: bytes, media: Media) -> str:
    """The reason; "" for a picture."""
    try:
        render(content, media, width=1240, pages=5)
    except PreviewImpossible as impossible:
        return impossible.reason
    return ""


# --- friendly --------------------------------------------------------------------------------------------------


def test_a_page_becomes_a_picture_of_the_given_width() -> None:
    made = render(papers.pdf(), Media.PDF, width=1240, pages=5)
    assert (made.page_count, made.width, made.height) == (1, 1240, 1755)
    assert _picture(made.pages[0]).size == (1240, 1755)


def test_only_so_many_pages_are_pictured() -> None:
    made = render(papers.pdf(pages=12), Media.PDF, width=300, pages=5)
    assert (made.page_count, len(made.pages)) == (12, 5)


def test_words_of_the_first_page_have_their_places() -> None:
    made = render(papers.pdf(pages=2), Media.PDF, width=300, pages=5)
    assert [word.text for word in made.words] == ["Rechnung", "Nr.", "4711"]
    first, *_, last = made.words
    assert 72 / 595 - 0.01 < first.left < 72 / 595 + 0.01  # where the text was put, from the top left
    assert first.top < 1 - 720 / 842 < first.bottom
    assert last.left > first.right
    assert list(first) == [first.text, first.left, first.top, first.right, first.bottom]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_page_is_shown_turned_with_its_words(degrees: int) -> None:
    made = render(papers.pdf(page=f"/Rotate {degrees}"), Media.PDF, width=1240, pages=1)
    assert (made.width > made.height) is (degrees != 180)
    picture = _picture(made.pages[0]).convert("L")
    word = made.words[0]
    box = tuple(round(side * size) for side, size in zip(list(word)[1:], [made.width, made.height] * 2, strict=True))
    assert picture.crop(box).getextrema()[0] < 100  # there is ink where the word is said to be


def test_a_cropped_page_is_measured_from_its_crop() -> None:
    made = render(papers.pdf(page="/CropBox [60 600 400 800]"), Media.PDF, width=680, pages=1)
    assert (made.width, made.height) == (680, 400)
    assert 0 < made.words[0].left < 0.1


@pytest.mark.parametrize(
    ("media", "content"),
    [
        (Media.JPEG, papers.image("JPEG")),
        (Media.JPEG, papers.image("JPEG", "CMYK")),
        (Media.PNG, papers.image("PNG", "RGBA")),
        (Media.PNG, papers.image("PNG", "P")),
        (Media.PNG, papers.image("PNG", "I;16")),
        (Media.WEBP, papers.image("WEBP")),
        (Media.TIFF, papers.image("TIFF", "1")),
    ],
)
def test_images_are_made_smaller(media: Media, content: bytes) -> None:
    made = render(content, media, width=800, pages=5)
    assert (made.width, made.height, made.page_count, made.words) == (800, 450, 1, [])
    assert _picture(made.pages[0]).size == (800, 450)


def test_images_are_not_made_larger() -> None:
    assert render(papers.image("PNG", size=(40, 30)), Media.PNG, width=800, pages=1).width == 40


def test_transparency_is_shown_on_white() -> None:
    made = render(papers.image("PNG", "RGBA", (10, 10), color=(0, 0, 0, 0)), Media.PNG, width=800, pages=1)
    assert _picture(made.pages[0]).getpixel((5, 5)) == (255, 255, 255)


def test_a_photograph_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = render(papers.image("JPEG", size=(400, 100), exif=exif), Media.JPEG, width=800, pages=1)
    assert (made.width, made.height) == (100, 400)


def test_a_fax_has_pages() -> None:
    made = render(papers.tiff(7), Media.TIFF, width=800, pages=5)
    assert (made.page_count, len(made.pages)) == (7, 5)


# --- hostile ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "width", "height"),
    [
        ("[0 0 14400000 14400000]", 1240, 1240),
        ("[0 0 1 200000]", 1, 16_000),
        ("[0 0 200000 1]", 1240, 1),
        ("[0 0 200 1e9]", None, None),
    ],
)
def test_a_page_of_any_size_stays_within_bounds(box: str, width: int | None, height: int | None) -> None:
    made = render(papers.pdf(box=box), Media.PDF, width=1240, pages=1)
    assert made.width * made.height <= 25_000_000
    if width is not None:
        assert (made.width, made.height) == (width, height)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a password that nobody told", "encrypted"), ("nothing", "broken"), ("junk", "broken"), ("cut off", "broken"),
        ("a torn JPEG", "broken"), ("a torn PNG", "broken"), ("a PNG of zeros", "broken"), ("a TIFF of ones", "broken"),
        ("another format than announced", "broken"), ("a PNG of a thousand million pixels", "too_big"),
    ],
)  # fmt: skip
def test_what_cannot_be_pictured_has_its_reason(name: str, reason: str) -> None:
    make, media = HOSTILE[name]
    assert _reason(make(), media) == reason


@pytest.mark.parametrize(("content", "media"), [(b"<svg/>", Media.UNKNOWN), (b"<Invoice/>", Media.E_INVOICE)])
def test_what_is_no_picture_is_not_tried(content: bytes, media: Media) -> None:
    assert _reason(content, media) == "type"


@pytest.mark.fault("F55")
@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in SLOW])
def test_a_hostile_document_ends_and_the_caller_goes_on(name: str) -> None:
    """D04: which reason is up to the library; that there is one, or a picture, is up to us."""
    make, media = HOSTILE[name]
    assert _reason(make(), media) in REASONS


def test_there_are_enough_hostile_documents() -> None:
    assert sum(media is Media.PDF for _, media in HOSTILE.values()) >= 40


BOMB = """
import json, resource, sys
from tests.preview.hostile import HOSTILE
from tests.preview.test_preview import _reason

make, media = HOSTILE[sys.argv[1]]
content, before = make(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reason = _reason(content, media)
own, picture = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([reason, own - before, picture]))
"""


@pytest.mark.parametrize(
    "name",
    [
        "a picture that unpacks to gigabytes", "a form that draws itself", "masks behind masks",
        "an e-invoice that unpacks to a gigabyte", "a page of a gigabyte of strokes",
    ],
)  # fmt: skip
def test_what_asks_for_gigabytes_is_stopped_by_the_memory_limit(name: str) -> None:
    """Asked by a process of its own: the highest use of a child is known only over all children, and tests start browsers."""
    told = subprocess.run([sys.executable, "-c", BOMB, name], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    reason, own, picture = json.loads(told)
    assert reason in REASONS
    assert own < 100 * 1024
    assert 0 < picture <= 600 * 1024


LARGE = (8_600, 5_700)  #: pixels, just what is still decoded


@pytest.mark.parametrize(
    ("kind", "mode", "media"),
    [("JPEG", "RGB", Media.JPEG), ("JPEG", "CMYK", Media.JPEG), ("PNG", "RGB", Media.PNG), ("PNG", "RGBA", Media.PNG)],
)
def test_the_largest_images_fit_into_the_memory(kind: str, mode: str, media: Media) -> None:
    made = render(papers.image(kind, mode, LARGE), media, width=1240, pages=1)
    assert (made.width, made.height) == (1240, 822)


def test_a_large_photograph_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = render(papers.image("JPEG", size=(8_000, 5_000), exif=exif), Media.JPEG, width=1000, pages=1)
    assert (made.width, made.height) == (1000, 1600)


def test_a_page_that_would_take_for_ever_is_stopped() -> None:
    """By the time limit, or by that of memory, whichever comes first on this machine."""
    assert _reason(papers.laughing_forms(), Media.PDF) in {"timeout", "crashed"}


def test_the_time_limit_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_runner, "WALL_SECONDS", 0.01)  # less than Python needs to start
    assert _reason(papers.pdf(), Media.PDF) == "timeout"


PROBE = """
import encodings.idna, json, os, resource, socket, struct, sys
exec(compile(open({program!r}).read().split('if __name__')[0], "program", "exec"))
limit()
order = json.loads(read_frame(sys.stdin.buffer))
give_up_rights()
told = {{"environment": dict(os.environ), "uid": os.getuid(), "ours": [m for m in sys.modules if m.startswith("portal")]}}
told["limits"] = {{n: resource.getrlimit(getattr(resource, "RLIMIT_" + n))[1] for n in ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE")}}
try:
    socket.create_connection(("127.0.0.1", {port}), 2)
    told["network"] = "open"
except OSError as error:
    told["network"] = "closed"
write_frame(sys.stdout.buffer, json.dumps({{"impossible": json.dumps(told)}}).encode())
"""


def test_the_process_has_given_up_what_it_does_not_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = tmp_path / "probe.py"
        probe.write_text(PROBE.format(program=str(preview_runner.PROGRAM), port=server.getsockname()[1]))
        monkeypatch.setattr(preview_runner, "PROGRAM", probe)
        monkeypatch.setenv("SECRET_KEY", "must not be seen")
        told = json.loads(_reason(papers.pdf(), Media.PDF))
    assert set(told["environment"]) <= {"LC_CTYPE"}  # Python sets that one itself
    assert told["ours"] == []
    assert told["limits"]["AS"] <= 600 * 1024**2
    assert told["limits"]["CPU"] == 20
    assert told["limits"]["FSIZE"] == 64 * 1024**2
    assert told["limits"]["NOFILE"] == 32
    assert told["limits"]["NPROC"] == told["limits"]["CORE"] == 0
    if os.getuid() == 0:
        assert told["uid"] != 0
        assert told["network"] == "closed"


CRASH = "import os, signal; os.kill(os.getpid(), signal.{signal})"


@pytest.mark.parametrize(("signal", "reason"), [("SIGSEGV", "crashed"), ("SIGABRT", "crashed"), ("SIGXCPU", "timeout")])
def test_a_crash_is_a_reason(signal: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "crash.py"
    program.write_text(CRASH.format(signal=signal))
    monkeypatch.setattr(preview_runner, "PROGRAM", program)
    assert _reason(papers.pdf(), Media.PDF) == reason


def test_more_output_than_allowed_is_too_big(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "talkative.py"
    program.write_text(preview_runner.PROGRAM.read_text().replace("64 * 1024 * 1024", "1024"))
    monkeypatch.setattr(preview_runner, "PROGRAM", program)
    assert _reason(papers.pdf(), Media.PDF) == "too_big"


def test_words_are_a_plain_row() -> None:
    assert list(Word("x", 0.1, 0.2, 0.3, 0.4)) == ["x", 0.1, 0.2, 0.3, 0.4]
