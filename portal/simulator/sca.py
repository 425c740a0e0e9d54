"""Strong customer authentication: what the bank asks its user to confirm in the app on the phone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.simulator.clock import stamp
from portal.simulator.errors import ApiError, refuse
from portal.simulator.grants import Connection
from portal.simulator.names import Row

LIFE = timedelta(minutes=15)
WAITING, ALLOW, DENY = "waiting", "allow", "deny"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the phone shows of something to confirm; a beneficiary comes without an amount."""

    name: str
    iban: str
    cents: int | None = None


@dataclass(slots=True)
class Session:
    """One thing to confirm, by the user whose token asked for it."""

    token: str
    action: str  #: in the bank's words, such as `transaction.list`
    connection_id: str
    membership_id: str
    created_at: datetime
    bound_to: str = ""  #: the one write that it opens, once; empty for reading, which it opens for good
    subjects: tuple[Subject, ...] = ()
    result: str = WAITING
    is_used: bool = False

    def result_at(self, now: datetime) -> str:
        """Fifteen minutes without an answer are a no; for a write they are one even after a yes."""
        is_over = now - self.created_at > LIFE and (self.result == WAITING or self.bound_to != "")
        return DENY if is_over else self.result


class ScaSessions:
    """All of them, oldest first."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def demand(
        self, asker: Connection, action: str, now: datetime, *, bound_to: str = "", subjects: tuple[Subject, ...] = ()
    ) -> ApiError:
        """Open a session: the refusal that names it, to be raised."""
        token = secrets.token_urlsafe(48)
        self._sessions[token] = Session(token, action, asker.id, asker.membership_id, now, bound_to, subjects)
        return _required(
            code="sca_required", message="SCA required", action_type=action, sca_session_token=token,
            sca_recovery_token=secrets.token_urlsafe(16),
        )  # fmt: skip

    def find(self, token: str, asker: Connection | None = None) -> Session | None:
        """The session of this token; with `asker` only one that this connection opened."""
        found = self._sessions.get(token)
        return found if found and (asker is None or found.connection_id == asker.id) else None

    def is_allowed(self, token: str | None, asker: Connection, action: str, now: datetime) -> bool:
        """Whether this token opens a call of this kind to this connection."""
        found = self.find(token or "", asker)
        return found is not None and found.action == action and found.result_at(now) == ALLOW

    def use(self, token: str, asker: Connection, bound_to: str, now: datetime) -> None:
        """Spend a yes on the write it was given for. Errors: 422 in a shape of its own when it does not fit."""
        found = self.find(token, asker)
        if found is None or found.is_used or found.bound_to != bound_to or found.result_at(now) != ALLOW:
            raise ApiError(422, {"errors": {"message": "Not found"}})
        found.is_used = True

    def decide(self, session: Session, decision: str, now: datetime) -> None:
        """What the user pressed; too late, or a second time, changes nothing."""
        if session.result_at(now) == WAITING:
            session.result = decision

    def waiting(self, now: datetime) -> list[Session]:
        """What the app on the phone shows."""
        return [session for session in self._sessions.values() if session.result_at(now) == WAITING]

    def shown(self, now: datetime) -> list[Row]:
        """As the control door lists them."""
        return [
            {
                "sca_session_token": session.token, "action_type": session.action, "membership_id": session.membership_id,
                "result": session.result_at(now), "created_at": stamp(session.created_at),
            }
            for session in self._sessions.values()
        ]  # fmt: skip


def not_enrolled() -> ApiError:
    """The user has no device that could confirm anything."""
    return _required(code="sca_not_enrolled", message="You must enable SCA to perform this action")


def over() -> ApiError:
    """Polling found the session's time over."""
    return refuse(412, "precondition_failed", "The SCA session is over or unknown")


def _required(**body: Any) -> ApiError:
    """428, flat."""
    return ApiError(428, body)
