"""A labelled set of invented receipts and transactions of German small firms, for measuring and testing the matcher.

Everything comes from one seed. Each receipt carries the phenomenon it stands for, so that results can be read one by one.
Names, numbers and habits are made up (`matching_words`, `matching_rows`), what happens is told in `matching_stories`, how it
arrives in `matching_feeds`; no figure says anything about a real firm.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from bench.matching_feeds import FEEDS, decide, degrade, nights
from bench.matching_rows import ClientSet
from bench.matching_stories import Maker
from bench.matching_words import SPLITS, VOCABULARIES

__all__ = ["FEEDS", "SPLITS", "ClientSet", "decide", "make_client", "nights", "write_files"]

DEFAULT_SPLIT = "calibrate"
"""What a developer looks at every day. "test" is opened to report, not to tune."""

_RECEIPT_FIELDS = "id direction number counterparty amount_cents currency issued_on due_on paid_on iban text"
_TRANSACTION_FIELDS = (
    "id account side amount_cents currency local_amount_cents local_currency booked_on emitted_on counterparty iban remittance "
    "operation_type"
)


def make_client(  # noqa: PLR0913 -- keyword-only and named for what they turn
    seed: int,
    *,
    stories: int = 300,
    feed: str = "full",
    split: str = DEFAULT_SPLIT,
    twins: int = 0,
    prices: int | None = None,
    links: float = 0.25,
    parties: int = 50,
) -> ClientSet:
    """Invent one client; the same arguments give the same set.

    `stories`: roughly 1.3 receipts each. `feed` and `split`: of FEEDS and SPLITS. `twins`: that many equal tickets of one party
    more. `prices`: only so many different amounts, for a very dense client. `links`: share of the bank's invoices that it links
    to their lines itself. `parties`: suppliers and customers. Errors: KeyError for an unknown feed or split.
    """
    dice = random.Random(f"{split}/{feed}/{seed}")
    words = VOCABULARIES[split]
    made = Maker(dice, words, prices=prices, links=links, parties=parties).make(stories, twins)
    made.name = f"{split}-{feed}-{seed}"
    degrade(made, feed, dice, words)
    return made


def write_files(clients: Iterable[ClientSet], folder: Path) -> None:
    """Write receipts.jsonl, transactions.jsonl and labels.jsonl in the formats of `matching evaluate` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("receipts", "transactions", "labels")
    receipts, transactions, labels = (open(folder / f"{name}.jsonl", "w", encoding="utf-8") for name in names)  # noqa: PTH123, SIM115
    with receipts, transactions, labels:
        for client in clients:
            for receipt in client.receipts:
                print(_as_json(receipt, _RECEIPT_FIELDS, client.name), file=receipts)
                label = {"receipt": receipt.id, "transactions": list(client.labels[receipt.id])}
                print(json.dumps(label, ensure_ascii=False), file=labels)
            for line in client.transactions:
                print(_as_json(line, _TRANSACTION_FIELDS, client.name), file=transactions)


def _as_json(facts: object, fields: str, client: str) -> str:
    values: dict[str, Any] = {"client": client}
    for name in fields.split():
        value = getattr(facts, name)
        values[name] = value.isoformat() if isinstance(value, date) else value
    return json.dumps(values, ensure_ascii=False)
