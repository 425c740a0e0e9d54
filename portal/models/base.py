"""What every table shares."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Dialect, MetaData, String, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from portal.db import UtcDateTime, new_id


class Base(DeclarativeBase):
    """Typed declarative base; names of constraints are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 -- read by SQLAlchemy from the class
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        str: String,
    }


class _Text(Uuid[str]):
    """A UUID as text. From SQLite, which keeps its 32 digits, it is cut instead of parsed: that is most of a long list's time."""

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], str | None] | None:
        """From the database."""
        if dialect.supports_native_uuid:
            return lambda kept: kept and str(kept)
        return lambda kept: kept and f"{kept[:8]}-{kept[8:12]}-{kept[12:16]}-{kept[16:20]}-{kept[20:]}"


Id = _Text(as_uuid=False)


class HasId:
    """A time-ordered UUID as the primary key."""

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
