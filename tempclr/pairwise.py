"""Compare every sequence of one set with every sequence of another, tile by tile to limit memory; average one set."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tempclr.alignment import soft_dtw
from tempclr.costs import all_pairs, squared_cost
from tempclr.sequences import Sequences

_MEMORY = 1 << 28  # bytes
_CACHED = 1 << 25  # bytes; larger tiles do not fit into the caches of a CPU, and take longer
_FORWARD, _BACKWARD = 5, 8  # peak memory in units of the cost; measured: 2.3 to 3.7, and 3.2 to 6.7


@dataclass(frozen=True)
class Tiles:
    """How all pairs are cut into tiles of queries by items, and how much memory a tile needs."""

    queries: int
    items: int
    rows: int  # queries of a tile
    columns: int  # items of a tile
    bytes: int  # peak memory of a tile

    def __len__(self) -> int:
        return -(-self.queries // self.rows) * -(-self.items // self.columns)

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        for row in range(0, self.queries, self.rows):
            for column in range(0, self.items, self.columns):
                yield slice(row, row + self.rows), slice(column, column + self.columns)


def tiles(x: Sequences, y: Sequences, *, memory: int = _MEMORY) -> Tiles:
    """Return how `distances` will cut its work, before it starts.

    On a CPU, tiles without gradients fit into its caches. With gradients, tiles are as large as the memory allows,
    because each is computed twice if there are several.

    Args:
        x: As for `distances`.
        y: As for `distances`.
        memory: As for `distances`.

    Raises:
        ValueError: If a single pair does not fit into the memory; the message says how much it needs.

    Example:
        >>> x = Sequences(torch.randn(256, 32, 8), torch.full((256,), 32))
        >>> plan = tiles(x, x, memory=100_000_000)
        >>> len(plan), plan.rows, plan.columns, plan.bytes
        (49, 40, 40, 32768000)
    """
    values = max(torch.finfo(x.values.dtype).bits // 8, 4)  # half precision is computed in float32
    needs = _BACKWARD if torch.is_grad_enabled() and (x.values.requires_grad or y.values.requires_grad) else _FORWARD
    each = x.values.shape[1] * y.values.shape[1] * values * needs
    if needs == _FORWARD and x.values.device.type == "cpu":
        memory = min(memory, max(_CACHED, each))
    fit = memory // each
    if fit < 1:
        raise ValueError(
            f"expected memory for at least one pair of {x.values.shape[1]} x {y.values.shape[1]} steps, "
            f"{each:,} bytes, got {memory:,}"
        )
    # as square as the sets allow, because each row and each column of a tile is prepared once
    columns = min(len(y), max(math.isqrt(fit), fit // max(len(x), 1)))
    rows = min(len(x), fit // columns) if len(y) else 1
    return Tiles(len(x), len(y), max(rows, 1), max(columns, 1), rows * columns * each)


def distances(
    x: Sequences,
    y: Sequences,
    alignment_fn: Callable[[Tensor, Tensor], Tensor] = soft_dtw,
    *,
    cost: Callable[[Tensor, Tensor], Tensor] = all_pairs,
    memory: int = _MEMORY,
) -> Float[Tensor, "queries items"]:
    """Return the value of an alignment function for every x with every y.

    The work is cut into tiles that fit into the memory. In training, tiles are not kept but recomputed in the
    backward pass. If a GPU still runs out of memory, the tiles are halved.

    Args:
        x: Embedded sequences.
        y: Embedded sequences of the same dimension.
        alignment_fn: Maps costs [queries, items, n, m] and lengths [queries, items, 2] to one value
            per pair, such as `tempclr.soft_dtw` or `functools.partial(tempclr.otam, gamma=0.1)`.
        cost: Maps x [queries, n, dim] and y [items, m, dim] to those costs.
        memory: Bytes that a tile may take, besides x, y and the result. Memory that the allocator
            keeps in reserve does not count.

    Raises:
        ValueError: If the dimensions differ, a pair does not fit into the memory, or `alignment_fn` rejects its input.
    """
    plan = tiles(x, y, memory=memory)
    traced = torch.is_grad_enabled() and (x.values.requires_grad or y.values.requires_grad)

    def tile(rows: slice, columns: slice, x_values: Tensor, y_values: Tensor) -> Tensor:
        lengths = torch.stack(torch.broadcast_tensors(x.lengths[rows, None], y.lengths[columns]), -1)
        return alignment_fn(cost(x_values[rows], y_values[columns]), lengths)

    while True:
        try:
            if traced and len(plan) > 1 and _can_run_out(x.values.device):
                _try_once(tile, *next(iter(plan)), x.values, y.values)
            if traced and len(plan) > 1:
                parts = [checkpoint(tile, *each, x.values, y.values, use_reentrant=False) for each in plan]
            else:
                parts = [tile(*each, x.values, y.values) for each in plan]
        except torch.OutOfMemoryError:
            if plan.rows * plan.columns == 1:
                raise
            plan = _halved(plan)
            continue
        across = -(-len(y) // plan.columns)
        rows = [torch.cat(parts[start : start + across], 1) for start in range(0, len(parts), across)]
        return torch.cat(rows)


def _can_run_out(device: torch.device) -> bool:
    """Whether running out of memory raises an error; on a CPU, the system would swap or kill the process."""
    return device.type != "cpu"


def _try_once(tile: Callable[..., Tensor], rows: slice, columns: slice, x: Tensor, y: Tensor) -> None:
    """Compute one tile forward and backward, to run out of memory here and not in the caller's backward pass."""
    with torch.enable_grad():
        leaves = [values.detach().requires_grad_() for values in (x, y)]
        value = tile(rows, columns, *leaves)
        torch.autograd.grad(torch.where(value.isfinite(), value, 0).sum(), leaves)


