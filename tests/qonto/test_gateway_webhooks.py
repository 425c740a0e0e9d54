"""The signature of webhooks, byte by byte."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from portal.qonto import webhooks

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
BODY = b'{"id":"e1","type":"v1/transactions","data":{"amount":12.30}}'


def signed(at: int, body: bytes = BODY, secret: str = "s") -> str:
    """As the bank signs."""
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("off", [0, -299, 299])
def test_a_fresh_signature_is_accepted(off: int) -> None:
    webhooks.verify(signed(int(NOW.timestamp()) + off), BODY, secret="s", now=NOW)


@pytest.mark.fault("F90")
@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("", BODY),
        ("t=,v1=", BODY),
        (f"t={int(NOW.timestamp())}", BODY),
        (signed(int(NOW.timestamp()), secret="x"), BODY),
        (signed(int(NOW.timestamp())), b'{"type":"v1/transactions","id":"e1","data":{"amount":12.30}}'),
        (signed(int(NOW.timestamp())), BODY + b" "),
        (signed(int(NOW.timestamp())).replace("t=", "t=1"), BODY),
        (signed(int(NOW.timestamp()) - 301), BODY),
        (signed(int(NOW.timestamp()) + 301), BODY),
        (signed(int(NOW.timestamp())).replace("v1=", "v1=é"), BODY),
    ],
)
def test_anything_else_is_refused(header: str, body: bytes) -> None:
    with pytest.raises(webhooks.BadSignature):
        webhooks.verify(header, body, secret="s", now=NOW)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id":"","type":"x"}', b'{"id":1,"type":"x"}', b"{" * 100_000, b"\xff"])
def test_what_is_no_event_is_none(body: bytes) -> None:
    assert webhooks.event(body) is None


def test_an_event_is_its_id_and_type() -> None:
    assert webhooks.event(BODY) == webhooks.Event("e1", "v1/transactions")
