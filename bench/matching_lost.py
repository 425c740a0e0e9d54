"""What the matcher leaves to people although its transaction is there: by phenomenon, and by the first gate that stopped it.

Looks at the last round of a client: what was assigned is taken out, as the matcher itself does, and the true pair of each
receipt that was left is asked where it stopped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from bench.matching_report import Row
from bench.matching_scores import outcomes
from bench.matching_set import ClientSet, decide
from portal.domain.matching import Decision
from portal.domain.matching.assigning import Judge
from portal.domain.matching.blocking import Index
from portal.domain.matching.features import Comparison
from portal.domain.matching.kinship import acquaint
from portal.domain.matching.pairs import Amount, Number
from portal.domain.matching.scoring import Scores


def lost(clients: Iterable[ClientSet], matcher: Callable[[ClientSet], list[Decision]] = decide) -> Iterator[Row]:
    """Yield a row for all, each feed and each phenomenon: how many receipts were lost, at which gates, the largest first."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    payable: Counter[str] = Counter()
    for client in clients:
        decisions = matcher(client)
        gates = gates_of(client, decisions)
        for outcome in outcomes(client, decisions):
            for name in ("all", f"feed {client.feed}", outcome.phenomenon) if outcome.truth else ():
                payable[name] += 1
                if not outcome.is_right:
                    counts[name][gates[outcome.decision.receipt]] += 1
    order = sorted(counts, key=lambda name: (name != "all", not name.startswith("feed "), -counts[name].total(), name))
    for name in order:
        yield {"name": name, "payable": payable[name], "lost": counts[name].total(), "stopped by": in_words(counts[name])}


def in_words(counts: Counter[str]) -> str:
    """Name gates with how many they stopped, the most first."""
    return ", ".join(f"{gate} {count}" for gate, count in counts.most_common())


def gates_of(client: ClientSet, decisions: Iterable[Decision]) -> dict[str, str]:
    """Map each receipt of a client to the first gate that its true pair did not pass."""
    decided = {decision.receipt: decision for decision in decisions}
    used: Counter[str] = Counter()
    for decision in decided.values():
        for part in decision.allocations:
            used[part.transaction] += part.amount_cents
    lines = [replace(line, open_cents=line.amount_cents - used[line.id]) for line in client.transactions]
    receipts = [receipt for receipt in client.receipts if decided[receipt.id].status == "review"]
    index = Index(receipts, lines)
    acquaint(index, ())
    comparison = Comparison(index, ())
    covered = max((line.booked_on for line in lines), default=None)
    asked = _Asked(client, Judge(comparison, Scores(comparison), covered))
    found = {receipt.facts.id: asked.gate(receipt.place) for receipt in comparison.index.receipts}
    return {known: found.get(known, "a part of its set was not assigned") for known in decided}


class _Asked:
    def __init__(self, client: ClientSet, judge: Judge) -> None:
        self._client, self._judge, self._index = client, judge, judge.index
        pairs = judge.pairs
        self._at = {pair: n for n, pair in enumerate(zip(pairs.receipt.tolist(), pairs.line.tolist(), strict=True))}
        self._gates = [(name, passes.tolist()) for name, passes in judge.gates]
        self._sharing = Counter(line for truth in client.labels.values() for line in truth)

    def gate(self, place: int) -> str:
        """The first gate at which the true pair of a receipt stopped; of a set, at which its first part did."""
        judge, truth = self._judge, self._client.labels[self._index.receipts[place].facts.id]
        pairs = [self._at.get((place, self._index.place_of[line])) for line in truth]
        known = [n for n in pairs if n is not None]
        if not known:
            return "not compared"
        is_set = len(truth) > 1 or any(self._sharing[line] > 1 for line in truth)
        if is_set and not all(judge.pairs.is_set[n] or judge.pairs.amount[n] == Amount.PAYOUT for n in known):
            return "no set"
        n = known[0]
        for name, passes in self._gates:
            if not passes[n]:
                return f"amount {Amount(judge.pairs.amount[n]).name.lower()}" if name == "amount" else name
        if not judge.may[n]:
            return "lead" if judge.is_optimal[n] or judge.pairs.is_set[n] else "optimum"
        if judge.certainty.waits(n) is None:
            return self._unidentified(n)
        return "waiting" if not is_set else "another part of its set"

    def _unidentified(self, n: int) -> str:
        """Why nothing identifies a pair whose amount is right."""
        judge = self._judge
        if not judge.index.receipts[judge.pairs.receipt[n]].facts.is_from_bank:
            return "upload without its number"
        if judge.pairs.is_set[n]:
            return "sum without numbers"
        number = Number(judge.pairs.number[n])
        if number in {Number.HINTED, Number.MISTYPED}:
            return f"number {number.name.lower()}"
        return "days or rival" if judge.certainty.is_party(n) else "party unclear"
