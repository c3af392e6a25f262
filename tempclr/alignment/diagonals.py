"""The alignment recursion one anti-diagonal at a time, in plain PyTorch, on any device.

Cells with the same i + j = k do not depend on each other, so a pair of n and m steps
takes n + m - 1 vectorised steps instead of n * m scalar ones.

How its gradients stay exact in single precision:

- Every diagonal is stored relative to its own minimum; the minima accumulate in float64.
- The gradient is built from normalised softmin weights, which are at most 1 and sum to 1
  by construction, never from exponentials of large differences.
- A forbidden cell (+inf) has weight exactly 0, and a pair without any path has gradient 0.

How it stays small: diagonal k = i + j is stored at row k mod m of the table, where every
cell (i, j) finds a place of its own, so the table has exactly n * m entries per pair, and
the weights are derived from it again on the way back. The cost is read in place through a
strided view of its diagonals. Inside, a diagonal is [cells, pairs], so that any run of its cells is
contiguous: what makes many short pairs as fast as a few long ones.

Second derivatives are explicit too: differentiating the backward pass applies the Hessian of
the value to a direction (Mensch & Blondel, "Differentiable Dynamic Programming", ICML 2018).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


def alignment_cost(
    cost: Float[Tensor, "pairs n m"], lengths: Int[Tensor, "pairs 2"], gamma: float
) -> Float[Tensor, " pairs"]:
    """Return the cost of aligning each pair: soft-DTW, or DTW when gamma is 0 (ties go to the diagonal)."""
    return _Value.apply(cost, lengths, gamma)


@dataclass(frozen=True)
class _Grid:
    """Where the diagonals of a batch of n x m matrices lie."""

    n: int
    m: int
    lengths: Tensor  # [pairs, 2]

    @property
    def diagonals(self) -> range:
        return range(self.n + self.m - 1)

    def rows(self, k: int) -> tuple[int, int]:
        """First row, and the row after the last, that diagonal k crosses."""
        return max(0, k - self.m + 1), min(k, self.n - 1) + 1

    def view(self, matrix: Tensor, k: int) -> Tensor:
        """Diagonal k of contiguous [pairs, n, m] as [cells, pairs], in place, by rising row."""
        first, last = self.rows(k)
        step = max(self.m - 1, 1)  # with one column a diagonal is one cell and the step is never taken
        offset = matrix.storage_offset() + first * self.m + (k - first)
        return matrix.as_strided((last - first, len(matrix)), (step, self.n * self.m), offset)

    def real(self, k: int) -> Tensor:
        """Which cells of diagonal k lie within the lengths of their pair."""
        first, last = self.rows(k)
        i = torch.arange(first, last, device=self.lengths.device)[:, None]
        return (i < self.lengths[:, 0]) & (k - i < self.lengths[:, 1])

    def is_end(self, k: int) -> Tensor:
        """Which cells of diagonal k are the last cell of their pair."""
        first, last = self.rows(k)
        i = torch.arange(first, last, device=self.lengths.device)[:, None]
        return (i == self.lengths[:, 0] - 1) & (k - i == self.lengths[:, 1] - 1)

    def before(self, buffers: list[Tensor], k: int) -> Tensor:
        """Values at the predecessors (i-1, j-1), (i-1, j), (i, j-1) of diagonal k, stacked on a new first axis.

        `buffers` holds diagonals k-1 and k-2; row i stands at index i + 1, behind a border.
        """
        first, last = self.rows(k)
        one, two = buffers
        return torch.stack((two[first:last], one[first:last], one[first + 1 : last + 1]))


def _weights(before: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Soft minimum over the first axis and the share of each entry in it; infinite entries have none."""
    least = before.amin(0)
    floor = torch.where(least == torch.inf, 0, least)  # inf - inf would be NaN
    if gamma == 0:
        first = torch.nn.functional.one_hot(before.argmin(0), len(before)).movedim(-1, 0)
        return least, torch.where(least == torch.inf, 0, first.to(before.dtype))
    shares = torch.exp((floor - before) / gamma)
    total = shares.sum(0)
    reached = torch.where(total > 0, total, 1)
    return least - gamma * torch.log(reached), shares / reached


