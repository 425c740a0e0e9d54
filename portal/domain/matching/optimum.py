"""The best one-to-one assignment among contested pairs, one connected component at a time.

The solvers are loaded by the first contested pair: they cost a process about a second, and most processes never need them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from portal.domain.matching.features import Comparison, Evidence

_WORTH_ASSIGNING = -2.0
_MOST_DENSE_CELLS = 250_000
_PRECISION = 1000
"""Weights are compared as thousandths in integers: the optimum may not hang on a float's last digit."""


def mark_optimum(comparison: Comparison) -> None:
    """Set `is_optimal` on the pairs that together weigh most when each receipt and transaction is used once.

    A receipt may stay open: pairs below a small weight do not take part. Sets, used and declined pairs do not compete.
    """
    pairs = [
        evidence
        for row in comparison.rows
        for evidence in row
        if evidence.weight > _WORTH_ASSIGNING and not (evidence.group or evidence.is_used or evidence.is_declined)
    ]
    for component in _components(pairs):
        if len(component) == 1:
            component[0].is_optimal = True
        else:
            _solve(component)


def _components(pairs: list[Evidence]) -> Iterator[list[Evidence]]:
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    # transactions are the odd nodes
    for evidence in pairs:
        parent[root(2 * evidence.receipt.place)] = root(2 * evidence.transaction.place + 1)
    members: defaultdict[int, list[Evidence]] = defaultdict(list)
    for evidence in pairs:
        members[root(2 * evidence.receipt.place)].append(evidence)
    yield from members.values()


def _solve(component: list[Evidence]) -> None:
    import numpy as np  # noqa: PLC0415 -- see the module's text
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    rows = {place: n for n, place in enumerate(sorted({evidence.receipt.place for evidence in component}))}
    columns = {place: n for n, place in enumerate(sorted({evidence.transaction.place for evidence in component}))}
    cells = {(rows[evidence.receipt.place], columns[evidence.transaction.place]): evidence for evidence in component}
    gains = {cell: round((evidence.weight - _WORTH_ASSIGNING) * _PRECISION) for cell, evidence in cells.items()}
    if len(rows) * len(columns) <= _MOST_DENSE_CELLS:
        table = np.zeros((len(rows), len(columns)))
        for cell, gain in gains.items():
            table[cell] = gain
        rows_taken, columns_taken = linear_sum_assignment(table, maximize=True)
        chosen: Iterable[tuple[int, int]] = zip(rows_taken.tolist(), columns_taken.tolist(), strict=True)
    else:
        chosen = _solve_sparse(gains, len(rows), len(columns))
    for cell in chosen:
        if evidence := cells.get(cell):
            evidence.is_optimal = True


def _solve_sparse(gains: dict[tuple[int, int], int], rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """The same for a large component: each row gets a column of its own for staying open."""
    from scipy.sparse import coo_array  # noqa: PLC0415 -- see the module's text
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching  # noqa: PLC0415

    most = max(gains.values()) + 1
    row_places = [row for row, _ in gains] + list(range(rows))
    column_places = [column for _, column in gains] + list(range(columns, columns + rows))
    costs = [float(most - gain) for gain in gains.values()] + [float(most)] * rows
    table = coo_array((costs, (row_places, column_places)), shape=(rows, columns + rows)).tocsr()
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(table)
    yield from zip(chosen_rows.tolist(), chosen_columns.tolist(), strict=True)
