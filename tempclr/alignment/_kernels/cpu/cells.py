"""The innermost loops of `one_state`: runs of independent cells, on vectors.

Soft minimum: a state is z * 2**e = exp(-R / gamma), see `scaled_floats`. Sums of states need no logarithm and, because
exponents are exact, no recentring. Hard minimum: a state is R itself.
"""

from typing import no_type_check

import numpy as np

from tempclr._util.optional import import_optional
from tempclr.alignment._kernels.cpu.scaled_floats import (
    magnitude,
    multiply_add,
    nearest,
    power,
    scale,
    significand,
    whole,
)

njit = import_optional("numba", "cpu").njit

# contraction only: any other relaxation would break infinite costs
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


@njit(inline="always", **OPTIONS)
@no_type_check
def times_exponential(total, top, cost, rate, rate_low):
    """Return total * 2**top * exp(-cost / gamma) as a state."""
    # cost / gamma in bits: the integer part goes into the exponent, the rest, rounded once, into z
    bits = nearest(cost * rate)
    z = total * power(multiply_add(cost, rate_low, multiply_add(cost, rate, -bits)))
    return significand(z), top + whole(bits) + magnitude(z)


@njit(inline="always", **OPTIONS)
@no_type_check
def _soft_cell(cost, up, up_e, left, left_e, diagonal, diagonal_e, rate, rate_low):
    """Return the state of a cell, the contributions of `up`, `left` and all three, and whether a path leads there."""
    top = max(max(up_e, left_e), diagonal_e)
    from_up = up * scale(up_e, top)
    from_left = left * scale(left_e, top)
    total = from_up + from_left + diagonal * scale(diagonal_e, top)
    state, state_e = times_exponential(total, top, cost, rate, rate_low)
    return state, state_e, from_up, from_left, total, (cost < np.inf) & (total > 0)


@njit(**OPTIONS)
@no_type_check
def soft(new, above, left, diagonal, cost, rates, dead_e):
    """Compute the states of a diagonal from those of its predecessors, each a pair of z and e."""
    (z, e), (up, up_e), (left, left_e), (diagonal, diagonal_e), (rate, rate_low) = new, above, left, diagonal, rates
    none = z.dtype.type(0)  # a plain 0 would widen the type
    for i in range(len(cost)):
        state, state_e, _, _, _, alive = _soft_cell(
            cost[i], up[i], up_e[i], left[i], left_e[i], diagonal[i], diagonal_e[i], rate, rate_low
        )
        z[i] = state if alive else none
        e[i] = state_e if alive else dead_e


@njit(**OPTIONS)
@no_type_check
def soft_kept(new, above, left, diagonal, cost, rates, dead_e, share_up, share_left):
    """Compute the states of a diagonal and the shares of its predecessors; -1 marks cells without a path."""
    (z, e), (up, up_e), (left, left_e), (diagonal, diagonal_e), (rate, rate_low) = new, above, left, diagonal, rates
    none, one = z.dtype.type(0), z.dtype.type(1)
    for i in range(len(cost)):
        state, state_e, from_up, from_left, total, alive = _soft_cell(
            cost[i], up[i], up_e[i], left[i], left_e[i], diagonal[i], diagonal_e[i], rate, rate_low
        )
        z[i] = state if alive else none
        e[i] = state_e if alive else dead_e
        share_up[i] = from_up / total if alive else -one  # a division gives exactly 1 for a single predecessor
        share_left[i] = from_left / total if alive else none


@njit(**OPTIONS)
@no_type_check
def hard(z, up, left, diagonal, cost):
    """Compute the states of a diagonal."""
    for i in range(len(cost)):
        z[i] = cost[i] + min(min(up[i], left[i]), diagonal[i])


@njit(**OPTIONS)
@no_type_check
def hard_kept(z, up, left, diagonal, cost, share_up, share_left):
    """Compute the states of a diagonal and the shares of its predecessors; -1 marks cells without a path."""
    none, one = share_up.dtype.type(0), share_up.dtype.type(1)
    for i in range(len(cost)):
        least = min(min(up[i], left[i]), diagonal[i])
        new = cost[i] + least
        by_up = (up[i] == least) & (diagonal[i] > least)
        by_left = (up[i] > least) & (diagonal[i] > least) & (new < np.inf)
        z[i] = new
        share_up[i] = (one if by_up else none) if new < np.inf else -one
        share_left[i] = one if by_left else none


@njit(**OPTIONS)
@no_type_check
def back(table, share_up, down, right, onward, to_up, to_left, to_diagonal):
    """Compute the visits of a diagonal, and what it sends on; `table` holds shares of `left`, then the visits."""
    none = table.dtype.type(0)
    for i in range(len(table)):
        visits = down[i] + right[i] + onward[i]
        visits = visits if share_up[i] >= 0 else none
        by_up, by_left = visits * share_up[i], visits * table[i]
        rest = visits - by_up - by_left
        table[i] = visits
        to_up[i], to_left[i] = by_up, by_left
        to_diagonal[i] = rest if rest > 0 else none
