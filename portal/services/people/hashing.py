"""Passwords: what is accepted, and how they are kept."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portal.errors import Rejected

SHORTEST, LONGEST = 12, 128  #: characters; no rule about which ones (ASVS V6.2.1, V6.2.5, V6.2.9)
COMMON = Path(__file__).parent / "common_passwords.txt"

#: argon2id, 64 MiB, three passes, one lane: 0.14 s on the 2-core machine this was set on (wanted: 0.1–0.5 s)
HASHER = PasswordHasher(memory_cost=64 * 1024, time_cost=3, parallelism=1)


def check(password: str) -> None:
    """Rejected, with what to do about it, when the password is too short, too long or one that everybody tries."""
    if len(password) < SHORTEST:
        raise Rejected("Choose a password of at least 12 characters. Several words are easy to remember.")
    if len(password) > LONGEST:
        raise Rejected("Choose a password of at most 128 characters.")
    if password.casefold() in _common():
        raise Rejected("This password is too well known. Choose another one.")


def hashed(password: str) -> str:
    """The argon2id hash with its parameters and salt."""
    return HASHER.hash(_spelled(password))


def is_right(password_hash: str, password: str) -> bool:
    """Compare; takes as long for a wrong password as for the right one."""
    try:
        return HASHER.verify(password_hash, _spelled(password))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


@cache
def dummy_hash() -> str:
    """What an unknown person's password is compared with, so that the answer takes as long as for a known one."""
    return HASHER.hash("nobody has this password")


@cache
def _common() -> frozenset[str]:
    return frozenset(line.casefold() for line in COMMON.read_text(encoding="utf-8").splitlines())


def _spelled(password: str) -> str:
    """One spelling for what looks the same: keyboards compose letters like ü in different ways."""
    return unicodedata.normalize("NFKC", password)
