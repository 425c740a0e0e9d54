"""Every text that people read, found in the sources: English msgids of templates, views, forms and errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from jinja2 import Environment

ROOT = Path(__file__).resolve().parent.parent.parent
TRANSLATIONS = ROOT / "portal" / "translations"
SINGLE = {"_", "gettext", "lazy_gettext", "pgettext"}
PLURAL = {"ngettext", "lazy_ngettext"}

type_of_text = str | tuple[str, str]


def catalog() -> Catalog:
    """All of them, without dates and line numbers: the file changes only when a text does."""
    found = Catalog(charset="utf-8", fuzzy=False)
    for text in sorted({*_of_python(), *_of_templates()}, key=str):
        found.add(text)
    return found


def python_files() -> list[Path]:
    """What the product is written in; the simulator speaks for itself."""
    return sorted(path for room in ("portal", "jobs") for path in (ROOT / room).rglob("*.py") if "simulator" not in path.parts)


def template_files() -> list[Path]:
    """The product's pages."""
    return sorted((ROOT / "templates").rglob("*.html")) + sorted((ROOT / "templates").rglob("*.txt"))


def _of_python() -> Iterator[type_of_text]:
    errors, own = _error_names()
    for path in python_files():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _of_call(node, errors)
            elif isinstance(node, ast.ClassDef) and node.name in own:
                yield from _of_error(node)


def _of_call(node: ast.Call, errors: set[str]) -> Iterator[type_of_text]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
    texts = [value for argument in node.args if (value := _text(argument)) is not None]
    if name in PLURAL and len(texts) >= 2:
        yield texts[0], texts[1]
    elif (name in SINGLE or name in errors) and node.args and _text(node.args[0]):
        yield texts[0]


def _of_error(node: ast.ClassDef) -> Iterator[str]:
    """`super().__init__("…")` and `def __init__(self, message="…")` of an error class."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == "__init__" and inner.args:
            yield from filter(None, [_text(inner.args[0])])
        elif isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            yield from filter(None, (_text(default) for default in inner.args.defaults))


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _error_names() -> tuple[set[str], set[str]]:
    """Our error classes, wherever they are defined: those whose first argument is a message for people, and all of them."""
    parents: dict[str, set[str]] = {}
    takes_other: set[str] = set()
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                parents.setdefault(node.name, set()).update(base.id for base in node.bases if isinstance(base, ast.Name))
                makers = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
                if makers and [argument.arg for argument in makers[0].args.args[1:2]] != ["message"]:
                    takes_other.add(node.name)
    known = {"PortalError"}
    while found := {name for name, bases in parents.items() if bases & known} - known:
        known |= found
    return known - takes_other, known


def _of_templates() -> Iterator[type_of_text]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in template_files():
        for _line, function, text in environment.extract_translations(path.read_text()):
            parts = (text,) if isinstance(text, str) else tuple(part for part in text if isinstance(part, str))
            if function in PLURAL and len(parts) >= 2:
                yield parts[0], parts[1]
            elif parts and parts[0]:
                yield parts[0]
