"""What is asked of the bank, and what is kept of its answers: no more than what the client agreed to, and no secret anywhere.

One client lives through everything that leaves traces; then every place that keeps something is searched.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis import Redis
from rq import Queue as RqQueue
from sqlalchemy import select, text

from jobs import ticker
from jobs.runs import execute_run
from portal import log
from portal.crypto import place_of
from portal.models import BankAccount, Base, Connection, Receipt, Run, Transaction, User
from portal.queue import QUEUES, Queue
from portal.services.review import deciding
from tests.flows.reading import Reader
from tests.story import Story

DOCUMENT_LISTS = {"/v2/supplier_invoices", "/v2/client_invoices", "/v2/credit_notes"}
SENTINELS = ("SENTINEL-NOTE", "SENTINEL-TAG", "SENTINEL-CATEGORY")  #: in the simulator's notes, tags and categories
TOKEN = re.compile(r"qsim_[a-z0-9]{40}")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log as production writes it."""
    root, lines = logging.getLogger(), io.StringIO()
    kept = (list(root.handlers), root.level)
    monkeypatch.setattr(sys, "stderr", lines)
    log.configure()
    yield lines
    root.handlers, root.level = kept
    structlog.reset_defaults()


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    """A real one, empty."""
    made = Redis.from_url(valkey_url)
    made.flushall()
    yield made
    made.flushall()
    made.close()


# --- what is asked -------------------------------------------------------------------------------------------------


def _ids(calls: list[dict[str, Any]]) -> set[str]:
    return {call["connection_id"] for call in calls if call["path"].startswith("/v2/")}


def test_each_connection_asks_for_what_it_is_there_for(story: Story) -> None:
    """S-09, S-24, L-03."""
    bank = story.bank
    assert bank.log() == []
    documents = _ids(bank.calls_of(lambda: story.connect("documents")))
    story.work("documents", "matching")
    assert story.rows(select(Transaction)) == story.rows(select(BankAccount)) == []
    of_bank = _ids(bank.calls_of(lambda: story.connect("bank")))
    for _ in range(3):
        story.work("documents", "bank", "matching")
        bank.move(hours=20)
        for kind in ("documents", "bank"):
            story.ask(kind)
    story.work("documents", "bank", "matching")
    asked = [call for call in bank.log() if call["path"].startswith(("/v2/", "/files/"))]
    assert {call["method"] for call in asked} == {"GET"}
    assert {call["connection_id"] for call in asked} == documents | of_bank
    assert len(documents) == len(of_bank) == 1
    of_documents = {call["path"] for call in asked if call["connection_id"] in documents}
    assert {path for path in of_documents if not path.startswith(("/v2/attachments/", "/files/"))} == DOCUMENT_LISTS
    assert {call["path"] for call in asked if call["connection_id"] in of_bank} == {"/v2/organization", "/v2/transactions"}
    others = [(call["method"], call["path"]) for call in bank.log() if call not in asked]
    assert set(others) == {("GET", "/oauth2/auth"), ("POST", "/oauth2/auth"), ("POST", "/oauth2/token")}


def test_matching_asks_the_bank_for_nothing(story: Story) -> None:
    """S-26: it works while the bank is away."""
    story.connect("documents")
    story.connect("bank")
    story.work("documents", "bank")
    story.bank.fault("5xx", match={"path": "/*"})
    assert story.bank.calls_of(lambda: story.work("matching")) == []
    assert {receipt.state for receipt in story.receipts().values()} == {"assigned", "in_review"}


# --- what is kept --------------------------------------------------------------------------------------------------


