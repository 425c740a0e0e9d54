"""The queues of the desk that somebody has named."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class SavedView(HasId, Base):
    """One person's own name for a queue of the desk. It goes with him."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    user_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id", ondelete="CASCADE"))
    name: Mapped[str]
    query: Mapped[dict[str, Any]]  #: the filters as the desk's address says them (`Filters.asked`); may name what is gone since
    created_at: Mapped[datetime]
