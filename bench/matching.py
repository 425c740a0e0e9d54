"""Measure the matcher: how often it is right on invented clients, how fast it is, and how that grows.

`./dev bench matching` prints one JSON object per line, then a table. The set is our own invention (`matching_set`): its
figures compare versions of this matcher and say nothing about a real firm's receipts. The split "test" is opened to report only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing import Pool
from pathlib import Path

from bench.matching_day import a_days_matching
from bench.matching_lost import lost
from bench.matching_peers import PEERS
from bench.matching_report import Row, decision_row, print_decisions, print_table
from bench.matching_scores import Outcome, Tally, outcomes, tally
from bench.matching_set import DEFAULT_SPLIT, FEEDS, SPLITS, ClientSet, decide, make_client, write_files
from bench.matching_speed import incremental, speed
from portal.domain.matching import MATCHER_VERSION

__all__ = ["main", "tally"]

PARTS = ("quality", "lost", "speed", "incremental", "peers")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="bench matching", description=__doc__)
    parser.add_argument("--split", choices=SPLITS, default=DEFAULT_SPLIT)
    parser.add_argument("--seed", type=int, default=7, help="of the first client")
    parser.add_argument("--clients", type=int, default=5, help="clients per feed")
    parser.add_argument("--stories", type=int, default=300, help="of each client, roughly 1.3 receipts each")
    parser.add_argument("--feeds", nargs="+", choices=FEEDS, default=FEEDS)
    parser.add_argument("--twins", type=int, default=0, help="that many equal tickets more in each client")
    parser.add_argument("--prices", type=int, help="only so many different amounts in each client")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--processes", type=int, default=2, help="that measure quality side by side")
    parser.add_argument("--full", action="store_true", help="measure growth up to 200,000 receipts, 50,000 in one client")
    parser.add_argument("--write", type=Path, help="only write the set as files for `./dev flask matching evaluate`")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        write_files((client for feed in chosen.feeds for client in _clients(chosen, feed)), chosen.write)
        return 0
    tables: list[list[Row]] = []
    for part in [chosen.only] if chosen.only else PARTS:
        tables.append([])
        for row in _part(part, chosen):
            print(json.dumps({"matcher": MATCHER_VERSION, "split": chosen.split, **row}, ensure_ascii=False), flush=True)
            tables[-1].append(row)
    for table in tables:
        print_table([row for row in table if "receipt" not in row])
        print_decisions("WRONG", [row for row in table if "receipt" in row])
    return 0


def _part(part: str, chosen: argparse.Namespace) -> Iterator[Row]:
    if part == "quality":
        yield from _quality(chosen)
    elif part == "lost":
        yield from lost(client for feed in chosen.feeds for client in _clients(chosen, feed))
    elif part == "speed":
        yield from speed(chosen.split, is_full=chosen.full)
    elif part == "incremental":
        yield from a_days_matching(chosen.split)
        yield from incremental(chosen.split)
    else:
        # a rule decides all at once: a client seen day by day is to it like any other
        clients = [client for feed in chosen.feeds for client in _clients(chosen, feed)]
        for name, rule in PEERS.items():
            yield {"name": name, **tally(clients, rule)[""].as_row()}
        for name, rule in PEERS.items():
            for feed in chosen.feeds:
                found = tally([client for client in clients if client.feed == feed], rule)[""]
                yield {"name": f"{name}, feed {feed}", **found.as_row()}


def _clients(chosen: argparse.Namespace, feed: str) -> Iterator[ClientSet]:
    for n in range(chosen.clients):
        yield _client(chosen, feed, n)


def _client(chosen: argparse.Namespace, feed: str, n: int) -> ClientSet:
    return make_client(
        chosen.seed + n, stories=chosen.stories, feed=feed, split=chosen.split, twins=chosen.twins, prices=chosen.prices
    )


def _quality(chosen: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each wrong assignment, then one for all, for each feed and for each phenomenon."""
    counts: defaultdict[str, Tally] = defaultdict(Tally)
    asked = [(chosen, feed, n) for feed in chosen.feeds for n in range(chosen.clients)]
    with Pool(chosen.processes) as pool:
        for (_, feed, _), (found, wrong) in zip(asked, pool.imap(_decided, asked), strict=True):
            for outcome in found:
                for name in ("all", f"feed {feed}", f"~ {outcome.phenomenon}"):
                    counts[name].add(outcome)
            yield from wrong
    # feeds stay in their order, phenomena go by name
    for name in sorted(counts, key=lambda name: (name.startswith("~"), name if name.startswith("~") else "")):
        yield {"name": name.removeprefix("~ "), **counts[name].as_row()}


def _decided(asked: tuple[argparse.Namespace, str, int]) -> tuple[list[Outcome], list[Row]]:
    """The outcomes of one client, and a row for each that is wrong."""
    client = _client(*asked)
    found = list(outcomes(client, decide(client)))
    return found, [_wrong_row(client, outcome) for outcome in found if outcome.is_wrong]


def _wrong_row(client: ClientSet, outcome: Outcome) -> Row:
    decision = outcome.decision
    receipt = next(receipt for receipt in client.receipts if receipt.id == decision.receipt)
    return {
        "receipt": receipt.id,
        "client": client.name,
        "phenomenon": outcome.phenomenon,
        **decision_row(receipt, decision, outcome.truth, client.transactions),
    }


if __name__ == "__main__":
    sys.exit(main())
