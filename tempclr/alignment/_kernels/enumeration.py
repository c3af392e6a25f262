"""Every alignment of two short sequences, listed one by one: what the recursion takes the minimum of."""

from collections.abc import Iterator
from itertools import pairwise

from tempclr.alignment._kernels.recursion import Recursion
from tempclr.alignment._kernels.reference import Cell, before, begin_cost, end_cost


def alignments(n: int, m: int, recursion: Recursion) -> list[tuple[float, list[Cell]]]:
    """Return every alignment: the cost of its open ends, and its cells (state, i, j) in order.

    Example:
        Delannoy numbers count the monotone paths:

        >>> [len(alignments(*size, Recursion())) for size in ((2, 2), (4, 3))]
        [3, 25]
    """

    def leading_to(cell: Cell) -> Iterator[tuple[float, list[Cell]]]:
        state, i, j = cell
        begin = begin_cost(i, j, state, recursion)
        if begin is not None:
            yield begin, [cell]
        for source in before(state, i, j, recursion):
            if min(source) >= 0:
                for cost, cells in leading_to(source):
                    yield cost, [*cells, cell]

    found = []
    for i in range(n):
        for j in range(m):
            end = end_cost(i, j, n, m, recursion)
            if end is None:
                continue
            for state in range(recursion.states):
                found += [(cost + end, cells) for cost, cells in leading_to((state, i, j))]
    return found


def is_path(cells: list[tuple[int, int]]) -> bool:
    """Return whether cells run monotonically and without a gap."""
    moves = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(cells)]
    return set(moves) <= {(1, 1), (1, 0), (0, 1)}
