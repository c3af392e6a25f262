"""Choose the kernel that computes an alignment: the one requested by name, or the fastest that can.

    diagonals   PyTorch, on any device, in any precision
    cpu         compiled loops (numba), float32 and float64
    gpu         Triton programs, float32 and float64; not yet timed on a GPU

Each kernel says which recursions it supports and what keeps it from computing one here (`obstacle`). A new alignment
can start with `reference` and `diagonals` alone: where a compiled kernel does not support it, "auto" takes diagonals.

To see what "auto" chose, set `logging.getLogger("tempclr.alignment").setLevel(logging.DEBUG)`.
"""

import logging

from torch import Tensor, compiler

from tempclr.alignment._kernels import cpu, diagonals, gpu
from tempclr.alignment._kernels.recursion import OutOfRangeError, Recursion

KERNELS = {"diagonals": diagonals, "cpu": cpu, "gpu": gpu}
# "auto" takes the compiled loops from this many cells on. They are ten times as fast at any size, but need about two
# seconds to load in each process, and ten or more to compile once per machine; below, a call takes milliseconds anyway.
# The choice depends on nothing else, such as what is loaded: a resumed run computes as if it had never stopped.
MANY = 1_000
log = logging.getLogger(__name__)


def alignment_cost(cost: Tensor, lengths: Tensor, recursion: Recursion, kernel: str) -> Tensor:
    """Return the cost of aligning each pair [pairs, states, n, m] with the requested kernel.

    Raises:
        ValueError: If there is no such kernel, or it cannot compute this here; the message says what is missing.
    """
    if kernel != "auto" and kernel not in KERNELS:
        raise ValueError(f"expected kernel to be one of auto, {', '.join(KERNELS)}, got {kernel!r}")
    chosen = choose_kernel(cost, recursion) if kernel == "auto" else kernel
    if reason := KERNELS[chosen].obstacle(cost, recursion):
        raise ValueError(f"kernel={chosen!r} cannot compute this: {reason}")
    if chosen == "diagonals":
        return diagonals.alignment_cost(cost, lengths, recursion)
    if chosen == "cpu":
        from tempclr.alignment._kernels.cpu.operator import alignment_cost as compiled
    else:
        from tempclr.alignment._kernels.gpu.operator import alignment_cost as compiled
    try:
        return compiled(cost, lengths, recursion)
    except OutOfRangeError:
        if kernel != "auto":
            raise
        _log("kernel diagonals instead: the costs are out of range for %s", chosen)
        return diagonals.alignment_cost(cost, lengths, recursion)


def choose_kernel(cost: Tensor, recursion: Recursion) -> str:
    """Return the kernel that "auto" takes for costs [pairs, states, n, m]: the fastest that computes this here."""
    wanted = "gpu" if cost.is_cuda else "cpu" if cost.numel() >= MANY else "diagonals"
    chosen = "diagonals" if KERNELS[wanted].obstacle(cost, recursion) else wanted
    _log("kernel %s for %s on %s", chosen, tuple(cost.shape), cost.device)
    return chosen


def _log(message: str, *values: object) -> None:
    """Log what was chosen, except while `torch.compile` traces, which cannot follow loggers."""
    if not compiler.is_compiling():
        log.debug(message, *values)
