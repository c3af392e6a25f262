"""Which program computes an alignment: asked for by name, or chosen by what the input and the machine allow.

    diagonals   PyTorch, on any device, in any precision, of every recursion
    cpu         compiled loops (numba), float32 and float64
    gpu         Triton, float32 on a CUDA device

To see what "auto" chose: `logging.getLogger("tempclr.alignment").setLevel(logging.DEBUG)`, or `choose`.
"""

import logging
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from tempclr.alignment import diagonals
from tempclr.alignment.recursion import Recursion

KERNELS = ("auto", "diagonals", "cpu", "gpu")
NEEDS = {"cpu": "numba", "gpu": "triton"}  # which package each compiles with; an extra of the same name brings it
MANY = 50_000  # cells from which on compiled loops are worth loading
log = logging.getLogger(__name__)


def alignment_cost(cost: Tensor, lengths: Tensor, recursion: Recursion, kernel: str) -> Tensor:
    """Return the cost of aligning each pair [pairs, states, n, m] by the kernel that was asked for.

    Raises:
        ValueError: If there is no such kernel, or it cannot compute this here; the message says what is missing.
    """
    chosen = choose(cost, recursion) if kernel == "auto" else kernel
    if chosen not in KERNELS:
        raise ValueError(f"expected kernel to be one of {', '.join(KERNELS)}, got {kernel!r}")
    if chosen == "diagonals":
        return diagonals.alignment_cost(cost, lengths, recursion)
    if reason := obstacle(chosen, cost, recursion):
        raise ValueError(f"kernel={chosen!r} cannot compute this: {reason}")
    return import_module(f"tempclr.alignment.{chosen}").alignment_cost(cost[:, 0], lengths, recursion)


def choose(cost: Tensor, recursion: Recursion) -> str:
    """Return the kernel that "auto" takes for costs [pairs, states, n, m]: the fastest that computes this here."""
    able = (name for name in NEEDS if cost.numel() >= MANY and not obstacle(name, cost, recursion))
    chosen = next(able, "diagonals")
    log.debug("kernel %s for %s on %s", chosen, tuple(cost.shape), cost.device)
    return chosen


def obstacle(kernel: str, cost: Tensor, recursion: Recursion) -> str:
    """Return why a kernel other than `diagonals` cannot compute this, or nothing if it can."""
    if recursion.states > 1 or recursion.smooth:
        return "it has neither drop costs nor the weighted mean; kernel='diagonals' has"
    if cost.device.type != {"cpu": "cpu", "gpu": "cuda"}[kernel]:
        return f"the cost is on {cost.device}"
    dtypes = {"cpu": (torch.float32, torch.float64), "gpu": (torch.float32,)}[kernel]
    if cost.dtype not in dtypes:
        return f"it expects {' or '.join(map(str, dtypes))}, got {cost.dtype}"
    if find_spec(NEEDS[kernel]) is None:
        return f"{NEEDS[kernel]} is not installed; it comes with: pip install 'tempclr[{kernel}]'"
    return ""
