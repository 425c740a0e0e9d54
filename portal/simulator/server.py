"""A small threaded HTTP server. It keeps connections open, and does what proper servers refuse to: send less than announced."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75.0  #: seconds a connection may idle
    server: Server

    def _serve(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in LOOPBACK:  # a page on the web that points its own name at this machine
            self.send_error(421)
            return
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            self.send_error(400)
            return
        body = self.rfile.read(int(length))
        started: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            answer = self.server.app(self._environ(body), lambda status, headers, _error=None: started.append((status, headers)))
            self._write(*started[-1], answer)
        except ConnectionError:
            self.close_connection = True

    def _write(self, status: str, headers: list[tuple[str, str]], answer: Iterable[bytes]) -> None:
        names = {name.lower(): value for name, value in headers}
        has_body = self.command != "HEAD" and status[:3] not in {"204", "304"}
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        if "date" not in names:
            lines.append(f"Date: {self.date_time_string()}")
        announced = int(names["content-length"]) if "content-length" in names else None
        if announced is None and has_body:
            lines.append("Connection: close")
            self.close_connection = True
        pending = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        sent = 0
        try:
            for piece in answer:
                if has_body and piece:
                    self.wfile.write(pending + piece)
                    pending, sent = b"", sent + len(piece)
            if pending:
                self.wfile.write(pending)
        finally:
            if close := getattr(answer, "close", None):
                close()
        if has_body and announced is not None and sent != announced:
            self.close_connection = True

    def _environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            if key not in {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"}:
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 -- names of the base class

    def log_message(self, *_args: Any) -> None:
        """Nothing is printed: the log page tells what was asked."""


class Server(ThreadingHTTPServer):
    """Hands each request to a WSGI app, in a thread of its own."""

    daemon_threads: ClassVar[bool] = True  # type: ignore[misc]
    request_queue_size = 256

    def __init__(self, port: int, app: Wsgi) -> None:
        self.app = app
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """A caller that went away is no news; anything else is printed as usual."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(_request, _client_address)


def listen(app: Wsgi, port: int) -> Server:
    """Listen on this machine only; port 0 picks a free one. `serve_forever()` then works."""
    return Server(port, app)
