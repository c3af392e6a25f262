"""Which program computes an alignment: chosen by name, or by what the machine and the input allow."""

import logging

from torch import Tensor

from tempclr.alignment import diagonals
from tempclr.alignment.recursion import Recursion

KERNELS = ("auto", "diagonals")
log = logging.getLogger(__name__)


def alignment_cost(cost: Tensor, lengths: Tensor, recursion: Recursion, kernel: str) -> Tensor:
    """Return the cost of aligning each pair [pairs, states, n, m] by the kernel that was asked for.

    Raises:
        ValueError: If there is no such kernel, or it cannot compute this here; the message says what is missing.
    """
    if kernel not in KERNELS:
        raise ValueError(f"expected kernel to be one of {', '.join(KERNELS)}, got {kernel!r}")
    return diagonals.alignment_cost(cost, lengths, recursion)
