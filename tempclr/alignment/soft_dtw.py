"""Soft-DTW: the cost of the best monotone alignment, smoothed so that gradients pass through it."""

from functools import partial

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import align, check_gamma
from tempclr.alignment._kernels.recursion import Recursion
from tempclr.alignment.visits import alignment_of


def soft_dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.1,
    band: float | None = None,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the soft-DTW cost of aligning two sequences.

    Soft-DTW is the soft minimum of the summed costs of all monotone paths from the first
    pair of steps to the last,

        -gamma * log sum_path exp(-cost(path) / gamma),

    which is at most the DTW cost, tends to it as gamma goes to 0, and can be negative.

    Args:
        cost: `cost[..., i, j]` is the cost of matching step i of x with step j of y.
            +inf forbids a cell. Swapping x and y transposes it and leaves the result unchanged.
        lengths: True numbers of steps of x and y per pair; padding beyond them is never read.
        gamma: Smoothing, > 0, in the unit of `cost`. With cosine costs (0 to 2),
            0.1 is soft and 0.01 is nearly hard.
        band: Half-width of Sakoe & Chiba's band: only cells within this many steps of the line between the corners
            take part, counted along the shorter sequence. At least 1/2 is used, so that a path always exists.
        kernel: "diagonals" (PyTorch, any device), "cpu" (numba), "gpu" (Triton), or "auto": the fastest that
            can compute this. The compiled kernels take float32 and float64.

    Returns:
        One value per pair, in the unit of `cost`; +inf where no path exists. It is a sum
        over steps, not a mean, so longer sequences cost more. Its gradient with respect to
        `cost` is the expected alignment, and can be differentiated once more. Half precision
        is computed and returned in float32.

    Raises:
        ValueError: If `gamma` is not positive, `band` is negative, a length is out of range, a cost
            within the lengths is NaN or -inf, or the kernel does not exist or cannot run here.

    Example:
        Three paths lead through 2 x 2 cells of cost 0, hence -log 3:

        >>> soft_dtw(torch.zeros(2, 2), gamma=1.0)
        tensor(-1.0986)

    Source:
        Cuturi & Blondel, "Soft-DTW: a Differentiable Loss Function for
        Time-Series", ICML 2017, equation 1.
    """
    check_gamma(gamma, "for the hard minimum use dtw")
    return align(cost, lengths, Recursion(gamma=gamma, band=band), kernel=kernel)


def expected_alignment(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.1,
    band: float | None = None,
    kernel: str = "auto",
) -> Float[Tensor, "*batch n m"]:
    """Return the probability that an alignment visits each cell, where cheaper paths are more likely.

    A path has probability proportional to exp(-cost(path) / gamma), and the expected alignment
    is the probability that a path visits a cell. It is also the gradient of soft-DTW.

    Args:
        cost: As for `soft_dtw`.
        lengths: As for `soft_dtw`.
        gamma: As for `soft_dtw`; small values concentrate on the best path, large ones spread over many.
        band: As for `soft_dtw`.
        kernel: As for `soft_dtw`.

    Returns:
        Probabilities from 0 to 1. Every row and every column within the lengths sums to at
        least 1, and both corners are 1; beyond the lengths, and where no path exists, all are
        0. It is differentiable with respect to `cost`.

    Raises:
        ValueError: As `soft_dtw`.

    Example:
        One of the three paths is the diagonal; each of the other two visits one more corner:

        >>> expected_alignment(torch.zeros(2, 2), gamma=1.0)
        tensor([[1.0000, 0.3333],
                [0.3333, 1.0000]])

    Source:
        Cuturi & Blondel, ICML 2017, algorithm 2.
    """
    return alignment_of(partial(soft_dtw, gamma=gamma, band=band, kernel=kernel), cost, lengths)