def _forward(cost: Tensor, grid: _Grid, gamma: float, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Value of each pair; and if `keep`, the folded table and the float64 minimum of every diagonal."""
    pairs = len(cost)
    table = cost.new_empty((grid.m, grid.n, pairs) if keep else (0,))
    offsets = cost.new_zeros((len(grid.diagonals) if keep else 0, pairs), dtype=torch.float64)
    value = cost.new_full((pairs,), torch.inf, dtype=torch.float64)
    offset = cost.new_zeros(pairs, dtype=torch.float64)
    one, two = cost.new_full((2, grid.n + 1, pairs), torch.inf)
    two[0] = 0  # the empty alignment, from which the first cell starts
    for k in grid.diagonals:
        first, last = grid.rows(k)
        least, _ = _weights(grid.before([one, two], k), gamma)
        reached = torch.where(grid.real(k), grid.view(cost, k) + least, torch.inf)
        lowest = reached.amin(0)
        lowest = torch.where(lowest == torch.inf, 0, lowest)
        reached = reached - lowest
        offset = offset + lowest
        value = torch.where(grid.is_end(k), reached + offset, value).amin(0)
        if keep:
            table[k % grid.m, first:last] = reached
            offsets[k] = offset
        two = one - lowest
        one = torch.full_like(one, torch.inf)
        one[first + 1 : last + 1] = reached
    return value.to(cost.dtype), table, offsets


class _Table:
    """The stored forward pass, from which the weights of any diagonal are derived again."""

    def __init__(self, grid: _Grid, table: Tensor, offsets: Tensor, gamma: float) -> None:
        self.grid, self.table, self.offsets, self.gamma = grid, table, offsets, gamma

    def _buffer(self, k: int) -> Tensor:
        """Diagonal k behind a border of +inf."""
        buffer = self.table.new_full((self.grid.n + 1, self.table.shape[2]), torch.inf)
        if k >= 0:
            first, last = self.grid.rows(k)
            buffer[first + 1 : last + 1] = self.table[k % self.grid.m, first:last]
        elif k == -2:
            buffer[0] = 0
        return buffer

    def is_reached_end(self, k: int) -> Tensor:
        """Which cells of diagonal k are the last cell of their pair, and lie on some path."""
        first, last = self.grid.rows(k)
        return self.grid.is_end(k) & (self.table[k % self.grid.m, first:last] < torch.inf)

    def weights(self, k: int) -> Tensor:
        """Shares of the three predecessors of each cell of diagonal k."""
        one, two = self._buffer(k - 1), self._buffer(k - 2)
        if k >= 2:
            two = two + (self.offsets[k - 2] - self.offsets[k - 1]).to(two.dtype)
        return _weights(self.grid.before([one, two], k), self.gamma)[1]

    def successors(self, k: int, flow: list[Tensor], shares: list[Tensor]) -> Tensor:
        """What diagonals k+1 and k+2 send back to diagonal k: flow times share, summed over the three moves.

        `flow` and `shares` hold diagonals k+1 and k+2, each as returned by `spread`.
        """
        first, last = self.grid.rows(k)
        one, two = flow[0] * shares[0], flow[1] * shares[1]
        # index i + 1 is row i: (i, j+1) came from the left, (i+1, j) from above, (i+1, j+1) diagonally
        left, above = one[2, first + 1 : last + 1], one[1, first + 2 : last + 2]
        return left + above + two[0, first + 2 : last + 2]

    def spread(self, values: Tensor, k: int) -> Tensor:
        """Values [..., cells, pairs] of diagonal k on all rows, with a border of zeros at both ends."""
        first, last = self.grid.rows(k)
        return torch.nn.functional.pad(values, (0, 0, first + 1, self.grid.n + 1 - last))


def _backward(table: _Table, like: Tensor) -> Tensor:
    """Expected alignment of each pair: how often a path visits each cell."""
    grid = table.grid
    alignment = torch.empty_like(like, memory_format=torch.contiguous_format)
    flow = [like.new_zeros(grid.n + 2, len(like))] * 2
    shares = [like.new_zeros(3, grid.n + 2, len(like))] * 2
    for k in reversed(grid.diagonals):
        visits = table.successors(k, flow, shares) + table.is_reached_end(k)
        grid.view(alignment, k).copy_(visits)
        flow = [table.spread(visits, k), flow[0]]
        shares = [table.spread(table.weights(k), k), shares[0]]
    return alignment


def _hessian_product(table: _Table, direction: Tensor) -> Tensor:
    """Second derivative of each pair's value applied to a direction in the space of costs."""
    grid, gamma = table.grid, table.gamma
    if gamma == 0:
        return torch.zeros_like(direction)
    pairs = len(direction)
    product = torch.empty_like(direction)
    # forward: derivative of the table along the direction, and from it that of every weight
    slope = [direction.new_zeros(grid.n + 1, pairs) for _ in range(2)]
    tilts = []
    for k in grid.diagonals:
        first, last = grid.rows(k)
        weights = table.weights(k)
        before = grid.before(slope, k)
        mean = (weights * before).sum(0)
        tilts.append(weights * (mean - before) / gamma)
        current = torch.zeros_like(slope[0])
        current[first + 1 : last + 1] = torch.where(grid.real(k), grid.view(direction, k) + mean, 0)
        slope = [current, slope[0]]
    # backward: derivative of the visits, by the product rule over visits and weights
    zeros, none = direction.new_zeros(grid.n + 2, pairs), direction.new_zeros(3, grid.n + 2, pairs)
    flow, change, shares, turns = [zeros] * 2, [zeros] * 2, [none] * 2, [none] * 2
    for k in reversed(grid.diagonals):
        visits = table.successors(k, flow, shares) + table.is_reached_end(k)
        changed = table.successors(k, change, shares) + table.successors(k, flow, turns)
        grid.view(product, k).copy_(changed)
        flow, change = [table.spread(visits, k), flow[0]], [table.spread(changed, k), change[0]]
        shares = [table.spread(table.weights(k), k), shares[0]]
        turns = [table.spread(tilts.pop(), k), turns[0]]
    return product


class _Value(torch.autograd.Function):
    """The value; its gradient is the expected alignment."""

    @staticmethod
    def forward(ctx: FunctionCtx, cost: Tensor, lengths: Tensor, gamma: float) -> Tensor:
        grid = _Grid(*cost.shape[1:], lengths)
        value, table, offsets = _forward(cost.contiguous(), grid, gamma, keep=ctx.needs_input_grad[0])
        ctx.save_for_backward(cost, lengths, table, offsets)
        ctx.gamma = gamma
        return value

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad[:, None, None] * _Alignment.apply(*ctx.saved_tensors, ctx.gamma), None, None


class _Alignment(torch.autograd.Function):
    """The expected alignment; its gradient is a Hessian-vector product."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, cost: Tensor, lengths: Tensor, table: Tensor, offsets: Tensor, gamma: float
    ) -> Tensor:
        ctx.save_for_backward(lengths, table, offsets)
        ctx.gamma = gamma
        return _backward(_Table(_Grid(*cost.shape[1:], lengths), table, offsets, gamma), cost)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        lengths, table, offsets = ctx.saved_tensors
        grid = _Grid(*grad.shape[1:], lengths)
        stored = _Table(grid, table, offsets, ctx.gamma)
        return _hessian_product(stored, grad.contiguous()), None, None, None, None
