"""Ids, IBANs and money: small things that every module writes in the same way."""

from __future__ import annotations

import hashlib
import random
import uuid
from decimal import Decimal, InvalidOperation
from typing import Any

Row = dict[str, Any]


def uid(*key: object) -> str:
    """An id that the same key always gets."""
    return str(uuid.UUID(bytes=hashlib.sha256("|".join(map(str, key)).encode()).digest()[:16], version=4))


def dice(*key: object) -> random.Random:
    """Chance that falls the same for the same key."""
    return random.Random("|".join(map(str, key)))


def iban(*key: object) -> str:
    """A German IBAN with right check digits and bank code 00000000, which no bank has."""
    account = int.from_bytes(hashlib.sha256("|".join(map(str, key)).encode()).digest()[:6], "big") % 9 * 10**9
    account += int.from_bytes(hashlib.sha256("|".join(map(str, key)).encode()).digest()[6:12], "big") % 10**9
    bban = f"00000000{account:010d}"
    return f"DE{98 - int(bban + '131400') % 97:02d}{bban}"


def money(cents: int | None, currency: str = "EUR") -> Row | None:
    """A money object of the invoices: a decimal text and a currency."""
    if cents is None:
        return None
    return {"value": decimal(cents), "currency": currency}


def decimal(cents: int) -> str:
    """`-1190` → `-11.90`."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def cents_of(value: Row | None) -> int | None:
    """The cents of a money object; None when it has no readable value."""
    try:
        return int(Decimal(str((value or {})["value"])) * 100)
    except (KeyError, InvalidOperation, TypeError):
        return None


def german(cents: int, currency: str = "EUR") -> str:
    """As printed on paper: `1.190,00 EUR`."""
    whole = f"{abs(cents) // 100:,}".replace(",", ".")
    return f"{'-' if cents < 0 else ''}{whole},{abs(cents) % 100:02d} {currency}"
