"""Read an alignment off its value: the gradient of the value says which cells the alignment visits."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import check_cost

# cost [*batch, n, m] and lengths [*batch, 2] or None -> values [*batch]
AlignmentFn = Callable[[Tensor, Tensor | None], Tensor]


def alignment_of(
    alignment_fn: AlignmentFn,
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
) -> Float[Tensor, "*batch n m"]:
    """Return how often an alignment matches each step of x with each step of y.

    Args:
        alignment_fn: A function from costs and lengths to one value per pair, such as `dtw`, or
            `functools.partial(otam, gamma=0.1)`.
        cost: As for that function.
        lengths: As for that function.

    Returns:
        0 or 1 for a hard alignment, probabilities from 0 to 1 for a soft one; 0 beyond the lengths
        and where no path exists. It is differentiable if the cost requires a gradient.

    Raises:
        ValueError: As that function.

    Example:
        >>> from tempclr import dtw
        >>> alignment_of(dtw, torch.tensor([[1.0, 9.0, 9.0], [9.0, 2.0, 3.0]]))
        tensor([[1., 0., 0.],
                [0., 1., 1.]])
    """
    check_cost(cost)
    traced = cost.requires_grad and torch.is_grad_enabled()
    with torch.enable_grad():
        cost = cost if traced else cost.detach().requires_grad_()
        (visits,) = torch.autograd.grad(alignment_fn(cost, lengths).sum(), cost, create_graph=traced)
    return visits


def aligned_steps(
    alignment_fn: AlignmentFn,
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
) -> Int[Tensor, "*batch m"]:
    """Return the step of x that a hard alignment matches with each step of y: of several, the cheapest.

    Args:
        alignment_fn: A hard alignment function, such as `dtw`.
        cost: As for that function.
        lengths: As for that function.

    Returns:
        Numbers from 0 to n - 1; -1 for steps that are matched with none, such as those that Drop-DTW leaves out, and
        those beyond the lengths.

    Raises:
        ValueError: As that function.

    Example:
        >>> from tempclr import dtw
        >>> aligned_steps(dtw, torch.tensor([[0.1, 0.2, 0.9], [0.8, 0.7, 0.1]]))
        tensor([0, 0, 1])
    """
    with torch.no_grad():
        visited = alignment_of(alignment_fn, cost, lengths) > 0
        return cost.masked_fill(~visited, torch.inf).argmin(-2).masked_fill(~visited.any(-2), -1)


def path_of(alignment_fn: AlignmentFn, cost: Float[Tensor, "n m"]) -> Int[Tensor, "cells 2"]:
    """Return a hard alignment as rows (i, j) of matched steps, in order.

    Args:
        alignment_fn: A hard alignment function, such as `dtw` or `subsequence_dtw`.
        cost: The cost matrix of one pair.

    Raises:
        ValueError: If the pair has no path of finite cost, the alignment is not hard, or as that function.

    Example:
        >>> from tempclr.alignment import subsequence_dtw
        >>> path_of(subsequence_dtw, torch.tensor([[5.0, 1.0, 5.0, 5.0], [5.0, 5.0, 2.0, 5.0]])).tolist()
        [[0, 1], [1, 2]]
    """
    check_cost(cost)
    if cost.ndim != 2:
        raise ValueError(f"expected one cost matrix [n, m], got shape {tuple(cost.shape)}")
    with torch.enable_grad():
        traced = cost.detach().requires_grad_()
        found = alignment_fn(traced, None)
        if found == torch.inf:
            raise ValueError("expected at least one path of finite cost, got none: +inf cells block all of them")
        (on_path,) = torch.autograd.grad(found, traced)
    if not ((on_path == 0) | (on_path == 1)).all():
        raise ValueError("expected a hard alignment, got a soft one; use gamma = 0, or alignment_of")
    return on_path.nonzero()  # row by row, which is the order of a monotone path
