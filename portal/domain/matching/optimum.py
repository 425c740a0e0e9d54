"""The best one-to-one assignment among contested pairs, one connected component at a time.

The solvers are loaded by the first contested pair: they cost a process about a second, and most processes never need them.
"""

from __future__ import annotations

import numpy as np

from portal.domain.matching.features import Comparison
from portal.domain.matching.pairs import Amount
from portal.domain.matching.sides import Column

_WORTH_ASSIGNING = -2.0
_NOBODYS = [int(Amount.PAYOUT), int(Amount.LESS_FEE)]
_MOST_DENSE_CELLS = 250_000
_PRECISION = 1000
"""Weights are compared as thousandths in integers: the optimum may not hang on a float's last digit."""


def optimum(comparison: Comparison, weight: Column) -> Column:
    """Mark the pairs that together weigh most when each receipt and transaction is used once.

    A receipt may stay open: pairs below a small weight do not take part. Sets, payouts, used and declined pairs do not
    compete, nor do the copies of an invoice that is there itself.
    """
    pairs = comparison.pairs
    is_copy = np.zeros(len(comparison.index.receipts), np.bool_)
    is_copy[list(comparison.copies)] = True
    is_chosen = np.zeros(len(pairs), np.bool_)
    is_out = pairs.is_set | np.isin(pairs.amount, _NOBODYS) | pairs.is_used | pairs.is_declined | is_copy[pairs.receipt]
    competing = np.flatnonzero((weight > _WORTH_ASSIGNING) & ~is_out)
    if not len(competing):
        return is_chosen
    receipts, lines = pairs.receipt[competing], pairs.line[competing]
    is_alone = (np.bincount(receipts)[receipts] == 1) & (np.bincount(lines)[lines] == 1)
    is_chosen[competing[is_alone]] = True
    contested = competing[~is_alone]
    if len(contested):
        gains = np.round((weight[contested] - _WORTH_ASSIGNING) * _PRECISION)
        for component in _components(pairs.receipt[contested], pairs.line[contested]):
            chosen = _solve(pairs.receipt[contested[component]], pairs.line[contested[component]], gains[component])
            is_chosen[contested[component[chosen]]] = True
    return is_chosen


def _components(receipts: Column, lines: Column) -> list[Column]:
    """Split the pairs into groups that share no receipt and no line."""
    from scipy.sparse import coo_array  # noqa: PLC0415 -- see the module's text
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    first, size = int(receipts.max()) + 1, int(receipts.max()) + int(lines.max()) + 2
    graph = coo_array((np.ones(len(receipts)), (receipts, first + lines)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    label = labels[receipts]
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _solve(receipt: Column, line: Column, gains: Column) -> Column:
    """Return which of a component's pairs belong to the best assignment."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 -- see the module's text

    receipts, rows = np.unique(receipt, return_inverse=True)
    lines, columns = np.unique(line, return_inverse=True)
    if len(receipts) * len(lines) > _MOST_DENSE_CELLS:
        return _solve_sparse(gains, rows, columns)
    table = np.zeros((len(receipts), len(lines)))
    table[rows, columns] = gains
    chosen_rows, chosen_columns = linear_sum_assignment(table, maximize=True)
    column_of = np.full(len(receipts), -1)
    column_of[chosen_rows] = chosen_columns
    is_chosen: Column = column_of[rows] == columns
    return is_chosen


def _solve_sparse(gains: Column, rows: Column, columns: Column) -> Column:
    """The same for a large component: each row gets a column of its own for staying open."""
    from scipy.sparse import coo_array  # noqa: PLC0415 -- see the module's text
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching  # noqa: PLC0415

    count, width, most = int(rows.max()) + 1, int(columns.max()) + 1, gains.max() + 1
    own = np.arange(count)
    costs = np.concatenate((most - gains, np.full(count, most)))
    places = (np.concatenate((rows, own)), np.concatenate((columns, width + own)))
    table = coo_array((costs, places), shape=(count, width + count)).tocsr()
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(table)
    column_of = np.full(count, -1)
    column_of[chosen_rows] = chosen_columns
    is_chosen: Column = column_of[rows] == columns
    return is_chosen
