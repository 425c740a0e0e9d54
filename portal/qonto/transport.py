"""The wire: connections with a deadline for the whole call, and with pinned public addresses where a stranger names the host.

HTTP libraries limit each read; a server that sends a byte a second stays below that for ever. Here every read gets what is
left of the call's time. The name of a file host is resolved once, checked, and the checked address is the one connected to.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore2
import httpx2

from portal.db import refuse_open_transaction
from portal.errors import QontoError, Unavailable
from portal.qonto.errors import Code

# it logs whole addresses at INFO, and a file's address is a key to it
logging.getLogger("httpx2").setLevel(logging.WARNING)
logging.getLogger("httpcore2").setLevel(logging.WARNING)

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)

NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class AddressRefused(OSError):
    """The name of a file host leads to an address that we do not connect to."""


class OutOfTime(httpx2.TimeoutException):
    """The whole call took longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Everything that this thread sends and reads inside ends by then (`OutOfTime`)."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def check_time() -> None:
    """Raise `OutOfTime` when the surrounding `time_limit` is over."""
    if _is_over():
        raise OutOfTime("the call's time is over")


def _is_over() -> bool:
    ends_at = _ends_at.get()
    return ends_at is not None and time.monotonic() >= ends_at


def _left(timeout: float | None) -> float | None:
    """The shorter of a timeout and the rest of the call's time."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return timeout
    check_time()
    rest = max(ends_at - time.monotonic(), 0.001)
    return rest if timeout is None else min(timeout, rest)


@contextmanager
def translated(*, is_answering: bool = False) -> Iterator[None]:
    """Turn every transport exception into ours. `is_answering`: the status line was here, so a break means a cut answer."""
    broken = Code.TRUNCATED if is_answering else Code.NETWORK
    try:
        yield
    except httpx2.TimeoutException as error:
        raise Unavailable(Code.DEADLINE if _is_over() else Code.TIMEOUT) from error
    except httpx2.DecodingError as error:
        raise Unavailable(Code.BAD_JSON) from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        # without the cause: its text holds the address
        raise QontoError("Qonto named an address that we do not open.", code=Code.ADDRESS_REFUSED) from None
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        if _is_caused_by(error, AddressRefused):
            raise QontoError("Qonto named an address that we do not open.", code=Code.ADDRESS_REFUSED) from None
        raise Unavailable(Code.TLS if _is_caused_by(error, ssl.SSLError) else broken) from error


def _is_caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Stream(httpcore2.NetworkStream):
    """A connection whose reads and writes end with the call's time."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.SyncBackend):
    """Opens connections; with `is_public_only` to public addresses alone."""

    def __init__(self, *, is_public_only: bool) -> None:
        self._is_public_only = is_public_only

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:  # fmt: skip
        if self._is_public_only:
            host = public_address(host, port)
        return _Stream(super().connect_tcp(host, port, _left(timeout), local_address, socket_options))


class Transport(httpx2.HTTPTransport):
    """`httpx2.HTTPTransport` over our own connections. Proxies of the environment are not used: they would resolve names."""

    def __init__(self, *, is_public_only: bool = False, keeps_alive: bool = True) -> None:
        super().__init__()
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=40,
            max_keepalive_connections=20 if keeps_alive else 0,
            keepalive_expiry=10.0,
            network_backend=_Backend(is_public_only=is_public_only),
        )


def public_address(host: str, port: int) -> str:
    """Resolve a name and return an address to connect to; `AddressRefused` if any of its addresses is not public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(str(error)) from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise AddressRefused("not a public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet; an IPv4 address inside an IPv6 one is looked at too."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if parsed.teredo or any(parsed in network for network in NAT64):
            return False
    return parsed.is_global and not parsed.is_multicast


def new_client(transport: httpx2.BaseTransport, **kwargs: Any) -> httpx2.Client:
    """A client that keeps no cookies, follows nothing, and reads nothing from the environment."""
    return httpx2.Client(transport=transport, **client_options(), **kwargs)


def client_options() -> dict[str, Any]:
    """What every client of ours has in common."""
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return {"cookies": no_cookies, "follow_redirects": False, "trust_env": False}


def read_limited(response: httpx2.Response, limit: int) -> bytes:
    """The decoded body; Unavailable when it exceeds `limit`, is cut, or takes too long."""
    parts, size = [], 0
    with translated(is_answering=True):
        for part in response.iter_bytes():
            check_time()
            size += len(part)
            if size > limit:
                raise Unavailable(Code.TOO_LARGE, status_code=response.status_code)
            parts.append(part)
    announced = response.headers.get("content-length", "")
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    if is_plain and announced.isdecimal() and size < int(announced) and response.request.method != "HEAD":
        raise Unavailable(Code.TRUNCATED, status_code=response.status_code)
    return b"".join(parts)


class GuardedTransport(httpx2.BaseTransport):
    """What stands before each request: no database transaction may be open while we wait for the bank."""

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Check, then send."""
        refuse_open_transaction()
        check_time()
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
