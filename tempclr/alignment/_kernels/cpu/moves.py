"""The innermost loops of `many_states`: one move into a run of cells at a time, on vectors.

Soft minimum: a state is z * 2**e, as in `cells`; `top` is the largest exponent among the predecessors of a cell, and
`total` their sum relative to it. Hard minimum and weighted mean: a state is R itself; `floor` is the least
predecessor. The weighted mean sums the weights in `total`, and the weighted heights above the floor in `mean`.
"""

import math
from typing import no_type_check

import numpy as np

from tempclr._util.optional import import_optional
from tempclr.alignment._kernels.cpu.cells import OPTIONS, times_exponential
from tempclr.alignment._kernels.cpu.scaled_floats import nearest, power, scale, whole

njit = import_optional("numba", "cpu").njit

_LOG2_E = math.log2(math.e)


@njit(**OPTIONS)
@no_type_check
def fill(target, number):
    """Fill with one number, faster than an assignment to a slice."""
    value = target.dtype.type(number)
    for i in range(len(target)):
        target[i] = value


@njit(**OPTIONS)
@no_type_check
def copy(target, source):
    """Copy between arrays that do not overlap, faster than an assignment to a slice."""
    for i in range(len(source)):
        target[i] = source[i]


@njit(**OPTIONS)
@no_type_check
def highest(top, e):
    """Raise the largest exponent to that of a predecessor."""
    for i in range(len(e)):
        top[i] = max(top[i], e[i])


@njit(**OPTIONS)
@no_type_check
def add(total, z, e, top):
    """Add a predecessor to the sum."""
    for i in range(len(z)):
        total[i] += z[i] * scale(e[i], top[i])


@njit(**OPTIONS)
@no_type_check
def soft(z, e, total, top, cost, rates, dead_e):
    """Compute the states of cells from the sums of their predecessors."""
    none = z.dtype.type(0)
    for i in range(len(cost)):
        state, state_e = times_exponential(total[i], top[i], cost[i], rates[0], rates[1])
        alive = (cost[i] < np.inf) & (total[i] > 0)
        z[i] = state if alive else none
        e[i] = state_e if alive else dead_e


@njit(**OPTIONS)
@no_type_check
def soft_back(flow, visits, z, e, total, top):
    """Send a predecessor its share of the visits."""
    none = z.dtype.type(0)
    for i in range(len(visits)):
        flow[i] += visits[i] * (z[i] * scale(e[i], top[i]) / total[i]) if total[i] > 0 else none


@njit(**OPTIONS)
@no_type_check
def lowest(floor, z):
    """Lower the least value to that of a predecessor."""
    for i in range(len(z)):
        floor[i] = min(floor[i], z[i])


@njit(**OPTIONS)
@no_type_check
def hard(z, floor, cost):
    """Compute the states of cells from their least predecessors."""
    for i in range(len(cost)):
        z[i] = cost[i] + floor[i]


@njit(**OPTIONS)
@no_type_check
def hard_back(flow, visits, z, floor):
    """Send a predecessor all visits if it is the least; none then remain for later predecessors."""
    none = visits.dtype.type(0)
    for i in range(len(visits)):
        taken = z[i] == floor[i]
        flow[i] += visits[i] if taken else none
        visits[i] = none if taken else visits[i]


@njit(inline="always", **OPTIONS)
@no_type_check
def _weight(z, floor, gamma):
    """exp((floor - z) / gamma), exactly 0 for infinite z, and the height of z above the floor (0 without weight)."""
    bits = max((floor - z) / gamma * _LOG2_E, -2000.0) if z < np.inf else -2000.0
    steps = nearest(bits)
    weight = power(bits - steps) * scale(whole(steps), np.int64(0))
    return weight, z - floor if weight > 0 else 0.0


@njit(**OPTIONS)
@no_type_check
def weigh(total, mean, z, floor, gamma):
    """Add the weight of a predecessor, and its weighted height above the floor."""
    for i in range(len(z)):
        weight, above = _weight(z[i], floor[i], gamma)
        total[i] += weight
        mean[i] += weight * above


@njit(**OPTIONS)
@no_type_check
def smooth(z, floor, total, mean, cost):
    """Compute the states of cells from the weighted mean of their predecessors."""
    for i in range(len(cost)):
        z[i] = cost[i] + floor[i] + mean[i] / total[i] if total[i] > 0 else np.inf


@njit(**OPTIONS)
@no_type_check
def smooth_back(flow, visits, z, floor, total, mean, gamma):
    """Send a predecessor the visits times the derivative of the weighted mean with respect to it."""
    for i in range(len(visits)):
        weight, above = _weight(z[i], floor[i], gamma)
        slope = weight / total[i] * (1 - (above - mean[i] / total[i]) / gamma)
        flow[i] += visits[i] * slope if weight > 0 else 0.0
