"""Drop-DTW: an alignment that may drop steps, at a cost."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import as_pairs, drop_plane
from tempclr.alignment._kernels.choose import alignment_cost
from tempclr.alignment._kernels.recursion import Recursion
from tempclr.alignment.drop_costs import DropCost


def drop_dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    drop_x: float | Float[Tensor, "*batch n"] | DropCost | None = None,
    drop_y: float | Float[Tensor, "*batch m"] | DropCost | None = None,
    gamma: float = 0.0,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the cost of the best alignment in which steps may be dropped instead of matched.

    It is the minimum, over all sets of dropped steps, of their drop costs plus the DTW cost of the remaining steps:

        min_{A, B} sum_{i in A} drop_x(i) + sum_{j in B} drop_y(j) + dtw(cost without A and B)

    Args:
        cost: As for `soft_dtw`.
        lengths: As for `soft_dtw`.
        drop_x: Cost of dropping a step of x: one number, one per step, or a function from costs and lengths to one
            per pair, such as `percentile` or a `LearntDropCost`. +inf keeps a step, None keeps all.
        drop_y: The same for y.
        gamma: Smoothing, >= 0, in the unit of `cost`, of the minimum over all alignments and sets of
            dropped steps, each counted once; 0 is the hard minimum.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`; +inf where no alignment exists. If steps of
        both sequences may be dropped, an alignment may drop all of them. It is differentiable with respect to
        costs and drop costs: the gradient with respect to a drop cost says how often that step is dropped, and
        `alignment_of(partial(drop_dtw, drop_y=1.0), cost)` says how often each cell is matched.

    Raises:
        ValueError: As `soft_dtw`, but gamma may be 0. Also if neither drop cost is given, or a drop cost
            is NaN or -inf, or has the wrong shape or device.

    Example:
        The middle step of y fits nowhere:

        >>> drop_dtw(torch.tensor([[1.0, 9.0, 9.0], [9.0, 8.0, 2.0]]), drop_y=3.0)
        tensor(6.)

    Source:
        Dvornik, Hadji, Derpanis, Garg & Jepson, "Drop-DTW: Aligning Common Signal Between Sequences
        While Dropping Outliers", NeurIPS 2021, algorithms 1 and 2.
    """
    drops = ("" if drop_x is None else "x") + ("" if drop_y is None else "y")
    if not drops:
        raise ValueError("expected drop_x or drop_y, got neither; without drops use dtw or soft_dtw")
    recursion = Recursion(gamma=gamma, drops=drops)
    pairs, pair_lengths = as_pairs(cost, lengths)
    # an added first row and column, in which nothing is matched, hold the drops before the first match
    match = torch.nn.functional.pad(pairs, (1, 0, 1, 0), value=torch.inf)
    planes = [match]
    lengths_x, lengths_y = pair_lengths.split(1, dim=1)
    if drop_x is not None:
        plane, lengths_x = drop_plane(drop_x, "drop_x", cost, lengths, pairs, lengths_x, axis=-2)
        planes.append(plane[:, :, None].expand_as(match))
    if drop_y is not None:
        plane, lengths_y = drop_plane(drop_y, "drop_y", cost, lengths, pairs, lengths_y, axis=-1)
        planes += [plane[:, None].expand_as(match)] * (2 if drop_x is not None else 1)
    value = alignment_cost(torch.stack(planes, 1), torch.cat([lengths_x, lengths_y], 1) + 1, recursion, kernel)
    return value.reshape(cost.shape[:-2])
