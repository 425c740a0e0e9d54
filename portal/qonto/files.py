"""Downloading files from the addresses that the bank hands out: pre-signed, on another host, good for half an hour.

The address is data from outside. Its origin must be one of the settings', before anything is resolved or connected to; the host's
addresses must be public ones (unless the bank is our simulator on loopback); no token goes there, no redirect is followed.
"""

from __future__ import annotations

import httpx2
import structlog

from portal.errors import QontoError, Unavailable
from portal.qonto.errors import Code, refusal
from portal.qonto.schema import Attachment
from portal.qonto.transport import GuardedTransport, Transport, new_client, read_limited, translated
from portal.settings import Settings

log = structlog.get_logger()

MAX_FILE = 50 * 1024 * 1024

Origin = tuple[str, str, int | None]


class FileStore:
    """The hosts that the bank keeps files on."""

    def __init__(self, settings: Settings, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._may_be_local = settings.is_simulator
        self._origins = {_origin(httpx2.URL(origin)) for origin in settings.qonto_file_origins}
        self._beginnings = tuple(f"{origin.rstrip('/')}/" for origin in settings.qonto_file_origins)
        timing = settings.timing
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if settings.qonto_staging_token:
            headers["X-Qonto-Staging-Token"] = settings.qonto_staging_token
        self._http = new_client(
            GuardedTransport(transport or Transport(is_public_only=not self._may_be_local)),
            headers=headers,
            timeout=httpx2.Timeout(timing.read_timeout, connect=timing.connect_timeout),
        )

    def close(self) -> None:
        """Close the connections that are kept for further downloads."""
        self._http.close()

    def download(self, attachment: Attachment) -> bytes | None:
        """The bytes; None when the address has expired. Codes: gone, too_big, empty, short_file, address_refused."""
        address = self._checked(attachment)
        try:
            with translated(), self._http.stream("GET", address) as response:
                return _content(response, attachment)
        except Unavailable as error:
            if error.code == Code.TOO_LARGE:
                raise QontoError("This file is larger than 50 MB.", code=Code.TOO_BIG) from error
            if error.code == Code.TRUNCATED:
                raise _short(attachment) from error
            raise

    def _checked(self, attachment: Attachment) -> httpx2.URL:
        """The address as the HTTP library itself reads it, so that no second parser can be of another opinion.

        It must also be spelled as the setting is: nothing that becomes the allowed host only after normalising.
        """
        with translated():
            address = httpx2.URL(attachment.url)
        is_encrypted = address.scheme == "https" or self._may_be_local
        is_ours = _origin(address) in self._origins and attachment.url.startswith(self._beginnings)
        if not is_encrypted or address.userinfo or not is_ours:
            log.warning("file_address_refused", attachment=attachment.id, scheme=address.scheme[:20], host=address.host[:100])
            raise QontoError("Qonto named an address that we do not open.", code=Code.ADDRESS_REFUSED)
        return address


def _content(response: httpx2.Response, attachment: Attachment) -> bytes | None:
    status = response.status_code
    if status != httpx2.codes.OK:
        body = read_limited(response, 64 * 1024)
        if status == httpx2.codes.FORBIDDEN or (status == httpx2.codes.BAD_REQUEST and b"expired" in body.lower()):
            return None  # an old signature; whether it is something else, a new one shows
        if status in {httpx2.codes.NOT_FOUND, httpx2.codes.GONE}:
            raise QontoError("Qonto no longer has this file.", status_code=status, code=Code.GONE)
        raise refusal(status, response.headers, b"")
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_FILE:
        raise Unavailable(Code.TOO_LARGE)
    content = read_limited(response, MAX_FILE)
    if not content:
        raise QontoError("Qonto sent an empty file.", code=Code.EMPTY, permanent=False)
    # The store's own length has been checked by reading. The attachment's may be of an earlier version of the file (F53, F54),
    # so it only speaks where the store does not.
    if not announced and len(content) < (attachment.size or 0):
        raise _short(attachment)
    return content


def _short(attachment: Attachment) -> QontoError:
    log.info("short_file", attachment=attachment.id)
    return QontoError("Qonto sent only a part of this file.", code=Code.SHORT_FILE, permanent=False)


def _origin(address: httpx2.URL) -> Origin:
    return address.scheme, address.raw_host.decode().lower(), address.port
