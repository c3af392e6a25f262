"""Which program computes an alignment: asked for by name, or chosen by what the input and the machine allow.

    diagonals   PyTorch, on any device, in any precision, of every recursion
    cpu         compiled loops (numba), float32 and float64, of every recursion

To see what "auto" chose: `logging.getLogger("tempclr.alignment").setLevel(logging.DEBUG)`, or `choose`.
"""

import logging
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from tempclr.alignment import diagonals
from tempclr.alignment.recursion import Recursion

KERNELS = ("auto", "diagonals", "cpu")
MANY = 50_000  # cells from which on compiled loops are worth loading
log = logging.getLogger(__name__)


def alignment_cost(cost: Tensor, lengths: Tensor, recursion: Recursion, kernel: str) -> Tensor:
    """Return the cost of aligning each pair [pairs, states, n, m] by the kernel that was asked for.

    Raises:
        ValueError: If there is no such kernel, or it cannot compute this here; the message says what is missing.
    """
    if kernel not in KERNELS:
        raise ValueError(f"expected kernel to be one of {', '.join(KERNELS)}, got {kernel!r}")
    chosen = choose(cost, recursion) if kernel == "auto" else kernel
    if chosen == "diagonals":
        return diagonals.alignment_cost(cost, lengths, recursion)
    if reason := obstacle(chosen, cost, recursion):
        raise ValueError(f"kernel={chosen!r} cannot compute this: {reason}")
    compiled = import_module(f"tempclr.alignment.{chosen}")
    try:
        return compiled.alignment_cost(cost, lengths, recursion)
    except compiled.OutOfRangeError:
        if kernel != "auto":
            raise
        log.debug("kernel diagonals instead: costs out of the range of %s", chosen)
        return diagonals.alignment_cost(cost, lengths, recursion)


def choose(cost: Tensor, recursion: Recursion) -> str:
    """Return the kernel that "auto" takes for costs [pairs, states, n, m]: the fastest that computes this here."""
    chosen = "cpu" if cost.numel() >= MANY and not obstacle("cpu", cost, recursion) else "diagonals"
    log.debug("kernel %s for %s on %s", chosen, tuple(cost.shape), cost.device)
    return chosen


def obstacle(kernel: str, cost: Tensor, recursion: Recursion) -> str:
    """Return why a compiled kernel cannot compute this, or nothing if it can."""
    if cost.device.type != "cpu":
        return f"the cost is on {cost.device}"
    if cost.dtype not in (torch.float32, torch.float64):
        return f"it expects float32 or float64, got {cost.dtype}"
    if find_spec("numba") is None:
        return f"numba is not installed; it comes with: pip install 'tempclr[{kernel}]'"
    return ""
