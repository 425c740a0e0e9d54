"""Measure the review desk with a thousand, a hundred thousand and a million receipts, on SQLite and PostgreSQL.

`./dev bench review` fills throw-away databases (1.2 transactions a receipt, one receipt in 25 in review with three candidates; a
member of staff has 25 clients), then lets a member of staff open the queue, an item and a search, and assign, and an admin do
so among all clients; alone, in each size by turns, and with 20 people at once. Times are the server's, in this process: from
the request to the last byte, and how long the processor worked for it. One JSON object per line, then a table with the ratio
of each size to the smallest one. Ends with 1 where a ratio of queue, item or assign, or a page's statements, are more than
asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask
from flask_wtf.csrf import generate_csrf
from sqlalchemy import (
    ColumnElement,
    Integer,
    Uuid,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    table,
    text,
    true,
    update,
)
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder

from bench.pages import HOST, Environ, ask, counting, quiet, settings_in
from portal import build_ports, create_app, migrating
from portal.models import Assignment, BankAccount, Candidate, Connection, Membership, Receipt, Role, Transaction, User
from portal.ports import Ports
from portal.services.auditing import Origin, acting
from portal.web import sessions
from tests import factories, servers

SIZES = {1_000: 25, 100_000: 100, 1_000_000: 1_000}  #: receipts → clients
THEIRS = 25  #: clients of a member of staff
IN_REVIEW = 25  #: one receipt in so many
PEOPLE = 20
REASON = {"code": "amount_equal", "is_for": True, "weight": 4.0, "values": {"amount_cents": 100, "currency": "EUR"}}
ROUNDS = 60
MOST_RATIO = 1.5  #: of the largest database to the smallest
MOST_STATEMENTS = 15  #: of a page: twelve, and three where a first look is noted


@dataclass(slots=True)
class Firm:
    """A filled database: who may do what, and what is left to decide."""

    ports: Ports
    staff: User
    admin: User
    open_receipts: Iterator[tuple[str, str]] = field(
        default_factory=lambda: iter(())
    )  #: ids of a receipt and its first candidate


def fill(ports: Ports, *, receipts: int, clients: int, now: datetime) -> Firm:
    """The rows are made by the database itself, from one of each kind."""
    each = receipts // clients
    database = ports.database
    with database.write() as session:
        staff = factories.user(session, "staff@kanzlei.example", "Mara Klein", Role.STAFF, now=now)
        admin = factories.user(session, "admin@kanzlei.example", "Katrin Elbtor", Role.ADMIN, now=now)
        for number in range(clients):
            client = factories.client(session, str(10_000 + number), f"Client {number}", now=now, years=(now.year,))
            if number < THEIRS:
                factories.member(session, staff, client, "staff")
            documents = factories.connection(session, client, "documents", now=now)
            bank = factories.connection(session, client, "bank", now=now)
            account = factories.bank_account(session, client, bank, now=now)
            if number == 0:
                receipt = factories.receipt(session, documents, 0, now=now, review_reason="counterparty_unclear")
                line = factories.transaction(session, account, "t-0", 100, now=now)
                _assignment(session, receipt, line, now)
        _numbers(session, each + each // 5)
        _receipts(session, receipt, each, now)
        _transactions(session, line, each + each // 5)
        _assignments(session, each)
        session.execute(
            update(Receipt).where(Receipt.id == receipt.id).values(state="assigned", review_reason=None, in_review_since=None)
        )
        theirs = range(0, clients * each, each)[:THEIRS]
        session.execute(insert(Candidate), list(_candidates(session, each)))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    waiting = [
        (_id(first + number), _id(3 * (first + number))) for number in range(IN_REVIEW, each + 1, IN_REVIEW) for first in theirs
    ]
    return Firm(ports, staff, admin, iter(waiting))


def _id(number: int) -> str:
    return str(UUID(int=number))


def _uuid(session: Session, number: ColumnElement[int]) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        return func.printf(literal_column("'%032x'"), number)
    return cast(func.lpad(func.to_hex(number), 32, literal_column("'0'")), Uuid)


def _assignment(session: Session, receipt: Receipt, line: Transaction, now: datetime) -> None:
    session.add(
        Assignment(
            client_id=receipt.client_id, receipt_id=receipt.id, transaction_id=line.id, amount_cents=100, decision_id=_id(1),
            actor="system:matching", is_automatic=True, rank=None, score=0.99, reasons=[], matcher="bench",
            created_at=now - timedelta(days=9), withdrawn_at=None, withdrawn_by=None,
        )
    )  # fmt: skip
    session.flush()


NUMBERS = table("bench_number", column("n", Integer))
N = NUMBERS.c.n


def _numbers(session: Session, most: int) -> None:
    session.execute(text("CREATE TEMPORARY TABLE bench_number (n INTEGER PRIMARY KEY)"))
    session.execute(insert(NUMBERS), [{"n": number} for number in range(1, most + 1)])


def _copied(session: Session, model: Any, template: Any, of: Any, most: int, **made: Any) -> None:
    """`most` rows for each row of the query `of` (client_id, place, owner), like the template but for what is made."""
    names = [one.key for one in model.__table__.columns]
    own = select(model).where(model.id == template.id).subquery()
    values = [made.get(name, own.c[name]).label(name) for name in names]
    session.execute(insert(model).from_select(names, select(*values).select_from(own.join(of, true()).join(NUMBERS, most >= N))))


def _owners(model: Any, *where: Any) -> Any:
    """Each client's connection or account with its place, from 0."""
    place = (func.row_number().over(order_by=model.client_id) - 1).label("place")
    return select(model.client_id.label("client_id"), model.id.label("owner"), place).where(*where).subquery()


