"""The alignment recursion one anti-diagonal at a time, in plain PyTorch, on any device.

Cells with the same i + j = k do not depend on each other, so a pair with n and m steps takes n + m - 1 vectorised
steps instead of n * m scalar ones.

How its gradients stay exact in single precision:

- Every diagonal is stored relative to its own minimum; the minima accumulate in float64.
- The gradient is built from normalised weights, which sum to 1 by construction, never from
  exponentials of large differences.
- A forbidden cell (+inf) has weight exactly 0, and a pair without any path has gradient 0.

How it uses little memory: diagonal k = i + j is stored at row k mod m of the table, where every cell (i, j)
has a place of its own. The table has exactly n * m entries per pair and state; the weights are
recomputed from it in the backward pass. For very long pairs only some diagonals are kept, and the others are
recomputed from them. The cost is read in place through a strided view of its diagonals. In memory, a
diagonal is [states, cells, pairs], so that any run of its cells is contiguous. This makes many short
pairs as fast as a few long ones.

Second derivatives are explicit too: differentiating the backward pass applies the Hessian of
the value to a direction (Mensch & Blondel, "Differentiable Dynamic Programming", ICML 2018).
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from tempclr.alignment._kernels.band import within
from tempclr.alignment._kernels.grid import Grid
from tempclr.alignment._kernels.recursion import DIAGONAL, LEFT, UP, Recursion
from tempclr.alignment._kernels.soft_minimum import curvature, minimum

LONG = 1 << 24  # from this many cells per pair on, the table is computed twice instead of kept


def supports(recursion: Recursion) -> bool:
    """Return whether every move of this recursion takes at most one step along each axis, as the sweep expects."""
    return all(move[1:] in (DIAGONAL, UP, LEFT) for moves in recursion.predecessors for move in moves)


def obstacle(cost: Tensor, recursion: Recursion) -> str:
    """Return why this kernel cannot compute an alignment, or nothing if it can; it takes any cost on any device."""
    return "" if supports(recursion) else f"it has no program for {recursion}"


def alignment_cost(
    cost: Float[Tensor, "pairs states n m"], lengths: Int[Tensor, "pairs 2"], recursion: Recursion
) -> Float[Tensor, " pairs"]:
    """Return the cost of aligning each pair; the gradient is how often each cell is visited in each state."""
    # masked and made contiguous here, where autograd records it
    return _Value.apply(within(cost, lengths, recursion.band).contiguous(), lengths, recursion)


@dataclass(frozen=True)
class _Front:
    """The last two diagonals, relative to the offset and with a border: all that the sweep needs to continue."""

    one: Tensor  # [states, n + 1, pairs]
    two: Tensor
    offset: Tensor  # [pairs], float64

    @staticmethod
    def start(cost: Tensor) -> "_Front":
        """The front before the first diagonal: no cell has been reached."""
        pairs, states, n, _ = cost.shape
        nothing = cost.new_full((states, n + 1, pairs), torch.inf)
        return _Front(nothing, nothing.clone(), cost.new_zeros(pairs, dtype=torch.float64))

    def advance(self, cost: Tensor, grid: Grid, k: int) -> tuple[Tensor, "_Front"]:
        """Diagonal k relative to its minimum [states, cells, pairs], and the front after it."""
        first, last = grid.rows(k)
        if k == 0:
            least = torch.full_like(self.one[:, :1], torch.inf)
            least[grid.recursion.first] = 0
        else:
            grid.open(self.two, k, self.offset)
            least = torch.stack([minimum(before, grid.recursion)[0] for before in grid.before(self.one, self.two, k)])
        reached = torch.where(grid.real(k), grid.view(cost, k) + least, torch.inf)
        lowest = reached.flatten(0, 1).amin(0)
        lowest = torch.where(lowest == torch.inf, 0, lowest)
        reached = reached - lowest
        one = torch.full_like(self.one, torch.inf)
        one[:, first + 1 : last + 1] = reached
        return reached, _Front(one, self.one - lowest, self.offset + lowest)


class _Table:
    """The forward pass, kept or recomputed, from which the weights of any diagonal follow."""

    def __init__(self, grid: Grid, cost: Tensor, stored: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        self.grid, self.cost = grid, cost
        self.table, self.offsets, self.fronts, self.ends = stored
        self.every = grid.every if len(self.fronts) else 0
        self.part = -1
        self.again: dict[int, Any] = {}

    def _reached(self, k: int) -> Tensor:
        """Diagonal k relative to its minimum."""
        first, last = self.grid.rows(k)
        if not self.every:
            return self.table[k % self.grid.m, :, first:last]
        if k not in self.again:
            self._compute_again(k // self.every)
        return self.again[k]

    def _compute_again(self, part: int) -> None:
        """Recompute the diagonals of one part from its front, which also yields the two diagonals before it."""
        start = part * self.every
        one, two = self.fronts[part]
        offset = self.offsets[start - 1] if start else torch.zeros_like(self.offsets[0])
        front = _Front(one.clone(), two.clone(), offset)
        self.again = {}
        for back, buffer in ((1, one), (2, two)):
            if start >= back:
                first, last = self.grid.rows(start - back)
                moved = (self.offsets[start - 1] - self.offsets[start - back]).to(buffer.dtype)
                self.again[start - back] = buffer[:, first + 1 : last + 1] + moved
        for k in range(start, min(start + self.every, len(self.grid.diagonals))):
            self.again[k], front = front.advance(self.cost, self.grid, k)

    def _buffer(self, k: int, shape: tuple[int, int, int]) -> Tensor:
        """Diagonal k behind a border of +inf."""
        buffer = self.offsets.new_full(shape, torch.inf, dtype=self.cost.dtype)
        if k >= 0:
            first, last = self.grid.rows(k)
            buffer[:, first + 1 : last + 1] = self._reached(k)
        return buffer

    def before(self, k: int) -> list[Tensor]:
        """Values at the predecessors of each cell of diagonal k, for each state."""
        pairs, states, n, _ = self.cost.shape
        shape = (states, n + 1, pairs)
        if k and self.every:
            self._reached(k)  # the part of k also holds the two diagonals before it
        one, two = self._buffer(k - 1, shape), self._buffer(k - 2, shape)
        offset = self.offsets[k - 1] if k else torch.zeros_like(self.offsets[0])
        if k >= 2:
            two = two + (self.offsets[k - 2] - offset).to(two.dtype)
        self.grid.open(two, k, offset)
        return self.grid.before(one, two, k)

    def weights(self, k: int) -> list[Tensor]:
        """Share of each predecessor in each cell of diagonal k, for each state."""
        return [minimum(before, self.grid.recursion)[1] for before in self.before(k)]

    def at_ends(self, values: Tensor, k: int, states: int) -> Tensor:
        """Values [ends, pairs] at the ends, placed on the cells of diagonal k [states, cells, pairs]."""
        masks = [mask for mask, _ in self.grid.ends(k)]
        if not self.grid.recursion.end:
            return torch.where(masks[0], values[:, None], 0)
        start = k * len(masks)
        total: Any = sum(torch.where(mask, values[start + number], 0) for number, mask in enumerate(masks))
        return total[None]


def _sweep(cost: Tensor, grid: Grid, keep: bool) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Value of each pair; and if `keep`, the table or fronts, the minimum of every diagonal, and all ends."""
    pairs, states = cost.shape[:2]
    count = len(grid.diagonals)
    every = grid.every if keep and grid.n * grid.m >= LONG else 0
    table = cost.new_empty((grid.m, states, grid.n, pairs) if keep and not every else (0,))
    offsets = cost.new_zeros((count if keep else 0, pairs), dtype=torch.float64)
    fronts: list[Tensor] = []
    ends: list[Tensor] = []
    front = _Front.start(cost)
    for k in grid.diagonals:
        if every and k % every == 0:
            fronts.append(torch.stack((front.one, front.two)))
        reached, front = front.advance(cost, grid, k)
        if keep:
            offsets[k] = front.offset
            if not every:
                first, last = grid.rows(k)
                table[k % grid.m, :, first:last] = reached
        found = [torch.where(mask, reached + skip, torch.inf).amin(1) + front.offset for mask, skip in grid.ends(k)]
        # without open ends, a pair ends on one diagonal only
        ends = ends + found if grid.recursion.end or not ends else [torch.minimum(ends[0], found[0])]
    reached = torch.cat(ends)
    value = minimum(reached, grid.recursion)[0].to(cost.dtype)
    stored = (table, offsets, torch.stack(fronts) if fronts else cost.new_empty(0), reached)
    return value, stored


