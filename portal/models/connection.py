"""The technical link to a client's bank, the consent behind it, its confirmations, and the client's bank accounts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, HasId, Id


class Connection(HasId, Base):
    """One link of one kind between a client and Qonto; its own tokens and scopes.

    `state` is the consent's side (`domain/connection_state.py`); how a sync goes is told by the runs.
    """

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("client_id", "kind"),)

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    kind: Mapped[str]  #: documents, bank (payments later)
    state: Mapped[str]  #: connecting, active, action_needed, disconnected
    reason: Mapped[str] = mapped_column(default="")  #: why action is needed: a code of `qonto/errors.py`, or other_organization
    organization_id: Mapped[str | None]  #: Qonto's; learned from the first rows or the organisation call
    organization_name: Mapped[str | None]
    scopes: Mapped[str] = mapped_column(default="")  #: granted, space separated
    connected_by: Mapped[str | None] = mapped_column(Id, ForeignKey("user_account.id"))
    connected_at: Mapped[datetime | None]  #: when the first call over the new consent had succeeded
    consent_expires_at: Mapped[datetime | None]  #: the refresh token's end if it is not used before
    paused_at: Mapped[datetime | None]  #: while it is set no sync starts by itself; the consent stands
    created_at: Mapped[datetime]

    access_token: Mapped[str | None]  #: sealed
    refresh_token: Mapped[str | None]  #: sealed
    access_expires_at: Mapped[datetime | None]  #: by our own receipt clock
    token_version: Mapped[int] = mapped_column(default=0)  #: counts each stored token set
    refresh_lease: Mapped[str | None]  #: who refreshes right now
    refresh_lease_until: Mapped[datetime | None]
    refresh_started_at: Mapped[
        datetime | None
    ]  #: first use of the stored refresh token: the bank's minute of grace runs from here

    synced_until: Mapped[datetime | None]  #: everything the bank changed before this moment has been applied
    scope_start_on: Mapped[date | None]  #: start of the period that `synced_until` speaks of; an earlier start means a backfill
    listed_fully_at: Mapped[datetime | None]  #: when its lists were last read from their first row
    listed_count: Mapped[int | None]  #: how many rows they had then
    last_attempt_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]


class Consent(HasId, Base):
    """A permission given once; kept after it ended."""

    __tablename__ = "consent"

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    connection_id: Mapped[str] = mapped_column(Id, ForeignKey("connection.id"), index=True)
    scopes: Mapped[str]
    accounts: Mapped[list[Any]] = mapped_column(default=list)  #: ids of the bank accounts that may be read; of a bank connection
    granted_by: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    granted_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ConnectAttempt(HasId, Base):
    """A journey to the bank's consent page: state and verifier, for one session, one client, one use, ten minutes."""

    __tablename__ = "connect_attempt"

    state_hash: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("user_account.id"))
    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    kind: Mapped[str]
    verifier: Mapped[str]  #: sealed PKCE code verifier
    browser: Mapped[str] = mapped_column(default="")  #: hash of the session that it began in
    start_on: Mapped[date | None]  #: from when accounts are to be read, as wished before the journey
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ScaSession(HasId, Base):
    """A confirmation that the bank asked for (strong customer authentication), which its user gives in the bank's own app."""

    __tablename__ = "sca_session"

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    connection_id: Mapped[str] = mapped_column(Id, ForeignKey("connection.id"), index=True)
    run_id: Mapped[str] = mapped_column(Id, ForeignKey("run.id"))  #: what waits for it
    token: Mapped[str]  #: sealed; asks the bank how far it is, and opens the call that was refused
    state: Mapped[str] = mapped_column(default="waiting")  #: waiting, allow, deny, expired
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class BankAccount(HasId, Base):
    """One IBAN of a client. Offline while no connection reads it; a connection that finds the same IBAN takes it up."""

    __tablename__ = "bank_account"
    __table_args__ = (UniqueConstraint("client_id", "iban"), UniqueConstraint("connection_id", "qonto_id"))

    client_id: Mapped[str] = mapped_column(Id, ForeignKey("client.id"))
    connection_id: Mapped[str | None] = mapped_column(Id, ForeignKey("connection.id"))
    qonto_id: Mapped[str | None]
    iban: Mapped[str | None]
    name: Mapped[str]  #: the bank's, or what an offline account was called first
    label: Mapped[str] = mapped_column(default="")  #: what the client calls it; empty: as the bank does
    holder: Mapped[str] = mapped_column(default="")
    use: Mapped[str] = mapped_column(default="business")  #: business, private
    ledger_number: Mapped[str] = mapped_column(default="")  #: in the firm's books
    currency: Mapped[str]
    balance_cents: Mapped[int | None] = mapped_column(BigInteger)
    difference_cents: Mapped[int | None] = mapped_column(
        BigInteger
    )  #: by which that exceeds the sum of what is here; None: cannot be told
    is_active: Mapped[bool] = mapped_column(default=True)  #: the bank lists it, and it is open there
    is_chosen: Mapped[bool] = mapped_column(default=False)  #: the client wants it to be read
    is_ticked: Mapped[bool] = mapped_column(default=True)  #: it was among those that were synced by hand last
    refusal: Mapped[str] = mapped_column(default="")  #: why the bank did not hand out its transactions: forbidden, not_found
    start_on: Mapped[date]  #: transactions booked before this day are not fetched
    synced_until: Mapped[datetime | None]
    covered_until: Mapped[date | None]  #: last Berlin day of which every booked transaction is here
    deleted_at: Mapped[datetime | None]  #: the client took it out of the books; what came in stays, marked

    @property
    def title(self) -> str:
        """What it is called on every page."""
        return self.label or self.name

    @property
    def short_iban(self) -> str:
        """The last four digits, all that a list or a log may show."""
        return f"··{self.iban[-4:]}" if self.iban else ""