def _receipts(session: Session, template: Receipt, each: int, now: datetime) -> None:
    of = _owners(Connection, Connection.kind == "documents")
    number = of.c.place * each + N
    is_open = N % IN_REVIEW == 0
    _copied(
        session, Receipt, template, of, each, id=_uuid(session, number), client_id=of.c.client_id, connection_id=of.c.owner,
        sequence=N, qonto_id=literal("i-") + cast(number, Receipt.number.type),
        number=literal("RE-") + cast(N, Receipt.number.type),
        amount_cents=10_000 + number * 7919 % 5_000_000, state=case((is_open, "in_review"), else_="assigned"),
        review_reason=case((is_open, "counterparty_unclear"), else_=null()),
        in_review_since=case((is_open, literal(now, Receipt.created_at.type)), else_=null()),
        best_score=case((is_open, 0.5), else_=null()),
    )  # fmt: skip


def _transactions(session: Session, template: Transaction, most: int) -> None:
    of = _owners(BankAccount)
    number = of.c.place * most + N
    _copied(
        session, Transaction, template, of, most, id=_uuid(session, number), client_id=of.c.client_id,
        bank_account_id=of.c.owner, qonto_id=literal("t-") + cast(number, Receipt.number.type),
        amount_cents=10_000 + number * 7919 % 5_000_000, remittance=literal("RE-") + cast(N, Receipt.number.type),
    )  # fmt: skip


def _assignments(session: Session, each: int) -> None:
    of, most = _owners(Connection, Connection.kind == "documents"), each + each // 5
    template = session.query(Assignment).one()
    receipt, line = of.c.place * each + N, of.c.place * most + N
    names = [one.key for one in Assignment.__table__.columns]
    own = select(Assignment).where(Assignment.id == template.id).subquery()
    made = {
        "id": _uuid(session, receipt), "client_id": of.c.client_id, "receipt_id": _uuid(session, receipt),
        "transaction_id": _uuid(session, line), "decision_id": _uuid(session, receipt),
        "amount_cents": 10_000 + line * 7919 % 5_000_000,
    }  # fmt: skip
    values = [made.get(name, own.c[name]).label(name) for name in names]
    wanted = select(*values).select_from(own.join(of, true()).join(NUMBERS, each >= N)).where(N % IN_REVIEW != 0)
    session.execute(insert(Assignment).from_select(names, wanted))


