"""The kernel for the GPU: programs compiled by Triton.

operator    the programs as a PyTorch operator, with its gradient
plan        how the matrices of a batch are laid out on programs
sweeps      the sweep that computes the value, and the one back that computes the visits
cells       what both sweeps do at one cell

What is here says what the kernel computes, without loading Triton.
"""

import os
from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch import Tensor

from tempclr.alignment._kernels.recursion import PREDECESSORS, Recursion

FIELDS = {"gamma", "smooth", "skip", "begin", "end", "up", "drops", "band"}  # of a recursion that `operator` reads
TRITON = (3, 9)  # the first release that compiles tuples within tuples


def supports(recursion: Recursion) -> bool:
    """Return whether the programs compute this recursion."""
    known = recursion.up in ("always", "first", "never") and recursion.drops in PREDECESSORS
    return known and recursion.changed <= FIELDS


def obstacle(cost: Tensor, recursion: Recursion) -> str:
    """Return why this kernel cannot compute an alignment here, or nothing if it can."""
    if not supports(recursion):
        return f"it has no program for {recursion}"
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # Triton then runs on the CPU
    if cost.device.type != ("cpu" if interpreted else "cuda"):
        return f"the cost is on {cost.device}"
    if cost.dtype not in (torch.float32, torch.float64):
        return f"it expects float32 or float64, got {cost.dtype}"
    if find_spec("triton") is None:
        return "triton is not installed; it comes with: pip install 'tempclr[gpu]'"
    if tuple(int(part) for part in version("triton").split(".")[:2]) < TRITON:
        return f"it expects triton {'.'.join(map(str, TRITON))} or newer, got {version('triton')}"
    return ""
