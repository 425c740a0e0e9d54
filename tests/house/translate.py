"""`./dev translate`: collect the texts, bring the catalogues up to date, compile them, tell what is missing."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.house import texts

LANGUAGES = ("de",)  #: English needs no words of its own: what has no translation is shown as it stands in the source
NOISE = re.compile(
    r'^"(?:POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By|Report-Msgid-Bugs-To'
    r'|Project-Id-Version):.*\n(?:"(?![\w-]+:).*\n)?',
    re.MULTILINE,
)


def main(folder: Path = texts.TRANSLATIONS) -> int:
    """Every language in turn."""
    source = texts.catalog()
    for language in LANGUAGES:
        path = folder / language / "LC_MESSAGES" / "messages.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = read_po(io.StringIO(path.read_text()), locale=language) if path.exists() else Catalog(language, fuzzy=False)
        before = len(kept)
        kept.update(source, no_fuzzy_matching=True)
        path.write_text(_written(kept))
        with path.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, kept)
        empty = [message for message in kept if message.id and not is_translated(message.string)]
        print(f"{path}: {len(kept)} texts ({before} before), {len(kept.obsolete)} no longer used, {len(empty)} without words")
    return 0


def is_translated(words: str | tuple[str, ...] | list[str]) -> bool:
    """Every form has words."""
    return all(words) if isinstance(words, tuple | list) else bool(words)


def _written(catalog: Catalog) -> str:
    catalog.header_comment = ""
    out = io.BytesIO()
    write_po(out, catalog, width=120, no_location=True, sort_output=True, include_previous=False, ignore_obsolete=True)
    return NOISE.sub("", out.getvalue().decode()).lstrip("#\n")


if __name__ == "__main__":
    sys.exit(main())
