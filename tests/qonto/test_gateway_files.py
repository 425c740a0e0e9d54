"""Files: whose address is opened, and when the bytes are all there."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from portal.errors import QontoError, Unavailable
from portal.qonto.budget import Unlimited
from portal.qonto.client import OneToken, Qonto
from portal.qonto.transport import is_public
from tests.qonto.wire import Answer, Call, Scripted, qonto, raw_server, settings

STORE = "https://qonto.s3.eu-central-1.amazonaws.com"
PDF = b"%PDF-1.7 ..."


def bank_with(*file_answers: Any, url: str = f"{STORE}/x.pdf?X-Amz-Signature=s", size: object = str(len(PDF))) -> Scripted:
    answers = list(file_answers)

    def answer(call: Call) -> Answer:
        if call.path.startswith("/v2/attachments/"):
            return Answer({"attachment": {"id": "a", "file_name": "x.pdf", "file_size": size, "url": url}})
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return Scripted(answer)


def over(bank: Scripted, tmp_path: Path) -> Qonto:
    at = settings(tmp_path, "https://thirdparty.qonto.com", qonto_file_origins=(STORE,))
    return qonto(bank, at)


def test_a_file_is_fetched_without_the_token(tmp_path: Path) -> None:
    bank = bank_with(Answer(PDF))
    file = over(bank, tmp_path).fetch("c", "a/../b")
    assert (file.content, file.file_name) == (PDF, "x.pdf")
    asked, fetched = bank.calls
    assert asked.path == "/v2/attachments/a/../b"  # WSGI unquotes: on the wire it is one segment
    assert "authorization" not in fetched.headers
    assert "cookie" not in fetched.headers
    assert PDF.decode() not in repr(file)


@pytest.mark.parametrize(
    ("answers", "code", "permanent"),
    [
        ([Answer(PDF[:-1])], "short_file", False),
        ([Answer(PDF, headers={"Content-Length": "900"})], "short_file", False),
        ([Answer(b"")], "empty", False),
        ([Answer(b"x", headers={"Content-Length": str(10**9)})], "too_big", True),
        ([Answer(bytes(50 * 1024 * 1024 + 1))], "too_big", True),
        ([Answer(b"<Error/>", 404)], "gone", True),
        ([Answer(b"Request has expired", 403)], "url_expired", False),
        ([Answer(b"Request has expired", 400)], "url_expired", False),
        ([Answer(b"", 302, {"Location": "http://169.254.169.254/latest/meta-data"})], "redirect", True),
        ([Answer(b"", 503)], "server_error", False),
    ],
)
def test_a_file_that_cannot_be_had(tmp_path: Path, answers: list[Answer], code: str, permanent: bool) -> None:
    bank = bank_with(*answers)
    with pytest.raises(QontoError) as caught:
        over(bank, tmp_path).fetch("c", "a")
    assert (caught.value.code, caught.value.permanent) == (code, permanent)
    assert len(bank.calls) <= 6
    assert "X-Amz-Signature" not in str(caught.value)


def test_an_expired_address_is_asked_for_again(tmp_path: Path) -> None:
    bank = bank_with(Answer(b"Request has expired", 403), Answer(b"Request has expired", 403), Answer(PDF))
    assert over(bank, tmp_path).fetch("c", "a").content == PDF
    assert len(bank.calls) == 6


def test_a_short_file_is_tried_again(tmp_path: Path) -> None:
    assert over(bank_with(Answer(PDF[:3]), Answer(PDF)), tmp_path).fetch("c", "a").content == PDF


def test_the_store_knows_the_length_better(tmp_path: Path) -> None:
    """The attachment still tells the size of an earlier version."""
    bank = bank_with(Answer(PDF, headers={"Content-Length": str(len(PDF))}), size=len(PDF) + 5)
    assert over(bank, tmp_path).fetch("c", "a").content == PDF


@pytest.mark.parametrize("size", [None, "", 3, "3"])
def test_a_size_that_is_missing_or_too_small_is_no_fault(tmp_path: Path, size: object) -> None:
    assert over(bank_with(Answer(PDF), size=size), tmp_path).fetch("c", "a").content == PDF


def test_an_attachment_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(QontoError) as caught:
        over(Scripted(Answer({}, 404, {"X-Request-Id": "r"})), tmp_path).fetch("c", "a")
    assert (caught.value.code, caught.value.request_id) == ("gone", "r")


HOST = "qonto.s3.eu-central-1.amazonaws.com"
HOSTILE = [
    "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://[fd00:ec2::254]/", "http://127.0.0.1/",
    "https://127.0.0.1/", "https://localhost/", "https://2130706433/", "https://0177.0.0.1/", "https://0x7f.0.0.1/",
    "https://0x7f000001/", "https://127.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/", "https://0.0.0.0/", "https://10.0.0.1/", "https://192.168.1.1/", "https://172.16.0.1/",
    f"http://{HOST}/x", f"https://{HOST}:8443/x", f"https://{HOST}:22/x", f"https://{HOST}./x", f"https://{HOST}.evil.example/",
    f"https://evil.example/{HOST}", f"https://evil.example?{HOST}", f"https://evil.example#{HOST}", f"https://evil.example\\@{HOST}/",
    f"https://{HOST}@evil.example/", f"https://user@{HOST}/x", f"https://user:pass@{HOST}/x", f"https://:@{HOST}/x",
    f"https://{HOST}%2eevil.example/", f"https://{HOST}%00.evil.example/", f"https://{HOST}\t.evil.example/",
    f"https://{HOST}\n/x", f" https://{HOST}/x", f"https:/{HOST}/x", f"https:{HOST}/x", f"//{HOST}/x", f"/{HOST}", HOST, "x",
    "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "ftp://evil.example/", "data:text/plain,x", "javascript:1",
    "unix:///var/run/docker.sock", "ws://evil.example/", "https://", "https:///x", "https://[/", "https://[::1", "https://a:b/",
    "https://evil.example:99999/", f"https://xn--{HOST}/", "https://qonto.s3.eu-central-1.amazonaws。com/x",
    "https://s3.eu-central-1.amazonaws.com/qonto/x", "https://qonto.s3.amazonaws.com/x", "https://evil.s3.eu-central-1.amazonaws.com/",
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_addresses_are_never_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The attachment itself is answered in this process; only the file would go over a real socket."""
    touched: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: touched.append(args) or [])
    monkeypatch.setattr(socket, "create_connection", lambda *args, **_: touched.append(args))
    at = settings(tmp_path, "https://thirdparty.qonto.com", qonto_file_origins=(STORE,))
    api = Qonto(at, OneToken("t"), Unlimited())
    api._http = qonto(bank_with(Answer(PDF), url=url), at)._http
    with pytest.raises(QontoError) as caught:
        api.fetch("c", "a")
    assert (caught.value.code, touched) == ("address_refused", [])


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "0.0.0.0", "192.168.0.1", "100.64.0.1", "224.0.0.1", "::1", "fe80::1%eth0",
     "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:1::", "ff02::1", "nonsense", "198.18.0.1"],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    assert is_public("52.219.0.1")
    assert is_public("2600:1f00::1")


