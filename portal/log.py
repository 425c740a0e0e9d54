"""Logs: one event per line, JSON unless a person watches. What must not be written down is shortened on the way.

Names of events are snake_case; whatever identifies the work (request, run) is bound once with `structlog.contextvars` and
appears on each line. Lines of libraries go the same way.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(r"token|secret|password|passwd|authorization|cookie|api_?key|verifier|totp|otp_", re.IGNORECASE)
_PARAMETER = re.compile(
    r"\b([\w-]*(?:token|secret|password|signature|verifier|credential|api_?key))(=|[\"']?: ?[\"']?)[^\s&\"',;}]+", re.IGNORECASE
)
_ONE_TIME = re.compile(r"\b(code|state|sig)=[^\s&\"',;}]{12,}", re.IGNORECASE)  # not words like state=active
_SIGNED_ADDRESS = re.compile(
    r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*(?:signature|sig|token|expires|x-amz-)[^\s\"'<>]*", re.IGNORECASE
)
_BEARER = re.compile(r"\b(Bearer|Basic) +[\w.~+/=-]{8,}", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"://[^\s/@]*:[^\s/@]+@")
_SIGNED_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_OPAQUE = re.compile(  # not hashes, not UUIDs: those have one case, and no letter beyond f
    r"(?<![\w-])(?:(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*[0-9])[\w-]{32,}|(?=\w*[g-zG-Z])(?=\w*[0-9])\w{32,})(?![\w-])"
)
_GAP = r"(?:[ \u00a0+]|%20|%C2%A0)"  # between the groups of an IBAN, also as addresses and forms write it
_IBAN = re.compile(rf"(?:\b|(?<=%3D)|(?<=%20))[A-Z]{{2}}[0-9]{{2}}(?:{_GAP}?[A-Z0-9]){{11,30}}\b")
_NOT_IBAN = re.compile(rf"{_GAP}|\s")
_SHORTEST_IBAN, _LETTERS_KEPT = 15, 4


def redact(text: str) -> str:
    """The text without tokens, passwords, signed addresses; of an IBAN the last four characters."""
    text = _SIGNED_ADDRESS.sub(r"\1?[signed]", text)
    text = _IN_ADDRESS.sub(f"://{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _PARAMETER.sub(rf"\1\2{HIDDEN}", text)
    text = _ONE_TIME.sub(rf"\1={HIDDEN}", text)
    text = _SIGNED_TOKEN.sub(HIDDEN, text)
    text = _OPAQUE.sub(HIDDEN, text)
    return _IBAN.sub(_short_iban, text)


def _short_iban(found: re.Match[str]) -> str:
    """The pattern may have run into the words after the IBAN; its check digits tell where it ends."""
    text = found[0]
    for end in range(len(text), _SHORTEST_IBAN - 1, -1):
        if not text[end:][:1].isalnum() and text[end - 1].isalnum() and _has_valid_check_digits(_NOT_IBAN.sub("", text[:end])):
            return f"··{_tail(text[:end])}{text[end:]}"
    return f"··{_tail(text)}"  # none is valid: better too much than too little


def _tail(iban: str) -> str:
    return _NOT_IBAN.sub("", iban)[-_LETTERS_KEPT:]


def _has_valid_check_digits(iban: str) -> bool:
    """ISO 13616: modulo 97 of the rearranged, letters-as-numbers form is 1."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return {key: HIDDEN if _is_secret(key, item) else _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else redact(str(value))


def _is_secret(name: Any, value: Any) -> bool:
    """A text under such a name; figures and yes or no may be written (`token_seconds`, `is_token_fresh`)."""
    return isinstance(value, str | bytes) and _SECRET_NAME.search(str(name)) is not None


def redacting(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last processor before rendering: nothing that should stay unwritten passes, whoever logged it."""
    kept = {name: value for name, value in event.items() if name.startswith("_")}  # structlog's own notes between processors
    return {**_clean({name: value for name, value in event.items() if name not in kept}), **kept}


def configure() -> None:
    """Set up this process's logging. May be called again; the last call counts."""
    is_watched = sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # before redacting: traces quote values
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                redacting,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer() if is_watched else structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("httpx2", "httpcore2", "httpx", "httpcore", "alembic", "rq.worker", "PIL"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
