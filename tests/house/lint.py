"""The checks of templates, assets, texts and requirements that need neither a database nor the application.

`python -m tests.house.lint` prints what is wrong and where; pytest runs the same checks.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from babel.messages.pofile import read_po
from jinja2 import Environment, TemplateSyntaxError

from tests.house import texts, translate

ROOT = texts.ROOT
VENDOR = ROOT / "static" / "vendor"

#: what the content security policy would refuse anyway, found before a browser does
FORBIDDEN_IN_TEMPLATES = {
    "a script that is not a file of ours": re.compile(
        r"<script(?![^>]*\ssrc=)[^>]*>|<script[^>]*>\s*\S[^<]*</script>", re.IGNORECASE
    ),
    "an inline style sheet": re.compile(r"<style\b", re.IGNORECASE),
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an inline event handler": re.compile(r"<[^>]*\s(?:on[a-z]+|hx-on[\w:-]*)\s*=", re.IGNORECASE),
    "an evaluated htmx attribute": re.compile(
        r"hx-(?:vals|headers|vars)\s*=\s*[\"']js:|hx-vars|hx-trigger=\"[^\"]*\[", re.IGNORECASE
    ),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "an address of another host": re.compile(
        r"(?:src|href|action|poster|srcset|hx-\w+)\s*=\s*[\"'](?:https?:)?//", re.IGNORECASE
    ),
    "unescaped output": re.compile(r"\|\s*safe\b|autoescape\s+false"),
    "an iframe, object or embed": re.compile(r"<(?:iframe|object|embed|applet)\b", re.IGNORECASE),
}
FORM = re.compile(r"<form\b(?P<attributes>(?:[^>\"']|\"[^\"]*\"|'[^']*')*)>(?P<inside>.*?)</form>", re.IGNORECASE | re.DOTALL)
COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
INCLUDED = re.compile(r"\{%-?\s*(?:extends|include|import|from)\s+\"([^\"]+)\"")
STATIC = re.compile(r"url_for\(\s*['\"]static['\"]\s*,\s*filename\s*=\s*['\"]([^'\"]+)['\"]\s*\)")
RENDERED = re.compile(r"(?:render_template|fragment)\(\s*\"([^\"]+)\"")
FOREIGN_IN_CSS = re.compile(r"(?:@import\s+|url\(\s*)[\"']?(?:https?:)?//", re.IGNORECASE)
FORBIDDEN_IN_JS = re.compile(r"\beval\(|new Function\(|document\.write|insertAdjacentHTML|\.(?:inner|outer)HTML\s*=|https?://")
FORBIDDEN_FILES = ("uv.lock", "pylock.toml", "package-lock.json", "poetry.lock")  # they record the addresses of registries
INDEX_OPTION = re.compile(
    r"--(?:extra-)?index(?:-url)?\b|--find-links|\bindex-url\b|\[\[tool\.uv\.index\]\]|\bhttps?://\S*(?:simple|packages)\b"
)


def templates() -> Iterator[str]:
    """Every template parses, includes what exists, and uses nothing that the policy forbids."""
    environment = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], autoescape=True)
    folder = ROOT / "templates"
    for path in texts.template_files():
        source = path.read_text()
        try:
            environment.parse(source, filename=str(path))
        except TemplateSyntaxError as error:
            yield f"{_place(path, source, 0)[:-2]}:{error.lineno}: {error.message}"
        blank = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source)
        for what, pattern in FORBIDDEN_IN_TEMPLATES.items():
            for found in pattern.finditer(blank):
                yield f"{_place(path, blank, found.start())}: {what}"
        for name in INCLUDED.findall(blank):
            if not (folder / name).exists():
                yield f"{path.relative_to(ROOT)}: there is no template {name}"


def forms() -> Iterator[str]:
    """Every form says where it goes; every form that changes something carries the CSRF field."""
    for path in texts.template_files():
        source = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), path.read_text())
        for form in FORM.finditer(source):
            attributes = form["attributes"].lower()
            is_written_by_macro = "{{" in re.sub(r"=\s*\"[^\"]*\"", "", attributes)  # tests of the pages see what comes of it
            if "action=" not in attributes and not is_written_by_macro:
                yield f"{_place(path, source, form.start())}: a form without an action"
            is_post = is_written_by_macro or re.search(r"method\s*=\s*[\"']?post", attributes)
            if is_post and not re.search(r"csrf|hidden_tag", form["inside"]):
                yield f"{_place(path, source, form.start())}: a POST form without {{{{ ui.csrf() }}}}"


def references() -> Iterator[str]:
    """Every template and static file that is named exists."""
    for path in texts.python_files():
        for name in RENDERED.findall(path.read_text()):
            if not (ROOT / "templates" / name).exists():
                yield f"{path.relative_to(ROOT)}: there is no template {name}"
    for path in [*texts.template_files(), *texts.python_files()]:
        for name in STATIC.findall(path.read_text()):
            if not (ROOT / "static" / name).exists():
                yield f"{path.relative_to(ROOT)}: there is no static file {name}"


def assets() -> Iterator[str]:
    """Style sheets load nothing from elsewhere; our scripts build no code or markup from text."""
    for path in sorted((ROOT / "static").rglob("*.css")):
        source = path.read_text()
        for found in FOREIGN_IN_CSS.finditer(source):
            yield f"{_place(path, source, found.start())}: {found[0]} …"
    for path in sorted((ROOT / "static" / "js").rglob("*.js")):
        source = path.read_text()
        for found in FORBIDDEN_IN_JS.finditer(source):
            yield f"{_place(path, source, found.start())}: {found[0]}"


def vendored() -> Iterator[str]:
    """What others made is here byte for byte, listed with its hash, and nothing else lies beside it."""
    sums = VENDOR / "SHA256SUMS"
    if not sums.exists():
        yield f"{sums.relative_to(ROOT)} is missing"
        return
    listed = dict(reversed(line.split(maxsplit=1)) for line in sums.read_text().splitlines() if line.strip())
    listed = {name.lstrip("*").removeprefix("./"): digest for name, digest in listed.items()}
    there = {str(path.relative_to(VENDOR)): path for path in VENDOR.rglob("*") if path.is_file() and path != sums}
    for name in sorted(listed.keys() | there.keys()):
        if name not in there:
            yield f"static/vendor/{name} is listed and missing"
        elif name not in listed:
            yield f"static/vendor/{name} is not listed in SHA256SUMS"
        elif hashlib.sha256(there[name].read_bytes()).hexdigest() != listed[name]:
            yield f"static/vendor/{name} differs from its hash in SHA256SUMS"


def requirements() -> Iterator[str]:
    """Locked with hashes, without the address of any registry."""
    for path in [*sorted((ROOT / "requirements").iterdir()), ROOT / "pyproject.toml", ROOT / "dev"]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            option = INDEX_OPTION.search(line.replace("--no-emit-index-url", ""))
            if option:
                yield f"{path.relative_to(ROOT)}:{number}: names a registry ({option[0]})"
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for line in path.read_text().replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#") and "--hash=sha256:" not in line:
                yield f"{path.relative_to(ROOT)}: no hash for {line.split()[0]}"
    for name in FORBIDDEN_FILES:
        yield from (f"{path.relative_to(ROOT)} records registry addresses" for path in ROOT.glob(name))


def translations() -> Iterator[str]:
    """Every text has German words with the same placeholders, as soon as there is a German catalogue."""
    path = texts.TRANSLATIONS / "de" / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return
    german = read_po(io.StringIO(path.read_text()), locale="de")
    for message in texts.catalog():
        if not message.id:
            continue
        found = german.get(message.id)
        if found is None or not translate.is_translated(found.string):
            yield f"no German words for {message.id!r}"
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        words = found.string if isinstance(found.string, tuple | list) else (found.string,)
        wanted, given = {name for text in ids for name in _placeholders(text)}, {n for text in words for n in _placeholders(text)}
        if not given <= wanted or (len(ids) == 1 and given != wanted):
            yield f"the German words for {message.id!r} have the placeholders {sorted(given)} instead of {sorted(wanted)}"


def _placeholders(text: str) -> list[str]:
    return re.findall(r"%\((\w+)\)[sd]", text)


def _place(path: Path, source: str, position: int) -> str:
    return f"{path.relative_to(ROOT)}:{source.count(chr(10), 0, position) + 1}"


CHECKS: tuple[Callable[[], Iterator[str]], ...] = (
    templates, forms, references, assets, vendored, requirements, translations,
)  # fmt: skip


def main() -> int:
    """Exit status 1 when anything is wrong."""
    faults = [f"{check.__name__}: {fault}" for check in CHECKS for fault in check()]
    print("\n".join(faults) or f"templates, assets and texts: {len(CHECKS)} checks, nothing wrong")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
