"""A bank made for one test: scripted answers in this process, or raw bytes on a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from portal.qonto.budget import Unlimited
from portal.qonto.client import OneToken, Qonto
from portal.settings import Settings, Timing

QUICK = Timing(call_retries=(0.01, 0.02, 0.03), read_timeout=0.5, connect_timeout=0.5, call_deadline=1.5, token_timeout=1.0)


def settings(tmp_path: Path, url: str = "http://127.0.0.1:5051", **values: Any) -> Settings:
    """An installation whose bank answers at `url`."""
    return Settings(**{
        "public_url": "http://127.0.0.1:5050", "data_dir": tmp_path, "database_url": "", "redis_url": "", "documents_url": "",
        "mail_url": "", "secret_key": "x" * 40, "token_keys": ("A" * 43,), "qonto_api_url": url, "qonto_oauth_url": url,
        "qonto_file_origins": (url,), "qonto_client_id": "belegfluss", "qonto_client_secret": "secret", "timing": QUICK,
        **values,
    })  # fmt: skip


@dataclass(frozen=True)
class Call:
    """What the scripted bank was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    form: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What it says."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Scripted:
    """A WSGI application: answers in order, the last one for ever; remembers the calls."""

    def __init__(self, *answers: Answer | Callable[[Call], Answer]) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Sequence[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or environ.get("HTTP_CONTENT_LENGTH") or 0)
        form = {name: values[0] for name, values in parse_qs(environ["wsgi.input"].read(size).decode()).items()}
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
        call = Call(environ["REQUEST_METHOD"], environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"]), headers, form)
        with self._lock:
            self.calls.append(call)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(call)
        body, kind = answer.body, "text/html"
        if not isinstance(body, bytes):
            body, kind = json.dumps(body).encode(), "application/json"
        start_response(f"{answer.status} X", list({"Content-Type": kind, **answer.headers}.items()))
        return [body]

    @property
    def transport(self) -> httpx2.WSGITransport:
        """For the constructors of the gateway."""
        return httpx2.WSGITransport(app=self)


def qonto(bank: Scripted, at: Settings, tokens: Any = None, budget: Any = None) -> Qonto:
    """The gateway over a scripted bank."""
    return Qonto(at, tokens or OneToken("token-1"), budget or Unlimited(), transport=bank.transport)


def ask(at: Settings) -> None:
    """One call over a real socket, which is let go afterwards."""
    with closing(Qonto(at, OneToken("t"), Unlimited())) as gateway:
        gateway.organization("c")


@contextmanager
def raw_server(answer: Callable[[socket.socket, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A socket on loopback that hands each request's head to `answer`. Gives its address and the heads it saw."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            head = b""
            connection.settimeout(5)
            try:
                while b"\r\n\r\n" not in head:
                    part = connection.recv(65536)
                    if not part:
                        return
                    head += part
                seen.append(head)
                answer(connection, head)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=handle, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(2)
        for thread in threads:
            thread.join(6)


def host_of(url: str) -> str:
    """Host and port."""
    return urlsplit(url).netloc
