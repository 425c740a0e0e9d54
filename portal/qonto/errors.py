"""From what the bank's machines say to what ours understand: reason codes, and the error of each answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import httpx2

from portal.errors import QontoError, RateLimited, ScaRequired, ScopeMissing, Unavailable

MAX_RETRY_AFTER = 86_400.0


class Code(StrEnum):
    """Our reason codes (`QontoError.code`); of a refusal it is the bank's own code instead."""

    NETWORK = "network"  #: no connection, or it broke before an answer began
    TLS = "tls"  #: the certificate or the handshake is wrong
    TIMEOUT = "timeout"  #: silence for longer than the read timeout
    DEADLINE = "deadline"  #: an answer that drips
    TRUNCATED = "truncated"  #: an answer that was cut
    TOO_LARGE = "too_large"  #: more than an answer may have after unpacking
    NOT_JSON = "not_json"  #: 200 with a page instead of JSON
    BAD_JSON = "bad_json"  #: JSON that does not parse
    SCHEMA = "schema"  #: JSON of another shape
    SERVER_ERROR = "server_error"  #: 5xx
    RATE_LIMITED = "rate_limited"
    REDIRECT = "redirect"  #: an answer that sends us elsewhere; never followed
    SCOPE_MISSING = "scope_missing"
    FORBIDDEN = "forbidden"  #: the plan or the role does not allow it
    NOT_FOUND = "not_found"
    REFUSED = "refused"  #: 4xx without a code of its own
    SCA_REQUIRED = "sca_required"  #: the bank wants a yes in its app first
    SCA_DENIED = "sca_denied"  #: … and its user said no
    SCA_EXPIRED = "sca_expired"  #: … and nobody answered in time
    SCA_NOT_ENROLLED = "sca_not_enrolled"  #: … and its user has no device for that
    COUNT_MISMATCH = "count_mismatch"  #: the pages did not hold the rows that were announced
    UNRECONCILED = "unreconciled"  #: an account's balance is not the sum of its movements
    SHRUNK = "shrunk"  #: a list from its first row on that lacks many rows which it had
    REFRESH_WAIT = "refresh_wait"  #: another process has been renewing the token for too long
    TOKEN_SCHEMA = "token_schema"  # noqa: S105 -- a reason code
    INVALID_GRANT = "invalid_grant"
    ROTATION_LOST = "rotation_lost"  #: the new refresh token never reached us and the old one is dead
    UNAUTHORIZED = "unauthorized_after_refresh"
    NOT_CONNECTED = "not_connected"  #: there is no token to use
    ADDRESS_REFUSED = "address_refused"  #: a file address outside the allowed origins, or inside a private network
    URL_EXPIRED = "url_expired"
    GONE = "gone"
    SHORT_FILE = "short_file"
    EMPTY = "empty"
    TOO_BIG = "too_big"


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> QontoError:  # noqa: PLR0911 -- one error each
    """The error of an answer that is no success. 401 is not decided here: what it means depends on the token."""
    request_id = headers.get("x-request-id") or headers.get("x-tyk-trace-id") or ""
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        return RateLimited(retry_after=retry_after(headers), request_id=request_id)
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status == httpx2.codes.REQUEST_TIMEOUT:
        return Unavailable(Code.SERVER_ERROR, status_code=status, request_id=request_id)
    code, detail, token = _first_error(body)
    values: dict[str, Any] = {"status_code": status, "request_id": request_id}
    if httpx2.codes.is_redirect(status):
        return QontoError("Qonto sent us to another address. We do not follow it.", code=Code.REDIRECT, **values)
    if status == httpx2.codes.FORBIDDEN:
        code = Code.SCOPE_MISSING if "scope" in detail else Code.FORBIDDEN
        return ScopeMissing("Qonto does not allow this with the rights that were granted.", code=code, **values)
    if status == httpx2.codes.PRECONDITION_REQUIRED:
        return ScaRequired(token if code == Code.SCA_REQUIRED else "", **values)
    if status == httpx2.codes.NOT_FOUND:
        return QontoError("Qonto does not know this record.", code=Code.NOT_FOUND, **values)
    return QontoError("Qonto did not accept this request.", code=code or Code.REFUSED, **values)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the answer says (a number or a date); None where it does not say."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else None  # noqa: PLR0124 -- NaN


def _first_error(body: bytes) -> tuple[str, str, str]:
    """(code, text, SCA token) of the first error in one of the shapes that were seen: list, object, flat, or none at all."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return "", "", ""
    if not isinstance(parsed, dict):
        return "", "", ""
    errors = parsed.get("errors", parsed)
    first = errors[0] if isinstance(errors, list) and errors else errors
    if not isinstance(first, dict):
        return "", "", ""
    code, detail, token = (
        value if isinstance(value, str) else ""
        for value in (first.get("code"), first.get("detail") or first.get("message"), first.get("sca_session_token"))
    )
    return code[:100], detail, token
