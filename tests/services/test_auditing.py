"""The audit trail: exact keys, an unbroken chain per client, and no way to change what is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from portal.db import Database
from portal.models import AuditEvent, AuditHead
from portal.services import auditing
from portal.services.auditing import Origin, Tag, acting, record
from portal.settings import Settings
from tests import factories

NOW = datetime(2026, 11, 24, 9, 0, 0, 123456, tzinfo=UTC)


def _write(database: Database, count: int = 3) -> str:
    """Events of one client and of the installation; the client's id."""
    with database.write() as session:
        client = factories.client(session, "10042", "Tischlerei Brandt GmbH", now=NOW)
        for number in range(count):
            record(
                session,
                Tag.APPROVAL_VOIDED,
                subject=f"payment_batch:{number}",
                at=NOW,
                client_id=client.id,
                reason=f"größer {number}",
            )
        record(session, Tag.USER_SIGNED_OUT, subject="user:1", at=NOW)
    return client.id


def _faults(database: Database, settings: Settings) -> list[str]:
    with database.read() as session:
        return auditing.broken_links(session, key=settings.secret_key)


def _tamper(database: Database, statement: object) -> None:
    """Change the trail as somebody with the database's own password could: triggers off first."""
    with database.write() as session:
        if database.is_sqlite:
            session.execute(text("DROP TRIGGER audit_event_no_update"))
            session.execute(text("DROP TRIGGER audit_event_no_delete"))
        else:
            session.execute(text("ALTER TABLE audit_event DISABLE TRIGGER audit_event_append_only"))
        session.execute(statement)  # type: ignore[call-overload]


def test_a_chain_is_whole(database: Database, settings: Settings) -> None:
    client_id = _write(database)
    assert _faults(database, settings) == []
    with database.read() as session:
        rows = session.execute(
            select(AuditEvent.chain, AuditEvent.sequence).order_by(AuditEvent.chain, AuditEvent.sequence)
        ).all()
    assert [tuple(row) for row in rows] == sorted([(client_id, 1), (client_id, 2), (client_id, 3), ("installation", 1)])


def test_another_key_finds_every_link_broken(database: Database) -> None:
    _write(database)
    with database.read() as session:
        assert len(auditing.broken_links(session, key="x" * 40)) == 4


@pytest.mark.parametrize(
    ("values", "sequence"),
    [
        ({"details": {"reason": "another"}}, 2),
        ({"at": NOW + timedelta(microseconds=1)}, 2),
        ({"actor": "somebody"}, 1),
        ({"subject": "payment_batch:77"}, 3),
        ({"tag": "payment_batch.sent"}, 2),
        ({"address": "10.0.0.1"}, 2),
        ({"request_id": "other"}, 2),
        ({"previous_hash": "0" * 64}, 2),
        ({"hash": "0" * 64}, 3),
        ({"sequence": 9}, 2),
    ],
)
def test_a_changed_event_is_found(database: Database, settings: Settings, values: dict[str, object], sequence: int) -> None:
    client_id = _write(database)
    _tamper(database, update(AuditEvent).where(AuditEvent.chain == client_id, AuditEvent.sequence == sequence).values(**values))
    assert any(fault.startswith(client_id) for fault in _faults(database, settings))


@pytest.mark.parametrize("sequence", [1, 2, 3])
def test_a_removed_event_is_found(database: Database, settings: Settings, sequence: int) -> None:
    """The first, one in the middle, the tail."""
    client_id = _write(database)
    _tamper(database, delete(AuditEvent).where(AuditEvent.chain == client_id, AuditEvent.sequence == sequence))
    assert any(fault.startswith(client_id) for fault in _faults(database, settings))


def test_a_removed_chain_is_found(database: Database, settings: Settings) -> None:
    client_id = _write(database)
    _tamper(database, delete(AuditEvent).where(AuditEvent.chain == client_id))
    assert _faults(database, settings) == [f"{client_id} 3: the end of the chain is missing"]


def test_a_chain_without_head_is_found(database: Database, settings: Settings) -> None:
    client_id = _write(database)
    _tamper(database, delete(AuditHead).where(AuditHead.chain == client_id))
    assert _faults(database, settings) == [f"{client_id}: the head of the chain is missing"]


