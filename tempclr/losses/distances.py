"""Alignment functions built from others. x is always the text and y the video, whichever of them is shuffled.

Losses take any alignment function, with its options bound: `soft_dtw`, `dtw`, `partial(otam, gamma=0.1)`, or
`partial(drop_dtw, drop_y=0.8, gamma=0.1)`, which can leave out background clips at a cost.
"""

from functools import partial

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment import AlignmentFn, alignment_of


def transposed(alignment_fn: AlignmentFn) -> AlignmentFn:
    """Return the alignment function with x and y exchanged."""
    return partial(_transposed, alignment_fn)


def both_ways(alignment_fn: AlignmentFn) -> AlignmentFn:
    """Return an alignment function that sums both directions, as published for OTAM, which is not symmetric."""
    return partial(_both_ways, alignment_fn)


def per_cell(alignment_fn: AlignmentFn) -> AlignmentFn:
    """Return an alignment function that divides the distance by the visited cells, so that length does not count.

    A soft alignment visits an expected number of cells (see `alignment_of`), at least 1. The gradient is that of the
    quotient. It needs second derivatives of the alignment, so it takes about three times as long.

    Example:
        A path whose cells all cost 0.5, for two lengths:

        >>> from tempclr import dtw
        >>> [per_cell(dtw)(1 - torch.eye(n) / 2).item() for n in (2, 5)]
        [0.5, 0.5]
    """
    return partial(_per_cell, alignment_fn)


def _transposed(
    alignment_fn: AlignmentFn, cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None
) -> Float[Tensor, "*batch"]:
    return alignment_fn(cost.mT, None if lengths is None else lengths.flip(-1))


def _both_ways(
    alignment_fn: AlignmentFn, cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None
) -> Float[Tensor, "*batch"]:
    return alignment_fn(cost, lengths) + _transposed(alignment_fn, cost, lengths)


def _per_cell(
    alignment_fn: AlignmentFn, cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None
) -> Float[Tensor, "*batch"]:
    cells = alignment_of(alignment_fn, cost, lengths).sum((-1, -2))
    return alignment_fn(cost, lengths) / cells.clamp(min=1)