@pytest.mark.parametrize("inner", ["127.0.0.1", "169.254.169.254", "::1"])
def test_a_name_that_leads_inside_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: str) -> None:
    """DNS rebinding: the name is the allowed one, its address is not; one bad address among good ones is enough."""
    connected: list[object] = []
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("52.219.0.1", inner)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: answers)
    monkeypatch.setattr(socket, "create_connection", lambda *args, **_: connected.append(args))
    at = settings(tmp_path, "https://thirdparty.qonto.com", qonto_file_origins=(STORE,))
    api = Qonto(at, OneToken("t"), Unlimited())
    api._http = qonto(bank_with(Answer(PDF)), at)._http
    with pytest.raises(QontoError) as caught:
        api.fetch("c", "a")
    assert (caught.value.code, connected) == ("address_refused", [])


def test_the_checked_address_is_the_one_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    answer = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("52.219.0.1", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: [answer])
    monkeypatch.setattr(socket, "create_connection", connect)
    at = settings(tmp_path, "https://thirdparty.qonto.com", qonto_file_origins=(STORE,))
    api = Qonto(at, OneToken("t"), Unlimited())
    api._http = qonto(bank_with(Answer(PDF)), at)._http
    with pytest.raises(Unavailable):
        api.fetch("c", "a")
    assert set(connected) == {("52.219.0.1", 443)}


def test_on_loopback_plain_http_is_fine(tmp_path: Path) -> None:
    """The simulator's files, over a real socket; compression was not asked for."""

    def answer(connection: socket.socket, head: bytes) -> None:
        assert b"authorization" not in head.lower()
        assert b"Accept-Encoding: identity" in head
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(PDF) + PDF)

    with raw_server(answer) as (url, _):
        at = settings(tmp_path, qonto_file_origins=(url,))
        api = Qonto(at, OneToken("t"), Unlimited())
        api._http = qonto(bank_with(Answer(PDF), url=f"{url}/f"), at)._http
        assert api.fetch("c", "a").content == PDF
        api.close()
