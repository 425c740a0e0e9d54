"""Every code that a page can meet has words, in both languages; every route has a decision; every address in a template exists."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from flask import Flask, render_template_string, url_for
from flask_babel import force_locale
from werkzeug.routing import BuildError

from portal import create_app
from portal.domain.connection_state import Word
from portal.domain.eligibility import Eligibility, SkipReason
from portal.domain.explanations import Reason
from portal.domain.matching.reasons import ReasonCode, ReviewReason
from portal.domain.receipt_state import ReceiptWord, Why
from portal.models import Role
from portal.qonto.errors import Code
from portal.queue import QUEUE_OF_KIND
from portal.services.assignments.assigning import SetAsideReason
from portal.services.auditing import Tag
from portal.services.connections.connecting import KINDS, Ending
from portal.services.receipts.missing import STATES
from portal.settings import Settings
from portal.web.access import Permission
from tests.house import texts

ENDS_A_CONSENT = (Code.INVALID_GRANT, Code.ROTATION_LOST, Code.UNAUTHORIZED, Code.NOT_CONNECTED)
CODES = [
    *(("connection", code.value) for code in Word),
    *(("connection_kind", kind) for kind in {*KINDS, *QUEUE_OF_KIND}),
    *(("connection_does", kind) for kind in KINDS),
    *(("ending", code.value) for code in Ending if code is not Ending.CONNECTED),
    *(("skip", code.value) for code in SkipReason),
    *(("skip_next", code.value) for code in SkipReason),
    *(("receipt", code.value) for code in ReceiptWord),
    *(("kind", kind) for kind in ("supplier_invoice", "client_invoice", "credit_note", "own_receipt")),
    *(("direction", code) for code in ("expense", "income")),
    *(("eligibility", code.value) for code in Eligibility),
    *(("eligibility", code) for code in ("uploaded", "split")),
    *(("document_problem", code) for code in ("encrypted", "broken", "too_big", "timeout", "crashed", "type")),
    *(("problem", code.value) for code in Code),
    *(("connection_reason", code) for code in ("", "other_organization", *(code.value for code in ENDS_A_CONSENT))),
    *(("review", code.value) for code in ReviewReason),
    *(("explanation", code.value) for code in Reason),
    *(("missing_state", code) for code in (*STATES, "all")),
    *(("set_aside", code.value) for code in SetAsideReason),
    *(("grade", code) for code in ("sure", "likely", "possible")),
    *(("role", code.value) for code in Role),
    *(("event", tag.text) for tag in Tag),
]


@dataclass
class Told:
    """What the macros that take a whole object look at."""

    why: str = ""
    trigger: str = ""
    state: str = ""
    reason: str = ""
    code: str = ""
    is_for: bool = True


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    bank = "http://127.0.0.1:5051"
    folder = str(tmp_path_factory.mktemp("portal"))
    return create_app(
        Settings.from_env({"DATA_DIR": folder, "QONTO_API_URL": bank, "QONTO_OAUTH_URL": bank, "QONTO_FILE_ORIGINS": bank})
    )


@pytest.fixture
def application(portal: Flask) -> Iterator[Flask]:
    with portal.test_request_context("/"):
        yield portal


def _words(macro: str, given: object) -> str:
    return " ".join(
        render_template_string(
            f'{{% import "macros/words.html" as words with context %}}{{{{ words.{macro}(given) }}}}', given=given
        ).split()
    )


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_code_has_words(application: Flask, language: str) -> None:
    with force_locale(language):
        missing = [f"{macro}({code})" for macro, code in CODES if _words(macro, code) in {"", code, "None"}]
        missing += [f"why({code})" for code in Why if _words("why", Told(why=code)) in {"", code}]
        missing += [
            f"trigger({code})"
            for code in ("connect", "schedule", "client", "staff", "admin", "change")
            if _words("trigger", Told(trigger=code)) == code
        ]
        missing += [
            f"outcome({code})"
            for code in ("due", "leased", "waiting", "needs_person", "done")
            if _words("outcome", Told(state=code)) == code
        ]
    assert not missing


def test_every_reason_of_the_matcher_has_a_sentence(application: Flask) -> None:
    values: dict[str, object] = defaultdict(
        lambda: 3, currency="EUR", receipt_currency="USD", transaction_currency="EUR", number="RE-1", written="RE 1", name="Muster",
        iban="DE89370400440532013000", covered_on=date(2026, 11, 13).isoformat(), assigned_on=date(2026, 11, 21).isoformat(), percent="2",
        issued_on=date(2026, 11, 2).isoformat(), returned_on=date(2026, 11, 5).isoformat(), title="Mahnung",
    )  # fmt: skip
    for key in ("days", "count", "amount_cents", "difference_cents", "open_cents"):
        values[key] = 3
    missing = [
        code
        for code in ReasonCode
        if _words("reason", {"code": code.value, "is_for": True, "values": values}) in {"", code.value}
    ]
    assert not missing


def test_every_route_has_a_decision(application: Flask) -> None:
    undecided = [
        rule.rule for rule in application.url_map.iter_rules()
        if rule.endpoint != "static" and not isinstance(getattr(application.view_functions[rule.endpoint], "permission", None), Permission)
    ]  # fmt: skip
    assert not undecided


def test_every_template_compiles_in_the_application(application: Flask) -> None:
    """With its filters, tests and globals, which a parse alone does not look at."""
    for path in texts.template_files():
        application.jinja_env.get_template(str(path.relative_to(texts.ROOT / "templates")))


def test_every_endpoint_that_a_template_names_exists(application: Flask) -> None:
    named = {
        (path.name, endpoint)
        for path in texts.template_files()
        for endpoint in re.findall(r"url_for\(\s*[\"']([\w.]+)[\"']", path.read_text())
    }
    unknown = []
    for template, endpoint in sorted(named):
        try:
            url_for(endpoint)
        except BuildError as error:
            if not any(rule.endpoint == endpoint for rule in application.url_map.iter_rules()):
                unknown.append((template, str(error)))
    assert not unknown
