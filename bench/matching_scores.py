"""How good decisions are against the truth, in the figures of one table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from scipy.stats import beta

from bench.matching_set import ClientSet, decide
from portal.domain.matching import Allocation, Decision

Matcher = Callable[[ClientSet], list[Decision]]

_SUGGESTED_FROM = 0.5
_CLICKS = {1: 1, 2: 2, 3: 2}
_CLICKS_OF_A_SEARCH = 6


@dataclass(frozen=True)
class Outcome:
    """One decision beside its truth.

    `is_wrong`: assigned to other transactions than its own. `is_right`: assigned to exactly its own, and so is every receipt that
    shares them (a set counts whole or not at all). `rank`: the place of the first candidate of only true transactions, 0 if none.
    """

    decision: Decision
    truth: tuple[str, ...]
    phenomenon: str
    is_wrong: bool
    is_right: bool
    rank: int


@dataclass
class Tally:
    """Counts over receipts. `payable` have a transaction; `ranks` are of these, `queue` only of those left in review."""

    receipts: int = 0
    payable: int = 0
    assigned: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    queue: list[int] = field(default_factory=list)
    without_line: int = 0
    falsely_suggested: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one decision."""
        self.receipts += 1
        decision = outcome.decision
        if decision.status == "assigned":
            self.assigned += 1
            self.right += outcome.is_right
            if outcome.is_wrong:
                self.wrong.append(decision.receipt)
        if outcome.truth:
            self.payable += 1
            self.ranks.append(outcome.rank)
            if decision.status == "review":
                self.queue.append(outcome.rank)
        else:
            self.without_line += 1
            self.falsely_suggested += is_suggested(decision)

    def as_row(self) -> dict[str, object]:
        """The figures by name; None where nothing was counted.

        `bound`: one-sided 95 % Clopper–Pearson bound of the precision. `clicks`: for 1,000 receipts, of the queue's payable ones.
        """
        wrong = len(self.wrong)
        clicks = sum(_CLICKS.get(rank, _CLICKS_OF_A_SEARCH) for rank in self.queue)
        return {
            "receipts": self.receipts,
            "payable": self.payable,
            "auto": self.assigned,
            "wrong": wrong,
            "precision": _share(self.assigned - wrong, self.assigned, 5),
            "bound": lower_bound(self.assigned, wrong),
            "recall": _share(self.right, self.payable),
            "top_1": _share(_hits(self.ranks, 1), self.payable),
            "top_3": _share(_hits(self.ranks, 3), self.payable),
            "mrr": _share(_reciprocal(self.ranks), self.payable),
            "queue": len(self.queue),
            "queue_top_1": _share(_hits(self.queue, 1), len(self.queue)),
            "queue_top_3": _share(_hits(self.queue, 3), len(self.queue)),
            "queue_mrr": _share(_reciprocal(self.queue), len(self.queue)),
            "false_suggest": _share(self.falsely_suggested, self.without_line),
            "clicks": round(1000 * clicks / self.receipts) if self.receipts else None,
        }


def is_suggested(decision: Decision) -> bool:
    """Whether the first candidate looks as if it were the right one."""
    return bool(decision.candidates) and decision.candidates[0].score >= _SUGGESTED_FROM


def lower_bound(assigned: int, wrong: int) -> float | None:
    """Return what the precision is at least, with 95 % confidence (one-sided Clopper–Pearson); None if nothing was assigned."""
    if not assigned:
        return None
    return round(float(beta.ppf(0.05, assigned - wrong, wrong + 1)), 5) if wrong < assigned else 0.0


def outcomes(client: ClientSet, decisions: Iterable[Decision]) -> Iterator[Outcome]:
    """Put each decision beside its truth."""
    known = {decision.receipt: decision for decision in decisions}
    sharing: defaultdict[str, list[str]] = defaultdict(list)
    for receipt, truth in client.labels.items():
        for line in truth:
            sharing[line].append(receipt)

    def is_exact(receipt: str) -> bool:
        decision = known[receipt]
        return decision.status == "assigned" and _lines(client, decision.allocations) == client.labels[receipt]

    for receipt, decision in known.items():
        truth = client.labels[receipt]
        is_own = is_exact(receipt)
        yield Outcome(
            decision=decision,
            truth=truth,
            phenomenon=client.phenomena[receipt],
            is_wrong=decision.status == "assigned" and not (is_own and truth),
            is_right=is_own and all(is_exact(other) for line in truth for other in sharing[line]),
            rank=_rank(client, decision),
        )


def tally(clients: Iterable[ClientSet], matcher: Matcher = decide) -> dict[str, Tally]:
    """Match each client alone and count, in all ("") and per phenomenon."""
    counts: defaultdict[str, Tally] = defaultdict(Tally)
    for client in clients:
        for outcome in outcomes(client, matcher(client)):
            for name in ("", outcome.phenomenon):
                counts[name].add(outcome)
    return dict(counts)


def _lines(client: ClientSet, allocations: Iterable[Allocation]) -> tuple[str, ...]:
    return tuple(sorted(client.stand_ins.get(part.transaction, part.transaction) for part in allocations))


def _rank(client: ClientSet, decision: Decision) -> int:
    for rank, candidate in enumerate(decision.candidates, start=1):
        if set(_lines(client, candidate.allocations)) <= set(client.labels[decision.receipt]):
            return rank
    return 0


def _hits(ranks: Iterable[int], most: int) -> int:
    return sum(1 <= rank <= most for rank in ranks)


def _reciprocal(ranks: Iterable[int]) -> float:
    return sum(1 / rank for rank in ranks if rank)


def _share(part: float, whole: int, digits: int = 4) -> float | None:
    return round(part / whole, digits) if whole else None
