"""The balance check (C13): any single wrong cent, missing or doubled movement shows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from portal.db import Database
from portal.services.accounts import reconciling
from tests import factories

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def ledger(chance: random.Random) -> tuple[int, list[dict[str, object]]]:
    """The closing balance and its movements, some of them settled at the same moment, as a bank would tell them."""
    balance, at, rows = chance.randint(-(10**6), 10**9), NOW - timedelta(days=80), []
    last = chance.randint(1, 12)
    for number in range(last + 1):
        at += timedelta(hours=30 if number == last else chance.choice((0, 0, 1, 30)))
        side, cents = chance.choice(("debit", "credit")), chance.randint(1, 10**6)
        balance += cents if side == "credit" else -cents
        rows.append({"qonto_id": str(number), "cents": cents, "side": side, "settled_at": at, "balance_after_cents": balance})
    return balance, rows


def differences(database: Database, change: str, seed: int) -> tuple[int | None, int | None]:
    """What the check says about the ledger of a seed, and about the same with one error in it."""
    chance = random.Random(seed)
    balance, rows = ledger(chance)
    with database.write() as session:
        client = factories.client(session, str(seed), f"Mandant {seed}", now=NOW)
        over = factories.connection(session, client, "bank", now=NOW)
        account = factories.bank_account(session, client, over, now=NOW, number=seed + 1, balance_cents=balance)
        order = rows[:]
        chance.shuffle(order)  # ids say nothing about the order of booking
        made = [
            factories.transaction(session, account, str(row["qonto_id"]), int(str(row["cents"])), now=NOW, **{
                name: row[name] for name in ("side", "settled_at", "balance_after_cents")
            })
            for row in order
        ]  # fmt: skip
        right = reconciling.difference(session, account)
        assert reconciling.breaks(session, account) == []
        earliest = min(row.settled_at for row in made)
        victim = chance.choice([row for row in made if row.settled_at > earliest])
        if change == "cent":
            victim.amount_cents += 1
        elif change == "balance":
            account.balance_cents = balance + 1
        elif change == "missing":
            session.delete(victim)
        else:
            copy = {name: getattr(victim, name) for name in ("side", "settled_at", "balance_after_cents")}
            factories.transaction(session, account, "doubled", victim.amount_cents, now=NOW, **copy)
        session.flush()
        wrong = reconciling.difference(session, account)
        breaks = reconciling.breaks(session, account)
        assert sum(one.cents for one in breaks) == wrong  # together they explain all of it
        assert all(one.cents and one.after <= one.until for one in breaks)
        return right, wrong


@pytest.mark.parametrize("change", ["cent", "balance", "missing", "doubled"])
def test_each_seeded_error_is_seen(database: Database, change: str) -> None:
    """100 ledgers each: well as they are, and not well with one error after the earliest movement."""
    for seed in range(100):
        right, wrong = differences(database, change, seed)
        assert right == 0, seed
        assert wrong not in {0, None}, seed


def test_without_balances_of_the_bank_nothing_is_claimed(database: Database) -> None:
    with database.write() as session:
        client = factories.client(session, "1", "Mandant", now=NOW)
        over = factories.connection(session, client, "bank", now=NOW)
        account = factories.bank_account(session, client, over, now=NOW)
        assert reconciling.difference(session, account) is None
        factories.transaction(session, account, "1", 100, now=NOW, balance_after_cents=None)
        account.balance_cents = 5
        session.flush()
        assert reconciling.difference(session, account) is None
