"""What the bank sends by itself: proof that it was the bank, and which event it is (qonto-api.md §14)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from portal.errors import PortalError
from portal.qonto import fields

FRESH_FOR = 300.0  #: seconds by which the signature's time may differ from ours
LONGEST_ID = 100

TRANSACTIONS, REVOCATIONS = "v1/transactions", "v1/consent-revocations"
TYPES = (TRANSACTIONS, REVOCATIONS)  #: what we ask to be told; one subscription each


class BadSignature(PortalError):
    """Not from the bank, or too old: nothing was done."""

    status = 401


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, and the id by which a repeated delivery is known. Its data are not read: they never reach the books."""

    id: str
    type: str


def verify(header: str, body: bytes, *, secret: str, now: datetime) -> None:
    """Check `X-Qonto-Signature` (`t=<unix time>,v1=<hex>`) over the bytes as they came. Errors: BadSignature."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    at, given = parts.get("t", ""), parts.get("v1", "")
    expected = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise BadSignature("The signature does not fit.")
    if not at.isascii() or not at.isdecimal() or abs(now.timestamp() - int(at)) > FRESH_FOR:
        raise BadSignature("The signature is too old.")


def event(body: bytes) -> Event | None:
    """The event of a verified delivery; None where it is none that we understand."""
    try:
        parsed = fields.parse(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("id"), str) or not isinstance(parsed.get("type"), str):
        return None
    return Event(parsed["id"], parsed["type"]) if 0 < len(parsed["id"]) <= LONGEST_ID else None