def test_swapped_events_are_found(database: Database, settings: Settings) -> None:
    client_id = _write(database)
    for old, new in ((2, 20), (3, 2), (20, 3)):
        statement = update(AuditEvent).where(AuditEvent.chain == client_id, AuditEvent.sequence == old).values(sequence=new)
        if old == 2:
            _tamper(database, statement)
        else:
            with database.write() as session:
                session.execute(statement)
    assert any(fault.startswith(client_id) for fault in _faults(database, settings))


def test_a_forged_event_is_found(database: Database, settings: Settings) -> None:
    """Inserting is not refused by a trigger; without the key it does not fit."""
    client_id = _write(database)
    with database.write() as session:
        last = session.scalars(select(AuditEvent).where(AuditEvent.chain == client_id, AuditEvent.sequence == 3)).one()
        values = {column.key: getattr(last, column.key) for column in AuditEvent.__table__.columns}
        values |= {"id": client_id, "sequence": 4, "previous_hash": last.hash, "hash": "f" * 64}
        session.execute(insert(AuditEvent).values(**values))
    assert any(fault.startswith(f"{client_id} 4") for fault in _faults(database, settings))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_event SET actor = 'x'", "DELETE FROM audit_event", "UPDATE audit_event SET actor = 'x' WHERE sequence = 1"],
)
def test_the_database_refuses_changes(database: Database, settings: Settings, statement: str) -> None:
    _write(database)
    with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
        session.execute(text(statement))
    assert _faults(database, settings) == []


def test_postgresql_refuses_truncate(database: Database) -> None:
    if database.is_sqlite:
        return  # SQLite has no TRUNCATE; DELETE is refused above
    _write(database)
    with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
        session.execute(text("TRUNCATE audit_event CASCADE"))


@pytest.mark.parametrize("details", [{}, {"reason": "x", "more": 1}, {"reasons": "x"}])
def test_a_tag_takes_exactly_its_keys(database: Database, details: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="takes exactly"), database.write() as session:
        record(session, Tag.APPROVAL_VOIDED, subject="payment_batch:1", at=NOW, **details)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent)) == 0


def test_nobody_acts_namelessly(database: Database) -> None:
    from contextvars import Context

    def nameless() -> None:
        with database.write() as session:
            record(session, Tag.USER_SIGNED_OUT, subject="user:1", at=NOW)

    with pytest.raises(LookupError):
        Context().run(nameless)


def test_the_origin_is_kept_and_given_back(database: Database, settings: Settings) -> None:
    with acting(Origin("user-1", request_id="req-1", address="192.0.2.7"), key=settings.secret_key), database.write() as session:
        record(session, Tag.USER_SIGNED_OUT, subject="user:1", at=NOW)
    assert auditing.current_actor() == "system:test"
    with database.read() as session:
        event = session.scalars(select(AuditEvent)).one()
    assert (event.actor, event.request_id, event.address) == ("user-1", "req-1", "192.0.2.7")


def test_the_time_zone_of_the_writer_does_not_matter(database: Database, settings: Settings) -> None:
    with database.write() as session:
        record(session, Tag.USER_SIGNED_OUT, subject="user:1", at=NOW.astimezone(timezone(timedelta(hours=5))))
    assert _faults(database, settings) == []


def test_parallel_writers_do_not_fork_the_chain(database: Database, settings: Settings) -> None:
    client_id = _write(database, 0)

    def write(number: int) -> None:
        for step in range(10):
            with database.write() as session:
                record(
                    session, Tag.APPROVAL_VOIDED, subject=f"payment_batch:{number}", at=NOW, client_id=client_id, reason=str(step)
                )

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(copy_context().run, write, number) for number in range(8)]:
            future.result()
    assert _faults(database, settings) == []
    with database.read() as session:
        assert session.scalar(select(AuditHead.sequence).where(AuditHead.chain == client_id)) == 80


def test_a_rolled_back_change_leaves_no_event(database: Database, settings: Settings) -> None:
    client_id = _write(database)
    with pytest.raises(RuntimeError), database.write() as session:
        record(session, Tag.APPROVAL_VOIDED, subject="payment_batch:1", at=NOW, client_id=client_id, reason="x")
        raise RuntimeError
    assert _faults(database, settings) == []


def test_tags_are_unique() -> None:
    assert len({tag.text for tag in Tag}) == len(Tag)
