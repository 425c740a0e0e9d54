"""Measure the matcher: speed, growth, and how often it is right on a set of invented clients.

`./dev bench matching` prints one JSON object per line, then a table. The set is our own invention (`matching_set`): its
figures compare versions of this matcher and say nothing about a real firm's receipts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.matching_set import FEEDS, ClientSet, make_client
from portal.domain.matching import MATCHER_VERSION, Decision, match


@dataclass
class Tally:
    """Counts over receipts.

    `payable` have a line; a pair for a receipt without one is wrong; `top_*` are of the payable left in review.
    """

    receipts: int = 0
    payable: int = 0
    assigned: int = 0
    wrong: list[str] = field(default_factory=list)
    in_review: int = 0
    top_1: int = 0
    top_3: int = 0

    def add(self, decision: Decision, truth: tuple[str, ...]) -> None:
        """Count one decision against its label."""
        self.receipts += 1
        self.payable += bool(truth)
        if decision.status == "assigned":
            self.assigned += 1
            if tuple(sorted(part.transaction for part in decision.allocations)) != truth:
                self.wrong.append(decision.receipt)
        elif truth:
            self.in_review += 1
            hits = [
                bool({part.transaction for part in candidate.allocations} & set(truth)) for candidate in decision.candidates[:3]
            ]
            self.top_1 += any(hits[:1])
            self.top_3 += any(hits)

    def as_row(self) -> dict[str, object]:
        """The shares as numbers; None where nothing was counted."""
        right = self.assigned - len(self.wrong)
        return {
            "receipts": self.receipts,
            "auto": self.assigned,
            "wrong": len(self.wrong),
            "auto_precision": round(right / self.assigned, 5) if self.assigned else None,
            "auto_recall": round(right / self.payable, 4) if self.payable else None,
            "queue_top_1": round(self.top_1 / self.in_review, 4) if self.in_review else None,
            "queue_top_3": round(self.top_3 / self.in_review, 4) if self.in_review else None,
        }


def tally(clients: Iterable[ClientSet]) -> dict[str, Tally]:
    """Match each client alone and count, in all ("") and per phenomenon."""
    counts: defaultdict[str, Tally] = defaultdict(Tally)
    for client in clients:
        for decision in match(client.receipts, client.transactions):
            truth = client.labels[decision.receipt]
            for name in ("", client.phenomena[decision.receipt]):
                counts[name].add(decision, truth)
    return dict(counts)


def timed(clients: Sequence[ClientSet]) -> dict[str, object]:
    """Match all clients once with a clock beside it."""
    receipts = sum(len(client.receipts) for client in clients)
    started = time.perf_counter()
    for client in clients:
        match(client.receipts, client.transactions)
    seconds = time.perf_counter() - started
    return {
        "clients": len(clients),
        "receipts": receipts,
        "transactions": sum(len(client.transactions) for client in clients),
        "seconds": round(seconds, 3),
        "receipts_per_s": round(receipts / seconds),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="bench matching", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clients", type=int, default=5, help="clients per feed")
    chosen = parser.parse_args(arguments)
    rows: list[Mapping[str, object]] = []

    def report(row: Mapping[str, object]) -> None:
        rows.append(row)
        print(json.dumps({"matcher": MATCHER_VERSION, **row}, ensure_ascii=False), flush=True)

    everyone: list[ClientSet] = []
    for feed in FEEDS:
        clients = [make_client(chosen.seed + n, feed=feed) for n in range(chosen.clients)]
        everyone += clients
        report({"name": f"feed {feed}", **tally(clients)[""].as_row()})
    for name, counts in sorted(tally(everyone).items()):
        report({"name": name or "all", **counts.as_row()})
    for count in (1, 4, 16):
        report({"name": f"{count} clients", **timed([make_client(chosen.seed + n) for n in range(count)])})
    for stories in (400, 1200, 3600):
        report({"name": f"one client, {stories} stories", **timed([make_client(chosen.seed, stories=stories)])})
    _print_table(rows)
    return 0


def _print_table(rows: Sequence[Mapping[str, object]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    print()
    for line in cells:
        print(
            "  ".join(
                text.ljust(width) if n == 0 else text.rjust(width)
                for n, (text, width) in enumerate(zip(line, widths, strict=True))
            )
        )


def _cell(value: object) -> str:
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
