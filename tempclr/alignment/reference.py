"""The recursion cell by cell, as printed in the paper: slow, obvious, and the judge of every kernel.

    R(i, j) = cost(i, j) + softmin{ R(i-1, j-1), R(i-1, j), R(i, j-1) }

with softmin(a) = -gamma * log sum exp(-a / gamma), or the minimum when gamma is 0.
Gradients, of any order, are left to autograd.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor


def softmin(values: list[Tensor], gamma: float) -> Tensor:
    """Return the soft minimum of scalars, of which infinite ones take no part."""
    finite = [value for value in values if value.isfinite()]
    if not finite:
        return values[0].new_tensor(torch.inf)
    stacked = torch.stack(finite)
    return stacked.amin() if gamma == 0 else -gamma * torch.logsumexp(-stacked / gamma, 0)


def alignment_cost(cost: Float[Tensor, "n m"], gamma: float) -> Float[Tensor, ""]:
    """Return the soft-DTW cost of one pair (DTW when gamma is 0), cell by cell.

    Source:
        Cuturi & Blondel, ICML 2017, algorithm 1.
    """
    n, m = cost.shape
    table: dict[tuple[int, int], Tensor] = {}
    for i in range(n):
        for j in range(m):
            before = [table[cell] for cell in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if cell in table]
            table[i, j] = cost[i, j] + softmin(before, gamma) if before else cost[i, j]
    return table[n - 1, m - 1]


def paths(n: int, m: int) -> list[list[tuple[int, int]]]:
    """Return every monotone path from the first pair of steps to the last (their number is Delannoy's).

    Example:
        >>> len(paths(2, 2)), len(paths(4, 3))
        (3, 25)
    """
    if n == 1 and m == 1:
        return [[(0, 0)]]
    before = [(n - 1, m - 1), (n - 1, m), (n, m - 1)]
    return [[*path, (n - 1, m - 1)] for i, j in before if i > 0 and j > 0 for path in paths(i, j)]


def is_path(cells: list[tuple[int, int]], n: int, m: int) -> bool:
    """Return whether cells run monotonically, without a gap, from the first pair of steps to the last."""
    moves = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(cells)]
    return cells[0] == (0, 0) and cells[-1] == (n - 1, m - 1) and set(moves) <= {(1, 1), (1, 0), (0, 1)}
