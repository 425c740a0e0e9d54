"""Strong customer authentication: what the bank asks its user to confirm in the app on the phone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.simulator.clock import stamp
from portal.simulator.errors import ApiError
from portal.simulator.grants import Connection
from portal.simulator.names import Row

LIFE = timedelta(minutes=15)
WAITING, ALLOW, DENY = "waiting", "allow", "deny"


@dataclass(slots=True)
class Session:
    """One thing to confirm, by the user whose token asked for it."""

    token: str
    action: str  #: in the bank's words, such as `transaction.list`
    connection_id: str
    membership_id: str
    created_at: datetime
    result: str = WAITING

    def result_at(self, now: datetime) -> str:
        """Fifteen minutes without an answer are a no."""
        return DENY if self.result == WAITING and now - self.created_at > LIFE else self.result


class ScaSessions:
    """All of them, oldest first."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def demand(self, asker: Connection, action: str, now: datetime) -> ApiError:
        """Open a session: the refusal that names it, to be raised."""
        token = secrets.token_urlsafe(48)
        self._sessions[token] = Session(token, action, asker.id, asker.membership_id, now)
        return _required(
            code="sca_required", message="SCA required", action_type=action, sca_session_token=token,
            sca_recovery_token=secrets.token_urlsafe(16),
        )  # fmt: skip

    def find(self, token: str, asker: Connection | None = None) -> Session | None:
        """The session of this token; with `asker` only one of the same user."""
        found = self._sessions.get(token)
        return found if found and (asker is None or found.membership_id == asker.membership_id) else None

    def is_allowed(self, token: str | None, asker: Connection, action: str, now: datetime) -> bool:
        """Whether this token opens a call of this kind to this connection."""
        found = self.find(token or "", asker)
        return found is not None and found.connection_id == asker.id and found.action == action and found.result_at(now) == ALLOW

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


def _required(**body: Any) -> ApiError:
    """428, flat."""
    return ApiError(428, body)
