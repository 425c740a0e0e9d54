"""What the wire does to us, on real sockets: every fault becomes one of our errors, in time."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from portal.db import Database
from portal.errors import QontoError, Unavailable
from portal.qonto.budget import Unlimited
from portal.qonto.client import OneToken, Qonto
from tests.qonto.wire import QUICK, ask, raw_server, settings

Answering = Callable[[socket.socket, bytes], None]

BODY = b'{"organization": {"id": "o", "bank_accounts": []}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def sends(data: bytes) -> Answering:
    return lambda connection, _: connection.sendall(data)


def drips(head: bytes, body: bytes) -> Answering:
    """A byte every 0.1 s: always sooner than the read timeout."""

    def answer(connection: socket.socket, _: bytes) -> None:
        for byte in head + body:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    return answer


def silent(connection: socket.socket, _: bytes) -> None:
    time.sleep(1.2)


BOMB = gzip.compress(bytes(64 * 1024 * 1024))


@pytest.mark.parametrize(
    ("answer", "code", "tries"),
    [
        (sends(b""), "network", 4),
        (silent, "timeout", 2),
        (drips(HEAD + b"Content-Length: 50\r\n\r\n", BODY), "deadline", 1),
        (sends(HEAD + b"Content-Length: 5000\r\n\r\n" + BODY), "truncated", 4),
        (sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n32\r\n" + BODY[:20]), "truncated", 4),
        (sends(HEAD + b'Content-Length: 4\r\n\r\n{"a"'), "bad_json", 4),
        (sends(HEAD + b"Content-Length: 4\r\n\r\n\xff\xfe{}"), "bad_json", 4),
        (sends(HEAD + b"Content-Length: 2\r\n\r\n[]"), "schema", 4),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>"), "not_json", 4),
        (sends(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB), "too_large", None),
        (sends(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), "bad_json", 4),
        (sends(b"HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>"), "server_error", 4),
        (sends(b"nonsense\r\n\r\n"), "network", 4),
    ],
)  # fmt: skip
def test_each_fault_has_its_code(tmp_path: Path, answer: Answering, code: str, tries: int | None) -> None:
    with raw_server(answer) as (url, seen):
        with pytest.raises(Unavailable) as caught:
            ask(settings(tmp_path, url))
        assert caught.value.code == code
        assert len(seen) <= 4
        if tries:
            assert len(seen) == tries


def test_nobody_listening(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable) as caught:
        Qonto(settings(tmp_path, f"http://127.0.0.1:{port}"), OneToken("t"), Unlimited()).organization("c")
    assert caught.value.code == "network"


def test_a_foreign_certificate_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(3)

        def once() -> None:
            for _ in range(4):
                try:
                    connection, _address = listener.accept()
                    context.wrap_socket(connection, server_side=True).close()
                except (OSError, ssl.SSLError):
                    continue

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unavailable) as caught:
            ask(settings(tmp_path, url))
        thread.join(5)
    assert caught.value.code == "tls"


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    with raw_server(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (elsewhere, asked):
        moved = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/v2/organization\r\nContent-Length: 0\r\n\r\n".encode()
        with raw_server(sends(moved)) as (url, seen), pytest.raises(QontoError) as caught:
            ask(settings(tmp_path, url))
    assert (caught.value.code, caught.value.permanent, len(seen), asked) == ("redirect", True, 1, [])


def test_a_healed_fault_is_not_noticed(tmp_path: Path) -> None:
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    answers = [b"", b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", HEAD + b"Content-Length: 90\r\n\r\n" + BODY, whole]

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answers.pop(0))

    with raw_server(answer) as (url, seen), closing(Qonto(settings(tmp_path, url), OneToken("t"), Unlimited())) as gateway:
        assert gateway.organization("c").id == "o"
    assert len(seen) == 4
    assert all(b"Authorization: Bearer t\r\n" in head for head in seen)


def test_a_person_waits_ten_seconds_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.qonto.client.PATIENCE_OF_A_PERSON", 0.7)
    slow = replace(QUICK, call_deadline=60.0, read_timeout=20.0)
    with raw_server(drips(HEAD, b"")) as (url, seen):
        at = settings(tmp_path, url, timing=slow)
        with closing(Qonto(at, OneToken("t"), Unlimited())) as gateway, pytest.raises(Unavailable) as caught:
            gateway.over(OneToken("u")).organization("c")
    assert (caught.value.code, len(seen)) == ("deadline", 1)
    assert b"Bearer u" in seen[0]


def test_no_call_inside_a_transaction(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with raw_server(sends(b"")) as (url, seen):
        gateway = Qonto(settings(tmp_path, url), OneToken("t"), Unlimited())
        with database.write(), pytest.raises(RuntimeError, match="open database transaction"):
            gateway.organization("c")
    assert seen == []
    database.engine.dispose()
