"""What each of several receipts takes of one payment that is not worth exactly their sum."""

from __future__ import annotations

from collections.abc import Sequence


def scaled(parts: Sequence[int], total: int) -> list[int] | None:
    """Bring signed parts to a total by one ratio, each rounded so that not a cent is lost or made up.

    Cents. A discount is taken off an invoice and off the credit note beside it alike. None where that cannot be: the parts are
    worth nothing together, or one of them would be left with nothing or turned round.
    """
    whole = sum(parts)
    if whole <= 0 or total <= 0:
        return None
    shares, told, given = [], 0, 0
    for part in parts:
        told += part
        until = (2 * told * total + whole) // (2 * whole)  # told * total / whole, half a cent up
        shares.append(until - given)
        given = until
    return shares if all(share * part > 0 for share, part in zip(shares, parts, strict=True)) else None
