"""The review desk's addresses, and what is stored of a receipt that it decides."""

from __future__ import annotations

from sqlalchemy import select

from portal.models import Assignment, Receipt
from portal.ports import Ports

DESK = "/review"


def path_of(receipt: Receipt, what: str) -> str:
    return f"/receipts/{receipt.id}/{what}"


def stored(ports: Ports, receipt: Receipt) -> Receipt:
    with ports.database.read() as session:
        return session.get_one(Receipt, receipt.id)


def standing(ports: Ports, receipt: Receipt) -> list[Assignment]:
    with ports.database.read() as session:
        return list(
            session.scalars(select(Assignment).where(Assignment.receipt_id == receipt.id, Assignment.withdrawn_at.is_(None)))
        )
