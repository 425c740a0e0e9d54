"""Confirmations that the bank asks for while a run reads it (strong customer authentication).

The user confirms in the bank's app, maybe minutes later, maybe with our page closed: the run lets go and looks again every few
seconds, for as long as the bank waits. Asking how far it is bothers nobody; making the refused call again sends a new message to
his phone. So that is left to runs that he starts himself (L-31, L-32, L-75).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.crypto import place_of
from portal.db import new_id
from portal.errors import Rejected
from portal.models import Connection, Run, ScaSession
from portal.ports import Ports
from portal.qonto.errors import Code
from portal.services import running
from portal.services.auditing import Tag, record
from portal.services.running import Lease

LIFE = timedelta(minutes=15)  #: as long as the bank waits
BETWEEN = timedelta(seconds=3)
HINT_AFTER = timedelta(seconds=30)  #: whoever has seen nothing by then may need a newer app


def note(ports: Ports, lease: Lease, token: str) -> None:
    """The bank wants a yes for what this run asked. An empty token: its user has no device to say it with."""
    if not token or lease.connection_id is None:
        return
    now, row_id = ports.clock.now(), new_id()
    with ports.database.write() as session:
        running.advance(session, lease)
        session.add(
            ScaSession(
                id=row_id, client_id=lease.client_id, connection_id=lease.connection_id, run_id=lease.run_id,
                token=ports.keyring.seal(token, place=_place(lease.client_id, row_id)), state="waiting", created_at=now,
                expires_at=now + LIFE, decided_at=None,
            )
        )  # fmt: skip
        record(
            session, Tag.SCA_DEMANDED, subject=f"connection:{lease.connection_id}", at=now, client_id=lease.client_id,
            run=lease.run_id,
        )  # fmt: skip


def stands(ports: Ports, lease: Lease, *, trigger: str) -> Code | None:
    """Whether a run may read the bank now: None, or what keeps it from that. SCA_REQUIRED of a run's own: look again later."""
    assert lease.connection_id is not None
    now = ports.clock.now()
    with ports.database.read() as session:
        row = newest(session, lease.connection_id)
    if row is None or row.state in {"allow", "over"}:
        return None
    if row.run_id != lease.run_id:
        return None if trigger in running.ATTENDED else Code.SCA_REQUIRED
    state = row.state
    if state == "waiting":
        result = ports.qonto.sca_result(lease.connection_id, _opened(ports, row)) if now < row.expires_at else "deny"
        # the bank calls a confirmation that ran out of time refused as well
        state = "expired" if result == "deny" and now >= row.expires_at else result
        if state != "waiting":
            with ports.database.write() as session:
                running.advance(session, lease)
                _decide(session, row, state, now)
    return {"waiting": Code.SCA_REQUIRED, "deny": Code.SCA_DENIED, "expired": Code.SCA_EXPIRED}.get(state)


def wait(session: Session, lease: Lease, *, now: datetime, cursor: dict[str, Any]) -> None:
    """The run lets go until it is time to look again; where another one was queued meanwhile, that one waits instead."""
    waits = running.hand_over(session, lease, now=now, cursor=cursor, until=now + BETWEEN, reason=Code.SCA_REQUIRED)
    session.execute(
        update(ScaSession).where(ScaSession.run_id == lease.run_id, ScaSession.state == "waiting").values(run_id=waits)
    )


def token(ports: Ports, connection_id: str) -> str:
    """What opens the calls that were confirmed lately; empty: nothing was."""
    with ports.database.read() as session:
        row = newest(session, connection_id)
    return _opened(ports, row) if row and row.state == "allow" and ports.clock.now() < row.expires_at else ""


def newest(session: Session, connection_id: str) -> ScaSession | None:
    """The confirmation that was asked for last."""
    query = select(ScaSession).where(ScaSession.connection_id == connection_id)
    return session.scalars(query.order_by(ScaSession.created_at.desc(), ScaSession.id.desc()).limit(1)).first()


def ask_again(session: Session, connection: Connection, *, now: datetime) -> Run:
    """The user is there and wants a new message on his phone: the call is made again."""
    _close(session, connection, "over", now)
    return running.request(
        session, client_id=connection.client_id, connection_id=connection.id, kind=connection.kind, trigger="client", now=now
    )


def cancel(session: Session, connection: Connection, *, now: datetime) -> None:
    """The user does not want to confirm now: the run stops, and what came in stays. Errors: Rejected where nothing waits."""
    if not _close(session, connection, "deny", now):
        raise Rejected("Nothing waits for your confirmation any more.")


def settle(session: Session, connection_id: str) -> None:
    """The bank has been read to the end: whatever it asked for before is over."""
    session.execute(
        update(ScaSession)
        .where(ScaSession.connection_id == connection_id, ScaSession.state.in_(("waiting", "deny", "expired")))
        .values(state="over")
    )


def _close(session: Session, connection: Connection, state: str, now: datetime) -> bool:
    row = newest(session, connection.id)
    return row is not None and row.state == "waiting" and _decide(session, row, state, now)


def _decide(session: Session, row: ScaSession, state: str, now: datetime) -> bool:
    """The bank's word or the user's, once."""
    taken = session.execute(
        update(ScaSession).where(ScaSession.id == row.id, ScaSession.state == "waiting").values(state=state, decided_at=now)
    )
    if not taken.rowcount:  # type: ignore[attr-defined]
        return False
    record(
        session, Tag.SCA_ENDED, subject=f"connection:{row.connection_id}", at=now, client_id=row.client_id, run=row.run_id,
        state=state,
    )  # fmt: skip
    return True


def _opened(ports: Ports, row: ScaSession) -> str:
    return ports.keyring.open(row.token, place=_place(row.client_id, row.id))


def _place(client_id: str, row_id: str) -> str:
    return place_of("sca_session", "token", client_id, row_id)