@dataclass
class Life:
    """A client's story over a real queue, the secrets that were used in it, and everything that keeps something."""

    story: Story
    redis: Redis
    logged: io.StringIO
    secrets: list[str] = field(default_factory=list)

    def live(self) -> None:
        """Whatever leaves traces: connecting, syncing, failing, renewing, reconnecting, breaking."""
        story = self.story
        story.bank.tell_all()
        for kind in ("documents", "bank"):
            query = story.bank.decide(story.address(kind))
            self.secrets += [query["code"], query["state"]]
            story.come_back(query)
            self._remember_tokens()
        story.work("documents", "bank", "matching")
        for fault, arguments in (("bad_json", {}), ("html_200", {}), ("5xx", {"status": 500}), ("text_edge", {})):
            story.bank.fault(fault, match={"path": "/v2/*"}, **arguments)
            story.sync("documents", hours=2)
            story.sync("bank", minutes=1)
            story.bank.heal()
            self._remember_tokens()
        day = story.clock.today().isoformat()
        row = story.bank.put_invoice(
            status="paid", invoice_number="F-51", supplier_name="Fremd GmbH", issue_date=day, description="SENTINEL-NOTE",
            total_amount={"value": "1.00", "currency": "EUR"},
        )  # fmt: skip
        story.bank.fault(
            "evil_url", match={"path": f"/v2/attachments/{row['attachment_id']}"}, url="https://evil.example/?token=abc"
        )
        story.sync("documents", minutes=10)
        story.bank.heal()
        self._break()
        ticker.tick(story.ports, 0)
        story.connect("documents")
        self._remember_tokens()
        story.work("documents", "bank", "matching")
        self._decide()

    def _remember_tokens(self) -> None:
        for connection in self.story.rows(select(Connection)):
            for column in ("access_token", "refresh_token"):
                place = place_of("connection", column, connection.client_id, connection.id)
                self.secrets.append(self.story.ports.keyring.open(getattr(connection, column), place=place))

    def _break(self) -> None:
        """A fault of ours whose text quotes what it should not."""
        story, secret, iban = self.story, self.secrets[-1], self.ibans()[0]

        class Broken:
            def over(self, *_: Any) -> Any:
                raise RuntimeError(secret)

            def organization(self, *_: Any) -> Any:
                raise RuntimeError(f"{secret} of {iban}")

        run = story.ask("bank")
        with pytest.raises(RuntimeError):
            execute_run(replace(story.ports, qonto=Broken()), run.id)  # type: ignore[arg-type]

    def _decide(self) -> None:
        ports = self.story.ports
        assigned = next(receipt for receipt in self.story.receipts().values() if receipt.state == "assigned")
        with ports.database.write() as session:
            own = session.get_one(Receipt, assigned.id)
            run = deciding.withdraw(session, own, seen_version=own.version, now=self.story.clock.now())
        deciding.start(ports, run)

    def ibans(self) -> list[str]:
        columns = (BankAccount.iban, Transaction.counterparty_iban, Receipt.iban)
        return sorted({iban for column in columns for iban in self.story.rows(select(column)) if iban})

    # --- the places --------------------------------------------------------------------------------------------

    def tables(self) -> Iterator[tuple[str, str]]:
        with self.story.ports.database.read() as session:
            for table in Base.metadata.sorted_tables:
                for row in session.execute(text(f'SELECT * FROM "{table.name}"')):
                    yield f"table {table.name}", repr(tuple(row))
        rows = self.story.ports.database
        file = Path(str(rows.engine.url.database))
        for path in file.parent.glob(f"{file.name}*") if rows.is_sqlite else ():  # freed pages and the log too
            yield path.name, path.read_bytes().decode("utf-8", "replace")

    def jobs(self) -> Iterator[tuple[str, str]]:
        for name in QUEUES:
            for job in RqQueue(name, connection=self.redis, serializer="json").get_jobs():
                yield f"job of {name}", f"{job.id} {job.func_name} {job.args} {job.kwargs} {job.description} {job.meta}"
        for key in self.redis.scan_iter():
            if self.redis.type(key) == b"hash":
                for name, value in self.redis.hgetall(key).items():
                    plain = zlib.decompress(value) if name == b"data" else value
                    yield f"redis {key.decode()}", plain.decode("utf-8", "replace")
            else:
                yield "redis", f"{key!r} {self.redis.dump(key)!r}"

    def files(self) -> Iterator[tuple[str, str]]:
        for path in (self.story.ports.settings.data_dir / "documents").rglob("*"):
            yield "storage", str(path)

    def lines(self) -> Iterator[tuple[str, str]]:
        for line in self.logged.getvalue().splitlines():
            yield "log", line

    def pages(self, reader: Reader, staff: User, admin: User) -> Iterator[tuple[str, str]]:
        """Every kind of page about the client, each opened by one who may."""
        receipts = {(r.state, r.review_reason, r.kind): r for r in self.story.receipts().values()}.values()  # one of each sort
        paths = {
            self.story.owner: [
                "/receipts", "/receipts?page=2", "/profile", "/profile/connections", "/help", "/finances/accounts",
                *(f"/connections/{connection.id}" for connection in self.story.rows(select(Connection))),
                *(f"/receipts/{receipt.id}" for receipt in receipts),
            ],
            staff: [
                "/clients", f"/clients/{self.story.client.id}", "/review/done",
                *(f"/review?item={receipt.id}" for receipt in receipts if receipt.state == "in_review"),
            ],
            admin: ["/admin", "/admin/audit", *(f"/connections/{connection.id}" for connection in self.story.rows(select(Connection)))],
        }  # fmt: skip
        for person, wanted in paths.items():
            for path in wanted:
                answer = reader.browser(person).get(path)
                assert answer.status_code == 200, path
                yield f"{path} for {person.role}", f"{answer.headers} {answer.text}"


