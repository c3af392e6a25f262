"""The CPU kernel as one PyTorch operator: compiled loops, with the expected alignment as the gradient.

Where the gradient is needed, it is computed together with the value; until it is known, its memory may hold one of the
two tables. Threads work on blocks of pairs. No result depends on the block size or on the number of threads.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._kernels import diagonals
from tempclr.alignment._kernels.band import reach, within
from tempclr.alignment._kernels.cpu import blocks, many_states, one_state
from tempclr.alignment._kernels.recursion import PREDECESSORS, OutOfRangeError, Recursion

_UP = {"always": blocks.ALWAYS, "first": blocks.FIRST, "never": blocks.NEVER}
_LOG2_E = Fraction("1.442695040888963407359924681001892137426645954152985934135")
# limits of a block: enough cells on a diagonal to make its overhead small, few enough to stay in the caches
_PAIRS, _DIAGONAL, _TABLE = 64, 2048, 2**19
_CELLS_PER_THREAD = 100_000  # needed for one more thread to pay off
# arrays as large as the costs come from NumPy, which requests huge pages from this many numbers on
_DTYPES, _HUGE = {torch.float32: np.float32, torch.float64: np.float64}, 1 << 20


def alignment_cost(
    cost: Float[Tensor, "pairs states n m"], lengths: Int[Tensor, "pairs 2"], recursion: Recursion, _lanes: int = 0
) -> Float[Tensor, " pairs"]:
    """Return the cost of aligning each pair, as `recursion` says; its gradient is the expected alignment.

    Args:
        cost: float32 or float64 on the CPU, finite or +inf; padding beyond the lengths is never read.
        lengths: True steps of x and y per pair, from 1 to n and m.
        recursion: What varies between alignments.
        _lanes: Pairs per block; 0 chooses automatically.

    Raises:
        ValueError: If the cost has the wrong type or device or is too large for gamma, or the skip is not finite.
    """
    if cost.device.type != "cpu" or cost.dtype not in (torch.float32, torch.float64):
        raise ValueError(f'kernel="cpu" expects float32 or float64 on the CPU, got {cost.dtype} on {cost.device}')
    if not math.isfinite(recursion.skip):
        raise ValueError(f'kernel="cpu" expects a finite skip, got {recursion}')
    if recursion.smooth:
        cost, recursion = within(cost, lengths, recursion.band), replace(recursion, band=None)
    keep = cost.requires_grad and torch.is_grad_enabled()
    return _align(cost, lengths, *_fields(recursion), keep, _lanes)[0]


def _fields(recursion: Recursion) -> tuple:
    """The fields of a recursion, in types that an operator can take."""
    numbers = float(recursion.gamma), recursion.smooth, float(recursion.skip)
    band = None if recursion.band is None else float(recursion.band)
    return *numbers, recursion.begin, recursion.end, recursion.up, recursion.drops, band


@torch.library.custom_op("tempclr::align_on_cpu", mutates_args=())
def _align(
    cost: Tensor,
    lengths: Tensor,
    gamma: float,
    smooth: bool,
    skip: float,
    begin: str,
    end: str,
    up: str,
    drops: str,
    band: float | None,
    keep: bool,
    lanes: int,
) -> tuple[Tensor, Tensor]:
    """Value and, if `keep`, expected alignment of each pair."""
    value = cost.new_empty(len(cost))
    alignment = torch.from_numpy(np.empty(cost.shape if keep else (0, *cost.shape[1:]), _DTYPES[cost.dtype]))
    kind = blocks.SMOOTH if smooth else blocks.SOFT if gamma > 0 else blocks.HARD
    first, other = (blocks.ELSEWHERE if axis in begin else blocks.DEAD for axis in "xy")
    rules = (kind, _UP[up], first, other, int("x" in end), int("y" in end))
    arrays = [each.detach().contiguous().numpy() for each in (cost, lengths.long(), value, alignment)]
    # only float64 is exact for the hard minimum, the mean, and sums of many large costs
    narrow = kind == blocks.SOFT and cost.dtype == torch.float32 and 1e-30 < gamma < 1e30
    for state in (np.float32, np.float64)[0 if narrow else 1 :]:
        terms = _terms(state, arrays[0].dtype, gamma, skip, sum(cost.shape[2:]), kind == blocks.SOFT)
        if _run(arrays, lanes, rules, terms, drops, band):
            return value, alignment
    raise OutOfRangeError(f"expected costs and skip of at most about 1e12 times gamma ({gamma}); +inf forbids a cell")


@lru_cache
def _terms(state: type, dtype: np.dtype, gamma: float, skip: float, steps: int, soft: bool) -> tuple:
    """What the loops need in one precision: border states, bits per cost, largest cost, gamma."""
    exponent = np.int32 if state is np.float32 else np.int64
    marks: np.ndarray = np.array([np.inf, 0, skip], state)
    marks_e, rates, limit = np.zeros(3, exponent), (state(0), state(0)), 0.0
    if soft:
        per_cost = -_LOG2_E / Fraction(gamma)
        high = state(float(per_cost))
        rates = (high, state(float(per_cost - Fraction(float(high)))))
        # a sum of costs must fit into an exponent, and the digits of one cost must include its unit
        reach, skipped = np.iinfo(exponent).max // 4, round(per_cost * Fraction(skip))
        limit = min(2.0 ** (np.finfo(state).nmant - 1), (reach - abs(skipped)) / steps - 4) * gamma * math.log(2)
        marks[:] = 0, 1, 2.0 ** float(per_cost * Fraction(skip) - skipped)
        marks_e[:] = -2 * reach, 0, min(max(skipped, -reach), reach)
    # if the skip alone is too large, the limit is negative: below every cost
    limits = np.array([np.inf, min(max(limit, -1.0), float(np.finfo(dtype).max))], dtype).view(f"i{dtype.itemsize}")
    return marks, marks_e, rates, limits, gamma


def _run(arrays: list[np.ndarray], lanes: int, rules: tuple, terms: tuple, drops: str, band: float | None) -> bool:
    """Compute all blocks of pairs, and return whether this precision was enough."""
    cost, lengths, value, alignment = arrays
    pairs, states, n, m = cost.shape
    width = -1.0 if band is None else reach(band, n, m)
    longest = min(n, m) if band is None else min(n, m, math.ceil(width) + 1)  # about the longest diagonal
    threads = max(1, min(torch.get_num_threads(), pairs, cost.size // _CELLS_PER_THREAD))
    # at least two blocks per thread: this also keeps the tables of all threads smaller than the cost
    chosen = min(_PAIRS, _DIAGONAL // longest, _TABLE // (states * n * m), -(-pairs // (2 * threads)))
    lanes = lanes or max(1, chosen)
    # sorted by size, so that the pairs of a block waste little of it
    order = np.lexsort((lengths[:, 1], lengths[:, 0]))
    plain = states == 1 and rules[0] != blocks.SMOOTH
    moves = np.array([(state, *move) for state, into in enumerate(PREDECESSORS[drops]) for move in into])

    def work(thread: int) -> bool:
        shared = lengths, order, thread, threads, lanes, rules, terms, value
        if plain:
            cells = n * m * lanes if len(alignment) else 0
            tables = np.empty(cells if lanes > 1 else 0, cost.dtype), np.empty(cells, cost.dtype)
            return one_state.align(cost[:, 0], *shared, alignment[:, 0], tables, width)
        return many_states.align(cost, *shared, alignment, moves)

    if threads == 1:
        return work(0)
    with ThreadPoolExecutor(threads) as pool:
        return all(pool.map(work, range(threads)))


@_align.register_fake
def _(cost: Tensor, lengths: Tensor, *rest: float | bool | str | int | None) -> tuple[Tensor, Tensor]:
    keep, _ = rest[-2:]
    return cost.new_empty(len(cost)), cost.new_empty(cost.shape if keep else (0, *cost.shape[1:]))


@torch.library.custom_op("tempclr::weigh_on_cpu", mutates_args=())
def _weigh(grad: Tensor, alignment: Tensor) -> Tensor:
    """The alignment of each pair times a number."""
    product = torch.from_numpy(np.empty(alignment.shape, _DTYPES[alignment.dtype]))
    return torch.mul(grad[:, None, None, None], alignment, out=product)


@_weigh.register_fake
def _(grad: Tensor, alignment: Tensor) -> Tensor:
    return torch.empty_like(alignment)


def _save(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    """Save the alignment for the backward pass, and the cost in case the gradient is differentiated again."""
    cost, lengths, gamma, smooth, skip, begin, end, up, drops, band, _, _ = inputs
    ctx.recursion = Recursion(gamma, smooth, begin, end, skip, up, drops, band)
    ctx.save_for_backward(cost, lengths, output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # or PyTorch would allocate zeros as large as the alignment


def _gradient(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
    """The alignment times the incoming gradient; if that is differentiated again, the diagonals kernel computes it."""
    if grad is None:
        return (None,) * 12
    cost, lengths, alignment = ctx.saved_tensors
    if torch.is_grad_enabled():
        again = diagonals.alignment_cost(cost, lengths, ctx.recursion)
        (gradient,) = torch.autograd.grad(again, cost, grad, create_graph=True)
    else:
        gradient = _weigh(grad, alignment) if alignment.numel() >= _HUGE else grad[:, None, None, None] * alignment
    return gradient, *[None] * 11


_align.register_autograd(_gradient, setup_context=_save)