def _backward(table: _Table) -> Tensor:
    """Visits of each cell in each state; for the weighted mean, the derivative of the value."""
    grid, cost = table.grid, table.cost
    visits = torch.empty_like(cost, memory_format=torch.contiguous_format)
    ends = minimum(table.ends, grid.recursion)[1].to(cost.dtype)
    flow = _Flow(grid, cost)
    for k in reversed(grid.diagonals):
        current = flow.arriving(k) + table.at_ends(ends, k, cost.shape[1])
        grid.view(visits, k).copy_(current)
        flow.send(k, [weights * current[state] for state, weights in enumerate(table.weights(k))])
    return visits


class _Flow:
    """What cells of later diagonals send back to their predecessors."""

    def __init__(self, grid: Grid, cost: Tensor) -> None:
        self.grid = grid
        pairs, states, n, _ = cost.shape
        # what arrives at diagonals k-1 and k-2; row i at index i + 1
        self.next, self.later = cost.new_zeros((2, states, n + 1, pairs))

    def arriving(self, k: int) -> Tensor:
        """What has been sent to diagonal k."""
        first, last = self.grid.rows(k)
        return self.next[:, first + 1 : last + 1]

    def send(self, k: int, amounts: list[Tensor]) -> None:
        """Send amounts [moves, cells, pairs] of each state of diagonal k to their predecessors."""
        first, last = self.grid.rows(k)
        self.next, self.later = self.later, torch.zeros_like(self.next)
        for moves, amount in zip(self.grid.recursion.predecessors, amounts, strict=True):
            for (state, di, dj), part in zip(moves, amount, strict=True):
                target = self.later if di and dj else self.next
                target[state, first + 1 - di : last + 1 - di] += part


