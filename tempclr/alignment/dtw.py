"""Dynamic time warping: the cost of the best monotone alignment, and the alignment itself."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment import diagonals
from tempclr.alignment.inputs import as_pairs, check_cost, check_kernel


def dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the cost of the cheapest monotone path from the first pair of steps to the last.

        R(i, j) = cost(i, j) + min{ R(i-1, j-1), R(i-1, j), R(i, j-1) }

    Args:
        cost: `cost[..., i, j]` is the cost of matching step i of x with step j of y; +inf forbids a cell.
        lengths: True steps of x and y per pair; what lies beyond is never read.
        kernel: "diagonals" (PyTorch, any device) or "auto", which chooses for you.

    Returns:
        One value per pair, in the unit of `cost`, summed over the cells of the path; +inf where no
        path exists. Its gradient is 1 on the cells of `dtw_path` and 0 elsewhere.

    Raises:
        ValueError: If a length is out of range, or a cost within the lengths is NaN or -inf.

    Example:
        >>> dtw(torch.tensor([[1.0, 9.0, 9.0], [9.0, 2.0, 3.0]]))
        tensor(6.)

    Source:
        Sakoe & Chiba, "Dynamic Programming Algorithm Optimization for Spoken Word
        Recognition", IEEE TASSP 1978, with the plain (unweighted) steps.
    """
    check_kernel(kernel)
    pairs, pair_lengths = as_pairs(cost, lengths)
    return diagonals.alignment_cost(pairs, pair_lengths, 0.0).reshape(cost.shape[:-2])


def dtw_path(cost: Float[Tensor, "n m"]) -> Int[Tensor, "cells 2"]:
    """Return the cheapest monotone path of one pair as rows (i, j), from the first steps to the last.

    Of paths that cost the same, the one with diagonal moves is taken, then the one that
    advances in x.

    Raises:
        ValueError: If no path exists, or as `dtw`.

    Example:
        >>> dtw_path(torch.tensor([[1.0, 9.0, 9.0], [9.0, 2.0, 3.0]])).tolist()
        [[0, 0], [1, 1], [1, 2]]
    """
    if cost.ndim != 2:
        raise ValueError(f"expected one cost matrix [n, m], got shape {tuple(cost.shape)}")
    check_cost(cost)
    with torch.enable_grad():
        cost = cost.detach().requires_grad_()
        value = dtw(cost)
        if value == torch.inf:
            raise ValueError("expected at least one path of finite cost, got none: +inf cells block all of them")
        (on_path,) = torch.autograd.grad(value, cost)
    return on_path.nonzero()  # row by row, which on a monotone path is its order
