"""Segmentation: a long sequence is cut into one segment for each step of a short one, in order."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import align, as_pairs, drop_plane
from tempclr.alignment._kernels.choose import alignment_cost
from tempclr.alignment._kernels.recursion import Recursion
from tempclr.alignment.drop_costs import DropCost


def segment_dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    between: float | Float[Tensor, "*batch m"] | DropCost | None = None,
    gamma: float = 0.0,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the cost of cutting y into one segment for each step of x, in order.

    A segment is a run of at least one step of y, all of them matched with the same step of x. Unlike in `dtw`, a
    step of y is never matched with several steps of x:

        min_{0 = c_0 < c_1 < ... < c_n = m} sum_i sum_{c_i <= j < c_(i+1)} cost(i, j)

    With `between`, steps of y before, between and after the segments may belong to none of them.

    Args:
        cost: As for `soft_dtw`. Swapping x and y changes the result.
        lengths: As for `soft_dtw`.
        between: Cost of a step of y that belongs to no segment, as `drop_y` of `drop_dtw`. None allows no such
            step.
        gamma: Smoothing, >= 0, in the unit of `cost`, of the minimum over all segmentations; 0 is the hard minimum.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`; +inf where no segmentation exists, as where y has fewer
        steps than x. Its gradient says which steps of y lie in which segment, or how probably if gamma > 0.

    Raises:
        ValueError: As `soft_dtw`, but gamma may be 0. Also if `between` is NaN or -inf, or has the wrong shape or
            device.

    Example:
        The third step of y fits neither step of x:

        >>> cost = torch.tensor([[1.0, 1.0, 8.0, 9.0], [9.0, 9.0, 8.0, 1.0]])
        >>> segment_dtw(cost), segment_dtw(cost, between=3.0)
        (tensor(11.), tensor(6.))

    Source:
        Rabiner, "A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition",
        Proceedings of the IEEE 1989, section III.B (Viterbi) on a left-to-right model without transition costs.
    """
    if between is None:
        return align(cost, lengths, Recursion(gamma=gamma, up="never"), kernel=kernel)
    pairs, pair_lengths = as_pairs(cost, lengths)
    lengths_x, lengths_y = pair_lengths.split(1, dim=1)
    # an added first row and column, in which nothing is matched, hold the steps of y before the first segment
    match = torch.nn.functional.pad(pairs, (1, 0, 1, 0), value=torch.inf)
    dropped, lengths_y = drop_plane(between, "between", cost, lengths, pairs, lengths_y, axis=-1)
    planes = torch.stack([match, dropped[:, None].expand_as(match)], 1)
    recursion = Recursion(gamma=gamma, drops="between")
    value = alignment_cost(planes, torch.cat([lengths_x, lengths_y], 1) + 1, recursion, kernel)
    return value.reshape(cost.shape[:-2])
