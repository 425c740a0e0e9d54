"""How good decisions about the second ledger are: what counts as right, and the figures of `matching_scores` over it.

A receipt filed twice is one paper. Lines that nothing told sets apart stand in for each other, and so do receipts: within a group
of those each true set of lines can be claimed once, by whichever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.ledger_facts import Books
from bench.matching_scores import Tally, is_suggested
from portal.domain.matching import Allocation, Decision

Lines = tuple[str, ...]


@dataclass
class Paper:
    """One paper, filed once or more often, and what became of it.

    `receipt`: the one filed first. `truth`: for each of its lines the first of that kind, sorted; () if it has none. `decisions`:
    of the receipt, then of its copies. `is_right`: its lines were assigned to it, or to one that nothing sets apart from it.
    `wrong`: other assignments. `is_whole`: right, and so is every paper that shares its lines. `rank`: the place of the first
    candidate that is right, 0 if none is.
    """

    receipt: str
    truth: Lines
    phenomena: set[str]
    decisions: list[Decision]
    is_right: bool = False
    is_whole: bool = False
    wrong: list[Decision] = field(default_factory=list)
    rank: int = 0

    @property
    def is_lost(self) -> bool:
        """Whether it has lines, and nothing was assigned to it."""
        return bool(self.truth) and not self.is_right and not self.wrong


def judge(books: Books, decisions: Iterable[Decision]) -> list[Paper]:
    """Put the decisions about a client's receipts, each of which has one, beside the truth as its feed tells it."""
    decided = {decision.receipt: decision for decision in decisions}
    papers = {
        receipt.id: Paper(
            receipt.id,
            tuple(sorted(books.stand_ins[line] for line in books.truth[receipt.id])),
            books.phenomena[receipt.id],
            [decided[receipt.id]],
        )
        for receipt in books.receipts
        if receipt.id not in books.copies
    }
    for copy, original in books.copies.items():
        papers[original].decisions.append(decided[copy])
    alike: defaultdict[str, list[Paper]] = defaultdict(list)
    for paper in papers.values():
        alike[books.stand_ins[paper.receipt]].append(paper)
    for group in alike.values():
        _claim(group, books.stand_ins)
        _rank(group, books.stand_ins)
    sharing: defaultdict[str, list[Paper]] = defaultdict(list)
    for paper in papers.values():
        for line in books.truth[paper.receipt]:
            sharing[line].append(paper)
    for paper in papers.values():
        paper.is_whole = paper.is_right and all(other.is_right for line in books.truth[paper.receipt] for other in sharing[line])
    return list(papers.values())


def tally(papers: Iterable[Paper]) -> Tally:
    """Count papers. Each assignment counts by itself: that of a copy beside that of its original is wrong."""
    counts = Tally()
    for paper in papers:
        counts.receipts += 1
        counts.assigned += paper.is_right + len(paper.wrong)
        counts.wrong += [decision.receipt for decision in paper.wrong]
        counts.right += paper.is_whole
        if paper.truth:
            counts.payable += 1
            counts.ranks.append(paper.rank)
            counts.queue += [paper.rank] if paper.is_lost else []
        else:
            counts.without_line += 1
            counts.falsely_suggested += is_suggested(paper.decisions[0])
    return counts


def _claim(group: Sequence[Paper], same: Mapping[str, str]) -> None:
    """Let each assignment take one true set of its group: its own if it is still there, else another's."""
    unclaimed = [paper for paper in group if paper.truth]
    for paper in group:
        for decision in paper.decisions:
            if decision.status != "assigned":
                continue
            assigned = _lines(decision.allocations, same)
            fitting = [other for other in unclaimed if other.truth == assigned]
            if not fitting:
                paper.wrong.append(decision)
                continue
            claimed = paper if paper in fitting else fitting[0]
            claimed.is_right = True
            unclaimed.remove(claimed)


def _rank(group: Sequence[Paper], same: Mapping[str, str]) -> None:
    truths = {paper.truth for paper in group if paper.truth}
    for paper in group:
        shown = [[_lines(candidate.allocations, same) for candidate in decision.candidates] for decision in paper.decisions]
        places = [place for lines in shown for place, named in enumerate(lines, start=1) if named in truths]
        paper.rank = 1 if paper.is_right else min(places, default=0)


def _lines(allocations: Iterable[Allocation], same: Mapping[str, str]) -> Lines:
    """Name the lines of a decision or candidate, each by the first of its kind."""
    return tuple(sorted(same[part.transaction] for part in allocations))
