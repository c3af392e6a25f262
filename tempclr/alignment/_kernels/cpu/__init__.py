"""The kernel for the CPU: loops compiled by numba.

operator         the loops as a PyTorch operator, with its gradient
one_state        alignments with one state, by a hard or soft minimum: the fastest case
many_states      every other alignment
blocks           what both share: where cells lie, how alignments begin and end
cells            innermost loops of `one_state`
moves            innermost loops of `many_states`
scaled_floats    numbers with an exponent of their own, and other instructions that NumPy lacks

This module says what the kernel can compute, without loading numba.
"""

import math
from importlib.util import find_spec

import torch
from torch import Tensor

from tempclr.alignment._kernels.recursion import PREDECESSORS, Recursion

FIELDS = {"gamma", "smooth", "skip", "begin", "end", "up", "drops", "band"}  # of a recursion, as read by `operator`


def supports(recursion: Recursion) -> bool:
    """Return whether the loops compute this recursion."""
    known = recursion.up in ("always", "first", "never") and recursion.drops in PREDECESSORS
    return known and recursion.changed <= FIELDS and math.isfinite(recursion.skip)


def obstacle(cost: Tensor, recursion: Recursion) -> str:
    """Return why this kernel cannot compute an alignment here, or nothing if it can."""
    if not supports(recursion):
        return f"it has no program for {recursion}"
    if cost.device.type != "cpu":
        return f"the cost is on {cost.device}"
    if cost.dtype not in (torch.float32, torch.float64):
        return f"it expects float32 or float64, got {cost.dtype}"
    if find_spec("numba") is None:
        return "numba is not installed; it comes with: pip install 'tempclr[cpu]'"
    return ""
