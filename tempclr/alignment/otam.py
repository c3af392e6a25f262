"""OTAM: the alignment of few-shot recognition, in which each step of y is used once."""

import math
from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import align
from tempclr.alignment._kernels.recursion import Recursion


def otam(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.1,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the OTAM cost: each step of y is matched with one step of x, never an earlier one than before.

    The first and last steps of x may be left out. As published, the cost is padded with a column of zeros on either
    side, and x advances without y only in the two columns next to the padding. This equals DTW that begins and
    ends at any step of x, with moves right and diagonally, and down only in the first column. Except at the corner,
    a path can leave a padded column in two ways, so the soft minimum counts such beginnings and ends twice.

    Args:
        cost: As for `soft_dtw`. OTAM is not symmetric; published results average it with OTAM of the transpose.
        lengths: As for `soft_dtw`.
        gamma: Smoothing, >= 0, in the unit of `cost`; 0 is the hard minimum.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`; +inf where no path exists.

    Raises:
        ValueError: As `soft_dtw`, but gamma may be 0.

    Example:
        >>> otam(torch.tensor([[1.0, 9.0, 9.0], [9.0, 2.0, 3.0], [9.0, 9.0, 9.0]]), gamma=0.0)
        tensor(6.)

    Source:
        Cao, Ji, Cao, Chang & Niebles, "Few-Shot Video Classification via Temporal Alignment",
        CVPR 2020, equations 5 to 9.
    """
    closed = Recursion(gamma=gamma)
    recursion = replace(closed, begin="x", end="x", skip=-gamma * math.log(2), up="first")
    return align(cost, lengths, recursion, kernel=kernel)
