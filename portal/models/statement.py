"""Bank statements that were brought as files."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Statement(HasId, Base):
    """A bank's file of one account (CSV, CAMT.053, MT940): brought → imported as a whole → undone as a whole.

    Its bytes are kept like a document's.
    """

    __tablename__ = "statement"

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    bank_account_id: Mapped[str] = mapped_column(Id, ForeignKey("bank_account.id"), index=True)
    file_name: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    layout: Mapped[dict[str, Any]]  #: `csv_rows.Layout`
    state: Mapped[str] = mapped_column(default="brought")  #: brought, imported, undone
    first_on: Mapped[date | None]  #: of the period that it tells; None until it is imported
    last_on: Mapped[date | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)  #: of the import: new, known, each flaw
    brought_by: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    imported_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