def test_nothing_private_and_no_secret_is_kept_anywhere(
    story: Story, staff: User, admin: User, reader: Reader, redis: Redis, logged: io.StringIO
) -> None:
    """S-10, B03, B14, E22."""
    story.ports = replace(story.ports, queue=Queue(_address(redis)))
    life = Life(story, redis, logged)
    life.live()
    kept = {
        "tables": list(life.tables()), "jobs": list(life.jobs()), "files": list(life.files()),
        "pages": list(life.pages(reader, staff, admin)), "lines": list(life.lines()),
    }  # fmt: skip
    _is_worth_searching(life, kept)
    secrets = {*life.secrets, story.ports.settings.qonto_client_secret}
    for place, written in (entry for entries in kept.values() for entry in entries):
        for sentinel in SENTINELS:
            assert sentinel not in written, f"{sentinel} in {place}"
        assert not TOKEN.search(written), f"a token in {place}: {written[:500]}"
        for secret in secrets:
            assert secret not in written, f"a secret in {place}: {written[:500]}"
    for _, line in kept["lines"]:
        for iban in life.ibans():
            assert iban not in re.sub(r"\s", "", line), f"an IBAN in the log: {line[:500]}"


def _address(redis: Redis) -> str:
    given = redis.connection_pool.connection_kwargs
    return f"redis://:{given['password']}@{given['host']}:{given['port']}/0"


def _is_worth_searching(life: Life, kept: dict[str, list[tuple[str, str]]]) -> None:
    """What is looked for was handed out by the bank, and each place holds something of this story."""
    token = life.story.bank.tell("tokens", organization=None, scope="organization.read supplier_invoice.read")["access_token"]
    given = "".join(
        life.story.bank.call(
            f"/v2/transactions?bank_account_id={account.qonto_id}&per_page=100&includes[]=labels", token=token
        ).text
        for account in life.story.rows(select(BankAccount))
    )
    assert all(sentinel in given for sentinel in SENTINELS)
    assert "SENTINEL-NOTE" in life.story.bank.call("/v2/supplier_invoices?per_page=100", token=token).text
    assert sum(TOKEN.fullmatch(secret) is not None for secret in life.secrets) > 10
    assert len({place for place, _ in kept["tables"]}) > 15
    assert any(life.story.rows(select(Run.id))[-1] in written for _, written in kept["jobs"])
    assert any("Stadtwerke Elbtal GmbH" in written for _, written in kept["pages"])
    events = " ".join(line for _, line in kept["lines"])
    assert all(f'"{event}"' in events for event in ("run_ended", "run_not_finished", "run_broke", "file_address_refused"))
    assert len(life.ibans()) > 5
    assert len(kept["files"]) > 40