def _hessian_product(table: _Table, direction: Tensor) -> Tensor:
    """Second derivative of each pair's value applied to a direction in the space of costs."""
    grid, recursion = table.grid, table.grid.recursion
    if recursion.gamma == 0:
        return torch.zeros_like(direction)
    pairs, states = direction.shape[:2]
    product = torch.empty_like(direction)
    # forward: the derivative of the table along the direction, and from it that of every weight
    one, two = direction.new_zeros((2, states, grid.n + 1, pairs))
    turns = []
    end_slopes: list[Tensor] = []
    for k in grid.diagonals:
        first, last = grid.rows(k)
        changes = [
            curvature(before, slopes, recursion)
            for before, slopes in zip(table.before(k), grid.before(one, two, k, closed=0.0), strict=True)
        ]
        turns.append([turn for _, turn in changes])
        slope = torch.where(grid.real(k), grid.view(direction, k) + torch.stack([each for each, _ in changes]), 0)
        found = [torch.where(mask, slope, 0).sum(1) for mask, _ in grid.ends(k)]
        end_slopes = end_slopes + found if recursion.end or not end_slopes else [end_slopes[0] + found[0]]
        two, one = one, torch.zeros_like(one)
        one[:, first + 1 : last + 1] = slope
    # backward: the derivative of the visits, by the product rule for visits and weights
    ends = minimum(table.ends, recursion)[1].to(direction.dtype)
    end_turns = curvature(table.ends, torch.cat(end_slopes).double(), recursion)[1].to(direction.dtype)
    flow, change = _Flow(grid, direction), _Flow(grid, direction)
    for k in reversed(grid.diagonals):
        visits = flow.arriving(k) + table.at_ends(ends, k, states)
        changed = change.arriving(k) + table.at_ends(end_turns, k, states)
        grid.view(product, k).copy_(changed)
        weights, turn = table.weights(k), turns.pop()
        flow.send(k, [weights[state] * visits[state] for state in range(states)])
        change.send(k, [weights[s] * changed[s] + turn[s] * visits[s] for s in range(states)])
    return product


class _Value(torch.autograd.Function):
    """The value; its gradient is the expected alignment."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, lengths: Tensor, recursion: Recursion) -> Tensor:
        grid = Grid(cost.shape[2], cost.shape[3], lengths, recursion)
        value, stored = _sweep(cost, grid, keep=ctx.needs_input_grad[0])
        ctx.save_for_backward(cost, lengths, *stored)
        ctx.recursion = recursion
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        visits = _Visits.apply(*ctx.saved_tensors, ctx.recursion)
        grad = grad[:, None, None, None]
        return grad * visits if torch.is_grad_enabled() else visits.mul_(grad), None, None


class _Visits(torch.autograd.Function):
    """How often each cell is visited; its gradient is a Hessian-vector product."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, lengths: Tensor, *rest: Any) -> Tensor:
        *stored, recursion = rest
        ctx.save_for_backward(cost, lengths, *stored)
        ctx.recursion = recursion
        return _backward(_Table(Grid(cost.shape[2], cost.shape[3], lengths, recursion), cost, tuple(stored)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cost, lengths, *stored = ctx.saved_tensors
        table = _Table(Grid(cost.shape[2], cost.shape[3], lengths, ctx.recursion), cost, tuple(stored))
        return _hessian_product(table, grad.contiguous()), *[None] * (len(stored) + 2)
