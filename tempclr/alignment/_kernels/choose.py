"""Which program computes an alignment: asked for by name, or chosen by what the input and the machine allow.

    diagonals   PyTorch, on any device, in any precision, of every recursion
    cpu         compiled loops (numba), float32 and float64, of every recursion
    gpu         Triton programs, float32 and float64, of every recursion; not yet timed on a GPU

To see what "auto" chose: `logging.getLogger("tempclr.alignment").setLevel(logging.DEBUG)`, or `choose_kernel`.
"""

import logging
import os
from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch import Tensor

from tempclr.alignment._kernels import diagonals
from tempclr.alignment._kernels.recursion import OutOfRangeError, Recursion

KERNELS = ("auto", "diagonals", "cpu", "gpu")
TRITON = (3, 9)  # the first release that compiles tuples within tuples
# Cells from which on "auto" takes the compiled loops. They are ten times as fast from the first cell on, but take about
# two seconds to load in each process, and once per machine ten or more to compile; below, a call takes milliseconds.
# The choice looks at nothing else, such as what is loaded: a run that is continued computes as if it had not stopped.
MANY = 1_000
log = logging.getLogger(__name__)


def alignment_cost(cost: Tensor, lengths: Tensor, recursion: Recursion, kernel: str) -> Tensor:
    """Return the cost of aligning each pair [pairs, states, n, m] by the kernel that was asked for.

    Raises:
        ValueError: If there is no such kernel, or it cannot compute this here; the message says what is missing.
    """
    if kernel not in KERNELS:
        raise ValueError(f"expected kernel to be one of {', '.join(KERNELS)}, got {kernel!r}")
    chosen = choose_kernel(cost, recursion) if kernel == "auto" else kernel
    if chosen == "diagonals":
        return diagonals.alignment_cost(cost, lengths, recursion)
    if reason := obstacle(chosen, cost, recursion):
        raise ValueError(f"kernel={chosen!r} cannot compute this: {reason}")
    if chosen == "cpu":
        from tempclr.alignment._kernels.cpu import operator as compiled
    else:
        from tempclr.alignment._kernels.gpu import operator as compiled
    try:
        return compiled.alignment_cost(cost, lengths, recursion)
    except OutOfRangeError:
        if kernel != "auto":
            raise
        _tell("kernel diagonals instead: costs out of the range of %s", chosen)
        return diagonals.alignment_cost(cost, lengths, recursion)


def choose_kernel(cost: Tensor, recursion: Recursion) -> str:
    """Return the kernel that "auto" takes for costs [pairs, states, n, m]: the fastest that computes this here."""
    wanted = "gpu" if cost.is_cuda else "cpu" if cost.numel() >= MANY else "diagonals"
    chosen = wanted if wanted == "diagonals" or not obstacle(wanted, cost, recursion) else "diagonals"
    _tell("kernel %s for %s on %s", chosen, tuple(cost.shape), cost.device)
    return chosen


def obstacle(kernel: str, cost: Tensor, recursion: Recursion) -> str:
    """Return why a compiled kernel cannot compute this, or nothing if it can."""
    interpreted = kernel == "gpu" and os.environ.get("TRITON_INTERPRET") == "1"  # Triton's way to do without a GPU
    if cost.device.type != ("cpu" if kernel == "cpu" or interpreted else "cuda"):
        return f"the cost is on {cost.device}"
    if cost.dtype not in (torch.float32, torch.float64):
        return f"it expects float32 or float64, got {cost.dtype}"
    package = {"cpu": "numba", "gpu": "triton"}[kernel]
    if find_spec(package) is None:
        return f"{package} is not installed; it comes with: pip install 'tempclr[{kernel}]'"
    if kernel == "gpu" and _number(version("triton")) < TRITON:
        return f"it expects triton {'.'.join(map(str, TRITON))} or newer, got {version('triton')}"
    return ""


def _tell(message: str, *values: object) -> None:
    """Log what was chosen, but not while `torch.compile` traces, which cannot follow loggers."""
    if not torch.compiler.is_compiling():
        log.debug(message, *values)


def _number(version: str) -> tuple[int, ...]:
    """Major and minor number of a version."""
    return tuple(int(part) for part in version.split(".")[:2])
