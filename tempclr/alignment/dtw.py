"""Dynamic time warping: the cost of the best monotone alignment, and the alignment itself."""

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import align
from tempclr.alignment._kernels.recursion import Recursion
from tempclr.alignment.visits import path_of


def dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    band: float | None = None,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the cost of the cheapest monotone path from the first pair of steps to the last.

        R(i, j) = cost(i, j) + min{ R(i-1, j-1), R(i-1, j), R(i, j-1) }

    Args:
        cost: `cost[..., i, j]` is the cost of matching step i of x with step j of y; +inf forbids a cell.
        lengths: True numbers of steps of x and y per pair; padding beyond them is never read.
        band: As for `soft_dtw`.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`, summed over the cells of the path; +inf where no
        path exists. Its gradient is 1 on the cells of `dtw_path` and 0 elsewhere.

    Raises:
        ValueError: As `soft_dtw`.

    Example:
        >>> dtw(torch.tensor([[1.0, 9.0, 9.0], [9.0, 2.0, 3.0]]))
        tensor(6.)

    Source:
        Sakoe & Chiba, "Dynamic Programming Algorithm Optimization for Spoken Word
        Recognition", IEEE TASSP 1978, with the plain (unweighted) steps.
    """
    return align(cost, lengths, Recursion(band=band), kernel=kernel)


def dtw_path(cost: Float[Tensor, "n m"]) -> Int[Tensor, "cells 2"]:
    """Return the cheapest monotone path of one pair as rows (i, j), from the first steps to the last.

    Among paths of equal cost, diagonal moves are preferred, then moves along x.

    Raises:
        ValueError: If no path exists, or as `dtw`.

    Example:
        >>> dtw_path(torch.tensor([[1.0, 9.0, 9.0], [9.0, 2.0, 3.0]])).tolist()
        [[0, 0], [1, 1], [1, 2]]
    """
    return path_of(dtw, cost)
