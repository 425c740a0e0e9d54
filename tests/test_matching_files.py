"""`matching evaluate`: files in, one decision per receipt out."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from bench.matching_set import ClientSet, make_client, write_files
from portal.cli import matching
from portal.domain.matching import match
from portal.matching_files import BadLine, Outcome, evaluate

NAMES = ("receipts", "transactions", "labels")


@pytest.fixture(scope="module")
def clients() -> list[ClientSet]:
    return [make_client(n, stories=60, feed=feed) for n, feed in enumerate(("full", "csv", "poor", "gaps"), start=40)]


@pytest.fixture
def folder(tmp_path: Path, clients: list[ClientSet]) -> Path:
    write_files(clients, tmp_path)
    return tmp_path


def run(folder: Path, *, has_labels: bool = True) -> Outcome:
    receipts, transactions, labels = (folder / f"{name}.jsonl" for name in NAMES)
    return evaluate(receipts, transactions, folder / "out.jsonl", labels if has_labels else None)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_a_round_trip(folder: Path, clients: list[ClientSet]) -> None:
    """What comes out of the files is what the matcher says of the facts, in the order of the receipts."""
    outcome = run(folder)
    found = read(folder / "out.jsonl")
    assert [row["receipt"] for row in found] == [row["id"] for row in read(folder / "receipts.jsonl")]
    expected = []
    for client in clients:
        receipts = [replace(receipt, linked_transactions=(), is_from_bank=True) for receipt in client.receipts]
        last = max(line.booked_on for line in client.transactions)
        expected += match(receipts, client.transactions, covered_until=last)
    for row, decision in zip(found, expected, strict=True):
        assert row["status"] == decision.status
        assert row["transactions"] == [{"id": p.transaction, "amount_cents": p.amount_cents} for p in decision.allocations]
        assert row["reason"] == (decision.reason.value if decision.reason else None)
        assert [c["score"] for c in row["candidates"]] == [c.score for c in decision.candidates]
        assert [c["reasons"] for c in row["candidates"]] == [[r.as_json() for r in c.reasons] for c in decision.candidates]
    assert outcome.receipts == len(found)
    assert outcome.assigned == sum(row["status"] == "assigned" for row in found) > 0
    assert outcome.labelled_assigned == outcome.assigned
    labels = {row["receipt"]: sorted(row["transactions"]) for row in read(folder / "labels.jsonl")}
    taken = {row["receipt"]: sorted(part["id"] for part in row["transactions"]) for row in found}
    assert outcome.right == sum(bool(lines) and lines == labels[known] for known, lines in taken.items())
    assert outcome.top_1 <= outcome.top_3 <= outcome.payable < outcome.labelled == len(found)


def test_nothing_crosses_clients_and_nothing_exceeds_a_transaction(folder: Path) -> None:
    run(folder, has_labels=False)
    client_of = {row["id"]: row["client"] for row in read(folder / "receipts.jsonl")}
    lines = {row["id"]: row for row in read(folder / "transactions.jsonl")}
    used: Counter[str] = Counter()
    for row in read(folder / "out.jsonl"):
        assert (row["status"] == "assigned") == bool(row["transactions"]) == (row["reason"] is None)
        for part in row["transactions"]:
            used[part["id"]] += part["amount_cents"]
        named = [part["id"] for part in row["transactions"]] + [n for c in row["candidates"] for n in c["transactions"]]
        assert {lines[known]["client"] for known in named} <= {client_of[row["receipt"]]}
        assert all(0 <= candidate["score"] <= 1 for candidate in row["candidates"])
    assert all(cents <= lines[known]["amount_cents"] for known, cents in used.items())


def test_the_order_of_the_lines_is_nothing(folder: Path) -> None:
    """Clients mixed line by line: the same decisions, clients in the order of their first receipt; twice the same bytes."""
    run(folder)
    first, before = (folder / "out.jsonl").read_bytes(), {row["receipt"]: row for row in read(folder / "out.jsonl")}
    run(folder)
    assert (folder / "out.jsonl").read_bytes() == first
    dice = random.Random(5)
    for name in NAMES:
        rows = read(folder / f"{name}.jsonl")
        dice.shuffle(rows)
        write(folder / f"{name}.jsonl", rows)
    run(folder)
    found = read(folder / "out.jsonl")
    assert {row["receipt"]: row for row in found} == before
    receipts = read(folder / "receipts.jsonl")
    by_client: defaultdict[str, list[str]] = defaultdict(list)
    for row in receipts:
        by_client[row["client"]].append(row["id"])
    assert [row["receipt"] for row in found] == [known for group in by_client.values() for known in group]


def test_only_what_is_needed_and_unknown_keys(tmp_path: Path) -> None:
    (tmp_path / "receipts.jsonl").write_bytes(
        b'\xef\xbb\xbf{"id": "r1", "client": "c", "direction": "expense", "number": "RE-2026-1042", "amount_cents": 11900, '
        b'"currency": "EUR", "issued_on": "2026-11-02", "colour": ["blue"]}\n\n   \n{"client": "c", "id": "r2 \\ud800"}\r\n'
        b'{"id": "r3", "client": "no lines"}'
    )
    line = {"id": "t", "client": "c", "side": "debit", "amount_cents": 11900, "currency": "EUR", "booked_on": "2026-11-09"}
    write(tmp_path / "transactions.jsonl", [line | {"remittance": "RE-2026-1042", "iban": None}, line | {"client": "other"}])
    write(tmp_path / "labels.jsonl", [{"receipt": "r1", "transactions": ["t"]}, {"receipt": "unknown", "transactions": []}])
    outcome = run(tmp_path)
    found = read(tmp_path / "out.jsonl")
    assert [(row["receipt"], row["status"]) for row in found] == [("r1", "assigned"), ("r2 \ud800", "review"), ("r3", "review")]
    assert found[0]["transactions"] == [{"id": "t", "amount_cents": 11900}]
    assert (outcome.labelled, outcome.right, outcome.top_1, outcome.stray_labels) == (1, 1, 1, 1)
    assert any("100.000 %" in text for text in outcome.lines())


RECEIPT = {"id": "r1", "client": "c"}
LINE = {"id": "t1", "client": "c", "side": "debit", "amount_cents": 1, "currency": "EUR", "booked_on": "2026-11-02"}
BAD = {
    "not JSON": ("receipts", "{", "is not JSON"),
    "very deep": ("receipts", "[" * 100_000, "is not JSON"),
    "not an object": ("receipts", "[1]", "is not a JSON object"),
    "not UTF-8": ("receipts", b'{"id": "\xe4"}', "is not UTF-8"),
    "no id": ("receipts", {"client": "c"}, "id is missing"),
    "a number as id": ("receipts", {"id": 5, "client": "c"}, "id must be a text"),
    "no client": ("receipts", {"id": "r2"}, "client is missing"),
    "an id twice": ("receipts", RECEIPT, "the id 'r1' occurs twice"),
    "an id twice, another client": ("receipts", RECEIPT | {"client": "d"}, "the id 'r1' occurs twice"),
    "half cents": ("receipts", {"id": "r2", "client": "c", "amount_cents": 1.5}, "amount_cents must be a whole number"),
    "a truth as cents": ("receipts", {"id": "r2", "client": "c", "amount_cents": True}, "amount_cents must be a whole number"),
    "no day": ("receipts", {"id": "r2", "client": "c", "issued_on": "2026-02-30"}, "issued_on must be a day"),
    "a week": ("receipts", {"id": "r2", "client": "c", "issued_on": "2026-W01-1"}, "issued_on must be a day"),
    "a direction": ("receipts", {"id": "r2", "client": "c", "direction": "in"}, "direction must be one of expense, income"),
    "no side": ("transactions", LINE | {"id": "t2", "side": None}, "side is missing"),
    "no booking day": ("transactions", LINE | {"id": "t2", "booked_on": None}, "booked_on is missing"),
    "no currency": ("transactions", LINE | {"id": "t2", "currency": ""}, "currency is missing"),
    "nothing moved": ("transactions", LINE | {"id": "t2", "amount_cents": 0}, "amount_cents must be above 0"),
    "a transaction twice": ("transactions", LINE, "the id 't1' occurs twice with this client"),
    "two labels": ("labels", {"receipt": "r1", "transactions": []}, "the receipt 'r1' has two labels"),
    "a label without a list": ("labels", {"receipt": "r2", "transactions": "t1"}, "transactions must be a list of ids"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_named(name: str, tmp_path: Path) -> None:
    which, line, problem = BAD[name]
    good = {"receipts": RECEIPT, "transactions": LINE, "labels": {"receipt": "r1", "transactions": []}}
    for known, row in good.items():
        write(tmp_path / f"{known}.jsonl", [row])
    written = line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
    with (tmp_path / f"{which}.jsonl").open("ab") as file:
        file.write(written + b"\n")
    with pytest.raises(BadLine) as caught:
        run(tmp_path)
    assert f"{which}.jsonl, line 2: {problem}" in caught.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{known}.jsonl" for known in NAMES)


def test_what_is_read_is_not_overwritten(folder: Path) -> None:
    receipts = folder / "receipts.jsonl"
    before = receipts.read_bytes()
    with pytest.raises(BadLine, match="would overwrite"):
        evaluate(receipts, folder / "transactions.jsonl", receipts)
    with pytest.raises(BadLine, match="No such file"):
        evaluate(folder / "none.jsonl", folder / "transactions.jsonl", folder / "out.jsonl")
    assert receipts.read_bytes() == before


def test_the_command(folder: Path) -> None:
    runner = Flask("any").test_cli_runner()
    names = [part for name in NAMES for part in (f"--{name}", str(folder / f"{name}.jsonl"))]
    answer = runner.invoke(matching, ["evaluate", *names, "--out", str(folder / "out.jsonl")])
    assert answer.exit_code == 0, answer.output
    assert [line.split()[0] for line in answer.output.splitlines()] == [
        "receipts", "labelled", "precision", "recall", "coverage", "top-1", "top-3",
    ]  # fmt: skip
    (folder / "transactions.jsonl").write_text("?\n", encoding="utf-8")
    answer = runner.invoke(matching, ["evaluate", *names, "--out", str(folder / "out.jsonl")])
    assert answer.exit_code == 1
    assert "transactions.jsonl, line 1: is not JSON" in answer.output
