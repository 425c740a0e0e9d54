"""Secrets at rest: AES-256-GCM under a key ring, bound to the place where they are stored.

A sealed text is `<key id>.<base64 of nonce + ciphertext>`. The place (`table|column|client|row`) and the key's id are
authenticated with it, so a text moved to another row, column or client does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class CannotOpen(Exception):
    """The sealed text was changed, moved, or sealed with a key that is gone."""


class KeyRing:
    """Opens with any of its keys, seals with the first. Keys are URL-safe base64 of 32 bytes."""

    def __init__(self, keys: Sequence[str]) -> None:
        raw = [base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)) for key in keys]
        if not raw or any(len(key) != 32 for key in raw):  # noqa: PLR2004 -- AES-256
            raise ValueError("each token key must be 32 bytes, URL-safe base64")
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: key for key in raw}
        self._first = next(iter(self._keys))

    def seal(self, plain: str, *, place: str) -> str:
        """Encrypt for exactly this place."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._keys[self._first]).encrypt(nonce, plain.encode(), _bound(place, self._first))
        return f"{self._first}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, place: str) -> str:
        """Decrypt; `CannotOpen` when anything about it is wrong."""
        key_id, _, body = sealed.partition(".")
        try:
            raw = base64.urlsafe_b64decode(body)
            key = self._keys[key_id]
            return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(place, key_id)).decode()
        except (KeyError, ValueError, InvalidTag) as error:
            raise CannotOpen(place) from error


def _bound(place: str, key_id: str) -> bytes:
    return f"{place}|{key_id}".encode()


def place_of(table: str, column: str, client_id: str, row_id: str) -> str:
    """Where a secret lives, as the additional authenticated data of `KeyRing`."""
    return f"{table}|{column}|{client_id}|{row_id}"


def digest(secret: str) -> str:
    """What is stored of a random secret that only has to be recognised (session ids, one-time codes, OAuth states)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def chain_hash(key: str, previous: str, body: str) -> str:
    """The next link of an audit chain: HMAC-SHA-256 over the previous link and the canonical body."""
    return hmac.new(key.encode(), f"{previous}\n{body}".encode(), hashlib.sha256).hexdigest()
