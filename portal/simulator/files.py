"""Attachments and their signed addresses: good for 30 minutes, on an address outside the API, without a bearer token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from portal.simulator.names import Row

LIFETIME = timedelta(minutes=30)
TYPES = {
    "pdf": "application/pdf",
    "zugferd": "application/pdf",
    "xrechnung": "application/xml",
    "png": "image/png",
    "jpg": "image/jpeg",
}


@dataclass(slots=True)
class Attachment:
    """A stored file. `make` writes it when somebody looks: most of the story's files are never opened."""

    id: str
    organization_id: str
    file_name: str
    content_type: str
    created_at: str
    make: Callable[[], bytes]


class Files:
    """Every attachment, and who may fetch it until when."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._told: dict[str, Attachment] = {}
        self._added: dict[str, Attachment] = {}
        self._contents: dict[str, bytes] = {}

    def fill(self, attachments: dict[str, Attachment], contents: dict[str, bytes]) -> None:
        """Start from the story. `contents` is shared between resets: the same story has the same bytes."""
        self._told, self._contents = attachments, contents

    def add(self, attachment: Attachment) -> None:
        """Keep one more file."""
        self._added[attachment.id] = attachment

    def find(self, attachment_id: str) -> Attachment | None:
        """The attachment of this id."""
        return self._added.get(attachment_id) or self._told.get(attachment_id)

    def content(self, attachment: Attachment) -> bytes:
        """The bytes; those of the story are written at the first look."""
        if attachment.id in self._added:
            return attachment.make()
        content = self._contents.get(attachment.id)
        if content is None:
            content = self._contents[attachment.id] = attachment.make()
        return content

    def shown(self, attachment: Attachment, *, base: str, connection_id: str, now: datetime) -> Row:
        """The attachment as the API shows it, with a fresh address."""
        return {
            "id": attachment.id,
            "created_at": attachment.created_at,
            "file_name": attachment.file_name,
            "file_size": str(len(self.content(attachment))),
            "file_content_type": attachment.content_type,
            "url": self._address(attachment, base, connection_id, now),
            "probative_attachment": {"status": "unavailable"},
        }

    def _address(self, attachment: Attachment, base: str, connection_id: str, now: datetime) -> str:
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": connection_id,
            "X-Amz-Date": now.strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-Expires": str(int(LIFETIME.total_seconds())),
        }
        signature = self._sign(attachment.id, query)
        return f"{base}/files/{attachment.id}/{quote(attachment.file_name)}?{urlencode({**query, 'X-Amz-Signature': signature})}"

    def _sign(self, attachment_id: str, query: dict[str, str]) -> str:
        words = [attachment_id, *(f"{name}={query.get(name, '')}" for name in sorted(query) if name != "X-Amz-Signature")]
        return hmac.new(self._secret, "\n".join(words).encode(), hashlib.sha256).hexdigest()

    def refusal(self, attachment_id: str, query: dict[str, str], now: datetime) -> str | None:
        """Why this address opens nothing; None when it does."""
        signature = query.get("X-Amz-Signature", "")
        if not hmac.compare_digest(signature.encode(), self._sign(attachment_id, query).encode()):
            return "SignatureDoesNotMatch"
        signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return "Request has expired" if now > signed_at + LIFETIME else None