def _halved(plan: Tiles) -> Tiles:
    """The same pairs in tiles of half the size."""
    rows, columns = (-(-plan.rows // 2), plan.columns) if plan.rows > 1 else (1, -(-plan.columns // 2))
    return Tiles(plan.queries, plan.items, rows, columns, plan.bytes * rows * columns // (plan.rows * plan.columns))


def barycentre(
    sequences: Sequences, steps: int | None = None, *, gamma: float = 1.0, iterations: int = 100
) -> Float[Tensor, "steps dim"]:
    """Return the sequence with the least mean soft-DTW cost, by squared distances, to a set of sequences.

        argmin_z 1/K sum_k soft_dtw(squared_cost(z, y_k))

    Args:
        sequences: At least one, in any unit.
        steps: Length of the result; by default the mean length of the sequences, rounded.
        gamma: Smoothing, > 0, in the square of that unit.
        iterations: Maximum number of iterations of L-BFGS, which starts from the mean of the sequences, each
            stretched to `steps`.

    Returns:
        A local minimum (the problem is not convex), in the unit of the sequences.

    Raises:
        ValueError: If `steps` or `iterations` is less than 1, or `gamma` is not positive.

    Example:
        >>> from tempclr.sequences import pad
        >>> barycentre(pad([torch.tensor([[1.0], [5.0]]), torch.tensor([[3.0], [7.0]])])).round().tolist()
        [[2.0], [6.0]]

    Source:
        Cuturi & Blondel, "Soft-DTW: a Differentiable Loss Function for Time-Series", ICML 2017, section 3.1.
    """
    steps = round(sequences.lengths.double().mean().item()) if steps is None else steps
    if steps < 1 or iterations < 1:
        raise ValueError(f"expected at least one step and one iteration, got {steps} and {iterations}")
    y = sequences.values.detach()
    start = torch.stack([_stretched(sequences[index].detach(), steps) for index in range(len(sequences))]).mean(0)
    z = start.clone().requires_grad_()
    lengths = torch.stack([torch.full_like(sequences.lengths, steps), sequences.lengths], 1)
    optimizer = torch.optim.LBFGS([z], max_iter=iterations, line_search_fn="strong_wolfe")

    def mean_cost() -> Tensor:
        optimizer.zero_grad()
        loss = soft_dtw(squared_cost(z.expand(len(y), -1, -1), y), lengths, gamma=gamma).mean()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(mean_cost)
    return z.detach()


def _stretched(sequence: Tensor, steps: int) -> Tensor:
    """A sequence [length, dim], interpolated linearly to another number of steps."""
    return torch.nn.functional.interpolate(sequence.T[None], steps, mode="linear", align_corners=True)[0].T