def _candidates(session: Session, each: int) -> Iterator[dict[str, Any]]:
    owners, most = (
        session.execute(select(Connection.client_id).where(Connection.kind == "documents").order_by(Connection.client_id)),
        each + each // 5,
    )
    for place, (client_id,) in enumerate(owners):
        for number in range(IN_REVIEW, each + 1, IN_REVIEW):
            for rank, line in enumerate(
                (number, each + 1 + number % (each // 5), each + 1 + (number + 7) % (each // 5)), start=1
            ):
                whole = place * most + line
                receipt = place * each + number
                yield {
                    "id": _id(3 * receipt + rank - 1), "client_id": client_id, "receipt_id": _id(receipt), "rank": rank,
                    "score": 0.5 / rank, "grade": "possible", "matcher": "bench",
                    "allocations": [{"transaction": _id(whole), "amount_cents": 10_000 + whole * 7919 % 5_000_000}],
                    "reasons": [REASON],
                }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """A browser that is signed in."""

    site: Flask
    cookie: str
    token: str

    def opens(self, path: str) -> float:
        """Seconds."""
        return ask(self.site, self._environ(path))

    def assigns(self, receipt: str, candidate: str) -> float:
        """Seconds until the next item stands there."""
        form = urlencode({"csrf_token": self.token, "candidate": candidate, "seen_version": 1})
        return ask(self.site, self._environ(f"/receipts/{receipt}/assignment", "POST"), form.encode())

    def _environ(self, path: str, method: str = "GET") -> Environ:
        headers = [("Cookie", self.cookie), ("HX-Request", "true")]
        environ = EnvironBuilder(path, HOST, headers=headers, method=method).get_environ()
        return environ if method == "GET" else {**environ, "CONTENT_TYPE": "application/x-www-form-urlencoded"}


def _person(site: Flask, user: User, now: datetime) -> Person:
    with site.test_request_context("/", base_url=HOST):
        sessions.begin(user)
        sessions.raise_rights(now)
        token = generate_csrf()
        answer = site.response_class()
        site.session_interface.save_session(site, sessions.current(), answer)
    return Person(site, answer.headers["Set-Cookie"].partition(";")[0], token)


@dataclass(frozen=True, slots=True)
class Desk:
    """One filled database and what is asked of it; each act takes so many seconds."""

    said: dict[str, object]
    ports: Ports
    acts: dict[str, Callable[[], float]]


def set_up(folder: Path, database_url: str, *, receipts: int, clients: int) -> Desk:
    """Fill one database and let people sign in."""
    settings, now = settings_in(folder, database_url), datetime.now(UTC)
    ports = build_ports(settings)
    migrating.upgrade(ports.database)
    with acting(Origin("system:bench"), key=settings.secret_key):
        firm = fill(ports, receipts=receipts, clients=clients, now=now)
    site = create_app(settings, ports)
    person, admin = _person(site, firm.staff, now), _person(site, firm.admin, now)
    items, any_items = cycle(_waiting(firm)), cycle(_waiting(firm))
    acts: dict[str, Callable[[], float]] = {
        "queue": lambda: person.opens("/review"),
        "queue of an admin": lambda: admin.opens("/review"),
        "item": lambda: person.opens(f"/review?item={next(items)}"),
        "search": lambda: person.opens(f"/review?item={next(items)}&q=RE-77"),
        "item of an admin": lambda: admin.opens(f"/review?item={next(any_items)}"),
        "assign": lambda: person.assigns(*next(firm.open_receipts)),
        "assign of an admin": lambda: admin.assigns(*next(firm.open_receipts)),
    }
    return Desk({"database": ports.database.engine.dialect.name, "receipts": receipts, "clients": clients}, ports, acts)


def measure(desks: Sequence[Desk]) -> Iterator[dict[str, object]]:
    """Do the same in each database by turns: whatever else the machine does then falls on all of them."""
    for name in desks[0].acts:
        is_assigning = name.startswith("assign")
        rounds = min(SIZES) // IN_REVIEW // 4 if is_assigning else ROUNDS
        for desk in desks:
            desk.acts[name]()
        timed = [_by_turns([desk.acts[name] for desk in desks]) for _ in range(rounds)]
        for desk, samples in zip(desks, zip(*timed, strict=True), strict=True):
            act = desk.acts[name]
            with counting(desk.ports.database) as seen:
                act()
            alone, worked = (sorted(values) for values in zip(*samples, strict=True))
            with ThreadPoolExecutor(PEOPLE) as pool:
                is_enough = not is_assigning or desk.said["receipts"] != min(SIZES)
                crowd = sorted(pool.map(lambda _: act(), range(ROUNDS))) if is_enough else alone  # noqa: B023
            yield {
                **desk.said, "what": name, "ms p50": _ms(alone, 0.5), "ms p95": _ms(alone, 0.95),
                "processor ms p50": _ms(worked, 0.5), "20 at once p50": _ms(crowd, 0.5), "20 at once p95": _ms(crowd, 0.95),
                "statements": len(seen),
            }  # fmt: skip


def _by_turns(acts: Sequence[Callable[[], float]]) -> list[tuple[float, float]]:
    """Of each how long it took, and how long this process worked for it (with SQLite: all of it), in seconds."""
    found = []
    for act in acts:
        began = time.process_time()
        took = act()
        found.append((took, time.process_time() - began))
    return found


def _waiting(firm: Firm) -> list[str]:
    """Receipts of the person's clients that are in review: as many in each database, since a first look is noted."""
    theirs = select(Membership.client_id).where(Membership.user_id == firm.staff.id)
    with firm.ports.database.read() as session:
        return list(
            session.scalars(
                select(Receipt.id)
                .where(Receipt.state == "in_review", Receipt.client_id.in_(theirs))
                .limit(min(SIZES) // IN_REVIEW)
            )
        )


def _ms(took: Sequence[float], share: float) -> float:
    return round(1000 * took[min(len(took) - 1, int(len(took) * share))], 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="bench review", description=__doc__)
    parser.add_argument("--largest", type=int, default=1_000_000, help="leave out what has more receipts")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one database alone")
    chosen = parser.parse_args(arguments)
    rows = []
    for row in _all(chosen.largest, chosen.only):
        rows.append(row)
        print(json.dumps(row), flush=True)
    missed = list(_print_ratios(rows))
    for what in missed:
        print(f"missed: {what}")
    return int(bool(missed))


def _all(largest: int, only: str | None) -> Iterator[dict[str, object]]:
    sizes = {receipts: clients for receipts, clients in SIZES.items() if receipts <= largest}
    with quiet():
        for kind in (only,) if only else ("sqlite", "postgresql"):
            with ExitStack() as stack:
                desks = []
                for receipts, clients in sizes.items():
                    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="belegfluss-bench-"))
                    address = f"sqlite:///{folder}/belegfluss.db"
                    if kind == "postgresql":
                        address = stack.enter_context(servers.postgres()).replace("postgresql:", "postgresql+psycopg:")
                    desks.append(set_up(Path(folder), address, receipts=receipts, clients=clients))
                    stack.callback(desks[-1].ports.database.engine.dispose)
                yield from measure(desks)


def _print_ratios(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """How much longer the median takes than over the smallest database; yields what is more than asked for.

    Counts the processor's time: whatever else runs on the machine makes the other one longer.
    """
    smallest = {(row["database"], row["what"]): row for row in rows if row["receipts"] == min(SIZES)}
    print()
    for row in rows:
        first = smallest[row["database"], row["what"]]
        took, worked = (f"{row[name]:>8} ms   x {row[name] / first[name]:.2f}" for name in ("ms p50", "processor ms p50"))
        named = f"{row['database']:12}{row['receipts']:>10}  {row['what']:20}"
        print(f"{named}{took}   processor {worked}")
        if row["what"] != "search" and row["processor ms p50"] > MOST_RATIO * first["processor ms p50"]:
            yield f"{named} x {row['processor ms p50'] / first['processor ms p50']:.2f}, asked for: {MOST_RATIO}"
        if not row["what"].startswith("assign") and row["statements"] > MOST_STATEMENTS:
            yield f"{named} {row['statements']} statements, asked for: {MOST_STATEMENTS}"


if __name__ == "__main__":
    sys.exit(main())
