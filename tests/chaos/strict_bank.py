"""The strictest token server one may meet: a refresh token works once, a second use ends the whole consent.

`python -m tests.chaos.strict_bank` prints its address. `POST /oauth2/token` renews, `GET /v2/ping` wants the newest access token,
`POST /_/expire` ends that access token, `GET /_/counts` tells what happened.
"""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

FIRST = ("at_first", "rt_first")


class StrictBank:
    """One consent and its newest pair of tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._access: str | None
        self._access, self._refresh = FIRST
        self._is_dead = False
        self.counts = {"refreshes": 0, "invalid_grant": 0, "pings": 0, "unauthorized": 0}

    def renew(self, refresh_token: str) -> tuple[int, dict[str, object]]:
        with self._lock:
            if self._is_dead or refresh_token != self._refresh:
                self._is_dead, self._access = True, None
                self.counts["invalid_grant"] += 1
                return 400, {"error": "invalid_grant", "error_description": "used before"}
            self._access, self._refresh = f"at_{secrets.token_hex(8)}", f"rt_{secrets.token_hex(8)}"
            self.counts["refreshes"] += 1
            return 200, {
                "access_token": self._access, "refresh_token": self._refresh, "token_type": "bearer", "expires_in": 3600,
                "scope": "offline_access",
            }  # fmt: skip

    def ping(self, authorization: str) -> tuple[int, dict[str, object]]:
        with self._lock:
            is_good = self._access is not None and authorization == f"Bearer {self._access}"
            self.counts["pings" if is_good else "unauthorized"] += 1
            return (200, {"ok": True}) if is_good else (401, {"errors": [{"code": "unauthorized"}]})

    def expire(self) -> tuple[int, dict[str, object]]:
        with self._lock:
            self._access = None
            return 200, {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bank: StrictBank

    def do_GET(self) -> None:
        self._say(200, dict(self.bank.counts)) if self.path == "/_/counts" else self._say(
            *self.bank.ping(self.headers.get("Authorization", ""))
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/_/expire":
            self._say(*self.bank.expire())
        else:
            self._say(*self.bank.renew(parse_qs(body).get("refresh_token", [""])[0]))

    def _say(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the parent's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main() -> None:
    _Handler.bank = StrictBank()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
