"""What templates write with Python's help."""

from __future__ import annotations

from portal.web.filters import options

NAMES = {"a": "Müller & Söhne", "b": "<b>"}


def test_options_are_escaped_and_at_most_one_is_chosen() -> None:
    assert options(NAMES, None) == '<option value="a">Müller &amp; Söhne</option><option value="b">&lt;b&gt;</option>'
    assert options(NAMES, "b") == '<option value="a">Müller &amp; Söhne</option><option value="b" selected>&lt;b&gt;</option>'
    assert options(NAMES, 'a" selected') == options(NAMES, "")
    assert options({}, "a") == ""
