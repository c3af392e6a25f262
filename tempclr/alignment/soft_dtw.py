"""Soft-DTW: the cost of the best monotone alignment, smoothed so that it can be learnt through."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment import diagonals
from tempclr.alignment.inputs import as_pairs, check_cost, check_kernel


def soft_dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.1,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the soft-DTW cost of aligning two sequences.

    Of all monotone paths from the first pair of steps to the last, soft-DTW takes
    the soft minimum of their summed costs,

        -gamma * log sum_path exp(-cost(path) / gamma),

    which is at most the DTW cost, tends to it as gamma goes to 0, and can be negative.

    Args:
        cost: `cost[..., i, j]` is the cost of matching step i of x with step j of y.
            +inf forbids a cell. Swapping x and y transposes it and leaves the result unchanged.
        lengths: True steps of x and y per pair; what lies beyond is never read.
        gamma: Smoothing, > 0, in the unit of `cost`. With cosine costs (0 to 2),
            0.1 is soft and 0.01 is nearly hard.
        kernel: "diagonals" (PyTorch, any device) or "auto", which chooses for you.

    Returns:
        One value per pair, in the unit of `cost`; +inf where no path exists. It is a sum
        over steps, not a mean, so longer sequences cost more. Its gradient with respect to
        `cost` is the expected alignment, and can be differentiated once more. Half precision
        is computed and returned in float32.

    Raises:
        ValueError: If `gamma` is not positive, a length is out of range, a cost within
            the lengths is NaN or -inf, or there is no such kernel.

    Example:
        Of 2 x 2 steps at no cost there are three paths, hence -log 3:

        >>> soft_dtw(torch.zeros(2, 2), gamma=1.0)
        tensor(-1.0986)

    Source:
        Cuturi & Blondel, "Soft-DTW: a Differentiable Loss Function for
        Time-Series", ICML 2017, equation 1.
    """
    check_kernel(kernel)
    _check_gamma(gamma)
    pairs, pair_lengths = as_pairs(cost, lengths)
    return diagonals.alignment_cost(pairs, pair_lengths, gamma).reshape(cost.shape[:-2])


def expected_alignment(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.1,
    kernel: str = "auto",
) -> Float[Tensor, "*batch n m"]:
    """Return how often an alignment visits each cell, when cheaper paths are likelier.

    A path has probability proportional to exp(-cost(path) / gamma); the expected
    alignment is the probability that it runs through a cell, and the gradient of soft-DTW.

    Args:
        cost: As for `soft_dtw`.
        lengths: As for `soft_dtw`.
        gamma: As for `soft_dtw`; small values give the hard path, large ones spread it.
        kernel: As for `soft_dtw`.

    Returns:
        Probabilities from 0 to 1. Every row and every column within the lengths sums to at
        least 1, and both corners are 1; beyond the lengths, and where no path exists, all are
        0. It is differentiable with respect to `cost`.

    Raises:
        ValueError: As `soft_dtw`.

    Example:
        One of the three paths takes the diagonal, the other two a corner each:

        >>> expected_alignment(torch.zeros(2, 2), gamma=1.0)
        tensor([[1.0000, 0.3333],
                [0.3333, 1.0000]])

    Source:
        Cuturi & Blondel, ICML 2017, algorithm 2.
    """
    check_cost(cost)
    traced = cost.requires_grad and torch.is_grad_enabled()
    with torch.enable_grad():
        cost = cost if traced else cost.detach().requires_grad_()
        value = soft_dtw(cost, lengths, gamma=gamma, kernel=kernel)
        (alignment,) = torch.autograd.grad(value.sum(), cost, create_graph=traced)
    return alignment


def _check_gamma(gamma: float) -> None:
    """Refuse a smoothing that is not a positive number."""
    if not (gamma > 0 and math.isfinite(gamma)):
        raise ValueError(f"expected a finite gamma > 0, got {gamma}; for the hard minimum use dtw")
