"""Nothing that should stay unwritten is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from portal.log import redact, redacting

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("paid from DE89 3704 0044 0532 0130 00 TODAY", "paid from ··3000 TODAY"),
        ("DE89370400440532013000", "··3000"),
        ("NL91 ABNA 0417 1643 00", "··4300"),
        ("GET /x?iban=DE89+3704+0044+0532+0130+00&name=W 200", "GET /x?iban=··3000&name=W 200"),
        ("GET /x?iban=DE89%203704%200044%200532%200130%2000 200", "GET /x?iban=··3000 200"),
        ("GET /x?iban=DE00%203704%200044%200532%200130%2000 200", "GET /x?iban=··0200"),
        ("iban%3DDE89370400440532013000", "iban%3D··3000"),
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer [hidden]"),
        (
            "grant_type=refresh_token&refresh_token=r1&client_secret=s",
            "grant_type=refresh_token&refresh_token=[hidden]&client_secret=[hidden]",
        ),
        ('{"access_token": "abc", "expires_in": 3600}', '{"access_token": "[hidden]", "expires_in": 3600}'),
        ("GET https://files.example/a.pdf?X-Amz-Date=1&X-Amz-Signature=2 200", "GET https://files.example/a.pdf?[signed] 200"),
        (
            "https://portal.example/callback?code=abcdefghijklmnop&state=qrstuvwxyz123456",
            "https://portal.example/callback?code=[hidden]&state=[hidden]",
        ),
        ("redis://:geheim@127.0.0.1:6379/0", "redis://[hidden]@127.0.0.1:6379/0"),
        ("postgresql://portal:geheim@db/portal", "postgresql://[hidden]@db/portal"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[hidden]"),
        ("session kQ8s1aTz9dJk3fP0wLmN7xYvBcRgHs2Ue5Io4Aq6", "session [hidden]"),
        ("RuntimeError: acc_5gdtyak5w7kigvmqif79bahk4y5qsnhtpo of", "RuntimeError: [hidden] of"),
        # what must stay readable
        ("run-0190f3a1-1234-7abc-8def-0123456789ab-0-0-new-1", "run-0190f3a1-1234-7abc-8def-0123456789ab-0-0-new-1"),
        ("state=active code=404", "state=active code=404"),
        ("run 0190f3a1-1234-7abc-8def-0123456789ab", "run 0190f3a1-1234-7abc-8def-0123456789ab"),
        ("sha256 " + "0a" * 32, "sha256 " + "0a" * 32),
        ("https://127.0.0.1/v2/supplier_invoices?page=2", "https://127.0.0.1/v2/supplier_invoices?page=2"),
        ("Rechnung RE-2026-0815 über 1.190,00 EUR", "Rechnung RE-2026-0815 über 1.190,00 EUR"),
    ],
)
def test_redaction(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_secrets_hide_at_any_depth_and_by_their_name() -> None:
    event = {
        "event": "x",
        "headers": [{"Authorization": "secret"}],
        "token": "t",
        "token_seconds": 3,
        "body": b"bytes",
        "n": None,
    }
    assert redacting(None, "info", event) == {
        "event": "x", "headers": [{"Authorization": "[hidden]"}], "token": "[hidden]", "token_seconds": 3, "body": "5 bytes", "n": None,
    }  # fmt: skip


PROGRAM = """
import logging, structlog
from portal.log import configure
configure()
structlog.contextvars.bind_contextvars(request="r-1")
structlog.get_logger().warning("bank_said", answer="Bearer abcdefghijkl")
logging.getLogger("library").warning("token=%s", "abcdefghijkl")
try:
    raise ValueError("DE89370400440532013000")
except ValueError:
    structlog.get_logger().exception("broke")
"""


def test_one_json_object_a_line_for_us_and_for_libraries() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in told.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["bank_said", "token=[hidden]", "broke"]
    assert {line["request"] for line in lines} == {"r-1"}
    assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)
    assert "··3000" in lines[2]["exception"]
    assert "abcdefghijkl" not in told.stderr
    assert "DE8937" not in told.stderr
