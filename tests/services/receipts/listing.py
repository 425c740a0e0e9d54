"""What the bank lists, and a digest of what is stored of it: for the tests of the import."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import func, select

from portal.models import AuditEvent, Document, Preview, Receipt, SkippedInvoice
from tests.story import Story

LISTS = ("/v2/supplier_invoices", "/v2/client_invoices", "/v2/credit_notes")


def money(cents: int) -> dict[str, str]:
    return {"value": f"{cents / 100:.2f}", "currency": "EUR"}


def all_listed(story: Story) -> dict[str, dict[str, Any]]:
    """What the bank lists, read past the product: id → row with its list's name."""
    scope = "client_invoices.read supplier_invoice.read attachment.read"
    token = story.bank.tell("tokens", organization=None, scope=scope)["access_token"]
    found: dict[str, dict[str, Any]] = {}
    for path in LISTS:
        name, page = path.rsplit("/", 1)[1], 1
        while page:
            answer = story.bank.call(f"{path}?page={page}&per_page=100", token=token).json()
            found.update({row["id"]: {**row, "list": name} for row in answer[name]})
            page = answer["meta"]["next_page"]
    return found


def digest(story: Story) -> str:
    """One hash over everything but the run log, times and tokens."""
    seen = hashlib.sha256()
    with story.ports.database.read() as session:
        for model in (Receipt, Document, Preview, SkippedInvoice):
            for row in session.execute(select(*[c for c in model.__table__.columns if c.key != "seen_at"]).order_by(model.id)):
                seen.update(repr(tuple(row)).encode())
        seen.update(
            str(session.scalar(select(func.count()).select_from(AuditEvent).where(~AuditEvent.tag.startswith("run.")))).encode()
        )
    return seen.hexdigest()
