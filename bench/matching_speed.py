"""How fast the matcher is, against a bare comparison of names, and how its time grows."""

from __future__ import annotations

import gc
import math
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from rapidfuzz import fuzz, process

from bench.matching_set import ClientSet, decide, make_client, nights
from portal.domain.matching import ReceiptFacts, TransactionFacts, match
from portal.domain.matching.blocking import Index

_STORIES = 1_000
_THROUGHPUT_CLIENTS = 17
_NEW_RECEIPTS = 50

_RECEIPTS_A_STORY = 1.3
_STORIES_A_PARTY = 20

Row = dict[str, object]
_Batches = list[list[ClientSet]]

_CLIENT_STEPS = {False: (2_000, 5_000, 10_000, 20_000, 50_000), True: (2_000, 10_000, 50_000, 100_000, 200_000)}
_ONE_STEPS = {False: (2_000, 4_000, 10_000), True: (2_000, 5_000, 10_000, 20_000, 50_000)}


def speed(split: str, *, is_full: bool) -> Iterator[Row]:
    """Yield rows: receipts a second from facts in memory to decisions, its ratio to bare name comparison, growth, memory."""
    match(*_facts(make_client(0, split=split, stories=100)))  # the first contested pair loads the solvers
    clients = [make_client(1_000 + n, split=split, stories=_STORIES) for n in range(_THROUGHPUT_CLIENTS)]
    seconds, cpu = _timed(clients)
    pairs = [blocked_names(client) for client in clients]
    started = time.process_time()
    for ours, theirs in pairs:
        process.cpdist(ours, theirs, scorer=fuzz.token_set_ratio)
    bare = time.process_time() - started
    receipts = sum(len(client.receipts) for client in clients)
    yield {
        "name": f"speed: {len(clients)} clients",
        **_row(clients, seconds, cpu),
        "names_alone_seconds": round(bare, 3),
        "times_names_alone": round(cpu / bare, 1),
    }
    yield {"name": f"speed: {len(clients)} clients, two processes", "receipts_per_s": round(receipts / _in_two(clients))}
    yield from _growth("more clients", split, _CLIENT_STEPS[is_full], _several)
    yield from _growth("one client", split, _ONE_STEPS[is_full], _one)
    yield {"name": "memory", "receipts": receipts, "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def blocked_names(client: ClientSet) -> tuple[list[str], list[str]]:
    """Return the counterparties, as written, of the pairs that the matcher compares: receipts' and transactions'."""
    index = Index(client.receipts, client.transactions)
    receipts, lines = index.pairs()
    ours = [index.receipts[place].facts.counterparty or "" for place in receipts.tolist()]
    theirs = [index.transactions[place].facts.counterparty or "" for place in lines.tolist()]
    return ours, theirs


def incremental(split: str) -> Iterator[Row]:
    """Yield rows: a night with few new receipts in a client with many old ones, and what seeing day by day changes."""
    for size in (2_000, 10_000):
        ((client,),) = _one(split, size, size)
        by_arrival = sorted(client.receipts, key=lambda made: (client.arrivals[made.id], made.id))
        decisions = match(by_arrival[:-_NEW_RECEIPTS], client.transactions)
        used = {part.transaction: 0 for decision in decisions for part in decision.allocations}
        for decision in decisions:
            for part in decision.allocations:
                used[part.transaction] += part.amount_cents
        done = {decision.receipt for decision in decisions if decision.status == "assigned"}
        waiting = [receipt for receipt in client.receipts if receipt.id not in done]
        lines = [replace(line, open_cents=line.amount_cents - used.get(line.id, 0)) for line in client.transactions]
        started = time.perf_counter()
        match(waiting, lines)
        seconds = time.perf_counter() - started
        yield {
            "name": f"a night with {_NEW_RECEIPTS} new of {len(client.receipts)}",
            "receipts": len(waiting),
            "transactions": len(lines),
            "seconds": round(seconds, 3),
        }
    yield _daily_against_at_once(split)


def _daily_against_at_once(split: str) -> Row:
    client = make_client(2_000, split=split, feed="daily")
    at_once = {decision.receipt: decision.allocations for decision in match(*_facts(client))}
    daily = {decision.receipt: decision.allocations for decision in decide(client)}
    both = [receipt for receipt in daily if daily[receipt] and at_once[receipt]]
    return {
        "name": "day by day against at once",
        "receipts": len(client.receipts),
        "nights": sum(1 for _ in nights(client)),
        "both": len(both),
        "different": sum(daily[receipt] != at_once[receipt] for receipt in both),
        "only_daily": sum(bool(daily[receipt]) and not at_once[receipt] for receipt in daily),
        "only_at_once": sum(bool(at_once[receipt]) and not daily[receipt] for receipt in daily),
    }


def _growth(name: str, split: str, steps: Sequence[int], build: Callable[[str, int, int], _Batches]) -> Iterator[Row]:
    """Measure each size as often as it fits into the largest, on other clients each time: one client is quicker than another."""
    points: list[tuple[float, float]] = []
    for step in steps:
        batches = build(split, step, max(steps))
        times = [_timed(batch) for batch in batches]
        seconds, cpu = (statistics.fmean(taken) for taken in zip(*times, strict=True))
        receipts = statistics.fmean(sum(len(client.receipts) for client in batch) for batch in batches)
        # what else runs on the machine is no growth: the processor's time counts
        points.append((math.log(receipts), math.log(cpu)))
        yield {
            "name": f"{name}: {step}", "batches": len(batches), "receipts": round(receipts), "seconds": round(seconds, 3),
            "receipts_per_s": round(receipts / seconds), "cpu_seconds": round(cpu, 3),
        }  # fmt: skip
    yield {"name": f"{name}: growth", "exponent": round(_slope(points), 3)}


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Fit a line through (log size, log time): 1 is linear growth."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _several(split: str, receipts: int, largest: int) -> _Batches:
    # every client of one size, else the exponent would measure that too
    count, most = (max(1, round(size / _RECEIPTS_A_STORY / _STORIES)) for size in (receipts, largest))
    clients = [make_client(3_000 + n, split=split, stories=_STORIES, parties=_STORIES // _STORIES_A_PARTY) for n in range(most)]
    return [clients[first : first + count] for first in range(0, most - count + 1, count)]


def _one(split: str, receipts: int, largest: int) -> _Batches:
    """One ever larger client, who knows more parties too."""
    stories = round(receipts / _RECEIPTS_A_STORY)
    made = (
        make_client(4_000 + n, split=split, stories=stories, parties=stories // _STORIES_A_PARTY)
        for n in range(largest // receipts)
    )
    return [[client] for client in made]


def _facts(client: ClientSet) -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    return client.receipts, client.transactions


def _timed(clients: Sequence[ClientSet]) -> tuple[float, float]:
    """Match all clients once; returns seconds by the clock and of the processor."""
    gc.collect()
    gc.freeze()  # else each collection walks through the invented facts of all clients, and that is counted as growth
    started, started_cpu = time.perf_counter(), time.process_time()
    for client in clients:
        match(client.receipts, client.transactions)
    seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
    gc.unfreeze()
    return seconds, cpu


def _in_two(clients: Sequence[ClientSet]) -> float:
    """Seconds by the clock in which two processes, which have the facts in memory, decide on all clients."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"), initializer=_hold, initargs=(clients,)) as pool:
        list(pool.map(_count, [0, 1]))  # both are there
        started = time.perf_counter()
        list(pool.map(_count, range(len(clients))))
        return time.perf_counter() - started


_held: list[ClientSet] = []


def _hold(clients: Sequence[ClientSet]) -> None:
    _held.extend(clients)
    gc.freeze()


def _count(place: int) -> int:
    return len(match(_held[place].receipts, _held[place].transactions))


def _row(clients: Sequence[ClientSet], seconds: float, cpu: float) -> Row:
    receipts = sum(len(client.receipts) for client in clients)
    return {
        "receipts": receipts,
        "transactions": sum(len(client.transactions) for client in clients),
        "pairs": sum(len(blocked_names(client)[0]) for client in clients),
        "seconds": round(seconds, 3),
        "receipts_per_s": round(receipts / seconds),
        "cpu_seconds": round(cpu, 3),
    }
