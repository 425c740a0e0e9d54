"""Measure the matcher on a second ledger, which somebody else invented: how often it is right, by feed and phenomenon.

`./dev bench ledger` prints one JSON object per line, then a table for each feed and every wrong assignment with its facts. Like
the first set (`./dev bench matching`) it is an invention: its figures say nothing about a real firm. The split "test" is opened
to report only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import Pool

from bench.ledger_books import invent
from bench.ledger_facts import Books
from bench.ledger_feeds import FEEDS, told
from bench.ledger_scores import Paper, judge, tally
from bench.ledger_words import WORDS
from bench.matching_lost import gates_of, in_words
from bench.matching_report import Row, decision_row, print_decisions, print_table
from bench.matching_set import DEFAULT_SPLIT, ClientSet, decide
from portal.domain.matching import MATCHER_VERSION, Decision

_SHOWN = 12
"""How many of the lost receipts are shown, spread evenly over all."""
_ALL, _NONE_THERE = "all", "none_there"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="bench ledger", description=__doc__)
    parser.add_argument("--split", choices=WORDS, default=DEFAULT_SPLIT)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--clients", type=int, default=20, help="one after the other of ten kinds of firms")
    parser.add_argument("--feeds", nargs="+", choices=FEEDS, default=FEEDS)
    parser.add_argument("--lost", metavar="PHENOMENON", help=f'also show what was left to people; "{_ALL}": of any phenomenon')
    parser.add_argument("--processes", type=int, default=2, help="that decide side by side")
    chosen = parser.parse_args(arguments)
    books = list(invent(chosen.split, chosen.seed, chosen.clients))
    known = sorted({_ALL, *(name for one in books for about in one.phenomena.values() for name in about)})
    if chosen.lost and chosen.lost not in known:
        parser.error(f"no receipt stands for {chosen.lost}; there are {', '.join(known)}")
    reports = [_report(chosen, books, feed) for feed in chosen.feeds]
    for feed, (figures, wrong, lost) in zip(chosen.feeds, reports, strict=True):
        print(f"\nFeed {feed}")
        print_table(figures)
        print_decisions("WRONG", wrong)
        print_decisions("LOST", lost)
    return 0


def _report(chosen: argparse.Namespace, books: Iterable[Books], feed: str) -> tuple[list[Row], list[Row], list[Row]]:
    """Decide on the books as one feed tells them; print and return the figures, the wrong ones, and some of the lost."""
    asked = [(one, chosen.lost) for one in told(books, feed, chosen.seed)]
    with Pool(chosen.processes) as pool:
        judged = pool.map(_judged, asked, chunksize=1)
    papers = [paper for found, _, _ in judged for paper in found]
    wrong = [row for _, found, _ in judged for row in found]
    lost = [row for _, _, found in judged for row in found]
    shown = lost[:: max(1, len(lost) // _SHOWN)][:_SHOWN]
    figures = list(_figures(papers))
    stopped: list[Row] = (
        [{"phenomenon": chosen.lost, "stopped by": in_words(Counter(str(row["gate"]) for row in lost))}] if chosen.lost else []
    )
    for row in (*wrong, *figures, *stopped, *shown):
        about = {"matcher": MATCHER_VERSION, "split": chosen.split, "seed": chosen.seed, "feed": feed}
        print(json.dumps({**about, **row}, ensure_ascii=False), flush=True)
    return figures, wrong, shown


def _judged(asked: tuple[Books, str | None]) -> tuple[list[Paper], list[Row], list[Row]]:
    """The papers of one client, a row for each wrong assignment, and one for each that is lost of the phenomenon asked for."""
    books, phenomenon = asked
    client = books.as_client()
    decisions = decide(client)
    papers = judge(books, decisions)
    wrong = [_row(client, books, paper, decision) for paper in papers for decision in paper.wrong]
    lost = [paper for paper in papers if paper.is_lost and phenomenon in _names(paper)]
    gates = gates_of(client, decisions) if lost else {}
    return papers, wrong, [{"gate": gates[paper.receipt], **_row(client, books, paper, paper.decisions[0])} for paper in lost]


def _row(client: ClientSet, books: Books, paper: Paper, decision: Decision) -> Row:
    receipt = next(receipt for receipt in client.receipts if receipt.id == decision.receipt)
    return {
        "receipt": receipt.id,
        "client": client.name,
        "phenomenon": ", ".join(sorted(paper.phenomena)),
        **decision_row(receipt, decision, books.truth[paper.receipt], client.transactions),
    }


def _figures(papers: Iterable[Paper]) -> Iterator[Row]:
    """Yield the figures of all, then of each phenomenon; of which most was lost comes first."""
    groups: defaultdict[str, list[Paper]] = defaultdict(list)
    for paper in papers:
        for name in _names(paper):
            groups[name].append(paper)
    counts = {name: tally(group) for name, group in groups.items()}
    for name in sorted(counts, key=lambda name: (name != _ALL, counts[name].right - counts[name].payable, name)):
        lost = counts[name].payable - counts[name].right
        yield {"phenomenon": name, "lost": lost, **counts[name].as_row()}


def _names(paper: Paper) -> tuple[str, ...]:
    """What a paper is counted as."""
    return (_ALL, *paper.phenomena, *([] if paper.truth else [_NONE_THERE]))


if __name__ == "__main__":
    sys.exit(main())
