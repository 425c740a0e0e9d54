"""People who sign in, their sessions, and what throttles guessing."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Role(StrEnum):
    """What a user is for the firm."""

    CLIENT = "client"
    STAFF = "staff"
    ADMIN = "admin"


def initials_of(name: str) -> str:
    """Up to two letters that stand for a person."""
    return "".join(word[0] for word in name.split()[:2]).upper()


class User(HasId, Base):
    """A person with a log-in."""

    __tablename__ = "user_account"

    email: Mapped[str] = mapped_column(unique=True)  #: in lower case
    name: Mapped[str]
    role: Mapped[str]  #: a `Role`
    password_hash: Mapped[str]  #: argon2id with its parameters
    language: Mapped[str] = mapped_column(default="de")  #: "de" or "en"
    theme: Mapped[str] = mapped_column(default="auto")  #: auto, light, dark
    has_shortcuts: Mapped[bool] = mapped_column(default=True)  #: single-key shortcuts on the review desk
    goes_on: Mapped[bool] = mapped_column(default=True)  #: after a decision to the next receipt; False: stays, with the undo
    has_digest: Mapped[bool] = mapped_column(default=True)  #: wants the digest by mail: staff on working days, clients on Fridays
    knows_learning: Mapped[bool] = mapped_column(default=False)  #: has been told what confirming teaches the matcher
    totp_sealed: Mapped[str | None]  #: sealed TOTP secret; None = no second factor yet
    totp_last_step: Mapped[int] = mapped_column(default=0)  #: the newest used 30-second step: a code works once
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]  #: written at most once a minute

    @property
    def initials(self) -> str:
        """For the round badge in the bar."""
        return initials_of(self.name)

    @property
    def needs_second_factor(self) -> bool:
        """Whoever sees several clients must show a second factor; others may."""
        return self.role in {Role.STAFF, Role.ADMIN} or self.totp_sealed is not None


class UserSession(Base):
    """One signed-in (or not yet signed-in) browser. The cookie holds the random id, this row only its hash."""

    __tablename__ = "user_session"

    id_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str | None] = mapped_column(Id, ForeignKey("user_account.id"), index=True)
    content: Mapped[str] = mapped_column(default="{}")  #: what Flask keeps in a session, JSON
    created_at: Mapped[datetime]  #: of the sign-in: the absolute limit counts from here
    seen_at: Mapped[datetime]
    second_factor_at: Mapped[datetime | None]


class Attempt(HasId, Base):
    """One try at a log-in or a second factor, counted by `key` (`login:account:…`, `login:ip:…`, `totp:…`)."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_key_at", "key", "at"),)

    key: Mapped[str]
    at: Mapped[datetime]


class OneTimeCode(HasId, Base):
    """A code that opens one door once: the first admin's, later invitations and resets."""

    __tablename__ = "one_time_code"

    purpose: Mapped[str]
    code_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
