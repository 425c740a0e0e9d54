"""Five ways in which a client's lines reach the portal: what each of them loses, and seeing them day by day."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from bench.matching_rows import FIRST_DAY, ClientSet
from bench.matching_words import Vocabulary
from portal.domain.matching import Decision, ReceiptFacts, TransactionFacts, match

FEEDS = ("full", "csv", "poor", "gaps", "daily")
"""Qonto's own · a bank's CSV file · poor texts and cut names · a quarter of the lines missing · seen day by day."""

_QUIET_NIGHTS = (1, 7, 40)


def degrade(made: ClientSet, feed: str, dice: random.Random, words: Vocabulary) -> None:
    """Take from a client's set what `feed` does not tell; its labels follow. Errors: KeyError for an unknown feed."""
    {"full": _keep, "csv": _as_csv, "poor": _impoverish, "gaps": _lose_lines, "daily": _keep}[feed](made, dice, words)
    made.feed = feed


def _keep(_made: ClientSet, _dice: random.Random, _words: Vocabulary) -> None:
    """Qonto's own feed loses nothing."""


def _as_csv(made: ClientSet, dice: random.Random, words: Vocabulary) -> None:
    """A bank tells of a card in words: the shop on the other side, or in the text beside nobody or the card's own name."""
    digits, other_side = f"{dice.randrange(10_000):04d}", dice.choice(("{shop}", "", dice.choice(words.card_names)))
    unknown: dict[str, Any] = dict.fromkeys(("iban", "emitted_on", "operation_type", "local_amount_cents", "local_currency"))

    def told(line: TransactionFacts) -> TransactionFacts:
        if line.operation_type != "card":
            return replace(line, **unknown)
        shop = "" if other_side == "{shop}" else line.counterparty or ""
        used = line.emitted_on or line.booked_on
        text = f"{shop} {dice.choice(words.card_digits).format(code=digits, day=f'{used:%d.%m.}')}".strip()
        return replace(line, counterparty=other_side.format(shop=line.counterparty) or None, remittance=text, **unknown)

    made.transactions = [told(line) for line in made.transactions]
    # another bank's file has ids that Qonto's invoices cannot link to
    made.receipts = [replace(receipt, linked_transactions=()) for receipt in made.receipts]


def _impoverish(made: ClientSet, dice: random.Random, _words: Vocabulary) -> None:
    """A bank cuts all names at one length; of texts some are left, and of some payments no name at all."""
    length = dice.choice((10, 14, 18))

    def poor(line: TransactionFacts) -> TransactionFacts:
        chance, text, name = dice.random(), line.remittance, line.counterparty
        if chance < 0.45:
            text = ""
        elif chance < 0.7:
            text = text[: dice.choice((8, 12, 16))]
        name = (name or "")[:length].strip() or None
        return replace(line, remittance=text, counterparty=None if dice.random() < 0.1 else name)

    made.transactions = [poor(line) for line in made.transactions]


def _lose_lines(made: ClientSet, dice: random.Random, _words: Vocabulary) -> None:
    made.transactions = [line for line in made.transactions if dice.random() >= 0.25]
    there = {line.id for line in made.transactions}
    for other, line in list(made.stand_ins.items()):
        if other in there and line not in there:
            del made.stand_ins[other]
            made.labels = {
                known: tuple(other if named == line else named for named in lines) for known, lines in made.labels.items()
            }
    # an invoice of which one line is missing has no complete truth any more: nothing may be assigned
    made.labels = {known: lines if set(lines) <= there else () for known, lines in made.labels.items()}
    made.receipts = [
        replace(receipt, linked_transactions=tuple(n for n in receipt.linked_transactions if n in there))
        for receipt in made.receipts
    ]


def decide(client: ClientSet) -> list[Decision]:
    """Match a client as its feed arrives: all at once, or for "daily" day by day, the last word about each receipt."""
    if client.feed != "daily":
        last = max((line.booked_on for line in client.transactions), default=None)
        return match(client.receipts, client.transactions, covered_until=last)
    standing: dict[str, Decision] = {}
    for decisions in nights(client):
        standing.update((decision.receipt, decision) for decision in decisions)
    return [standing[receipt.id] for receipt in client.receipts]


def nights(client: ClientSet) -> Iterator[list[Decision]]:
    """Match each evening on which something new was seen, and some after; what was assigned stands and uses up its lines.

    A receipt is marked as paid, and linked by the bank, only once the payment is there. Yields the decisions of each night.
    """
    news = {line.booked_on for line in client.transactions} | set(client.arrivals.values())
    # what the matcher waits for to settle is decided some quiet nights later
    days = sorted(news | {max(news, default=FIRST_DAY) + timedelta(days=quiet) for quiet in _QUIET_NIGHTS})
    used: dict[str, int] = {}
    assigned: set[str] = set()
    lines = sorted(client.transactions, key=lambda line: (line.booked_on, line.id))
    seen = 0
    for today in days:
        while seen < len(lines) and lines[seen].booked_on <= today:
            seen += 1
        known = {line.id for line in lines[:seen]}
        waiting = [
            _as_of(receipt, today, known)
            for receipt in client.receipts
            if receipt.id not in assigned and client.arrivals[receipt.id] <= today
        ]
        booked = [
            replace(line, open_cents=line.amount_cents - used[line.id]) if line.id in used else line for line in lines[:seen]
        ]
        decisions = match(waiting, booked, covered_until=today)
        for decision in decisions:
            if decision.status == "assigned":
                assigned.add(decision.receipt)
            for part in decision.allocations:
                used[part.transaction] = used.get(part.transaction, 0) + part.amount_cents
        yield decisions


def _as_of(receipt: ReceiptFacts, today: date, known: set[str]) -> ReceiptFacts:
    is_paid = receipt.paid_on is not None and receipt.paid_on <= today
    links = tuple(line for line in receipt.linked_transactions if line in known)
    return replace(receipt, paid_on=receipt.paid_on if is_paid else None, linked_transactions=links)
