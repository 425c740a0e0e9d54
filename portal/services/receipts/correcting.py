"""Correcting what was read of a receipt. The original is kept, and the bank's later word does not overwrite a person's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.errors import Rejected
from portal.models import Receipt, Run
from portal.services import running
from portal.services.assignments import assigning
from portal.services.auditing import Tag, record

CORRECTABLE = ("amount_cents", "counterparty", "number", "issued_on")


def correct(session: Session, receipt: Receipt, values: dict[str, Any], *, seen_version: int, now: datetime) -> Run:
    """Set the facts (of CORRECTABLE) that a person read off the document; those that are None stay. Looks for candidates again.

    Errors: Stale when it changed since the page was made, AlreadyAssigned outside of review, Rejected when nothing changes.
    """
    assigning.take_open(session, receipt, seen_version)
    changed = {name: values[name] for name in CORRECTABLE if values.get(name) not in {None, getattr(receipt, name)}}
    if not changed:
        raise Rejected("Nothing of it differs from what stands there.")
    originals = dict(receipt.corrected)
    for name, value in changed.items():
        originals.setdefault(name, _stored(getattr(receipt, name)))
        if originals[name] == _stored(value):
            del originals[name]
        setattr(receipt, name, value)
    if "amount_cents" in changed and receipt.currency is None:
        receipt.currency = "EUR"
    receipt.corrected, receipt.updated_at = originals, now
    receipt.filled = sorted(set(receipt.filled) - changed.keys())
    session.flush()
    record(
        session,
        Tag.RECEIPT_CORRECTED,
        subject=f"receipt:{receipt.id}",
        at=now,
        client_id=receipt.client_id,
        fields=sorted(changed),
    )
    return running.request(session, client_id=receipt.client_id, kind="matching", trigger="change", now=now)


def still_corrected(receipt: Receipt, told_by_bank: dict[str, Any]) -> set[str]:
    """Facts in which a person's word stands against the bank's; what the bank says now becomes the original.

    Where the bank says the same by now, nothing is corrected any more.
    """
    originals = {name: _stored(told_by_bank[name]) for name in receipt.corrected if told_by_bank[name] != getattr(receipt, name)}
    if originals != receipt.corrected:
        receipt.corrected = originals
    return set(originals)


def _stored(value: Any) -> Any:
    """As JSON keeps it."""
    return value.isoformat() if isinstance(value, date) else value
