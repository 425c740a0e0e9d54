"""Faults of the line: refusals before the API is reached, and answers that do not arrive as they should."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from flask import Response

from portal.simulator.calls import Call
from portal.simulator.names import uid

HTML = "<!doctype html><html lang=en><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class Dropped(ConnectionError):
    """The line is cut without a byte of an answer."""


def hang_seconds(call: Call) -> float:
    """How long nothing happens."""
    args = call.fault("hang")
    return 0.0 if args is None else float(args.get("seconds", 120))


def instead(call: Call) -> Response | None:
    """The answer that comes instead of the API's."""
    if (args := call.fault("5xx")) is not None:
        status = int(args.get("status", 500))
        if args.get("html"):
            return Response(HTML.format(f"{status} Bad Gateway"), status, content_type="text/html; charset=utf-8")
        return _json({"errors": [{"code": "unknown", "detail": "Unknown error"}]}, status)
    if (args := call.fault("429")) is not None:
        answer = _json({"errors": [{"code": "too_many_requests", "detail": "Too Many Requests"}]}, 429)
        if "retry_after" in args:
            answer.headers["Retry-After"] = str(args["retry_after"])
        return answer
    if call.fault("302_foreign") is not None:
        return Response(status=302, headers={"Location": "https://login.bank.invalid/"})
    if call.fault("html_200") is not None:
        return Response(HTML.format("Wartungsarbeiten"), 200, content_type="text/html; charset=utf-8")
    if call.fault("403_org") is not None:
        return _json({"message": "Forbidden", "trace_id": call.request_id}, 403)
    return None


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body), status, content_type="application/json; charset=utf-8")


def bend(answer: Response, call: Call) -> Response:
    """Change a finished answer on its way out."""
    is_json = answer.mimetype == "application/json"
    if is_json and (args := call.fault("balance_off")) is not None:
        answer.set_data(json.dumps(_off(json.loads(answer.get_data()), int(args.get("cents", 1))), ensure_ascii=False))
    if is_json and call.fault("bad_json") is not None:
        answer.set_data(answer.get_data()[: len(answer.get_data()) * 2 // 3])
    if call.fault("gzip_bomb") is not None:
        answer.set_data(_bomb(int((call.fault("gzip_bomb") or {}).get("bytes", 64 << 20))))
        answer.headers["Content-Encoding"] = "gzip"
    if (args := call.fault("date_skew")) is not None:
        answer.headers["Date"] = formatdate(time.time() + float(args.get("seconds", 3600)), usegmt=True)
    if call.fault("truncate") is not None:
        _replace(answer, iter((answer.get_data()[: len(answer.get_data()) // 2],)))
    elif (args := call.fault("drip")) is not None:
        _replace(answer, _drops(answer.get_data(), float(args.get("bytes_per_second", 1))))
    return answer


def _replace(answer: Response, body: Iterator[bytes]) -> None:
    """Send other bytes under the length that was announced."""
    length = str(len(answer.get_data()))
    answer.response = body
    answer.headers["Content-Length"] = length


def _drops(content: bytes, per_second: float) -> Iterator[bytes]:
    for byte in content:
        time.sleep(1 / per_second)
        yield bytes((byte,))


@lru_cache(maxsize=4)
def _bomb(size: int) -> bytes:
    return gzip.compress(b'{"x":"' + b"0" * size + b'"}', 9, mtime=0)


def _off(node: Any, cents: int) -> Any:
    if isinstance(node, dict):
        node = {name: _off(value, cents) for name, value in node.items()}
        if "balance_cents" in node:
            node["balance_cents"] += cents
            node["balance"] = node["balance_cents"] / 100
        return node
    return [_off(entry, cents) for entry in node] if isinstance(node, list) else node


def changed_ids(ids: list[str]) -> dict[str, str]:
    """Old id → new id of bank accounts."""
    return {old: uid("changed", old) for old in ids}


def exchanged(text: str, ids: dict[str, str]) -> str:
    """A body with the new ids for the old ones."""
    for old, new in ids.items():
        text = text.replace(old, new)
    return text
