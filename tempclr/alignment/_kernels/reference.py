"""The recursion cell by cell, as printed in the papers: slow but obvious, and the standard for every kernel.

Gradients, of any order, are left to autograd.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from tempclr.alignment._kernels.recursion import Recursion

Cell = tuple[int, int, int]  # state, step of x, step of y


def softmin(values: list[Tensor], recursion: Recursion) -> Tensor:
    """Return the minimum of scalars as a recursion defines it; infinite ones take no part."""
    finite = [value for value in values if value.isfinite()]
    if not finite:
        return torch.tensor(torch.inf, dtype=torch.float64)
    stacked = torch.stack(finite)
    if recursion.gamma == 0:
        return stacked.amin()
    if recursion.smooth:
        return (torch.softmax(-stacked / recursion.gamma, 0) * stacked).sum()
    return -recursion.gamma * torch.logsumexp(-stacked / recursion.gamma, 0)


def begin_cost(i: int, j: int, state: int, recursion: Recursion) -> float | None:
    """Return what it costs to begin in a cell, or None where no alignment begins."""
    if (i, j) == (0, 0):
        return 0.0 if state == recursion.first else None
    open_here = (j == 0 and "x" in recursion.begin) or (i == 0 and "y" in recursion.begin)
    return recursion.skip if open_here else None


def end_cost(i: int, j: int, n: int, m: int, recursion: Recursion) -> float | None:
    """Return what it costs to end in a cell, or None where no alignment ends."""
    if (i, j) == (n - 1, m - 1):
        return 0.0
    open_here = (j == m - 1 and "x" in recursion.end) or (i == n - 1 and "y" in recursion.end)
    return recursion.skip if open_here else None


def before(state: int, i: int, j: int, recursion: Recursion) -> Iterator[Cell]:
    """Yield the predecessors of a cell, including those outside the matrix."""
    for source, di, dj in recursion.predecessors[state]:
        upright = (di, dj) == (1, 0)
        if not upright or recursion.up == "always" or (recursion.up == "first" and j == 0):
            yield source, i - di, j - dj


def alignment_cost(cost: Float[Tensor, "states n m"], recursion: Recursion) -> Float[Tensor, ""]:
    """Return the cost of aligning one pair, cell by cell.

    Source:
        Cuturi & Blondel, ICML 2017, algorithm 1; for variants, see the public functions.
    """
    _, n, m = cost.shape
    table: dict[Cell, Tensor] = {}
    ends = []
    for i in range(n):
        for j in range(m):
            for state in range(recursion.states):
                choices = [table[cell] for cell in before(state, i, j, recursion) if cell in table]
                begin = begin_cost(i, j, state, recursion)
                if begin is not None:
                    choices.append(cost.new_tensor(begin))
                reached = softmin(choices, recursion)
                table[state, i, j] = cost[state, i, j] + reached
            end = end_cost(i, j, n, m, recursion)
            if end is not None:
                ends += [table[state, i, j] + end for state in range(recursion.states)]
    return softmin(ends, recursion)
